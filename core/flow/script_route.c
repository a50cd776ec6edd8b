/* Which script serves a table: "shop.orders" before "orders", DEFAULT_TABLE_KEY for events without a table. */
#include "flow/script_private.h"

#include <stdlib.h>
#include <uthash.h>

struct route {
	char *name; /* "shop.orders", "orders", "" */
	struct script *script;
	UT_hash_handle hh;
};

static int add_route(struct script_host *host, struct slice name, struct script *script, struct error *err)
{
	struct route *route;

	HASH_FIND(hh, host->routes, name.p, name.n, route);
	if (route)
		return error_set(err, "%.*s and %.*s both serve %s: one script has a table", SLICE_ARG(route->script->path), SLICE_ARG(script->path),
				 name.n ? name.p : "events without a table");
	route = calloc(1, sizeof *route);
	BUG_IF(!route);
	route->name = strndup(name.p, name.n);
	BUG_IF(!route->name);
	route->script = script;
	HASH_ADD_KEYPTR(hh, host->routes, route->name, name.n, route);
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

struct script *script_host_route(struct script_host *host, struct slice database, struct slice table)
{
	char name[512];
	struct route *route = NULL;

	if (!table.p || table.n == 0)
		table = SLICE("");
	if (database.n && table.n && database.n + 1 + table.n <= sizeof name) {
		memcpy(name, database.p, database.n);
		name[database.n] = '.';
		memcpy(name + database.n + 1, table.p, table.n);
		HASH_FIND(hh, host->routes, name, database.n + 1 + table.n, route);
	}
	if (!route)
		HASH_FIND(hh, host->routes, table.p, table.n, route);
	return route ? route->script : NULL;
}
