#include "flow/sql_parts.h"

struct writer {
	struct sql_text *sql;
	struct buf *out; /* its text */
	enum sql_dialect dialect;
	const struct target *target;
	size_t begin, rows; /* of the statement that is being written; rows 0: none is */
};

/* How the row that is already there is met. */
enum meeting { PLAIN_INSERT, OVERWRITE };

static void name(struct writer *w, uint32_t column)
{
	sql_identifier(w->out, w->target->columns[column].name);
}

static void literal(struct writer *w, const struct change *change, uint32_t column)
{
	sql_value(w->out, w->dialect, &change->values[column], &w->target->columns[column]);
}

static bool is_written(const struct writer *w, const struct change *change, uint32_t column)
{
	return VALUE_IS_SET(&change->values[column]) && !w->target->columns[column].generated;
}

static bool same_columns(const struct change *a, const struct change *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (VALUE_IS_SET(&a->values[i]) != VALUE_IS_SET(&b->values[i]))
			return false;
	return true;
}

static bool is_alone(const struct change *change)
{
	for (uint32_t i = 0; change->target->merged && i < change->count; i++)
		if (sql_merge_is_alone(&change->target->columns[i], &change->values[i]))
			return true;
	return false;
}

/* A key's columns are set only where one value has many spellings ('A' is 'a', and 'a ' too): the row then has the last one. */
static bool is_set(const struct writer *w, const struct change *change, uint32_t column)
{
	bool one_spelling = w->target->columns[column].exact && !w->target->columns[column].pads;

	return is_written(w, change, column) && !(one_spelling && target_is_key(w->target, column));
}

/* No row can be made without a value for it. */
static bool is_required(const struct target_column *column)
{
	return !column->nullable && !column->has_default && !column->auto_increment && !column->generated;
}

/* Of such a change databases refuse the INSERT before they see that its row is there and would only be updated. */
static bool lacks_required(const struct writer *w, const struct change *change)
{
	for (uint32_t i = 0; i < w->target->count; i++)
		if (is_required(&w->target->columns[i]) && (i >= change->count || !VALUE_IS_SET(&change->values[i])))
			return true;
	return false;
}

static void end(struct writer *w)
{
	sql_text_end(w->sql, SQL_ROWS);
	w->rows = 0;
}

static bool is_full(const struct writer *w)
{
	return w->rows == SQL_STATEMENT_ROWS_MOST || w->out->n - w->begin > SQL_STATEMENT_BYTES_MOST;
}

static void where_key(struct writer *w, const struct change *change)
{
	sql_where_key(w->out, w->dialect, change);
}

static void begin_insert(struct writer *w, const struct change *change)
{
	const char *separator = " (";

	w->begin = w->out->n;
	buf_text(w->out, "INSERT INTO ");
	sql_table(w->out, w->target->name);
	for (uint32_t i = 0; i < change->count; i++)
		if (is_written(w, change, i)) {
			buf_text(w->out, separator);
			name(w, i);
			separator = ", ";
		}
	buf_text(w->out, ") VALUES\n");
}

static void end_overwrite(struct writer *w, const struct change *change)
{
	bool sqlite = w->dialect == SQL_SQLITE;
	const char *separator = sqlite ? "\nON CONFLICT DO UPDATE SET " : "\nON DUPLICATE KEY UPDATE ";
	uint32_t set = 0;

	for (uint32_t i = 0; i < change->count; i++) {
		if (!is_set(w, change, i))
			continue;
		set++;
		buf_text(w->out, separator);
		separator = ", ";
		name(w, i);
		if (w->target->columns[i].merge) {
			buf_text(w->out, " = ");
			sql_merge_put(w->out, w->dialect, &w->target->columns[i], &change->values[i], false);
			continue;
		}
		buf_text(w->out, sqlite ? " = excluded." : " = VALUES(");
		name(w, i);
		buf_text(w->out, sqlite ? "" : ")");
	}
	if (!set && sqlite) {
		buf_text(w->out, "\nON CONFLICT DO NOTHING");
	} else if (!set) {
		buf_text(w->out, separator);
		name(w, w->target->key[0]);
		buf_text(w->out, " = VALUES(");
		name(w, w->target->key[0]);
		buf_char(w->out, ')');
	}
}

enum { ROWS_AHEAD = 4 };

/* The texts of a row that comes soon: nobody has looked at most of them since they were read. */
static void look_ahead(const struct change *change)
{
	for (uint32_t c = 0; c < change->count; c++)
		__builtin_prefetch(change->values[c].p);
}

/* Rows of the same columns. */
static void write_inserts(struct writer *w, const struct change *const *changes, size_t count, enum meeting meeting)
{
	for (size_t i = 0; i < count; i++) {
		const struct change *change = changes[i];
		char separator = '(';

		if (i + ROWS_AHEAD < count)
			look_ahead(changes[i + ROWS_AHEAD]);
		if (w->rows && is_full(w)) {
			if (meeting == OVERWRITE)
				end_overwrite(w, change);
			end(w);
		}
		if (!w->rows)
			begin_insert(w, change);
		else
			buf_append(w->out, ",\n", 2);
		w->rows++;
		for (uint32_t c = 0; c < change->count; c++) {
			if (!is_written(w, change, c))
				continue;
			buf_char(w->out, separator);
			literal(w, change, c);
			separator = ',';
		}
		buf_char(w->out, ')');
	}
	if (meeting == OVERWRITE)
		end_overwrite(w, changes[0]);
	end(w);
}

