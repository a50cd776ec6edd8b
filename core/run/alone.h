/* A job's source as one reads it who is no member of its consumer group: nothing is committed, nobody's partitions move, and what is there now
 * is all of it. */
#ifndef RUN_ALONE_H
#define RUN_ALONE_H

#include "run/job_private.h"

struct alone {
	/* Of whoever reads, before alone_open. */
	void (*message)(void *ctx, const struct message *message); /* lent until it returns; none comes after alone_stop */
	void (*polled)(void *ctx, size_t count);                   /* so many came at once; 0: no more for now. May be NULL */
	void *ctx;
	int64_t first; /* the offset with which each partition begins, or START_CONFIGURED */

	/* Our own, zero at first. */
	struct event_base *loop;
	struct source *source;
	struct event *turn;
	size_t open; /* partitions that have not ended */
	bool over;
	int exit_code;
	struct error *err;
};

/* run: what of the source is read (tail, only_topic); its options may be NULL, and end with "latest" where they do not say `until`. The loop may
 * serve others too; it and err outlive alone_close, which follows in any case. -1: the job is wrong. */
int alone_open(struct alone *alone, struct job *job, struct event_base *loop, struct job_run run, struct error *err);
/* Blocks until the source has ended, or alone_stop. An exit code: 0, or with err 1 where the source cannot go on, 2 where only a change of the
 * job helps. */
int alone_read(struct alone *alone);
/* Within a callback or an event of the loop. */
void alone_stop(struct alone *alone);
void alone_close(struct alone *alone);

#endif
