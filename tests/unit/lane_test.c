/* Lanes with a sink that does nothing but remember: the test says what comes of each transaction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/intake.h"
#include "flow/lane.h"
#include "flow/script.h"
#include "flow/state.h"

enum { LANES = 3, PARK_MS = 1000 };
/* Of a transaction whose events share rows. */
enum { SHARED_ROWS_MOST = LANE_ROWS_MOST * LANES / LANES_SHARING };

struct fixture {
	struct sink sink;
	struct tx *on_its_way[LANES];
	uint32_t sent;
	struct lanes *lanes;
	struct lanes_events events;
	struct parking parking;
	struct intakes intakes;
	struct intake *intake;
	struct partition *partitions[2];
	int64_t next_offset[2];
	struct script script;
	char finished[200], dropped[200]; /* names of events, in order */
	const struct partition *fenced;
	uint32_t held;
	int64_t now_ms, again_ms;
};

/* ---- the sink, and what lanes tell ---- */

static void commit(struct sink *sink, struct tx *tx)
{
	struct fixture *f = (struct fixture *)sink;

	assert_null(f->on_its_way[tx->lane]);
	f->on_its_way[tx->lane] = tx;
	f->sent++;
}

static void finished(void *ctx, struct event *event)
{
	struct fixture *f = ctx;

	snprintf(f->finished + strlen(f->finished), sizeof f->finished - strlen(f->finished), "%s%.*s", event->outcome == OUTCOME_DEAD ? "dead " : "",
		 SLICE_ARG(event->table));
	if (!event->message->owner->revoked)
		partition_finish(event->message->owner, event->ordinal);
}

/* It ran with no state. */
static void refused(void *ctx, struct event *event)
{
	(void)ctx;
	fail_msg("event %lld ran with state", (long long)event->message->offset);
}

static void dropped(void *ctx, struct event *event)
{
	struct fixture *f = ctx;

	snprintf(f->dropped + strlen(f->dropped), sizeof f->dropped - strlen(f->dropped), "%.*s", SLICE_ARG(event->table));
}

static void fenced(void *ctx, struct partition *partition)
{
	((struct fixture *)ctx)->fenced = partition;
	partition->revoked = true;
}

static void held(void *ctx, struct partition *partition)
{
	(void)partition;
	((struct fixture *)ctx)->held++;
}

static void stop(void *ctx, struct event *event)
{
	(void)ctx;
	(void)event;
	fail();
}

static void dead(void *ctx, struct event *event)
{
	(void)ctx;
	assert_int_equal(event->outcome, OUTCOME_DEAD);
}

