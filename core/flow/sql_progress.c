#include "base/utf8.h"
#include "flow/headers.h"
#include "flow/progress.h"
#include "flow/sql_parts.h"

static const char *const stage_names[] = { [STAGE_DECODE] = "decode", [STAGE_SCRIPT] = "script", [STAGE_SINK] = "sink" };

void sql_text_literal(struct buf *out, enum sql_dialect dialect, struct slice text)
{
	static const struct target_column column = { .type = COLUMN_TEXT };
	struct value value = { .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_TEXT, .ready = true };

	sql_value(out, dialect, &value, &column);
}

void sql_bytes_literal(struct buf *out, struct slice bytes)
{
	if (!bytes.p) {
		buf_text(out, "NULL");
		return;
	}
	buf_text(out, "x'");
	buf_hex(out, bytes);
	buf_char(out, '\'');
}

/* Messages about a message may quote bytes of it that are no text; a dead letter must be writable all the same. */
void sql_any_text(struct buf *out, enum sql_dialect dialect, struct slice text, size_t most)
{
	struct buf valid = BUF_INIT;
	size_t length;

	if (!text.p) {
		buf_text(out, "NULL");
		return;
	}
	for (size_t i = 0; i < text.n && valid.n < most; i += length ? length : 1) {
		length = utf8_sequence(text.p + i, text.n - i);
		if (length)
			buf_append(&valid, text.p + i, length);
		else
			buf_char(&valid, '?');
	}
	sql_text_literal(out, dialect, buf_view(&valid));
	buf_free(&valid);
}

static void put_watermark(struct buf *out, int64_t watermark)
{
	if (watermark == INT64_MIN)
		buf_text(out, "NULL");
	else
		buf_int(out, watermark);
}

static void put_place(struct buf *out, enum sql_dialect dialect, const char *job, const struct progress_row *row, const char *const words[4])
{
	buf_text(out, words[0]);
	sql_text_literal(out, dialect, slice_of(job));
	buf_text(out, words[1]);
	sql_text_literal(out, dialect, row->topic);
	buf_text(out, words[2]);
	buf_int(out, row->partition);
	buf_text(out, words[3]);
	buf_int(out, row->lane);
}

static const char *const where_place[] = { " WHERE job = ", " AND topic = ", " AND `partition` = ", " AND lane = " };
static const char *const list_place[] = { "(", ", ", ", ", ", " };

/* The takeover has made every row, so each VALUES list is to meet one: two affected rows apiece. A row that is not there any more was
 * inserted instead, which the statement itself cannot see: the guard behind it counts. */
static void write_mysql(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx, size_t from, size_t count)
{
	struct buf *out = &sql->text;

	buf_text(out, "INSERT INTO streamlua_progress (job, topic, `partition`, lane, next_offset, done, epoch, seq, watermark, "
		      "script_version) VALUES\n");
	for (size_t i = from; i < from + count; i++) {
		const struct progress_row *row = &tx->progress[i];

		if (i > from)
			buf_text(out, ",\n");
		put_place(out, dialect, job, row, list_place);
		buf_text(out, ", ");
		buf_int(out, row->next_offset);
		buf_text(out, ", ");
		sql_bytes_literal(out, (struct slice){ row->done.p ? row->done.p : "", row->done.n });
		buf_text(out, ", ");
		buf_int(out, row->epoch);
		buf_text(out, ", ");
		buf_int(out, row->seq);
		buf_text(out, ", ");
		put_watermark(out, row->watermark);
		buf_text(out, ", ");
		sql_text_literal(out, dialect, slice_of(tx->script_version));
		buf_char(out, ')');
	}
	/* epoch is the first to be assigned: behind seq's assignment, seq would be the new one. */
	buf_text(out, "\nON DUPLICATE KEY UPDATE epoch = IF(epoch = VALUES(epoch) AND seq = VALUES(seq) - 1, VALUES(epoch), NULL), "
		      "seq = VALUES(seq), next_offset = VALUES(next_offset), done = VALUES(done), watermark = VALUES(watermark), "
		      "script_version = VALUES(script_version)");
	sql_text_end(sql, SQL_PROGRESS);
	buf_text(out, "UPDATE streamlua_progress SET epoch = IF(ROW_COUNT() = ");
	buf_int(out, (int64_t)count * 2);
	buf_text(out, ", epoch, NULL)");
	put_place(out, dialect, job, &tx->progress[from], where_place);
	sql_text_end(sql, SQL_PROGRESS);
}

