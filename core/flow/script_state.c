/* Which rows of streamlua_state an event runs with, and what it makes of them: a change like those of other rows, written by the
 * same transaction. */
#include "flow/script_private.h"

#include <math.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "flow/plan.h"
#include "flow/progress.h"
#include "flow/script_api.h"
#include "flow/script_state.h"
#include "flow/state_change.h"
#include "flow/state_key.h"
#include "flow/window.h"

enum { STATE_ROW_BYTES = 64 }; /* of a row in SQL, beside its texts */

/* ---- streamlua_state as a target ---- */

static const char *const column_names[STATE_COLUMNS] = {
	[STATE_JOB] = "job",     [STATE_SCRIPT] = "script",       [STATE_MAP] = "map",
	[STATE_KEY] = "key",     [STATE_VALUE] = "value",         [STATE_TIMERS] = "timers",
	[STATE_DUE] = "due",     [STATE_WAKE] = "wake",           [STATE_VERSION] = "version",
	[STATE_TOPIC] = "topic", [STATE_PARTITION] = "partition", [STATE_UPDATED] = "updated_at",
};

static bool is_number(int column)
{
	return column == STATE_DUE || column == STATE_WAKE || column == STATE_VERSION || column == STATE_PARTITION;
}

static struct slice job_name(struct script_host *host)
{
	struct slice name = SLICE("");

