/* Plain rows: a message is a row as it is to be, or no value and the key of a row that is gone. */
#include "base/utf8.h"
#include "flow/guess.h"
#include "flow/json_event.h"
#include "flow/path.h"
#include "flow/topic.h"

static void *open_json(struct decoder *decoder)
{
	(void)decoder;
	return topics_new();
}

static void close_json(void *state)
{
	topics_free(state);
}

static struct event *add(struct decoder *decoder, const struct message *message, const struct topic *topic, enum op op)
{
	struct event *event = decoder_add(decoder, message);

	event->op = (uint8_t)op;
	event->database = topic->database;
	event->table = topic->table;
	event->unnamed = true;
	return event;
}

static int decode_delete(struct decoder *decoder, struct topic *topic, const struct message *message, struct error *err)
{
	const struct json_node *nodes;
	struct json_node bare = { .end = 1 };
	struct event *event;
	struct image key;

	if (!message->key.p)
		return error_set(err, "neither a value nor a key");
	if (json_read(decoder->json, message->key, 0, NULL, decoder->arena, &nodes, err) < 0) {
		/* A key that is not JSON is the text of a key of one column. */
		if (!utf8_valid(message->key))
			return error_prefix(err, "no value, and the key");
		bare.value = (struct value){ .p = message->key.p, .n = (uint32_t)message->key.n, .kind = VALUE_TEXT };
		nodes = &bare;
	}
	if (image_read_key(decoder, nodes, nodes, &topic->key.bare, &key, err) < 0)
		return error_prefix(err, "key");
	if (key.state == IMAGE_ABSENT)
		return error_set(err, "no value, and the key holds no columns");
	event = add(decoder, message, topic, OP_DELETE);
	event->row = key;
	event->key = key;
	json_event_names(&decoder->options.json, event);
	return 0;
}

static int decode_row(struct decoder *decoder, struct topic *topic, const struct message *message, const struct json_node *nodes,
		      const struct json_node *row, struct error *err)
{
	struct image image;

	if (json_event_is_set(&decoder->options.json))
		return json_event(decoder, message, topic, nodes, row, err);
	if (row->value.kind != VALUE_JSON || !row->object)
		return error_set(err, "a row is a JSON object, not %.*s", SLICE_ARG(value_show(&row->value, decoder->arena)));
	if (image_read(decoder, nodes, row, false, &topic->value.bare, &image, err) < 0)
		return -1;
	add(decoder, message, topic, OP_INSERT)->row = image;
	return 0;
}

static int decode_rows(struct decoder *decoder, struct topic *topic, const struct message *message, const struct json_node *nodes, struct error *err)
{
	struct event **first = decoder->end;
	uint32_t count = 0, part = 0;

	for (const struct json_node *row = nodes + 1; row < nodes + nodes->end; row = nodes + row->end, count++) {
		if (decode_row(decoder, topic, message, nodes, row, err) < 0) {
			*first = NULL; /* all of a message or nothing */
			decoder->end = first;
			return error_prefix(err, "row %u", count + 1);
		}
	}
	if (count == 0)
		add(decoder, message, topic, OP_CONTROL);
	for (struct event *event = *first; count > 0 && event; event = event->next) {
		event->part = part++;
		event->parts = count;
	}
	return 0;
}

static int decode(struct decoder *decoder, const struct message *message, struct error *err)
{
	struct topic *topic = topics_get(decoder->state, message->topic);
	const struct json_node *nodes;
	bool set = json_event_is_set(&decoder->options.json);

	if (!message->value.p)
		return decode_delete(decoder, topic, message, err);
	/* One deeper than a row's columns: the rows may stand in an array. */
	if (json_read(decoder->json, message->value, set ? PATH_PARTS_MOST : 1, NULL, decoder->arena, &nodes, err) < 0)
		return -1;
	if (nodes->value.kind == VALUE_JSON && !nodes->object)
		return decode_rows(decoder, topic, message, nodes, err);
	if (!set && nodes->value.kind == VALUE_JSON && guess_refuse(guess_of_object(nodes), err) < 0)
		return -1;
	return decode_row(decoder, topic, message, nodes, nodes, err);
}

const struct format format_json = { .name = "json", .plain = true, .open = open_json, .close = close_json, .decode = decode };
