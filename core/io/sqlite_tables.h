/* The tables of our own in a SQLite file. */
#ifndef IO_SQLITE_TABLES_H
#define IO_SQLITE_TABLES_H

#include <sqlite3.h>

/* Makes those that are missing, and adds the columns that tables of an earlier version lack. SQLite's code. */
int sqlite_tables_make(sqlite3 *db);

#endif