static void problem(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

static void wake(void *ctx)
{
	(void)ctx;
}

/* ---- the test's words ---- */

static int open_lanes(void **state)
{
	static const struct sink_ops ops = { .name = "fake", .commit = commit };
	struct fixture *f = calloc(1, sizeof *f);

	f->events = (struct lanes_events){ .finished = finished,
					   .dropped = dropped,
					   .refused = refused,
					   .fenced = fenced,
					   .held = held,
					   .stop = stop,
					   .dead = dead,
					   .problem = problem,
					   .wake = wake,
					   .ctx = f };
	f->sink = (struct sink){ .ops = &ops, .lanes = LANES };
	f->lanes = lanes_new(&f->sink, LANES, &f->parking, &f->events);
	f->intake = intake_new(&f->intakes);
	for (int i = 0; i < 2; i++)
		f->partitions[i] = partition_new(i ? SLICE("q") : SLICE("p"), 0, (uint32_t)i, LANES);
	f->script = (struct script){ .on_error = ON_ERROR_DEAD_LETTER, .park_for_ms = PARK_MS };
	f->now_ms = 5000;
	*state = f;
	return 0;
}

static int close_lanes(void **state)
{
	struct fixture *f = *state;

	lanes_free(f->lanes);
	intakes_free(&f->intakes);
	for (int i = 0; i < 2; i++)
		partition_unref(f->partitions[i]);
	free(f);
	return 0;
}

/* The next event of partition 0 or 1, for one lane, or (other >= 0) at home in one and a guest in another. */
static struct event *add(struct fixture *f, const char *name, int partition, int lane, int other)
{
	struct message *message = arena_zalloc(&f->intake->arena, sizeof *message);
	struct event *event = arena_zalloc(&f->intake->arena, sizeof *event);

	message->owner = f->partitions[partition];
	message->topic = message->owner->topic;
	message->offset = message->position = f->next_offset[partition]++;
	event_set_message(event, message);
	event->table = slice_of(name);
	event->script = &f->script;
	event->lane_hash[0] = (uint64_t)lane;
	event->lane_hash[1] = other < 0 ? 0 : (uint64_t)other;
	event->lane_hashes = other < 0 ? 1 : 2;
	intake_add(f->intake, event);
	partition_enter(message->owner, event);
	lanes_add(f->lanes, event);
	return event;
}

static void turn(struct fixture *f)
{
	f->again_ms = lanes_turn(f->lanes, f->now_ms, "v");
}

/* What is on its way in a lane, as the names of its events; NULL: nothing. */
static const char *on_its_way(struct fixture *f, int lane)
{
	static char names[200];
	const struct tx *tx = f->on_its_way[lane];

	if (!tx)
		return NULL;
	names[0] = 0;
	for (size_t i = 0; i < tx->count; i++)
		snprintf(names + strlen(names), sizeof names - strlen(names), "%s%.*s", tx->events[i]->outcome == OUTCOME_DEAD ? "dead " : "",
			 SLICE_ARG(tx->events[i]->table));
	return names;
}

/* The sink's answer for a lane; then lanes take their turn. */
static void answer(struct fixture *f, int lane, enum sink_result result)
{
	struct tx *tx = f->on_its_way[lane];
	struct error err;

	assert_non_null(tx);
	error_set(&err, "as the test says");
	f->on_its_way[lane] = NULL;
	tx->done(tx, result, &err);
	turn(f);
}

/* ---- pace ---- */

static void a_stuck_lane_does_not_use_up_a_small_window(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100; i++)
		add(f, "a", 0, 0, -1);
	turn(f);
	for (int i = 0; i < 20; i++) { /* the window at its least, and more rows than that on their way */
		f->now_ms += 200;
		answer(f, 0, SINK_RETRY);
	}
	assert_true(pace_window(lanes_pace(f->lanes)) < 100);
	answer(f, 0, SINK_COMMITTED);
	for (int i = 0; i < 50; i++)
		add(f, "a", 0, 0, -1);
	turn(f);
	add(f, "b", 0, 1, -1);
	turn(f);
	assert_null(f->on_its_way[1]);
	f->now_ms += 1500;
	turn(f);
	assert_string_equal(on_its_way(f, 1), "b");
}

/* ---- what a transaction holds ---- */

/* An event of lane 0 that runs with the state of its key and changes this row of state, of the key itself or of a map. */
static void add_change(struct fixture *f, struct state_entry *key, struct state_entry *changed, uint32_t bytes)
{
	static struct target target = { .own = true };
	struct change *change = arena_zalloc(&f->intake->arena, sizeof *change);
	struct state_use *uses = arena_zalloc(&f->intake->arena, 2 * sizeof *uses);
	struct event *event = add(f, "", 0, 0, -1);

	*change = (struct change){ .target = &target, .op = CHANGE_UPSERT, .state = changed, .state_bytes = bytes };
	uses[0] = (struct state_use){ .next = changed == key ? NULL : &uses[1], .entry = key };
	uses[1] = (struct state_use){ .entry = changed };
	event->changes = change;
	event->uses = uses;
	event->bytes = bytes;
}

static void events_that_change_one_row_of_state_are_one_transaction(void **state)
{
	struct fixture *f = *state;
	struct state_entry key = { 0 };

	for (int i = 0; i < LANE_EVENTS_MOST + 1; i++)
		add_change(f, &key, &key, 1000);
	turn(f);
	assert_int_equal(f->on_its_way[0]->count, LANE_EVENTS_MOST);
	answer(f, 0, SINK_COMMITTED);
	assert_int_equal(f->on_its_way[0]->count, 1);
}

/* Events that share none have as many rows as there are lanes for; where there is but one lane, it is its own. */
static void a_transaction_has_its_lanes_share_of_the_window(void **state)
{
	struct fixture *f = *state;
	struct state_entry *entries = calloc(2 * LANE_ROWS_MOST, sizeof *entries);

	for (int i = 0; i < LANE_ROWS_MOST + 1; i++)
		add(f, "", 0, 0, -1);
	turn(f);
	assert_int_equal(f->on_its_way[0]->count, LANE_ROWS_MOST);
	answer(f, 0, SINK_COMMITTED);
	answer(f, 0, SINK_COMMITTED);
	lanes_free(f->lanes);
	f->lanes = lanes_new(&f->sink, 1, &f->parking, &f->events);
	for (int i = 0; i < LANE_ROWS_MOST + 1; i++)
		add_change(f, &entries[i], &entries[i], 1);
	turn(f);
	assert_int_equal(f->on_its_way[0]->count, LANE_ROWS_MOST);
	answer(f, 0, SINK_COMMITTED);
	free(entries);
}

