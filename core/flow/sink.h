/* The seam to where rows go. A sink writes one transaction a lane at a time; rows, dead letters and progress land
 * together or not at all. A sink never decides what an error means for the events: it says which kind it was. */
#ifndef FLOW_SINK_H
#define FLOW_SINK_H

#include "flow/event.h"
#include "flow/state.h"
#include "flow/target.h"

struct sink;

enum sink_result {
	SINK_COMMITTED,
	SINK_REFUSED, /* rolled back; an event in it is at fault. With one event in the transaction, that one */
	SINK_TAKEN,   /* rolled back; a unique value is still held by another row (1062): try this event later */
	SINK_MISSED,  /* rolled back; rows that updates wait for are not there: those events and changes are marked `missed` */
	SINK_RETRY,   /* rolled back, or never begun: the target is away or busy. Send the same again; the sink has already waited its back-off */
	SINK_FENCED,  /* rolled back; another worker has taken one of these partitions over: what is left of it must be dropped */
	SINK_FAILED,  /* rolled back; only a change of the job or the target's schema helps (missing table, missing privilege). The sink has waited */
};

struct done; /* flow/progress.h */

/* One row of streamlua_progress as a transaction moves it: written only where the row's epoch and seq are what we last saw. */
struct progress_row {
	struct slice topic; /* of the owner: a Kafka topic or a file's path */
	int32_t partition;
	int32_t lane;
	/* Everything below is done; where the sink keeps progress in order (sink_ops), once this transaction is committed: then of the message at
	 * next_offset the first next_part events are done too, and `done` and `events` are empty. */
	int64_t next_offset;
	uint32_t next_part;
	struct slice done;         /* offsets at or above next_offset that this lane has done too (progress_encode) */
	int64_t epoch, seq;        /* seq: the number of this write; the row must hold seq - 1 */
	const struct done *events; /* of `done`, those of this transaction, ascending */
	size_t event_count;
	int64_t watermark; /* event time in ms, INT64_MIN unknown */
};

struct tx {
	int32_t lane;
	uint32_t side; /* of all changes of its events, only those for this one of the job's sinks are written (target->side) */
	/* In the order in which the lane got them. DEAD ones are written as dead letters, PARKED ones parked; those that were parked before
	 * (event->parked) are taken from there, unless they are PARKED again. Changes are written of PENDING ones. */
	struct event **events;
	size_t count;
	const struct progress_row *progress;
	size_t progress_count;
	const char *script_version;
	void (*done)(struct tx *tx, enum sink_result result, const struct error *err); /* exactly once, never from within commit() */
	void *ctx;
};

/* The change is one that whoever writes the transaction's rows writes now; false also for rows of streamlua_state. */
static inline bool tx_takes(const struct tx *tx, const struct change *change)
{
	return change->target->side == tx->side && !change->target->own && !change->told;
}

/* One event of streamlua_parked, as far as order needs it. */
struct parked_loaded {
	int64_t offset;
	uint32_t part;
	uint32_t bytes; /* of its message */
	int64_t age_ms;
	struct slice keys; /* parking_pack; lent */
};

/* What take_over answers for a partition. */
struct progress_loaded {
	int64_t epoch;       /* ours, larger than any before */
	bool fresh;          /* no event of this partition was ever committed: next_offset of all its rows is -1 */
	int64_t next_offset; /* the largest of its lanes' */
	int64_t watermark;   /* INT64_MIN unknown */
	size_t lane_count;   /* rows that follow */
	struct progress_lane {
		int32_t lane;
		int64_t next_offset, seq;
		struct slice done; /* lent for the callback; counted from this row's next_offset */
	} * lanes;
	size_t parked_count;
	struct parked_loaded *parked; /* by offset and part */
};

struct takeover {
	const struct source_partition_name {
		struct slice topic;
		int32_t partition;
	} * partitions;
	size_t count;
	/* loaded: one for each partition, lent. On err (the sink gave up) loaded is NULL. */
	void (*done)(struct takeover *takeover, const struct progress_loaded *loaded, const struct error *err);
	void *ctx;
};

/* Events that were parked, to be read back. */
struct recall {
	/* Borrowed, like all of it, until done. NULL: of all partitions those that a person has given back (dead letters to be replayed); only
	 * their places are told: topic, partition and position of the message. */
	const struct partition *partition;
	const int64_t *offsets;
	size_t count;
	/* One of them, lent: as the source once lent it, but without owner and headers, which are JSON as they are kept (NULL: none). By
	 * offset and part; those that nobody finds any more are not told. */
	void (*message)(struct recall *recall, const struct message *message, uint32_t part, struct slice headers);
	/* err is NULL where all were told. Never called from within recall(). */
	void (*done)(struct recall *recall, const struct error *err);
	void *ctx;
};

