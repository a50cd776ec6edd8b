#include "flow/rate.h"

void rate_init(struct rate *rate, _Atomic int64_t *taken_us, double rows_per_second)
{
	*rate = (struct rate){ .taken_us = taken_us, .row_us = rows_per_second > 0 ? 1e6 / rows_per_second : 0, .hungry_us = -1 };
}

void rate_hungry(struct rate *rate, int64_t now_us, bool waiting)
{
	if (!waiting)
		rate->hungry_us = -1;
	else if (rate->hungry_us < 0)
		rate->hungry_us = now_us;
}

/* From where time counts: what lies before it is spoken for, or lost. */
static int64_t counted_from(const struct rate *rate, int64_t taken_us, int64_t now_us)
{
	int64_t kept = rate->hungry_us < 0 ? now_us : rate->hungry_us;

	if (kept < now_us - RATE_KEPT_US)
		kept = now_us - RATE_KEPT_US;
	kept -= RATE_BURST_US;
	return taken_us > kept ? taken_us : kept;
}

uint32_t rate_room(const struct rate *rate, int64_t now_us, uint32_t most, int64_t *wait_us)
{
	int64_t from, worth_us;
	double room;

	if (rate->row_us == 0)
		return most;
	from = counted_from(rate, atomic_load(rate->taken_us), now_us);
	worth_us = RATE_BURST_US < rate->row_us ? (int64_t)rate->row_us + 1 : RATE_BURST_US;
	if (worth_us > (int64_t)(rate->row_us * most) + 1)
		worth_us = (int64_t)(rate->row_us * most) + 1;
	if (now_us - from < worth_us) {
		*wait_us = from + worth_us - now_us;
		return 0;
	}
	room = (double)(now_us - from) / rate->row_us;
	return room < most ? (uint32_t)room : most;
}

void rate_take(struct rate *rate, int64_t now_us, uint32_t rows)
{
	int64_t taken, next;

	if (rate->row_us == 0 || rows == 0)
		return;
	taken = atomic_load(rate->taken_us);
	do
		next = counted_from(rate, taken, now_us) + (int64_t)(rate->row_us * rows);
	while (!atomic_compare_exchange_weak(rate->taken_us, &taken, next));
}