static void each_row_of_state_counts_whatever_else_their_events_share(void **state)
{
	struct fixture *f = *state;
	struct state_entry key = { 0 }, *entries = calloc(SHARED_ROWS_MOST + 1, sizeof *entries);

	add_change(f, &key, &key, 10);
	for (int i = 0; i < SHARED_ROWS_MOST + 1; i++)
		add_change(f, &key, &entries[i], 10);
	turn(f);
	assert_int_equal(f->on_its_way[0]->count, SHARED_ROWS_MOST);
	answer(f, 0, SINK_COMMITTED);
	assert_int_equal(f->on_its_way[0]->count, 2);
	free(entries);
}

/* An event of lane 0 that adds to a row. */
static void add_sum(struct fixture *f, uint64_t key_hash)
{
	static struct target target = { .merged = true };
	struct change *change = arena_zalloc(&f->intake->arena, sizeof *change);
	struct event *event = add(f, "", 0, 0, -1);

	*change = (struct change){ .target = &target, .op = CHANGE_UPSERT, .key_hash = key_hash };
	event->changes = change;
}

static void events_that_add_to_one_row_are_one_transaction_and_each_row_counts(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < LANE_EVENTS_MOST + 1; i++)
		add_sum(f, 7);
	turn(f);
	assert_int_equal(f->on_its_way[0]->count, LANE_EVENTS_MOST);
	for (int i = 0; i < SHARED_ROWS_MOST; i++)
		add_sum(f, 100 + (uint64_t)i), add_sum(f, 100 + (uint64_t)i);
	answer(f, 0, SINK_COMMITTED); /* the one that is left, and as many rows as there is room for beside its own */
	assert_int_equal(f->on_its_way[0]->count, 1 + 2 * (SHARED_ROWS_MOST - 1));
}

static void rows_of_state_that_grow_fill_a_transaction(void **state)
{
	struct fixture *f = *state;
	struct state_entry keys[4] = { 0 };

	for (uint32_t i = 0; i < 4; i++)
		add_change(f, &keys[i], &keys[i], 10);
	for (uint32_t i = 0; i < 4; i++)
		add_change(f, &keys[i], &keys[i], LANE_BYTES_MOST / 3);
	for (uint32_t i = 0; i < 4; i++)
		add_change(f, &keys[i], &keys[i], LANE_BYTES_MOST / 3);
	turn(f);
	assert_int_equal(f->on_its_way[0]->count, 6); /* two are large: a third would be too much */
	answer(f, 0, SINK_COMMITTED);
	assert_int_equal(f->on_its_way[0]->count, 3); /* of three keys: each is whole again */
}

/* No row more fits, but what changes rows of state that are in the transaction goes along, unless it follows from what stays. */
static void a_full_transaction_takes_along_what_changes_its_rows_of_state(void **state)
{
	struct fixture *f = *state;
	struct state_entry *keys = calloc(SHARED_ROWS_MOST + 1, sizeof *keys), *first = &keys[0], *second = &keys[1],
			   *outside = &keys[SHARED_ROWS_MOST];

	for (int i = 0; i < SHARED_ROWS_MOST; i++)
		add_change(f, &keys[i], &keys[i], 10);
	add_change(f, outside, outside, 10);
	add_change(f, first, first, 10);   /* goes along */
	add(f, "x", 0, 0, -1);             /* a row of another script's, that holds nothing up */
	add_change(f, second, second, 10); /* goes along */
	add_change(f, first, outside, 10);
	add_change(f, first, first, 10);   /* it has seen what the one before left */
	add_change(f, second, second, 10); /* goes along */
	turn(f);
	assert_int_equal(f->on_its_way[0]->count, SHARED_ROWS_MOST + 3);
	assert_int_equal(f->on_its_way[0]->events[SHARED_ROWS_MOST]->message->offset, SHARED_ROWS_MOST + 1);
	assert_int_equal(f->on_its_way[0]->events[SHARED_ROWS_MOST + 1]->message->offset, SHARED_ROWS_MOST + 3);
	assert_int_equal(f->on_its_way[0]->events[SHARED_ROWS_MOST + 2]->message->offset, SHARED_ROWS_MOST + 6);
	answer(f, 0, SINK_COMMITTED);
	assert_int_equal(f->on_its_way[0]->count, 4);
	free(keys);
}

