/* Makes an SQLite database from a script of SQL: for jobs that are to run without any database being set up. */
#ifndef IO_SQLITE_MAKE_H
#define IO_SQLITE_MAKE_H

#include "base/error.h"

/* -1 where the file cannot be made or the SQL is wrong. */
int sqlite_make(const char *path, const char *sql, struct error *err);

#endif
