/* The simulated broker: the history's partitions, and a consumer group that gives them to workers, moves them, and now and then
 * gives one away before its owner has heard. */
#ifndef SIM_BROKER_H
#define SIM_BROKER_H

#include "flow/source.h"
#include "sim/history.h"

enum { NOBODY = UINT32_MAX };

struct world;

/* What the group thinks of one partition. Workers go by their numbers. */
struct membership {
	uint32_t wanted;  /* who is to have it */
	uint32_t granted; /* who was told that it has it */
	uint32_t leaving; /* who was told to give it back and has not answered; NOBODY where the group does not wait */
};

struct broker {
	struct membership partitions[PARTITIONS_MOST];
};

struct source *broker_source_new(struct world *world, uint32_t worker);
/* What the group has to tell this worker, from its own loop. False: nothing. */
bool broker_source_step(struct source *source);
/* Chooses new owners among the running workers; eager: everything is given back first. */
void broker_rebalance(struct world *world, bool eager, bool zombies);
/* Gives what is free to who is to have it. */
void broker_pump(struct world *world);
/* Every partition is with a worker that reads it, and stays there. */
bool broker_settled(const struct world *world);
/* This worker is gone. */
void broker_forget(struct world *world, uint32_t worker);
/* Retention: messages of a partition that nobody needs any more are gone. */
void broker_retain(struct world *world);
/* The same, of messages that nobody has read. */
void broker_lose(struct world *world);
/* Whether the next message of a partition is gone: the job stands until somebody says --from. */
bool broker_is_stranded(const struct world *world);
/* More messages are there to read. False: all are. */
bool broker_publish(struct world *world);

#endif
