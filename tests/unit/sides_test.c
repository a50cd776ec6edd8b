/* A job's sinks as one: what goes aside is acknowledged before the transaction is committed, and is not written again by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/sides.h"

enum { LANES = 3, EVENTS = 3, CHANGES = 3 };

/* A sink that answers when it is told to, and writes down what it was given: "3.1" is the second change of the event 3. */
struct fake {
	struct sink sink;
	struct tx *tx[LANES];
	char wrote[256];
	bool closed;
	const char *problem;
};

static struct fake job_sink, alerts, lines;

/* A lane's transaction; change i of its events goes to side[i], 0 the job's sink, -1 there is none. */
struct lane {
	struct tx tx;
	struct event *list[EVENTS], events[EVENTS];
	struct change changes[EVENTS][CHANGES];
	size_t answers;
	enum sink_result result;
	struct error err;
};

static struct target targets[3] = { { .name = { "orders", 6 } },
				    { .name = { "alerts:big", 10 }, .side = 1 },
				    { .name = { "lines:all", 9 }, .side = 2 } };

static void fake_commit(struct sink *sink, struct tx *tx)
{
	struct fake *fake = (struct fake *)sink;

	assert_null(fake->tx[tx->lane]);
	fake->tx[tx->lane] = tx;
	for (size_t i = 0; i < tx->count; i++) {
		int number = 0;

		for (const struct change *change = tx->events[i]->changes; change; change = change->next, number++)
			if (tx_takes(tx, change) && tx->events[i]->outcome == OUTCOME_PENDING)
				snprintf(fake->wrote + strlen(fake->wrote), sizeof fake->wrote - strlen(fake->wrote), "%d.%d ",
					 (int)tx->events[i]->ordinal, number);
	}
}

static void fake_close(struct sink *sink)
{
	((struct fake *)sink)->closed = true;
}

static const char *fake_problem(struct sink *sink)
{
	return ((struct fake *)sink)->problem;
}

static int fake_describe(struct sink *sink, struct target *target, struct error *err)
{
	(void)err;
	target->exists = true;
	target->open = sink != &job_sink.sink;
	return 0;
}

static void fake_show(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	(void)tx;
	line(ctx, sink == &job_sink.sink ? SLICE("INSERT") : SLICE("{}"));
}

static void fake_ask_schema(struct sink *sink, void (*done)(void *ctx, bool read), void *ctx)
{
	done(ctx, sink == &job_sink.sink);
}

static const struct sink_ops fake_ops = { .name = "fake",
					  .ask_schema = fake_ask_schema,
					  .transactional = true,
					  .commit = fake_commit,
					  .close = fake_close,
					  .problem = fake_problem,
					  .describe = fake_describe,
					  .show = fake_show };

static struct sink *make(void)
{
	const struct side_sink sides[] = { { "alerts", &alerts.sink }, { "lines", &lines.sink } };

	job_sink = (struct fake){ .sink = { .ops = &fake_ops, .lanes = LANES } };
	alerts = (struct fake){ .sink = { .ops = &fake_ops, .lanes = 1 } };
	lines = (struct fake){ .sink = { .ops = &fake_ops, .lanes = 1 } };
	return sides_new(&job_sink.sink, sides, 2);
}

static void on_done(struct tx *tx, enum sink_result result, const struct error *err)
{
	struct lane *lane = tx->ctx;

	lane->answers++;
	lane->result = result;
	lane->err = *err;
}

static void begin(struct sink *sink, struct lane *lane, int32_t number, const int sides[EVENTS][CHANGES])
{
	*lane = (struct lane){ .tx = { .lane = number, .events = lane->list, .done = on_done, .ctx = lane } };
	for (int e = 0; e < EVENTS && sides[e][0] >= 0; e++) {
		struct change **end = &lane->events[e].changes;

		lane->list[lane->tx.count++] = &lane->events[e];
		lane->events[e].ordinal = (uint32_t)(10 * number + e);
		for (int c = 0; c < CHANGES && sides[e][c] >= 0; c++) {
			lane->changes[e][c].target = &targets[sides[e][c]];
			*end = &lane->changes[e][c];
			end = &lane->changes[e][c].next;
		}
	}
	sink->ops->commit(sink, &lane->tx);
}

/* What it was given since it was last asked. */
static void wrote(struct fake *fake, const char *expected)
{
	assert_string_equal(fake->wrote, expected);
	fake->wrote[0] = 0;
}

static void answer(struct fake *fake, int32_t lane, enum sink_result result)
{
	static const struct error why = { .text = "the reason" };
	struct tx *tx = fake->tx[lane];

	assert_non_null(tx);
	fake->tx[lane] = NULL;
	tx->done(tx, result, &why);
}

#define NONE                                                                                                                                         \
	{                                                                                                                                            \
		-1, -1, -1                                                                                                                           \
	}
static const int plain[EVENTS][CHANGES] = { { 0, -1, -1 }, NONE, NONE };
static const int one_alert[EVENTS][CHANGES] = { { 0, 1, -1 }, { 0, -1, -1 }, NONE };
static const int two_alerts[EVENTS][CHANGES] = { { 1, 1, -1 }, { 0, -1, -1 }, { 0, 1, -1 } };
static const int both_ways[EVENTS][CHANGES] = { { 2, 0, 1 }, { 2, -1, -1 }, NONE };

