/* Events as plain JSON, a thousand a second of event time, the same for the same seed: views of pages (10,000 pages, each event up to 5 s late
 * in its partition), and payments of accounts (10,000 accounts; one in twenty is under 1, one in twenty over 500). */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include "stream.h"

enum events_kind { EVENTS_VIEWS, EVENTS_PAYMENTS };

/* The target has a row a page and minute, or one a payment over 500 right behind one under 1: "rows", "views" in all windows (0 of payments), and
 * "cents", the sum of what was added up in all windows, or of the alerts' amounts, times 100. */
struct stream events_stream(enum events_kind kind, long seed, int64_t count);

/* A time as text between quotes, to the millisecond. */
void events_put_time(struct buf *out, int64_t ms);

#endif
