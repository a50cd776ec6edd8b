/* The script that `streamlua new --from-db` writes for a table. */
#ifndef RUN_NEW_SCRIPT_H
#define RUN_NEW_SCRIPT_H

#include "base/buf.h"
#include "run/schema.h"

/* Appends it: all columns of the table, copied, and an example that passes. */
void new_script(struct buf *out, const struct schema_table *table);

#endif
