/* What one worker has counted, as it last said in STATS (run/worker.h), and sums of it. */
#ifndef RUN_STATS_H
#define RUN_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "flow/histogram.h"
#include "flow/json.h"

/* What only grows. Up to SKIPPED they count events: each event that was read ends in exactly one of the others. */
enum stats_counter {
	STATS_READ,
	STATS_WRITTEN,
	STATS_FILTERED,
	STATS_UNMATCHED,
	STATS_DEAD,
	STATS_IGNORED,
	STATS_SKIPPED,
	STATS_TRANSACTIONS,
	STATS_ROWS,
	STATS_RETRIES,
	STATS_LATE,
	STATS_AHEAD,
	STATS_TIMERS,
	STATS_DEAD_TIMERS,
	STATS_COUNTERS,
};

/* In the order of the enum. */
extern const struct stats_name {
	const char *json, *words;
	const char *metric, *help;
	bool by_script; /* a script has it too */
} stats_names[STATS_COUNTERS];

struct stats_script {
	struct slice name;
	int64_t counters[STATS_COUNTERS];
	int64_t state_keys; /* rows of streamlua_state at hand */
};

struct stats_partition {
	struct slice topic;
	int64_t partition, next_offset;
	int64_t lag, lag_ms; /* -1 unknown. lag_ms: how old the last message is that was read; 0 where it is the last there is */
};

struct stats {
	int64_t counters[STATS_COUNTERS];
	struct histogram histograms[HISTOGRAM_KINDS];
	int64_t in_flight, held, parked, memory_bytes;
	int64_t memory_most_bytes; /* where reading stops */
	int64_t lanes;
	int64_t window, latency_ms; /* flow/pace.h */
	struct slice version, problem;
	bool ready;
	struct stats_script *scripts;
	size_t script_count;
	struct stats_partition *partitions;
	size_t partition_count;
	struct arena arena; /* holds all of the above */
};

/* Takes the place of what stats held before. -1: it is no STATS. */
int stats_read(struct stats *stats, struct json *json, struct slice text, struct error *err);
/* Adds the counters and histograms, scripts by name; all else in sum stays as it is. */
void stats_add(struct stats *sum, const struct stats *more);
/* Events that were read and have not ended. */
int64_t stats_open(const struct stats *stats);
void stats_free(struct stats *stats);

/* The member of this name in the object at nodes[object], or NULL. */
const struct json_node *stats_member(const struct json_node *nodes, uint32_t object, const char *name);
int64_t stats_number(const struct json_node *nodes, uint32_t object, const char *name);
struct slice stats_text(const struct json_node *nodes, uint32_t object, const char *name);

#endif
