/* The functions of streamlua.host: what the Lua runtime asks of the engine while nothing flows. */
#include "flow/script_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/zone.h"

static struct script_host *host_of(lua_State *lua)
{
	return lua_touserdata(lua, lua_upvalueindex(1));
}

static struct slice text_argument(lua_State *lua, int index)
{
	struct slice text;

	text.p = luaL_checklstring(lua, index, &text.n);
	return text;
}

/* nil and the reason: how Lua's own libraries fail. */
static int failed(lua_State *lua, const char *reason)
{
	lua_pushnil(lua);
	lua_pushstring(lua, reason);
	return 2;
}

/* read(path) -> text of a file of the bundle */
static int host_read(lua_State *lua)
{
	struct error err;
	const struct bundle_file *file = bundle_get(host_of(lua)->options.bundle, luaL_checkstring(lua, 1), &err);

	if (!file)
		return failed(lua, err.text);
	lua_pushlstring(lua, file->text, file->size);
	return 1;
}

/* env(name) -> text or nil; nil and the reason where NAME_FILE names a file that cannot be read. What stands in the variable itself goes
 * first; of a file, the end of its line is not part of what it says. */
static int host_env(lua_State *lua)
{
	const struct script_host *host = host_of(lua);
	const char *name = luaL_checkstring(lua, 1), *value = getenv(name), *path;
	struct error err;
	char *text;
	size_t n;

	lua_pushfstring(lua, "%s_FILE", name);
	path = value ? NULL : getenv(lua_tostring(lua, -1));
	if (!path || !*path || !host->options.read) {
		lua_pushstring(lua, value);
		return 1;
	}
	if (host->options.read(host->options.bundle->folder, path, &text, &n, &err) < 0)
		return failed(lua, err.text);
	if (n > 0 && text[n - 1] == '\n')
		n -= n > 1 && text[n - 2] == '\r' ? 2 : 1;
	lua_pushlstring(lua, text, n);
	free(text);
	return 1;
}

/* print(text): to the log */
static int host_print(lua_State *lua)
{
	struct script_host *host = host_of(lua);

	if (host->options.print)
		host->options.print(host->options.ctx, text_argument(lua, 1));
	return 0;
}

/* secret() -> 32 hexadecimal digits that nobody can guess */
static int host_secret(lua_State *lua)
{
	struct buf hex = BUF_INIT;
	char bytes[16];

	BUG_IF(getrandom(bytes, sizeof bytes, 0) != sizeof bytes);
	buf_hex(&hex, (struct slice){ bytes, sizeof bytes });
	lua_pushlstring(lua, hex.p, hex.n);
	buf_free(&hex);
	return 1;
}

/* digest(text) -> hexadecimal; tells texts apart without telling them */
static int host_digest(lua_State *lua)
{
	struct slice text = text_argument(lua, 1);
	char hex[17];

	snprintf(hex, sizeof hex, "%016llx", (unsigned long long)XXH3_64bits(text.p, text.n));
	lua_pushstring(lua, hex);
	return 1;
}

/* time_parse(text) -> milliseconds since the epoch */
static int host_time_parse(lua_State *lua)
{
	struct error err;
	int64_t ms;

	if (clock_time(text_argument(lua, 1), 0, &ms, &err) < 0)
		return failed(lua, err.text);
	lua_pushnumber(lua, (double)ms);
	return 1;
}

/* time_format(milliseconds) -> RFC 3339, UTC */
static int host_time_format(lua_State *lua)
{
	char text[32];

	lua_pushstring(lua, clock_format((int64_t)luaL_checknumber(lua, 1), text));
	return 1;
}

static int zone_answer(lua_State *lua, int (*convert)(struct slice zone, int64_t from, int64_t *to, struct error *err))
{
	int64_t seconds;
	struct error err;

	if (convert(text_argument(lua, 1), (int64_t)luaL_checknumber(lua, 2), &seconds, &err) < 0)
		return failed(lua, err.text);
	lua_pushnumber(lua, (double)seconds);
	return 1;
}

