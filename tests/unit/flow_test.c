/* The chain from source to sink with both ends made up: the test says what is read, and what comes of each transaction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/flow.h"
#include "flow/letters.h"
#include "flow/lane.h"
#include "flow/progress.h"

enum { LANES = 2, PARTITIONS = 2, QUEUED_MOST = 64 };

struct queued {
	uint32_t partition;
	int64_t offset;
	const char *value;
};

struct version {
	struct bundle bundle;
	struct script_host *host;
};

struct fixture {
	struct source source;
	struct sink sink;
	struct source_events events; /* of the flow */
	struct partition *owners[PARTITIONS];
	int64_t taken_from[PARTITIONS], told[PARTITIONS];
	bool source_stopped;
	struct queued queue[QUEUED_MOST];
	size_t queued, delivered;
	int64_t next_offset[PARTITIONS];

	struct takeover *takeover; /* not answered yet */
	struct tx *on_its_way[LANES];
	uint32_t transactions;
	const char *found;  /* by look-ups */
	struct buf written; /* values of the column v, in the order in which they were committed */

	struct shapes *shapes;
	struct reading_settings readings;
	struct version versions[3];
	int version_count;
	struct flow *flow;
	int64_t now_ms;
	int64_t lag;
	int ready, finished, failed, swapped;
	bool failed_stop;
	char reason[512];
};

/* ---- the source ---- */

static struct fixture *of_source(struct source *source)
{
	return (struct fixture *)source;
}

static int source_start(struct source *source, const struct source_events *events, struct error *err)
{
	(void)err;
	of_source(source)->events = *events;
	return 0;
}

static size_t source_poll(struct source *source, size_t most)
{
	struct fixture *f = of_source(source);
	size_t count = 0;

	while (count < most && f->delivered < f->queued && !f->source_stopped) {
		const struct queued *next = &f->queue[f->delivered++];
		struct message message = {
			.topic = SLICE("rows"), .partition = (int32_t)next->partition, .offset = next->offset, .time_ms = 1700000000000 - 2500
		};

		if (!f->owners[next->partition] || next->offset < f->taken_from[next->partition])
			continue;
		message.value = slice_of(next->value);
		message.owner = f->owners[next->partition];
		message.position = next->offset;
		f->events.message(f->events.ctx, &message);
		count++;
	}
	return count;
}

static void source_take(struct source *source, uint32_t id, int64_t offset, struct partition *owner)
{
	of_source(source)->owners[id] = owner;
	of_source(source)->taken_from[id] = offset;
}

static void source_pause(struct source *source, uint32_t id, bool paused)
{
	(void)source;
	(void)id;
	(void)paused;
}

static void source_committed(struct source *source, uint32_t id, int64_t offset)
{
	of_source(source)->told[id] = offset;
}

static int64_t source_lag(struct source *source, uint32_t id)
{
	(void)id;
	return of_source(source)->lag;
}

static void source_stop(struct source *source)
{
	of_source(source)->source_stopped = true;
}

/* ---- the sink ---- */

static struct fixture *of_sink(struct sink *sink)
{
	return (struct fixture *)((char *)sink - offsetof(struct fixture, sink));
}

static void sink_take_over(struct sink *sink, struct takeover *takeover)
{
	assert_null(of_sink(sink)->takeover);
	of_sink(sink)->takeover = takeover;
}

static void sink_commit(struct sink *sink, struct tx *tx)
{
	struct fixture *f = of_sink(sink);

	assert_null(f->on_its_way[tx->lane]);
	f->on_its_way[tx->lane] = tx;
	f->transactions++;
}

/* Whatever is looked up is called as the test says. */
static void sink_load_state(struct sink *sink, struct state_load *load)
{
	struct value cells[2] = { 0 };

	cells[1] = (struct value){ .p = of_sink(sink)->found, .n = 1, .kind = VALUE_TEXT, .ready = true };
	for (size_t i = 0; i < load->look_count; i++) {
		for (size_t k = 0; k < load->looks[i].key_count; k++) {
			cells[0] = load->looks[i].keys[k][0];
			load->looked(load, &load->looks[i], cells);
		}
	}
	load->done(load);
}

