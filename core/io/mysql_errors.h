/* What an error of the database means for the transaction that met it. */
#ifndef IO_MYSQL_ERRORS_H
#define IO_MYSQL_ERRORS_H

#include "base/error.h"
#include "io/mysql_client.h"

enum mysql_kind {
	MYSQL_UNKNOWN,   /* in no list: tried again, and logged */
	MYSQL_BUSY,      /* the same again, on this connection */
	MYSQL_ELSEWHERE, /* the same again, on a new connection: this server is going, or may not be written to any more */
	MYSQL_DUPLICATE, /* a unique value is another row's */
	MYSQL_REFUSED,   /* the values are at fault */
	MYSQL_FAILED,    /* only a change of the job, the schema or the privileges helps */
};

enum mysql_kind mysql_errors_kind(const struct mysql_failure *failure);

/* The server is away or busy: what could not be begun may be later, without anybody's help. */
bool mysql_errors_passing(const struct mysql_failure *failure);

/* "text (error 1062, SQLSTATE 23000)", and whether it is passing; returns -1. err is not NULL. */
int mysql_errors_say(const struct mysql_failure *failure, struct error *err);

/* What a person can do about an error of connecting, as a sentence's end; "" where nothing comes to mind. */
const char *mysql_errors_advice(const struct mysql_failure *failure);

#endif
