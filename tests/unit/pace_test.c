/* The window on a simulated target: lanes that always have rows, and a server that does so many a second, one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flow/pace.h"

enum { LANES = 8, TX_ROWS = 2000 };

struct target {
	double rows_per_ms;
	int64_t answer_ms; /* what every transaction takes beside its rows */
	double free_ms;    /* when it has done what was sent */
};

struct world {
	struct pace pace;
	struct target target;
	int64_t now_ms;
	int busy; /* lanes that have rows */
	uint32_t in_flight;
	struct tx {
		uint32_t rows;
		int64_t sent_ms, done_ms;
	} lanes[LANES];
	/* of the last run() */
	uint64_t rows, transactions;
	int64_t latency_most_ms;
};

static void open_world(struct world *w, double rows_per_second)
{
	*w = (struct world){ .now_ms = 1000, .busy = LANES, .target = { .rows_per_ms = rows_per_second / 1000, .answer_ms = 2 } };
	pace_init(&w->pace, LANES, TX_ROWS);
}

static void send(struct world *w, struct tx *tx)
{
	uint32_t room = pace_room(&w->pace, w->in_flight, w->pace.lanes);

	if (room == 0)
		return;
	tx->rows = room < TX_ROWS ? room : TX_ROWS;
	if (room < TX_ROWS)
		pace_short(&w->pace);
	tx->sent_ms = w->now_ms;
	if (w->target.free_ms < (double)w->now_ms)
		w->target.free_ms = (double)w->now_ms;
	w->target.free_ms += tx->rows / w->target.rows_per_ms;
	tx->done_ms = (int64_t)w->target.free_ms + w->target.answer_ms;
	w->in_flight += tx->rows;
	pace_sent(&w->pace, w->in_flight);
}

static void finish(struct world *w, struct tx *tx)
{
	w->in_flight -= tx->rows;
	w->rows += tx->rows;
	w->transactions++;
	if (w->now_ms - tx->sent_ms > w->latency_most_ms)
		w->latency_most_ms = w->now_ms - tx->sent_ms;
	pace_committed(&w->pace, w->now_ms, tx->sent_ms, tx->rows);
	tx->rows = 0;
}

/* Returns rows a second. */
static uint64_t run(struct world *w, int64_t ms)
{
	int64_t end_ms = w->now_ms + ms;

	w->rows = w->transactions = 0;
	w->latency_most_ms = 0;
	for (; w->now_ms < end_ms; w->now_ms++) {
		for (int i = 0; i < LANES; i++)
			if (w->lanes[i].rows && w->lanes[i].done_ms <= w->now_ms)
				finish(w, &w->lanes[i]);
		for (int i = 0; i < w->busy; i++)
			if (!w->lanes[(i + w->now_ms) % w->busy].rows)
				send(w, &w->lanes[(i + w->now_ms) % w->busy]);
	}
	return w->rows * 1000 / (uint64_t)ms;
}

static void a_quick_target_gets_all_there_is(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 100000);
	assert_in_range(run(&w, 5000), 95000, 100000);
	assert_int_equal(pace_window(&w.pace), LANES * TX_ROWS);
}

static void a_target_slowed_down_tenfold_is_held_at_a_bounded_latency_and_none_of_its_speed_is_lost(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 100000);
	run(&w, 3000);
	w.target.rows_per_ms /= 10;
	run(&w, 3000);
	assert_in_range(run(&w, 5000), 9000, 10100);
	assert_true(w.latency_most_ms < 2 * PACE_GOAL_MS);
	assert_true(w.transactions >= 5000 / PACE_GOAL_MS); /* not a few large ones */
	w.target.rows_per_ms *= 10;
	run(&w, 2000);
	assert_in_range(run(&w, 2000), 95000, 100100);
}

static void a_target_slowed_down_a_hundredfold_is_too(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 100000);
	run(&w, 1000);
	w.target.rows_per_ms /= 100;
	run(&w, 25000);
	run(&w, 5000);
	assert_true(w.latency_most_ms < 2 * PACE_GOAL_MS);
	assert_in_range(w.rows / 5, 900, 1010);
	w.target.rows_per_ms *= 100;
	run(&w, 3000);
	assert_in_range(run(&w, 2000), 95000, 100100);
}

static void a_target_that_is_far_away_is_not_taken_for_a_busy_one(void **state)
{
	struct world w;
	uint64_t possible;

	(void)state;
	open_world(&w, 100000);
	w.target.answer_ms = 600;
	run(&w, 5000);
	possible = LANES * TX_ROWS * 1000 / (600 + LANES * TX_ROWS / 100);
	assert_true(run(&w, 40000) > possible * 8 / 10);
}

static void errors_that_ask_for_another_try_halve_the_window_down_to_its_least(void **state)
{
	struct world w;
	uint32_t before;

	(void)state;
	open_world(&w, 100000);
	run(&w, 1000);
	before = pace_window(&w.pace);
	pace_failed(&w.pace, w.now_ms);
	pace_failed(&w.pace, w.now_ms); /* of the same moment */
	assert_int_equal(pace_window(&w.pace), before / 2);
	for (int i = 0; i < 100; i++) {
		w.now_ms += 1000;
		pace_failed(&w.pace, w.now_ms);
	}
	assert_in_range(pace_window(&w.pace), PACE_ROWS_LEAST, PACE_TX_ROWS_ENOUGH);
	run(&w, 2000);
	assert_in_range(run(&w, 2000), 95000, 100100);
}

static void one_row_that_waited_for_a_lock_costs_nothing_later(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 100000);
	assert_true(pace_room(&w.pace, 0, w.pace.lanes) >= PACE_TX_ROWS_ENOUGH);
	pace_committed(&w.pace, w.now_ms + 20000, w.now_ms, 1);
	w.now_ms += 20000;
	run(&w, 1500);
	assert_in_range(run(&w, 2000), 95000, 100100);
}

/* Where all rows are of one key the others' share is of no use to anybody. */
static void one_lane_alone_keeps_large_transactions(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 5000);
	w.busy = 1;
	w.target.answer_ms = 20;
	run(&w, 5000);
	assert_in_range(run(&w, 10000), 4400, 5000);
	assert_true(w.transactions < 10000 / 100);
	assert_true(w.latency_most_ms < 2 * PACE_GOAL_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quick_target_gets_all_there_is),
		cmocka_unit_test(a_target_slowed_down_tenfold_is_held_at_a_bounded_latency_and_none_of_its_speed_is_lost),
		cmocka_unit_test(a_target_slowed_down_a_hundredfold_is_too),
		cmocka_unit_test(one_lane_alone_keeps_large_transactions),
		cmocka_unit_test(a_target_that_is_far_away_is_not_taken_for_a_busy_one),
		cmocka_unit_test(errors_that_ask_for_another_try_halve_the_window_down_to_its_least),
		cmocka_unit_test(one_row_that_waited_for_a_lock_costs_nothing_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
