/* Every decoder: a message becomes events or a reason. A message that is decoded again is the same again, though the decoder has
 * remembered something of it meanwhile; numbers are those of the message, digit by digit; and every value can be read for a column of
 * any type, or says why not.
 *
 * An input is lines of `value` or `key<TAB>value`, a message each, for one decoder. For TiCDC's binary protocol a line's key and value
 * are lists of JSON texts with \x01 between them, which are framed here; an input that begins with \x00 is one message as it stands:
 * two bytes with the size of the key (little-endian), the key, the value. For Avro it is a line with the schema, and the data behind it. */
#include <stdlib.h>

#include "flow/format.h"
#include "flow/json.h"
#include "fuzz/fuzz.h"

static const struct reading_settings settings[] = {
	{ 0 },
	{ .decimal = MEANING_DECIMAL, .binary = MEANING_BASE64, .zone_minutes = 480 },
	{ .decimal = MEANING_PLAIN, .binary = MEANING_HEX, .absent_is_null = true },
};

struct session {
	struct decoder decoder;
	struct arena *arena;
	struct message message;
	struct buf first, again; /* what a message came to */
};

static void begin(struct session *s, const struct format *format, size_t variant)
{
	static struct json *json; /* both only memory */
	static struct arena arena;

	if (!json)
		json = json_new();
	*s = (struct session){ .arena = &arena, .message = { .topic = SLICE("dbserver1.shop.orders"), .offset = 7 } };
	s->decoder = (struct decoder){ .format = format, .shapes = shapes_new(), .json = json, .arena = &arena };
	s->decoder.options.readings = settings[variant % (sizeof settings / sizeof *settings)];
	s->decoder.options.readings.plain = format->plain;
	s->decoder.options.readings.capture = format->capture;
	s->decoder.state = format->open ? format->open(&s->decoder) : NULL;
}

static void end(struct session *s)
{
	if (s->decoder.format->close)
		s->decoder.format->close(s->decoder.state);
	shapes_free(s->decoder.shapes);
	arena_reset(s->arena);
	buf_free(&s->first);
	buf_free(&s->again);
}

static bool is_in(struct slice text, struct slice in)
{
	return in.n && memmem(in.p, in.n, text.p, text.n);
}

static void check_value(struct session *s, const struct column *column, const struct value *value, unsigned number)
{
	struct target_column to = fuzz_column(number);
	struct value read = *value;
	struct slice text = { value->p, value->n };
	struct error err = { .text = "" };

	FUZZ_CHECK(value->kind <= VALUE_JSON && !value->ready, "kind %d", value->kind);
	if (value->kind == VALUE_NUMBER)
		FUZZ_CHECK(value_is_number(text) && (s->decoder.options.schemas || is_in(text, s->message.value) || is_in(text, s->message.key)),
			   "%.*s", SLICE_ARG(text));
	if (value_read(&read, reading_resolve(column, &to, &s->decoder.options.readings), s->arena, &err) < 0) {
		FUZZ_CHECK(err.text[0], "column type %d", to.type);
		return;
	}
	fuzz_check_read(&read);
	fuzz_check_sql(&read, &to);
}

static void check_image(struct session *s, const struct image *image, struct buf *out)
{
	FUZZ_CHECK((image->state == IMAGE_ABSENT) == (image->shape == NULL), "state %d", image->state);
	if (!image->shape)
		return;
	for (uint32_t i = 0; i < image->shape->count; i++) {
		const struct column *column = &image->shape->columns[i];
		const struct value *value = &image->values[i];

		check_value(s, column, value, (unsigned)(column->name.n + i));
		if (value->kind == VALUE_ABSENT)
			continue;
		buf_printf(out, "%.*s=%d:", SLICE_ARG(column->name), value->kind);
		if (value->kind >= VALUE_NUMBER)
			buf_append(out, value->p, value->n);
		buf_char(out, ' ');
	}
}

static void check_event(struct session *s, const struct event *event, struct buf *out)
{
	FUZZ_CHECK(event->op <= OP_CONTROL && event->message == &s->message, "op %d", event->op);
	FUZZ_CHECK(event->part < (event->parts ? event->parts : 1), "part %u of %u", event->part, event->parts);
	buf_printf(out, "%d %.*s.%.*s %lld %d row ", event->op, SLICE_ARG(event->database), SLICE_ARG(event->table), (long long)event->time_ms,
		   event->row.state);
	check_image(s, &event->row, out);
	buf_text(out, "old ");
	check_image(s, &event->old, out);
	buf_text(out, "key ");
	check_image(s, &event->key, out);
	buf_char(out, '\n');
}

