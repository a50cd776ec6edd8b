/* A MariaDB of a test program's own, and a connection to look and meddle with. Run from the root of the repository. */
#ifndef SUPPORT_MARIADB_H
#define SUPPORT_MARIADB_H

#include <mysql.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mariadb {
	char dir[64];
	int port;
	MYSQL *admin; /* as root; may be NULL while the server is away */
};

static inline void mariadb_die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	abort();
}

static inline MYSQL *mariadb_login(const struct mariadb *db)
{
	MYSQL *made = mysql_init(NULL);

	if (!mysql_real_connect(made, "127.0.0.1", "root", "", NULL, (unsigned)db->port, NULL, CLIENT_MULTI_STATEMENTS))
		mariadb_die("connect", mysql_error(made));
	return made;
}

/* Starts it, or starts it again with what it held. */
static inline void mariadb_start(struct mariadb *db)
{
	char command[256], address[64] = "";
	FILE *out;

	if (!db->dir[0]) {
		snprintf(db->dir, sizeof db->dir, "/tmp/streamlua-mariadb-XXXXXX");
		if (!mkdtemp(db->dir))
			mariadb_die("mkdtemp", db->dir);
	}
	snprintf(command, sizeof command, "OWNER_PID=%d tests/support/mariadb.sh start %s", (int)getpid(), db->dir);
	out = popen(command, "r");
	if (!out || !fgets(address, sizeof address, out) || pclose(out) != 0 || !strchr(address, ':'))
		mariadb_die("mariadb.sh start", db->dir);
	db->port = atoi(strchr(address, ':') + 1);
	db->admin = mariadb_login(db);
}

static inline void mariadb_stop(struct mariadb *db)
{
	char command[256];

	mysql_close(db->admin);
	db->admin = NULL;
	snprintf(command, sizeof command, "tests/support/mariadb.sh stop %s", db->dir);
	if (system(command) != 0)
		mariadb_die("mariadb.sh stop", db->dir);
}

static inline void mariadb_remove(struct mariadb *db)
{
	char command[256];

	mariadb_stop(db);
	snprintf(command, sizeof command, "rm -rf %s", db->dir);
	if (system(command) != 0)
		mariadb_die("rm", db->dir);
}

/* Runs statements; any error ends the test. */
static inline void mariadb_run_on(MYSQL *connection, const char *format, va_list args)
{
	char text[8192];
	int more;

	vsnprintf(text, sizeof text, format, args);
	more = mysql_query(connection, text);
	while (more == 0) {
		mysql_free_result(mysql_store_result(connection));
		more = mysql_next_result(connection);
	}
	if (more > 0)
		mariadb_die(text, mysql_error(connection));
}

__attribute__((format(printf, 2, 3))) static inline void mariadb_on(MYSQL *connection, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	mariadb_run_on(connection, format, args);
	va_end(args);
}

__attribute__((format(printf, 2, 3))) static inline void mariadb_run(struct mariadb *db, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	mariadb_run_on(db->admin, format, args);
	va_end(args);
}

/* All cells of the answer in one text: "a b|c d", NULL as "NULL". Valid until the fourth next call. */
__attribute__((format(printf, 2, 3))) static inline const char *mariadb_ask(struct mariadb *db, const char *format, ...)
{
	static char answers[4][4096];
	static unsigned turn;
	char text[8192], *out = answers[turn++ % 4], *p = out;
	MYSQL_RES *result;
	MYSQL_ROW row;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (mysql_query(db->admin, text) != 0 || !(result = mysql_store_result(db->admin)))
		mariadb_die(text, mysql_error(db->admin));
	*p = 0;
	while ((row = mysql_fetch_row(result))) {
		if (p > out)
			*p++ = '|';
		for (unsigned i = 0; i < mysql_num_fields(result); i++)
			p += snprintf(p, (size_t)(out + sizeof answers[0] - p), "%s%s", i ? " " : "", row[i] ? row[i] : "NULL");
	}
	mysql_free_result(result);
	return out;
}

#endif
