#include "io/sqlite_tables.h"

#include <stdbool.h>
#include <stdio.h>

#include "flow/sql.h"

/* Whether a query of no rows compiles: the table is there, and so is the column. */
static bool can_read(sqlite3 *db, const char *what, const char *table)
{
	char text[200];

	snprintf(text, sizeof text, "SELECT %s FROM %s LIMIT 0", what, table);
	return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
}

static int add_column(sqlite3 *db, const struct sql_addition *add)
{
	int code;

	if (!can_read(db, "1", add->table) || can_read(db, add->column, add->table))
		return SQLITE_OK;
	code = sqlite3_exec(db, add->alter, NULL, NULL, NULL);
	return can_read(db, add->column, add->table) ? SQLITE_OK : code; /* another worker may have been faster */
}

int sqlite_tables_make(sqlite3 *db)
{
	int code = SQLITE_OK;

	for (const struct sql_addition *add = sql_additions(SQL_SQLITE); code == SQLITE_OK && add->table; add++)
		code = add_column(db, add);
	for (const char *const *table = sql_tables(SQL_SQLITE); code == SQLITE_OK && *table; table++)
		code = sqlite3_exec(db, *table, NULL, NULL, NULL);
	return code;
}