static void write_update(struct writer *w, const struct change *change)
{
	const char *separator = " SET ";
	size_t begin = w->out->n;

	buf_text(w->out, "UPDATE ");
	sql_table(w->out, w->target->name);
	for (uint32_t i = 0; i < change->count; i++) {
		if (!is_set(w, change, i))
			continue;
		buf_text(w->out, separator);
		name(w, i);
		buf_text(w->out, " = ");
		if (w->target->columns[i].merge)
			sql_merge_put(w->out, w->dialect, &w->target->columns[i], &change->values[i], true);
		else
			literal(w, change, i);
		separator = ", ";
	}
	if (*separator == ' ') {
		w->out->n = begin; /* nothing but the key: a row that is there has it */
		return;
	}
	where_key(w, change);
	end(w);
}

/* Columns and values, or the names alone. */
static void write_new_row(struct writer *w, const struct change *change, bool names)
{
	const char *separator = "";

	for (uint32_t i = 0; i < w->target->count; i++) {
		const struct target_column *column = &w->target->columns[i];
		bool given = i < change->count && is_written(w, change, i) && change->values[i].kind != VALUE_DEFAULT;
		/* Said to be NULL, such a column is refused when a row is made, and not before it is known whether one is. */
		bool required = !given && is_required(column);

		if (!given && !required)
			continue;
		buf_text(w->out, separator);
		separator = ", ";
		if (names)
			name(w, i);
		else if (given && column->merge == MERGE_SUM)
			buf_char(w->out, '0');
		else if (given)
			literal(w, change, i);
		else
			buf_text(w->out, "NULL");
	}
}

/* An upsert that meets its own row only, never another one that holds a unique value of it. What adds to the row comes behind its making (with
 * nothing in its sums): others may make it in between. */
static void write_upsert_by_key(struct writer *w, const struct change *change)
{
	if (!w->target->merged)
		write_update(w, change);
	buf_text(w->out, "INSERT INTO ");
	sql_table(w->out, w->target->name);
	buf_text(w->out, " (");
	write_new_row(w, change, true);
	buf_text(w->out, ") SELECT ");
	write_new_row(w, change, false);
	buf_text(w->out, w->dialect == SQL_SQLITE ? " WHERE NOT EXISTS (SELECT 1 FROM " : " FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM ");
	sql_table(w->out, w->target->name);
	where_key(w, change);
	buf_char(w->out, ')');
	end(w);
	if (w->target->merged)
		write_update(w, change);
}

/* Changes in this order, as few statements as that allows. */
static void write_changes(struct writer *w, const struct change *const *changes, size_t count)
{
	bool by_key = w->target->other_unique || !w->target->has_primary_key;

	for (size_t i = 0, run; i < count; i += run) {
		run = 1;
		if (changes[i]->op == CHANGE_DELETE) {
			while (i + run < count && changes[i + run]->op == CHANGE_DELETE)
				run++;
			sql_deletes_write(w->sql, w->dialect, changes + i, run);
		} else if (sql_clears(changes[i])) {
			while (i + run < count && sql_clears(changes[i + run]) && same_columns(changes[i], changes[i + run]))
				run++;
			sql_clears_write(w->sql, w->dialect, changes + i, run);
			continue;
		} else if (changes[i]->op == CHANGE_UPDATE) {
			write_update(w, changes[i]);
		} else if (by_key || lacks_required(w, changes[i])) {
			write_upsert_by_key(w, changes[i]);
		} else {
			while (i + run < count && changes[i + run]->op == CHANGE_UPSERT && same_columns(changes[i], changes[i + run]) &&
			       !is_alone(changes[i]) && !is_alone(changes[i + run]))
				run++;
			write_inserts(w, changes + i, run, OVERWRITE);
		}
		for (size_t k = i; k < i + run; k++)
			if (changes[k]->clears)
				sql_sweep_write(w->sql, w->dialect, changes[k]);
	}
}

void sql_rows_write(struct sql_text *sql, enum sql_dialect dialect, const struct batch_table *table)
{
	struct writer w = { .sql = sql, .out = &sql->text, .dialect = dialect, .target = table->target };
	const struct change *const *changes = (const struct change *const *)table->changes;

	if (table->mode != BATCH_MERGED_UNIQUE) {
		write_changes(&w, changes, table->count);
		return;
	}
	/* Every key first, then the rows: the unique values that they give up are free when others take them. */
	sql_deletes_write(sql, dialect, changes, table->count);
	for (size_t i = table->deletes, run; i < table->count; i += run) {
		run = 1;
		while (i + run < table->count && same_columns(changes[i], changes[i + run]))
			run++;
		write_inserts(&w, changes + i, run, PLAIN_INSERT);
	}
}
