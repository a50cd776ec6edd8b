/* Statements on streamlua_state for commands; each ends in ";\n". */
#ifndef FLOW_SQL_KEPT_H
#define FLOW_SQL_KEPT_H

#include "flow/sql.h"

/* script, map, key, version of a row that a version above this one has written; none where there is none. */
void sql_kept_newer(struct buf *out, enum sql_dialect dialect, const char *job, struct slice script, int32_t version);

#endif
