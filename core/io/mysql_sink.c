#include "io/mysql.h"

#include <stdlib.h>

#include "base/log.h"
#include "flow/sql.h"
#include "io/mysql_blocking.h"
#include "io/mysql_errors.h"
#include "io/mysql_lane.h"
#include "io/mysql_progress.h"
#include "io/mysql_recall.h"
#include "io/mysql_schema.h"
#include "io/mysql_state.h"
#include "io/mysql_takeover.h"

enum { LANES_MOST = 256, LANES_DEFAULT = 8, CONNECT_TIMEOUT_MS = 10000, READ_TIMEOUT_MS = 60000 };

struct mysql_sink {
	struct sink sink;
	struct mysql_options options; /* complete; its strings are owned */
	char *job;
	struct mysql_lane **lanes; /* sink.lanes of them */
	struct mysql_takeover *control;
	struct mysql_recall *recall;
	struct mysql_state *state;
	struct mysql_schema *schema;
	struct batch batch;
	struct sql_text shown;
};

static const struct sink_ops ops;

static struct mysql_sink *self(struct sink *sink)
{
	return (struct mysql_sink *)sink;
}

static char *copy(const char *text)
{
	char *made = text ? strdup(text) : NULL;

	BUG_IF(text && !made);
	return made;
}

static void copy_options(struct mysql_options *to, const struct mysql_options *from)
{
	*to = *from;
	to->flavour = copy(from->flavour);
	to->host = copy(from->host ? from->host : "127.0.0.1");
	to->port = from->port ? from->port : strcmp(from->flavour, "tidb") == 0 ? 4000 : 3306;
	to->socket = copy(from->socket);
	to->user = copy(from->user);
	to->password = copy(from->password);
	to->database = copy(from->database);
	to->lanes = from->lanes ? from->lanes : LANES_DEFAULT;
	to->tls = from->tls || from->tls_ca || from->tls_cert || from->tls_key;
	to->tls_ca = copy(from->tls_ca);
	to->tls_cert = copy(from->tls_cert);
	to->tls_key = copy(from->tls_key);
	to->connect_timeout_ms = from->connect_timeout_ms ? from->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	to->read_timeout_ms = from->read_timeout_ms ? from->read_timeout_ms : READ_TIMEOUT_MS;
}

static void free_options(struct mysql_options *options)
{
	const char *owned[] = { options->flavour,  options->host,   options->socket,   options->user,   options->password,
				options->database, options->tls_ca, options->tls_cert, options->tls_key };

	for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
		free((char *)owned[i]);
}

static int check_options(const struct mysql_options *options, struct error *err)
{
	const char *flavour = options->flavour;

	if (!flavour || (strcmp(flavour, "tidb") != 0 && strcmp(flavour, "mysql") != 0 && strcmp(flavour, "mariadb") != 0))
		return error_set(err, "\"%s\" is no database that speaks MySQL's protocol: tidb, mysql and mariadb are", flavour ? flavour : "");
	if (!options->user || !*options->user)
		return error_set(err, "%s: `user` is missing in the job's sink", flavour);
	if (!options->database || !*options->database)
		return error_set(err, "%s: `database` is missing in the job's sink", flavour);
	if (options->port < 0 || options->port > 65535)
		return error_set(err, "%s: %d is no port", flavour, options->port);
	if (options->lanes < 0 || options->lanes > LANES_MOST)
		return error_set(err, "%s: `lanes` is %d: 1 to %d are possible", flavour, options->lanes, LANES_MOST);
	if (options->connect_timeout_ms < 0 || options->read_timeout_ms < 0)
		return error_set(err, "%s: a timeout cannot be negative", flavour);
	if (!options->tls_cert != !options->tls_key)
		return error_set(err, "%s: `cert` and `key` of `tls` belong together", flavour);
	return 0;
}

struct sink *mysql_new(struct event_base *loop, const struct mysql_options *options, const char *job, struct error *err)
{
	struct mysql_sink *made;

