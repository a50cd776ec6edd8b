/* The sample that everything is measured with: changes of one table as Debezium's MySQL connector writes them (or Maxwell, or Canal), the same for
 * the same seed. Half are inserts, four tenths updates, one tenth deletes of rows that are there; one row in fifty is a test order,
 * which the job filters out. Tombstones are left out, so that a message is a change. */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include "base/buf.h"

struct sample;

enum sample_form { SAMPLE_DEBEZIUM = 0, SAMPLE_MAXWELL, SAMPLE_CANAL };

struct sample_options {
	enum sample_form form;
	long seed;
	int64_t changes; /* how many there will be */
	bool schemas;    /* {"schema":...,"payload":...} around keys and values */
};

/* What a target must hold after all changes: test orders left out, and with them. */
struct sample_outcome {
	int64_t rows, quantity, cents;
	int64_t all_rows, all_quantity, all_cents;
};

struct sample *sample_new(const struct sample_options *options);
/* The next change's message, lent until the next call. False when there are no more. */
bool sample_next(struct sample *sample, struct slice *key, struct slice *value);
struct sample_outcome sample_outcome(const struct sample *sample);
void sample_free(struct sample *sample);

#endif
