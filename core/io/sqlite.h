/* A SQLite file as the target: rows, dead letters and progress in one transaction of one file. Calls block for as long as the disk
 * takes; a file that another process writes to is waited for on the loop. */
#ifndef IO_SQLITE_H
#define IO_SQLITE_H

#include <event2/event.h>

#include "flow/sink.h"

/* Strings are copied. One lane: SQLite has one writer at a time. NULL with err. */
struct sink *sqlite_new(struct event_base *loop, const char *path, const char *job, struct error *err);

#endif
