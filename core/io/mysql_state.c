#include "io/mysql_state.h"

#include <stdlib.h>

#include "base/log.h"
#include "flow/sql.h"
#include "io/mysql.h"
#include "io/mysql_errors.h"
#include "io/mysql_session.h"

enum { SAY_EVERY = 12 }; /* failures in a row: about once a minute when standing back is at its longest */

struct mysql_state {
	const struct mysql_options *options;
	const char *job;
	struct mysql_session session;
	struct event *timer;
	unsigned failures; /* in a row */
	struct state_load *load;
	size_t of_state; /* its statements that ask streamlua_state; a look each follow */
	struct value *cells;
	size_t cell_cap;
	struct buf text;
};

static void ask(struct mysql_state *state);

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	ask(ctx);
}

struct mysql_state *mysql_state_new(struct event_base *loop, const struct mysql_options *options, const char *job)
{
	struct mysql_state *state = calloc(1, sizeof *state);

	BUG_IF(!state);
	state->options = options;
	state->job = job;
	mysql_session_init(&state->session, loop, options);
	state->timer = evtimer_new(loop, on_timer, state);
	BUG_IF(!state->timer);
	return state;
}

void mysql_state_free(struct mysql_state *state)
{
	if (!state)
		return;
	event_free(state->timer);
	mysql_session_deinit(&state->session);
	buf_free(&state->text);
	free(state->cells);
	free(state);
}

static void stand_back(struct mysql_state *state, const struct mysql_failure *failure)
{
	int ms = mysql_session_standback_ms(++state->failures);
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (state->failures % SAY_EVERY == 1)
		log_warn("%s: reading streamlua_state, or what scripts look up, waits: %s (error %u)%s", state->options->flavour, failure->text,
			 failure->number, mysql_errors_advice(failure));
	mysql_client_drop(state->session.client);
	evtimer_add(state->timer, &wait);
}

static void on_look(struct mysql_state *state, const struct look *look, const struct slice *cells, unsigned count)
{
	BUG_IF(count != look->by_count + look->column_count);
	if (count > state->cell_cap) {
		state->cell_cap = count * 2;
		state->cells = realloc(state->cells, state->cell_cap * sizeof(*state->cells));
		BUG_IF(!state->cells);
	}
	for (unsigned i = 0; i < count; i++) {
		uint32_t column = i < look->by_count ? look->by[i] : look->columns[i - look->by_count];

		state->cells[i] = sql_look_value(&look->table->columns[column], cells[i]);
	}
	state->load->looked(state->load, look, state->cells);
}

static void on_row(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct mysql_state *state = ctx;
	struct state_row row;

	if (statement >= state->of_state) {
		on_look(state, &state->load->looks[statement - state->of_state], cells, count);
		return;
	}
	BUG_IF(count != SQL_STATE_COLUMNS);
	row = sql_state_row(cells);
	state->load->row(state->load, &row);
}

static void on_answered(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_state *state = ctx;
	struct state_load *load = state->load;

	if (failure) {
		stand_back(state, failure);
		return;
	}
	state->failures = 0;
	state->load = NULL;
	load->done(load);
}

static void on_session(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_state *state = ctx;

	if (failure)
		stand_back(state, failure);
	else
		ask(state);
}

static void ask(struct mysql_state *state)
{
	if (!mysql_session_usable(&state->session)) {
		mysql_session_open(&state->session, on_session, state);
		return;
	}
	buf_clear(&state->text);
	state->of_state = sql_state_select(&state->text, SQL_MYSQL, state->job, state->load);
	sql_look_select(&state->text, SQL_MYSQL, state->load);
	mysql_client_run(state->session.client, buf_view(&state->text), on_row, on_answered, state);
}

void mysql_state_load(struct mysql_state *state, struct state_load *load)
{
	BUG_IF(state->load);
	state->load = load;
	ask(state);
}