/* ---- rest ---- */

/* The state of one key: an event in that lane changes it. */
static struct event *add_kept(struct fixture *f, const char *name, int lane, int other)
{
	static struct target target = { .own = true };
	static struct state_entry entries[LANES];
	struct change *change = arena_zalloc(&f->intake->arena, sizeof *change);
	struct state_use *use = arena_zalloc(&f->intake->arena, sizeof *use);
	struct event *event = add(f, name, 0, lane, other);

	*change = (struct change){ .target = &target, .op = CHANGE_UPSERT, .state = &entries[lane] };
	use->entry = &entries[lane];
	event->changes = change;
	event->uses = use;
	return event;
}

/* Its lane has written something in took_ms, and something else waits in it. */
static void write_and_wait(struct fixture *f, int lane, const char *waits, int64_t took_ms)
{
	add_kept(f, "x", lane, -1);
	turn(f);
	f->now_ms += took_ms;
	answer(f, lane, SINK_COMMITTED);
	add_kept(f, waits, lane, -1);
	turn(f);
}

static void a_lane_whose_events_share_rows_rests_for_longer_than_it_wrote(void **state)
{
	struct fixture *f = *state;
	int64_t rests_until_ms;

	write_and_wait(f, 0, "a", 20);
	assert_null(f->on_its_way[0]);
	rests_until_ms = f->now_ms + 4 * 20;
	assert_int_equal(f->again_ms, rests_until_ms);
	add_kept(f, "b", 0, -1);
	f->now_ms = rests_until_ms - 1;
	turn(f);
	assert_null(f->on_its_way[0]);
	f->now_ms = rests_until_ms;
	turn(f);
	assert_string_equal(on_its_way(f, 0), "ab");
	f->now_ms += 3600 * 1000;
	answer(f, 0, SINK_COMMITTED);
	add_kept(f, "c", 0, -1);
	turn(f);
	assert_int_equal(f->again_ms, f->now_ms + 1000); /* not for hours */
}

static void events_that_share_no_row_do_not_wait(void **state)
{
	struct fixture *f = *state;

	write_and_wait(f, 0, "a", 20);
	add(f, "b", 0, 1, -1);
	turn(f);
	f->now_ms += 20;
	answer(f, 1, SINK_COMMITTED);
	add(f, "c", 0, 1, -1);
	turn(f);
	assert_string_equal(on_its_way(f, 1), "c");
	assert_null(f->on_its_way[0]);
}

static void where_reading_waits_the_lane_that_has_rested_longest_goes(void **state)
{
	struct fixture *f = *state;

	write_and_wait(f, 2, "a", 100); /* the last whose turn it is */
	write_and_wait(f, 1, "b", 100);
	write_and_wait(f, 0, "c", 100);
	lanes_press(f->lanes, LANES_SHORT);
	turn(f);
	assert_string_equal(on_its_way(f, 2), "a");
	assert_string_equal(on_its_way(f, 1), "b"); /* a third of what waits was on its way, and with this two thirds are */
	assert_null(f->on_its_way[0]);
	answer(f, 2, SINK_COMMITTED);
	assert_string_equal(on_its_way(f, 0), "c");
}

static void a_lane_that_has_nothing_is_not_the_one_to_go(void **state)
{
	struct fixture *f = *state;

	write_and_wait(f, 0, "a", 100); /* the others have rested for ever */
	lanes_press(f->lanes, LANES_SHORT);
	turn(f);
	assert_string_equal(on_its_way(f, 0), "a");
}

/* It hurries the lane that it waits for, and concerns no other. */
static void a_lane_that_waits_neither_ends_the_rest_of_others_nor_goes_before_them(void **state)
{
	struct fixture *f = *state;

	write_and_wait(f, 2, "a", 100);
	add_kept(f, "x", 0, -1);
	turn(f);
	add_kept(f, "b", 0, 1);
	turn(f);
	assert_string_equal(on_its_way(f, 0), "x");
	assert_null(f->on_its_way[2]);
	lanes_press(f->lanes, LANES_SHORT);
	turn(f);
	assert_string_equal(on_its_way(f, 2), "a");
}

