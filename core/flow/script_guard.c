#include "flow/script_guard.h"

#include <luajit.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/progress.h"

const char guard_given_up[] =
	"a script did not come to an end with this message, or brought its worker down, twice: it is not shown to scripts again";

/* ---- memory ---- */

static const char no_memory[] = "not enough memory"; /* Lua's words */

static void *allocate(void *ctx, void *p, size_t before, size_t after)
{
	struct script_host *host = ctx;
	void *made;

	if (after > before && host->memory + (after - before) > host->memory_most)
		return NULL;
	made = host->allocate(host->allocate_ctx, p, before, after);
	if (made || after == 0)
		host->memory += after - before;
	return made;
}

void guard_memory(struct script_host *host, size_t bytes_most)
{
	host->memory_most = bytes_most;
	if (host->allocate)
		return;
	host->memory = (size_t)lua_gc(host->lua, LUA_GCCOUNT, 0) * 1024;
	host->allocate = lua_getallocf(host->lua, &host->allocate_ctx);
	lua_setallocf(host->lua, allocate, host);
}

/* LuaJIT gives its own allocator back as a whole, which only the one that it made itself can be. */
void guard_release(struct script_host *host)
{
	if (host->allocate)
		lua_setallocf(host->lua, host->allocate, host->allocate_ctx);
}

void guard_settled(struct script_host *host)
{
	lua_gc(host->lua, LUA_GCCOLLECT, 0);
	host->memory_base = host->memory;
}

static size_t kept(const struct script_host *host)
{
	return host->memory > host->memory_base ? host->memory - host->memory_base : 0;
}

void guard_no_memory(struct script_host *host)
{
	bool suspect = atomic_load(&host->watch->careful);

	/* A suspect message that was given room is at fault. */
	if (host->exhausted || (suspect ? host->kept_before : kept(host)) < (host->memory_most - host->memory_base) / 2)
		return;
	host->exhausted = true;
	host->exhausted_owner = suspect ? NULL : host->watch->owner;
	host->exhausted_position = host->watch->position;
}

size_t script_host_intake_most(const struct script_host *host)
{
	uint32_t frugal = atomic_load(&host->watch->frugal);

	return frugal > FRUGAL_MESSAGES ? 1 : frugal ? FRUGAL_INTAKE : SIZE_MAX;
}

bool script_host_exhausted(struct script_host *host, struct error *err)
{
	if (!host->exhausted)
		return false;
	if (host->exhausted_owner) {
		/* The next worker is careful with this message: it may have kept all of that by itself. */
		host->watch->owner = host->exhausted_owner;
		host->watch->position = host->exhausted_position;
		host->watch->serial = -1;
	} else {
		/* It was, and had met those that came before it once more. Taken one by one they are soon done for good. */
		host->watch->serial = 0;
		atomic_store(&host->watch->frugal, FRUGAL_SINGLY);
	}
	error_set(err, "scripts keep %zu MB from one event to the next, and there is no more: they begin anew", host->memory >> 20);
	return true;
}

/* ---- instructions ---- */

enum { HOOK_EVERY = 10000, MILLION = 1000000 };

static void on_count(lua_State *lua, lua_Debug *where)
{
	void *ctx;
	struct script_host *host;

	lua_getallocf(lua, &ctx);
	host = ctx;
	if (host->instructions_left > 0) {
		host->instructions_left -= HOOK_EVERY;
		if (host->instructions_left > 0)
			return;
		/* From here on at every instruction: pcall is no way out. */
		lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
	}
	/* The engine's own functions go on: they have to handle the error. */
	if (!lua_getinfo(lua, "Sl", where) || where->source[0] != '@')
		return;
	lua_pushfstring(lua, "%s:%d: no end is in sight after %d million instructions: is there a loop that never ends?", where->short_src,
			where->currentline, host->instruction_millions);
	lua_error(lua);
}

