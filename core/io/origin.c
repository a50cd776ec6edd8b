#include "io/origin.h"

#include "flow/script.h"

static void add_text(struct origin *origin, const char *name, struct slice text)
{
	origin->fields[origin->count++] = (struct origin_field){ .name = name, .text = text };
}

static void add_number(struct origin *origin, const char *name, int64_t number)
{
	char *digits = origin->digits[origin->count];

	origin->fields[origin->count++] = (struct origin_field){ .name = name, .text = { digits, int_text(number, digits) }, .number = true };
}

void origin_of(struct origin *origin, const char *job, const struct event *event, uint32_t number)
{
	const struct message *message = event->message;

	origin->count = 0;
	add_text(origin, ORIGIN_PREFIX "job", slice_of(job));
	if (event->script)
		add_text(origin, ORIGIN_PREFIX "script", event->script->name);
	add_text(origin, ORIGIN_PREFIX "topic", message->topic);
	add_number(origin, ORIGIN_PREFIX "partition", message->partition);
	add_number(origin, ORIGIN_PREFIX "offset", message->offset);
	add_number(origin, ORIGIN_PREFIX "part", event->part);
	add_number(origin, ORIGIN_PREFIX "change", number);
	if (event->op != OP_TIMER)
		return;
	add_text(origin, ORIGIN_PREFIX "key", message->key);
	add_text(origin, ORIGIN_PREFIX "timer", event->due_by == STATE_EVENT_TIME ? SLICE("event") : SLICE("processing"));
	add_number(origin, ORIGIN_PREFIX "at", event->at_ms);
}

void origin_put(struct buf *out, const struct origin *origin)
{
	for (unsigned i = 0; i < origin->count; i++) {
		const struct origin_field *field = &origin->fields[i];

		buf_printf(out, "%s\"%s\":", i ? "," : "{", field->name + sizeof ORIGIN_PREFIX - 1);
		if (field->number)
			buf_slice(out, field->text);
		else
			buf_json_string(out, field->text);
	}
	buf_char(out, '}');
}
