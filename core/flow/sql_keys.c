/* WHERE with the keys of one row or several. */
#include "flow/sql_parts.h"

void sql_where_key(struct buf *out, enum sql_dialect dialect, const struct target *target, const struct change *change)
{
	buf_text(out, " WHERE ");
	for (uint32_t i = 0; i < target->key_count; i++) {
		uint32_t column = target->key[i];

		buf_text(out, i ? " AND " : "");
		sql_identifier(out, target->columns[column].name);
		if (sql_key_is_null(change, column)) {
			buf_text(out, dialect == SQL_SQLITE ? " IS NULL" : " <=> NULL");
		} else {
			buf_text(out, " = ");
			sql_value(out, dialect, &change->values[column], &target->columns[column]);
		}
	}
}

bool sql_key_is_null(const struct change *change, uint32_t column)
{
	uint8_t kind = change->values[column].kind;

	return kind == VALUE_NULL || kind == VALUE_ABSENT || kind == VALUE_DEFAULT;
}

static void begin(struct sql_keys *keys)
{
	const struct target *target = keys->target;

	keys->where = keys->out->n;
	buf_text(keys->out, " WHERE ");
	buf_text(keys->out, target->key_count > 1 ? "(" : "");
	for (uint32_t k = 0; k < target->key_count; k++) {
		buf_text(keys->out, k ? ", " : "");
		sql_identifier(keys->out, target->columns[target->key[k]].name);
	}
	if (target->key_count == 1)
		buf_text(keys->out, " IN (");
	else /* SQLite knows lists of rows as a table only */
		buf_text(keys->out, keys->dialect == SQL_SQLITE ? ") IN (VALUES " : ") IN (");
}

static bool same_value(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

/* All columns of the key but the last are those of the first row. */
static bool is_beside_first(const struct sql_keys *keys, const struct change *change)
{
	const struct target *target = keys->target;

	for (uint32_t k = 0; k + 1 < target->key_count; k++)
		if (sql_key_is_null(change, target->key[k]) || !same_value(&change->values[target->key[k]], &keys->all[0]->values[target->key[k]]))
			return false;
	return true;
}

void sql_keys_add(struct sql_keys *keys, const struct change *change)
{
	const struct target *target = keys->target;

	if (keys->rows)
		buf_char(keys->out, ',');
	else
		begin(keys);
	keys->all[keys->rows] = change;
	keys->differ = keys->rows++ && (keys->differ || !is_beside_first(keys, change));
	buf_text(keys->out, target->key_count > 1 ? "(" : "");
	for (uint32_t k = 0; k < target->key_count; k++) {
		buf_text(keys->out, k ? "," : "");
		sql_value(keys->out, keys->dialect, &change->values[target->key[k]], &target->columns[target->key[k]]);
	}
	buf_text(keys->out, target->key_count > 1 ? ")" : "");
}

bool sql_keys_are_full(const struct sql_keys *keys)
{
	return keys->rows == SQL_STATEMENT_ROWS_MOST || (keys->rows && keys->out->n - keys->where > SQL_STATEMENT_BYTES_MOST);
}

/* What they share is said once: of a list of rows MariaDB compares each with each row of the table, or takes long to see which ranges they are;
 * of a list of values it looks each up. */
static void write_shared(struct sql_keys *keys)
{
	const struct target *target = keys->target;
	uint32_t last = target->key[target->key_count - 1];

	keys->out->n = keys->where;
	for (uint32_t k = 0; k + 1 < target->key_count; k++) {
		buf_text(keys->out, k ? " AND " : " WHERE ");
		sql_identifier(keys->out, target->columns[target->key[k]].name);
		buf_text(keys->out, " = ");
		sql_value(keys->out, keys->dialect, &keys->all[0]->values[target->key[k]], &target->columns[target->key[k]]);
	}
	buf_text(keys->out, " AND ");
	sql_identifier(keys->out, target->columns[last].name);
	for (size_t i = 0; i < keys->rows; i++) {
		buf_text(keys->out, i ? "," : " IN (");
		sql_value(keys->out, keys->dialect, &keys->all[i]->values[last], &target->columns[last]);
	}
	buf_char(keys->out, ')');
}

size_t sql_keys_end(struct sql_keys *keys)
{
	size_t rows = keys->rows;

	if (rows == 1 && keys->target->key_count > 1) {
		keys->out->n = keys->where;
		sql_where_key(keys->out, keys->dialect, keys->target, keys->all[0]);
	} else if (rows > 1 && keys->target->key_count > 1 && !keys->differ) {
		write_shared(keys);
	} else if (rows) {
		buf_char(keys->out, ')');
	}
	keys->rows = 0;
	return rows;
}