	if (check_options(options, err) < 0)
		return NULL;
	made = calloc(1, sizeof *made);
	BUG_IF(!made);
	copy_options(&made->options, options);
	made->job = copy(job);
	made->sink = (struct sink){ .ops = &ops, .lanes = made->options.lanes };
	made->lanes = calloc((size_t)made->sink.lanes, sizeof(struct mysql_lane *));
	BUG_IF(!made->lanes);
	for (int32_t i = 0; i < made->sink.lanes; i++)
		made->lanes[i] = mysql_lane_new(loop, &made->options, made->job, &made->batch);
	made->control = mysql_takeover_new(loop, &made->options, made->job, made->sink.lanes);
	made->recall = mysql_recall_new(loop, &made->options, made->job);
	made->state = mysql_state_new(loop, &made->options, made->job);
	made->schema = mysql_schema_new(loop, &made->options);
	return &made->sink;
}

static void sink_close(struct sink *sink)
{
	struct mysql_sink *own = self(sink);

	for (int32_t i = 0; i < sink->lanes; i++)
		mysql_lane_free(own->lanes[i]);
	free(own->lanes);
	mysql_takeover_free(own->control);
	mysql_recall_free(own->recall);
	mysql_state_free(own->state);
	mysql_schema_free(own->schema);
	batch_free(&own->batch);
	sql_text_free(&own->shown);
	free_options(&own->options);
	free(own->job);
	free(own);
}

/* "user 'sync' at 127.0.0.1:4000, database `dw`": which of all databases and users a message is about. */
static int say_where(const struct mysql_options *options, const struct mysql_failure *failure, const char *what, const char *advice,
		     struct error *err)
{
	char place[256];

	if (options->socket)
		snprintf(place, sizeof place, "%s", options->socket);
	else
		snprintf(place, sizeof place, "%s:%d", options->host, options->port);
	error_set(err, "%s: %s (user '%s' at %s, database `%s`): %s (error %u, SQLSTATE %s)%s", options->flavour, what, options->user, place,
		  options->database, failure->text, failure->number, failure->sqlstate, advice);
	err->passing = mysql_errors_passing(failure);
	return -1;
}

/* Tables of an earlier version get the columns that they lack. Several workers may do so at once. */
static int add_columns(struct mysql_sink *own, struct mysql_blocking *connection, struct error *err)
{
	enum { UNKNOWN_COLUMN = 1054, DUPLICATE_COLUMN = 1060 };
	struct mysql_failure failure;
	char text[300];

	for (const struct sql_addition *add = sql_additions(SQL_MYSQL); add->table; add++) {
		snprintf(text, sizeof text, "SELECT %s FROM %s WHERE FALSE", add->column, add->table);
		if (mysql_blocking_run(connection, slice_of(text), NULL, NULL, &failure) == 0 || failure.number != UNKNOWN_COLUMN)
			continue; /* no such table yet, or whatever it is: using it will tell */
		if (mysql_blocking_run(connection, slice_of(add->alter), NULL, NULL, &failure) == 0) {
			log_info("%s is of an earlier version: column %s is added", add->table, add->column);
		} else if (failure.number != DUPLICATE_COLUMN) {
			snprintf(text, sizeof text, "; let a user who may do it run: %s", add->alter);
			return say_where(&own->options, &failure, "a table of an earlier version of streamlua cannot be altered", text, err);
		}
	}
	return 0;
}

/* Makes the tables of our own. A user that may not make tables is fine where they are there already: using them will tell. */
static int make_tables(struct mysql_sink *own, struct mysql_blocking *connection, struct error *err)
{
	enum { TABLE_DENIED = 1142, DATABASE_DENIED = 1044, TABLE_EXISTS = 1050 };
	struct mysql_failure failure;

	for (const char *const *statement = sql_tables(SQL_MYSQL); *statement; statement++)
		if (mysql_blocking_run(connection, slice_of(*statement), NULL, NULL, &failure) < 0 && failure.number != TABLE_DENIED &&
		    failure.number != DATABASE_DENIED && failure.number != TABLE_EXISTS)
			return say_where(&own->options, &failure, "the tables of streamlua cannot be made", mysql_errors_advice(&failure), err);
	return 0;
}

