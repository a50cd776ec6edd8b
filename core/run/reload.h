/* New scripts while the job runs, all workers or none: read and checked once, prepared by every worker, then swapped by every worker
 * between two of its transactions. Until the swap anything that is wrong leaves the old scripts in place, everywhere. */
#ifndef RUN_RELOAD_H
#define RUN_RELOAD_H

#include "run/crew.h"
#include "run/trial.h"

enum reload_state {
	RELOAD_IDLE = 0,
	RELOAD_CHECKING,  /* a trial runs */
	RELOAD_PREPARING, /* PREPARE is sent; any worker can still refuse */
	RELOAD_SWAPPING,  /* SWAP is sent: there is no way back, and processes that start now start with the new scripts */
};

struct reload {
	struct event_base *loop;
	struct crew *crew;
	const struct run_options *options;
	struct trial_job **job; /* the one that runs; its owner lends the place, and a swap puts the new one there */
	void (*told)(void *ctx, const struct bundle *before, const struct bundle *after); /* all workers have got ready what follows */
	void (*swapped)(void *ctx);                                                       /* all workers run what *job now is */
	void *ctx;
	enum reload_state state;
	bool again; /* asked for during a reload: one more follows */
	struct trial *trial;
	struct trial_job *next;
	struct event *deadline;
	int64_t accepted, rejected;
	const char *last;        /* "none", "accepted" or "rejected" */
	int64_t last_at_ms;      /* wall clock; 0: none has ended */
	struct error last_error; /* of the last one; "" where that was accepted */
};

void reload_init(struct reload *reload, struct event_base *loop, struct crew *crew, const struct run_options *options, struct trial_job **job,
		 void (*accepted)(void *ctx, const struct bundle *before, const struct bundle *after), void (*swapped)(void *ctx), void *ctx);
void reload_request(struct reload *reload);
/* What the crew tells. */
void reload_worker_started(struct reload *reload, struct crew_worker *worker);
void reload_worker_ended(struct reload *reload, struct crew_worker *worker, const char *how);
void reload_worker_answered(struct reload *reload, struct crew_worker *worker, enum channel_verb verb, struct slice bytes);
void reload_stop(struct reload *reload);   /* drops one that is under way, uncounted; none may be asked for after it */
void reload_deinit(struct reload *reload); /* after reload_stop; harmless on one that is all zero */

#endif
