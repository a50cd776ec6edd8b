/* Rows of streams as events of the scripts that read them, where those keep state or look something up: each is a part of the event that it comes
 * of, and shares its lane, its transaction and its fate. What they changed of their states is remembered until all of the event has run, and taken
 * back where a part of it fails or has to wait. */
#include "flow/script_private.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/plan.h"
#include "flow/progress.h"
#include "flow/script_api.h"
#include "flow/script_guard.h"
#include "flow/state_key.h"

/* What an entry was. */
struct remembered {
	struct state_entry *entry;
	struct partition *partition;
	struct state_otherwise was;
	bool placed[STATE_CLOCKS];
};

/* Of the event that runs. */
struct chain_run {
	struct event *of; /* NULL: none that a chain begins with */
	struct remembered *remembered;
	size_t count, cap;
	struct event **rows; /* made of it so far */
	size_t row_count, row_cap;
	struct chain_timer timer; /* of a reader, which comes before it; script is NULL: none */
	struct buf lane;          /* being made */
};

/* ---- once scripts are bound ---- */

void chain_free(struct script_host *host)
{
	if (host->chain_run) {
		free(host->chain_run->remembered);
		free(host->chain_run->rows);
		buf_free(&host->chain_run->lane);
	}
	free(host->chain_run);
	host->chain_run = NULL;
}

static void rank(struct script_host *host)
{
	uint32_t count = 0;

	host->ranked = arena_zalloc(&host->arena, (host->script_count + 1) * sizeof *host->ranked);
	for (uint32_t rank = 0; count < host->script_count; rank++)
		for (uint32_t i = 0; i < host->script_count; i++)
			if (host->scripts[i].chain.rank == rank)
				host->ranked[count++] = i;
}

int chain_settle(struct script_host *host, struct error *err)
{
	chain_free(host);
	host->chain_run = calloc(1, sizeof *host->chain_run);
	BUG_IF(!host->chain_run);
	for (uint32_t i = 0; i < host->script_count; i++)
		host->scripts[i].chain = (struct script_chain){ .leader = i };
	host_push_engine(host, "settle_chains");
	if (host_call(host, 0, 0, err) < 0)
		return -1;
	rank(host);
	return 0;
}

struct script *script_host_ranked(struct script_host *host, uint32_t place)
{
	return script_host_script(host, host->ranked ? host->ranked[place] : place);
}

void sl_chain_settle(struct script_host *host, uint32_t number, uint32_t rank_of, uint32_t leader, bool feeds, bool kept, bool together,
		     double out_of_order)
{
	struct script *script = &host->scripts[number];

	script->feeds = feeds;
	script->chain.rank = rank_of;
	script->chain.leader = leader;
	script->chain.kept = kept;
	script->chain.together = together;
	script->out_of_order_ms = (int64_t)out_of_order;
}

void sl_chain_lane(struct script_host *host, uint32_t number, int32_t at)
{
	struct script_chain *chain = &host->scripts[number].chain;

	if (at < 0 || chain->lane_count == TARGET_KEY_MOST)
		chain->one_lane = true;
	else
		chain->lane_at[chain->lane_count++] = (uint32_t)at;
}

/* ---- lanes ---- */

static bool is_whole_key(const struct script *script)
{
	for (uint32_t i = 0; i < script->chain.lane_count; i++)
		if (script->chain.lane_at[i] != i)
			return false;
	return script->chain.lane_count == script->key_by_count;
}

uint64_t chain_lane(const struct script *script, struct slice key)
{
	struct script_host *host = script->host;
	uint64_t seed = host->scripts[script->chain.leader].target->id;
	struct buf *lane = &host->chain_run->lane;

	if (script->chain.one_lane)
		return XXH3_64bits_withSeed("chain", 5, seed);
	if (!is_whole_key(script)) {
		buf_clear(lane);
		for (uint32_t i = 0; i < script->chain.lane_count; i++) {
			buf_char(lane, i ? ',' : '[');
			buf_slice(lane, state_key_part(key, script->chain.lane_at[i]));
		}
		buf_char(lane, ']');
		key = buf_view(lane);
	}
	return XXH3_64bits_withSeed(key.p, key.n, seed);
}

