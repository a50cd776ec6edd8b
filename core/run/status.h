/* A running job as the world sees it: text for people, JSON, and the last line of a bounded run. (run/metrics.h has it
 * for Prometheus.) */
#ifndef RUN_STATUS_H
#define RUN_STATUS_H

#include "base/buf.h"
#include "run/stats.h"

struct status_worker {
	int32_t number;
	int pid;           /* 0: none now */
	const char *state; /* "starting", "ready", "waiting" (to be started again), "finished", "ended" */
	int64_t restarts;
	bool rekeyer;              /* of the first stage of `repartition`: what it reads and writes is not what the job does */
	const struct stats *stats; /* of this process; lent */
};

struct status {
	const char *job, *path, *sink, *version;
	int pid;
	int64_t started_ms, now_ms;
	bool stopping;
	struct {
		int64_t accepted, rejected;
		bool running;
		const char *last, *last_error; /* "none", "accepted" or "rejected" */
		int64_t last_at_ms;            /* when it ended; 0: there was none */
	} reloads;
	const struct status_worker *workers;
	size_t worker_count;
	const struct stats *gone; /* sum over processes that ended and were replaced */
	int64_t lost;             /* events that those had read and not ended: they were read again */
};

/* Over all processes that are and were; what is in use, of those that are. The caller frees it. */
struct stats status_totals(const struct status *status);
/* Whether every worker does its work; otherwise *why gets the reason. */
bool status_ready(const struct status *status, struct buf *why);
void status_text(const struct status *status, struct buf *out);
/* One line, without its end. */
void status_json(const struct status *status, struct buf *out);
/* "read N = written N + ..., in S s", and a line for each script where there are several. */
void status_summary(const struct status *status, struct buf *out);

#endif
