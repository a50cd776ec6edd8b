/* A batch of events through their scripts: Lua is entered once for each script that needs it. */
#include "flow/script_private.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/parking.h"
#include "flow/plan.h"
#include "flow/progress.h"
#include "flow/script_api.h"
#include "flow/script_guard.h"

/* What an intake runs by. */
struct run_times {
	int64_t now_ms, others_ms;
};

void script_event_fault(struct event *event, enum stage stage, struct slice text)
{
	event->stage = (uint8_t)stage;
	event->error = arena_copy(&event->intake->arena, text);
	event->changes = NULL;
	event->changes_end = &event->changes;
	event->outcome = event->uncertain ? OUTCOME_IGNORED : OUTCOME_DEAD;
	if (event->outcome == OUTCOME_DEAD && event->script && event->script->on_error == ON_ERROR_SKIP)
		event->outcome = OUTCOME_SKIPPED;
	chain_undo(event);
	window_forget(event);
	if (event->uses)
		maps_release(event);
	if (event->op == OP_TIMER)
		state_write_off(event);
}

static void fault(struct event *event, const struct error *err)
{
	script_event_fault(event, STAGE_SCRIPT, slice_of(err->text));
}

/* A sink without a schema learns a table's key from the first message that has one. */
static void learn_key(struct script *script, const struct shape *key)
{
	struct target *target = script->target;

	for (uint32_t i = 0; i < key->count && target->key_count < TARGET_KEY_MOST; i++) {
		struct slice name = key->columns[i].name;

		if (name.n == 0)
			return;
		for (uint32_t c = 0; c < script->copy_count; c++)
			if (slice_equal(script->copies[c].from, name))
				name = script->copies[c].to;
		target->key[target->key_count++] = (uint32_t)target_add(target, name);
	}
	target->key_exact = true;
	script->key_copied = !script->lua_makes_rows;
	plans_free(script);
}

void script_event_readings(struct event *event)
{
	struct image *images[] = { &event->row, &event->old, &event->key };

	for (size_t i = 0; i < 3; i++)
		if (images[i]->shape)
			images[i]->readings = plan_for(event->script, images[i]->shape)->readings;
}

/* Most events have the table of the one before. */
struct last_route {
	struct slice database, table;
	bool unnamed;
	const struct partition *through; /* NULL: it has come as it comes */
	struct script *script;
};

/* Events that name no table go by their topic's name; where no script serves that, to the one for events without a table. */
static const struct partition *goes_through(const struct event *event)
{
	const struct partition *owner = event->message->owner;

	return owner && owner->rekeyed ? owner : NULL;
}

static struct script *find_script(struct script_host *host, const struct event *event)
{
	const struct partition *owner = goes_through(event);
	struct slice through = owner ? owner->topic : SLICE("");
	struct script *script = script_host_route(host, event->database, event->table, through);

	return script || !event->unnamed ? script : script_host_route(host, SLICE(""), SLICE(""), through);
}

/* It is another's: of the other stage of `repartition`. */
static bool is_elsewhere(struct script_host *host, const struct event *event)
{
	if (host->rekey == REKEY_IN && !goes_through(event))
		return script_host_goes_through(host, event->database, event->table) ||
		       (event->unnamed && script_host_goes_through(host, SLICE(""), SLICE("")));
	return host->rekey == REKEY_OUT;
}

static void route(struct script_host *host, struct event *event, struct last_route *last)
{
	if (!slice_equal(event->table, last->table) || !slice_equal(event->database, last->database) || event->unnamed != last->unnamed ||
	    !last->table.p || last->through != goes_through(event))
		*last = (struct last_route){ event->database, event->table, event->unnamed, goes_through(event), find_script(host, event) };
	event->script = last->script;
	event->row_matches = true;
	event->at_ms = INT64_MIN;
	event->lane_hashes = 0;
	if (!event->script) {
		event->outcome = is_elsewhere(host, event) ? OUTCOME_IGNORED : OUTCOME_UNMATCHED;
		return;
	}
	event->script_version = slice_of(host->options.bundle->version);
	if (!event->parked || !event->parked->counted)
		event->script->counters.outcomes[OUTCOME_PENDING]++;
	if (event->parked)
		event->parked->counted = true;
	if (!event->row.shape) {
		script_event_fault(event, STAGE_DECODE, SLICE("the message has no row"));
		return;
	}
	if (event->script->target->open && !event->script->target->own && !event->script->target->key_count && event->key.shape)
		learn_key(event->script, event->key.shape);
}

/* Runs one script's loop over events of this intake, up to one whose key has timers that come before it. Returns how many; only a fault of
 * the engine itself, or no memory, ends the loop early: -1. */
static int64_t run_lua(struct script_host *host, struct script *script, struct event **events, size_t count, const struct run_times *times,
		       struct error *err)
{
	int64_t ran = (int64_t)count;

