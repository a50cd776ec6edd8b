/* A look into a SQLite file that another process writes to. */
#ifndef IO_SQLITE_READ_H
#define IO_SQLITE_READ_H

#include "base/error.h"

struct sqlite_read;

struct sqlite_read *sqlite_read_open(const char *path, struct error *err); /* NULL with err */
/* Runs statements; temporary tables are all that they can change. row (may be NULL) gets each row of their answers as text, NULL where
 * it is NULL, lent. It returns 0 to go on. */
int sqlite_read_run(struct sqlite_read *db, const char *sql, int (*row)(void *ctx, int count, char **cells, char **names), void *ctx,
		    struct error *err);
void sqlite_read_close(struct sqlite_read *db); /* NULL is harmless */

#endif
