/* Which script serves a table: "shop.orders" before "orders", DEFAULT_TABLE_KEY for events without a table. */
#include "flow/script_private.h"

#include <stdlib.h>
#include <uthash.h>

struct route {
	char *name; /* "shop.orders", "orders", "" */
	struct script *script;
	struct script *rekeyed[REKEYED_MOST]; /* with `repartition`, each through a topic of its own */
	uint32_t rekeyed_count;
	UT_hash_handle hh;
};

static struct route *find(struct script_host *host, const char *name, size_t size)
{
	struct route *route;

	HASH_FIND(hh, host->routes, name, size, route);
	return route;
}

static const char *shown(struct slice name)
{
	return name.n ? name.p : "events without a table";
}

/* What comes through a topic is one script's. */
static int add_rekeyed(struct route *route, struct slice name, struct script *script, struct error *err)
{
	for (uint32_t i = 0; i < route->rekeyed_count; i++)
		if (slice_equal(route->rekeyed[i]->repartition, script->repartition))
			return error_set(err, "%.*s and %.*s both serve %s through `repartition` by topic %.*s: each needs a topic of its own",
					 SLICE_ARG(route->rekeyed[i]->path), SLICE_ARG(script->path), shown(name), SLICE_ARG(script->repartition));
	if (route->rekeyed_count == REKEYED_MOST)
		return error_set(err, "%.*s: more than %d scripts serve %s through `repartition`", SLICE_ARG(script->path), REKEYED_MOST,
				 shown(name));
	route->rekeyed[route->rekeyed_count++] = script;
	return 0;
}

static int add_route(struct script_host *host, struct slice name, struct script *script, struct error *err)
{
	struct route *route = find(host, name.p, name.n);

	if (!route) {
		route = calloc(1, sizeof *route);
		BUG_IF(!route);
		route->name = strndup(name.p, name.n);
		BUG_IF(!route->name);
		HASH_ADD_KEYPTR(hh, host->routes, route->name, name.n, route);
	}
	if (script->repartition.n)
		return add_rekeyed(route, name, script, err);
	if (route->script)
		return error_set(err, "%.*s and %.*s both serve %s: one script has a table", SLICE_ARG(route->script->path), SLICE_ARG(script->path),
				 shown(name));
	route->script = script;
	return 0;
}

int routes_build(struct script_host *host, struct error *err)
{
	for (uint32_t i = 0; i < host->script_count; i++)
		for (uint32_t s = 0; s < host->scripts[i].source_count; s++)
			if (add_route(host, host->scripts[i].sources[s], &host->scripts[i], err) < 0)
				return -1;
	return 0;
}

int script_host_check_direct(const struct script_host *host, struct error *err)
{
	for (const struct route *route = host->routes; route; route = route->hh.next) {
		const struct script *first = route->script ? route->script : route->rekeyed[0], *other = route->rekeyed[route->script ? 0 : 1];

		if (route->rekeyed_count + (route->script != NULL) > 1)
			return error_set(err,
					 "%.*s and %.*s both serve %s: `repartition` takes each one's events through a topic, and files have none: "
					 "one script has a table, unless its source is Kafka",
					 SLICE_ARG(first->path), SLICE_ARG(other->path), shown(slice_of(route->name)));
	}
	return 0;
}

void routes_free(struct script_host *host)
{
	struct route *route, *next;

	HASH_ITER(hh, host->routes, route, next)
	{
		HASH_DEL(host->routes, route);
		free(route->name);
		free(route);
	}
}

static struct script *rekeyed_by(const struct route *route, struct slice through)
{
	for (uint32_t i = 0; i < route->rekeyed_count; i++)
		if (slice_equal(route->rekeyed[i]->repartition, through))
			return route->rekeyed[i];
	return NULL;
}

static struct script *of_route(const struct script_host *host, const struct route *route, struct slice through)
{
	struct script *first = route ? route->rekeyed[0] : NULL;

	if (!route)
		return NULL;
	if (host->rekey == REKEY_OUT)
		return first;
	if (host->rekey == REKEY_IN)
		return !through.n ? route->script : rekeyed_by(route, through);
	return route->script ? route->script : first;
}

/* What names the database comes first. */
static void find_both(struct script_host *host, struct slice database, struct slice table, struct route *found[2])
{
	char name[512];

	found[0] = NULL;
	if (!table.p || table.n == 0)
		table = SLICE("");
	if (database.n && table.n && database.n + 1 + table.n <= sizeof name) {
		memcpy(name, database.p, database.n);
		name[database.n] = '.';
		memcpy(name + database.n + 1, table.p, table.n);
		found[0] = find(host, name, database.n + 1 + table.n);
	}
	found[1] = find(host, table.p, table.n);
}

struct script *script_host_route(struct script_host *host, struct slice database, struct slice table, struct slice through)
{
	struct route *found[2];
	struct script *script;

	find_both(host, database, table, found);
	script = of_route(host, found[0], through);
	return script ? script : of_route(host, found[1], through);
}

bool script_host_goes_through(struct script_host *host, struct slice database, struct slice table)
{
	struct route *found[2];

	find_both(host, database, table, found);
	return (found[0] && found[0]->rekeyed_count) || (found[1] && found[1]->rekeyed_count);
}

uint32_t script_host_rekeyed_scripts(struct script_host *host, struct slice database, struct slice table, struct script *const **scripts)
{
	struct route *found[2], *route;

	find_both(host, database, table, found);
	route = found[0] && found[0]->rekeyed_count ? found[0] : found[1];
	*scripts = route ? route->rekeyed : NULL;
	return route ? route->rekeyed_count : 0;
}

void script_host_set_rekey(struct script_host *host, enum rekey rekey)
{
	host->rekey = rekey;
}

enum rekey script_host_rekey(const struct script_host *host)
{
	return host->rekey;
}

bool script_host_has_topic(const struct script_host *host, struct slice topic)
{
	for (uint32_t i = 0; i < host->script_count; i++)
		if (slice_equal(host->scripts[i].repartition, topic))
			return true;
	return false;
}