/* ---- what the flow tells ---- */

static void on_wake(void *ctx)
{
	(void)ctx;
}

static void on_ready(void *ctx)
{
	((struct fixture *)ctx)->ready++;
}

static void on_finished(void *ctx)
{
	((struct fixture *)ctx)->finished++;
}

static void on_failed(void *ctx, bool stop, const char *reason)
{
	struct fixture *f = ctx;

	f->failed++;
	f->failed_stop = stop;
	snprintf(f->reason, sizeof f->reason, "%s", reason);
}

/* Freed at once, as a worker does. */
static void on_swapped(void *ctx, struct script_host *old)
{
	struct fixture *f = ctx;

	f->swapped++;
	for (int i = 0; i < f->version_count; i++) {
		if (f->versions[i].host != old)
			continue;
		script_host_free(old);
		bundle_free(&f->versions[i].bundle);
		f->versions[i].host = NULL;
	}
}

/* ---- the test's words ---- */

/* The script of the table `rows`, bound; the caller gives it to the flow. */
static struct script_host *script(struct fixture *f, const char *text)
{
	struct version *version = &f->versions[f->version_count++];
	struct error err;

	bundle_add(&version->bundle, "rows.lua", text, strlen(text));
	bundle_seal(&version->bundle);
	version->host = script_host_new(&(struct host_options){ .bundle = &version->bundle }, &err);
	if (!version->host || script_host_load(version->host, "rows.lua", NULL, &err) < 0 ||
	    script_host_bind(version->host, NULL, f->shapes, &f->readings, NULL, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return version->host;
}

static void start(struct fixture *f, const char *text, int64_t events_most)
{
	struct flow_options options = {
		.source = &f->source,
		.sink = &f->sink,
		.shapes = f->shapes,
		.host = script(f, text),
		.format = format_find(SLICE("json")),
		.memory_bytes = 64 << 20,
		.dead_letters_most = -1,
		.events_most = events_most,
	};
	struct flow_events events = {
		.wake = on_wake, .ready = on_ready, .finished = on_finished, .failed = on_failed, .swapped = on_swapped, .ctx = f
	};
	struct error err;

	options.format_options.readings = f->readings;
	f->flow = flow_new(&options, &events);
	assert_int_equal(flow_start(f->flow, &err), 0);
	flow_turn(f->flow, ++f->now_ms, 1700000000000); /* the next tick is a second away */
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 3; i++)
		flow_turn(f->flow, ++f->now_ms, 1700000000000);
}

static void tick(struct fixture *f)
{
	f->now_ms += 2000;
	turn(f);
}

static void assign(struct fixture *f, uint32_t first, uint32_t count)
{
	struct source_partition assigned[PARTITIONS];

	for (uint32_t i = 0; i < count; i++)
		assigned[i] = (struct source_partition){ .id = first + i, .topic = SLICE("rows"), .partition = (int32_t)(first + i) };
	f->events.assigned(f->events.ctx, assigned, count);
}

/* Nothing was ever committed of what is asked for. */
static void answer_takeover(struct fixture *f)
{
	struct takeover *takeover = f->takeover;
	struct progress_lane lanes[LANES] = { { .lane = 0, .next_offset = -1 }, { .lane = 1, .next_offset = -1 } };
	struct progress_loaded loaded[PARTITIONS];

	for (size_t i = 0; i < takeover->count; i++)
		loaded[i] = (struct progress_loaded){
			.epoch = 1, .fresh = true, .next_offset = -1, .watermark = INT64_MIN, .lane_count = LANES, .lanes = lanes
		};
	f->takeover = NULL;
	takeover->done(takeover, loaded, NULL);
}

static void take(struct fixture *f, uint32_t count)
{
	assign(f, 0, count);
	answer_takeover(f);
}

static void queue(struct fixture *f, uint32_t partition, const char *value)
{
	f->queue[f->queued++] = (struct queued){ partition, f->next_offset[partition]++, value };
}

static void keep_values(struct fixture *f, const struct tx *tx)
{
	for (size_t i = 0; i < tx->count; i++) {
		for (const struct change *change = tx->events[i]->changes; change; change = change->next) {
			int column = target_find(change->target, SLICE("v"));

			if (column >= 0 && (uint32_t)column < change->count)
				buf_printf(&f->written, "%.*s ", (int)change->values[column].n, change->values[column].p);
		}
		if (tx->events[i]->outcome == OUTCOME_DEAD)
			buf_text(&f->written, "dead ");
	}
}

static bool answer_lane(struct fixture *f, int lane, enum sink_result result)
{
	struct error err = { .text = "the test says so" };
	struct tx *tx = f->on_its_way[lane];

	if (!tx)
		return false;
	f->on_its_way[lane] = NULL;
	if (result == SINK_COMMITTED)
		keep_values(f, tx);
	tx->done(tx, result, &err);
	return true;
}

/* Every transaction that is on its way now ends so. Returns how many there were. */
static int answer(struct fixture *f, enum sink_result result)
{
	int count = 0;

	for (int lane = 0; lane < LANES; lane++)
		count += answer_lane(f, lane, result);
	return count;
}

static void settle(struct fixture *f)
{
	do
		turn(f);
	while (answer(f, SINK_COMMITTED));
}

static void end_partitions(struct fixture *f, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		f->events.ended(f->events.ctx, i);
}

static int open_fixture(void **state)
{
	static const struct source_ops source_ops = {
		.name = "fake",
		.start = source_start,
		.poll = source_poll,
		.take = source_take,
		.pause = source_pause,
		.committed = source_committed,
		.lag = source_lag,
		.stop = source_stop,
	};
	static const struct sink_ops sink_ops = {
		.name = "fake", .transactional = true, .take_over = sink_take_over, .commit = sink_commit, .load_state = sink_load_state
	};
	struct fixture *f = calloc(1, sizeof *f);

	f->source.ops = &source_ops;
	f->sink = (struct sink){ .ops = &sink_ops, .lanes = LANES };
	f->shapes = shapes_new();
	f->readings.plain = true;
	f->now_ms = 10000;
	f->lag = -1;
	f->told[0] = f->told[1] = -1;
	*state = f;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *f = *state;

	flow_free(f->flow);
	for (int i = 0; i < f->version_count; i++) {
		script_host_free(f->versions[i].host);
		bundle_free(&f->versions[i].bundle);
	}
	shapes_free(f->shapes);
	buf_free(&f->written);
	free(f);
	return 0;
}

#define KEYED "key = { 'id' }"

/* ---- */

static void a_bounded_run_ends_when_all_is_committed(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED ", filter = function(row) return row.id ~= 3 end }", 0);
	take(f, 1);
	assert_int_equal(f->ready, 1);
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	queue(f, 0, "{\"id\":2,\"v\":\"b\"}");
	queue(f, 0, "{\"id\":3,\"v\":\"c\"}");
	end_partitions(f, 1);
	turn(f);
	assert_int_equal(f->finished, 0);
	settle(f);
	assert_int_equal(f->finished, 1);
	assert_int_equal(f->failed, 0);
	assert_int_equal(f->told[0], 3); /* the filtered one too */
	tick(f);
	assert_int_equal(f->finished, 1);
}

