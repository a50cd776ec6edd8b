#include "io/sqlite_make.h"

#include <stddef.h>

#include <sqlite3.h>

int sqlite_make(const char *path, const char *sql, struct error *err)
{
	sqlite3 *db = NULL;
	int result = 0;

	if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		result = error_set(err, "%s: %s", path, db ? sqlite3_errmsg(db) : "no memory");
	sqlite3_close(db);
	return result;
}
