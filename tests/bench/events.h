/* Events as plain JSON, a thousand a second of event time, the same for the same seed: views of pages (10,000 pages, each event up to 5 s late
 * in its partition), and payments of accounts (10,000 accounts; one in twenty is under 1, one in twenty over 500). */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include "base/buf.h"

struct events;

enum events_kind { EVENTS_VIEWS, EVENTS_PAYMENTS };

/* What a target must hold after all events. Views: one row a page and minute; payments: one a payment over 500 right behind one under 1. */
struct events_outcome {
	int64_t rows;  /* windows, or alerts */
	int64_t views; /* in all windows; 0 of payments */
	int64_t cents; /* the sum of what was added up in all windows, or of the alerts' amounts, times 100 */
};

struct events *events_new(enum events_kind kind, long seed, int64_t count);
/* The next event's message, lent until the next call. False when there are no more. */
bool events_next(struct events *events, struct slice *key, struct slice *value);
struct events_outcome events_outcome(const struct events *events);
void events_free(struct events *events);

#endif