static int decode_once(struct session *s, struct buf *out)
{
	struct error err = { .text = "" };

	s->decoder.first = NULL;
	s->decoder.end = &s->decoder.first;
	buf_clear(out);
	if (s->decoder.format->decode(&s->decoder, &s->message, &err) < 0) {
		FUZZ_CHECK(err.text[0], "an error without a reason");
		return -1;
	}
	FUZZ_CHECK(s->decoder.first, "no event and no error");
	for (const struct event *event = s->decoder.first; event; event = event->next)
		check_event(s, event, out);
	return 0;
}

static void decode_message(struct session *s, struct slice key, struct slice value)
{
	s->message.key = fuzz_padded(key);
	s->message.value = fuzz_padded(value);
	if (decode_once(s, &s->first) == 0) {
		FUZZ_CHECK(decode_once(s, &s->again) == 0, "it was decoded before:\n%s", buf_cstr(&s->first));
		FUZZ_CHECK(slice_equal(buf_view(&s->first), buf_view(&s->again)), "first:\n%s\nthen:\n%s", buf_cstr(&s->first), buf_cstr(&s->again));
	}
	free((char *)s->message.key.p);
	free((char *)s->message.value.p);
	arena_reset(s->arena);
}

/* Key and value of a line; a p of NULL where there is none. */
static void split(struct slice line, struct slice *key, struct slice *value)
{
	bool has_key = line.n && memchr(line.p, '\t', line.n);

	*key = has_key ? fuzz_until(&line, '\t') : (struct slice){ 0 };
	*value = line.n || !has_key ? line : (struct slice){ 0 };
}

static void decode_lines(const struct format *format, struct slice input)
{
	struct session s;

	begin(&s, format, input.n);
	while (input.n) {
		struct slice key, value;

		split(fuzz_until(&input, '\n'), &key, &value);
		decode_message(&s, key, value);
	}
	end(&s);
}

void fuzz_debezium(struct slice input)
{
	decode_lines(&format_debezium, input);
}

void fuzz_flattened(struct slice input)
{
	decode_lines(&format_debezium, input);
}

void fuzz_maxwell(struct slice input)
{
	decode_lines(&format_maxwell, input);
}

void fuzz_canal(struct slice input)
{
	decode_lines(&format_canal, input);
}

void fuzz_ticdc_simple(struct slice input)
{
	decode_lines(&format_ticdc, input);
}

void fuzz_json(struct slice input)
{
	decode_lines(&format_json, input);
}

static void frame(struct buf *out, struct slice texts)
{
	while (texts.n) {
		struct slice text = fuzz_until(&texts, '\x01');

		for (int shift = 56; shift >= 0; shift -= 8)
			buf_char(out, (char)((uint64_t)text.n >> shift));
		buf_slice(out, text);
	}
}

void fuzz_ticdc_open(struct slice input)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct session s;

	begin(&s, &format_ticdc, input.n);
	if (input.n && input.p[0] == 0) {
		size_t size = (fuzz_byte(&input), fuzz_number(&input, 2));
		struct slice head = { input.p, size < input.n ? size : input.n };

		decode_message(&s, head, (struct slice){ input.p + head.n, input.n - head.n });
		input.n = 0;
	}
	while (input.n) {
		struct slice keys, values;

		split(fuzz_until(&input, '\n'), &keys, &values);
		buf_clear(&key);
		buf_clear(&value);
		buf_append(&key, "\0\0\0\0\0\0\0\1", 8);
		frame(&key, keys);
		frame(&value, values);
		decode_message(&s, buf_view(&key), values.p ? buf_view(&value) : values);
	}
	buf_free(&key);
	buf_free(&value);
	end(&s);
}

/* A registry with one schema, which is asked for by any number. */
struct shelf {
	struct schemas schemas;
	struct slice text;
};

static enum schemas_answer shelf_get(struct schemas *schemas, uint32_t id, struct schema_texts *texts, struct error *err)
{
	(void)id, (void)err;
	*texts = (struct schema_texts){ .text = ((struct shelf *)schemas)->text };
	return SCHEMAS_HAVE;
}

void fuzz_avro(struct slice input)
{
	static const struct schemas_ops ops = { .get = shelf_get };
	struct slice schema = fuzz_until(&input, '\n');
	struct shelf shelf = { { &ops }, fuzz_padded(schema) };
	struct buf framed = BUF_INIT;
	struct session s;

	begin(&s, &format_avro, input.n);
	s.decoder.options.schemas = &shelf.schemas;
	buf_append(&framed, "\0\0\0\0\1", 5);
	buf_slice(&framed, input);
	s.message.value = buf_view(&framed);
	FUZZ_CHECK(format_avro.ready(&s.decoder, &s.message), "the schema is there");
	decode_message(&s, (struct slice){ 0 }, buf_view(&framed));
	decode_message(&s, buf_view(&framed), (struct slice){ 0 });
	end(&s);
	buf_free(&framed);
	free((char *)shelf.text.p);
}
