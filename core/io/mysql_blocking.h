/* A connection whose answers are waited for: for what is done before the loop runs, or between its turns. */
#ifndef IO_MYSQL_BLOCKING_H
#define IO_MYSQL_BLOCKING_H

#include "io/mysql_session.h"

struct mysql_blocking;

/* NULL with failure where there is no connection. */
struct mysql_blocking *mysql_blocking_open(const struct mysql_options *options, struct mysql_failure *failure);
void mysql_blocking_close(struct mysql_blocking *blocking); /* harmless on NULL */

/* Runs text to its end. -1: failure. */
int mysql_blocking_run(struct mysql_blocking *blocking, struct slice text, mysql_client_row *row, void *ctx, struct mysql_failure *failure);
const struct mysql_session *mysql_blocking_session(const struct mysql_blocking *blocking);

#endif
