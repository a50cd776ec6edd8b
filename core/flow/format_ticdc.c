/* TiCDC's own protocols, told apart by what a message looks like: canal-json, open, simple. Its Debezium form is format_debezium.c's. */
#include <stdlib.h>

#include "flow/canal.h"
#include "flow/ticdc_open.h"
#include "flow/ticdc_simple.h"

_Static_assert((int)CANAL_DEPTH == (int)TICDC_SIMPLE_DEPTH, "a message is read before it is known which of the two it is");

/* A topic may go on in another protocol, whose values mean something else. */
struct ticdc {
	struct known_tables *canal, *open, *simple;
};

static void *open_ticdc(struct decoder *decoder)
{
	struct ticdc *ticdc = malloc(sizeof *ticdc);

	(void)decoder;
	BUG_IF(!ticdc);
	*ticdc = (struct ticdc){ known_tables_new(), known_tables_new(), known_tables_new() };
	return ticdc;
}

static void close_ticdc(void *state)
{
	struct ticdc *ticdc = state;

	known_tables_free(ticdc->canal);
	known_tables_free(ticdc->open);
	known_tables_free(ticdc->simple);
	free(ticdc);
}

static int decode_message(struct decoder *decoder, const struct message *message, struct error *err)
{
	const struct ticdc *ticdc = decoder->state;
	const struct json_node *nodes;

	if (ticdc_open_is_key(message->key))
		return ticdc_open_decode(decoder, message, ticdc->open, err);
	if (message->value.n == 0) {
		decoder_add(decoder, message)->op = OP_CONTROL;
		return 0;
	}
	if (json_read(decoder->json, message->value, CANAL_DEPTH, CANAL_RAW, decoder->arena, &nodes, err) < 0)
		return -1;
	if (ticdc_simple_is_message(nodes))
		return ticdc_simple_decode(decoder, message, nodes, ticdc->simple, err);
	if (canal_is_message(nodes))
		return canal_decode(decoder, message, nodes, ticdc->canal, err);
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
