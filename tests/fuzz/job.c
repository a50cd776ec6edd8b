/* job.lua: any options make a job, or an error that names the file; never one of the runtime's own. An input is JSON for what
 * stands in sl.job { ... }: in `source` and `sink` a member "kind" is the function that is called; "()" instead of a value is a function. */
#include <stdlib.h>

#include "flow/json.h"
#include "flow/script_private.h"
#include "fuzz/fuzz.h"

enum { DEPTH_MOST = 12 };

static void put_string(struct buf *out, struct slice text)
{
	buf_char(out, '"');
	for (size_t i = 0; i < text.n; i++)
		buf_printf(out, "\\%03d", (unsigned char)text.p[i]);
	buf_char(out, '"');
}

static void put_table(struct buf *out, const struct json_node *nodes, const struct json_node *object, const char *but);

static void put_value(struct buf *out, const struct json_node *nodes, const struct json_node *node)
{
	struct slice text = { node->value.p, node->value.n };

	switch ((enum value_kind)node->value.kind) {
	case VALUE_JSON:
		if (node->expanded)
			put_table(out, nodes, node, NULL);
		else
			buf_text(out, "{}");
		break;
	case VALUE_TEXT:
		if (slice_is(text, "()"))
			buf_text(out, "function() end");
		else
			put_string(out, text);
		break;
	case VALUE_NULL:
		buf_text(out, "nil");
		break;
	case VALUE_TRUE:
	case VALUE_FALSE:
	case VALUE_NUMBER:
		buf_slice(out, text);
		break;
	default:
		abort();
	}
}

static void put_table(struct buf *out, const struct json_node *nodes, const struct json_node *object, const char *but)
{
	buf_char(out, '{');
	for (const struct json_node *node = object + 1; node < nodes + object->end; node = nodes + node->end) {
		if (object->object && but && slice_is(node->name, but))
			continue;
		if (object->object) {
			buf_char(out, '[');
			put_string(out, node->name);
			buf_text(out, "]=");
		}
		put_value(out, nodes, node);
		buf_char(out, ',');
	}
	buf_char(out, '}');
}

/* sl.source.kafka { ... } */
static void put_end(struct buf *out, const struct json_node *nodes, const struct json_node *node)
{
	const struct json_node *kind = json_member(nodes, node, "kind");

	if (!kind || kind->value.kind != VALUE_TEXT) {
		put_value(out, nodes, node);
		return;
	}
	buf_printf(out, "sl.%.*s[", SLICE_ARG(node->name));
	put_string(out, (struct slice){ kind->value.p, kind->value.n });
	buf_text(out, "](");
	put_table(out, nodes, node, "kind");
	buf_char(out, ')');
}

static bool write_job(struct buf *out, struct slice input)
{
	static struct json *json;
	struct slice padded = fuzz_padded(input);
	struct arena arena = ARENA_INIT;
	const struct json_node *nodes;
	bool good;

	if (!json)
		json = json_new();
	good = padded.p && json_read(json, padded, DEPTH_MOST, NULL, &arena, &nodes, NULL) > 0 && nodes->value.kind == VALUE_JSON && nodes->object;
	if (good) {
		buf_text(out, "local sl = require 'streamlua'\nreturn sl.job {");
		for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
			buf_char(out, '[');
			put_string(out, node->name);
			buf_text(out, "]=");
			if (slice_is(node->name, "source") || slice_is(node->name, "sink"))
				put_end(out, nodes, node);
			else
				put_value(out, nodes, node);
			buf_text(out, ",\n");
		}
		buf_char(out, '}');
	}
	arena_free(&arena);
	free((char *)padded.p);
	return good;
}

static struct script_host *open_host(struct bundle *bundle)
{
	struct script_host *host;
	struct error err;

	*bundle = (struct bundle){ .folder = strdup("/") };
	bundle_add(bundle, "job.lua", "", 0);
	host = script_host_new(&(struct host_options){ .bundle = bundle }, &err);
	FUZZ_CHECK(host, "%s", err.text);
	return host;
}

static void check_field(lua_State *lua, const char *name, int type)
{
	lua_getfield(lua, -1, name);
	FUZZ_CHECK(lua_type(lua, -1) == type, "job.%s is a %s", name, luaL_typename(lua, -1));
	lua_pop(lua, 1);
}

static void check_job(struct script_host *host, const char *text)
{
	lua_State *lua = script_host_lua(host);
	struct error err;
	char *outside;

	check_field(lua, "name", LUA_TSTRING);
	check_field(lua, "source", LUA_TTABLE);
	check_field(lua, "sink", LUA_TTABLE);
	check_field(lua, "memory", LUA_TNUMBER);
	lua_pop(lua, 1);
	outside = script_host_outside(host, &err);
	FUZZ_CHECK(outside && *outside, "%s of\n%s", err.text, text);
	free(outside);
}

/* "job.lua:2: ...", and not what the runtime says where it has stumbled itself. */
static bool is_for_people(const char *text)
{
	const char *reason = strncmp(text, "job.lua", 7) == 0 ? strstr(text, ": ") : NULL;

	return reason && strncmp(reason + 2, "attempt to", 10) != 0 && strncmp(reason + 2, "bad argument", 12) != 0 &&
	       strncmp(reason + 2, "streamlua/", 10) != 0;
}

void fuzz_job(struct slice input)
{
	static struct script_host *host;
	static struct bundle bundle;
	struct buf text = BUF_INIT;
	struct error err = { .text = "" };

	if (!host)
		host = open_host(&bundle);
	if (write_job(&text, input)) {
		free(bundle.files[0].text);
		bundle.files[0].size = text.n;
		bundle.files[0].text = strdup(buf_cstr(&text));
		host_push_engine(host, "load_job");
		lua_pushstring(host->lua, "job.lua");
		if (host_call(host, 1, 1, &err) == 0)
			check_job(host, buf_cstr(&text));
		else
			FUZZ_CHECK(is_for_people(err.text), "%s of\n%s", err.text, buf_cstr(&text));
	}
	buf_free(&text);
}
