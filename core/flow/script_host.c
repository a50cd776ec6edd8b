#include "flow/script_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "flow/harness.h"
#include "flow/lua_modules.h"
#include "flow/plan.h"
#include "flow/script_guard.h"

/* A job that says nothing else has memory = "256MB". */
enum { MEMORY_DEFAULT = 256 << 20, MEMORY_LEAST = 8 << 20, MEMORY_PARTS = 4 };

/* ---- the VM ---- */

static bool takes_code(lua_State *lua)
{
	bool takes;

	lua_getglobal(lua, "jit");
	lua_getfield(lua, -1, "version");
	takes = strcmp(lua_tostring(lua, -1), lua_modules_made_by) == 0;
	lua_pop(lua, 2);
	return takes;
}

/* Its code, or its text where the library that runs is not the one that compiled it. */
static int load_module(lua_State *lua, const struct lua_module *module, const char *chunk)
{
	if (takes_code(lua)) {
		if (luaL_loadbuffer(lua, module->code, module->code_size, chunk) == 0)
			return 0;
		lua_pop(lua, 1);
	}
	return luaL_loadbuffer(lua, module->text, module->size, chunk);
}

/* require() of the runtime itself: the modules that are in the program. */
static int load_own_module(lua_State *lua)
{
	const char *name = luaL_checkstring(lua, 1);

	for (const struct lua_module *module = lua_modules; module->name; module++) {
		char chunk[128];

		if (!module->code || strcmp(module->name, name) != 0)
			continue;
		snprintf(chunk, sizeof chunk, "=%s", name);
		for (char *c = chunk; *c; c++)
			if (*c == '.')
				*c = '/';
		if (load_module(lua, module, chunk) != 0)
			return lua_error(lua);
		return 1;
	}
	lua_pushfstring(lua, "\n\tno module '%s' in the program", name);
	return 1;
}

/* Only what is compiled in can be required by the runtime: no path, no shared library. (Scripts have a require of their own.) */
static void set_loaders(lua_State *lua)
{
	lua_getglobal(lua, "package");
	lua_getfield(lua, -1, "loaders");
	lua_createtable(lua, 2, 0);
	lua_rawgeti(lua, -2, 1); /* package.preload, which has ffi */
	lua_rawseti(lua, -2, 1);
	lua_pushcfunction(lua, load_own_module);
	lua_rawseti(lua, -2, 2);
	lua_setfield(lua, -3, "loaders");
	lua_pop(lua, 2);
}

/* Runs protected: whatever goes wrong here is a message, not a panic. */
static int start_engine(lua_State *lua)
{
	struct script_host *host = lua_touserdata(lua, 1);

	luaL_openlibs(lua);
	set_loaders(lua);
	lua_getglobal(lua, "package");
	lua_getfield(lua, -1, "loaded");
	host_functions_push(host);
	lua_setfield(lua, -2, "streamlua.host");
	lua_getglobal(lua, "require");
	lua_pushliteral(lua, "streamlua.engine");
	lua_call(lua, 1, 1);
	host->engine = luaL_ref(lua, LUA_REGISTRYINDEX);
	return 0;
}

int host_call(struct script_host *host, int args, int results, struct error *err)
{
	if (lua_pcall(host->lua, args, results, 0) == 0)
		return 0;
	error_set(err, "%s", lua_isstring(host->lua, -1) ? lua_tostring(host->lua, -1) : "an error without a message");
	lua_pop(host->lua, 1);
	return -1;
}

void host_push_engine(struct script_host *host, const char *function)
{
	lua_rawgeti(host->lua, LUA_REGISTRYINDEX, host->engine);
	lua_getfield(host->lua, -1, function);
	lua_remove(host->lua, -2);
}