static void where_nothing_more_comes_no_lane_rests(void **state)
{
	struct fixture *f = *state;

	for (int lane = 0; lane < LANES; lane++)
		write_and_wait(f, lane, "a", 100);
	lanes_press(f->lanes, LANES_LAST);
	turn(f);
	for (int lane = 0; lane < LANES; lane++)
		assert_string_equal(on_its_way(f, lane), "a");
}

static void a_lane_that_another_waits_for_does_not_rest(void **state)
{
	struct fixture *f = *state;

	write_and_wait(f, 0, "a", 100);
	add_kept(f, "b", 0, 1);
	turn(f);
	assert_string_equal(on_its_way(f, 0), "ab");
}

static void a_full_lane_and_one_that_looks_for_a_fault_do_not_rest(void **state)
{
	struct fixture *f = *state;

	write_and_wait(f, 0, "a", 100);
	for (int i = 0; i < LANE_EVENTS_MOST - 1; i++)
		add_kept(f, "", 0, -1);
	turn(f);
	assert_int_equal(f->on_its_way[0]->count, LANE_EVENTS_MOST);
	answer(f, 0, SINK_REFUSED);
	answer(f, 0, SINK_REFUSED);
	assert_int_equal(f->on_its_way[0]->count, LANE_EVENTS_MOST / 4);
	f->now_ms += 100;
	answer(f, 0, SINK_COMMITTED);
	assert_int_equal(f->on_its_way[0]->count, LANE_EVENTS_MOST / 2); /* it is not full any more */
	f->now_ms += 100;
	answer(f, 0, SINK_COMMITTED);
	assert_null(f->on_its_way[0]); /* all well again: as much as a transaction holds may gather */
}

/* ---- order ---- */

static void a_lane_has_one_transaction_at_a_time_and_gathers_the_next(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 1, -1);
	turn(f);
	add(f, "b", 0, 1, -1);
	add(f, "c", 1, 1, -1);
	add(f, "x", 0, 2, -1);
	turn(f);
	assert_string_equal(on_its_way(f, 1), "a");
	assert_string_equal(on_its_way(f, 2), "x");
	answer(f, 1, SINK_COMMITTED);
	assert_string_equal(on_its_way(f, 1), "bc");
	assert_int_equal(f->on_its_way[1]->progress_count, 2);
	answer(f, 1, SINK_COMMITTED);
	assert_string_equal(f->finished, "abc");
	assert_int_equal(lanes_waiting(f->lanes), 1);
}

static void an_event_of_two_lanes_is_written_once_when_both_have_come_to_it(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 0, -1);
	add(f, "b", 0, 1, -1);
	add(f, "M", 0, 0, 1);
	add(f, "c", 0, 0, -1);
	add(f, "d", 0, 1, -1);
	turn(f);
	assert_string_equal(on_its_way(f, 0), "a");
	assert_string_equal(on_its_way(f, 1), "b");
	answer(f, 0, SINK_COMMITTED);
	assert_null(on_its_way(f, 0)); /* its other lane has not come to it */
	answer(f, 1, SINK_COMMITTED);
	assert_string_equal(on_its_way(f, 0), "Mc");
	assert_null(on_its_way(f, 1)); /* stands still */
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(on_its_way(f, 1), "d");
	answer(f, 1, SINK_COMMITTED);
	assert_string_equal(f->finished, "abMcd");
	assert_int_equal(lanes_waiting(f->lanes), 0);
}

static void two_keys_in_one_lane_need_no_waiting(void **state)
{
	struct fixture *f = *state;

	add(f, "M", 0, 1, 1 + LANES);
	turn(f);
	assert_string_equal(on_its_way(f, 1), "M");
	answer(f, 1, SINK_COMMITTED);
	assert_string_equal(f->finished, "M");
}

/* ---- refusals ---- */

static void a_refused_transaction_is_halved_down_to_the_event_at_fault_and_grows_again(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h" };

	for (int i = 0; i < 8; i++)
		add(f, names[i], 0, 0, -1);
	turn(f);
	assert_string_equal(on_its_way(f, 0), "abcdefgh");
	answer(f, 0, SINK_REFUSED);
	assert_string_equal(on_its_way(f, 0), "abcd");
	answer(f, 0, SINK_REFUSED);
	assert_string_equal(on_its_way(f, 0), "ab");
	answer(f, 0, SINK_REFUSED);
	assert_string_equal(on_its_way(f, 0), "a");
	answer(f, 0, SINK_REFUSED);
	assert_string_equal(on_its_way(f, 0), "dead a");
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(on_its_way(f, 0), "bc");
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(on_its_way(f, 0), "defg");
	answer(f, 0, SINK_COMMITTED);
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(f->finished, "dead abcdefgh");
	assert_int_equal(lanes_counters(f->lanes)->refused, 4);
}

