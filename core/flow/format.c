#include "flow/format.h"

#include "flow/intake.h"

void format_set_readings(const struct format *format, struct reading_settings *readings)
{
	readings->plain = !format || format->plain;
	readings->capture = format ? format->capture : CAPTURE_NONE;
	readings->sanitised = format && format->sanitised;
}

struct event *decoder_add(struct decoder *decoder, const struct message *message)
{
	struct event *event = event_of_message(decoder->arena, message);

	event->parts = 1;
	*decoder->end = event;
	decoder->end = &event->next;
	return event;
}

void format_names_from_topic(struct slice topic, struct slice *database, struct slice *table)
{
	const char *table_dot = memrchr(topic.p, '.', topic.n), *database_dot;

	*database = (struct slice){ 0 };
	*table = topic;
	if (!table_dot)
		return;
	*table = (struct slice){ table_dot + 1, (size_t)(topic.p + topic.n - table_dot - 1) };
	database_dot = memrchr(topic.p, '.', (size_t)(table_dot - topic.p));
	database->p = database_dot ? database_dot + 1 : topic.p;
	database->n = (size_t)(table_dot - database->p);
}

void format_name_event(struct event *event)
{
	if (event->table.p)
		return;
	format_names_from_topic(event->message->topic, &event->database, &event->table);
	event->unnamed = true;
}

const struct header *message_header(const struct message *message, const char *name)
{
	for (uint32_t i = message->header_count; i-- > 0;)
		if (slice_is(message->headers[i].name, name))
			return &message->headers[i];
	return NULL;
}

const struct format *format_find(struct slice name)
{
	static const struct format *const formats[] = { &format_debezium, &format_json, &format_maxwell, &format_canal,
							&format_ticdc,    &format_avro, &format_auto };

	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (slice_is(name, formats[i]->name))
			return formats[i];
	return NULL;
}
