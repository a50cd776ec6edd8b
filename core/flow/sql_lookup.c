/* Questions to the tables that scripts look rows up in. */
#include "flow/sql_parts.h"

static void names(struct buf *out, const struct look *look, const uint32_t *columns, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		buf_text(out, i ? ", " : "");
		sql_identifier(out, look->table->columns[columns[i]].name);
	}
}

static void key(struct buf *out, enum sql_dialect dialect, const struct look *look, const struct value *values)
{
	buf_text(out, look->by_count > 1 ? "(" : "");
	for (uint32_t i = 0; i < look->by_count; i++) {
		buf_text(out, i ? ", " : "");
		sql_value(out, dialect, &values[i], &look->table->columns[look->by[i]]);
	}
	buf_text(out, look->by_count > 1 ? ")" : "");
}

/* Without a list: a row is asked for by each column. In a list with one row in it, MariaDB (10.11) sees no key, and reads the whole table. */
static void by_one(struct buf *out, enum sql_dialect dialect, const struct look *look)
{
	for (uint32_t i = 0; i < look->by_count; i++) {
		const struct target_column *column = &look->table->columns[look->by[i]];

		buf_text(out, i ? " AND " : "");
		sql_identifier(out, column->name);
		buf_text(out, " = ");
		sql_value(out, dialect, &look->keys[0][i], column);
	}
}

static void by_list(struct buf *out, enum sql_dialect dialect, const struct look *look)
{
	buf_text(out, look->by_count > 1 ? "(" : "");
	names(out, look, look->by, look->by_count);
	if (look->by_count == 1)
		buf_text(out, " IN (");
	else /* SQLite knows lists of rows as a table only */
		buf_text(out, dialect == SQL_SQLITE ? ") IN (VALUES " : ") IN (");
	for (size_t i = 0; i < look->key_count; i++) {
		buf_text(out, i ? "," : "");
		key(out, dialect, look, look->keys[i]);
	}
	buf_char(out, ')');
}

void sql_look_select(struct buf *out, enum sql_dialect dialect, const struct state_load *load)
{
	for (size_t i = 0; i < load->look_count; i++) {
		const struct look *look = &load->looks[i];

		buf_text(out, "SELECT ");
		names(out, look, look->by, look->by_count);
		buf_text(out, ", ");
		names(out, look, look->columns, look->column_count);
		buf_text(out, " FROM ");
		sql_table(out, look->table->name);
		buf_text(out, " WHERE ");
		if (look->single || look->key_count == 1)
			by_one(out, dialect, look);
		else
			by_list(out, dialect, look);
		buf_text(out, look->single ? " LIMIT 1;\n" : ";\n");
	}
}

static enum value_kind kind_of(const struct target_column *column)
{
	switch ((enum column_type)column->type) {
	case COLUMN_INTEGER:
	case COLUMN_DECIMAL:
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
	case COLUMN_YEAR:
		return VALUE_NUMBER;
	case COLUMN_BIT:
	case COLUMN_BINARY:
	case COLUMN_BYTES:
	case COLUMN_GEOMETRY:
		return VALUE_BYTES;
	default:
		return VALUE_TEXT;
	}
}

struct value sql_look_value(const struct target_column *column, struct slice cell)
{
	if (!cell.p)
		return (struct value){ .kind = VALUE_NULL, .ready = true };
	return (struct value){ .p = cell.p, .n = (uint32_t)cell.n, .kind = (uint8_t)kind_of(column), .ready = true };
}