	script_host_push_job(host);
	if (lua_istable(host->lua, -1)) {
		lua_getfield(host->lua, -1, "name");
		if (lua_isstring(host->lua, -1))
			name = arena_copy(&host->arena, slice_of(lua_tostring(host->lua, -1)));
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
	return name;
}

/* Its columns are known without asking: the table is this program's own. */
void state_bind(struct script_host *host)
{
	struct target *target = script_host_target_own(host, SLICE("streamlua_state"));

	host->state_target = target;
	target->exists = target->has_primary_key = target->key_exact = true;
	target->columns = arena_zalloc(&host->arena, STATE_COLUMNS * sizeof *target->columns);
	target->count = STATE_COLUMNS;
	for (int i = 0; i < STATE_COLUMNS; i++) {
		bool key = i <= STATE_KEY;

		target->columns[i] = (struct target_column){ .name = slice_of(column_names[i]),
							     .type = is_number(i) ? COLUMN_INTEGER : COLUMN_TEXT,
							     .nullable = !key,
							     .length = 64,
							     .exact = true };
		if (key)
			target->key[target->key_count++] = (uint32_t)i;
	}
	host->state_job = job_name(host);
}

void state_now(struct script_host *host, int64_t now_ms)
{
	char *text = host->state_now;

	if (!host->state_target)
		return;
	clock_format(now_ms, text);
	for (char *c = text; *c; c++)
		*c = *c == 'T' ? ' ' : *c;
	host->state_updated = slice_of(text);
	if (host->state_updated.n && text[host->state_updated.n - 1] == 'Z')
		host->state_updated.n--;
}

/* ---- keys ---- */

int state_key_of(struct event *event, struct image *image, struct buf *out, struct error *err)
{
	const struct script *script = event->script;

	state_key_begin(out);
	for (uint32_t i = 0; i < script->key_by_count; i++) {
		struct slice name = script->key_by_columns[i];
		int at = image->shape ? shape_find(image->shape, name) : -1;

		if (at < 0 || image->values[at].kind == VALUE_ABSENT)
			return error_set(err, "key_by: this message has no column %.*s", SLICE_ARG(name));
		if (plan_read(event, image, (uint32_t)at, err) < 0)
			return -1;
		state_key_add(out, &image->values[at]);
	}
	state_key_end(out);
	return state_key_check(buf_view(out), err);
}

void state_use(struct event *event, struct state_entry *entry, bool old)
{
	struct state_use *added = arena_alloc(&event->intake->arena, sizeof *added), **end = &event->uses;

	*added = (struct state_use){ .entry = entry, .old = old };
	entry->users++;
	while (*end)
		end = &(*end)->next;
	*end = added;
}

static void use(struct event *event, struct slice map, struct slice key, bool old)
{
	state_use(event, state_want(&event->script->host->state, &event->script->state, map, key), old);
}

uint64_t state_lane_hash(const struct event *event, struct slice key)
{
	if (event->script->chain.kept)
		return chain_lane(event->script, key);
	return XXH3_64bits_withSeed(key.p, key.n, event->script->target->id);
}

/* The lanes of both keys, and the plain state of the new one, where the script has that. */
static void set_keys(struct event *event, struct slice key, struct slice old)
{
	event->lane_hash[0] = state_lane_hash(event, key);
	event->lane_hashes = 1;
	if (old.n && !slice_equal(key, old)) {
		event->lane_hash[1] = state_lane_hash(event, old);
		event->lane_hashes = 2;
	}
	use(event, SLICE(""), key, false);
	if (event->lane_hashes == 2)
		use(event, SLICE(""), old, true);
}

int state_read_keys(struct event *event, struct error *err)
{
	struct script_host *host = event->script->host;
	struct slice old = { 0 };

	if (state_key_of(event, &event->row, &host->key, err) < 0)
		return -1;
	if (event->op == OP_UPDATE && event->old.state != IMAGE_ABSENT && state_key_of(event, &event->old, &host->key_old, NULL) == 0)
		old = buf_view(&host->key_old);
	set_keys(event, buf_view(&host->key), old);
	return 0;
}

/* Asks for the memory of what the events are about to run with: each step where the one before has arrived by then. One after the other, as events
 * come to them, they are all waited for. */
static void warm(struct event *const *events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (events[i]->uses) {
			__builtin_prefetch(events[i]->uses->entry->panes);
			__builtin_prefetch(events[i]->uses->entry->value.p);
		}
	for (size_t i = 0; i < count; i++)
		if (events[i]->uses && events[i]->uses->entry->panes)
			__builtin_prefetch(events[i]->uses->entry->panes->list);
	for (size_t i = 0; i < count; i++)
		if (events[i]->uses && events[i]->uses->entry->panes)
			panes_warm(events[i]->uses->entry->panes);
}

/* Keys that columns make. What fails here fails again, and is told, when the event runs: its script may not want it at all. */
void state_begin(struct script_host *host, struct script *script, struct event *const *events, size_t count)
{
	struct error err;

	if (script->key_by == KEY_BY_COLUMNS) {
		for (size_t i = 0; i < count; i++)
			if (events[i]->op != OP_TIMER)
				state_read_keys(events[i], &err);
		warm(events, count);
		return;
	}
	host_push_engine(host, "keys");
	lua_pushinteger(host->lua, (lua_Integer)script->index + 1);
	lua_pushlightuserdata(host->lua, (void *)events);
	lua_pushnumber(host->lua, (double)count);
	host_call(host, 3, 0, &err);
	host->watch->serial = 0;
}

void script_event_release(struct event *event)
{
	for (; event; event = event->twin) {
		for (struct state_use *used = event->uses; used; used = used->next)
			used->entry->users--;
		event->uses = NULL;
	}
}

struct state_cache *script_host_state(struct script_host *host)
{
	return &host->state;
}

bool script_host_is_stateful(const struct script_host *host)
{
	return host->state_target != NULL;
}

static int compare_keys(const void *a, const void *b)
{
	const struct state_key *x = a, *y = b;
	int order = slice_compare(x->script, y->script);

	return order ? order : (order = slice_compare(x->map, y->map)) ? order : slice_compare(x->key, y->key);
}

void script_host_question(struct script_host *host, struct arena *arena, struct state_load *question)
{
	size_t count = host->state.wanted_count;
	struct state_key *list = arena_alloc(arena, (count + 1) * sizeof *list);

	for (size_t i = 0; i < count; i++) {
		const struct state_entry *entry = host->state.wanted[i];

		list[i] = (struct state_key){ script_host_script(host, entry->owner->number)->name, entry->map, entry->key };
	}
	qsort(list, count, sizeof *list, compare_keys);
	question->keys = list;
	question->count = count;
	question->look_count = lookup_questions(&host->lookups, arena, &question->looks);
}

void script_host_state_row(struct script_host *host, const struct state_row *row, struct partition *partition, bool want)
{
	for (uint32_t i = 0; i < host->script_count; i++) {
		struct script *script = &host->scripts[i];
		struct state_entry *entry;

		if (!script->stateful || !slice_equal(script->name, row->script))
			continue;
		entry = want ? state_want(&host->state, &script->state, row->map, row->key)
			     : state_find(&host->state, &script->state, row->map, row->key);
		if (entry && !entry->loaded)
			state_set(&host->state, entry, partition, !row->map.n && slice_is(row->value, "{}") ? SLICE("") : row->value, row->timers,
				  row->at, row->version);
	}
}

/* ---- for Lua ---- */

int sl_state_keys(struct event *event, const char *key, size_t size, const char *old, size_t old_size)
{
	if (state_key_check((struct slice){ key, size }, &event->script->host->error) < 0)
		return -1;
	set_keys(event, (struct slice){ key, size }, (struct slice){ old, old_size });
	return 0;
}

struct state_entry *sl_state_main(struct event *event)
{
	struct state_entry *entry;

