/* Which event a change comes from, in words that are the same whenever it is written: a reader drops what it has seen before. */
#ifndef IO_ORIGIN_H
#define IO_ORIGIN_H

#include "base/buf.h"
#include "flow/event.h"

#define ORIGIN_PREFIX "streamlua." /* of names where they stand beside others: in headers */

enum { ORIGIN_FIELDS = 10 };

struct origin {
	struct origin_field {
		const char *name;  /* with the prefix */
		struct slice text; /* of the event, the job, or digits */
		bool number;
	} fields[ORIGIN_FIELDS];
	unsigned count;
	char digits[ORIGIN_FIELDS][24];
};

/* job, script, topic, partition, offset, part (event of its message), change (`number`: which of the event's, of those that go the same way). A
 * timer has no offset (-1): key, timer (the clock) and at (when it was due, ms) tell it. Borrows from all of them. */
void origin_of(struct origin *origin, const char *job, const struct event *event, uint32_t number);
/* As a JSON object, of names without it. */
void origin_put(struct buf *out, const struct origin *origin);

#endif
