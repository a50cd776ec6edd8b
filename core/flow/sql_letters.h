/* Statements on streamlua_dead_letters for people (streamlua dead-letters); each ends in ";\n". A letter that is replayed is parked, as
 * if it waited for its row: whoever owns its partition takes it in. */
#ifndef FLOW_SQL_LETTERS_H
#define FLOW_SQL_LETTERS_H

#include "flow/sql.h"

/* id, topic, partition, offset, source_table, stage, error, at. */
void sql_letters_list(struct buf *out, enum sql_dialect dialect, const char *job);
/* id, job, topic, partition, offset, source_table, stage, error, script_version, key, value, headers, at. */
void sql_letters_show(struct buf *out, enum sql_dialect dialect, const char *job, int64_t id);
void sql_letters_drop(struct buf *out, enum sql_dialect dialect, const char *job, int64_t id);
void sql_letters_give_back(struct buf *out, enum sql_dialect dialect, const char *job, const int64_t *ids, size_t count);
/* topic, partition: of what was given back and is not taken in yet. */
void sql_letters_given(struct buf *out, enum sql_dialect dialect, const char *job);
/* topic, partition, offset of the messages of all that is parked. */
void sql_letters_waiting(struct buf *out, enum sql_dialect dialect, const char *job);

#endif
