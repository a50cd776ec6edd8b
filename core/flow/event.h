/* What flows: a message becomes events, an event becomes changes. All of it lives in the arena of the intake that read
 * the message, until the transaction that holds the event is committed. */
#ifndef FLOW_EVENT_H
#define FLOW_EVENT_H

#include "flow/shape.h"
#include "flow/value.h"

struct partition;   /* flow/progress.h */
struct target;      /* flow/target.h */
struct script;      /* flow/script.h */
struct intake;      /* flow/intake.h */
struct state_entry; /* flow/state.h */
struct parked;      /* flow/parking.h */

struct header {
	struct slice name;
	struct slice value; /* p is NULL for a null value */
};

/* A record of a source. Sources lend it for the length of a callback; the intake copies what must stay. */
struct message {
	struct slice topic;
	int32_t partition;
	bool time_is_brokers; /* LogAppendTime: when the broker got it */
	int64_t offset;
	int64_t time_ms;         /* Kafka's timestamp, or 0 */
	struct slice key, value; /* p is NULL where there is none: a NULL value is a tombstone, an empty one is not */
	const struct header *headers;
	uint32_t header_count;
	uint32_t parts_done;     /* so many of its first events were done before, as the source knows */
	struct partition *owner; /* whose progress it is part of. Differs from topic and partition where a file replays records (kcat -J) */
	int64_t position;        /* its offset in the owner: a Kafka offset, or the number of a file's line */
	const char *flaw;        /* NULL, or why the source could not take the record apart (a constant): a dead letter */
};

/* The order is known to lua/streamlua/row.lua. */
enum op {
	OP_INSERT = 0,
	OP_UPDATE,
	OP_DELETE,
	OP_SNAPSHOT, /* read by a connector's snapshot or bootstrap: an upsert */
	OP_TRUNCATE,
	OP_DDL,
	OP_CONTROL, /* heartbeat, transaction mark, watermark, tombstone after a delete: counted and ignored */
	OP_TIMER,   /* a row of streamlua_state is due; its message is made up, and has no place in the progress */
};

enum image_state { IMAGE_ABSENT = 0, IMAGE_WHOLE, IMAGE_PARTIAL, IMAGE_KEY_ONLY };

/* One side of a row. shape is NULL when the state is ABSENT. */
struct image {
	const struct shape *shape;
	struct value *values;           /* shape->count of them */
	const struct reading *readings; /* how to read values[i]; set by the router for (shape, script), NULL before */
	uint8_t state;                  /* enum image_state; PARTIAL: columns that are not there keep their value */
};

/* Where an event ended. Every event gets exactly one of these; the counters of a run add up to what was read. */
enum outcome {
	OUTCOME_PENDING = 0, /* still on its way */
	OUTCOME_WRITTEN,
	OUTCOME_FILTERED,  /* a script said no, or made no row of it */
	OUTCOME_UNMATCHED, /* no script serves its table */
	OUTCOME_IGNORED,   /* control message, DDL or truncate that the job ignores */
	OUTCOME_DEAD,
	OUTCOME_SKIPPED, /* at fault, and the script says on_error = "skip" */
	OUTCOME_PARKED,  /* not its end: a row that it updates is not there, so it waits in streamlua_parked and comes back */
	OUTCOME_COUNT,
};

enum lane_state { LANE_WAITING = 0, LANE_SENT, LANE_DONE };

enum stage { STAGE_DECODE = 0, STAGE_SCRIPT, STAGE_SINK };

enum change_op {
	CHANGE_UPSERT, /* the row with this key has these columns; columns that are ABSENT keep their value */
	CHANGE_UPDATE, /* as UPSERT, but a row that is not there is not made */
	CHANGE_DELETE, /* only the key's values are set */
};

/* What one event does to one row of a target. */
struct change {
	struct change *next; /* of the same event, in order */
	struct target *target;
	struct value *values;      /* count of them, aligned with target->columns, all ready; NULL: a row of state (flow/state_change.h) */
	uint32_t count;            /* target->count when it was made; columns that an open target got since are ABSENT */
	uint8_t op;                /* enum change_op */
	bool waits;                /* an UPDATE whose row is to be there: where it is not, the event is parked */
	bool partial;              /* it waits because its message has only a part of the row: an upsert behind it is what the row has become */
	bool asked;                /* the sink asks whether it is there */
	bool missed;               /* the sink says that it is not */
	bool clears;               /* an UPDATE that takes back what a script owns: with the last side that is there the row goes (target_tells) */
	bool told;                 /* the side sink that it is for has it: where its event is written again, it is not */
	uint32_t state_bytes;      /* what the row of state adds to the event's bytes */
	uint64_t key_hash;         /* parking_hash, where the target parks; where its rows are added to, a hash of the key too */
	struct state_entry *state; /* whose row of streamlua_state it is, as long as the event has it in its `uses`; NULL: another table's */
};

enum { PART_WHOLE = UINT32_MAX };

struct looked; /* flow/lookup.h */

/* A row of streamlua_state that an event runs with. */
struct state_use {
	struct state_use *next;
	struct state_entry *entry;
	bool old;     /* of the key that the row had before this event */
	bool chained; /* by a script that reads a stream which the event's own wrote */
};

