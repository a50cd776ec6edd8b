/* The last messages of a job's source, to try scripts on: read beside whoever works on them, in their order. */
#ifndef RUN_RECENT_H
#define RUN_RECENT_H

#include "flow/event.h"
#include "run/job.h"

struct recent {
	struct message **messages; /* owned; key and value as they came */
	size_t count, room;
	bool cut; /* the time was over before the source had ended: they are not the last ones */
};

/* At most `most` messages of what is there now; all of a file is read for that, for at most `patience_ms`. Blocks. -1: the source cannot be read. */
int recent_read(struct job *job, size_t most, int64_t patience_ms, struct recent *recent, struct error *err);
void recent_free(struct recent *recent);

#endif
