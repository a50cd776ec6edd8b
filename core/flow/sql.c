#include "flow/sql.h"

#include <stdlib.h>

#include "base/error.h"
#include "flow/sql_parts.h"

void sql_identifier(struct buf *out, struct slice name)
{
	buf_char(out, '`');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '`')
			buf_char(out, '`');
		buf_char(out, name.p[i]);
	}
	buf_char(out, '`');
}

void sql_table(struct buf *out, struct slice name)
{
	const char *dot = name.n ? memchr(name.p, '.', name.n) : NULL;

	if (dot) {
		size_t n = (size_t)(dot - name.p);

		sql_identifier(out, (struct slice){ name.p, n });
		buf_char(out, '.');
		name.p += n + 1;
		name.n -= n + 1;
	}
	sql_identifier(out, name);
}

void sql_text_clear(struct sql_text *sql)
{
	buf_clear(&sql->text);
	sql->count = 0;
}

void sql_text_free(struct sql_text *sql)
{
	buf_free(&sql->text);
	free(sql->parts);
	free(sql->ends);
	*sql = (struct sql_text){ 0 };
}

void sql_text_end(struct sql_text *sql, enum sql_part part)
{
	buf_append(&sql->text, ";\n", 2);
	if (sql->count == sql->cap) {
		sql->cap = sql->cap ? sql->cap * 2 : 16;
		sql->parts = realloc(sql->parts, sql->cap * sizeof *sql->parts);
		sql->ends = realloc(sql->ends, sql->cap * sizeof *sql->ends);
		BUG_IF(!sql->parts || !sql->ends);
	}
	sql->parts[sql->count] = part;
	sql->ends[sql->count++] = sql->text.n;
}

void sql_transaction(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx, const struct batch *batch)
{
	/* SQLite: a transaction that begins with a read may find itself unable to write later, whatever it waits. */
	buf_text(&sql->text, dialect == SQL_SQLITE ? "BEGIN IMMEDIATE" : "BEGIN");
	sql_text_end(sql, SQL_BEGIN);
	sql_progress_write(sql, dialect, job, tx);
	for (size_t i = 0; i < batch->table_count; i++)
		sql_parked_guard(sql, dialect, &batch->tables[i]);
	for (size_t i = 0; i < batch->table_count; i++)
		sql_rows_write(sql, dialect, &batch->tables[i]);
	sql_progress_dead_letters(sql, dialect, job, tx);
	sql_parked_write(sql, dialect, job, tx);
	buf_text(&sql->text, "COMMIT");
	sql_text_end(sql, SQL_COMMIT);
}

static void show_progress(struct buf *out, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	for (size_t i = 0; i < tx->progress_count; i++) {
		const struct progress_row *row = &tx->progress[i];

		buf_clear(out);
		buf_printf(out, "-- progress of %.*s:%d, lane %d: everything below %lld is done", SLICE_ARG(row->topic), row->partition, row->lane,
			   (long long)row->next_offset);
		line(ctx, buf_view(out));
	}
}

static void show_dead_letters(struct buf *out, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	for (size_t i = 0; i < tx->count; i++) {
		const struct event *event = tx->events[i];

		if (event->outcome != OUTCOME_DEAD)
			continue;
		buf_clear(out);
		buf_printf(out, "-- dead letter %.*s:%d:%lld: ", SLICE_ARG(event->message->topic), event->message->partition,
			   (long long)event->message->offset);
		for (size_t c = 0; c < event->error.n; c++)
			buf_char(out, event->error.p[c] == '\n' ? ' ' : event->error.p[c]);
		line(ctx, buf_view(out));
	}
}

void sql_show(const struct sql_text *sql, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	struct buf out = BUF_INIT;
	bool progress = false, dead_letters = false;
	size_t from = 0;

	for (size_t i = 0; i < sql->count; from = sql->ends[i++]) {
		if (sql->parts[i] == SQL_PROGRESS) {
			if (!progress)
				show_progress(&out, tx, line, ctx);
			progress = true;
		} else if (sql->parts[i] == SQL_DEAD_LETTERS) {
			if (!dead_letters)
				show_dead_letters(&out, tx, line, ctx);
			dead_letters = true;
		} else if (sql->parts[i] != SQL_GUARD && sql->parts[i] != SQL_PARKED) {
			line(ctx, (struct slice){ sql->text.p + from, sql->ends[i] - from - 1 }); /* without its newline */
		}
	}
	buf_free(&out);
}