	host->watch->at = 0;
	host_push_engine(host, "run");
	lua_pushinteger(host->lua, (lua_Integer)script->index + 1);
	lua_pushlightuserdata(host->lua, events);
	lua_pushnumber(host->lua, (double)count);
	lua_pushnumber(host->lua, (double)times->now_ms);
	lua_pushnumber(host->lua, (double)times->others_ms);
	if (host_call(host, 5, 1, err) < 0)
		return -1;
	if (lua_isnumber(host->lua, -1))
		ran = (int64_t)lua_tonumber(host->lua, -1);
	lua_pop(host->lua, 1);
	return ran;
}

static void put_before(struct intake *intake, struct event *event, struct event *before)
{
	struct event **at = &intake->first;

	/* It was added behind all others. */
	for (struct event **last = at; *last; last = &(*last)->next) {
		if (*last == event) {
			*last = NULL;
			intake->end = last;
			break;
		}
	}
	while (*at != before)
		at = &(*at)->next;
	event->next = before;
	*at = event;
}

/* The timers of its key that are due where this event came. */
static void run_due(struct script_host *host, struct event *event, const struct run_times *times)
{
	struct chain_timer due = chain_timer(host, event);
	struct event *timer;
	struct error err;

	if (!due.entry->partition) /* its last event came from one that is another's now, and this key is ours */
		due.entry->partition = event->message->owner;
	timer = script_host_timer(due.script, event->intake, due.entry, STATE_EVENT_TIME, due.clock_ms, false);
	put_before(event->intake, timer, event);
	if (guard_times(host, timer->message) > 1) {
		script_event_fault(timer, STAGE_SCRIPT, slice_of(guard_given_up));
	} else if (run_lua(host, due.script, &timer, 1, times, &err) < 0) {
		guard_failed(host, &err);
		fault(timer, &err);
	}
}

/* Where the loop ends early, that is for lack of memory, which the engine's own part of it wants too: what others left may have filled it, so the
 * event it was at is tried once more (unless its state was being taken over), and then it goes on behind that. */
static void run_some(struct script_host *host, struct script *script, struct event **events, size_t count, const struct run_times *times)
{
	size_t tried = SIZE_MAX;
	struct error err;

	for (size_t at = 0; at < count;) {
		int64_t ran = run_lua(host, script, events + at, count - at, times, &err);

		if (ran < 0) {
			at += host->watch->at;
			guard_failed(host, &err);
			if (tried == at || events[at]->finished) {
				fault(events[at++], &err);
			} else {
				sl_again(events[at]);
				tried = at;
			}
			continue;
		}
		at += (size_t)ran;
		if (at < count)
			run_due(host, events[at], times);
	}
}

/* All of the work at once, but for events of suspect messages: each of those alone, and with care. Scripts of one chain take turns. */
static void run_script(struct script_host *host, const struct script *leader, const struct run_times *times)
{
	struct event **work = host->work + leader->work_first;

	for (size_t from = 0, n; from < leader->work_count; from += n) {
		struct script *script = work[from]->script;
		uint32_t suspicions = guard_times(host, work[from]->message);

		for (n = 1;
		     !suspicions && from + n < leader->work_count && work[from + n]->script == script && !guard_times(host, work[from + n]->message);
		     n++) {
		}
		if (suspicions == 1)
			guard_begin(host, GUARD_EVENT_MILLIONS);
		if (suspicions < 2)
			run_some(host, script, work + from, n, times);
		else
			script_event_fault(work[from], STAGE_SCRIPT, slice_of(guard_given_up));
		if (suspicions == 1)
			guard_end(host);
	}
}

static void run_scripts(struct script_host *host, struct intake *intake, const struct run_times *times)
{
	host_gather(host, intake, true, true);
	for (uint32_t i = 0; i < host->script_count; i++)
		if (host->scripts[i].work_count)
			run_script(host, &host->scripts[i], times);
}

/* What was done before the restart only says how far its partition's event time had come. */
static void route_done(struct script_host *host, struct event *event)
{
	event->script = find_script(host, event);
	if (!event->script || !(event->script->stateful || event->script->chain.kept) || !event->row.shape) {
		event->script = NULL;
		return;
	}
	script_event_readings(event);
}

/* Events without a lane of their own are spread by partition, and keep their order there. */
static void lane_of_partition(struct event *event)
{
	event->lane_hash[0] = XXH3_64bits_withSeed(event->message->topic.p, event->message->topic.n, (uint64_t)(uint32_t)event->message->partition);
	event->lane_hashes = 1;
}

/* A dead letter stands in the lane of its key, and later changes of that are not committed before it: other versions of the scripts, which come
 * before it is committed too, may write it after all. Nothing is known of the key where the script's key_by fails as well, or the message
 * cannot be read. */
