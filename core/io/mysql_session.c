#include "io/mysql_session.h"

#include <event2/util.h>
#include <stdlib.h>
#include <strings.h>

#include "base/error.h"
#include "io/mysql.h"

enum { STANDBACK_FIRST_MS = 50, STANDBACK_MOST_MS = 5000 };

/* What every server has. NO_AUTO_VALUE_ON_ZERO: a row whose id is 0 at its source has it here too. Zero dates are written as
 * they came (no NO_ZERO_DATE); backslash is the escape of strings (no NO_BACKSLASH_ESCAPES, which sql.h is told). */
#define SETTINGS                                                                                                                                     \
	"SET NAMES utf8mb4;\n"                                                                                                                       \
	"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;\n"                                                                                  \
	"SET autocommit = 1, time_zone = '+00:00', foreign_key_checks = 0, unique_checks = 1, "                                                      \
	"sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION';\n"

/* What only some have: set where the server lists it. */
static const struct setting {
	const char *name, *value; /* NULL: only read, or worked out */
} settings[] = {
	{ "version", NULL },
	{ "max_allowed_packet", NULL },
	{ "lower_case_table_names", NULL },
	/* A worker that vanished must not keep its locks for the eight hours of the default. */
	{ "wait_timeout", "600" },
	{ "idle_transaction_timeout", "60" },
	{ "tidb_idle_transaction_timeout", "60" },
	/* Galera: progress is read back on a node that has caught up. */
	{ "wsrep_sync_wait", "1" },
	{ "tidb_txn_mode", "'pessimistic'" },
	/* A duplicate is told by the statement that makes it, not by COMMIT. */
	{ "tidb_constraint_check_in_place_pessimistic", "1" },
	{ "allow_auto_random_explicit_insert", "1" },
	{ "innodb_lock_wait_timeout", NULL },
	{ "lock_wait_timeout", NULL }, /* of metadata: a table that is being altered */
};

void mysql_session_init(struct mysql_session *session, struct event_base *loop, const struct mysql_options *options)
{
	*session = (struct mysql_session){ .client = mysql_client_new(loop, options), .options = options };
}

void mysql_session_deinit(struct mysql_session *session)
{
	mysql_client_free(session->client);
	buf_free(&session->question);
	buf_free(&session->settings);
}

bool mysql_session_usable(const struct mysql_session *session)
{
	return session->ready && mysql_client_usable(session->client);
}

int mysql_session_standback_ms(unsigned failures)
{
	unsigned doublings = failures < 8 ? failures - (failures > 0) : 7;
	int most = STANDBACK_FIRST_MS << doublings, random;

	if (most > STANDBACK_MOST_MS)
		most = STANDBACK_MOST_MS;
	evutil_secure_rng_get_bytes(&random, sizeof random);
	return most / 2 + (int)((unsigned)random % (unsigned)(most / 2 + 1));
}

static void set(struct mysql_session *session, struct slice name, const char *value)
{
	buf_printf(&session->settings, "%s%.*s = %s", session->settings.n ? ", " : "SET ", SLICE_ARG(name), value);
}

static void on_variable(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct mysql_session *session = ctx;
	char value[32];

	(void)statement;
	BUG_IF(count != 2);
	snprintf(value, sizeof value, "%.*s", SLICE_ARG(cells[1]));
	if (slice_is(cells[0], "version"))
		session->is_mariadb = memmem(cells[1].p, cells[1].n, "MariaDB", 7) != NULL;
	else if (slice_is(cells[0], "max_allowed_packet"))
		session->packet_most = strtoull(value, NULL, 10);
	else if (slice_is(cells[0], "lower_case_table_names"))
		session->folds_names = value[0] != '0';
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (settings[i].value && slice_is(cells[0], settings[i].name))
			set(session, cells[0], settings[i].value);
	if (slice_is(cells[0], "innodb_lock_wait_timeout") || slice_is(cells[0], "lock_wait_timeout")) {
		/* A lock that is waited for in vain is an error before the silence makes the server count as lost. */
		int limit_s = session->options->read_timeout_ms / 1000 * 3 / 4;

		snprintf(value, sizeof value, "%d", limit_s < 1 ? 1 : limit_s > 50 ? 50 : limit_s);
		set(session, cells[0], value);
	}
}

static void tell(struct mysql_session *session, const struct mysql_failure *failure)
{
	session->ready = !failure;
	if (failure)
		mysql_client_drop(session->client);
	session->done(session->ctx, failure);
}

static void on_set(void *ctx, const struct mysql_failure *failure)
{
	tell(ctx, failure);
}

static void on_asked(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_session *session = ctx;

	if (failure || session->settings.n == 0)
		tell(session, failure);
	else
		mysql_client_run(session->client, buf_view(&session->settings), NULL, on_set, session);
}

static void on_connected(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_session *session = ctx;

	if (failure) {
		tell(session, failure);
		return;
	}
	buf_clear(&session->settings);
	buf_clear(&session->question);
	buf_text(&session->question, SETTINGS "SHOW VARIABLES WHERE Variable_name IN (");
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		buf_printf(&session->question, "%s'%s'", i ? ", " : "", settings[i].name);
	buf_text(&session->question, ")");
	mysql_client_run(session->client, buf_view(&session->question), on_variable, on_asked, session);
}

void mysql_session_open(struct mysql_session *session, mysql_client_done *done, void *ctx)
{
	session->ready = false;
	session->done = done;
	session->ctx = ctx;
	session->packet_most = 1 << 20; /* the least default of any server, until this one says */
	mysql_client_connect(session->client, on_connected, session);
}
