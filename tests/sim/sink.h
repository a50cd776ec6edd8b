/* A worker's way to the simulated database: what core/io/mysql_lane.c makes of answers, of lost ones and of doubt. */
#ifndef SIM_SINK_H
#define SIM_SINK_H

#include "sim/world.h"

struct sink *sim_sink_new(struct world *world, uint32_t worker, int32_t lanes);
/* Delivers one answer, reads one outcome back, or takes one step of taking over. False: there is nothing to do. */
bool sim_sink_step(struct sink *sink);
/* The database executes one of the transactions that were sent to it, or the network loses it. False: there is none. */
bool sim_server_step(struct world *world);

#endif
