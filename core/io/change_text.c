#include "io/change_text.h"

#include "base/base64.h"
#include "flow/target.h"
#include "io/dead_letter_file.h"

/* A JSON text as the message had it may be spread over lines; a line break in JSON is white space wherever it stands. */
static void put_json(struct buf *out, struct slice text)
{
	char *p = buf_reserve(out, text.n);

	for (size_t i = 0; i < text.n; i++)
		p[i] = text.p[i] == '\n' || text.p[i] == '\r' ? ' ' : text.p[i];
	out->n += text.n;
}

static void put_value(struct buf *out, const struct value *value)
{
	struct slice bytes = { value->p, value->n };

	switch ((enum value_kind)value->kind) {
	case VALUE_NULL:
		buf_text(out, "null");
		break;
	case VALUE_FALSE:
		buf_text(out, "false");
		break;
	case VALUE_TRUE:
		buf_text(out, "true");
		break;
	case VALUE_NUMBER:
		buf_slice(out, bytes);
		break;
	case VALUE_TEXT:
		buf_json_string(out, bytes);
		break;
	case VALUE_BYTES:
		buf_char(out, '"');
		base64_encode(out, bytes);
		buf_char(out, '"');
		break;
	case VALUE_JSON:
		put_json(out, bytes);
		break;
	case VALUE_ABSENT:
	case VALUE_DEFAULT:
		BUG_IF(true); /* the caller leaves them out */
	}
}

static void put_column(struct buf *out, const struct change *change, uint32_t column, bool first)
{
	buf_text(out, first ? "" : ",");
	buf_json_string(out, change->target->columns[column].name);
	buf_char(out, ':');
	put_value(out, &change->values[column]);
}

void change_put(struct buf *out, const struct change *change, const struct origin *origin)
{
	static const char *const names[] = { [CHANGE_UPSERT] = "upsert", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete" };
	bool first = true;

	buf_printf(out, "{\"op\":\"%s\",\"table\":", names[change->op]);
	buf_json_string(out, target_table(change->target));
	buf_text(out, ",\"row\":{");
	for (uint32_t i = 0; i < change->count; i++) {
		if (change->values[i].kind == VALUE_ABSENT || change->values[i].kind == VALUE_DEFAULT)
			continue;
		put_column(out, change, i, first);
		first = false;
	}
	buf_char(out, '}');
	if (origin) {
		buf_text(out, ",\"from\":");
		origin_put(out, origin);
	}
	buf_char(out, '}');
}

bool change_put_key(struct buf *out, const struct change *change)
{
	const struct target *target = change->target;

	for (uint32_t k = 0; k < target->key_count; k++)
		if (target->key[k] >= change->count || !VALUE_IS_SET(&change->values[target->key[k]]) ||
		    change->values[target->key[k]].kind == VALUE_DEFAULT)
			return false;
	if (target->key_count == 0)
		return false;
	buf_char(out, '{');
	for (uint32_t k = 0; k < target->key_count; k++)
		put_column(out, change, target->key[k], k == 0);
	buf_char(out, '}');
	return true;
}

void change_show(const struct tx *tx, const struct change_form *form, void (*line)(void *ctx, struct slice text), void *ctx)
{
	struct buf out = BUF_INIT;
	struct origin origin;

	for (size_t i = 0; i < tx->count; i++) {
		const struct event *event = tx->events[i];
		uint32_t number = 0;

		if (event->outcome == OUTCOME_DEAD) {
			buf_clear(&out);
			dead_letter_file_line(&out, form->job, tx, event);
			line(ctx, buf_view(&out));
			continue;
		}
		for (const struct change *change = event->changes; change; change = change->next) {
			if (!tx_takes(tx, change))
				continue;
			buf_clear(&out);
			if (form->keyed && change_put_key(&out, change))
				buf_char(&out, '\t');
			if (form->origins)
				origin_of(&origin, form->job, event, number++);
			change_put(&out, change, form->origins ? &origin : NULL);
			line(ctx, buf_view(&out));
		}
	}
	buf_free(&out);
}
