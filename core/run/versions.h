/* The versions of a job's scripts in one worker: the one in use; one that the master has sent and not yet said to use; one that the flow
 * has been given and takes at its next pause. The flow is also given the version in use once more, bound anew, where the target's schema
 * has changed. */
#ifndef RUN_VERSIONS_H
#define RUN_VERSIONS_H

#include "flow/flow.h"
#include "run/job.h"

struct version;

struct versions {
	struct version *used, *prepared, *next;
	struct version *preparing; /* what will be `prepared` */
	bool next_is_prepared;     /* the master waits for it */
	bool swap_due;             /* it has said so while another one was on its way into the flow */
	struct sink *sink;         /* borrowed, as are the others; set once they are there. NULL: their targets are nobody's business */
	struct shapes *shapes;
	struct flow *flow;
	struct script_watch *watch; /* job_begin */
	const struct suspects *suspects;
	enum rekey rekey;
	struct error unfit; /* why the scripts do not fit the target's new schema, as it was last logged */
};

/* The first version. Without binding: the sink is made from its job. */
int versions_open(struct versions *versions, struct slice packed, struct error *err);
void versions_free(struct versions *versions);
struct job *versions_job(const struct versions *versions); /* in use; NULL before there is one */
int versions_bind(struct versions *versions, struct error *err);

/* A reload, as the master says it. Preparing takes its time, so it goes in steps between which events can flow: prepare begins (0, or -1), and
 * more is called for the rest. */
enum versions_step { VERSIONS_FAILED = -1, VERSIONS_PREPARED, VERSIONS_MORE, VERSIONS_DESCRIBES };
int versions_prepare(struct versions *versions, struct slice packed, struct error *err);
/* DESCRIBES: nothing is done, since the next step describes the target (flow/sink.h); it is `described` where that will not block, or may. FAILED:
 * nothing is kept. */
enum versions_step versions_prepare_more(struct versions *versions, bool described, struct error *err);
void versions_forget(struct versions *versions);
void versions_swap(struct versions *versions);
/* The flow has taken what it was given. True: the master waits to hear of it. */
bool versions_swapped(struct versions *versions);

/* Looks whether the target's schema has changed; where it has, the flow is given the same scripts bound to it as it is now. */
void versions_look(struct versions *versions);

#endif
