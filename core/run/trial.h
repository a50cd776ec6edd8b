/* A job is read and checked in a process of its own, which then ends: a crash or a leak in it, its VM, its connections and its
 * libraries' threads never reach the master, which has to stay fit to fork. */
#ifndef RUN_TRIAL_H
#define RUN_TRIAL_H

#include <event2/event.h>

#include "flow/bundle.h"
#include "run/job.h"

/* A job that passed. */
struct trial_job {
	struct bundle bundle;
	struct buf packed;           /* the same, for PREPARE */
	char *name, *sink, *outside; /* job_name, job_sink_name, job_outside */
	unsigned scripts;
	bool rekeys; /* job_rekeys, and it is to run so */
};

struct trial;

/* Reads and checks the job while the loop goes on; then done is called, once: with a job that is the receiver's from then on, or with
 * NULL and err. What job_check reports is logged. first: with --from, a job that passed has its progress forgotten. */
struct trial *trial_start(struct event_base *loop, const struct run_options *options, bool first,
			  void (*done)(void *ctx, struct trial_job *job, const struct error *err), void *ctx);
void trial_cancel(struct trial *trial); /* done is not called; NULL is harmless */
void trial_job_free(struct trial_job *job);

#endif