static void a_skipped_event_is_no_dead_letter(void **state)
{
	struct fixture *f = *state;

	f->script.on_error = ON_ERROR_SKIP;
	add(f, "a", 0, 0, -1);
	turn(f);
	answer(f, 0, SINK_REFUSED);
	assert_int_equal(f->on_its_way[0]->events[0]->outcome, OUTCOME_SKIPPED);
	assert_null(f->on_its_way[0]->events[0]->changes);
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(f->finished, "a");
}

/* ---- unique values ---- */

static void a_taken_value_holds_its_partition_alone(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 0, -1);
	turn(f);
	answer(f, 0, SINK_TAKEN);
	assert_null(on_its_way(f, 0));
	assert_true(f->again_ms > f->now_ms && f->again_ms < f->now_ms + PARK_MS);
	assert_int_equal(f->held, 1);
	add(f, "b", 0, 0, -1); /* behind it, also in what comes later */
	add(f, "q", 1, 0, -1);
	add(f, "x", 0, 1, -1);
	turn(f);
	assert_string_equal(on_its_way(f, 0), "q");
	assert_string_equal(on_its_way(f, 1), "x");
	answer(f, 0, SINK_COMMITTED);
	assert_null(on_its_way(f, 0));
	f->now_ms = f->again_ms;
	turn(f);
	assert_string_equal(on_its_way(f, 0), "ab");
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(f->finished, "qab");
}

static void a_value_that_nobody_frees_ends_as_a_dead_letter_after_park_for(void **state)
{
	struct fixture *f = *state;
	int64_t began_ms = f->now_ms;

	add(f, "a", 0, 0, -1);
	turn(f);
	while (strcmp(on_its_way(f, 0), "a") == 0) {
		answer(f, 0, SINK_TAKEN);
		if (!on_its_way(f, 0)) {
			/* Writing progress alone does not begin its time anew. */
			assert_true(lanes_write_progress(f->lanes, f->partitions[0], "v"));
			answer(f, 0, SINK_COMMITTED);
			f->now_ms = f->again_ms;
			turn(f);
		}
		assert_in_range(f->now_ms, began_ms, began_ms + 2 * PARK_MS);
	}
	assert_string_equal(on_its_way(f, 0), "dead a");
	assert_true(f->now_ms >= began_ms + PARK_MS);
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(f->finished, "dead a");
}

/* What frees it may stand right behind. */
static void while_the_target_is_away_a_value_is_waited_for_longer(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 0, -1);
	turn(f);
	answer(f, 0, SINK_TAKEN);
	f->now_ms = f->again_ms;
	turn(f);
	assert_string_equal(on_its_way(f, 0), "a");
	f->now_ms += 3600 * 1000 + PARK_MS;
	turn(f);
	answer(f, 0, SINK_TAKEN);
	f->now_ms = f->again_ms;
	turn(f);
	assert_string_equal(on_its_way(f, 0), "a");
	answer(f, 0, SINK_COMMITTED);
}

/* M stands back in lane 0; lane 1, which it shares, must not stand still for it. */
static void lanes_pass_over_what_stands_back_elsewhere(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 0, -1);
	add(f, "M", 0, 0, 1);
	add(f, "q", 1, 1, -1);
	turn(f);
	answer(f, 0, SINK_TAKEN);
	assert_string_equal(on_its_way(f, 1), "q");
	answer(f, 1, SINK_COMMITTED);
	f->now_ms = f->again_ms;
	turn(f);
	answer(f, 0, SINK_COMMITTED);
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(f->finished, "qaM");
}

/* The same from the other side: M's home is free, its guest lane has something before it that stands back. */
static void a_home_passes_over_what_stands_back_where_it_is_a_guest(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 1, -1);
	add(f, "M", 0, 0, 1);
	add(f, "q", 1, 0, -1);
	turn(f);
	assert_null(on_its_way(f, 0));
	answer(f, 1, SINK_TAKEN);
	assert_string_equal(on_its_way(f, 0), "q");
	answer(f, 0, SINK_COMMITTED);
	f->now_ms = f->again_ms;
	turn(f);
	answer(f, 1, SINK_COMMITTED);
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(f->finished, "qaM");
}

/* Lane 0 passes over M (of p, which stands back there) and stands still for N. By the time that lane 1 has come to M, p may go on: lane 1
 * stands still for M, and lane 0 must not stand still for N any longer. */
