/* One connection, driven by the loop: connect, run a text of statements, close. What this file needs of the client library are its
 * non-blocking calls, which no two libraries have by the same names: io/mysql_call.h. */
#ifndef IO_MYSQL_CLIENT_H
#define IO_MYSQL_CLIENT_H

#include <event2/event.h>
#include <stdbool.h>

#include "base/slice.h"

struct mysql_options; /* io/mysql.h */
struct mysql_client;

/* What went wrong, as the server or the library says it. */
struct mysql_failure {
	unsigned number; /* of the server, or from 2000 of the library */
	char sqlstate[6];
	char text[512];
	size_t statement; /* the first of the text that failed; those before it were done */
	bool lost;        /* the connection is gone: what was on its way has an unknown end */
};

/* cells are lent; p is NULL for NULL. May be called from within mysql_client_run. */
typedef void mysql_client_row(void *ctx, size_t statement, const struct slice *cells, unsigned count);
/* failure is NULL where all went well; lent. Never called from within mysql_client_connect or mysql_client_run. The client may
 * be used for the next thing, or freed, within it. */
typedef void mysql_client_done(void *ctx, const struct mysql_failure *failure);

/* options are borrowed for as long as the client lives, and are complete: no defaults are left in them. */
struct mysql_client *mysql_client_new(struct event_base *loop, const struct mysql_options *options);
void mysql_client_free(struct mysql_client *client); /* done is not called any more; harmless on NULL */

/* Ends the connection if there is one, and makes a new one. */
void mysql_client_connect(struct mysql_client *client, mysql_client_done *done, void *ctx);
/* Runs the statements of text, which stays lent until done. One at a time. row may be NULL. */
void mysql_client_run(struct mysql_client *client, struct slice text, mysql_client_row *row, mysql_client_done *done, void *ctx);

/* Connected, nothing on its way, and the server has not ended it meanwhile. */
bool mysql_client_usable(const struct mysql_client *client);
/* Ends the connection without a word to done; a transaction on its way is rolled back by the server. */
void mysql_client_drop(struct mysql_client *client);

#endif
