/* The server that the job writes to: whether it answers, what it is, how it is set, what its clock says. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/doctor_private.h"

enum {
	PACKET_ENOUGH = 16 << 20, /* takes any message that a broker takes by default, in hexadecimal, many times over */
	CONNECTIONS_BESIDE = 4,   /* of a worker, beside its lanes: taking over, parked events, state, the schema */
	CLOCK_APART_MS = 2000,    /* what is more than a slow answer */
};

/* ---- MySQL's protocol ---- */

static const char *const asked[] = {
	"version",
	"version_comment",
	"max_allowed_packet",
	"read_only",
	"super_read_only",
	"tidb_super_read_only",
	"log_bin",
	"binlog_format",
	"max_connections",
	"transaction_isolation",
	"tx_isolation",
	"time_zone",
	"sql_mode",
	"max_user_connections",
	"Threads_connected",
};
enum { ASKED = sizeof asked / sizeof *asked };

struct variables {
	struct arena arena;
	const char *values[ASKED]; /* NULL: the server has none of this name */
};

static void take_variable(void *ctx, const struct slice *cells, unsigned count)
{
	struct variables *variables = ctx;

	BUG_IF(count != 2);
	for (size_t i = 0; i < ASKED; i++)
		if (slice_is(cells[0], asked[i]))
			variables->values[i] = arena_copy(&variables->arena, cells[1].p ? cells[1] : SLICE("")).p;
}

static const char *value(const struct variables *variables, const char *name)
{
	for (size_t i = 0; i < ASKED; i++)
		if (strcmp(asked[i], name) == 0)
			return variables->values[i] ? variables->values[i] : "";
	BUG_IF("not asked for");
	return NULL;
}

static int64_t amount(const struct variables *variables, const char *name)
{
	return atoll(value(variables, name));
}

static bool is_on(const struct variables *variables, const char *name)
{
	return strcasecmp(value(variables, name), "ON") == 0 || strcmp(value(variables, name), "1") == 0;
}

static void say_version(struct doctor *doctor, const struct variables *variables)
{
	const char *version = value(variables, "version"), *sink = job_sink_name(doctor->job);
	const char *is = strstr(version, "TiDB") ? "tidb" : strstr(version, "MariaDB") ? "mariadb" : "mysql";
	char change[100];

	snprintf(change, sizeof change, "write sl.sink.%s in job.lua", is);
	if (strcmp(is, sink) == 0)
		doctor_say(doctor, DOCTOR_OK, "server", NULL, NULL, "%s (%s)", version, value(variables, "version_comment"));
	else
		doctor_say(doctor, DOCTOR_WARN, "server", NULL, change,
			   "%s (%s), which is no %s: it works all the same, but messages say %s, and the default port is its", version,
			   value(variables, "version_comment"), sink, sink);
}

static void say_packet(struct doctor *doctor, const struct variables *variables)
{
	int64_t bytes = amount(variables, "max_allowed_packet");

	doctor->packet_bytes = bytes;
	if (bytes < PACKET_ENOUGH)
		doctor_say(doctor, DOCTOR_WARN, "variables", "max_allowed_packet",
			   "SET GLOBAL max_allowed_packet = 67108864 (and in the server's configuration)",
			   "%lld bytes: a row that is larger cannot be written", (long long)bytes);
	else
		doctor_say(doctor, DOCTOR_OK, "variables", "max_allowed_packet", NULL, "%lld bytes", (long long)bytes);
}

