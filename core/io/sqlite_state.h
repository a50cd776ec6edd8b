/* Answers from streamlua_state, at once: reading a file of one's own machine takes no longer than asking. */
#ifndef IO_SQLITE_STATE_H
#define IO_SQLITE_STATE_H

#include <event2/event.h>
#include <sqlite3.h>

#include "flow/sink.h"

struct sqlite_state;

struct sqlite_state *sqlite_state_new(struct event_base *loop, const char *job); /* job is borrowed */
void sqlite_state_free(struct sqlite_state *state);                              /* a question that waits is forgotten */
/* One at a time. Where it cannot be answered now (a lock of somebody else's) it is asked again until it can. */
void sqlite_state_load(struct sqlite_state *state, sqlite3 *db, struct state_load *load);

#endif
