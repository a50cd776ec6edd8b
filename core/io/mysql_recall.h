/* Reads what is parked back, on a connection of its own that is made when it is first needed. */
#ifndef IO_MYSQL_RECALL_H
#define IO_MYSQL_RECALL_H

#include <event2/event.h>

#include "flow/sink.h"

struct mysql_options; /* io/mysql.h */
struct mysql_recall;

/* Everything is borrowed for as long as it lives. */
struct mysql_recall *mysql_recall_new(struct event_base *loop, const struct mysql_options *options, const char *job);
void mysql_recall_free(struct mysql_recall *recall); /* done is not called any more; harmless on NULL */
/* sink_ops.recall. Where the server is away it is told as an error, after a while. */
void mysql_recall_run(struct mysql_recall *recall, struct recall *request);

#endif