static void say_writable(struct doctor *doctor, const struct variables *variables)
{
	if (is_on(variables, "super_read_only") || is_on(variables, "tidb_super_read_only"))
		doctor_say(doctor, DOCTOR_FAIL, "variables", "super_read_only", "name the primary in job.lua, or set it OFF",
			   "nobody can write to this server");
	else if (is_on(variables, "read_only"))
		doctor_say(doctor, DOCTOR_WARN, "variables", "read_only", "name the primary in job.lua, or set it OFF",
			   "only privileged users can write to this server: is it a replica?");
	else
		doctor_say(doctor, DOCTOR_OK, "variables", "read_only", NULL, "OFF");
	if (is_on(variables, "log_bin") && strcasecmp(value(variables, "binlog_format"), "STATEMENT") == 0)
		doctor_say(doctor, DOCTOR_FAIL, "variables", "binlog_format", "SET GLOBAL binlog_format = 'ROW' (or MIXED)",
			   "STATEMENT: InnoDB refuses to write at READ COMMITTED, which streamlua's transactions have");
}

/* Set for each connection; a proxy between may lose it. */
static void say_session(struct doctor *doctor, const struct variables *variables)
{
	const char *isolation = value(variables, "transaction_isolation"), *zone = value(variables, "time_zone"),
		   *mode = value(variables, "sql_mode");

	if (!*isolation)
		isolation = value(variables, "tx_isolation");
	if (strcmp(isolation, "READ-COMMITTED") == 0 && strcmp(zone, "+00:00") == 0 && strstr(mode, "STRICT_TRANS_TABLES"))
		doctor_say(doctor, DOCTOR_OK, "variables", "session", NULL, "%s, time zone %s, sql_mode %s, whatever the server's are", isolation,
			   zone, mode);
	else
		doctor_say(doctor, DOCTOR_FAIL, "variables", "session", "connect to the database itself, or have the proxy keep what a session sets",
			   "READ-COMMITTED, +00:00 and STRICT_TRANS_TABLES were set, and it has %s, %s and %s", isolation, zone, mode);
}

static void say_connections(struct doctor *doctor, const struct variables *variables)
{
	int64_t workers = doctor->options->workers ? doctor->options->workers : 1, most = amount(variables, "max_connections");
	int64_t of_user = amount(variables, "max_user_connections"), taken = amount(variables, "Threads_connected") - 1; /* this one */
	int64_t needed = workers * (doctor->sink->lanes + CONNECTIONS_BESIDE);

	if (of_user > 0 && (most == 0 || of_user < most))
		most = of_user;
	if (most == 0) /* TiDB's word for no limit */
		doctor_say(doctor, DOCTOR_OK, "limits", "connections", NULL, "up to %lld are needed, and there is no limit", (long long)needed);
	else if (needed > most)
		doctor_say(doctor, DOCTOR_FAIL, "limits", "connections",
			   "raise max_connections or max_user_connections, or lower `lanes` of the sink",
			   "up to %lld are needed (workers x (lanes + %d)), and the server allows %lld", (long long)needed, CONNECTIONS_BESIDE,
			   (long long)most);
	else if (needed + taken > most)
		doctor_say(doctor, DOCTOR_WARN, "limits", "connections", "raise max_connections, or lower `lanes` of the sink",
			   "up to %lld are needed (workers x (lanes + %d)), and of %lld there are %lld left", (long long)needed, CONNECTIONS_BESIDE,
			   (long long)most, (long long)(most - taken));
	else
		doctor_say(doctor, DOCTOR_OK, "limits", "connections", NULL, "up to %lld are needed, and of %lld there are %lld left",
			   (long long)needed, (long long)most, (long long)(most - taken));
}

static void take_number(void *ctx, const struct slice *cells, unsigned count)
{
	BUG_IF(count != 1);
	*(int64_t *)ctx = doctor_number(cells[0]);
}

