/* A worker: one loop, one VM, one source, one sink. It lives in a process of its own, forked by the master. */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include <stdatomic.h>
#include <stdint.h>

#include "flow/bundle.h"
#include "flow/script.h"
#include "flow/script_watch.h"
#include "run/job.h"

/* Memory that master and worker share (mmap): what must be seen even when the worker is stuck. */
struct worker_beat {
	_Atomic int64_t mono_ms;        /* the loop's last turn */
	_Atomic int64_t script_most_ms; /* CPU time that a script may take for one message; 0: not known yet */
	struct script_watch watch;      /* the message that Lua works on */
};

struct worker_start {
	const struct run_options *options;
	const struct bundle *bundle; /* sealed */
	int32_t number, of;          /* worker 0 .. of - 1 */
	enum rekey rekey;            /* which part of it is this one's, where scripts have `repartition` */
	int channel_fd;              /* to the master */
	struct worker_beat *beat;
	const struct suspects *suspects;
	_Atomic int64_t *rate_taken_us; /* max_rows_per_second is for all workers of the run together; shared as beat is */
	int64_t run_started_ms;         /* wall clock of the master's start: "-2h" and `--until` mean the same in a restarted worker */
	bool restarted;                 /* --from moves the progress only once: not again in a worker that takes the place of a dead one */
};

/* Exit codes of workers. STOP_JOB: the whole job is to stop with exit 1, a restart would not help (on_error = "stop", on_ddl = "stop"). FENCED:
 * what it had not committed is another's to do (its partitions were taken over, `streamlua state --delete`); it may begin anew. */
enum { WORKER_STOP_JOB = 3, WORKER_FENCED = 4 };

/* Runs until it is stopped, finished or broken; returns the exit code that the process should end with: 0 done, 1 failed (a new worker
 * may do better), 2 the job is wrong, or one of the above.
 *
 * STATS is one JSON object:
 * {"read":n,"written":n,"filtered":n,"unmatched":n,"ignored":n,"dead":n,"skipped":n,
 *  "transactions":n,"rows":n,"retries":n,"in_flight":n,"held":n,"parked":n,"late":n,"ahead":n,"timers":n,"dead_timers":n,"memory_bytes":n,"memory_most_bytes":n,"lanes":n,
 *  "window":n,"latency_ms":n,
 *  "commit_ms":[..],"tx_rows":[..] (flow/histogram.h),"version":"..","ready":bool,"problem":"" or why it waits,
 *  "scripts":[{"name":"orders","read":n,"written":n,"filtered":n,"dead":n,"skipped":n,"state_keys":n}],
 *  "partitions":[{"topic":"..","partition":n,"next_offset":n,"lag":n or -1,"lag_ms":n or -1}]}
 */
int worker_run(const struct worker_start *start);

#endif
