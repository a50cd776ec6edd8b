/* The key of a changed row as bytes: two changes have the same bytes exactly when they are of one row, and memcmp gives an
 * order that is the same in every lane and worker (integers by value, so that writes walk the table in its own order). */
#ifndef FLOW_BATCH_KEY_H
#define FLOW_BATCH_KEY_H

#include "flow/event.h"
#include "flow/target.h"

struct batch_key {
	char *p;
	size_t n, cap;
	struct arena *arena; /* where a longer p comes from */
	/* How the keys so far spell each key column (enum form in batch_key.c); 0 before the first. */
	uint8_t forms[TARGET_KEY_MOST];
};

/* False where the database alone can tell: a number that it will round, a time that may be spelled in two ways, a missing value. */
bool batch_key_encode(struct batch_key *key, const struct target *target, const struct change *change);

#endif