/* A row of streamlua_state as it is in the database. */
struct state_row {
	struct slice script, map, key, value, timers;
	int64_t at[STATE_CLOCKS];
	int32_t version;
	struct slice topic; /* where its last event came from */
	int32_t partition;
};

struct lookup; /* flow/lookup.h */
struct looked;

/* Rows of a table, by some of its columns: one SELECT. */
struct look {
	const struct target *table;
	const uint32_t *by; /* columns of the key */
	uint32_t by_count;
	const uint32_t *columns; /* that are asked for */
	uint32_t column_count;
	const struct value **keys; /* by_count values each */
	size_t key_count;
	struct lookup *lookup; /* for who asks: whose it is, and where there is one key, what that is to fill */
	struct looked *single;
};

/* A question to streamlua_state, to tables that scripts look rows up in, or to both. */
struct state_load {
	const struct state_key {
		struct slice script, map, key;
	} * keys; /* these rows, sorted by script and map ... */
	size_t count;
	struct state_due { /* ... or, where count is 0: rows of one script in the order in which they are due */
		struct slice script;
		enum state_clock clock;
		const struct source_partition_name *partitions; /* whose last event came from one of these */
		size_t partition_count;                         /* 1 at least */
		struct state_row after;                         /* behind this one: at[clock], map, key */
		uint32_t most;                                  /* 0: none of these */
	} due;
	const struct look *looks;
	size_t look_count;
	void (*row)(struct state_load *load, const struct state_row *row); /* lent; some come again where a try failed half-way */
	/* A row of that look's answer: the values of its key, then of its columns; lent, and some come again as well. */
	void (*looked)(struct state_load *load, const struct look *look, const struct value *cells);
	void (*done)(struct state_load *load);
	void *ctx;
};

struct sink_ops {
	const char *name;
	/* Keeps progress: exactly once. Otherwise take_over finds nothing, and the source's own commits are the progress. */
	bool transactional;
	/* Of a partition's progress it keeps one place, and nothing of what is done beyond. Only with one lane, whose events go in the order in which
	 * they were read. */
	bool in_order;
	/* Connects and makes the tables of our own (streamlua_*) where they are missing. Blocks. -1: wrong password, no such database ... */
	int (*open)(struct sink *sink, struct error *err);
	/* The same without making anything, for describe() alone: check, run --dry-run. */
	int (*look)(struct sink *sink, struct error *err);
	/* Fills one target from the schema: columns, key, unique indexes. target->exists is false where there is no such table.
	 * Blocks; strings are made in target->arena. -1 only where the sink cannot tell. */
	int (*describe)(struct sink *sink, struct target *target, struct error *err);
	/* Reads the schema of what was described before, while all else goes on. One at a time; done is not called from within. read: describe() answers
	 * from that, and does not block, until done returns. NULL: describe() takes no time to speak of. */
	void (*ask_schema)(struct sink *sink, void (*done)(void *ctx, bool read), void *ctx);
	/* Bumps the epoch of these partitions and reads their progress, in one transaction; retried by the sink until it works. */
	void (*take_over)(struct sink *sink, struct takeover *takeover);
	/* Reads parked events; one at a time. NULL where none are kept. */
	void (*recall)(struct sink *sink, struct recall *recall);
	/* Forgets how far this job has come (--from), and what it has parked: the epoch stays and grows, next_offset becomes -1, which is "fresh".
	 * With `state` its rows of streamlua_state go too, in the same transaction. Blocks. NULL where nothing is kept. */
	int (*reset)(struct sink *sink, bool state, struct error *err);
	/* Begins to write tx on its lane; tx is lent until done is called. At most one at a time for a lane. */
	void (*commit)(struct sink *sink, struct tx *tx);
	/* Answers from streamlua_state and other tables, as they are committed; retried by the sink until it works. done may be called from within.
	 * NULL: this sink has no tables that could be asked, and state lives in memory only. */
	void (*load_state)(struct sink *sink, struct state_load *load);
	/* Why transactions on their way are not answered yet (the server is away while the outcome of a COMMIT is in doubt); NULL: they
	 * are. May be NULL where answers always come. */
	const char *(*problem)(struct sink *sink);
	/* Runs statements on our own tables for a command, and tells their rows (cells are lent, p is NULL for NULL). Blocks. All of them are one
	 * transaction. NULL where there are no tables. After open() or look(). */
	int (*query)(struct sink *sink, struct slice statements, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx,
		     struct error *err);
	/* The statements that commit() would send, for people (run --dry-run, explain). */
	void (*show)(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx);
	void (*close)(struct sink *sink); /* frees it; transactions on their way are rolled back, takeovers forgotten: done is not called */
};

struct sink {
	const struct sink_ops *ops;
	int32_t lanes; /* how many transactions can be on their way; 1 for a file */
	/* Names of its side sinks (flow/sides.h): the first is side 1. NULL-terminated; NULL: it has none. */
	const char *const *sides;
};

#endif
