/* When a worker's scripts are made anew while events flow: as the master says, and where the target's schema has changed. What is made is
 * run/versions.h's. */
#ifndef RUN_RENEWAL_H
#define RUN_RENEWAL_H

#include <event2/event.h>

#include "flow/sink.h"
#include "run/channel.h"
#include "run/versions.h"
#include "run/worker.h"

struct renewal {
	/* Borrowed. */
	struct versions *versions;
	struct channel *channel;
	struct sink *sink;
	struct worker_beat *beat;

	struct event *look, *prepare;
	int64_t prepared_ms;   /* when new scripts were last worked at */
	int64_t looked_ms;     /* since when the schema is looked at */
	int64_t look_after_ms; /* when it may be looked at again */
	struct renewal_reasons {
		bool look, prepare;
	} wanted, asked; /* what the schema is to be asked for next, and is asked for now */
};

/* The sink is open. */
void renewal_start(struct renewal *renewal, struct event_base *loop);
void renewal_stop(struct renewal *renewal); /* before the sink is closed; harmless on one that is all zero */

/* PREPARE and FORGET: each PREPARE is answered, also one that nobody waits for any more. */
void renewal_prepare(struct renewal *renewal, struct slice packed);
void renewal_forget(struct renewal *renewal);

/* What flow_events says of schema. */
void renewal_doubt(struct renewal *renewal, bool at_once);

#endif