static void lanes_do_not_wait_for_each_other(void **state)
{
	struct fixture *f = *state;

	add(f, "x", 1, 1, -1); /* keeps lane 1 busy */
	add(f, "a", 0, 0, -1);
	turn(f);
	add(f, "M", 0, 0, 1);
	add(f, "N", 1, 1, 0);
	answer(f, 0, SINK_TAKEN);
	assert_null(on_its_way(f, 0));
	f->now_ms = f->again_ms;
	answer(f, 1, SINK_COMMITTED);
	for (int i = 0; i < 10 && lanes_waiting(f->lanes); i++)
		for (int lane = 0; lane < 2; lane++)
			if (on_its_way(f, lane))
				answer(f, lane, SINK_COMMITTED);
	assert_string_equal(f->finished, "xaMN");
}

/* ---- partitions that are taken away ---- */

static void a_dropped_partition_gives_back_what_waits_and_ends_what_is_on_its_way(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 0, -1);
	add(f, "q", 1, 0, -1);
	turn(f);
	add(f, "b", 0, 0, -1);
	add(f, "M", 0, 0, 1);
	add(f, "r", 1, 0, -1);
	turn(f);
	lanes_drop(f->lanes, f->partitions[0]);
	assert_string_equal(f->dropped, "bM");
	assert_int_equal(lanes_waiting(f->lanes), 3);
	partition_unref(f->partitions[0]); /* the transaction has it still */
	f->partitions[0] = NULL;
	answer(f, 0, SINK_FENCED);
	assert_string_equal(f->dropped, "bMa");
	assert_null(f->fenced); /* the one that was taken away is reason enough */
	assert_string_equal(on_its_way(f, 0), "qr");
	answer(f, 0, SINK_COMMITTED);
	assert_string_equal(f->finished, "qr");
	assert_int_equal(lanes_waiting(f->lanes), 0);
}

static void a_fenced_partition_is_told(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 0, -1);
	turn(f);
	answer(f, 0, SINK_FENCED);
	assert_ptr_equal(f->fenced, f->partitions[0]);
	assert_string_equal(f->dropped, "a");
}

/* ---- the outside ---- */

static void retry_sends_the_very_same_again(void **state)
{
	struct fixture *f = *state;
	const struct progress_row *row;

	add(f, "a", 0, 0, -1);
	turn(f);
	row = f->on_its_way[0]->progress;
	assert_int_equal(row->seq, 1);
	add(f, "b", 0, 0, -1);
	lanes_hold(f->lanes, true); /* also while nothing else may begin */
	answer(f, 0, SINK_RETRY);
	assert_int_equal(lanes_in_flight(f->lanes), 1);
	assert_string_equal(on_its_way(f, 0), "a");
	assert_ptr_equal(f->on_its_way[0]->progress, row);
	assert_int_equal(row->seq, 1);
	answer(f, 0, SINK_COMMITTED);
	assert_null(on_its_way(f, 0));
	lanes_hold(f->lanes, false);
	turn(f);
	assert_string_equal(on_its_way(f, 0), "b");
	assert_int_equal(f->on_its_way[0]->progress[0].seq, 2);
	assert_int_equal(lanes_counters(f->lanes)->retries, 1);
}

static void after_a_failure_what_has_come_since_goes_too(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 0, -1);
	turn(f);
	add(f, "b", 0, 0, -1);
	answer(f, 0, SINK_FAILED);
	assert_string_equal(on_its_way(f, 0), "ab");
	assert_int_equal(f->on_its_way[0]->progress[0].seq, 1);
}

static void progress_is_written_without_events_on_a_lane_that_is_free(void **state)
{
	struct fixture *f = *state;

	add(f, "a", 0, 0, -1);
	turn(f);
	assert_true(lanes_write_progress(f->lanes, f->partitions[0], "v"));
	assert_non_null(f->on_its_way[1]);
	assert_int_equal(f->on_its_way[1]->count, 0);
	assert_int_equal(f->on_its_way[1]->progress_count, 1);
	assert_int_equal(f->on_its_way[1]->progress[0].next_offset, 0);
	answer(f, 0, SINK_COMMITTED);
	assert_true(lanes_write_progress(f->lanes, f->partitions[0], "v"));
	assert_int_equal(f->on_its_way[0]->progress[0].next_offset, 1);
	assert_int_equal(f->on_its_way[0]->progress[0].done.n, 0);
	answer(f, 0, SINK_COMMITTED);
	assert_int_equal(f->partitions[0]->written_offset, 1);
	lanes_write_progress(f->lanes, f->partitions[0], "v");
	lanes_write_progress(f->lanes, f->partitions[0], "v");
	assert_false(lanes_write_progress(f->lanes, f->partitions[0], "v")); /* all three are busy */
}

