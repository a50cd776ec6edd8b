/* Rows that go, and what scripts own in rows that stay. */
#include "flow/sql_parts.h"

struct eraser {
	struct sql_text *sql;
	struct buf *out; /* its text */
	enum sql_dialect dialect;
	const struct target *target;
	size_t begin, rows;         /* of the statement that is being written; rows 0: none is */
	size_t where;               /* its WHERE */
	const struct change *last;  /* of its rows */
	const struct change *sweep; /* deletes are of rows in which it leaves nothing; NULL: of rows */
};

static struct eraser eraser(struct sql_text *sql, enum sql_dialect dialect, const struct change *first)
{
	return (struct eraser){ .sql = sql, .out = &sql->text, .dialect = dialect, .target = first->target };
}

static void name(struct eraser *w, uint32_t column)
{
	sql_identifier(w->out, w->target->columns[column].name);
}

static void literal(struct eraser *w, const struct change *change, uint32_t column)
{
	sql_value(w->out, w->dialect, &change->values[column], &w->target->columns[column]);
}

static void end(struct eraser *w)
{
	sql_text_end(w->sql, SQL_ROWS);
	w->rows = 0;
}

static bool is_full(const struct eraser *w)
{
	return w->rows == SQL_STATEMENT_ROWS_MOST || w->out->n - w->begin > SQL_STATEMENT_BYTES_MOST;
}

static bool has_null_key(const struct change *change)
{
	for (uint32_t i = 0; i < change->target->key_count; i++)
		if (sql_key_is_null(change, change->target->key[i]))
			return true;
	return false;
}

static void begin_keys(struct eraser *w)
{
	w->where = w->out->n;
	buf_text(w->out, " WHERE ");
	buf_text(w->out, w->target->key_count > 1 ? "(" : "");
	for (uint32_t k = 0; k < w->target->key_count; k++) {
		buf_text(w->out, k ? ", " : "");
		name(w, w->target->key[k]);
	}
	if (w->target->key_count == 1)
		buf_text(w->out, " IN (");
	else /* SQLite knows lists of rows as a table only */
		buf_text(w->out, w->dialect == SQL_SQLITE ? ") IN (VALUES " : ") IN (");
}

static void put_key(struct eraser *w, const struct change *change)
{
	buf_text(w->out, w->target->key_count > 1 ? "(" : "");
	for (uint32_t k = 0; k < w->target->key_count; k++) {
		buf_text(w->out, k ? "," : "");
		literal(w, change, w->target->key[k]);
	}
	buf_text(w->out, w->target->key_count > 1 ? ")" : "");
	w->last = change;
}

/* Of a list with one row in it, MariaDB (10.11) sees no key: it reads and locks the whole table. */
static void end_keys(struct eraser *w)
{
	if (w->rows == 1 && w->target->key_count > 1) {
		w->out->n = w->where;
		sql_where_key(w->out, w->dialect, w->target, w->last);
	} else {
		buf_char(w->out, ')');
	}
}

static void begin_delete(struct eraser *w)
{
	buf_text(w->out, "DELETE FROM ");
	sql_table(w->out, w->target->name);
}

/* Where nobody else has anything in the row. */
static void end_delete(struct eraser *w)
{
	for (uint32_t i = 0; w->sweep && i < w->target->count; i++) {
		if (!target_tells(w->target, i) || (i < w->sweep->count && VALUE_IS_SET(&w->sweep->values[i])))
			continue;
		buf_text(w->out, " AND ");
		name(w, i);
		buf_text(w->out, " IS NULL");
	}
	end(w);
}

static void write_deletes(struct eraser *w, const struct change *const *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (has_null_key(changes[i]))
			continue;
		if (w->rows && is_full(w)) {
			end_keys(w);
			end_delete(w);
		}
		if (!w->rows) {
			w->begin = w->out->n;
			begin_delete(w);
			begin_keys(w);
		} else {
			buf_char(w->out, ',');
		}
		w->rows++;
		put_key(w, changes[i]);
	}
	if (w->rows) {
		end_keys(w);
		end_delete(w);
	}
	/* NULL is IN nothing. Only a key that a script named can be NULL. */
	for (size_t i = 0; i < count; i++) {
		if (!has_null_key(changes[i]))
			continue;
		begin_delete(w);
		sql_where_key(w->out, w->dialect, w->target, changes[i]);
		end_delete(w);
	}
}

/* ---- what a script owns is taken back ---- */

/* Nothing but that: the same for every row. */
bool sql_clears(const struct change *change)
{
	if (!change->clears || change->op != CHANGE_UPDATE || has_null_key(change))
		return false;
	for (uint32_t i = 0; i < change->count; i++)
		if (VALUE_IS_SET(&change->values[i]) && change->values[i].kind != VALUE_DEFAULT && !target_is_key(change->target, i))
			return false;
	return true;
}

/* Its row may have nothing in it now. */
static bool is_swept(const struct change *change)
{
	if (!change->clears || !change->target->sweeps)
		return false;
	for (uint32_t i = 0; i < change->count; i++)
		if (VALUE_IS_SET(&change->values[i]) && change->values[i].kind != VALUE_NULL && change->values[i].kind != VALUE_DEFAULT &&
		    target_tells(change->target, i))
			return false;
	return true;
}

static void write_sweep(struct eraser *w, const struct change *const *changes, size_t count)
{
	w->sweep = changes[0];
	write_deletes(w, changes, count);
	w->sweep = NULL;
}

/* Rows of which the same columns are cleared: first those go that have nothing else in them. */
void sql_clears_write(struct sql_text *sql, enum sql_dialect dialect, const struct change *const *changes, size_t count)
{
	struct eraser of = eraser(sql, dialect, changes[0]), *w = &of;
	const char *separator = " SET ";

	if (w->target->sweeps)
		write_sweep(w, changes, count);
	for (size_t i = 0; i < count; i++) {
		if (w->rows && is_full(w)) {
			end_keys(w);
			end(w);
		}
		if (!w->rows) {
			w->begin = w->out->n;
			separator = " SET ";
			buf_text(w->out, "UPDATE ");
			sql_table(w->out, w->target->name);
			for (uint32_t c = 0; c < changes[i]->count; c++) {
				if (!VALUE_IS_SET(&changes[i]->values[c]) || target_is_key(w->target, c))
					continue;
				buf_text(w->out, separator);
				name(w, c);
				buf_text(w->out, " = ");
				literal(w, changes[i], c);
				separator = ", ";
			}
			begin_keys(w);
		} else {
			buf_char(w->out, ',');
		}
		w->rows++;
		put_key(w, changes[i]);
	}
	end_keys(w);
	end(w);
}

void sql_sweep_write(struct sql_text *sql, enum sql_dialect dialect, const struct change *change)
{
	struct eraser w = eraser(sql, dialect, change);

	if (is_swept(change))
		write_sweep(&w, &change, 1);
}

void sql_deletes_write(struct sql_text *sql, enum sql_dialect dialect, const struct change *const *changes, size_t count)
{
	struct eraser w = eraser(sql, dialect, changes[0]);

	write_deletes(&w, changes, count);
}
