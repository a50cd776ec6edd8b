/* Answers from streamlua_state, at once: reading a file of one's own machine takes no longer than asking. */
#ifndef IO_SQLITE_STATE_H
#define IO_SQLITE_STATE_H

#include <sqlite3.h>

#include "flow/sink.h"

/* SQLITE_OK where all rows were told. */
int sqlite_state_load(sqlite3 *db, const char *job, struct state_load *load);

#endif
