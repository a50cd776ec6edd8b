#include "flow/histogram.h"

const int64_t histogram_bounds[HISTOGRAM_KINDS][HISTOGRAM_BUCKETS - 1] = {
	[HISTOGRAM_COMMIT_MS] = { 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30000 }, /* PACE_GOAL_MS is 300 */
	[HISTOGRAM_ROWS] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000 }, /* LANE_ROWS_MOST is 2000; events that share rows may be more */
};

void histogram_count(struct histogram *histogram, enum histogram_kind kind, uint64_t number)
{
	unsigned i = 0;

	while (i < HISTOGRAM_BUCKETS - 1 && number > (uint64_t)histogram_bounds[kind][i])
		i++;
	histogram->buckets[i]++;
	histogram->sum += number;
}

void histogram_add(struct histogram *sum, const struct histogram *more)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum->buckets[i] += more->buckets[i];
	sum->sum += more->sum;
}

void histogram_write(const struct histogram *histogram, struct buf *json)
{
	buf_char(json, '[');
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		buf_printf(json, "%llu,", (unsigned long long)histogram->buckets[i]);
	buf_printf(json, "%llu]", (unsigned long long)histogram->sum);
}
