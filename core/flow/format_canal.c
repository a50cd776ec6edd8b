/* Canal's flat messages, and what others write in their form. */
#include "flow/canal.h"
#include "flow/ticdc_simple.h"

static void *open_canal(struct decoder *decoder)
{
	(void)decoder;
	return known_tables_new();
}

static void close_canal(void *state)
{
	known_tables_free(state);
}

static int decode_message(struct decoder *decoder, const struct message *message, struct error *err)
{
	const struct json_node *nodes;

	if (message->value.n == 0) {
		decoder_add(decoder, message)->op = OP_CONTROL;
		return 0;
	}
	if (json_read(decoder->json, message->value, CANAL_DEPTH, CANAL_RAW, decoder->arena, &nodes, err) < 0)
		return *message->value.p == '{' ? -1 : error_prefix(err, "no flat message (canal.mq.flatMessage)");
	if (nodes->value.kind != VALUE_JSON || !nodes->object)
		return error_set(err, "a change is a JSON object, not %.*s", SLICE_ARG(value_show(&nodes->value, decoder->arena)));
	if (ticdc_simple_is_message(nodes))
		return error_set(err, "a message of TiCDC's Simple protocol: the format for that is \"ticdc\"");
	return canal_decode(decoder, message, nodes, decoder->state, err);
}

static int decode(struct decoder *decoder, const struct message *message, struct error *err)
{
	struct event **end = decoder->end;

	if (decode_message(decoder, message, err) == 0)
		return 0;
	*end = NULL;
	decoder->end = end;
	return -1;
}

const struct format format_canal = {
	.name = "canal", .plain = true, .capture = CAPTURE_CANAL, .open = open_canal, .close = close_canal, .decode = decode
};
