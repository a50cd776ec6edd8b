/* A job's scripts on some messages, without writing anything: what they would make of them. Scripts that keep state begin as if nothing were kept;
 * what they look up is read from the target. */
#ifndef RUN_REHEARSAL_H
#define RUN_REHEARSAL_H

#include <event2/event.h>

#include "flow/decode.h"
#include "run/job_private.h"

struct rehearsal {
	struct event_base *loop;
	struct job *job; /* borrowed */
	struct sink *sink;
	struct schemas *schemas;
	struct decoder decoder;
	struct intakes intakes;
	struct intake *intake; /* its events have run, or are at fault */
	struct state_load load;
	struct message **messages;
	size_t count;
	bool decoded, loading;
};

/* Runs them, with the target's schema; sink false: without any target, where every table has the columns that are named. Blocks. -1: the target
 * cannot be asked, or the scripts do not fit it. Afterwards rehearsal_close, in any case. */
int rehearsal_run(struct rehearsal *rehearsal, struct job *job, bool sink, struct message *const *messages, size_t count, struct error *err);
void rehearsal_close(struct rehearsal *rehearsal);

#endif
