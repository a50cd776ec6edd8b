#include "flow/harness.h"

#include <math.h>
#include <stdlib.h>

#include "flow/progress.h"
#include "flow/script_guard.h"
#include "flow/state_key.h"
#include "flow/state_memory.h"

struct harness {
	struct script_host *tester;
	char *path, *served;      /* served: may be NULL */
	struct script_host *host; /* NULL: closed */
	struct shapes *shapes;

	struct partition *partition; /* of all messages: what is late goes by it */
	int64_t next_offset;
	bool finished; /* the input has ended */
	struct state_memory *memory;

	struct intakes intakes;
	struct intake *intake; /* of the event at hand */
	struct buf key;
	struct state_key asked; /* until the intake ends */
	struct slice found;
	struct harness *next;
};

/* ---- lifetime ---- */

static int open_host(struct harness *h, struct script_host **host, struct shapes **shapes, struct error *err)
{
	struct script_host *tester = h->tester;
	struct host_options options = tester->options;

	options.watch = NULL;
	*shapes = shapes_new();
	*host = script_host_new(&options, err);
	if (*host && script_host_load(*host, h->path, h->served, err) == 0 &&
	    script_host_bind(*host, tester->sink, *shapes, tester->readings, NULL, NULL, err) == 0)
		return 0;
	script_host_free(*host);
	shapes_free(*shapes);
	return -1;
}

void sl_harness_close(struct harness *h)
{
	if (h->host) {
		script_host_free(h->host);
		shapes_free(h->shapes);
		h->host = NULL;
	}
}

static void harness_free(struct harness *h)
{
	sl_harness_close(h);
	state_memory_free(h->memory);
	partition_unref(h->partition);
	intakes_free(&h->intakes);
	buf_free(&h->key);
	free(h->path);
	free(h->served);
	free(h);
}

void harness_free_all(struct script_host *tester)
{
	while (tester->harnesses) {
		struct harness *h = tester->harnesses;

		tester->harnesses = h->next;
		harness_free(h);
	}
}

struct harness *sl_harness_new(struct script_host *tester, const char *path, const char *served)
{
	struct harness *h = calloc(1, sizeof *h);

	BUG_IF(!h);
	h->tester = tester;
	h->path = strdup(path);
	h->served = served ? strdup(served) : NULL;
	BUG_IF(!h->path || (served && !h->served));
	if (open_host(h, &h->host, &h->shapes, &tester->error) < 0) {
		h->host = NULL;
		harness_free(h);
		return NULL;
	}
	h->memory = state_memory_new();
	h->partition = partition_new(SLICE("test"), 0, 0, 1);
	h->next = tester->harnesses;
	tester->harnesses = h;
	return h;
}

int sl_harness_restart(struct harness *h)
{
	struct script_host *host;
	struct shapes *shapes;

	if (open_host(h, &host, &shapes, &h->tester->error) < 0)
		return -1;
	sl_harness_close(h);
	h->host = host;
	h->shapes = shapes;
	h->partition->clock_ms = h->partition->watermark; /* as the progress has it */
	return 0;
}

struct script_host *sl_harness_host(struct harness *h)
{
	return h->host;
}

static struct script *script_of(struct harness *h)
{
	return script_host_script(h->host, 0);
}

const struct slice *sl_harness_source(struct harness *h)
{
	return script_of(h)->sources;
}

const struct slice *sl_harness_target(struct harness *h)
{
	return &script_of(h)->target->name;
}

/* ---- an event ---- */

struct message *sl_harness_begin(struct harness *h)
{
	struct message *message;

	h->intake = intake_new(&h->intakes);
	message = arena_zalloc(&h->intake->arena, sizeof *message);
	message->topic = h->partition->topic;
	message->offset = message->position = h->next_offset;
	message->owner = h->partition;
	build_begin(h->host, h->intake);
	return message;
}

static void on_row(struct state_load *load, const struct state_row *row)
{
	struct harness *h = load->ctx;

	script_host_state_row(h->host, row, h->partition, false);
}

static void on_loaded(struct state_load *load)
{
	struct harness *h = load->ctx;

	state_loaded(script_host_state(h->host));
}