static void say_clock(struct doctor *doctor)
{
	struct buf text = BUF_INIT;
	struct error err;
	int64_t there = 0, before = clock_wall_ms(), apart;
	char span[32];

	buf_text(&text, "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED);\n");
	if (doctor_ask(doctor, &text, take_number, &there, &err) < 0) {
		doctor_say(doctor, DOCTOR_WARN, "clock", NULL, NULL, "the server does not tell its time: %s", err.text);
	} else {
		apart = there - (before + clock_wall_ms()) / 2;
		doctor_span(llabs(apart), span);
		if (llabs(apart) > CLOCK_APART_MS)
			doctor_say(doctor, DOCTOR_WARN, "clock", NULL, "let both machines follow NTP (chrony, systemd-timesyncd)",
				   "the database is %s %s: updated_at and at of streamlua's tables cannot be compared with the log", span,
				   apart > 0 ? "ahead" : "behind");
		else
			doctor_say(doctor, DOCTOR_OK, "clock", NULL, NULL, "%lld ms apart from the database's", llabs(apart));
	}
	buf_free(&text);
}

static void look_at_server(struct doctor *doctor)
{
	struct variables variables = { 0 };
	struct buf text = BUF_INIT;
	struct error err;

	buf_text(&text, "SHOW VARIABLES WHERE Variable_name IN (");
	for (size_t i = 0; i < ASKED; i++)
		buf_printf(&text, "%s'%s'", i ? ", " : "", asked[i]);
	buf_text(&text, ");\nSHOW GLOBAL STATUS LIKE 'Threads_connected';\n");
	if (doctor_ask(doctor, &text, take_variable, &variables, &err) < 0) {
		doctor_say(doctor, DOCTOR_FAIL, "variables", NULL, NULL, "they cannot be read: %s", err.text);
	} else {
		say_version(doctor, &variables);
		say_packet(doctor, &variables);
		say_writable(doctor, &variables);
		say_session(doctor, &variables);
		say_connections(doctor, &variables);
	}
	say_clock(doctor);
	buf_free(&text);
	arena_free(&variables.arena);
}

/* ---- SQLite ---- */

static void take_text(void *ctx, const struct slice *cells, unsigned count)
{
	BUG_IF(count != 1);
	buf_clear(ctx);
	buf_slice(ctx, cells[0]);
}

static void look_at_file(struct doctor *doctor)
{
	struct buf text = BUF_INIT, version = BUF_INIT;
	struct error err;
	char path[PATH_MAX], folder[PATH_MAX];

	job_resolve(doctor->job, job_text(doctor->job, "sink.path"), path);
	snprintf(folder, sizeof folder, "%s", path);
	dirname(folder);
	buf_text(&text, "SELECT sqlite_version();\n");
	if (doctor_ask(doctor, &text, take_text, &version, &err) < 0)
		doctor_say(doctor, DOCTOR_FAIL, "server", path, "name a SQLite file as `path` of the sink", "%s", err.text);
	else if (access(path, W_OK) != 0 || access(folder, W_OK) != 0)
		doctor_say(doctor, DOCTOR_FAIL, "server", path, "let the job's user write to the file and to its folder, where the journal stands",
			   "it cannot be written to");
	else
		doctor_say(doctor, DOCTOR_OK, "server", path, NULL, "SQLite %s, can be written to", buf_cstr(&version));
	buf_free(&text);
	buf_free(&version);
}

/* ---- any ---- */

void doctor_target(struct doctor *doctor)
{
	const char *kind = job_sink_name(doctor->job);
	struct error err = { .text = "" };
	struct sink *sink = job_sink(doctor->job, doctor->loop, &err);

	if (!sink || sink->ops->look(sink, &err) < 0) {
		doctor_say(doctor, DOCTOR_FAIL, "target", kind, "mend the job's sink, or start its server", "%s", err.text);
		if (sink)
			sink->ops->close(sink);
		return;
	}
	doctor->sink = sink;
	if (!sink->ops->query)
		doctor_say(doctor, DOCTOR_OK, "target", kind, NULL, "%s",
			   job_stays_in_kafka(doctor->job) ? "one Kafka: exactly once" : "no database: at least once");
	else if (doctor->dialect == SQL_SQLITE)
		look_at_file(doctor);
	else
		look_at_server(doctor);
}
