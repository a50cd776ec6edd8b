#include "flow/letters.h"

#include "base/error.h"
#include "flow/script.h"

static const char *const stage_names[] = { [STAGE_DECODE] = "decode", [STAGE_SCRIPT] = "script", [STAGE_SINK] = "sink" };

/* Stands in no JSON but between its words. */
enum { MESSAGE_FOLLOWS = '\t' };

/* ,"name":"text", of which at most so many bytes; no character is cut in two. */
static void put(struct buf *out, const char *name, struct slice text, size_t most)
{
	buf_printf(out, ",\"%s\":", name);
	if (!text.p) {
		buf_text(out, "null");
		return;
	}
	if (text.n > most)
		for (text.n = most; text.n > most - 3 && (text.p[text.n] & 0xc0) == 0x80; text.n--) {
		}
	buf_json_string(out, text);
}

static struct slice script_name(const struct event *event)
{
	return event->script ? event->script->name : (struct slice){ 0 };
}

void letters_note(struct letters *letters, const struct event *event, int64_t wall_ms, const char *version)
{
	const struct message *message = event->message;
	struct buf *out = &letters->lines;
	struct buf table = BUF_INIT;

	if (letters->count == LETTERS_MOST)
		return;
	letters->count++;
	if (event->table.p && event->database.n)
		buf_printf(&table, "%.*s.", SLICE_ARG(event->database));
	buf_slice(&table, event->table);
	buf_printf(out, "{\"at\":%lld,\"partition\":%d,\"offset\":%lld,\"stage\":\"%s\",\"value_bytes\":%zu", (long long)wall_ms, message->partition,
		   (long long)message->offset, stage_names[event->stage], message->value.n);
	put(out, "topic", message->topic, LETTER_KEY_MOST);
	put(out, "table", buf_view(&table), LETTER_KEY_MOST);
	put(out, "script", script_name(event), LETTER_KEY_MOST);
	put(out, "error", event->error, LETTER_ERROR_MOST);
	put(out, "version", event->script_version.p ? event->script_version : slice_of(version), LETTER_KEY_MOST);
	buf_char(out, MESSAGE_FOLLOWS);
	put(out, "key", message->key, LETTER_KEY_MOST);
	put(out, "value", message->value, LETTER_VALUE_MOST);
	buf_char(out, '\n');
	buf_free(&table);
}

void letters_take(struct letters *letters, struct buf *out)
{
	buf_slice(out, buf_view(&letters->lines));
	buf_clear(&letters->lines);
	letters->count = 0;
}

void letter_json(struct buf *out, struct slice line, bool whole)
{
	const char *message = memchr(line.p, MESSAGE_FOLLOWS, line.n);

	BUG_IF(!message);
	buf_append(out, line.p, (size_t)(message - line.p));
	if (whole)
		buf_append(out, message + 1, line.n - (size_t)(message + 1 - line.p));
	buf_char(out, '}');
}

void letters_free(struct letters *letters)
{
	buf_free(&letters->lines);
}
