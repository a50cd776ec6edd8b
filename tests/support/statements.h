/* What a transaction made by hand (support/changes.h) is in SQL. */
#ifndef SUPPORT_STATEMENTS_H
#define SUPPORT_STATEMENTS_H

#include <sqlite3.h>

#include "flow/sql.h"
#include "support/changes.h"

/* Zero it to begin. */
struct statements {
	struct batch batch;
	struct sql_text sql;
	struct buf text;
};

static inline void statements_free(struct statements *made)
{
	batch_free(&made->batch);
	sql_text_free(&made->sql);
	buf_free(&made->text);
}

static inline void statements_build(struct statements *made, const struct changes *changes, enum sql_dialect dialect)
{
	batch_build(&made->batch, &changes->tx);
	sql_text_clear(&made->sql);
	sql_transaction(&made->sql, dialect, "shop", &changes->tx, &made->batch);
}

/* Those of this part, one after the other; until the next call. */
static inline const char *statements_of(struct statements *made, const struct changes *changes, enum sql_dialect dialect, enum sql_part part)
{
	size_t from = 0;

	statements_build(made, changes, dialect);
	buf_clear(&made->text);
	for (size_t i = 0; i < made->sql.count; from = made->sql.ends[i++])
		if (made->sql.parts[i] == part)
			buf_append(&made->text, made->sql.text.p + from, made->sql.ends[i] - from);
	return buf_cstr(&made->text);
}

/* What it does to rows, done to SQLite's; then it is empty. */
static inline void statements_run(struct statements *made, struct changes *changes, sqlite3 *db)
{
	char *error = NULL;

	if (changes->tx.count && sqlite3_exec(db, statements_of(made, changes, SQL_SQLITE, SQL_ROWS), NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s\n%s", error, buf_cstr(&made->text));
	changes->tx.count = 0;
}

#endif
