/* Rows that go, and what scripts own in rows that stay. */
#include "flow/sql_parts.h"

struct eraser {
	struct sql_text *sql;
	struct buf *out; /* its text */
	enum sql_dialect dialect;
	const struct target *target;
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

/* One statement. With a sweep: where nobody else has anything in the row. */
static void write_delete(struct eraser *w, const struct change *const *changes, size_t count)
{
	buf_text(w->out, "DELETE FROM ");
	sql_table(w->out, w->target->name);
	sql_where_keys(w->out, w->dialect, changes, count);
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
	for (size_t i = 0, run; i < count; i += run) {
		run = sql_keys_fit(changes + i, count - i);
		write_delete(w, changes + i, run);
	}
}

/* ---- what a script owns is taken back ---- */

/* Nothing but that: the same for every row. */
bool sql_clears(const struct change *change)
{
	if (!change->clears || change->op != CHANGE_UPDATE || sql_key_has_null(change))
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

static void write_clear(struct eraser *w, const struct change *const *changes, size_t count)
{
	const struct change *change = changes[0];
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
	sql_where_keys(w->out, w->dialect, changes, count);
	sql_text_end(w->sql, SQL_ROWS);
}

/* Rows of which the same columns are cleared: first those go that have nothing else in them. */
void sql_clears_write(struct sql_text *sql, enum sql_dialect dialect, const struct change *const *changes, size_t count)
{
	struct eraser of = eraser(sql, dialect, changes[0]), *w = &of;

	if (w->target->sweeps)
		write_sweep(w, changes, count);
	for (size_t i = 0, run; i < count; i += run) {
		run = sql_keys_fit(changes + i, count - i);
		write_clear(w, changes + i, run);
	}
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
