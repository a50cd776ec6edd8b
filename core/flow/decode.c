#include "flow/decode.h"

bool decode_ready(struct decoder *decoder, struct message *const *messages, size_t count)
{
	bool ready = true;

	if (!decoder->format || !decoder->format->ready)
		return true;
	for (size_t i = 0; i < count; i++)
		ready &= messages[i]->flaw || decoder->format->ready(decoder, messages[i]);
	return ready;
}

static struct event *add_event(struct intake *intake, const struct message *message, enum op op)
{
	struct event *event = event_of_message(&intake->arena, message);

	event->op = (uint8_t)op;
	intake_add(intake, event);
	return event;
}

static void decode_message(struct decoder *decoder, struct intake *intake, const struct message *message)
{
	struct error err;
	uint32_t parts = 0;
	int failed;

	decoder->first = NULL;
	decoder->end = &decoder->first;
	failed = message->flaw ? error_set(&err, "%s", message->flaw) : decoder->format->decode(decoder, message, &err);
	if (failed) {
		struct event *event = add_event(intake, message, OP_CONTROL);

		event->whole = true;
		script_event_fault(event, STAGE_DECODE, slice_of(err.text));
		return;
	}
	for (struct event *event = decoder->first, *next; event; event = next) {
		next = event->next;
		event->part = parts++;
		intake_add(intake, event);
	}
}

/* The script's events come in the order of the messages; a message of which it made none still needs its place. */
static void decode_in_lua(struct script_host *host, struct intake *intake, struct message **messages, size_t count)
{
	struct event *event;

	script_host_decode(host, intake, messages, count);
	event = intake->first;
	intake->first = NULL;
	intake->end = &intake->first;
	intake->unfinished -= intake->count;
	intake->count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct message *message = messages[i];

		if (!event || event->message != message)
			add_event(intake, message, OP_CONTROL);
		while (event && event->message == message) {
			struct event *next = event->next;

			intake_add(intake, event);
			event = next;
		}
	}
}

void decode_messages(struct decoder *decoder, struct script_host *host, struct intake *intake, struct message **messages, size_t count)
{
	decoder->arena = &intake->arena;
	if (!decoder->format) {
		decode_in_lua(host, intake, messages, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		decode_message(decoder, intake, messages[i]);
}
