/* A table script as streamlua.script validated it, read into C. Everything is checked there; nothing is decided here. */
#include "flow/merge.h"
#include "flow/script_private.h"

static struct slice text_at(struct script_host *host, int index)
{
	size_t n;
	const char *p = lua_tolstring(host->lua, index, &n);

	return p ? arena_copy(&host->arena, (struct slice){ p, n }) : (struct slice){ 0 };
}

static struct slice text_field(struct script_host *host, const char *name)
{
	struct slice text;

	lua_getfield(host->lua, -1, name);
	text = text_at(host, -1);
	lua_pop(host->lua, 1);
	return text;
}

static bool has_field(lua_State *lua, const char *name, int type)
{
	bool has;

	lua_getfield(lua, -1, name);
	has = lua_type(lua, -1) == type;
	lua_pop(lua, 1);
	return has;
}

/* A list of texts in a field, or none. */
static uint32_t list_field(struct script_host *host, const char *name, struct slice **list)
{
	uint32_t count = 0;

	lua_getfield(host->lua, -1, name);
	if (lua_istable(host->lua, -1)) {
		count = (uint32_t)lua_objlen(host->lua, -1);
		*list = arena_zalloc(&host->arena, (count + 1) * sizeof **list);
		for (uint32_t i = 0; i < count; i++) {
			lua_rawgeti(host->lua, -1, (int)i + 1);
			(*list)[i] = text_at(host, -1);
			lua_pop(host->lua, 1);
		}
	}
	lua_pop(host->lua, 1);
	return count;
}

