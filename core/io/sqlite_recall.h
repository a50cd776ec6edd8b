/* Reads our own tables: what is parked, for the flow; anything, for a command. */
#ifndef IO_SQLITE_RECALL_H
#define IO_SQLITE_RECALL_H

#include <sqlite3.h>

#include "flow/sink.h"

/* sink_ops.query. Returns SQLite's code. */
int sqlite_query_run(sqlite3 *db, const char *statements, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx);

/* Tells the request its messages, at once. Returns SQLite's code; SQLITE_OK: all are told, done is the caller's to call. */
int sqlite_recall_run(sqlite3 *db, const char *job, struct recall *request);

#endif
