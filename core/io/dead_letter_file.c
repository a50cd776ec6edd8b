#include "io/dead_letter_file.h"

#include <stdlib.h>

#include "base/clock.h"
#include "flow/headers.h"
#include "io/message_text.h"

static const char *const stage_names[] = { [STAGE_DECODE] = "decode", [STAGE_SCRIPT] = "script", [STAGE_SINK] = "sink" };

void dead_letter_file_init(struct dead_letter_file *file, const char *path, const char *job)
{
	*file = (struct dead_letter_file){ .path = strdup(path), .job = strdup(job), .out = LINE_WRITER_INIT };
	BUG_IF(!file->path || !file->job);
}

void dead_letter_file_deinit(struct dead_letter_file *file)
{
	line_writer_close(&file->out);
	free(file->path);
	free(file->job);
}

/* "database.table", or as much of it as the message said. */
static void put_table(struct buf *out, const struct event *event)
{
	struct buf whole = BUF_INIT;

	if (!event->table.p) {
		buf_text(out, "null");
		return;
	}
	if (event->database.n) {
		buf_slice(&whole, event->database);
		buf_char(&whole, '.');
	}
	buf_slice(&whole, event->table);
	buf_json_string(out, buf_view(&whole));
	buf_free(&whole);
}

static void put_members(struct buf *out, const char *job, const struct tx *tx, const struct event *event)
{
	const struct message *message = event->message;

	buf_text(out, "\"job\":");
	buf_json_string(out, slice_of(job));
	message_put_text(out, "topic", message->topic);
	buf_printf(out, ",\"partition\":%d,\"offset\":%lld,\"source_table\":", message->partition, (long long)message->offset);
	put_table(out, event);
	buf_printf(out, ",\"stage\":\"%s\"", stage_names[event->stage]);
	message_put_text(out, "error", event->error);
	message_put_text(out, "script_version", event->script_version.p ? event->script_version : slice_of(tx->script_version));
	message_put_bytes(out, "key", message->key);
	message_put_bytes(out, "value", message->value);
	buf_text(out, ",\"headers\":");
	headers_write(out, message);
}

void dead_letter_file_line(struct buf *out, const char *job, const struct tx *tx, const struct event *event)
{
	buf_char(out, '{');
	put_members(out, job, tx, event);
	buf_char(out, '}');
}

void dead_letter_file_add(struct dead_letter_file *file, const struct tx *tx)
{
	struct buf *out = &file->out.text;
	char at[32];

	for (size_t i = 0; i < tx->count; i++) {
		int64_t now = clock_wall_ms();

		if (tx->events[i]->outcome != OUTCOME_DEAD)
			continue;
		/* Microseconds keep ids of several workers apart in practice, and are exact in any reader's numbers. */
		file->last_id = now * 1000 > file->last_id ? now * 1000 : file->last_id + 1;
		buf_printf(out, "{\"id\":%lld,", (long long)file->last_id);
		put_members(out, file->job, tx, tx->events[i]);
		buf_printf(out, ",\"at\":\"%s\"}\n", clock_format(now, at));
	}
}

enum line_writer_result dead_letter_file_flush(struct dead_letter_file *file, struct error *err)
{
	enum line_writer_result result;

	if (file->out.text.n == 0)
		return LINES_WRITTEN;
	if (file->out.fd < 0 && line_writer_open(&file->out, file->path, err) < 0) {
		error_prefix(err, "dead letters");
		line_writer_drop(&file->out);
		return LINES_BROKEN;
	}
	result = line_writer_flush(&file->out, err);
	if (result == LINES_WRITTEN) {
		line_writer_keep(&file->out);
		return LINES_WRITTEN;
	}
	if (result == LINES_LATER) {
		error_set(err, "its reader is busy");
		result = LINES_NO_ROOM;
	}
	error_prefix(err, "dead letters: %s", file->path);
	line_writer_drop(&file->out);
	return result;
}