/* { database = "shop", table = "orders" } as "shop.orders"; { default = true } as "". */
static void read_sources(struct script_host *host, struct script *script)
{
	lua_getfield(host->lua, -1, "sources");
	script->source_count = (uint32_t)lua_objlen(host->lua, -1);
	script->sources = arena_zalloc(&host->arena, (script->source_count + 1) * sizeof *script->sources);
	for (uint32_t i = 0; i < script->source_count; i++) {
		struct slice database, table;

		lua_rawgeti(host->lua, -1, (int)i + 1);
		database = text_field(host, "database");
		table = text_field(host, "table");
		script->sources[i] = database.p ? arena_printf(&host->arena, "%.*s.%.*s", SLICE_ARG(database), SLICE_ARG(table))
						: arena_copy(&host->arena, table);
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
}

static void read_columns(struct script_host *host, struct script *script)
{
	uint32_t count;

	lua_getfield(host->lua, -1, "columns");
	if (!lua_istable(host->lua, -1)) {
		lua_pop(host->lua, 1);
		script->copies_all = !has_field(host->lua, "map", LUA_TFUNCTION);
		return;
	}
	count = (uint32_t)lua_objlen(host->lua, -1);
	script->copies = arena_zalloc(&host->arena, (count + 1) * sizeof *script->copies);
	script->computed = arena_zalloc(&host->arena, (count + 1) * sizeof *script->computed);
	for (uint32_t i = 0; i < count; i++) {
		lua_rawgeti(host->lua, -1, (int)i + 1);
		if (has_field(host->lua, "call", LUA_TFUNCTION)) {
			script->enters_lua = true;
			script->computed[script->computed_count++] = text_field(host, "target");
		} else {
			struct copy *copy = &script->copies[script->copy_count++];

			copy->to = text_field(host, "target");
			copy->from = text_field(host, "source");
		}
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
}

static void read_key_by(struct script_host *host, struct script *script)
{
	if (has_field(host->lua, "key_by", LUA_TFUNCTION)) {
		script->key_by = KEY_BY_FUNCTION;
		script->enters_lua = true;
	} else if (has_field(host->lua, "key_by", LUA_TTABLE)) {
		script->key_by = KEY_BY_COLUMNS;
		script->key_by_count = list_field(host, "key_by", &script->key_by_columns);
	} else if (slice_is(text_field(host, "key_by"), "table")) {
		script->key_by = KEY_BY_TABLE;
	} else if (slice_is(text_field(host, "key_by"), "row")) {
		script->key_by = KEY_BY_ROW;
	}
}

/* merges: { { column =, kind = }, ... }; shard: { column =, count = } */
static void read_merges(struct script_host *host, struct script *script)
{
	lua_getfield(host->lua, -1, "merges");
	if (lua_istable(host->lua, -1)) {
		script->merge_count = (uint32_t)lua_objlen(host->lua, -1);
		script->merges = arena_zalloc(&host->arena, (script->merge_count + 1) * sizeof *script->merges);
		for (uint32_t i = 0; i < script->merge_count; i++) {
			lua_rawgeti(host->lua, -1, (int)i + 1);
			script->merges[i] = (struct merge){ text_field(host, "column"), merge_named(text_field(host, "kind")) };
			lua_pop(host->lua, 1);
		}
	}
	lua_pop(host->lua, 1);
	lua_getfield(host->lua, -1, "shard");
	if (lua_istable(host->lua, -1)) {
		script->shard = text_field(host, "column");
		lua_getfield(host->lua, -1, "count");
		script->shard_count = (uint32_t)lua_tointeger(host->lua, -1);
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
}

static void read_repartition(struct script_host *host, struct script *script)
{
	lua_getfield(host->lua, -1, "repartition");
	if (lua_istable(host->lua, -1)) {
		script->repartition = text_field(host, "topic");
		lua_getfield(host->lua, -1, "partitions");
		script->repartition_partitions = (int32_t)lua_tonumber(host->lua, -1);
		lua_pop(host->lua, 1);
		lua_getfield(host->lua, -1, "retention");
		script->repartition_retention_ms = (int64_t)lua_tonumber(host->lua, -1);
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
}

static void read_time(struct script_host *host, struct script *script)
{
	lua_getfield(host->lua, -1, "time");
	if (lua_istable(host->lua, -1)) {
		script->time_column = text_field(host, "column");
		lua_getfield(host->lua, -1, "factor");
		script->time_factor = lua_tonumber(host->lua, -1);
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
}

static int64_t default_park_for(struct script_host *host)
{
	int64_t ms = 10 * 60 * 1000;

	script_host_push_job(host);
	if (lua_istable(host->lua, -1)) {
		lua_getfield(host->lua, -1, "park_for");
		ms = lua_isnumber(host->lua, -1) ? (int64_t)lua_tonumber(host->lua, -1) : ms;
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
	return ms;
}

void script_from_lua(struct script_host *host, struct script *script)
{
	struct slice on_error;

	script->name = text_field(host, "name");
	script->path = text_field(host, "path");
	script->target_name = text_field(host, "target");
	read_sources(host, script);
	read_columns(host, script);
	read_key_by(host, script);
	script->key_count = list_field(host, "key", &script->keys);
	script->own_count = list_field(host, "owns", &script->owns);
	read_merges(host, script);
	script->lua_makes_rows = has_field(host->lua, "map", LUA_TFUNCTION);
	script->enters_lua |= script->lua_makes_rows || has_field(host->lua, "filter", LUA_TFUNCTION) || has_field(host->lua, "where", LUA_TFUNCTION);
	script->reads_stream = has_field(host->lua, "reads", LUA_TSTRING);
	script->chained = script->reads_stream || has_field(host->lua, "to_stream", LUA_TSTRING);
	if (script->chained)
		script->enters_lua = script->lua_makes_rows = true;
	script->stateful = has_field(host->lua, "stateful", LUA_TBOOLEAN);
	script->has_target = !script->stateful || has_field(host->lua, "has_target", LUA_TBOOLEAN);
	lookups_load(host, script);
	read_time(host, script);
	read_repartition(host, script);
	if (script->stateful) {
		script->enters_lua = script->lua_makes_rows = true;
		script->copies_all = false;
		script->patterned = has_field(host->lua, "pattern", LUA_TTABLE);
		script->windowed = has_field(host->lua, "window", LUA_TTABLE);
		lua_getfield(host->lua, -1, "version");
		script->state_version = (int32_t)lua_tointeger(host->lua, -1);
		lua_pop(host->lua, 1);
		lua_getfield(host->lua, -1, "out_of_order");
		script->out_of_order_ms = (int64_t)lua_tonumber(host->lua, -1);
		lua_pop(host->lua, 1);
		lua_getfield(host->lua, -1, "idle_after");
		script->idle_after_ms = (int64_t)lua_tonumber(host->lua, -1);
		lua_pop(host->lua, 1);
		script->closes = slice_is(text_field(host, "emit"), "final");
		script->ends = script->closes || has_field(host->lua, "ends", LUA_TBOOLEAN);
		if (script->windowed)
			window_load(host, script);
	}
	script->updates = slice_is(text_field(host, "write"), "update");
	on_error = text_field(host, "on_error");
	script->on_error = slice_is(on_error, "stop") ? ON_ERROR_STOP : slice_is(on_error, "skip") ? ON_ERROR_SKIP : ON_ERROR_DEAD_LETTER;
	lua_getfield(host->lua, -1, "park_for");
	script->park_for_ms = lua_isnumber(host->lua, -1) ? (int64_t)lua_tonumber(host->lua, -1) : default_park_for(host);
	lua_pop(host->lua, 1);
}
