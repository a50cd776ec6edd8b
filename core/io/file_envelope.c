#include "io/file_envelope.h"

#include <stdlib.h>

#include "base/base64.h"
#include "flow/json.h"

struct file_envelope {
	struct json *json;
	struct arena arena; /* what had to be unescaped or decoded for the last line */
	struct header *headers;
	uint32_t header_count, header_cap;
};

struct file_envelope *file_envelope_new(void)
{
	struct file_envelope *envelope = calloc(1, sizeof *envelope);

	BUG_IF(!envelope);
	envelope->json = json_new();
	return envelope;
}

void file_envelope_free(struct file_envelope *envelope)
{
	if (!envelope)
		return;
	json_free(envelope->json);
	arena_free(&envelope->arena);
	free(envelope->headers);
	free(envelope);
}

/* Text as its bytes, null as none, anything else (a converter's object, a number) as its JSON text. */
static struct slice bytes_of(const struct value *value)
{
	switch ((enum value_kind)value->kind) {
	case VALUE_FALSE:
		return SLICE("false");
	case VALUE_TRUE:
		return SLICE("true");
	case VALUE_NUMBER:
	case VALUE_TEXT:
	case VALUE_BYTES:
	case VALUE_JSON:
		/* An empty text is a value; only null is none. */
		return (struct slice){ value->p ? value->p : "", value->n };
	case VALUE_NULL:
	case VALUE_ABSENT:
	case VALUE_DEFAULT:
		break;
	}
	return (struct slice){ 0 };
}

static const char *base64_of(struct file_envelope *envelope, const struct value *value, struct slice *bytes)
{
	struct slice text = bytes_of(value);
	char *out;
	ssize_t n;

	*bytes = (struct slice){ 0 };
	if (value->kind == VALUE_NULL)
		return NULL;
	out = arena_alloc(&envelope->arena, BASE64_DECODED_MOST(text.n));
	n = value->kind == VALUE_TEXT ? base64_decode(out, text) : -1;
	if (n < 0)
		return "it is no record: key_base64, payload_base64 or a header's base64 is no base64";
	*bytes = (struct slice){ out, (size_t)n };
	return NULL;
}

static const char *integer_of(const struct value *value, int64_t least, int64_t most, int64_t *number)
{
	char digits[32], *end;
	long long n;

	if (value->kind == VALUE_NULL)
		return NULL;
	if (value->kind != VALUE_NUMBER || value->n >= sizeof digits)
		return "it is no record: partition, offset or ts is no integer";
	memcpy(digits, value->p, value->n);
	digits[value->n] = 0;
	n = strtoll(digits, &end, 10);
	if (*end || n < least || n > most)
		return "it is no record: partition, offset or ts is no integer, or out of range";
	*number = n;
	return NULL;
}

static struct header *add_header(struct file_envelope *envelope)
{
	if (envelope->header_count == envelope->header_cap) {
		envelope->header_cap = envelope->header_cap ? envelope->header_cap * 2 : 16;
		envelope->headers = realloc(envelope->headers, envelope->header_cap * sizeof *envelope->headers);
		BUG_IF(!envelope->headers);
	}
	return &envelope->headers[envelope->header_count++];
}

/* A header's value is text or null, or {"base64":".."} where its bytes are no text. */
static const char *header_value(struct file_envelope *envelope, const struct json_node *nodes, uint32_t i, struct slice *value)
{
	if (nodes[i].value.kind == VALUE_JSON && nodes[i].object && nodes[i].expanded && nodes[i].end == i + 2 &&
	    slice_is(nodes[i + 1].name, "base64"))
		return base64_of(envelope, &nodes[i + 1].value, value);
	*value = bytes_of(&nodes[i].value);
	return NULL;
}

/* Names and values in turn in an array, or an object. */
static const char *read_headers(struct file_envelope *envelope, const struct json_node *nodes, uint32_t at)
{
	const char *flaw = NULL;
	uint32_t i = at + 1;

	envelope->header_count = 0;
	if (nodes[at].value.kind == VALUE_NULL)
		return NULL;
	if (nodes[at].value.kind != VALUE_JSON || !nodes[at].expanded)
		return "it is no record: headers is neither an array nor an object";
	while (i < nodes[at].end && !flaw) {
		struct slice name = nodes[i].name;
		struct header *header;

		if (!nodes[at].object) {
			name = bytes_of(&nodes[i].value);
			if (nodes[i].value.kind != VALUE_TEXT || nodes[i].end == nodes[at].end)
				return "it is no record: headers is no array of names and values in turn";
			i = nodes[i].end;
		}
		header = add_header(envelope);
		header->name = name;
		flaw = header_value(envelope, nodes, i, &header->value);
		i = nodes[i].end;
	}
	return flaw;
}

static const char *read_member(struct file_envelope *envelope, const struct json_node *nodes, uint32_t i, struct message *message, bool *payload)
{
	const struct value *value = &nodes[i].value;
	struct slice name = nodes[i].name;
	const char *flaw = NULL;
	int64_t number;

	if (slice_is(name, "payload")) {
		message->value = bytes_of(value);
		*payload = true;
	} else if (slice_is(name, "payload_base64")) {
		flaw = base64_of(envelope, value, &message->value);
		*payload = true;
	} else if (slice_is(name, "key")) {
		message->key = bytes_of(value);
	} else if (slice_is(name, "key_base64")) {
		flaw = base64_of(envelope, value, &message->key);
	} else if (slice_is(name, "topic")) {
		if (value->kind == VALUE_TEXT)
			message->topic = bytes_of(value);
		else if (value->kind != VALUE_NULL)
			flaw = "it is no record: topic is no text";
	} else if (slice_is(name, "partition")) {
		number = message->partition;
		flaw = integer_of(value, -1, INT32_MAX, &number);
		message->partition = (int32_t)number;
	} else if (slice_is(name, "offset")) {
		flaw = integer_of(value, INT64_MIN, INT64_MAX, &message->offset);
	} else if (slice_is(name, "ts")) {
		flaw = integer_of(value, INT64_MIN, INT64_MAX, &message->time_ms);
	} else if (slice_is(name, "headers")) {
		flaw = read_headers(envelope, nodes, i);
	}
	return flaw;
}

void file_envelope_read(struct file_envelope *envelope, struct slice line, struct message *message)
{
	const struct message given = *message;
	const struct json_node *nodes;
	const char *flaw = NULL;
	bool payload = false;

	arena_reset(&envelope->arena);
	envelope->header_count = 0;
	if (json_read(envelope->json, line, 2, "payload", &envelope->arena, &nodes, NULL) < 0)
		flaw = "it is no record: the line is not JSON as kcat -J prints it";
	else if (nodes[0].value.kind != VALUE_JSON || !nodes[0].object)
		flaw = "it is no record: the line is no JSON object as kcat -J prints it";
	for (uint32_t i = 1; !flaw && i < nodes[0].end; i = nodes[i].end)
		flaw = read_member(envelope, nodes, i, message, &payload);
	if (!flaw && !payload)
		flaw = "it is no record: the JSON object has no payload";
	if (flaw) {
		*message = given;
		message->key = (struct slice){ 0 };
		message->value = line;
		message->flaw = flaw;
		return;
	}
	if (message->time_ms < 0)
		message->time_ms = 0;
	message->headers = envelope->headers;
	message->header_count = envelope->header_count;
}