/* What the row of a timer becomes where that fails, so that it is not due for ever. */
struct state_otherwise {
	struct slice value, timers;
	int64_t at[2];   /* by enum state_clock */
	int32_t version; /* of the script that wrote it */
};

/* What lanes look at stands together, in the first 128 bytes, which are two lines of memory (event_of_message): by the time that a transaction has
 * room for an event the caches have long lost it, and each line is waited for. */
struct event {
	struct change *changes;
	struct state_use *uses;  /* of a stateful script */
	struct parked *parked;   /* it was parked, and comes back; NULL: it comes from the source */
	struct partition *owner; /* the message's, as is owner_position: its memory need not come back for them */
	int64_t owner_position;
	struct intake *intake;
	struct script *script;
	uint32_t part, parts;   /* a message can hold many events: part 0 .. parts - 1. Of one that was parked whole: PART_WHOLE */
	uint64_t lane_hash[2];  /* of the key; of the old key too where it changed */
	uint32_t bytes;         /* of SQL, roughly: what bounds a transaction */
	uint32_t ordinal;       /* its place in the partition's window (flow/progress.h) */
	uint8_t op;             /* enum op */
	uint8_t lane_hashes;    /* 1 or 2 */
	uint8_t lanes_waited;   /* lanes of its own that have not reached it yet (flow/lane.h) */
	uint8_t lane_state;     /* enum lane_state */
	uint8_t outcome, stage; /* enum outcome; of DEAD and SKIPPED, enum stage */
	bool was_done;          /* committed before a restart: only its place counts */
	bool missed;            /* the sink says so of one of its changes */
	bool parks;             /* a change of it is on a target that parks */
	bool settled;           /* ended: its memory is only here for its neighbours' */
	const struct message *message;
	struct event *next; /* in the intake, in order of arrival */

	/* decoded */
	struct slice database, table; /* p is NULL where the message does not say */
	struct image row;             /* the new image; of a delete, the old one (its key where no more is known) */
	struct image old;             /* the old image of an update */
	struct image key;             /* key columns of the source row, with the values that row has before this event; ABSENT when unknown */
	int64_t time_ms;              /* of the change at its source; 0 unknown */

	struct change **changes_end;
	bool row_matches;                  /* what `where` said of the new row; true without one */
	bool keyed;                        /* the columns of `key` are those of the message's own key, by which topics are shared out */
	bool unnamed;                      /* the message names no table: database and table are the topic's */
	bool uncertain;                    /* a tombstone that may be no event at all: a fault of its own does not count */
	bool must_stop;                    /* the job says to stop at such an event */
	bool whole;                        /* it stands for its whole message, which could not be decoded */
	bool clocked;                      /* clock_ms is known, and stays what it is where the event runs again */
	bool keyless;                      /* DEAD, and its key is not known: changes of it may have passed it */
	bool finished;                     /* its keys are checked and its lanes chosen: only the transaction is left */
	uint8_t due_by;                    /* TIMER: enum state_clock; at_ms is when it was due, clock_ms the watermark's clock */
	bool spans;                        /* keys of its script have events in several partitions */
	bool ended;                        /* TIMER: it is not due yet, but the input has ended */
	bool stalled;                      /* it has to run again, once rows of its maps are at hand, or behind one of its key that has to */
	uint32_t stalls;                   /* how often it came to a row that was not at hand */
	uint32_t reparks;                  /* where it is PARKED once more: the rows that take the place of its row, 0 it stays */
	struct slice error;                /* of DEAD and SKIPPED: what is wrong, for a person */
	struct slice script_version;       /* that made the changes */
	struct slice tx, position;         /* at the source (flow/source_place.h); p of both is NULL: nobody has looked */
	int64_t at_ms;                     /* event time as its script has it; INT64_MIN unknown */
	int64_t clock_ms;                  /* the largest event time in its partition before it; INT64_MIN none */
	struct state_otherwise *otherwise; /* of TIMER */
	struct looked **looked;            /* by look-up of its script: of its row, then of its old image; NULL: nobody has looked */
	struct event *twin; /* REKEY_OUT: the same for another script with `repartition` that serves its table, with the key that it has there */
	struct event *of;   /* a row of a stream, for one that reads it: the event that it comes of (script_chain.c); NULL: it is one itself */
};

/* What it is of, which is whole by then. */
static inline void event_set_message(struct event *event, const struct message *message)
{
	event->message = message;
	event->owner = message->owner;
	event->owner_position = message->position;
}

static inline void event_add_change(struct event *event, struct change *change)
{
	if (!event->changes)
		event->changes_end = &event->changes;
	*event->changes_end = change;
	event->changes_end = &change->next;
}

/* It is one of those that its partition's progress counts. */
static inline bool event_has_place(const struct event *event)
{
	return !event->parked && event->op != OP_TIMER;
}

/* Its changes are written: a timer that fails is written off with its dead letter. */
static inline bool event_is_written(const struct event *event)
{
	return event->outcome == OUTCOME_PENDING || (event->op == OP_TIMER && event->outcome != OUTCOME_IGNORED);
}

#endif