	if (!event->uses && state_read_keys(event, &event->script->host->error) < 0)
		return NULL;
	entry = event->uses->entry;
	event->script->state.spans |= entry->partition && entry->partition != event->message->owner;
	event->spans = event->script->state.spans;
	return entry;
}

double sl_clock(struct event *event, double at_ms, double most_ms)
{
	event->at_ms = (int64_t)at_ms;
	if (!event->clocked) {
		event->clocked = true;
		/* What comes back from before has no place in its partition any more. */
		event->clock_ms = !event->message->owner ? INT64_MIN
				  : event->parked
					  ? event->message->owner->clock_ms
					  : partition_clock(event->message->owner, event->ordinal, at_ms <= most_ms ? event->at_ms : INT64_MIN);
	}
	return event->clock_ms == INT64_MIN ? NAN : (double)event->clock_ms;
}

void sl_count_late(struct event *event, bool ahead)
{
	++*(ahead ? &event->script->counters.ahead : &event->script->counters.late);
}

int sl_finish(struct event *event)
{
	struct error *err = &event->script->host->error;

	/* What is parked is written later, and the state that it left would be of now. */
	for (const struct change *change = event->changes; change; change = change->next)
		if (change->target->parks)
			return error_set(err, "rows of %.*s may have to wait (write = \"update\" of a script), and a script that keeps state cannot",
					 SLICE_ARG(change->target->name));
	if (plan_finish(event, err) < 0)
		return -1;
	event->finished = true;
	return 0;
}

static const struct state_stamp *stamp_of(struct event *event, int32_t version)
{
	struct state_stamp *stamp = event->intake->stamp;
	struct arena *arena = &event->intake->arena;
	struct script_host *host = event->script->host;
	const struct partition *owner = event->message->owner;

	if (stamp && owner && stamp->owner == owner && stamp->script == event->script && stamp->version == version)
		return stamp;
	stamp = event->intake->stamp = arena_alloc(arena, sizeof *stamp);
	*stamp = (struct state_stamp){
		.owner = owner,
		.script = event->script,
		.version = version,
		.partition = owner ? owner->number : event->message->partition,
		.job = host->state_job,
		.name = event->script->name,
		.topic = owner ? arena_copy(arena, owner->topic) : event->message->topic,
		.updated = arena_copy(arena, host->state_updated),
	};
	return stamp;
}

void state_put(struct event *event, struct state_entry *entry, const struct state_otherwise *made)
{
	struct script_host *host = event->script->host;
	struct arena *arena = &event->intake->arena;
	bool exists = made->value.n || made->timers.n;
	struct state_change *change;

	if (slice_equal(made->value, entry->value) && slice_equal(made->timers, entry->timers) && made->at[0] == entry->at[0] &&
	    made->at[1] == entry->at[1] && (!exists || entry->version == made->version))
		return;
	change = arena_alloc(arena, sizeof *change);
	*change = (struct state_change){
		.change = { .target = host->state_target, .count = STATE_COLUMNS, .op = exists ? CHANGE_UPSERT : CHANGE_DELETE, .state = entry },
		.stamp = stamp_of(event, made->version),
		.map = entry->map.n ? arena_copy(arena, entry->map) : SLICE(""),
		.key = arena_copy(arena, entry->key),
		.value = made->value.n ? arena_copy(arena, made->value) : SLICE(""),
		.timers = made->timers.n ? arena_copy(arena, made->timers) : SLICE(""),
		.at = { made->at[STATE_EVENT_TIME], made->at[STATE_WALL_TIME] },
	};
	change->change.state_bytes = STATE_ROW_BYTES + (uint32_t)(entry->map.n + entry->key.n + made->value.n + made->timers.n);
	event_add_change(event, &change->change);
	event->bytes += change->change.state_bytes;
	if (event->of || event->script->feeds)
		chain_remember(event, entry);
	state_set(&host->state, entry, event->message->owner, made->value, made->timers, made->at, made->version);
}

/* Never: NaN, or beyond all times. */
static int64_t due_of(double at_ms)
{
	return at_ms < 0x1p62 ? (int64_t)at_ms : STATE_NO_TIME;
}

struct state_otherwise state_made(const char *value, size_t size, const char *timers, size_t timers_size, double due, double wake, int32_t version)
{
	return (struct state_otherwise){ { value, size }, { timers, timers_size }, { due_of(due), due_of(wake) }, version };
}

void sl_state_put(struct event *event, struct state_entry *entry, const char *value, size_t size, const char *timers, size_t timers_size, double due,
		  double wake)
{
	struct state_otherwise made = state_made(value, size, timers, timers_size, due, wake, event->script->state_version);

	state_put(event, entry, &made);
}
