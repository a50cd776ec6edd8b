/* What sql.c puts a transaction together from. */
#ifndef FLOW_SQL_PARTS_H
#define FLOW_SQL_PARTS_H

#include "flow/sql.h"

/* A statement has been written to sql->text. */
void sql_text_end(struct sql_text *sql, enum sql_part part);

void sql_rows_write(struct sql_text *sql, enum sql_dialect dialect, const struct batch_table *table);

/* Each begins after a separator of its own; the guard that ends progress needs what no other statement may stand between. */
void sql_progress_write(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx);
void sql_progress_dead_letters(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx);

#endif