static void load(struct harness *h)
{
	struct state_load asked = { .row = on_row, .done = on_loaded, .ctx = h };

	script_host_question(h->host, &h->intake->arena, &asked); /* what is looked up comes with the events */
	state_memory_load(h->memory, &asked);
}

/* What the events of the intake wrote is committed. */
static struct event *run(struct harness *h, double now_ms)
{
	struct intake *intake = h->intake;

	guard_begin(h->host, GUARD_EVENT_MILLIONS);
	script_host_look(h->host, (int64_t)now_ms, SIZE_MAX);
	if (script_host_begin(h->host, intake))
		load(h);
	while (!script_host_run(h->host, intake, (int64_t)now_ms, INT64_MAX))
		load(h);
	guard_end(h->host);
	for (struct event *event = intake->first; event; event = event->next)
		for (const struct change *change = event_is_written(event) ? event->changes : NULL; change; change = change->next)
			state_memory_apply(h->memory, change);
	return script_host_exhausted(h->host, &h->tester->error) ? NULL : intake->first;
}

struct event *sl_harness_run(struct harness *h, double now_ms)
{
	struct event *event = h->intake->first, *first;

	build_end(h->host);
	h->next_offset++;
	partition_enter(h->partition, event);
	first = run(h, now_ms);
	partition_finish(h->partition, event->ordinal);
	return first;
}

static void on_due(struct state_load *load, const struct state_row *row)
{
	struct harness *h = load->ctx;

	script_host_state_row(h->host, row, h->partition, true);
}

/* The VM may have begun anew: all that is ever due is taken in. */
static void load_due(struct harness *h, enum state_clock clock)
{
	struct source_partition_name name = { h->partition->topic, h->partition->number };
	struct state_load asked = { .row = on_due, .done = on_loaded, .ctx = h };

	asked.due = (struct state_due){ .script = script_of(h)->name, .clock = clock, .partitions = &name, .partition_count = 1, .most = UINT32_MAX };
	asked.due.after.at[clock] = INT64_MIN / 2;
	state_memory_load(h->memory, &asked);
}

struct event *sl_harness_fire(struct harness *h, double now_ms)
{
	struct script *script = script_of(h);
	int64_t clock_ms = h->partition->clock_ms;

	build_end(h->host);
	for (int clock = 0; clock < STATE_CLOCKS && script->stateful; clock++) {
		int64_t until_ms = clock == STATE_WALL_TIME ? (int64_t)now_ms
				   : clock_ms == INT64_MIN  ? INT64_MIN
							    : clock_ms - script->out_of_order_ms;
		struct state_entry *entry;

		load_due(h, (enum state_clock)clock);
		entry = script_host_first_due(script, (enum state_clock)clock, until_ms, h->finished);
		if (entry) {
			script_host_timer(script, h->intake, entry, (enum state_clock)clock, clock_ms, entry->at[clock] > until_ms);
			return run(h, now_ms);
		}
	}
	return NULL;
}

void sl_harness_advance(struct harness *h, double at_ms)
{
	int64_t clock_ms = (int64_t)at_ms + script_of(h)->out_of_order_ms;

	if (clock_ms > h->partition->clock_ms)
		h->partition->clock_ms = h->partition->watermark = clock_ms;
}

void sl_harness_finish(struct harness *h, bool finished)
{
	state_clear(script_host_state(h->host)); /* everything has its turn once more */
	h->finished = finished;
}

void sl_harness_end(struct harness *h)
{
	build_end(h->host);
	for (struct event *event = h->intake->first; event; event = event->next)
		script_event_release(event);
	while (h->intake->unfinished > 1)
		intake_release(h->intake);
	intake_release(h->intake);
	h->intake = NULL;
}

/* ---- state ---- */

uint32_t sl_harness_key_count(struct harness *h)
{
	const struct script *script = script_of(h);

	return !script->stateful ? 0 : script->key_by == KEY_BY_FUNCTION ? 1 : script->key_by_count;
}

