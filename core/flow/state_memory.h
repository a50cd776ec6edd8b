/* The rows of streamlua_state where there is no such table: of a job whose sink is no database. They live as long as the worker. */
#ifndef FLOW_STATE_MEMORY_H
#define FLOW_STATE_MEMORY_H

#include "flow/sink.h"

struct state_memory;

struct state_memory *state_memory_new(void);
void state_memory_free(struct state_memory *memory);
/* What a committed change does to them; changes of other tables are none of ours. */
void state_memory_apply(struct state_memory *memory, const struct change *change);
/* This row is there, instead of what had its script, map and key; its texts are copied. */
void state_memory_put(struct state_memory *memory, const struct state_row *row);
/* Answers at once. What is due is found by going through all rows. */
void state_memory_load(struct state_memory *memory, struct state_load *load);

#endif
