/* The seam to where messages come from. A source lends messages, one callback at a time; it keeps no progress of its own:
 * where to start a partition is told it. Everything happens on the loop's thread. */
#ifndef FLOW_SOURCE_H
#define FLOW_SOURCE_H

#include "flow/event.h"

struct source;

/* One partition as a source names it. `id` is the source's own, stable from assigned to revoked. */
struct source_partition {
	uint32_t id;
	struct slice topic;
	int32_t partition;
};

/* What a source tells. Called from poll or from the source's own loop events (messages: from poll alone), never from within take or
 * pause. */
struct source_events {
	/* These partitions are ours from now on. Nothing of them is delivered before take() answers for each.
	 * count 0: we were given none. */
	void (*assigned)(void *ctx, const struct source_partition *partitions, size_t count);
	/* Ours no more: when this returns, nothing of them will be delivered, and their unfinished work is to be dropped. */
	void (*revoked)(void *ctx, const uint32_t *ids, size_t count);
	/* A bounded partition (--until, a file) has delivered its last message, or had none to deliver. */
	void (*ended)(void *ctx, uint32_t id);
	/* A bounded source has been given no partitions, and has nothing to do. */
	void (*idle)(void *ctx);
	/* There may be something to poll. May be called often; costs the receiver nothing. */
	void (*wake)(void *ctx);
	/* The source cannot go on (authentication, unknown topic on a fixed list ...): `job` is true where only a change of the job helps. */
	void (*failed)(void *ctx, bool job, const char *reason);
	void (*message)(void *ctx, const struct message *message); /* lent until it returns */
	void *ctx;
};

enum { START_CONFIGURED = -1 }; /* for take(): the sink knows of no progress; start where the job says (earliest, latest, a time) */

struct source_ops {
	const char *name;
	/* Connects and begins to ask for partitions. -1: the job is wrong (unreadable file, unknown property). */
	int (*start)(struct source *source, const struct source_events *events, struct error *err);
	/* Delivers at most `most` messages through events->message; returns how many. 0: nothing now, wake will tell. */
	size_t (*poll)(struct source *source, size_t most);
	/* The answer to assigned: deliver this partition from `offset` on (or START_CONFIGURED), with `owner` in each message.
	 * An offset that the source no longer has is an error through failed(), not a silent jump. */
	void (*take)(struct source *source, uint32_t id, int64_t offset, struct partition *owner);
	void (*pause)(struct source *source, uint32_t id, bool paused); /* while paused nothing of it is delivered */
	/* Everything below `offset` is committed in the sink; for lag monitors, may be dropped. */
	void (*committed)(struct source *source, uint32_t id, int64_t offset);
	/* Messages of this partition not yet delivered, -1 unknown: for lag metrics. */
	int64_t (*lag)(struct source *source, uint32_t id);
	/* Bounded, and all our partitions have ended: is that all there is? False while others' partitions may still come to us. May be
	 * NULL where nothing is shared. */
	bool (*whole)(struct source *source);
	/* No more is to be delivered; partitions stay ours until close, so that what is on its way can be finished. */
	void (*stop)(struct source *source);
	void (*close)(struct source *source); /* frees it */
};

struct source {
	const struct source_ops *ops;
};

#endif