static void write_sqlite(struct sql_text *sql, const char *job, const struct tx *tx, const struct progress_row *row)
{
	struct buf *out = &sql->text;

	buf_text(out, "UPDATE streamlua_progress SET seq = ");
	buf_int(out, row->seq);
	buf_text(out, ", next_offset = ");
	buf_int(out, row->next_offset);
	buf_text(out, ", done = ");
	sql_bytes_literal(out, (struct slice){ row->done.p ? row->done.p : "", row->done.n });
	buf_text(out, ", watermark = ");
	put_watermark(out, row->watermark);
	buf_text(out, ", script_version = ");
	sql_text_literal(out, SQL_SQLITE, slice_of(tx->script_version));
	buf_text(out, ", updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now')");
	put_place(out, SQL_SQLITE, job, row, where_place);
	buf_text(out, " AND epoch = ");
	buf_int(out, row->epoch);
	buf_text(out, " AND seq = ");
	buf_int(out, row->seq - 1);
	sql_text_end(sql, SQL_PROGRESS);
}

void sql_progress_write(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx)
{
	size_t from = 0;

	if (dialect == SQL_SQLITE) {
		for (size_t i = 0; i < tx->progress_count; i++)
			write_sqlite(sql, job, tx, &tx->progress[i]);
		return;
	}
	while (from < tx->progress_count) {
		size_t count = 0, bytes = 0;

		for (; from + count < tx->progress_count && count < SQL_STATEMENT_ROWS_MOST && bytes < SQL_STATEMENT_BYTES_MOST; count++)
			bytes += 2 * tx->progress[from + count].done.n + 200;
		write_mysql(sql, dialect, job, tx, from, count);
		from += count;
	}
}

void sql_headers(struct buf *out, enum sql_dialect dialect, const struct message *message)
{
	struct buf json = BUF_INIT;

	if (!message->header_count) {
		buf_text(out, "NULL");
		return;
	}
	headers_write(&json, message);
	sql_text_literal(out, dialect, buf_view(&json));
	buf_free(&json);
}

static void put_source_table(struct buf *out, enum sql_dialect dialect, const struct event *event)
{
	struct buf name = BUF_INIT;

	if (event->database.p) {
		buf_slice(&name, event->database);
		buf_char(&name, '.');
	}
	buf_slice(&name, event->table);
	sql_any_text(out, dialect, event->table.p ? buf_view(&name) : (struct slice){ 0 }, 250);
	buf_free(&name);
}

/* Whose progress the message is part of, where that differs from what it says of itself (a file that replays records). */
static void put_owner(struct buf *out, enum sql_dialect dialect, const struct message *message)
{
	const struct partition *owner = message->owner;

	if (!owner || !sql_is_elsewhere(message)) {
		buf_text(out, "NULL, NULL, NULL");
		return;
	}
	sql_text_literal(out, dialect, owner->topic);
	buf_printf(out, ", %d, %lld", owner->number, (long long)message->position);
}

static void put_dead_letter(struct buf *out, enum sql_dialect dialect, const char *job, const struct tx *tx, const struct event *event)
{
	const struct message *message = event->message;

	BUG_IF(event->stage >= sizeof stage_names / sizeof *stage_names);
	buf_char(out, '(');
	sql_text_literal(out, dialect, slice_of(job));
	buf_text(out, ", ");
	sql_any_text(out, dialect, message->topic, 2000);
	buf_printf(out, ", %d, %lld, ", message->partition, (long long)message->offset);
	put_source_table(out, dialect, event);
	buf_printf(out, ", '%s', ", stage_names[event->stage]);
	sql_any_text(out, dialect, event->error.p ? event->error : SLICE(""), 60000);
	buf_text(out, ", ");
	sql_text_literal(out, dialect, event->script_version.p ? event->script_version : slice_of(tx->script_version));
	buf_text(out, ", ");
	sql_bytes_literal(out, message->key);
	buf_text(out, ", ");
	sql_bytes_literal(out, message->value);
	buf_text(out, ", ");
	sql_headers(out, dialect, message);
	buf_printf(out, ", %lld, %lld, ", event->whole ? (long long)PART_WHOLE : (long long)event->part, (long long)message->time_ms);
	put_owner(out, dialect, message);
	buf_char(out, ')');
}

void sql_progress_dead_letters(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx)
{
	size_t rows = 0, begin = 0;

	for (size_t i = 0; i < tx->count; i++) {
		if (tx->events[i]->outcome != OUTCOME_DEAD)
			continue;
		if (rows && (rows == SQL_STATEMENT_ROWS_MOST || sql->text.n - begin > SQL_STATEMENT_BYTES_MOST)) {
			sql_text_end(sql, SQL_DEAD_LETTERS);
			rows = 0;
		}
		if (!rows) {
			begin = sql->text.n;
			buf_text(&sql->text, "INSERT INTO streamlua_dead_letters (job, topic, `partition`, `offset`, source_table, stage, "
					     "error, script_version, `key`, `value`, headers, part, time_ms, progress_topic, progress_partition, "
					     "progress_offset) VALUES\n");
		}
		buf_text(&sql->text, rows++ ? ",\n" : "");
		put_dead_letter(&sql->text, dialect, job, tx, tx->events[i]);
	}
	if (rows)
		sql_text_end(sql, SQL_DEAD_LETTERS);
}