static void progress_of_what_is_filtered_is_written_with_the_tick(void **state)
{
	struct fixture *f = *state;

	start(f, "return { filter = function() return false end }", 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1}");
	turn(f);
	tick(f);
	assert_int_equal(answer(f, SINK_COMMITTED), 1);
	tick(f);
	assert_int_equal(f->told[0], 1);
	assert_int_equal(f->transactions, 1);
}

static void max_events_ends_the_run(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED ", key_by = 'table' }", 2);
	take(f, 1);
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	queue(f, 0, "{\"id\":2,\"v\":\"b\"}");
	queue(f, 0, "{\"id\":3,\"v\":\"c\"}");
	settle(f);
	assert_string_equal(buf_cstr(&f->written), "a b ");
	assert_int_equal(f->finished, 1);
	assert_int_equal(f->told[0], 2);
}

/* memory_bytes is 64 MB. */
static void events_that_take_much_are_read_a_few_at_a_time(void **state)
{
	enum { FIRST = 5, MB = 4 };
	struct fixture *f = *state;

	start(f, "return { " KEYED ", key_by = 'table', columns = { id = 'id', v = function() return ('x'):rep(4 * 1024 * 1024) end } }", 0);
	take(f, 1);
	for (int i = 0; i < FIRST; i++)
		queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	flow_turn(f->flow, ++f->now_ms, 1700000000000);
	assert_int_equal(f->delivered, FIRST);
	while (f->queued < QUEUED_MOST)
		queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	turn(f);
	assert_in_range(f->delivered, FIRST + 1, FIRST + 64 / MB);
}

