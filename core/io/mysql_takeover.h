/* Takes partitions over, one request after the other, on a connection of its own: until it works. */
#ifndef IO_MYSQL_TAKEOVER_H
#define IO_MYSQL_TAKEOVER_H

#include <event2/event.h>

#include "flow/sink.h"

struct mysql_options; /* io/mysql.h */
struct mysql_takeover;

/* Everything is borrowed for as long as it lives. lanes: progress rows are made for these. */
struct mysql_takeover *mysql_takeover_new(struct event_base *loop, const struct mysql_options *options, const char *job, int32_t lanes);
/* Requests that have not been answered are forgotten. Harmless on NULL. */
void mysql_takeover_free(struct mysql_takeover *control);
void mysql_takeover_add(struct mysql_takeover *control, struct takeover *takeover);

#endif
