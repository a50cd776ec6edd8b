/* WHERE with the keys of one row or several. */
#include "flow/sql_parts.h"

static bool is_null(const struct change *change, uint32_t column)
{
	uint8_t kind = change->values[column].kind;

	return kind == VALUE_NULL || kind == VALUE_ABSENT || kind == VALUE_DEFAULT;
}

bool sql_key_has_null(const struct change *change)
{
	for (uint32_t k = 0; k < change->target->key_count; k++)
		if (is_null(change, change->target->key[k]))
			return true;
	return false;
}

static size_t key_bytes(const struct change *change)
{
	const struct target *target = change->target;
	size_t bytes = 0;

	for (uint32_t k = 0; k < target->key_count; k++)
		bytes += change->values[target->key[k]].n + sizeof "'',";
	return bytes;
}

size_t sql_keys_fit(const struct change *const *changes, size_t count)
{
	size_t rows = 1, bytes = key_bytes(changes[0]);

	if (sql_key_has_null(changes[0]))
		return 1;
	while (rows < count && rows < SQL_STATEMENT_ROWS_MOST && bytes <= SQL_STATEMENT_BYTES_MOST && !sql_key_has_null(changes[rows]))
		bytes += key_bytes(changes[rows++]);
	return rows;
}

static void name(struct buf *out, const struct target *target, uint32_t k)
{
	sql_identifier(out, target->columns[target->key[k]].name);
}

static void literal(struct buf *out, enum sql_dialect dialect, const struct change *change, uint32_t k)
{
	uint32_t column = change->target->key[k];

	sql_value(out, dialect, &change->values[column], &change->target->columns[column]);
}

/* "a = 1 AND b = 2", of the first so many columns of the key. */
static void put_columns(struct buf *out, enum sql_dialect dialect, const struct change *change, uint32_t count)
{
	for (uint32_t k = 0; k < count; k++) {
		buf_text(out, k ? " AND " : "");
		name(out, change->target, k);
		if (is_null(change, change->target->key[k])) {
			buf_text(out, dialect == SQL_SQLITE ? " IS NULL" : " <=> NULL");
		} else {
			buf_text(out, " = ");
			literal(out, dialect, change, k);
		}
	}
}

void sql_where_key(struct buf *out, enum sql_dialect dialect, const struct change *change)
{
	buf_text(out, " WHERE ");
	put_columns(out, dialect, change, change->target->key_count);
}

static bool same_value(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

/* They differ in the last column of the key alone. */
static bool are_beside(const struct change *const *changes, size_t count)
{
	const struct target *target = changes[0]->target;

	for (size_t i = 1; i < count; i++)
		for (uint32_t k = 0; k + 1 < target->key_count; k++)
			if (!same_value(&changes[i]->values[target->key[k]], &changes[0]->values[target->key[k]]))
				return false;
	return true;
}

static void put_beside(struct buf *out, enum sql_dialect dialect, const struct change *const *changes, size_t count)
{
	uint32_t last = changes[0]->target->key_count - 1;

	put_columns(out, dialect, changes[0], last);
	buf_text(out, last ? " AND " : "");
	name(out, changes[0]->target, last);
	for (size_t i = 0; i < count; i++) {
		buf_text(out, i ? "," : " IN (");
		literal(out, dialect, changes[i], last);
	}
	buf_char(out, ')');
}

static void put_rows(struct buf *out, enum sql_dialect dialect, const struct change *const *changes, size_t count)
{
	const struct target *target = changes[0]->target;

	for (uint32_t k = 0; k < target->key_count; k++) {
		buf_text(out, k ? ", " : "(");
		name(out, target, k);
	}
	buf_text(out, dialect == SQL_SQLITE ? ") IN (VALUES " : ") IN ("); /* SQLite knows lists of rows as a table only */
	for (size_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < target->key_count; k++) {
			buf_text(out, k ? "," : i ? ",(" : "(");
			literal(out, dialect, changes[i], k);
		}
		buf_char(out, ')');
	}
	buf_char(out, ')');
}

void sql_where_keys(struct buf *out, enum sql_dialect dialect, const struct change *const *changes, size_t count)
{
	if (count == 1) {
		sql_where_key(out, dialect, changes[0]);
		return;
	}
	buf_text(out, " WHERE ");
	(are_beside(changes, count) ? put_beside : put_rows)(out, dialect, changes, count);
}
