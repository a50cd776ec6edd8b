/* TiCDC's own protocols, told apart by what a message looks like: canal-json, open, simple. Its Debezium form is format_debezium.c's. */
#include "flow/canal.h"
#include "flow/ticdc_open.h"
#include "flow/ticdc_simple.h"

_Static_assert((int)CANAL_DEPTH == (int)TICDC_SIMPLE_DEPTH, "a message is read before it is known which of the two it is");

static void *open_ticdc(struct decoder *decoder)
{
	(void)decoder;
	return known_tables_new();
}

static void close_ticdc(void *state)
{
	known_tables_free(state);
}

static int decode_message(struct decoder *decoder, const struct message *message, struct error *err)
{
	const struct json_node *nodes;

	if (ticdc_open_is_key(message->key))
		return ticdc_open_decode(decoder, message, decoder->state, err);
	if (message->value.n == 0) {
		decoder_add(decoder, message)->op = OP_CONTROL;
		return 0;
	}
	if (json_read(decoder->json, message->value, CANAL_DEPTH, CANAL_RAW, decoder->arena, &nodes, err) < 0)
		return -1;
	if (ticdc_simple_is_message(nodes))
		return ticdc_simple_decode(decoder, message, nodes, decoder->state, err);
	if (canal_is_message(nodes))
		return canal_decode(decoder, message, nodes, decoder->state, err);
	if (json_member(nodes, nodes, "payload") || json_member(nodes, nodes, "source"))
		return error_set(err, "a message in Debezium's form: the format for that is \"debezium\"");
	return error_set(err, "neither canal-json nor the Simple protocol nor the Open protocol");
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

const struct format format_ticdc = {
	.name = "ticdc", .plain = true, .capture = CAPTURE_TICDC, .open = open_ticdc, .close = close_ticdc, .decode = decode
};
