/* A run: workers, each a real flow with real scripts, share a simulated broker and a simulated database; a seed decides who takes the
 * next step and what goes wrong. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "flow/flow.h"
#include "sim/broker.h"
#include "sim/database.h"

enum { WORKERS_MOST = 4 };

/* How much of what goes wrong in this run, in percent of its chances. */
struct faults {
	uint32_t cut;                     /* the connection breaks before the database has the transaction */
	uint32_t limbo;                   /* of those: it gets it all the same, later */
	uint32_t unheard;                 /* the transaction is executed and its answer lost */
	uint32_t rolled_back;             /* a deadlock; now and then a table that is missing for a moment */
	uint32_t crash;                   /* of a worker's steps, in a thousand */
	uint32_t reload, rebalance, stop; /* of all steps, in a thousand */
	uint32_t zombie;                  /* of rebalances: partitions are given away before their owner has heard */
	uint32_t slow;                    /* of the database's steps: nothing happens */
	uint32_t away;                    /* of all steps, in ten thousand: the target cannot be reached, for an hour */
	uint32_t loss;                    /* of all steps, in a thousand: messages are deleted, read or not */
};

struct world {
	uint64_t seed;
	struct dice dice, retention; /* retention: of what only some runs have, so that the others of a seed stay what they are */
	struct dice sideways;        /* so is this: of side sinks */
	int64_t now_ms;
	struct faults faults;
	bool quiet;   /* nothing goes wrong any more: what is left is to come to its end */
	bool closing; /* workers end, and stay away: they are told to stop, or */
	bool bounded; /* have come to the end of the input */
	int64_t away_until_ms;
	uint32_t gone;    /* workers that ended since progress was moved, because what they were to read is deleted */
	bool fresh_hosts; /* each VM is a new one, and freed after use */
	struct history history;
	struct database db;
	struct broker broker;
	struct worker *workers[WORKERS_MOST]; /* NULL: not running */
	uint32_t worker_count, worker_next;   /* worker_next: the next one's number */
	uint64_t told_written, told_dead;     /* events in transactions of which a flow heard that they are committed */
	uint64_t counted[OUTCOME_COUNT];      /* what the flows that are gone have counted */
};

/* The target cannot be reached. */
static inline bool world_is_away(const struct world *world)
{
	return world->now_ms < world->away_until_ms;
}

/* One run from its seed to its end. Anything wrong ends the program (trace_fail). */
void world_run(uint64_t seed);

#endif
