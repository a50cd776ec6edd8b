/* What sql.c puts a transaction together from. */
#ifndef FLOW_SQL_PARTS_H
#define FLOW_SQL_PARTS_H

#include "flow/sql.h"

/* A statement has been written to sql->text. */
void sql_text_end(struct sql_text *sql, enum sql_part part);

void sql_rows_write(struct sql_text *sql, enum sql_dialect dialect, const struct batch_table *table);

/* What a merged column of a row that is there becomes, as an expression. literal: with the value in it; otherwise with what the statement's row has. */
void sql_merge_put(struct buf *out, enum sql_dialect dialect, const struct target_column *column, const struct value *value, bool literal);
/* The expression holds the value in any case, so the row is no other's statement. */
bool sql_merge_is_alone(const struct target_column *column, const struct value *value);

/* Each begins after a separator of its own; the guard that ends progress needs what no other statement may stand between. */
void sql_progress_write(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx);
/* The guard of a table's updates that wait for their rows; nothing where there are none. */
void sql_parked_guard(struct sql_text *sql, enum sql_dialect dialect, const struct batch_table *table);
/* What is parked from now on, and what is not any more. */
void sql_parked_write(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx);
/* sql_keys.c. " WHERE key = ..." of a change's row. */
void sql_where_key(struct buf *out, enum sql_dialect dialect, const struct change *change);
/* A key column without a value (that is, of a row yet to be numbered by the database) is of no row that is there, as NULL is of none in a
 * primary key. */
bool sql_key_has_null(const struct change *change);
/* How many of these changes, one at least, one statement should name: sql_where_keys takes as many. */
size_t sql_keys_fit(const struct change *const *changes, size_t count);
/* " WHERE key IN (...)" of their rows. What they share but for the last column of the key is said once: of a list of rows MariaDB (10.11) compares each
 * with each row of the table, or takes long to see which ranges they are; of a list of values it looks each up. Of a list of one row it sees no key at
 * all, and reads and locks the whole table. */
void sql_where_keys(struct buf *out, enum sql_dialect dialect, const struct change *const *changes, size_t count);

/* sql_deletes.c; changes of one table, one at least. A change that takes nothing but what its script owns out of the row (sql_clears) is the same for
 * every row; where nobody else has anything in it (target_tells), the row goes. sql_sweep_write: behind another change that clears. */
void sql_deletes_write(struct sql_text *sql, enum sql_dialect dialect, const struct change *const *changes, size_t count);
bool sql_clears(const struct change *change);
void sql_clears_write(struct sql_text *sql, enum sql_dialect dialect, const struct change *const *changes, size_t count);
void sql_sweep_write(struct sql_text *sql, enum sql_dialect dialect, const struct change *change);

void sql_text_literal(struct buf *out, enum sql_dialect dialect, struct slice text);
void sql_bytes_literal(struct buf *out, struct slice bytes); /* NULL where p is NULL */
/* NULL where p is NULL; what is no UTF-8 becomes a question mark. */
void sql_any_text(struct buf *out, enum sql_dialect dialect, struct slice text, size_t most);
bool sql_is_elsewhere(const struct message *message); /* its own place is not that of its progress */
void sql_headers(struct buf *out, enum sql_dialect dialect, const struct message *message);

void sql_progress_dead_letters(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx);

#endif