static void what_stays_goes_straight_on(void **state)
{
	struct sink *sink = make();
	struct lane a;

	(void)state;
	begin(sink, &a, 0, plain);
	wrote(&job_sink, "0.0 ");
	assert_ptr_equal(job_sink.tx[0], &a.tx);
	answer(&job_sink, 0, SINK_COMMITTED);
	assert_int_equal(a.answers, 1);
	assert_int_equal(a.result, SINK_COMMITTED);
	sink->ops->close(sink);
	assert_true(job_sink.closed && alerts.closed && lines.closed);
}

static void every_side_acknowledges_before_the_transaction_begins(void **state)
{
	struct sink *sink = make();
	struct lane a;

	(void)state;
	begin(sink, &a, 0, both_ways);
	wrote(&alerts, "0.2 ");
	assert_null(job_sink.tx[0]);
	assert_null(lines.tx[0]);
	answer(&alerts, 0, SINK_COMMITTED);
	wrote(&lines, "0.0 1.0 ");
	assert_null(job_sink.tx[0]);
	answer(&lines, 0, SINK_COMMITTED);
	wrote(&job_sink, "0.1 ");
	assert_int_equal(a.answers, 0);
	answer(&job_sink, 0, SINK_COMMITTED);
	assert_int_equal(a.answers, 1);
	sink->ops->close(sink);
}

/* Whatever becomes of the transaction: halved, sent again, begun anew with other events. */
static void what_is_acknowledged_is_not_written_again(void **state)
{
	static const enum sink_result ends[] = { SINK_RETRY, SINK_REFUSED, SINK_TAKEN, SINK_MISSED, SINK_FAILED };
	struct sink *sink = make();
	struct lane a;

	(void)state;
	begin(sink, &a, 0, one_alert);
	wrote(&alerts, "0.1 ");
	answer(&alerts, 0, SINK_COMMITTED);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		answer(&job_sink, 0, ends[i]);
		assert_int_equal(a.answers, i + 1);
		assert_int_equal(a.result, ends[i]);
		sink->ops->commit(sink, &a.tx);
		wrote(&alerts, "");
	}
	/* It ran again: these are other changes. */
	a.changes[0][1].told = false;
	answer(&job_sink, 0, SINK_RETRY);
	sink->ops->commit(sink, &a.tx);
	wrote(&alerts, "0.1 ");
	sink->ops->close(sink);
}

static void a_side_that_fails_holds_the_transaction_back(void **state)
{
	static const enum sink_result ends[] = { SINK_RETRY, SINK_FAILED, SINK_REFUSED };
	struct sink *sink = make();
	struct lane a;

	(void)state;
	begin(sink, &a, 0, one_alert);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		wrote(&alerts, "0.1 ");
		answer(&alerts, 0, ends[i]);
		assert_int_equal(a.answers, i + 1);
		assert_int_equal(a.result, ends[i]);
		assert_string_equal(a.err.text, "sink alerts: the reason");
		assert_null(job_sink.tx[0]);
		sink->ops->commit(sink, &a.tx);
	}
	answer(&alerts, 0, SINK_COMMITTED);
	wrote(&job_sink, "0.0 1.0 ");
	sink->ops->close(sink);
}

static void dead_and_parked_events_write_nothing_aside(void **state)
{
	struct sink *sink = make();
	struct lane a;

	(void)state;
	begin(sink, &a, 0, one_alert);
	answer(&alerts, 0, SINK_REFUSED);
	a.events[0].outcome = OUTCOME_PARKED;
	wrote(&alerts, "0.1 ");
	sink->ops->commit(sink, &a.tx);
	wrote(&alerts, "");
	wrote(&job_sink, "1.0 ");
	sink->ops->close(sink);
}

static void lanes_that_wait_go_together(void **state)
{
	struct sink *sink = make();
	struct lane a, b, c;

	(void)state;
	begin(sink, &a, 0, one_alert);
	begin(sink, &b, 1, two_alerts);
	begin(sink, &c, 2, one_alert);
	wrote(&alerts, "0.1 ");
	answer(&alerts, 0, SINK_COMMITTED);
	wrote(&job_sink, "0.0 1.0 ");
	wrote(&alerts, "10.0 10.1 12.1 20.1 ");
	answer(&job_sink, 0, SINK_COMMITTED);
	begin(sink, &a, 0, one_alert);
	wrote(&alerts, "");
	answer(&alerts, 0, SINK_COMMITTED);
	wrote(&job_sink, "11.0 12.0 20.0 21.0 ");
	wrote(&alerts, "0.1 ");
	sink->ops->close(sink);
}

