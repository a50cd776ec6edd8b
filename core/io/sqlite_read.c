#include "io/sqlite_read.h"

#include <stdlib.h>

#include <sqlite3.h>

/* The writer holds its locks for milliseconds. */
enum { BUSY_MS = 5000 };

struct sqlite_read {
	sqlite3 *db;
};

struct sqlite_read *sqlite_read_open(const char *path, struct error *err)
{
	struct sqlite_read *db = calloc(1, sizeof *db);

	BUG_IF(!db);
	if (sqlite3_open_v2(path, &db->db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(db->db, BUSY_MS);
		return db;
	}
	error_set(err, "%s: %s", path, db->db ? sqlite3_errmsg(db->db) : "no memory");
	sqlite_read_close(db);
	return NULL;
}

int sqlite_read_run(struct sqlite_read *db, const char *sql, int (*row)(void *ctx, int count, char **cells, char **names), void *ctx,
		    struct error *err)
{
	if (sqlite3_exec(db->db, sql, row, ctx, NULL) != SQLITE_OK)
		return error_set(err, "%s", sqlite3_errmsg(db->db));
	return 0;
}

void sqlite_read_close(struct sqlite_read *db)
{
	if (!db)
		return;
	sqlite3_close(db->db);
	free(db);
}
