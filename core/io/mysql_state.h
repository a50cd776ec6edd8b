/* Answers from streamlua_state, on a connection of its own: one question at a time, until it is answered. */
#ifndef IO_MYSQL_STATE_H
#define IO_MYSQL_STATE_H

#include <event2/event.h>

#include "flow/sink.h"

struct mysql_options; /* io/mysql.h */
struct mysql_state;

/* Everything is borrowed for as long as it lives. */
struct mysql_state *mysql_state_new(struct event_base *loop, const struct mysql_options *options, const char *job);
void mysql_state_free(struct mysql_state *state); /* a question that waits is forgotten; harmless on NULL */
void mysql_state_load(struct mysql_state *state, struct state_load *load);

#endif
