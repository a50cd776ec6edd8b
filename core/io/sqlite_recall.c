#include "io/sqlite_recall.h"

#include "flow/progress.h"
#include "flow/sql.h"

static struct slice bytes_of(sqlite3_stmt *select, int column)
{
	int n = sqlite3_column_bytes(select, column);
	const char *p = sqlite3_column_blob(select, column);

	if (sqlite3_column_type(select, column) == SQLITE_NULL)
		return (struct slice){ 0 };
	return (struct slice){ p ? p : "", (size_t)n }; /* an empty BLOB has no address */
}

static void tell(struct recall *request, sqlite3_stmt *select)
{
	struct message message = { 0 };

	message.position = message.offset = sqlite3_column_int64(select, 0);
	if (sqlite3_column_type(select, 2) == SQLITE_NULL) {
		message.topic = request->partition->topic;
		message.partition = request->partition->number;
	} else {
		message.topic = bytes_of(select, 2);
		message.partition = sqlite3_column_int(select, 3);
		message.offset = sqlite3_column_int64(select, 4);
	}
	message.time_ms = sqlite3_column_int64(select, 5);
	message.key = bytes_of(select, 6);
	message.value = bytes_of(select, 7);
	request->message(request, &message, (uint32_t)sqlite3_column_int64(select, 1), bytes_of(select, 8));
}

int sqlite_recall_run(sqlite3 *db, const char *job, struct recall *request)
{
	struct buf text = BUF_INIT;
	sqlite3_stmt *select = NULL;
	int code;

	sql_parked_recall(&text, SQL_SQLITE, job, request);
	code = sqlite3_prepare_v2(db, text.p, (int)text.n, &select, NULL);
	while (code == SQLITE_OK && (code = sqlite3_step(select)) == SQLITE_ROW) {
		tell(request, select);
		code = SQLITE_OK;
	}
	sqlite3_finalize(select);
	buf_free(&text);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int run_statement(sqlite3 *db, const char **rest, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx)
{
	enum { COLUMNS_MOST = 32 };
	struct slice cells[COLUMNS_MOST];
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, *rest, -1, &statement, rest);

	if (code != SQLITE_OK || !statement)
		return code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		int count = sqlite3_column_count(statement);

		BUG_IF(count > COLUMNS_MOST);
		for (int i = 0; i < count; i++)
			cells[i] = bytes_of(statement, i);
		if (row)
			row(ctx, cells, (unsigned)count);
	}
	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int sqlite_query_run(sqlite3 *db, const char *statements, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx)
{
	int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	while (code == SQLITE_OK && *statements)
		code = run_statement(db, &statements, row, ctx);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (code != SQLITE_OK && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return code;
}
