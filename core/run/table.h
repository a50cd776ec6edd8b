/* Rows as a table for people: columns below their names, numbers to the right. */
#ifndef RUN_TABLE_H
#define RUN_TABLE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct table {
	struct slice *cells; /* row by row; the first row is the names. p is NULL for NULL */
	size_t count, columns;
	struct arena arena;
};

/* A row; all have as many cells as the first. cells are copied. */
void table_add(struct table *table, size_t columns, char *const *cells);
/* Appends its lines, each behind `indent`. */
void table_write(const struct table *table, const char *indent, struct buf *out);
void table_free(struct table *table);

#endif
