/* What a SQLite file says of its tables, in the terms of flow/target.h. */
#ifndef IO_SQLITE_SCHEMA_H
#define IO_SQLITE_SCHEMA_H

#include <sqlite3.h>

#include "flow/target.h"

/* What SQLite makes of a value by the words of its column's declared type ("Datatypes In SQLite", 3.1). */
enum sqlite_affinity { SQLITE_AFFINITY_INTEGER, SQLITE_AFFINITY_TEXT, SQLITE_AFFINITY_BLOB, SQLITE_AFFINITY_REAL, SQLITE_AFFINITY_NUMERIC };

enum sqlite_affinity sqlite_schema_affinity(struct slice declared);

/* -1: the schema cannot be read, or has a key of more columns than there is room for. */
int sqlite_schema_describe(sqlite3 *db, struct target *target, struct error *err);

#endif
