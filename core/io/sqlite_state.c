#include "io/sqlite_state.h"

#include <stdlib.h>

#include "base/log.h"
#include "flow/sql.h"

enum { WAIT_MS = 20, SAY_EVERY = 500 };

struct sqlite_state {
	const char *job;
	sqlite3 *db;
	struct state_load *load; /* not answered yet */
	struct event *again;
	unsigned failures; /* in a row */
};

static void tell(sqlite3_stmt *select, struct state_load *load)
{
	struct slice cells[SQL_STATE_COLUMNS];
	struct state_row row;

	for (int i = 0; i < SQL_STATE_COLUMNS; i++)
		cells[i] = (struct slice){ (const char *)sqlite3_column_text(select, i), (size_t)sqlite3_column_bytes(select, i) };
	row = sql_state_row(cells);
	load->row(load, &row);
}

/* A column of SQLite holds values of any kind. */
static struct value value_of(sqlite3_stmt *select, int i)
{
	int type = sqlite3_column_type(select, i); /* before it is made text */
	const char *p = (const char *)sqlite3_column_text(select, i);
	struct value value = { .p = p, .n = (uint32_t)sqlite3_column_bytes(select, i), .kind = VALUE_TEXT, .ready = true };

	switch (type) {
	case SQLITE_NULL:
		value.kind = VALUE_NULL;
		break;
	case SQLITE_INTEGER:
	case SQLITE_FLOAT:
		value.kind = VALUE_NUMBER;
		break;
	case SQLITE_BLOB:
		value.kind = VALUE_BYTES;
		break;
	default:
		break;
	}
	return value;
}

static void tell_look(sqlite3_stmt *select, struct state_load *load, const struct look *look)
{
	unsigned count = look->by_count + look->column_count;
	struct value *cells = malloc(count * sizeof *cells);

	BUG_IF(!cells);
	for (unsigned i = 0; i < count; i++)
		cells[i] = value_of(select, (int)i);
	load->looked(load, look, cells);
	free(cells);
}

static int load_all(sqlite3 *db, const char *job, struct state_load *load)
{
	struct buf text = BUF_INIT;
	size_t statement = 0, of_state = sql_state_select(&text, SQL_SQLITE, job, load);
	const char *next;
	int code = SQLITE_OK;

	sql_look_select(&text, SQL_SQLITE, load);
	next = buf_cstr(&text);
	while (code == SQLITE_OK) {
		sqlite3_stmt *select = NULL;

		code = sqlite3_prepare_v2(db, next, -1, &select, &next);
		if (code != SQLITE_OK || !select)
			break;
		while ((code = sqlite3_step(select)) == SQLITE_ROW)
			if (statement < of_state)
				tell(select, load);
			else
				tell_look(select, load, &load->looks[statement - of_state]);
		sqlite3_finalize(select);
		statement++;
		code = code == SQLITE_DONE ? SQLITE_OK : code;
	}
	buf_free(&text);
	return code;
}

static void answer(struct sqlite_state *state)
{
	struct state_load *load = state->load;

	if (load_all(state->db, state->job, load) != SQLITE_OK) {
		if (++state->failures % SAY_EVERY == SAY_EVERY / 2)
			log_warn("sqlite: reading streamlua_state, or what scripts look up, waits: %s", sqlite3_errmsg(state->db));
		event_add(state->again, &(struct timeval){ .tv_usec = WAIT_MS * 1000 });
		return;
	}
	state->failures = 0;
	state->load = NULL;
	load->done(load);
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	answer(ctx);
}

struct sqlite_state *sqlite_state_new(struct event_base *loop, const char *job)
{
	struct sqlite_state *state = calloc(1, sizeof *state);

	BUG_IF(!state);
	state->job = job;
	state->again = event_new(loop, -1, 0, on_again, state);
	BUG_IF(!state->again);
	return state;
}

void sqlite_state_free(struct sqlite_state *state)
{
	event_free(state->again);
	free(state);
}

void sqlite_state_load(struct sqlite_state *state, sqlite3 *db, struct state_load *load)
{
	BUG_IF(state->load);
	state->db = db;
	state->load = load;
	answer(state);
}
