#include "run/from_db.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "io/mysql.h"
#include "io/sqlite.h"

/* A line of the terminal that it does not show. */
static int ask(struct database_url *url, struct error *err)
{
	struct termios shown, hidden;
	bool read;

	if (tcgetattr(STDIN_FILENO, &shown) < 0)
		return error_set(err, "--from-db: the terminal cannot hide a password: %s", strerror(errno));
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden); /* before it asks: what is typed by then is dropped */
	fprintf(stderr, "password of %s at %s: ", url->user, url->host);
	read = fgets(url->password, sizeof url->password, stdin) != NULL;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fputc('\n', stderr);
	if (!read)
		return error_set(err, "--from-db: no password was given");
	url->password[strcspn(url->password, "\n")] = 0;
	return 0;
}

static int find_password(struct database_url *url, struct error *err)
{
	const char *given = getenv(FROM_DB_PASSWORD);

	if (url->has_password)
		return 0;
	if (!given)
		return isatty(STDIN_FILENO) ? ask(url, err) : 0;
	if (strlen(given) >= sizeof url->password)
		return error_set(err, FROM_DB_PASSWORD " is too long");
	snprintf(url->password, sizeof url->password, "%s", given);
	return 0;
}

/* mysql://user:secret@host/db -> mysql://user:xxxxxx@host/db */
static void hide_password(char *address)
{
	char *end = strrchr(address, '@'), *place = strstr(address, "://"), *colon = place ? strchr(place + 3, ':') : NULL;

	for (char *p = colon && end ? colon + 1 : end; p < end; p++)
		*p = 'x';
}

int from_db_open(struct database_url *url, char *address, struct error *err)
{
	char path[sizeof url->database];
	int result = database_url_parse(url, address, err);

	hide_password(address);
	if (result < 0)
		return -1;
	if (strcmp(url->kind, "sqlite") != 0)
		return find_password(url, err);
	/* The job lies in a folder of its own. */
	if (!realpath(url->database, path))
		return error_set(err, "--from-db: %s: %s", url->database, strerror(errno));
	memcpy(url->database, path, sizeof path);
	return 0;
}

int from_db_read(const struct database_url *url, struct schema *schema, struct error *err)
{
	struct mysql_options options = { .flavour = url->kind,
					 .host = url->host,
					 .port = url->port,
					 .user = url->user,
					 .password = url->password,
					 .database = url->database,
					 .lanes = 1 };
	struct event_base *loop = event_base_new();
	struct sink *sink;
	int result = -1;

	BUG_IF(!loop);
	*schema = (struct schema){ 0 };
	sink = strcmp(url->kind, "sqlite") == 0 ? sqlite_new(loop, url->database, "new", err) : mysql_new(loop, &options, "new", err);
	if (sink && sink->ops->look(sink, err) == 0)
		result = schema_read(schema, sink, err);
	if (sink)
		sink->ops->close(sink);
	event_base_free(loop);
	return result < 0 ? error_prefix(err, "--from-db") : 0;
}