static void what_waits_goes_through_the_new_scripts(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED ", key_by = 'table' }", 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	turn(f);
	queue(f, 0, "{\"id\":2,\"v\":\"b\"}");
	queue(f, 0, "{\"id\":3,\"v\":\"c\"}");
	turn(f);
	flow_swap(f->flow, script(f, "return { " KEYED ", key_by = 'table', filter = function(row) return row.id ~= 3 end,\n"
				     "  columns = { id = 'id', v = function(row) return row.v:upper() end } }"));
	turn(f);
	assert_int_equal(f->swapped, 0); /* not while a transaction is on its way */
	answer(f, SINK_COMMITTED);
	turn(f);
	assert_int_equal(f->swapped, 1);
	settle(f);
	assert_string_equal(buf_cstr(&f->written), "a B ");
	tick(f);
	settle(f);
	tick(f);
	assert_int_equal(f->told[0], 3);
}

static int lane_on_its_way(const struct fixture *f, const char *value)
{
	for (int lane = 0; lane < LANES; lane++)
		for (size_t i = 0; f->on_its_way[lane] && i < f->on_its_way[lane]->count; i++)
			if (slice_is(f->on_its_way[lane]->events[i]->message->value, value))
				return lane;
	fail_msg("%s is not on its way", value);
	return -1;
}

/* Later changes of its key are not committed before its dead letter is: the new scripts write what the old ones failed on. */
static void what_failed_keeps_its_place_in_a_reload(void **state)
{
	static const char *const failing[] = { "return { " KEYED ", filter = function(row) return row.v:sub(1, 1) == 'n' or error 'no' end }",
					       "return { " KEYED
					       ", columns = { id = 'id', v = function(row) return row.v:match 'n%d' or error 'no' end } }",
					       "return { " KEYED
					       ", key_by = { 'id' }, filter = function(row) return row.v:match 'n' or error 'no' end }",
					       "return { " KEYED ", key_by = function(row) return row.id end,\n"
					       "  filter = function(row) return row.v:match 'n' or error 'no' end }" };
	enum { KEYS = 6 };
	char values[KEYS][2][40];

	for (size_t way = 0; way < sizeof failing / sizeof *failing; way++) {
		struct fixture *f = *state;
		int written = 0, lane;

		start(f, failing[way], 0);
		take(f, 1);
		for (int id = 0; id < 2 * KEYS; id++) {
			char *value = values[id % KEYS][id / KEYS];

			snprintf(value, sizeof values[0][0], "{\"id\":%d,\"v\":\"%c%d\"}", id % KEYS, id < KEYS ? 'b' : 'n', id % KEYS);
			queue(f, 0, value);
		}
		turn(f);
		lane = lane_on_its_way(f, values[0][0]);
		answer_lane(f, 1 - lane, SINK_COMMITTED);
		answer_lane(f, lane, SINK_FAILED);
		flow_swap(f->flow, script(f, "return { " KEYED " }"));
		settle(f);
		for (int id = 0; id < KEYS; id++) {
			char bad[4], good[4];
			const char *at;

			snprintf(bad, sizeof bad, "b%d", id);
			snprintf(good, sizeof good, "n%d", id);
			at = strstr(buf_cstr(&f->written), bad);
			written += at != NULL;
			if (!strstr(buf_cstr(&f->written), good) || (at && !strstr(at, good)))
				fail_msg("way %zu: %s", way, buf_cstr(&f->written));
		}
		assert_true(written > 0);
		close_fixture(state);
		open_fixture(state);
	}
}

