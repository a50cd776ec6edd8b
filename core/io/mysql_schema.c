#include "io/mysql_schema.h"

#include <stdlib.h>

#include "io/mysql.h"
#include "io/mysql_blocking.h"
#include "io/mysql_errors.h"
#include "io/mysql_tables.h"

/* One that scripts write to: what is known of it, and for how long. */
struct database {
	struct database *next;
	struct mysql_tables *tables; /* NULL: it is to be read */
	struct mysql_tables *fresh;  /* what is being read of it meanwhile */
	char name[];
};

/* A worker that looks at the schema again while it runs must not stand still for so long that it is taken for dead. */
enum { AGAIN_CONNECT_TIMEOUT_MS = 1500, AGAIN_READ_TIMEOUT_MS = 2500 };

struct mysql_schema {
	const struct mysql_options *options; /* `again` once it has been read */
	struct mysql_options again;
	struct event *forget; /* active as soon as something is kept */
	struct mysql_blocking *connection;
	struct database *databases;
	struct buf text;

	/* Asking without standing still. */
	struct mysql_session session;
	struct buf question;
	struct database *asked; /* the one at hand */
	void (*done)(void *ctx, bool read);
	void *ctx;
};

static void forget(struct mysql_schema *schema)
{
	for (struct database *database = schema->databases; database; database = database->next) {
		mysql_tables_free(database->tables);
		database->tables = NULL;
	}
	mysql_blocking_close(schema->connection);
	schema->connection = NULL;
}

static void on_forget(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	forget(ctx);
}

static void forget_soon(struct mysql_schema *schema)
{
	struct timeval now = { 0 };

	evtimer_add(schema->forget, &now);
}

struct mysql_schema *mysql_schema_new(struct event_base *loop, const struct mysql_options *options)
{
	struct mysql_schema *schema = calloc(1, sizeof *schema);

	BUG_IF(!schema);
	schema->options = options;
	schema->again = *options;
	if (schema->again.connect_timeout_ms > AGAIN_CONNECT_TIMEOUT_MS)
		schema->again.connect_timeout_ms = AGAIN_CONNECT_TIMEOUT_MS;
	if (schema->again.read_timeout_ms > AGAIN_READ_TIMEOUT_MS)
		schema->again.read_timeout_ms = AGAIN_READ_TIMEOUT_MS;
	schema->forget = evtimer_new(loop, on_forget, schema);
	BUG_IF(!schema->forget);
	mysql_session_init(&schema->session, loop, options);
	return schema;
}

void mysql_schema_free(struct mysql_schema *schema)
{
	if (!schema)
		return;
	forget(schema);
	while (schema->databases) {
		struct database *database = schema->databases;

		schema->databases = database->next;
		mysql_tables_free(database->fresh);
		free(database);
	}
	event_free(schema->forget);
	mysql_session_deinit(&schema->session);
	buf_free(&schema->question);
	buf_free(&schema->text);
	free(schema);
}

void mysql_schema_give(struct mysql_schema *schema, struct mysql_blocking *connection)
{
	mysql_blocking_close(schema->connection);
	schema->connection = connection;
	forget_soon(schema);
}

static struct database *get_database(struct mysql_schema *schema, struct slice name)
{
	struct database *database;

	for (database = schema->databases; database; database = database->next)
		if (slice_is(name, database->name))
			return database;
	database = calloc(1, sizeof *database + name.n + 1);
	BUG_IF(!database);
	memcpy(database->name, name.p, name.n);
	database->next = schema->databases;
	return schema->databases = database;
}

/* ---- while everything waits ---- */

static int read_with(struct mysql_schema *schema, struct mysql_tables *tables, struct mysql_failure *failure)
{
	struct mysql_failure unanswered;

	buf_clear(&schema->text);
	mysql_tables_ask(tables, mysql_blocking_session(schema->connection), &schema->text);
	if (mysql_blocking_run(schema->connection, buf_view(&schema->text), mysql_tables_row, tables, failure) < 0)
		return -1;
	buf_clear(&schema->text);
	if (mysql_tables_ask_padding(tables, &schema->text))
		mysql_blocking_run(schema->connection, buf_view(&schema->text), mysql_tables_padding, tables, &unanswered);
	return 0;
}

