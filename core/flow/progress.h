/* What of a partition is done. Events are given places in the order in which they came; they finish in any order. The
 * partition's next_offset is the offset of the first message with an unfinished event. What lanes have committed beyond
 * it is kept as a list of (offset, part) for each lane, and written with the lane's next transaction: so a restart knows
 * exactly what is done, however events are routed then. Events that ended without a transaction are in these lists too: read again,
 * another version of their script might write them, behind later changes of the same row. */
#ifndef FLOW_PROGRESS_H
#define FLOW_PROGRESS_H

#include "base/buf.h"
#include "flow/event.h"
#include "flow/sink.h"

/* More unfinished events than this in one partition: it is paused until the oldest are done. Bounds the lists above to
 * about a byte an event. */
enum { PROGRESS_WINDOW_MOST = 1 << 16 };

struct done {
	int64_t offset;
	uint32_t part;
};

struct done_list {
	struct done *items; /* ascending */
	size_t first, count, cap;
};

struct partition_lane {
	int64_t seq;           /* of its row's last write */
	struct done_list done; /* committed by this lane, at or above what next_offset was then */
	int64_t held_until_ms; /* its events stand back until then: one of them waits for a unique value (SINK_TAKEN) */
	int64_t held_since_ms;
	uint32_t held_tries;
	uint32_t tx_place; /* of the partition in the lane's transaction, plus one; 0: it has no event in it */
};

struct place {
	int64_t offset;
	uint32_t part;
	bool done;
	int64_t clock_ms; /* the largest event time up to it; INT64_MIN unknown */
};

struct partition {
	struct slice topic; /* owned */
	int32_t number;
	uint32_t source_id;
	int64_t epoch;
	bool rekeyed;        /* of a topic of `repartition`: its messages say where they come from */
	bool taken;          /* its progress is known, messages may come */
	bool revoked;        /* no longer ours: what is left of it is dropped */
	bool ended;          /* a bounded source has delivered its last message */
	bool paused;         /* told to the source */
	int64_t read_ms;     /* Kafka's timestamp of the last message that was read; 0 unknown */
	uint32_t references; /* transactions and the owner; freed at 0 */

	struct place *places;             /* ring */
	uint32_t places_cap, first, next; /* ordinals of the oldest unfinished and of the next place; they wrap */
	int64_t next_offset;              /* where an empty window goes on */
	int64_t written_offset;           /* the next_offset that the last committed transaction wrote */
	int64_t told_offset;              /* of that, what the source was told */
	int64_t watermark;                /* the largest event time below next_offset; INT64_MIN unknown */
	int64_t clock_ms;                 /* the largest event time of what has run */
	int64_t moved_ms;                 /* where it was moved to without an event, INT64_MIN: it was not */
	int64_t saved_ms;                 /* the watermark that the last committed transaction wrote */
	int64_t again_ms;                 /* the clock that the first of its events finds that are to run once more; INT64_MAX: none is */
	uint32_t clocked;                 /* events that brought a time; it wraps */
	struct {                          /* flow_clock.c: whether others have to wait for it */
		uint32_t clocked, next;   /* as they were when it was last looked */
		int64_t quiet_since_ms;   /* -1: it was not looked at yet */
		bool idle;
	} rest;

	struct partition_lane *lanes;
	int32_t lane_count;
	struct done_list unwritten; /* ended without a transaction (filtered, ignored ...) at or above next_offset: in every lane's rows */
	struct done_list skip;      /* done before the restart: their events are not processed again */
	struct buf encoded;         /* where partition_row writes the lists, to know how long they are */

	struct parked *parked_first, *parked_last; /* what is parked of it (flow/parking.h), by offset and part */
	uint32_t parked_count, parked_keys;        /* parked_keys: of all of them */

	struct partition *next_partition; /* of the flow */
};

struct partition *partition_new(struct slice topic, int32_t number, uint32_t source_id, int32_t lane_count);
void partition_ref(struct partition *partition);
void partition_unref(struct partition *partition); /* frees it with the last one; harmless on NULL */

/* Takes what the sink had kept. Rows of lanes that we do not have go into the skip list like all others. */
int partition_load(struct partition *partition, const struct progress_loaded *loaded, struct error *err);

/* Gives the event its place. Returns true where it was done before the restart: it is to be finished (partition_finish) once its time is known,
 * not before: next_offset would be written without the watermark. */
bool partition_enter(struct partition *partition, struct event *event);
/* Events that were done before the restart are still to be read. */
bool partition_skips(const struct partition *partition);
/* The event at this place happened then (INT64_MIN: that does not count). Returns the largest event time before. */
int64_t partition_clock(struct partition *partition, uint32_t ordinal, int64_t at_ms);
void partition_finish(struct partition *partition, uint32_t ordinal);
/* The same for an event that no transaction carries. */
void partition_finish_unwritten(struct partition *partition, const struct event *event);
uint32_t partition_unfinished(const struct partition *partition);
/* Everything below is done. */
int64_t partition_next_offset(const struct partition *partition);

/* This lane's row with these events (of this partition, ascending) done: `done` is made in the arena. */
struct progress_row partition_row(struct partition *partition, int32_t lane, struct event *const *events, size_t count, struct arena *arena);
/* The same where all is done in order: what is done beyond is said by next_offset and next_part alone. */
struct progress_row partition_row_in_order(struct partition *partition, int32_t lane, struct event *const *events, size_t count);
/* That row is committed. */
void partition_committed(struct partition *partition, const struct progress_row *row);

/* (offset, part) pairs as bytes: for each the distance to the offset before (the first: to next_offset) times two, plus one
 * where a part follows, as LEB128. */
void progress_encode(struct buf *out, int64_t next_offset, const struct done *items, size_t count);
/* Appends to list. -1: these bytes are no such list. */
int progress_decode(struct slice bytes, int64_t next_offset, struct done_list *list, struct error *err);
void done_list_add(struct done_list *list, struct done item);
void done_list_free(struct done_list *list);

#endif