/* Of what key it is nobody could tell: changes of that may be committed. */
static void what_failed_without_a_key_stays_dead_in_a_reload(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED ", key_by = function(row) return row.v end, filter = function(row) return row.v ~= nil or error 'no' end }", 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1}");
	queue(f, 0, "{\"id\":1,\"v\":\"n\"}");
	turn(f);
	answer(f, SINK_FAILED);
	flow_swap(f->flow, script(f, "return { " KEYED ", key_by = 'table', columns = { id = 'id', v = function(row) return row.v or 'b' end } }"));
	settle(f);
	flow_swap(f->flow, script(f, "return { " KEYED " }"));
	settle(f);
	if (!strstr(buf_cstr(&f->written), "dead") || strstr(buf_cstr(&f->written), "b "))
		fail_msg("%s", buf_cstr(&f->written));
}

static void what_was_looked_up_is_asked_anew_in_a_reload(void **state)
{
	static const char looks[] = "return { " KEYED ", lookup = { c = { table = 't', key = { id = 'id' }, columns = { 'name' } } },\n"
				    "  columns = { id = 'id', v = 'c.name' } }";
	struct fixture *f = *state;

	start(f, looks, 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1}");
	f->found = "a";
	turn(f);
	flow_swap(f->flow, script(f, looks));
	f->found = "b";
	answer(f, SINK_FAILED);
	settle(f);
	assert_string_equal(buf_cstr(&f->written), "b ");
}

static void a_transaction_that_is_tried_again_ends_before_the_swap(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED ", key_by = 'table' }", 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	turn(f);
	flow_swap(f->flow, script(f, "return { " KEYED ", filter = function() return false end }"));
	answer(f, SINK_RETRY);
	turn(f);
	assert_int_equal(f->swapped, 0);
	assert_int_equal(answer(f, SINK_COMMITTED), 1);
	turn(f);
	assert_int_equal(f->swapped, 1);
	assert_string_equal(buf_cstr(&f->written), "a ");
}

static void a_swap_while_it_stops_delays_nothing_for_ever(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED ", key_by = 'table' }", 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	turn(f);
	queue(f, 0, "{\"id\":2,\"v\":\"b\"}");
	turn(f);
	flow_stop(f->flow);
	flow_swap(f->flow, script(f, "return { " KEYED ", key_by = 'table' }"));
	settle(f);
	assert_int_equal(f->swapped, 1);
	assert_int_equal(f->finished, 1);
	assert_string_equal(buf_cstr(&f->written), "a b ");
}

