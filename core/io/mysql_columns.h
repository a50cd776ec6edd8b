/* What a row of information_schema.columns says, in the words of flow/target.h. */
#ifndef IO_MYSQL_COLUMNS_H
#define IO_MYSQL_COLUMNS_H

#include "base/buf.h"
#include "flow/target.h"

/* The columns of information_schema that are read, in this order: what MySQL, MariaDB and TiDB all have. */
#define MYSQL_COLUMNS_SELECT                                                                                                                         \
	"TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, CHARACTER_MAXIMUM_LENGTH, "                            \
	"NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, COLLATION_NAME"
enum { MYSQL_COLUMNS_COUNT = 12, MYSQL_COLUMNS_TABLE = 0, MYSQL_COLUMNS_COLLATION = 11 };

/* The cells of one row as a column; text is copied into the arena. `pads` is set for CHAR only: for the others their collation
 * tells (mysql_columns_ask_padding). */
struct target_column mysql_columns_read(const struct slice *cells, bool is_mariadb, struct arena *arena);

/* Whether equal and equal byte for byte are the same in this collation, trailing spaces apart: it goes by its name. */
bool mysql_columns_is_bytewise(struct slice collation);

/* Adds to out a SELECT of the collation's name and whether 'a' = 'a ' in it. The server is asked because the name does not tell:
 * in a TiDB without its newer collations, utf8mb4_bin does not pad. */
void mysql_columns_ask_padding(struct buf *out, struct slice collation);

#endif
