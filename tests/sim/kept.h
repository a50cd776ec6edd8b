/* The rows of streamlua_state in the simulated database. */
#ifndef SIM_KEPT_H
#define SIM_KEPT_H

#include "flow/sink.h"

struct kept_row {
	bool deleted; /* on its way: the row is to go */
	const char *script, *map, *key, *value, *timers, *topic;
	int64_t at[STATE_CLOCKS];
	int32_t version, partition;
};

struct kept {
	struct kept_row *rows;
	size_t count, cap;
};

void kept_free(struct kept *kept);
/* What a change of the table says, made in the arena. */
struct kept_row kept_of_change(const struct change *change, struct arena *arena);
void kept_write(struct kept *kept, const struct kept_row *row);
/* NULL: there is none. map: "" for the state of a key. */
const struct kept_row *kept_find(const struct kept *kept, const char *script, const char *map, const char *key);
/* Tells the rows that are asked for. */
void kept_tell(const struct kept *kept, struct state_load *load);

#endif
