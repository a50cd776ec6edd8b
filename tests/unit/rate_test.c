/* max_rows_per_second on simulated time: what goes within any stretch is what the rate allows, and no less while rows wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flow/rate.h"

enum { RATE = 1000, SECOND_US = 1000000 };

/* One that has rows and sends them, a transaction at a time, each of which takes tx_us. */
struct sender {
	struct rate rate;
	int64_t busy_until_us;
	uint64_t sent;
};

static _Atomic int64_t taken_us;

static void open_sender(struct sender *s)
{
	*s = (struct sender){ 0 };
	rate_init(&s->rate, &taken_us, RATE);
}

static void step(struct sender *s, int64_t now_us, int64_t tx_us, bool waiting)
{
	int64_t wait_us = 0;
	uint32_t rows;

	rate_hungry(&s->rate, now_us, waiting);
	if (!waiting || now_us < s->busy_until_us)
		return;
	rows = rate_room(&s->rate, now_us, 2000, &wait_us);
	if (rows == 0)
		assert_true(wait_us > 0 && wait_us <= SECOND_US);
	rate_take(&s->rate, now_us, rows);
	s->sent += rows;
	if (rows)
		s->busy_until_us = now_us + tx_us;
}

static uint64_t run(struct sender *senders, int count, int64_t *now_us, int64_t us, int64_t tx_us, bool waiting)
{
	uint64_t before = 0, after = 0;

	for (int i = 0; i < count; i++)
		before += senders[i].sent;
	for (int64_t end = *now_us + us; *now_us < end; *now_us += 1000)
		for (int i = 0; i < count; i++)
			step(&senders[i], *now_us, tx_us, waiting);
	for (int i = 0; i < count; i++)
		after += senders[i].sent;
	return after - before;
}

static void the_rate_is_exact_whatever_a_transaction_takes(void **state)
{
	(void)state;
	for (int64_t tx_us = 1000; tx_us <= 400000; tx_us *= 3) {
		struct sender s;
		int64_t now_us = 50 * SECOND_US;

		atomic_store(&taken_us, 0);
		open_sender(&s);
		assert_in_range(run(&s, 1, &now_us, 10 * SECOND_US, tx_us, true), RATE * 10 * 95 / 100, RATE * 10 * 105 / 100);
	}
}

static void a_burst_after_a_pause_is_no_faster(void **state)
{
	struct sender s;
	int64_t now_us = 50 * SECOND_US;

	(void)state;
	atomic_store(&taken_us, 0);
	open_sender(&s);
	run(&s, 1, &now_us, SECOND_US, 5000, true);
	run(&s, 1, &now_us, 10 * SECOND_US, 5000, false);
	assert_in_range(run(&s, 1, &now_us, SECOND_US, 5000, true), RATE * 95 / 100, RATE * 105 / 100);
}

static void what_rows_have_waited_for_is_made_up_but_for_no_more_than_a_second(void **state)
{
	struct sender s;
	int64_t now_us = 50 * SECOND_US;

	(void)state;
	atomic_store(&taken_us, 0);
	open_sender(&s);
	s.busy_until_us = now_us + 10 * SECOND_US; /* a target that stands still */
	assert_int_equal(run(&s, 1, &now_us, 10 * SECOND_US, 5000, true), 0);
	assert_in_range(run(&s, 1, &now_us, SECOND_US, 5000, true), RATE * 2 * 95 / 100, RATE * 2 * 105 / 100);
	assert_in_range(run(&s, 1, &now_us, SECOND_US, 5000, true), RATE * 95 / 100, RATE * 105 / 100);
}

static void several_workers_share_it(void **state)
{
	struct sender senders[3];
	int64_t now_us = 50 * SECOND_US;

	(void)state;
	atomic_store(&taken_us, 0);
	for (int i = 0; i < 3; i++)
		open_sender(&senders[i]);
	assert_in_range(run(senders, 3, &now_us, 5 * SECOND_US, 20000, true), RATE * 5 * 95 / 100, RATE * 5 * 105 / 100);
	/* And one alone has all of it. */
	assert_in_range(run(senders, 1, &now_us, 5 * SECOND_US, 20000, true), RATE * 5 * 95 / 100, RATE * 5 * 105 / 100);
}

static void no_limit_lets_all_go(void **state)
{
	struct rate rate;
	int64_t wait_us;

	(void)state;
	rate_init(&rate, NULL, 0);
	rate_hungry(&rate, 1, true);
	assert_int_equal(rate_room(&rate, 1, 2000, &wait_us), 2000);
	rate_take(&rate, 1, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_is_exact_whatever_a_transaction_takes),
		cmocka_unit_test(a_burst_after_a_pause_is_no_faster),
		cmocka_unit_test(what_rows_have_waited_for_is_made_up_but_for_no_more_than_a_second),
		cmocka_unit_test(several_workers_share_it),
		cmocka_unit_test(no_limit_lets_all_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
