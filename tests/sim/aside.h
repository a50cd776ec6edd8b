/* A worker's side sink: what goes there may be lost on its way, arrive without being acknowledged, or in part, when its worker dies. */
#ifndef SIM_ASIDE_H
#define SIM_ASIDE_H

#include "sim/world.h"

struct sink *aside_new(struct world *world, uint32_t worker);
/* Delivers what was sent to it, or not, and answers. False: there is nothing to do. */
bool aside_step(struct sink *sink);

#endif
