/* Tables whose scripts have event time: timers and windows. What a key's timers and windows must be follows from its partition alone, so it
 * is worked out here event by event, as they are committed, and held against the tables and streamlua_state. What comes out of nothing
 * but the history: with which watermark each event ran, so which timers came before it, and for which windows it was late. */
#ifndef SIM_TIMED_H
#define SIM_TIMED_H

#include "flow/batch.h"
#include "sim/history.h"
#include "sim/kept.h"
#include "sim/lines.h"

/* One firing, as its event came over the wire. */
struct firing {
	enum table table;
	int64_t id, at_ms;
	enum state_clock clock;
	bool ended; /* only because the input has ended */
	bool dead;
	bool writes; /* rows, beside its state */
};

struct window_set; /* windows.c */

/* TIMED: what is kept of a key. */
struct timed_key {
	int64_t n, h, g;                         /* n is 0 where nothing is; g: NO_G none */
	int64_t quiet, plain, clock;             /* its timers, STATE_NO_TIME: not set */
	bool clock_new;                          /* set by this transaction: which time it got only the database knows */
	bool quiet_late, plain_late, clock_late; /* set when the input had ended */
};

/* Progress that moves a partition's clock on though no event of it did: an idle one follows the others. */
struct lift {
	int64_t offset; /* for events from there on */
	int64_t clock_ms;
};

enum { LIFTS_MOST = 256 };

struct timed {
	const struct history *history;
	uint32_t reached[TABLE_COUNT][ROWS_MOST]; /* of each key: records below are done, by index */
	struct timed_key keys[ROWS_MOST];
	struct lift lifts[PARTITIONS_MOST][LIFTS_MOST];
	uint32_t lift_count[PARTITIONS_MOST];
	struct window_set *windows;
	struct lines must, is; /* rows of all target tables */
	bool ending;           /* the input has ended */
	int64_t start_ms, now_ms;
};

void timed_init(struct timed *timed, const struct history *history);
void timed_free(struct timed *timed);

/* Rows of these tables over the wire. */
struct wire_line {
	const char *key, *text; /* text NULL: deleted */
};
bool timed_target(struct slice name);
/* Fills in the columns of such a table; false: it is none. */
bool timed_describe(struct target *target);
struct wire_line timed_line(const struct change *change, struct arena *arena);

/* A transaction writes this progress; before its events. */
void timed_progress(struct timed *timed, uint32_t log, int64_t next_offset, int64_t watermark);
/* The largest event time that this event found in its partition, INT64_MIN none. */
int64_t timed_clock(const struct timed *timed, const struct record *record);
/* This event is committed, and was written. */
void timed_apply(struct timed *timed, const struct record *record);
void timed_fire(struct timed *timed, const struct firing *firing);
/* The database refuses what this firing writes. */
bool timed_poison(const struct firing *firing);
/* After a transaction: all that is written and kept is what the events so far make of it. */
void timed_check(struct timed *timed, const struct kept *kept);
/* In the end: everything that had to has fired. */
void timed_check_end(const struct timed *timed);

/* windows.c */
enum { OUT_OF_ORDER_MS = 60 };
struct window_set *windows_new(void);
void windows_free(struct window_set *set);
void windows_apply(struct timed *timed, const struct record *record);
void windows_fire(struct timed *timed, const struct firing *firing);
/* The text of what is kept, and when it is due; false: nothing is. */
bool windows_kept(const struct timed *timed, enum table table, int64_t id, struct buf *value, int64_t *due);
void windows_check_end(const struct timed *timed);

#endif