/* An event that a script filtered: read again after a crash, a later version might write it behind a change that came after it. */
static void what_ended_without_a_transaction_is_in_the_progress_of_the_next(void **state)
{
	struct fixture *f = *state;
	struct message message = { .owner = f->partitions[0], .position = 1 };
	struct event filtered = { 0 };
	struct done_list done = { 0 };
	const struct progress_row *row;

	event_set_message(&filtered, &message);
	add(f, "a", 0, 0, -1);
	partition_enter(f->partitions[0], &filtered);
	f->next_offset[0]++;
	partition_finish_unwritten(f->partitions[0], &filtered);
	add(f, "b", 0, 1, -1);
	turn(f);
	row = f->on_its_way[1]->progress;
	assert_int_equal(row->next_offset, 0);
	assert_int_equal(progress_decode(row->done, row->next_offset, &done, NULL), 0);
	assert_int_equal(done.count, 2);
	assert_int_equal(done.items[0].offset, 1);
	assert_int_equal(done.items[1].offset, 2);
	done_list_free(&done);
	answer(f, 0, SINK_COMMITTED);
	answer(f, 1, SINK_COMMITTED);
	assert_int_equal(partition_next_offset(f->partitions[0]), 3);
}

#define LANE_TEST(name) cmocka_unit_test_setup_teardown(name, open_lanes, close_lanes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LANE_TEST(a_stuck_lane_does_not_use_up_a_small_window),
		LANE_TEST(events_that_change_one_row_of_state_are_one_transaction),
		LANE_TEST(a_transaction_has_its_lanes_share_of_the_window),
		LANE_TEST(each_row_of_state_counts_whatever_else_their_events_share),
		LANE_TEST(events_that_add_to_one_row_are_one_transaction_and_each_row_counts),
		LANE_TEST(rows_of_state_that_grow_fill_a_transaction),
		LANE_TEST(a_full_transaction_takes_along_what_changes_its_rows_of_state),
		LANE_TEST(a_lane_whose_events_share_rows_rests_for_longer_than_it_wrote),
		LANE_TEST(events_that_share_no_row_do_not_wait),
		LANE_TEST(where_reading_waits_the_lane_that_has_rested_longest_goes),
		LANE_TEST(a_lane_that_has_nothing_is_not_the_one_to_go),
		LANE_TEST(a_lane_that_waits_neither_ends_the_rest_of_others_nor_goes_before_them),
		LANE_TEST(where_nothing_more_comes_no_lane_rests),
		LANE_TEST(a_lane_that_another_waits_for_does_not_rest),
		LANE_TEST(a_full_lane_and_one_that_looks_for_a_fault_do_not_rest),
		LANE_TEST(a_lane_has_one_transaction_at_a_time_and_gathers_the_next),
		LANE_TEST(an_event_of_two_lanes_is_written_once_when_both_have_come_to_it),
		LANE_TEST(two_keys_in_one_lane_need_no_waiting),
		LANE_TEST(a_refused_transaction_is_halved_down_to_the_event_at_fault_and_grows_again),
		LANE_TEST(a_skipped_event_is_no_dead_letter),
		LANE_TEST(a_taken_value_holds_its_partition_alone),
		LANE_TEST(a_value_that_nobody_frees_ends_as_a_dead_letter_after_park_for),
		LANE_TEST(while_the_target_is_away_a_value_is_waited_for_longer),
		LANE_TEST(lanes_pass_over_what_stands_back_elsewhere),
		LANE_TEST(a_home_passes_over_what_stands_back_where_it_is_a_guest),
		LANE_TEST(lanes_do_not_wait_for_each_other),
		LANE_TEST(a_dropped_partition_gives_back_what_waits_and_ends_what_is_on_its_way),
		LANE_TEST(a_fenced_partition_is_told),
		LANE_TEST(retry_sends_the_very_same_again),
		LANE_TEST(after_a_failure_what_has_come_since_goes_too),
		LANE_TEST(progress_is_written_without_events_on_a_lane_that_is_free),
		LANE_TEST(what_ended_without_a_transaction_is_in_the_progress_of_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
