/* A transaction as SQL text, in the words of one database. What is written is decided here and in batch.c, and is the
 * same for all of them; only the spelling differs. */
#ifndef FLOW_SQL_H
#define FLOW_SQL_H

#include "base/buf.h"
#include "flow/batch.h"
#include "flow/sink.h"

enum sql_dialect {
	SQL_MYSQL,               /* backslash escapes in strings (the default sql_mode) */
	SQL_MYSQL_NO_BACKSLASH,  /* NO_BACKSLASH_ESCAPES */
	SQL_SQLITE,
};

void sql_identifier(struct buf *out, struct slice name); /* `a``b`; "db.table" as `db`.`table` is sql_table's */
void sql_table(struct buf *out, struct slice name);
/* A literal for this column: numbers bare where the column is numeric, bytes as x'..', text quoted. */
void sql_value(struct buf *out, enum sql_dialect dialect, const struct value *value, const struct target_column *column);

#endif