static void lane_of_dead(struct event *event)
{
	if (event->stage == STAGE_SINK || event->uses)
		return; /* it has been there, or its state's key has it */
	event->keyless = event->stage == STAGE_DECODE || !event->script || plan_failed(event) < 0;
	if (event->keyless)
		lane_of_partition(event);
}

static void finish(struct event *event)
{
	bool done_in_lua = event->script && event->script->enters_lua && (event->script->lua_makes_rows || event->changes);
	struct error err;

	/* Without a row too it goes through its lane: that it made none of it follows from the state that events before it left. */
	if (event->outcome == OUTCOME_PENDING && !event->finished) {
		if (!done_in_lua && plan_apply(event, NULL, &err) < 0)
			fault(event, &err);
		else if (!event->changes)
			event->outcome = OUTCOME_FILTERED;
		else if (plan_finish(event, &err) < 0)
			fault(event, &err);
	}
	if (event->parked && event->outcome != OUTCOME_PENDING && !event->uses)
		lane_of_partition(event);
	else if (event_has_place(event) && event->outcome == OUTCOME_DEAD)
		lane_of_dead(event);
}

/* Of settled events not even the partition is left. */
static void watch_intake(struct script_host *host, const struct intake *intake)
{
	guard_forget(host);
	for (const struct event *event = intake->first; event; event = event->next)
		if (event->outcome == OUTCOME_PENDING)
			guard_enter(host, event->message);
}

/* Without those that are not shown to scripts any more. */
static size_t without_given_up(struct script_host *host, struct event **work, size_t count, bool *suspect)
{
	size_t kept = 0;

	*suspect = false;
	for (size_t i = 0; i < count; i++) {
		uint32_t times = guard_times(host, work[i]->message);

		*suspect |= times == 1;
		if (times < 2)
			work[kept++] = work[i];
	}
	return kept;
}

static void begin_state(struct script_host *host, struct script *script)
{
	struct event **work = host->work + script->work_first;
	bool suspect;
	size_t count = without_given_up(host, work, script->work_count, &suspect);

	if (suspect)
		guard_begin(host, GUARD_EVENT_MILLIONS);
	state_begin(host, script, work, count);
	if (suspect)
		guard_end(host);
}

/* Also for what was done before: its filter may look something up. */
static void begin_lookups(struct script_host *host, struct intake *intake)
{
	host_gather(host, intake, true, false);
	for (uint32_t i = 0; i < host->script_count; i++) {
		struct script *script = &host->scripts[i];

		if (script->lookup_count && script->work_count) {
			lookups_begin(script, host->work + script->work_first, script->work_count);
			host->lookups.busy += !intake->looks;
			intake->looks = true;
		}
	}
}

bool script_host_begin(struct script_host *host, struct intake *intake)
{
	struct last_route last = { 0 };

	for (struct event *event = intake->first; event; event = event->next) {
		if (event->was_done && !event->settled && event->op < OP_TRUNCATE)
			route_done(host, event);
		if (event->outcome == OUTCOME_PENDING && event->op != OP_TIMER)
			route(host, event, &last);
	}
	/* Not before all are routed: a key that is learned on the way makes all plans anew. */
	for (struct event *event = intake->first; event; event = event->next)
		if (event->outcome == OUTCOME_PENDING)
			script_event_readings(event);
	watch_intake(host, intake);
	if (host->lookup_count && host->rekey != REKEY_OUT)
		begin_lookups(host, intake);
	if (script_host_is_stateful(host)) {
		host_gather(host, intake, false, false);
		for (uint32_t i = 0; i < host->script_count; i++)
			if ((host->scripts[i].stateful || host->rekey == REKEY_OUT) && host->scripts[i].work_count)
				begin_state(host, &host->scripts[i]);
	}
	if (host->rekey == REKEY_OUT)
		rekey_begin(host, intake);
	intake->begun = true;
	return host->state.wanted_count > 0 || host->lookups.wanted_count > 0;
}

bool script_host_run(struct script_host *host, struct intake *intake, int64_t now_ms, int64_t others_ms)
{
	struct run_times times = { now_ms, others_ms };

	if (!intake->begun)
		script_host_begin(host, intake);
	script_host_loaded(host);
	state_now(host, now_ms);
	watch_intake(host, intake);
	host->pass++;
	host->stalled = false;
	run_scripts(host, intake, &times);
	intake->stalled = host->stalled;
	if (intake->stalled)
		return false;
	host->lookups.busy -= intake->looks;
	intake->looks = false;
	state_unwant(&host->state);
	for (struct event *event = intake->first; event; event = event->next)
		finish(event);
	return true;
}

bool script_host_has_format(const struct script_host *host)
{
	bool has;

	lua_rawgeti(host->lua, LUA_REGISTRYINDEX, host->engine);
	lua_getfield(host->lua, -1, "decoder");
	has = lua_isfunction(host->lua, -1);
	lua_pop(host->lua, 2);
	return has;
}
