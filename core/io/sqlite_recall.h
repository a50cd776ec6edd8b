/* Reads what is parked back. */
#ifndef IO_SQLITE_RECALL_H
#define IO_SQLITE_RECALL_H

#include <sqlite3.h>

#include "flow/sink.h"

/* Tells the request its messages, at once. Returns SQLite's code; SQLITE_OK: all are told, done is the caller's to call. */
int sqlite_recall_run(sqlite3 *db, const char *job, struct recall *request);

#endif
