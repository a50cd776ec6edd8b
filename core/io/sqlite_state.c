#include "io/sqlite_state.h"

#include "flow/sql.h"

static void tell(sqlite3_stmt *select, struct state_load *load)
{
	struct slice cells[SQL_STATE_COLUMNS];
	struct state_row row;

	for (int i = 0; i < SQL_STATE_COLUMNS; i++)
		cells[i] = (struct slice){ (const char *)sqlite3_column_text(select, i), (size_t)sqlite3_column_bytes(select, i) };
	row = sql_state_row(cells);
	load->row(load, &row);
}

int sqlite_state_load(sqlite3 *db, const char *job, struct state_load *load)
{
	struct buf text = BUF_INIT;
	const char *next;
	int code = SQLITE_OK;

	sql_state_select(&text, SQL_SQLITE, job, load);
	next = buf_cstr(&text);
	while (code == SQLITE_OK) {
		sqlite3_stmt *select = NULL;

		code = sqlite3_prepare_v2(db, next, -1, &select, &next);
		if (code != SQLITE_OK || !select)
			break;
		while ((code = sqlite3_step(select)) == SQLITE_ROW)
			tell(select, load);
		sqlite3_finalize(select);
		code = code == SQLITE_DONE ? SQLITE_OK : code;
	}
	buf_free(&text);
	return code;
}