static void on_found(struct state_load *load, const struct state_row *row)
{
	struct harness *h = load->ctx;

	h->found = row->value;
}

static void on_answered(struct state_load *load)
{
	(void)load;
}

void sl_harness_key(struct harness *h, const char *key, size_t size, const char *map, size_t map_size, const char *entry, size_t entry_size)
{
	const struct script_host *host = h->host;
	const struct script *script = script_of(h);

	state_key_begin(&h->key);
	if (script->key_by == KEY_BY_COLUMNS) {
		for (uint32_t i = 0; i < host->column_count; i++)
			state_key_add(&h->key, &host->values[i]);
		state_key_end(&h->key);
	} else {
		buf_append(&h->key, key, size);
	}
	if (map_size)
		state_key_extend(&h->key, (struct slice){ entry, entry_size });
	h->asked = (struct state_key){ script->name, arena_copy(&h->intake->arena, (struct slice){ map, map_size }), buf_view(&h->key) };
}

const struct slice *sl_harness_state(struct harness *h)
{
	struct state_load asked = { .keys = &h->asked, .count = 1, .row = on_found, .done = on_answered, .ctx = h };

	h->found = (struct slice){ 0 };
	state_memory_load(h->memory, &asked);
	return h->found.n ? &h->found : NULL;
}

/* The key's row with this window in it, and when it is due. */
static int put_window(struct harness *h, struct state_row *row, double start, double finish, double rows, struct error *err)
{
	const struct slice *kept = sl_harness_state(h);
	lua_State *lua = h->host->lua;
	size_t n;

	host_push_engine(h->host, "restored");
	lua_pushinteger(lua, 1);
	lua_pushlstring(lua, kept ? kept->p : "", kept ? kept->n : 0);
	lua_pushlstring(lua, row->value.p, row->value.n);
	lua_pushnumber(lua, start);
	lua_pushnumber(lua, finish);
	lua_pushnumber(lua, rows);
	if (host_call(h->host, 6, 2, err) < 0)
		return -1;
	row->value.p = lua_tolstring(lua, -2, &n);
	row->value = arena_copy(&h->intake->arena, (struct slice){ row->value.p, n });
	row->at[STATE_EVENT_TIME] = (int64_t)lua_tonumber(lua, -1);
	lua_pop(lua, 2);
	return 0;
}

int sl_harness_restore(struct harness *h, const char *value, size_t size, int32_t version, double start, double finish, double rows)
{
	const struct script *script = script_of(h);
	struct state_row row = { .script = h->asked.script,
				 .map = h->asked.map,
				 .key = h->asked.key,
				 .value = { value, size },
				 .at = { STATE_NO_TIME, STATE_NO_TIME },
				 .version = version ? version : script->state_version,
				 .topic = h->partition->topic,
				 .partition = h->partition->number };
	struct error *err = &h->tester->error;

	if (script->windowed && row.map.n)
		return error_set(err, "map: windows have none");
	if (!script->windowed && (!isnan(start) || !isnan(finish)))
		return error_set(err, "window_start and window_end are for scripts with a window");
	if (script->windowed && put_window(h, &row, start, finish, rows, err) < 0)
		return -1;
	state_memory_put(h->memory, &row);
	state_clear(script_host_state(h->host)); /* it may be at hand as it was */
	return 0;
}

/* ---- a file of tests ---- */

int script_host_test(struct script_host *tester, const char *path, const struct reading_settings *readings,
		     void (*report)(void *ctx, const char *line), void *ctx, uint32_t *passed, uint32_t *failed, struct error *err)
{
	lua_State *lua = tester->lua;

	tester->readings = readings;
	host_push_engine(tester, "test");
	lua_pushstring(lua, path);
	if (guard_load(tester, path, 1, 2, err) < 0)
		return -1;
	*passed += (uint32_t)lua_tonumber(lua, -2);
	for (int i = 1; i <= (int)lua_objlen(lua, -1); i++) {
		lua_rawgeti(lua, -1, i);
		report(ctx, lua_tostring(lua, -1));
		lua_pop(lua, 1);
		++*failed;
	}
	lua_pop(lua, 2);
	return 0;
}
