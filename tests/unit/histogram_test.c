/* Which bucket a number goes into, and what is written of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/histogram.h"

static void a_bound_belongs_to_what_is_below_it(void **state)
{
	(void)state;
	for (enum histogram_kind kind = 0; kind < HISTOGRAM_KINDS; kind++) {
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
			struct histogram histogram = { 0 };
			uint64_t bound = (uint64_t)histogram_bounds[kind][i];

			histogram_count(&histogram, kind, bound);
			assert_int_equal(histogram.buckets[i], 1);
			histogram_count(&histogram, kind, bound + 1);
			assert_int_equal(histogram.buckets[i], 1);
			assert_int_equal(histogram.buckets[i + 1] + (i + 2 < HISTOGRAM_BUCKETS ? histogram.buckets[i + 2] : 0), 1);
			assert_int_equal(histogram.sum, 2 * bound + 1);
		}
	}
}

static void what_has_no_bound_is_in_the_last(void **state)
{
	struct histogram histogram = { 0 }, sum = { 0 };
	struct buf text = BUF_INIT;

	(void)state;
	histogram_count(&histogram, HISTOGRAM_COMMIT_MS, 0);
	histogram_count(&histogram, HISTOGRAM_COMMIT_MS, UINT64_C(1) << 40);
	histogram_add(&sum, &histogram);
	histogram_add(&sum, &histogram);
	histogram_write(&sum, &text);
	assert_string_equal(buf_cstr(&text), "[2,0,0,0,0,0,0,0,0,0,0,0,2,2199023255552]");
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bound_belongs_to_what_is_below_it),
		cmocka_unit_test(what_has_no_bound_is_in_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
