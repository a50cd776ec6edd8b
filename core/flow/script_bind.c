/* Scripts meet the target's schema: which columns there are, what tells rows apart, and which order is needed. */
#include "flow/script_guard.h"

#include <strings.h>

#include "flow/plan.h"

struct binding {
	struct script_host *host;
	struct script *script;
	void (*warn)(void *ctx, const char *line);
	void *ctx;
	struct error *err;
};

static void warn(const struct binding *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(const struct binding *b, const char *format, ...)
{
	struct buf text = BUF_INIT;
	va_list args;

	if (!b->warn)
		return;
	buf_printf(&text, "%.*s: ", SLICE_ARG(b->script->path));
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	b->warn(b->ctx, buf_cstr(&text));
	buf_free(&text);
}

static int find_column(const struct binding *b, struct slice name, const char *field)
{
	return script_find_written(b->host, b->script, name, field, b->err);
}

/* The primary key, or what the script says where there is none. */
static int settle_key(const struct binding *b)
{
	struct script *script = b->script;
	struct target *target = script->target;

	if (script->key_count > TARGET_KEY_MOST)
		return script_fault(b->host, script, "key", SLICE(""), b->err, "at most %d columns", TARGET_KEY_MOST);
	if (target->has_primary_key) {
		if (script->key_count)
			warn(b, "key: table %.*s has a primary key, which tells its rows apart; `key` is not used", SLICE_ARG(target->name));
		return 0;
	}
	if (!script->key_count)
		return target->open
			       ? 0
			       : script_fault(
					 b->host, script, "target", SLICE(""), b->err,
					 "table %.*s has no primary key, so nothing tells its rows apart: give it one, or name columns, as in key "
					 "= { \"id\" }",
					 SLICE_ARG(target->name));
	target->key_count = 0;
	target->key_exact = true;
	for (uint32_t i = 0; i < script->key_count; i++) {
		int column = find_column(b, script->keys[i], "key");

		if (column < 0)
			return -1;
		target->key[target->key_count++] = (uint32_t)column;
		target->key_exact &= target->open || target->columns[column].exact;
	}
	return 0;
}

static int settle_columns(const struct binding *b)
{
	struct script *script = b->script;

	for (uint32_t i = 0; i < script->copy_count; i++) {
		script->copies[i].column = find_column(b, script->copies[i].to, "columns");
		if (script->copies[i].column < 0)
			return -1;
	}
	for (uint32_t i = 0; i < script->computed_count; i++)
		if (find_column(b, script->computed[i], "columns") < 0)
			return -1;
	if (!script->own_count)
		return 0;
	script->owned = arena_zalloc(&b->host->arena, script->target->count + script->own_count + 1);
	for (uint32_t i = 0; i < script->own_count; i++) {
		int column = script_find_written(b->host, script, script->owns[i], "owns", b->err);

		if (column < 0)
			return -1;
		script->owned[column] = true;
	}
	for (uint32_t i = 0; i < script->copy_count; i++) {
		uint32_t column = (uint32_t)script->copies[i].column;

		if (!script->owned[column] && !target_is_key(script->target, column) && !(script->target->open && !script->target->key_count))
			return script_fault(b->host, script, "owns", script->copies[i].to, b->err,
					    "columns writes %.*s, which is neither in it nor part of the key", SLICE_ARG(script->copies[i].to));
	}
	return 0;
}

/* Or made by the engine. */
static bool is_copied(const struct script *script, uint32_t column)
{
	if (script->copies_all || (script->shard_count && script->shard_column == column))
		return true;
	for (uint32_t i = 0; i < script->copy_count; i++)
		if (script->copies[i].column == (int32_t)column)
			return true;
	return false;
}

/* Nothing that it writes depends on what was written before: lanes need no order, and rows go to lanes so that no two of these meet in one. */
static bool adds_only(const struct script *script)
{
	const struct target *target = script->target;

	for (uint32_t i = 0; i < script->copy_count; i++)
		if (!target->columns[script->copies[i].column].merge && !target_is_key(target, (uint32_t)script->copies[i].column))
			return false;
	for (uint32_t i = 0; i < script->computed_count; i++) {
		int column = target_find(target, script->computed[i]);

		if (!target->columns[column].merge && !target_is_key(target, (uint32_t)column))
			return false;
	}
	return script->merges && script->copy_count + script->computed_count > 0;
}

/* Order by key is enough where keys can be compared here as the database compares them, where no other unique index lets one row's change
 * wait for another's, and where it is known which changes are of one row (core/README.md, "Keys and lanes"). */
static void settle_order(const struct binding *b)
{
	struct script *script = b->script;
	const struct target *target = script->target;
	bool exact = target->key_exact || target->open;
	bool known = !script->lua_makes_rows || plan_source_keyed(script) || script->merges;

	script->key_copied = target->key_count > 0 && !script->lua_makes_rows;
	for (uint32_t k = 0; k < target->key_count; k++)
		script->key_copied &= is_copied(script, target->key[k]);
	if (script->key_by == KEY_BY_DEFAULT && script->chained)
		script->key_by = KEY_BY_TABLE; /* whose rows the readers make of it is not known */
	else if (script->key_by == KEY_BY_DEFAULT && adds_only(script))
		script->key_by = KEY_BY_ROW;
	else if (script->key_by == KEY_BY_DEFAULT)
		script->key_by = exact && known && !target->other_unique ? KEY_BY_ROW : KEY_BY_TABLE;
	else if (script->key_by != KEY_BY_TABLE && target->other_unique)
		warn(b,
		     "key_by: table %.*s has another unique index; its changes are safe, but rows that hand a unique value over wait for each other",
		     SLICE_ARG(target->name));
}

static int find_target(const struct binding *b)
{
	struct script *script = b->script;

	if (!script->has_target) { /* all that it writes goes through ctx:emit */
		script->target = script_host_target_own(b->host, script->target_name);
		return 0;
	}
	script->target = script_host_target(b->host, script->target_name, b->err);
	return script->target ? 0 : script_blame(b->host, script, "target", SLICE(""), b->err);
}

static int bind_script(const struct binding *b)
{
	struct script_host *host = b->host;
	struct script *script = b->script;
	bool key_is_function = false;

	if (lookups_bind(script, b->err) < 0)
		return -1;
	if (script->has_target && (settle_key(b) < 0 || settle_columns(b) < 0))
		return -1;
	if (script->has_target && share_settle_merges(host, script, b->err) < 0)
		return -1;
	for (uint32_t k = 0; k < script->target->key_count; k++)
		key_is_function |= script->enters_lua && !is_copied(script, script->target->key[k]);
	script->lua_makes_rows |= key_is_function;
	settle_order(b);
	if (script->windowed)
		window_bind(script);
	script->target->parks |= script->updates && !script->target->open;
	host_push_engine(host, "bind");
	lua_pushinteger(host->lua, (lua_Integer)script->index + 1);
	lua_pushinteger(host->lua, (lua_Integer)script->target->id);
	lua_pushboolean(host->lua, key_is_function);
	if (host_call(host, 3, 0, b->err) < 0)
		return error_prefix(b->err, "%.*s", SLICE_ARG(script->path));
	return 0;
}

int script_host_meet(struct script_host *host, struct sink *sink, struct shapes *shapes, const struct reading_settings *readings, struct error *err)
{
	host->sink = sink;
	host->shapes = shapes;
	host->readings = readings;
	for (uint32_t i = 0; i < host->script_count; i++)
		if (host->scripts[i].stateful && !host->state_target)
			state_bind(host);
	/* One after the other: a sink keeps what it has read of its schema for a moment. */
	for (uint32_t i = 0; i < host->script_count; i++)
		if (find_target(&(struct binding){ .host = host, .script = &host->scripts[i], .err = err }) < 0)
			return -1;
	host->settled = 0;
	return 0;
}

int script_host_settle(struct script_host *host, void (*warn_line)(void *ctx, const char *line), void *ctx, struct error *err)
{
	if (host->settled < host->script_count) {
		struct binding b = { host, &host->scripts[host->settled++], warn_line, ctx, err };

		return bind_script(&b) < 0 ? -1 : 1;
	}
	if (host->sink) {
		host_push_engine(host, "check_sinks");
		if (host_call(host, 0, 0, err) < 0)
			return -1;
	}
	if (chain_settle(host, err) < 0)
		return -1;
	guard_settled(host);
	if (share_settle(host, warn_line, ctx, err) < 0)
		return -1;
	return routes_build(host, err);
}

int script_host_bind(struct script_host *host, struct sink *sink, struct shapes *shapes, const struct reading_settings *readings,
		     void (*warn_line)(void *ctx, const char *line), void *ctx, struct error *err)
{
	int more = script_host_meet(host, sink, shapes, readings, err) < 0 ? -1 : 1;

	while (more == 1)
		more = script_host_settle(host, warn_line, ctx, err);
	return more;
}