/* A quarter of the job's `memory`: events have one half, and what a source fetches ahead the other quarter. */
static size_t memory_for_scripts(struct script_host *host)
{
	size_t bytes = MEMORY_DEFAULT;

	script_host_push_job(host);
	if (lua_istable(host->lua, -1)) {
		lua_getfield(host->lua, -1, "memory");
		bytes = lua_isnumber(host->lua, -1) ? (size_t)lua_tonumber(host->lua, -1) : bytes;
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
	return bytes / MEMORY_PARTS > MEMORY_LEAST ? bytes / MEMORY_PARTS : MEMORY_LEAST;
}

struct script_host *script_host_new(const struct host_options *options, struct error *err)
{
	struct script_host *host = calloc(1, sizeof *host);

	BUG_IF(!host);
	host->options = *options;
	host->own_watch = options->watch ? NULL : calloc(1, sizeof *host->own_watch);
	host->watch = options->watch ? options->watch : host->own_watch;
	BUG_IF(!host->watch);
	host->json = json_new();
	host->lua = luaL_newstate();
	BUG_IF(!host->lua);
	lua_pushcfunction(host->lua, start_engine);
	lua_pushlightuserdata(host->lua, host);
	if (host_call(host, 1, 0, err) < 0)
		goto fail;
	guard_memory(host, MEMORY_DEFAULT); /* job.lua itself; it says how much the scripts have */
	if (options->bundle->job) {
		host_push_engine(host, "load_job");
		lua_pushstring(host->lua, options->bundle->job);
		if (guard_load(host, options->bundle->job, 1, 1, err) < 0)
			goto fail;
		lua_setfield(host->lua, LUA_REGISTRYINDEX, "job");
	}
	guard_memory(host, memory_for_scripts(host));
	return host;
fail:
	script_host_free(host);
	return NULL;
}

void script_host_free(struct script_host *host)
{
	if (!host)
		return;
	harness_free_all(host);
	state_clear(&host->state);
	lookup_clear(&host->lookups);
	timers_free(host);
	chain_free(host);
	for (uint32_t i = 0; i < host->script_count; i++) {
		plans_free(&host->scripts[i]);
		window_free(&host->scripts[i]);
		state_owner_deinit(&host->scripts[i].state);
	}
	buf_free(&host->key);
	buf_free(&host->key_old);
	for (uint32_t i = 0; i < host->target_count; i++)
		free(host->targets[i]);
	routes_free(host);
	if (host->lua) {
		guard_release(host);
		lua_close(host->lua);
	}
	json_free(host->json);
	host_missing_free(host);
	arena_free(&host->arena);
	arena_free(&host->decoding);
	free(host->scripts);
	free(host->targets);
	free(host->work);
	free(host->columns);
	free(host->values);
	free(host->own_watch);
	free(host);
}

struct lua_State *script_host_lua(struct script_host *host)
{
	return host->lua;
}

void script_host_push_job(struct script_host *host)
{
	lua_getfield(host->lua, LUA_REGISTRYINDEX, "job");
}

char *script_host_outside(struct script_host *host, struct error *err)
{
	char *text;

	host_push_engine(host, "outside");
	if (host_call(host, 0, 1, err) < 0)
		return NULL;
	text = strdup(lua_tostring(host->lua, -1));
	lua_pop(host->lua, 1);
	return text;
}

/* ---- scripts ---- */

int script_host_load(struct script_host *host, const char *path, const char *served, struct error *err)
{
	struct script *script;

	host_push_engine(host, "load_script");
	lua_pushstring(host->lua, path);
	if (served)
		lua_pushstring(host->lua, served);
	if (guard_load(host, path, served ? 2 : 1, 1, err) < 0)
		return -1;
	host->scripts = realloc(host->scripts, (host->script_count + 1) * sizeof *host->scripts);
	BUG_IF(!host->scripts);
	script = &host->scripts[host->script_count];
	*script = (struct script){ .host = host, .index = host->script_count++ };
	script_from_lua(host, script);
	script->state.number = script->index;
	lua_pop(host->lua, 1);
	return 0;
}

const char *script_host_version(const struct script_host *host)
{
	return host->options.bundle->version;
}

uint32_t script_host_count(const struct script_host *host)
{
	return host->script_count;
}

struct script *script_host_script(struct script_host *host, uint32_t index)
{
	BUG_IF(index >= host->script_count);
	return &host->scripts[index];
}

struct shapes *script_host_shapes(struct script_host *host)
{
	return host->shapes;
}

const struct reading_settings *script_host_readings(struct script_host *host)
{
	return host->readings;
}

struct json *script_host_json(struct script_host *host)
{
	return host->json;
}

enum on_error script_on_error(const struct script *script)
{
	return script->on_error;
}

int64_t script_park_for(const struct script *script)
{
	return script->park_for_ms;
}

/* ---- targets ---- */

const char *script_host_outage(const struct script_host *host)
{
	return host->outage.text[0] ? host->outage.text : NULL;
}

struct target *script_host_target_at(struct script_host *host, uint32_t id)
{
	return id < host->target_count ? host->targets[id] : NULL;
}

static struct target *new_target(struct script_host *host, struct slice name)
{
	struct target *target = calloc(1, sizeof *target);

	BUG_IF(!target);
	target->arena = &host->arena;
	target->name = arena_copy(&host->arena, name);
	target->id = host->target_count;
	return target;
}

static struct target *keep_target(struct script_host *host, struct target *target)
{
	host->targets = realloc(host->targets, (host->target_count + 1) * sizeof(*host->targets));
	BUG_IF(!host->targets);
	return host->targets[host->target_count++] = target;
}

struct target *script_host_target_own(struct script_host *host, struct slice name)
{
	struct target *target = new_target(host, name);

	target->own = true;
	return keep_target(host, target);
}

int script_host_side(const struct script_host *host, struct slice name, struct error *err)
{
	const char *colon = memchr(name.p, ':', name.n);
	struct slice wanted = { name.p, colon ? (size_t)(colon - name.p) : 0 };
	const char *const *sides = host->sink->sides;
	char known[200] = "";
	size_t n = 0;

	if (!colon)
		return 0;
	for (uint32_t i = 0; sides && sides[i]; i++) {
		if (slice_is(wanted, sides[i]))
			return colon + 1 < name.p + name.n ? (int)i + 1 : error_set(err, "'%.*s' names a sink, and no table", SLICE_ARG(name));
		if (n < sizeof known)
			n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "; it has ", sides[i]);
	}
	return error_set(err, "'%.*s': the job declares no sink '%.*s' (sinks = { %.*s = ... })%s", SLICE_ARG(name), SLICE_ARG(wanted),
			 SLICE_ARG(wanted), known);
}