/* Uses our tables as a run does, without touching a row: a missing privilege is found before anything depends on it. */
static const char uses[] = "SELECT epoch FROM streamlua_progress WHERE FALSE FOR UPDATE;\n"
			   "UPDATE streamlua_progress SET epoch = epoch WHERE FALSE;\n"
			   "INSERT INTO streamlua_progress SELECT * FROM streamlua_progress WHERE FALSE;\n"
			   "INSERT INTO streamlua_dead_letters SELECT * FROM streamlua_dead_letters WHERE FALSE;\n"
			   "REPLACE INTO streamlua_parked SELECT * FROM streamlua_parked WHERE FALSE";

static int try_tables(struct mysql_sink *own, struct mysql_blocking *connection, struct error *err)
{
	struct mysql_failure failure;

	if (mysql_blocking_run(connection, SLICE(uses), NULL, NULL, &failure) == 0)
		return 0;
	return say_where(&own->options, &failure, "the tables of streamlua cannot be used",
			 "; GRANT the user CREATE on the database, or make the tables as another user and GRANT SELECT, INSERT and UPDATE "
			 "on streamlua_progress, SELECT, INSERT and DELETE on streamlua_dead_letters and streamlua_parked",
			 err);
}

/* Whether there is nothing to make and nothing to add, as at every start but the first: one round trip instead of a dozen. */
static bool has_tables(struct mysql_blocking *connection)
{
	struct mysql_failure failure;
	struct buf text = BUF_INIT;
	bool has;

	for (const struct sql_addition *add = sql_additions(SQL_MYSQL); add->table; add++)
		buf_printf(&text, "SELECT %s FROM %s WHERE FALSE;\n", add->column, add->table);
	buf_text(&text, "SELECT `key` FROM streamlua_state WHERE FALSE;\n");
	buf_slice(&text, SLICE(uses));
	has = mysql_blocking_run(connection, buf_view(&text), NULL, NULL, &failure) == 0;
	buf_free(&text);
	return has;
}

static int sink_open(struct sink *sink, struct error *err)
{
	struct mysql_sink *own = self(sink);
	struct mysql_failure failure;
	struct mysql_blocking *connection = mysql_blocking_open(&own->options, &failure);
	int result = 0;

	if (!connection)
		return say_where(&own->options, &failure, "cannot connect", mysql_errors_advice(&failure), err);
	if (!has_tables(connection)) {
		result = add_columns(own, connection, err);
		if (result == 0)
			result = make_tables(own, connection, err);
		if (result == 0)
			result = try_tables(own, connection, err);
	}
	mysql_schema_give(own->schema, connection);
	return result;
}

static int sink_look(struct sink *sink, struct error *err)
{
	struct mysql_sink *own = self(sink);
	struct mysql_failure failure;
	struct mysql_blocking *connection = mysql_blocking_open(&own->options, &failure);

	if (!connection)
		return say_where(&own->options, &failure, "cannot connect", mysql_errors_advice(&failure), err);
	mysql_schema_give(own->schema, connection);
	return 0;
}

/* Another run of the job may be in the middle of a transaction, and the two may lock each other out: then once more, on a new connection. */
static int sink_reset(struct sink *sink, bool state, struct error *err)
{
	enum { TRIES = 5 };
	struct mysql_sink *own = self(sink);
	struct mysql_failure failure;
	struct buf text = BUF_INIT;
	int result = -1;

	mysql_progress_reset(&text, own->job, state);
	for (int i = 0; result < 0 && i < TRIES && (i == 0 || mysql_errors_kind(&failure) == MYSQL_BUSY); i++) {
		struct mysql_blocking *connection = mysql_blocking_open(&own->options, &failure);

		if (connection)
			result = mysql_blocking_run(connection, buf_view(&text), NULL, NULL, &failure);
		mysql_blocking_close(connection);
	}
	if (result < 0)
		say_where(&own->options, &failure, "the progress cannot be moved", mysql_errors_advice(&failure), err);
	buf_free(&text);
	return result;
}

