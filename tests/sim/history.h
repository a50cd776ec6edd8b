/* What happened at the source: messages in partitions, what each event in them is, and what the target must be when all
 * of them have arrived. It learns nothing from the engine. */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "base/buf.h"
#include "base/arena.h"
#include "sim/dice.h"

enum { ROWS_MOST = 24, PARTITIONS_MOST = 32 };

/* A topic for each table; the scripts are in scripts.c. */
enum table {
	TABLE_PLAIN,  /* copied; never enters Lua */
	TABLE_ITEMS,  /* a filter, and errors, in Lua */
	TABLE_NAMES,  /* with a unique column, whose values go from row to row and from partition to partition */
	TABLE_SKIPS,  /* on_error = "skip" */
	TABLE_STUCK,  /* wants unique values that nobody frees */
	TABLE_LATE,   /* makes rows, of some columns */
	TABLE_NOTES,  /* updates the other columns of LATE's rows, which may come later */
	TABLE_LOST,   /* updates rows of LATE that never come */
	TABLE_COUNTS, /* each row is what its script made of the events of its key so far: keyed state */
	/* Those with event time (timed.h): */
	TABLE_TIMED,    /* timers, by both clocks */
	TABLE_PANES,    /* tumbling windows, which take rows back */
	TABLE_FINALS,   /* hopping windows, written once */
	TABLE_SESSIONS, /* windows that grow together */
	TABLE_SUMS,     /* rows of `w` are added up: their `v`, and how many there are. Any partition adds to any row */
	TABLE_OTHER,    /* no script serves it */
	TABLE_COUNT,
};

enum cell { CELL_ID, CELL_V, CELL_W, CELL_NAME, CELL_COUNT };
#define CELL_NULL INT64_MIN

struct row {
	bool exists;
	int64_t cells[CELL_COUNT];
};

/* How an event must end. */
enum fate { FATE_WRITTEN, FATE_DEAD, FATE_SKIPPED, FATE_UNWRITTEN /* filtered, unmatched, ignored */ };

enum deed { DEED_NONE, DEED_UPSERT, DEED_DELETE, DEED_MOVE /* deletes old_id, upserts id */ };

/* What some versions of the script do instead: whichever ran last decides. */
enum mood { MOOD_NONE, MOOD_FAILS, MOOD_FILTERS };

/* One event. */
struct record {
	enum fate fate;
	bool poison;    /* the database refuses it */
	enum mood mood; /* of a WRITTEN one: not by every version of its script */
	bool waits;     /* for its row: parked where that is not there */
	bool tombstone; /* behind its delete: ignored, or, by who begins to read there, written once more */
	enum table table;
	enum deed deed;
	int64_t id, old_id;
	struct row row;
	struct row old;   /* timed: what it takes back; SUMS: what becomes of old_id */
	int64_t clock_ms; /* timed: the largest event time of the partition before it, INT64_MIN none */
	bool keeps_w;     /* the message does not say w: it stays what it is */
	bool lacks;       /* and so cannot make its row: where that is not there it is parked, until a later event of the row settles it */
	bool held;        /* it is such a one, or may stand behind one */
	uint32_t log;
	int64_t offset;
	uint32_t part;
};

struct log_message {
	struct slice key, value;
	uint32_t first, count; /* records */
};

/* A partition. */
struct log {
	enum table table;
	int32_t number;
	struct log_message *messages;
	int64_t count, cap, published; /* consumers see the first `published` */
	int64_t first;                 /* messages below were gone before anybody read: there is nothing in them */
	int64_t low;                   /* those below are gone by now */
	int64_t start;                 /* where who finds no progress begins */
	int64_t time_ms, clock_ms;     /* timed: of the last message; the largest of all */
};

struct history {
	bool json;    /* else debezium */
	bool lossy;   /* messages are deleted that nobody has read: no event of a row waits for one of another, or for an earlier one */
	bool chained; /* scripts that keep state read streams: what is kept by those who write them counts what is written, in all versions */
	bool moody;   /* versions of a script differ in what they make of some events */
	struct dice *dice;
	struct log logs[PARTITIONS_MOST];
	uint32_t log_count;
	struct record *records;
	uint32_t record_count, record_cap;
	struct row source[TABLE_COUNT][ROWS_MOST];
	uint32_t rows; /* ids in use */
	int64_t version;
	int64_t name_of_row[ROWS_MOST]; /* of NAMES: the name that a row brought with it and has not given up */
	int64_t free_names[ROWS_MOST];
	uint32_t free_name_count;
	/* What the target has once all that was written so far is in it; rows that a part of a row waits for; and that one ever waited for. */
	bool there[TABLE_COUNT][ROWS_MOST], awaited[TABLE_COUNT][ROWS_MOST], held[TABLE_COUNT][ROWS_MOST];
	int64_t stuck_next;
	struct buf text; /* being written */
	struct arena arena;
};

/* Whose rows events of this table write. */
static inline enum table table_written(enum table table)
{
	return table == TABLE_NOTES || table == TABLE_LOST ? TABLE_LATE : table;
}

static inline bool table_is_timed(enum table table)
{
	return table >= TABLE_TIMED && table <= TABLE_SESSIONS;
}

extern const char *const cell_names[CELL_COUNT];
extern const char *const table_names[TABLE_COUNT];
extern const char *const topic_names[TABLE_COUNT];

/* Rows that the target holds before the first message: history_target. */
void history_init(struct history *history, struct dice *dice, uint32_t messages, bool lossy);
void history_free(struct history *history);
/* The partition of a table, or UINT32_MAX. */
uint32_t history_log(const struct history *history, struct slice topic, int32_t number);
/* The record at a place in it; fails where there is none. */
const struct record *history_record(const struct history *history, uint32_t log, int64_t offset, uint32_t part);
/* The target's rows before the first event. */
void history_target(const struct history *history, struct row rows[TABLE_COUNT][ROWS_MOST]);
/* COUNTS: what the script keeps of a key, by the row that it made last. */
void history_kept(const struct row *row, int64_t *n, int64_t *hash);
/* What a WRITTEN event does to them. */
void history_apply(const struct record *record, struct row rows[TABLE_COUNT][ROWS_MOST]);
bool row_equal(const struct row *a, const struct row *b);

#endif