int sl_chain_lanes(struct event *event)
{
	struct script *script = event->script;
	struct script_host *host = script->host;

	event->lane_hashes = 1;
	if (script->chain.one_lane) {
		event->lane_hash[0] = chain_lane(script, SLICE(""));
		return 0;
	}
	event->lane_hashes = 0;
	if (state_key_of(event, &event->row, &host->key, &host->error) < 0)
		return -1;
	event->lane_hash[event->lane_hashes++] = chain_lane(script, buf_view(&host->key));
	if (event->op != OP_UPDATE || event->old.state == IMAGE_ABSENT || state_key_of(event, &event->old, &host->key_old, NULL) < 0)
		return 0;
	event->lane_hash[1] = chain_lane(script, buf_view(&host->key_old));
	event->lane_hashes += event->lane_hash[1] != event->lane_hash[0];
	return 0;
}

static bool has_lane(const struct event *event, uint64_t hash)
{
	for (uint8_t i = 0; i < event->lane_hashes; i++)
		if (event->lane_hash[i] == hash)
			return true;
	return false;
}

/* The columns say that its key is in the lane of its event; what stands in them has to say so too. */
static int check_lanes(const struct event *row)
{
	struct buf names = BUF_INIT;
	const struct script *script = row->script;
	bool right = true;

	for (uint8_t i = 0; i < row->lane_hashes; i++)
		right &= has_lane(row->of, row->lane_hash[i]);
	if (right)
		return 0;
	for (uint32_t i = 0; i < script->chain.lane_count; i++)
		buf_printf(&names, "%s%.*s", i ? ", " : "", SLICE_ARG(script->key_by_columns[script->chain.lane_at[i]]));
	error_set(&script->host->error,
		  "key_by: the row's key is %.*s, and the event that it comes of has another %s: a stream's rows keep what their writer is "
		  "keyed by",
		  SLICE_ARG(row->uses->entry->key), buf_cstr(&names));
	buf_free(&names);
	return -1;
}

/* ---- an event, and the rows that come of it ---- */

void sl_chain_begin(struct event *event)
{
	struct chain_run *run = event->script->host->chain_run;

	run->of = event;
	run->count = run->row_count = 0;
	run->timer.script = NULL;
}

void sl_chain_over(struct event *event)
{
	event->script->host->chain_run->of = NULL;
}

/* Where event time stands for what a timer writes: right before that is due, so that what waits for all timers until then is still open. */
static int64_t clock_of(const struct event *event)
{
	if (event->op == OP_TIMER && event->due_by == STATE_EVENT_TIME)
		return event->at_ms - 1 + event->script->out_of_order_ms;
	return event->clocked ? event->clock_ms : INT64_MIN;
}

static int64_t time_of(const struct event *event)
{
	return event->at_ms != INT64_MIN ? event->at_ms : event->time_ms ? event->time_ms : event->message->time_ms;
}

struct event *sl_chain_event(struct event *from, uint32_t reader, uint32_t op)
{
	struct script_host *host = from->script->host;
	struct chain_run *run = host->chain_run;
	struct event *of = from->of ? from->of : from, *row = arena_zalloc(&of->intake->arena, sizeof *row);

	row->of = of;
	row->op = (uint8_t)op;
	row->database = of->database;
	row->table = of->table;
	row->key = of->key;
	row->time_ms = time_of(from);
	row->part = of->part;
	row->parts = of->parts;
	event_set_message(row, of->message);
	row->script = &host->scripts[reader];
	row->intake = of->intake;
	row->changes_end = &row->changes;
	row->row_matches = row->clocked = true;
	row->script_version = of->script_version;
	row->clock_ms = from == of ? clock_of(of) : from->clock_ms;
	row->at_ms = INT64_MIN;
	host->built_in = &of->intake->arena;
	host->column_count = 0;
	if (run->row_count == run->row_cap) {
		run->row_cap = run->row_cap ? run->row_cap * 2 : 16;
		run->rows = realloc(run->rows, run->row_cap * sizeof(*run->rows));
		BUG_IF(!run->rows);
	}
	return run->rows[run->row_count++] = row;
}

static bool is_missing(const struct event *row)
{
	for (const struct state_use *used = row->uses; used; used = used->next)
		if (!used->entry->loaded)
			return true;
	for (uint32_t i = 0; row->looked && i < 2 * row->script->lookup_count; i++)
		if (row->looked[i]->asked)
			return true;
	return false;
}

