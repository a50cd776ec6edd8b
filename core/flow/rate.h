/* max_rows_per_second: rows that go into transactions, counted for all workers of a run together.
 *
 * There is one number for all of them, in memory that they share: the time up to which rows are spoken for. Each row moves it
 * on by its share of a second, and no row goes before that time has come. While rows wait, time that passes is kept for them, so that slow
 * transactions do not make the rate fall below what is allowed; while none do, it is lost but for a moment, so that a burst after a pause is
 * no faster than the rate. */
#ifndef FLOW_RATE_H
#define FLOW_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rate {
	_Atomic int64_t *taken_us; /* shared; of the clock that all workers have in common (monotonic) */
	double row_us;             /* 0: no limit */
	int64_t hungry_us;         /* since when rows have waited; -1: none do */
};

enum { RATE_BURST_US = 25000, RATE_KEPT_US = 1000000 };

/* taken_us is borrowed. rows_per_second 0: no limit. */
void rate_init(struct rate *rate, _Atomic int64_t *taken_us, double rows_per_second);
/* Whether rows wait, to be told as often as it may change. */
void rate_hungry(struct rate *rate, int64_t now_us, bool waiting);
/* How many of `most` rows may go now. 0: *wait_us later some may, and enough of them to be worth a transaction. */
uint32_t rate_room(const struct rate *rate, int64_t now_us, uint32_t most, int64_t *wait_us);
/* So many go. Another worker may have taken what rate_room saw: that is a debt, which is waited for later. */
void rate_take(struct rate *rate, int64_t now_us, uint32_t rows);

#endif
