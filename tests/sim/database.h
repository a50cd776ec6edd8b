/* The simulated database: tables in memory, the progress rows beside them, and transactions that land whole or not at all. What
 * it is asked to write was copied when it was sent, so it can arrive late, or after its worker's end. After each
 * transaction it holds what it has against the history. */
#ifndef SIM_DATABASE_H
#define SIM_DATABASE_H

#include "flow/batch.h"
#include "sim/timed.h"

struct client; /* sink.c: one lane of one worker, waiting for the answer */

struct progress {
	uint32_t log;
	int32_t lane;
	int64_t epoch, seq, next_offset, watermark;
	struct buf done;
};

/* A change as it came over the wire. */
struct wire_change {
	enum change_op op;
	bool waits, settled;                    /* settled: by a later change of the table, whether its row is there or not */
	bool set[CELL_COUNT], adds[CELL_COUNT]; /* adds: to what the row has */
	int64_t cells[CELL_COUNT];
};

struct wire_table {
	enum table table;
	enum batch_mode mode;
	struct wire_change *changes;
	size_t count, deletes;
};

struct wire_event {
	const struct record *record; /* NULL: of a timer */
	struct firing firing;
	enum outcome outcome;
	bool parked;       /* it was parked, and has come back */
	struct slice keys; /* of one that is to be parked */
};

struct request {
	struct request *next;
	struct client *client; /* NULL: nobody hears the answer */
	uint32_t worker;       /* who sent it, and on which lane */
	int32_t lane;
	struct wire_table *tables;
	size_t table_count;
	struct wire_line *lines; /* of tables with event time */
	size_t line_count;
	struct kept_row *kept;
	size_t kept_count;
	struct wire_event *events;
	size_t event_count;
	struct progress *progress; /* as the transaction moves them; seq is the new one */
	size_t progress_count;
	struct arena arena;
};

enum verdict { VERDICT_COMMITTED, VERDICT_STALE /* its progress rows are not as it expects */, VERDICT_REFUSED, VERDICT_TAKEN, VERDICT_MISSED };

struct ending {
	uint32_t written, dead, skipped; /* times that a committed transaction held it */
	bool parked;                     /* it lies in the table of those */
	bool lost;                       /* --from has passed it */
	struct slice keys;
	int64_t parked_ms, parked_away_ms;
};

/* What went aside: the cells of a row, as an event of COUNTS sent them. */
struct asides {
	bool on; /* workers have such a sink in this run */
	struct aside_message {
		uint32_t record;
		int64_t cells[CELL_COUNT];
	} * messages;
	size_t count, cap;
};

struct database {
	struct history *history;
	struct row rows[TABLE_COUNT][ROWS_MOST];
	struct row model[TABLE_COUNT][ROWS_MOST];          /* what rows must be: the events applied one by one */
	int64_t last[TABLE_COUNT][ROWS_MOST];              /* the last event applied to each source key: index of its record, or -1 */
	const struct record *owed[TABLE_COUNT][ROWS_MOST]; /* within a transaction: a part of a row that is not there */
	struct asides aside;
	struct kept kept; /* streamlua_state */
	struct timed timed;
	struct progress *progress;
	size_t progress_count;
	struct ending *endings;   /* by record */
	uint32_t *sound;          /* by log: every event of the messages below has ended */
	struct request *requests; /* sent and not executed, oldest first */
	struct batch batch;
	struct arena arena;      /* keys of what is parked */
	int64_t now_ms, away_ms; /* away_ms: how long it could not be reached so far */
	uint64_t commits, parkings;
	uint32_t moved; /* how often --from has moved the progress */
};

void database_init(struct database *db, struct history *history);
void database_free(struct database *db);

/* Sends a transaction. */
struct request *database_send(struct database *db, const struct tx *tx, struct client *client, uint32_t worker);
/* Executes it and takes it from the list; it is freed by the caller. */
enum verdict database_execute(struct database *db, struct request *request);
/* A change of this event has come to the side sink. */
void database_aside(struct database *db, const struct event *event, const struct change *change);
/* Marks what the transaction misses, as the sink does when it has asked. */
void database_mark_missed(const struct database *db, const struct tx *tx);
/* Its progress rows are not as it expects: the first thing that is found out. */
bool database_is_stale(struct database *db, const struct request *request);
void request_unlink(struct database *db, struct request *request);
void request_free(struct request *request);
struct progress *database_progress(struct database *db, uint32_t log, int32_t lane);
/* Adds a row that a takeover makes. */
struct progress *database_add_progress(struct database *db, uint32_t log, int32_t lane, int64_t epoch);

/* Has everything that happened ended? */
bool database_complete(const struct database *db);
/* At the end of a run: everything ended exactly once, as it must, and the tables are the history's. */
void database_check(const struct database *db);

/* Whether anything of this partition is committed. */
bool database_has_progress(const struct database *db, uint32_t log);
/* --from --reset-state: nothing is known of any progress, and each partition begins at its log's `start`. What had not ended below is lost, what had
 * ended beyond is to end once more. Whoever does that empties the table that the state goes with. */
void database_move(struct database *db);

#endif