/* The events of two partitions lie in one intake; one partition goes while the other's wait, and then scripts are swapped twice. */
static void a_revoked_partition_is_passed_over_by_a_reload(void **state)
{
	static const char again[] = "return { " KEYED ", key_by = 'table', filter = function(row, ctx) return ctx.topic == 'rows' end }";
	struct fixture *f = *state;
	uint32_t gone = 0;

	start(f, "return { " KEYED ", key_by = 'table' }", 0);
	take(f, 2);
	queue(f, 1, "{\"id\":1,\"v\":\"a\"}");
	turn(f);
	queue(f, 0, "{\"id\":2,\"v\":\"gone\"}");
	queue(f, 1, "{\"id\":3,\"v\":\"b\"}");
	queue(f, 0, "not a row");
	turn(f);
	f->owners[0] = NULL;
	f->events.revoked(f->events.ctx, &gone, 1);
	flow_swap(f->flow, script(f, again));
	answer(f, SINK_COMMITTED);
	turn(f);
	assert_int_equal(f->swapped, 1);
	flow_swap(f->flow, script(f, again));
	settle(f);
	assert_int_equal(f->swapped, 2);
	assert_string_equal(buf_cstr(&f->written), "a b ");
}

static void a_partition_that_goes_with_a_transaction_on_its_way_does_not_end_the_others(void **state)
{
	struct fixture *f = *state;
	uint32_t gone = 0;

	start(f, "return { " KEYED ", key_by = 'table' }", 0);
	take(f, 2);
	queue(f, 0, "{\"id\":1,\"v\":\"gone\"}");
	queue(f, 1, "{\"id\":2,\"v\":\"b\"}");
	turn(f);
	queue(f, 0, "{\"id\":3,\"v\":\"gone\"}");
	turn(f);
	f->owners[0] = NULL;
	f->events.revoked(f->events.ctx, &gone, 1);
	answer(f, SINK_FENCED);
	settle(f);
	assert_int_equal(f->failed, 0);
	assert_string_equal(buf_cstr(&f->written), "b ");
}

static void a_worker_that_was_taken_for_dead_begins_anew(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED " }", 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	turn(f);
	assert_false(flow_is_fenced(f->flow));
	answer(f, SINK_FENCED);
	assert_int_equal(f->failed, 1);
	assert_false(f->failed_stop);
	assert_true(flow_is_fenced(f->flow));
	turn(f);
	assert_int_equal(f->transactions, 1);
}

static void on_error_stop_stops_before_the_event_is_written(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED ", key_by = 'table', on_error = 'stop', filter = function(row) return row.v:len() > 0 end }", 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	turn(f);
	answer(f, SINK_COMMITTED);
	queue(f, 0, "{\"id\":2}");
	turn(f);
	assert_int_equal(f->failed, 1);
	assert_true(f->failed_stop);
	if (!strstr(f->reason, "stopped at rows:0 offset 1, table rows: rows.lua:1:"))
		fail_msg("%s", f->reason);
	assert_int_equal(f->transactions, 1);
}

static void an_event_that_the_sink_refuses_is_a_dead_letter_alone(void **state)
{
	struct fixture *f = *state;

	start(f, "return { " KEYED ", key_by = 'table' }", 0);
	take(f, 1);
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	queue(f, 0, "{\"id\":2,\"v\":\"b\"}");
	turn(f);
	answer(f, SINK_REFUSED); /* both */
	turn(f);
	answer(f, SINK_REFUSED); /* the first */
	settle(f);
	assert_string_equal(buf_cstr(&f->written), "dead b ");
}

static void how_far_it_is_behind_is_the_age_of_what_was_read_last(void **state)
{
	struct fixture *f = *state;
	struct buf said = BUF_INIT;
	static const struct {
		int64_t lag;
		const char *said;
	} cases[] = { { 7, "\"lag\":7,\"lag_ms\":2500" }, { 0, "\"lag\":0,\"lag_ms\":0" }, { -1, "\"lag\":-1,\"lag_ms\":-1" } };

	start(f, "return { " KEYED " }", 0);
	take(f, 1);
	f->lag = 7; /* nothing is read yet: its age is not known */
	flow_stats(f->flow, &said);
	assert_non_null(strstr(buf_cstr(&said), "\"lag\":7,\"lag_ms\":-1"));
	queue(f, 0, "{\"id\":1,\"v\":\"a\"}");
	turn(f);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		f->lag = cases[i].lag;
		buf_clear(&said);
		flow_stats(f->flow, &said);
		if (!strstr(buf_cstr(&said), cases[i].said))
			fail_msg("%s", buf_cstr(&said));
	}
	buf_free(&said);
}