/* zone_to_local(zone, seconds since the epoch) -> what clocks there show, as seconds since the epoch that UTC's would show; and back */
static int host_zone_to_local(lua_State *lua)
{
	return zone_answer(lua, zone_to_local);
}

static int host_zone_to_utc(lua_State *lua)
{
	return zone_answer(lua, zone_to_utc);
}

/* ---- json_decode(text, null, array_metatable, doubles) ---- */

/* doubles: every number is one, however many digits it has (a double's own may be 17). */
static void push_scalar(lua_State *lua, const struct value *value, int null, bool doubles)
{
	double number;

	switch (value->kind) {
	case VALUE_TRUE:
	case VALUE_FALSE:
		lua_pushboolean(lua, value->kind == VALUE_TRUE);
		break;
	case VALUE_NUMBER:
		if (doubles)
			lua_pushnumber(lua, strtod(value->p, NULL)); /* what follows it in JSON ends it */
		else if (value_to_double(value, &number))
			lua_pushnumber(lua, number);
		else
			lua_pushlstring(lua, value->p, value->n);
		break;
	case VALUE_TEXT:
		lua_pushlstring(lua, value->p, value->n);
		break;
	default:
		lua_pushvalue(lua, null);
	}
}

/* Pushes the node at `at`; returns the one behind it. */
static uint32_t push_node(lua_State *lua, const struct json_node *nodes, uint32_t at, int null, int array, bool doubles)
{
	const struct json_node *node = &nodes[at];
	uint32_t child = at + 1;

	if (node->value.kind != VALUE_JSON) {
		push_scalar(lua, &node->value, null, doubles);
		return node->end;
	}
	lua_newtable(lua);
	if (!node->object) {
		lua_pushvalue(lua, array);
		lua_setmetatable(lua, -2);
	}
	for (int i = 1; child < node->end; i++) {
		const struct json_node *member = &nodes[child];

		if (node->object) {
			lua_pushlstring(lua, member->name.p, member->name.n);
			child = push_node(lua, nodes, child, null, array, doubles);
			lua_rawset(lua, -3);
		} else {
			child = push_node(lua, nodes, child, null, array, doubles);
			lua_rawseti(lua, -2, i);
		}
	}
	return node->end;
}

static int host_json_decode(lua_State *lua)
{
	struct script_host *host = host_of(lua);
	struct slice text = text_argument(lua, 1);
	const struct json_node *nodes;
	struct error err;
	char *padded;

	luaL_checkstack(lua, 4 * JSON_DEPTH_MOST, "JSON is nested too deeply");
	padded = arena_alloc(&host->decoding, text.n + JSON_PADDING);
	memcpy(padded, text.p, text.n);
	memset(padded + text.n, 0, JSON_PADDING);
	if (json_read(host->json, (struct slice){ padded, text.n }, JSON_DEPTH_MOST, NULL, &host->decoding, &nodes, &err) < 0) {
		arena_free(&host->decoding);
		return failed(lua, err.text);
	}
	/* Lua may run out of memory in there: the arena is the next call's then. */
	push_node(lua, nodes, 0, 2, 3, lua_toboolean(lua, 4));
	arena_free(&host->decoding);
	return 1;
}

void host_functions_push(struct script_host *host)
{
	static const luaL_Reg functions[] = {
		{ "read", host_read },
		{ "env", host_env },
		{ "print", host_print },
		{ "secret", host_secret },
		{ "digest", host_digest },
		{ "time_parse", host_time_parse },
		{ "time_format", host_time_format },
		{ "zone_to_local", host_zone_to_local },
		{ "zone_to_utc", host_zone_to_utc },
		{ "json_decode", host_json_decode },
		{ "put", host_put },
		{ NULL, NULL },
	};

	lua_newtable(host->lua);
	for (const luaL_Reg *f = functions; f->name; f++) {
		lua_pushlightuserdata(host->lua, host);
		lua_pushcclosure(host->lua, f->func, 1);
		lua_setfield(host->lua, -2, f->name);
	}
	lua_pushlightuserdata(host->lua, host);
	lua_setfield(host->lua, -2, "address");
	lua_pushlightuserdata(host->lua, host->watch);
	lua_setfield(host->lua, -2, "watch");
}
