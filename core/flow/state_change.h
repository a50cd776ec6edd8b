/* What an event makes of a row of streamlua_state, kept small until a transaction is built: events are many, and of all that a transaction holds
 * only the last change of a row is written. Its `values` are NULL until then. */
#ifndef FLOW_STATE_CHANGE_H
#define FLOW_STATE_CHANGE_H

#include "flow/event.h"
#include "flow/sink.h"

/* What changes that follow each other have in common, nearly always. */
struct state_stamp {
	const struct partition *owner;
	const struct script *script;
	int32_t version, partition;
	struct slice job, name, topic, updated; /* name: the script's */
};

/* Lives, with its texts, in the arena of the event's intake. Deleted where it has neither value nor timers. */
struct state_change {
	struct change change; /* first: what the event has among its changes */
	const struct state_stamp *stamp;
	struct slice map, key, value, timers;
	int64_t at[STATE_CLOCKS];
};

static inline bool change_is_state(const struct change *change)
{
	return !change->values;
}

/* The row as it becomes; of a delete, script, map and key. Borrows from the change. */
struct state_row state_change_row(const struct change *change);
/* Of changes of streamlua_state, the last one of each row, with values, in order; written to `last`, which has room for `count`. Returns how many. */
size_t state_changes_last(const struct change *const *changes, size_t count, const struct change **last, struct arena *arena);

#endif
