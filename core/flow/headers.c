#include "flow/headers.h"

#include "base/base64.h"
#include "base/utf8.h"

void headers_write(struct buf *out, const struct message *message)
{
	buf_char(out, '[');
	for (uint32_t i = 0; i < message->header_count; i++) {
		const struct header *header = &message->headers[i];

		if (i)
			buf_char(out, ',');
		buf_json_string(out, header->name);
		buf_char(out, ',');
		if (!header->value.p) {
			buf_text(out, "null");
		} else if (utf8_valid(header->value)) {
			buf_json_string(out, header->value);
		} else {
			buf_text(out, "{\"base64\":\"");
			base64_encode(out, header->value);
			buf_text(out, "\"}");
		}
	}
	buf_char(out, ']');
}

static int read_value(const struct json_node *node, const struct json_node *inner, struct arena *arena, struct slice *value, struct error *err)
{
	struct slice text = { node->value.p, node->value.n };
	char *bytes;
	ssize_t n;

	*value = (struct slice){ 0 };
	if (node->value.kind == VALUE_NULL)
		return 0;
	if (node->value.kind == VALUE_TEXT) {
		*value = arena_copy(arena, text);
		return 0;
	}
	if (!node->object || !inner || inner->value.kind != VALUE_TEXT || !slice_is(inner->name, "base64"))
		return error_set(err, "a header's value is neither text nor {\"base64\":\"..\"}");
	text = (struct slice){ inner->value.p, inner->value.n };
	bytes = arena_alloc(arena, BASE64_DECODED_MOST(text.n));
	n = base64_decode(bytes, text);
	if (n < 0)
		return error_set(err, "a header's value is no base64");
	*value = (struct slice){ bytes, (size_t)n };
	return 0;
}

int headers_read(struct json *json, struct slice text, struct arena *arena, struct message *message, struct error *err)
{
	char *padded = arena_zalloc(arena, text.n + JSON_PADDING);
	const struct json_node *nodes;
	struct header *headers;
	uint32_t count = 0, i;

	if (text.n)
		memcpy(padded, text.p, text.n);
	if (json_read(json, (struct slice){ padded, text.n }, 3, NULL, arena, &nodes, err) < 0)
		return error_prefix(err, "headers");
	for (i = 1; i < nodes[0].end; i = nodes[i].end)
		count++;
	if (nodes[0].object || nodes[0].value.kind != VALUE_JSON || count % 2)
		return error_set(err, "headers are no list of names and values");
	headers = arena_zalloc(arena, (count / 2 + 1) * sizeof *headers);
	message->headers = headers;
	message->header_count = count / 2;
	for (i = 1; i < nodes[0].end; headers++) {
		const struct json_node *name = &nodes[i], *value = &nodes[name->end];

		headers->name = arena_copy(arena, (struct slice){ name->value.p, name->value.n });
		if (read_value(value, value->end > (uint32_t)(value - nodes) + 1 ? value + 1 : NULL, arena, &headers->value, err) < 0)
			return -1;
		i = value->end;
	}
	return 0;
}
