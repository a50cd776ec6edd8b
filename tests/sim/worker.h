/* A simulated worker process: a flow with its source, its sink and its scripts. It can vanish between any two steps. */
#ifndef SIM_WORKER_H
#define SIM_WORKER_H

#include "sim/world.h"

struct worker {
	struct world *world;
	uint32_t number; /* never used twice */
	struct source *source;
	struct sink *sink;
	struct sink *server, *aside; /* of which it is made; aside NULL: it is the server alone */
	struct flow *flow;
	struct script_host *host, *next_host;
	int64_t due_ms;
	size_t memory; /* what events may take before reading stops */
	bool stopping, finished, failed;
	uint32_t stopping_steps;
};

struct worker *worker_new(struct world *world);
/* The process is gone, without a goodbye. */
void worker_free(struct worker *worker);
struct worker *worker_find(struct world *world, uint32_t number); /* NULL: not running */
/* One turn of the flow. */
void worker_turn(struct worker *worker);
void worker_reload(struct worker *worker);
void worker_stop(struct worker *worker);

#endif