void guard_begin(struct script_host *host, int millions)
{
	/* Compiled code calls no hook. */
	luaJIT_setmode(host->lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_FLUSH);
	luaJIT_setmode(host->lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	if (host->memory_base) {
		lua_gc(host->lua, LUA_GCCOLLECT, 0);
		host->kept_before = kept(host);
	}
	host->instruction_millions = millions;
	host->instructions_left = (int64_t)millions * MILLION;
	lua_sethook(host->lua, on_count, LUA_MASKCOUNT, HOOK_EVERY);
	atomic_store(&host->watch->careful, true);
}

void guard_end(struct script_host *host)
{
	atomic_store(&host->watch->careful, false);
	lua_sethook(host->lua, NULL, 0, 0);
	luaJIT_setmode(host->lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
}

int guard_load(struct script_host *host, const char *path, int args, int results, struct error *err)
{
	int result;

	guard_begin(host, GUARD_LOAD_MILLIONS);
	result = host_call(host, args, results, err);
	guard_end(host);
	if (result < 0 && strcmp(err->text, no_memory) == 0) /* which has no place */
		return error_set(err, "%s: %s: scripts have %zu MB, a quarter of the job's `memory`", path, no_memory, host->memory_most >> 20);
	return result;
}

void guard_failed(struct script_host *host, struct error *err)
{
	host->watch->serial = 0;
	lua_gc(host->lua, LUA_GCCOLLECT, 0);
	guard_no_memory(host);
	if (strcmp(err->text, no_memory) == 0)
		error_set(err, "%s: scripts have a quarter of job.lua's `memory`, and this one wanted more", no_memory);
}

/* ---- suspects ---- */

static uint64_t hash_text(struct slice text)
{
	return XXH3_64bits(text.p, text.n);
}

void guard_enter(struct script_host *host, const struct message *message)
{
	struct script_watch *watch = host->watch;
	const struct partition *owner = message ? message->owner : NULL;

	if (!owner || (watch->owner_count && watch->owners[watch->owner_count - 1].owner == owner))
		return;
	for (uint32_t i = 0; i < watch->owner_count; i++)
		if (watch->owners[i].owner == owner)
			return;
	if (watch->owner_count == WATCH_OWNERS_MOST)
		watch->owner_count = 0;
	watch->owners[watch->owner_count++] = (struct watch_owner){ owner, hash_text(owner->topic), owner->number };
}

void guard_forget(struct script_host *host)
{
	uint32_t frugal = atomic_load(&host->watch->frugal);

	if (frugal)
		atomic_store(&host->watch->frugal, frugal > FRUGAL_INTAKE ? frugal - FRUGAL_INTAKE : 0);
	host->watch->owner_count = 0;
	host->watch->version = hash_text(slice_of(host->options.bundle->version));
}

uint32_t guard_times(const struct script_host *host, const struct message *message)
{
	const struct suspects *suspects = host->options.suspects;
	uint32_t count = suspects ? atomic_load(&suspects->count) : 0;
	uint32_t times = 0;

	if (!count || !message || !message->owner)
		return 0;
	for (uint32_t i = 0; i < count && i < SUSPECTS_MOST; i++) {
		const struct suspect *item = &suspects->items[i];

		if (item->position == message->position && item->partition == message->owner->number && item->version == host->watch->version &&
		    item->topic == hash_text(message->owner->topic))
			times = atomic_load(&item->times);
	}
	return times;
}

uint32_t suspects_add(struct suspects *suspects, const struct script_watch *watch)
{
	const struct watch_owner *owner = NULL;
	uint32_t count = atomic_load(&suspects->count);
	struct suspect *item;

	for (uint32_t i = 0; i < watch->owner_count && i < WATCH_OWNERS_MOST; i++)
		if (watch->owners[i].owner == watch->owner)
			owner = &watch->owners[i];
	if (!owner || watch->serial == 0)
		return 0;
	for (uint32_t i = 0; i < count && i < SUSPECTS_MOST; i++) {
		item = &suspects->items[i];
		if (item->topic == owner->topic && item->partition == owner->partition && item->position == watch->position &&
		    item->version == watch->version)
			return atomic_fetch_add(&item->times, 1) + 1;
	}
	item = &suspects->items[count % SUSPECTS_MOST];
	atomic_store(&item->times, 0);
	item->topic = owner->topic;
	item->partition = owner->partition;
	item->position = watch->position;
	item->version = watch->version;
	atomic_store(&item->times, 1);
	atomic_store(&suspects->count, count + 1);
	return 1;
}
