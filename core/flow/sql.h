/* A transaction as SQL text, in the words of one database. What is written is decided here and in batch.c, and is the
 * same for all of them; only the spelling differs. */
#ifndef FLOW_SQL_H
#define FLOW_SQL_H

#include "base/buf.h"
#include "flow/batch.h"
#include "flow/sink.h"

enum {
	/* A statement is ended past either: parsing one takes memory on the server, and a refusal names the whole of it. */
	SQL_STATEMENT_BYTES_MOST = 1 << 20,
	SQL_STATEMENT_ROWS_MOST = 2000,
};

enum sql_dialect {
	SQL_MYSQL,              /* backslash escapes in strings (the default sql_mode) */
	SQL_MYSQL_NO_BACKSLASH, /* NO_BACKSLASH_ESCAPES */
	SQL_SQLITE,
};

void sql_identifier(struct buf *out, struct slice name); /* `a``b`; "db.table" as `db`.`table` is sql_table's */
void sql_table(struct buf *out, struct slice name);
/* A literal for this column: numbers bare where the column is numeric, bytes as x'..', text quoted. */
void sql_value(struct buf *out, enum sql_dialect dialect, const struct value *value, const struct target_column *column);

/* What a statement of a transaction is there for: an error means different things in each. */
enum sql_part { SQL_BEGIN, SQL_PROGRESS, SQL_GUARD, SQL_ROWS, SQL_DEAD_LETTERS, SQL_PARKED, SQL_COMMIT };

struct sql_text {
	struct buf text;      /* statements, each ended by ";\n" */
	enum sql_part *parts; /* what each statement is */
	size_t *ends;         /* where each ends in text */
	size_t count, cap;
};
void sql_text_clear(struct sql_text *sql);
void sql_text_free(struct sql_text *sql);

/* The whole transaction: BEGIN, progress, guards, rows, dead letters, what is parked, COMMIT. Progress stands first: a worker whose partition was taken
 * over fails before it touches a row. On MySQL its statements set a column that may not be NULL to NULL where epoch or seq differ
 * from what is expected, or a row is not there: in strict mode the server itself stops there with error 1048, in the one round trip
 * that the whole text takes. On SQLite each progress row is an UPDATE of its own, and whoever runs it counts: it must change one row. */
void sql_transaction(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx, const struct batch *batch);

/* Where an update waits for a row (change->waits), a guard stands before the rows of its table: it fails, and with it the transaction,
 * where such a row is not there. Which: sql_parked_probe writes a question for each such change, that has a row for an answer where
 * the change's is missing; sql_parked_missed marks the change (and its event) whose question, counted from 0, was answered so. */
size_t sql_parked_probe(struct buf *out, enum sql_dialect dialect, const struct tx *tx);
void sql_parked_missed(const struct tx *tx, size_t question);
/* offset, part, then of the message: topic, partition, offset (NULL: as its place says), time_ms, key, value, headers. */
void sql_parked_recall(struct buf *out, enum sql_dialect dialect, const char *job, const struct recall *recall);

/* The statements for people (sink_ops.show), without BLOBs: progress rows and dead letters as comments. */
void sql_show(const struct sql_text *sql, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx);

/* SELECTs that answer a question to streamlua_state: columns as sql_state_row reads them. Each is ended by ";\n". Returns how many. */
size_t sql_state_select(struct buf *out, enum sql_dialect dialect, const char *job, const struct state_load *load);
enum { SQL_STATE_COLUMNS = 10 };
/* A row of the answer; p of a cell is NULL where it is NULL. Lent as the cells are. */
struct state_row sql_state_row(const struct slice cells[SQL_STATE_COLUMNS]);

/* The SELECTs of its looks, one each: the columns of the key, then those that are asked for. */
void sql_look_select(struct buf *out, enum sql_dialect dialect, const struct state_load *load);
/* A value as a database's text of it says, by its column; p is NULL where it is NULL. Lent. */
struct value sql_look_value(const struct target_column *column, struct slice cell);

/* Columns that tables made by an earlier version lack: a table that is there and lacks one gets it, by an ALTER of its own (older TiDB takes
 * one change at a time), before sql_tables is run. Ends with a table that is NULL. */
struct sql_addition {
	const char *table, *column, *alter;
};
const struct sql_addition *sql_additions(enum sql_dialect dialect);
/* CREATE TABLE IF NOT EXISTS for streamlua_progress, streamlua_dead_letters, streamlua_parked, streamlua_state: NULL-terminated. */
const char *const *sql_tables(enum sql_dialect dialect);

#endif
