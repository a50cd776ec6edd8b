/* Taking partitions over in a SQLite file. */
#ifndef IO_SQLITE_TAKEOVER_H
#define IO_SQLITE_TAKEOVER_H

#include <sqlite3.h>

#include "flow/sink.h"

/* In one transaction: a larger epoch in all rows of each partition, missing rows made, and what they said before into loaded (one for
 * each partition, made in the arena). Returns SQLite's code; where that is not SQLITE_OK nothing has happened. */
int sqlite_takeover_run(sqlite3 *db, const char *job, const struct takeover *takeover, int32_t lanes, struct arena *arena,
			struct progress_loaded *loaded);

#endif
