/* The calls of the client library that take time, and its options: what differs between MariaDB's connector (mysql_call_mariadb.c)
 * and Oracle's libmysqlclient (mysql_call_oracle.c). The mysql.h that is found decides which of the two is compiled. */
#ifndef IO_MYSQL_CALL_H
#define IO_MYSQL_CALL_H

#include <mysql.h>
#include <stdbool.h>

#include "base/slice.h"

struct mysql_options; /* io/mysql.h */

enum mysql_call_kind { MYSQL_CALL_NONE, MYSQL_CALL_CONNECT, MYSQL_CALL_QUERY, MYSQL_CALL_RESULT, MYSQL_CALL_NEXT };

/* One call of a connection; kind is set by whoever begins it. */
struct mysql_call {
	enum mysql_call_kind kind;
	bool suspended;    /* begun, and waiting */
	bool sent;         /* QUERY: all of text is on its way */
	struct slice text; /* QUERY's; lent until it has ended */
	bool failed;       /* not said by RESULT: there it is the lack of rows where the answer has columns */
	bool more;         /* NEXT: there is another answer */
	MYSQL_RES *rows;   /* what RESULT gave; NULL where the answer has no columns */
	MYSQL *connection; /* scratch of CONNECT */
	int result;        /* scratch of QUERY and NEXT */
};

/* What a suspended call waits for. */
struct mysql_wait {
	int fd;       /* -1: nothing that could be watched */
	short events; /* EV_READ, EV_WRITE */
	int look_ms;  /* goes on after this time too, whatever the socket says; 0: only for events */
};

/* Between mysql_init and CONNECT. */
void mysql_call_prepare(MYSQL *mysql, const struct mysql_options *options);
/* Begins the call, or goes on with it. ready: of the events waited for, EV_TIMEOUT where the time allowed for them is over, after which
 * the call fails; 0 to look again. True once it has ended, otherwise wait says what for. */
bool mysql_call_go(struct mysql_call *call, MYSQL *mysql, const struct mysql_options *options, short ready, struct mysql_wait *wait);
/* Gives a suspended call up, on a socket that was shut down. Only mysql_close may follow. */
void mysql_call_abandon(struct mysql_call *call, MYSQL *mysql, const struct mysql_options *options);
/* -1 while there is none that could be used. */
int mysql_call_socket(MYSQL *mysql);

#endif