/* Of rows between scripts: only examples and tests see them as rows. */
static bool is_stream(struct slice name)
{
	return name.n >= 7 && memcmp(name.p, "stream:", 7) == 0;
}

struct target *script_host_target(struct script_host *host, struct slice name, struct error *err)
{
	struct target *target;
	int side;

	for (uint32_t i = 0; i < host->target_count; i++)
		if (slice_equal(host->targets[i]->name, name) && (!host->targets[i]->own || is_stream(name)))
			return host->targets[i];
	if (host->target_count == TARGETS_MOST) {
		error_set(err, "more than %d target tables", TARGETS_MOST);
		return NULL;
	}
	if (is_stream(name)) {
		target = script_host_target_own(host, name);
		target->open = target->exists = true;
		return target;
	}
	side = host->sink ? script_host_side(host, name, err) : 0;
	if (side < 0)
		return NULL;
	target = new_target(host, name);
	target->side = (uint32_t)side;
	if (!host->sink) {
		target->open = target->exists = true;
	} else if (host->sink->ops->describe(host->sink, target, err) < 0) {
		if (target->unanswered)
			host->outage = *err;
		goto fail;
	} else if (!target->exists) {
		error_set(err, "the target has no table %.*s", SLICE_ARG(name));
		goto fail;
	}
	return keep_target(host, target);
fail:
	free(target);
	return NULL;
}