static int read_now(struct mysql_schema *schema, struct database *database, struct error *err)
{
	struct mysql_failure failure;

	forget_soon(schema);
	/* Once more on a new connection: the one that was kept may have ended long ago. */
	for (int try = 0; try < 2; try++) {
		if (!schema->connection)
			schema->connection = mysql_blocking_open(schema->options, &failure);
		if (schema->connection) {
			database->tables = mysql_tables_new(slice_of(database->name));
			if (read_with(schema, database->tables, &failure) == 0) {
				schema->options = &schema->again;
				return 0;
			}
		}
		forget(schema);
		if (!failure.lost)
			break;
	}
	mysql_errors_say(&failure, err);
	error_prefix(err, "%s: the schema of `%s` cannot be read", schema->options->flavour, database->name);
	return -1;
}

int mysql_schema_describe(struct mysql_schema *schema, struct target *target, struct error *err)
{
	const char *dot = memchr(target->name.p, '.', target->name.n);
	struct slice name = slice_of(schema->options->database), table = target->name;
	struct database *database;

	if (dot) {
		name = (struct slice){ table.p, (size_t)(dot - table.p) };
		table = (struct slice){ dot + 1, table.n - name.n - 1 };
	}
	*target = (struct target){ .name = target->name, .id = target->id, .arena = target->arena };
	database = get_database(schema, name);
	target->unanswered = !database->tables && read_now(schema, database, err) < 0;
	return target->unanswered ? -1 : mysql_tables_describe(database->tables, table, target, err);
}

/* ---- while events flow ---- */

static void ask_next(struct mysql_schema *schema);

static void end(struct mysql_schema *schema, bool read)
{
	void (*done)(void *ctx, bool read) = schema->done;

	mysql_client_drop(schema->session.client);
	if (read)
		forget(schema);
	for (struct database *database = schema->databases; database; database = database->next) {
		if (read)
			database->tables = database->fresh;
		else
			mysql_tables_free(database->fresh);
		database->fresh = NULL;
	}
	schema->done = NULL;
	done(schema->ctx, read);
	forget(schema);
}

static void on_padded(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_schema *schema = ctx;

	if (failure && failure->lost) {
		end(schema, false);
		return;
	}
	schema->asked = schema->asked->next;
	ask_next(schema);
}

static void on_padding(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	mysql_tables_padding(((struct mysql_schema *)ctx)->asked->fresh, statement, cells, count);
}

static void on_read(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_schema *schema = ctx;

	buf_clear(&schema->question);
	if (failure)
		end(schema, false);
	else if (mysql_tables_ask_padding(schema->asked->fresh, &schema->question))
		mysql_client_run(schema->session.client, buf_view(&schema->question), on_padding, on_padded, schema);
	else
		on_padded(schema, NULL);
}

static void on_row(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	mysql_tables_row(((struct mysql_schema *)ctx)->asked->fresh, statement, cells, count);
}

static void ask_next(struct mysql_schema *schema)
{
	struct database *database = schema->asked;

	if (!database) {
		end(schema, true);
		return;
	}
	database->fresh = mysql_tables_new(slice_of(database->name));
	buf_clear(&schema->question);
	mysql_tables_ask(database->fresh, &schema->session, &schema->question);
	mysql_client_run(schema->session.client, buf_view(&schema->question), on_row, on_read, schema);
}

static void on_open(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_schema *schema = ctx;

	schema->asked = schema->databases;
	if (failure)
		end(schema, false);
	else
		ask_next(schema);
}

void mysql_schema_ask(struct mysql_schema *schema, void (*done)(void *ctx, bool read), void *ctx)
{
	BUG_IF(schema->done);
	schema->done = done;
	schema->ctx = ctx;
	mysql_session_open(&schema->session, on_open, schema);
}