/* Whose event it is that a side refuses is found as everywhere: alone. */
static void lanes_refused_together_go_one_by_one(void **state)
{
	struct sink *sink = make();
	struct lane a, b, c;

	(void)state;
	begin(sink, &c, 2, one_alert);
	begin(sink, &a, 0, one_alert);
	begin(sink, &b, 1, two_alerts);
	answer(&alerts, 0, SINK_COMMITTED);
	alerts.wrote[0] = 0;
	answer(&job_sink, 2, SINK_COMMITTED);
	begin(sink, &c, 2, one_alert);
	answer(&alerts, 0, SINK_REFUSED);
	assert_int_equal(a.answers + b.answers, 0);
	wrote(&alerts, "0.1 ");
	answer(&alerts, 0, SINK_COMMITTED);
	wrote(&alerts, "10.0 10.1 12.1 ");
	answer(&alerts, 0, SINK_REFUSED);
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.result, SINK_REFUSED);
	assert_null(job_sink.tx[1]);
	/* Those behind them are together again. */
	wrote(&alerts, "20.1 ");
	sink->ops->commit(sink, &b.tx);
	answer(&job_sink, 0, SINK_COMMITTED);
	begin(sink, &a, 0, one_alert);
	answer(&alerts, 0, SINK_COMMITTED);
	wrote(&alerts, "10.0 10.1 12.1 0.1 ");
	sink->ops->close(sink);
}

/* Nobody is told anything any more; nothing is left behind (the sanitizers look). */
static void it_is_closed_while_a_side_has_not_answered(void **state)
{
	struct sink *sink = make();
	struct lane a, b;

	(void)state;
	begin(sink, &a, 0, one_alert);
	begin(sink, &b, 1, one_alert);
	sink->ops->close(sink);
	assert_int_equal(a.answers + b.answers, 0);
	assert_true(job_sink.closed && alerts.closed && lines.closed);
}

static void what_is_wrong_with_any_of_them_is_said(void **state)
{
	struct sink *sink = make();

	(void)state;
	assert_null(sink->ops->problem(sink));
	job_sink.problem = "the database is away";
	assert_string_equal(sink->ops->problem(sink), "the database is away");
	lines.problem = "nobody reads";
	assert_string_equal(sink->ops->problem(sink), "sink lines: nobody reads");
	sink->ops->close(sink);
}

static void on_schema(void *ctx, bool read)
{
	*(bool *)ctx = read;
}

static void the_schema_is_asked_of_the_sink_that_has_one(void **state)
{
	struct sink *sink = make();
	bool read = false;

	(void)state;
	sink->ops->ask_schema(sink, on_schema, &read);
	assert_true(read);
	sink->ops->close(sink);
}

static void a_target_is_described_by_its_own_sink(void **state)
{
	struct sink *sink = make();
	struct target one = targets[0], other = targets[2];
	struct error err;

	(void)state;
	assert_string_equal(sink->sides[0], "alerts");
	assert_string_equal(sink->sides[1], "lines");
	assert_null(sink->sides[2]);
	assert_int_equal(sink->ops->describe(sink, &one, &err), 0);
	assert_false(one.open);
	assert_int_equal(sink->ops->describe(sink, &other, &err), 0);
	assert_true(other.open);
	assert_true(slice_is(target_table(&one), "orders"));
	assert_true(slice_is(target_table(&other), "all"));
	sink->ops->close(sink);
}

static void keep_line(void *ctx, struct slice text)
{
	strncat(ctx, text.p, text.n);
	strcat(ctx, ";");
}

static void lines_of_a_side_are_shown_behind_its_name(void **state)
{
	struct sink *sink = make();
	char shown[200] = "";
	struct lane a;

	(void)state;
	begin(sink, &a, 0, both_ways);
	a.changes[1][0].target = &targets[0];
	sink->ops->show(sink, &a.tx, keep_line, shown);
	assert_string_equal(shown, "-- alerts: {};-- lines: {};INSERT;");
	sink->ops->close(sink);
}

static void what_the_main_sink_cannot_nobody_can(void **state)
{
	struct sink *sink = make();

	(void)state;
	assert_string_equal(sink->ops->name, "fake");
	assert_true(sink->ops->transactional);
	assert_int_equal(sink->lanes, LANES);
	assert_null(sink->ops->recall);
	assert_null(sink->ops->reset);
	assert_null(sink->ops->load_state);
	assert_null(sink->ops->query);
	sink->ops->close(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stays_goes_straight_on),
		cmocka_unit_test(every_side_acknowledges_before_the_transaction_begins),
		cmocka_unit_test(what_is_acknowledged_is_not_written_again),
		cmocka_unit_test(a_side_that_fails_holds_the_transaction_back),
		cmocka_unit_test(dead_and_parked_events_write_nothing_aside),
		cmocka_unit_test(lanes_that_wait_go_together),
		cmocka_unit_test(lanes_refused_together_go_one_by_one),
		cmocka_unit_test(it_is_closed_while_a_side_has_not_answered),
		cmocka_unit_test(what_is_wrong_with_any_of_them_is_said),
		cmocka_unit_test(a_target_is_described_by_its_own_sink),
		cmocka_unit_test(the_schema_is_asked_of_the_sink_that_has_one),
		cmocka_unit_test(lines_of_a_side_are_shown_behind_its_name),
		cmocka_unit_test(what_the_main_sink_cannot_nobody_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