int sl_chain_ready(struct event *row)
{
	struct script *script = row->script;
	struct script_host *host = script->host;

	script_event_readings(row);
	if (script->stateful && script->key_by == KEY_BY_COLUMNS &&
	    (state_read_keys(row, &host->error) < 0 || (script->chain.kept && check_lanes(row) < 0)))
		return -1;
	if (script->lookup_count) {
		host->lookups.busy += !row->intake->looks;
		row->intake->looks = true;
		host->lookups.same_intake = true;
		lookups_begin(script, &row, 1);
		host->lookups.same_intake = false;
	}
	return is_missing(row);
}

void sl_chain_done(struct event *row)
{
	struct event *of = row->of;
	struct state_use **end = &of->uses;

	if (row->changes) {
		if (!of->changes)
			of->changes_end = &of->changes;
		*of->changes_end = row->changes;
		of->changes_end = row->changes_end;
	}
	for (struct state_use *used = row->uses; used; used = used->next)
		used->chained = true;
	while (*end)
		end = &(*end)->next;
	*end = row->uses;
	row->uses = NULL;
	of->bytes += row->bytes;
	of->parks |= row->parks;
}

/* ---- what comes back ---- */

void chain_remember(const struct event *event, const struct state_entry *entry)
{
	struct chain_run *run = event->script->host->chain_run;
	struct arena *arena = &event->intake->arena;
	struct remembered *remembered;

	if (!run || !run->of || run->of != (event->of ? event->of : event))
		return;
	if (run->count == run->cap) {
		run->cap = run->cap ? run->cap * 2 : 16;
		run->remembered = realloc(run->remembered, run->cap * sizeof *run->remembered);
		BUG_IF(!run->remembered);
	}
	remembered = &run->remembered[run->count++];
	*remembered = (struct remembered){ .entry = (struct state_entry *)entry,
					   .partition = entry->partition,
					   .was = { arena_copy(arena, entry->value), arena_copy(arena, entry->timers), { 0 }, entry->version } };
	for (int clock = 0; clock < STATE_CLOCKS; clock++) {
		remembered->was.at[clock] = entry->at[clock];
		remembered->placed[clock] = entry->place[clock] != 0;
	}
}

void chain_undo(struct event *event)
{
	struct script_host *host = event->script ? event->script->host : NULL;
	struct chain_run *run = host ? host->chain_run : NULL;

	if (!run || run->of != event)
		return;
	for (size_t i = 0; i < run->row_count; i++) {
		window_forget(run->rows[i]);
		script_event_release(run->rows[i]);
	}
	while (run->count > 0) {
		const struct remembered *remembered = &run->remembered[--run->count];
		struct state_entry *entry = remembered->entry;

		state_set(&host->state, entry, remembered->partition, remembered->was.value, remembered->was.timers, remembered->was.at,
			  remembered->was.version);
		for (int clock = 0; clock < STATE_CLOCKS; clock++)
			if (!remembered->placed[clock])
				state_take_due(entry, (enum state_clock)clock);
	}
	run->row_count = 0;
	run->of = NULL;
	event->finished = false;
}

/* ---- what has to come first ---- */

void sl_chain_wait(struct event *row)
{
	row->script->host->chain_run->timer = (struct chain_timer){ row->script, row->uses->entry, row->clock_ms };
}

struct chain_timer chain_timer(struct script_host *host, const struct event *event)
{
	struct chain_timer timer = { event->script, event->uses ? event->uses->entry : NULL, event->clock_ms };

	if (host->chain_run && host->chain_run->timer.script) {
		timer = host->chain_run->timer;
		host->chain_run->timer.script = NULL;
	}
	return timer;
}

int sl_chain_is_behind(struct event *event)
{
	const struct script_host *host = event->script->host;

	return (event->uses && event->uses->entry->stalled == host->pass) ||
	       (event->script->chain.together && host->scripts[event->script->chain.leader].chain.stalled == host->pass);
}

void sl_chain_behind(struct event *event)
{
	sl_again(event);
	event->script->host->chain_run->timer.script = NULL;
	event->stalled = event->script->host->stalled = true;
}