/* Whoever watches gets the first of them, cut; the next time those since. */
static void dead_letters_are_told_few_at_a_time_and_cut(void **state)
{
	struct fixture *f = *state;
	struct buf lines = BUF_INIT;
	size_t count = 0;
	char *large = malloc(5001);

	start(f, "return { " KEYED " }", 0);
	take(f, 1);
	memset(large, 0xc3, 5000); /* the first half of a character, always */
	large[5000] = 0;
	queue(f, 0, large);
	for (int i = 1; i < LETTERS_MOST + 10; i++)
		queue(f, 0, "no json");
	settle(f);
	flow_letters(f->flow, &lines);
	for (const char *p = buf_cstr(&lines); (p = strchr(p, '\n')); p++)
		count++;
	assert_int_equal(count, LETTERS_MOST);
	assert_true(lines.n < LETTERS_MOST * 400 + 6 * LETTER_VALUE_MOST); /* \\ufffd each */
	assert_non_null(strstr(buf_cstr(&lines), "\"partition\":0,\"offset\":0,\"stage\":\"decode\",\"value_bytes\":5000,\"topic\":\"rows\""));
	assert_non_null(strstr(buf_cstr(&lines), "\"value\":\"no json\"\n"));
	buf_clear(&lines);
	flow_letters(f->flow, &lines);
	assert_int_equal(lines.n, 0);
	queue(f, 0, "nor this");
	settle(f);
	flow_letters(f->flow, &lines);
	assert_non_null(strstr(buf_cstr(&lines), "nor this"));
	buf_free(&lines);
	free(large);
}

static void a_takeover_that_is_never_answered_leaks_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t gone = 0;

	start(f, "return {}", 0);
	assign(f, 0, 2);
	f->events.revoked(f->events.ctx, &gone, 1);
	turn(f);
	assert_int_equal(f->ready, 0);
}

static void a_partition_that_goes_before_it_is_taken_is_not_taken(void **state)
{
	struct fixture *f = *state;
	uint32_t gone = 0;

	start(f, "return {}", 0);
	assign(f, 0, 2);
	f->events.revoked(f->events.ctx, &gone, 1);
	answer_takeover(f);
	assert_null(f->owners[0]);
	assert_non_null(f->owners[1]);
	assert_int_equal(f->ready, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bounded_run_ends_when_all_is_committed),
		TEST(progress_of_what_is_filtered_is_written_with_the_tick),
		TEST(max_events_ends_the_run),
		TEST(events_that_take_much_are_read_a_few_at_a_time),
		TEST(what_waits_goes_through_the_new_scripts),
		TEST(what_failed_keeps_its_place_in_a_reload),
		TEST(what_failed_without_a_key_stays_dead_in_a_reload),
		TEST(what_was_looked_up_is_asked_anew_in_a_reload),
		TEST(a_transaction_that_is_tried_again_ends_before_the_swap),
		TEST(a_swap_while_it_stops_delays_nothing_for_ever),
		TEST(a_revoked_partition_is_passed_over_by_a_reload),
		TEST(a_partition_that_goes_with_a_transaction_on_its_way_does_not_end_the_others),
		TEST(a_worker_that_was_taken_for_dead_begins_anew),
		TEST(on_error_stop_stops_before_the_event_is_written),
		TEST(an_event_that_the_sink_refuses_is_a_dead_letter_alone),
		TEST(how_far_it_is_behind_is_the_age_of_what_was_read_last),
		TEST(dead_letters_are_told_few_at_a_time_and_cut),
		TEST(a_takeover_that_is_never_answered_leaks_nothing),
		TEST(a_partition_that_goes_before_it_is_taken_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
