/* How often what was counted fell below each bound, and the sum of it: a value that its owner embeds. */
#ifndef FLOW_HISTOGRAM_H
#define FLOW_HISTOGRAM_H

#include <stdint.h>

#include "base/buf.h"

enum { HISTOGRAM_BUCKETS = 13 };

enum histogram_kind { HISTOGRAM_COMMIT_MS, HISTOGRAM_ROWS, HISTOGRAM_KINDS };

/* Up to which number (itself too) each bucket goes; the last one has no bound and takes the rest. */
extern const int64_t histogram_bounds[HISTOGRAM_KINDS][HISTOGRAM_BUCKETS - 1];

struct histogram {
	uint64_t buckets[HISTOGRAM_BUCKETS]; /* each for itself, not what is below it too */
	uint64_t sum;
};

void histogram_count(struct histogram *histogram, enum histogram_kind kind, uint64_t number);
void histogram_add(struct histogram *sum, const struct histogram *more);
/* A JSON array: the buckets, then the sum. */
void histogram_write(const struct histogram *histogram, struct buf *json);

#endif