struct rows_to {
	void (*row)(void *ctx, const struct slice *cells, unsigned count);
	void *ctx;
};

static void on_query_row(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	const struct rows_to *to = ctx;

	(void)statement;
	if (to->row)
		to->row(to->ctx, cells, count);
}

static int sink_query(struct sink *sink, struct slice statements, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx,
		      struct error *err)
{
	struct mysql_sink *own = self(sink);
	struct mysql_failure failure;
	struct mysql_blocking *connection = mysql_blocking_open(&own->options, &failure);
	struct rows_to to = { row, ctx };
	struct buf text = BUF_INIT;
	int result;

	if (!connection)
		return say_where(&own->options, &failure, "cannot connect", mysql_errors_advice(&failure), err);
	buf_text(&text, "BEGIN;\n");
	buf_slice(&text, statements);
	buf_text(&text, "COMMIT");
	result = mysql_blocking_run(connection, buf_view(&text), on_query_row, &to, &failure);
	if (result < 0)
		say_where(&own->options, &failure, "the tables of streamlua cannot be used", mysql_errors_advice(&failure), err);
	buf_free(&text);
	mysql_blocking_close(connection);
	return result;
}

static int sink_describe(struct sink *sink, struct target *target, struct error *err)
{
	return mysql_schema_describe(self(sink)->schema, target, err);
}

static void sink_ask_schema(struct sink *sink, void (*done)(void *ctx, bool read), void *ctx)
{
	mysql_schema_ask(self(sink)->schema, done, ctx);
}

static void sink_take_over(struct sink *sink, struct takeover *takeover)
{
	mysql_takeover_add(self(sink)->control, takeover);
}

static void sink_recall(struct sink *sink, struct recall *recall)
{
	mysql_recall_run(self(sink)->recall, recall);
}

static void sink_commit(struct sink *sink, struct tx *tx)
{
	BUG_IF(tx->lane < 0 || tx->lane >= sink->lanes);
	mysql_lane_commit(self(sink)->lanes[tx->lane], tx);
}

static void sink_load_state(struct sink *sink, struct state_load *load)
{
	mysql_state_load(self(sink)->state, load);
}

static const char *sink_problem(struct sink *sink)
{
	const char *problem = NULL;

	for (int32_t i = 0; !problem && i < sink->lanes; i++)
		problem = mysql_lane_problem(self(sink)->lanes[i]);
	return problem;
}

static void sink_show(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	struct mysql_sink *own = self(sink);
	size_t start = 0;

	batch_build(&own->batch, tx);
	sql_text_clear(&own->shown);
	sql_transaction(&own->shown, SQL_MYSQL, own->job, tx, &own->batch);
	for (size_t i = 0; i < own->shown.count; start = own->shown.ends[i++]) {
		struct slice text = { own->shown.text.p + start, own->shown.ends[i] - start };

		/* Progress is bytes and numbers that say nothing to a person. */
		if (own->shown.parts[i] == SQL_PROGRESS || own->shown.parts[i] == SQL_GUARD || own->shown.parts[i] == SQL_PARKED)
			continue;
		while (text.n && text.p[text.n - 1] == '\n')
			text.n--;
		line(ctx, text);
	}
}

static const struct sink_ops ops = {
	.name = "mysql",
	.transactional = true,
	.open = sink_open,
	.look = sink_look,
	.reset = sink_reset,
	.query = sink_query,
	.describe = sink_describe,
	.ask_schema = sink_ask_schema,
	.take_over = sink_take_over,
	.commit = sink_commit,
	.recall = sink_recall,
	.load_state = sink_load_state,
	.problem = sink_problem,
	.show = sink_show,
	.close = sink_close,
};
