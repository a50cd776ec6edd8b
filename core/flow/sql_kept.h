/* Statements on streamlua_state and streamlua_progress for commands; each ends in ";\n". */
#ifndef FLOW_SQL_KEPT_H
#define FLOW_SQL_KEPT_H

#include "flow/sql.h"

/* script, map, key, version of a row that a version above this one has written; none where there is none. */
void sql_kept_newer(struct buf *out, enum sql_dialect dialect, const char *job, struct slice script, int32_t version);

/* script_version of each set of scripts that wrote some of the job's progress last. */
void sql_kept_writers(struct buf *out, enum sql_dialect dialect, const char *job);

/* topic, partition, next_offset of each partition; next_offset is negative where the job begins it anew (--from). */
void sql_kept_progress(struct buf *out, enum sql_dialect dialect, const char *job);

/* Rows of a script: all, or those of a key. */
struct kept_rows {
	const char *job;
	struct slice script;
	const struct slice *keys;          /* of one of these; with the state of a key go the entries of its maps */
	size_t key_count;                  /* 0: of all */
	struct slice after_map, after_key; /* behind this one; after_key is empty at first */
};

enum { KEPT_MAP, KEPT_KEY, KEPT_VALUE, KEPT_TIMERS, KEPT_DUE, KEPT_WAKE, KEPT_VERSION, KEPT_TOPIC, KEPT_PARTITION, KEPT_UPDATED, KEPT_COLUMNS };

/* The next of them, by map and key: the first `most` rows of the answer, which may have more. */
void sql_kept_select(struct buf *out, enum sql_dialect dialect, const struct kept_rows *rows, unsigned most);
/* One row: how many they are. */
void sql_kept_count(struct buf *out, enum sql_dialect dialect, const struct kept_rows *rows);
/* Deletes them, and tells how many they were. Workers of the job that have them at hand cannot write any more, and begin anew. */
void sql_kept_delete(struct buf *out, enum sql_dialect dialect, const struct kept_rows *rows);

#endif
