/* What "mysqlType" says of a table's columns. */
#ifndef FLOW_CANAL_TYPES_H
#define FLOW_CANAL_TYPES_H

#include "flow/known.h"

/* True where the table's columns were declared by this text (p is NULL: by none). */
bool canal_types_known(const struct known_table *table, struct slice types);
/* Declares the table's columns by this text, an object of names and types. Uses json_read. */
int canal_types_read(struct known_table *table, struct decoder *decoder, struct slice types, struct error *err);

#endif
