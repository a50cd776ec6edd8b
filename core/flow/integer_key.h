/* Keys with one number in them, as most are: the text around its digits is the same in every message of a table, so it is only compared. Reading
 * such a key as JSON takes as long as a tenth of the row or more. */
#ifndef FLOW_INTEGER_KEY_H
#define FLOW_INTEGER_KEY_H

#include "flow/format.h"

enum { INTEGER_KEY_AROUND_MOST = 512 };

/* The text around the digits of a key. Zero it to begin. */
struct integer_key {
	const struct shape *shape; /* what the key's columns are; NULL: none has been seen */
	uint32_t prefix_n, suffix_n;
	char prefix[INTEGER_KEY_AROUND_MOST], suffix[INTEGER_KEY_AROUND_MOST];
};

/* Whether a key differs from the one that was learnt in its digits alone. They are a slice of it. */
bool integer_key_matches(const struct integer_key *known, struct slice text, struct slice *digits);
/* A key that was read: its columns are `shape`, and its only number is this slice of it (p is NULL: there is none, and nothing is learnt). */
void integer_key_learn(struct integer_key *known, struct slice text, const struct shape *shape, struct slice number);

#endif
