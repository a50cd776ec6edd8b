/* Rows that go, and what scripts own in rows that stay. */
#include "flow/sql_parts.h"

struct eraser {
	struct sql_text *sql;
	struct buf *out; /* its text */
	enum sql_dialect dialect;
	const struct target *target;
	struct sql_keys keys;       /* of the statement that is being written */
	const struct change *sweep; /* deletes are of rows in which it leaves nothing; NULL: of rows */
};

static struct eraser eraser(struct sql_text *sql, enum sql_dialect dialect, const struct change *first)
{
	return (struct eraser){ .sql = sql,
				.out = &sql->text,
				.dialect = dialect,
				.target = first->target,
				.keys = { .out = &sql->text, .dialect = dialect, .target = first->target } };
}

static void name(struct eraser *w, uint32_t column)
{
	sql_identifier(w->out, w->target->columns[column].name);
}

static bool has_null_key(const struct change *change)
{
	for (uint32_t i = 0; i < change->target->key_count; i++)
		if (sql_key_is_null(change, change->target->key[i]))
			return true;
	return false;
}

static void begin_delete(struct eraser *w)
{
	buf_text(w->out, "DELETE FROM ");
	sql_table(w->out, w->target->name);
}

/* Where nobody else has anything in the row. */
static void end_delete(struct eraser *w)
{
	sql_keys_end(&w->keys);
	for (uint32_t i = 0; w->sweep && i < w->target->count; i++) {
		if (!target_tells(w->target, i) || (i < w->sweep->count && VALUE_IS_SET(&w->sweep->values[i])))
			continue;
		buf_text(w->out, " AND ");
		name(w, i);
		buf_text(w->out, " IS NULL");
	}
	sql_text_end(w->sql, SQL_ROWS);
}

static void write_deletes(struct eraser *w, const struct change *const *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (has_null_key(changes[i]))
			continue;
		if (sql_keys_are_full(&w->keys))
			end_delete(w);
		if (!w->keys.rows)
			begin_delete(w);
		sql_keys_add(&w->keys, changes[i]);
	}
	if (w->keys.rows)
		end_delete(w);
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

static void begin_clear(struct eraser *w, const struct change *change)
{
	const char *separator = " SET ";

	buf_text(w->out, "UPDATE ");
	sql_table(w->out, w->target->name);
	for (uint32_t i = 0; i < change->count; i++) {
		if (!VALUE_IS_SET(&change->values[i]) || target_is_key(w->target, i))
			continue;
		buf_text(w->out, separator);
		name(w, i);
		buf_text(w->out, " = ");
		sql_value(w->out, w->dialect, &change->values[i], &w->target->columns[i]);
		separator = ", ";
	}
}

static void end_clear(struct eraser *w)
{
	sql_keys_end(&w->keys);
	sql_text_end(w->sql, SQL_ROWS);
}

/* Rows of which the same columns are cleared: first those go that have nothing else in them. */
void sql_clears_write(struct sql_text *sql, enum sql_dialect dialect, const struct change *const *changes, size_t count)
{
	struct eraser of = eraser(sql, dialect, changes[0]), *w = &of;

	if (w->target->sweeps)
		write_sweep(w, changes, count);
	for (size_t i = 0; i < count; i++) {
		if (sql_keys_are_full(&w->keys))
			end_clear(w);
		if (!w->keys.rows)
			begin_clear(w, changes[i]);
		sql_keys_add(&w->keys, changes[i]);
	}
	end_clear(w);
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
