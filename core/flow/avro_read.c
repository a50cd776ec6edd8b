#include "flow/avro_read.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/utf8.h"

/* Limits on what a few bytes may unfold to. */
enum { DEPTH_MOST = 64, VALUES_MOST = 1 << 20 };

struct input {
	const uint8_t *p, *end;
	struct arena *arena;
	struct error *err;
	uint32_t depth, values;
};

static size_t left(const struct input *in)
{
	return (size_t)(in->end - in->p);
}

/* ---- scalars ---- */

/* A zigzag number of 7 bits a byte, the lowest first. */
static int read_long(struct input *in, int64_t *number)
{
	uint64_t bits = 0;

	for (int shift = 0; shift < 64 && in->p < in->end; shift += 7) {
		uint8_t byte = *in->p++;

		if (shift == 63 && byte > 1)
			break;
		bits |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*number = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
			return 0;
		}
	}
	return error_set(in->err, in->p == in->end ? "the data end within a number" : "a number of more than 64 bits");
}

static int read_bytes(struct input *in, int64_t n, struct slice *bytes)
{
	if (n < 0 || (uint64_t)n > left(in))
		return error_set(in->err, "%lld bytes are announced where %zu are left", (long long)n, left(in));
	*bytes = (struct slice){ (const char *)in->p, (size_t)n };
	in->p += n;
	return 0;
}

static int read_counted(struct input *in, struct slice *bytes)
{
	int64_t n;

	return read_long(in, &n) < 0 ? -1 : read_bytes(in, n, bytes);
}

static void set(struct value *value, enum value_kind kind, struct slice text)
{
	*value = (struct value){ .p = text.p, .n = (uint32_t)text.n, .kind = (uint8_t)kind };
}

static int read_whole(struct input *in, bool is_int, struct value *value)
{
	char *text;
	int64_t number;

	if (read_long(in, &number) < 0)
		return -1;
	if (is_int && number != (int32_t)number)
		return error_set(in->err, "%lld is no number of 32 bits", (long long)number);
	text = arena_alloc(in->arena, 24);
	set(value, VALUE_NUMBER, (struct slice){ text, int_text(number, text) });
	return 0;
}

/* The shortest text that reads as the same number. */
static int read_real(struct input *in, bool is_float, struct value *value)
{
	int digits = is_float ? 6 : 15, most = is_float ? 9 : 17, n = 0;
	struct slice bytes;
	double number;
	float narrow;
	char *text;

	if (read_bytes(in, is_float ? sizeof narrow : sizeof number, &bytes) < 0)
		return -1;
	if (is_float) {
		memcpy(&narrow, bytes.p, sizeof narrow); /* little-endian, as we are */
		number = (double)narrow;
	} else {
		memcpy(&number, bytes.p, sizeof number);
	}
	text = arena_alloc(in->arena, 32);
	for (; digits <= most; digits++) {
		n = snprintf(text, 32, "%.*g", digits, number);
		if (is_float ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number)
			break;
	}
	/* JSON has no word for these; a target that has takes the text. */
	set(value, isfinite(number) ? VALUE_NUMBER : VALUE_TEXT, (struct slice){ text, (size_t)n });
	return 0;
}

static int read_text(struct input *in, struct slice *text)
{
	if (read_counted(in, text) < 0)
		return -1;
	return utf8_valid(*text) ? 0 : error_set(in->err, "text that is no UTF-8");
}

static int read_octets(struct input *in, const struct avro_type *type, struct value *value)
{
	struct slice bytes;

	if ((type->kind == AVRO_FIXED ? read_bytes(in, type->size, &bytes) : read_counted(in, &bytes)) < 0)
		return -1;
	if (type->reversed) {
		char *turned = arena_alloc(in->arena, bytes.n + 1);

		for (size_t i = 0; i < bytes.n; i++)
			turned[i] = bytes.p[bytes.n - 1 - i];
		bytes.p = turned;
	}
	set(value, VALUE_BYTES, bytes);
	return 0;
}

static int read_symbol(struct input *in, const struct avro_type *type, struct value *value)
{
	int64_t i;

	if (read_long(in, &i) < 0)
		return -1;
	if (i < 0 || i >= type->count)
		return error_set(in->err, "symbol %lld of an enum of %u", (long long)i, type->count);
	set(value, VALUE_TEXT, type->symbols[i]);
	return 0;
}

static int read_scalar(struct input *in, const struct avro_type *type, struct value *value)
{
	struct slice bytes = { 0 };

	switch ((enum avro_kind)type->kind) {
	case AVRO_NULL:
		set(value, VALUE_NULL, bytes);
		return 0;
	case AVRO_BOOLEAN:
		if (read_bytes(in, 1, &bytes) < 0)
			return -1;
		if ((uint8_t)*bytes.p > 1)
			return error_set(in->err, "%d is neither true nor false", (uint8_t)*bytes.p);
		set(value, *bytes.p ? VALUE_TRUE : VALUE_FALSE, (struct slice){ 0 });
		return 0;
	case AVRO_INT:
	case AVRO_LONG:
		return read_whole(in, type->kind == AVRO_INT, value);
	case AVRO_FLOAT:
	case AVRO_DOUBLE:
		return read_real(in, type->kind == AVRO_FLOAT, value);
	case AVRO_BYTES:
	case AVRO_FIXED:
		return read_octets(in, type, value);
	case AVRO_STRING:
		if (read_text(in, &bytes) < 0)
			return -1;
		set(value, VALUE_TEXT, bytes);
		return 0;
	case AVRO_ENUM:
		return read_symbol(in, type, value);
	case AVRO_ARRAY:
	case AVRO_MAP:
	case AVRO_UNION:
	case AVRO_RECORD:
		break;
	}
	error_bug("a scalar", __FILE__, __LINE__);
}

/* The branch of a union that the data have; any other type is itself. */
static const struct avro_type *branch(struct input *in, const struct avro_type *type)
{
	int64_t i;

	for (uint32_t depth = 0; type->kind == AVRO_UNION; depth++) {
		if (read_long(in, &i) < 0)
			return NULL;
		if (i < 0 || i >= type->count || depth == DEPTH_MOST) {
			error_set(in->err, "branch %lld of a union of %u", (long long)i, type->count);
			return NULL;
		}
		type = type->branches[i];
	}
	return type;
}

/* Every value counts, and every level: a message must not unfold to more than memory. */
static int enter(struct input *in)
{
	if (++in->values > VALUES_MOST)
		return error_set(in->err, "more than %d values in a message", VALUES_MOST);
	if (in->depth == DEPTH_MOST)
		return error_set(in->err, "more than %d levels", DEPTH_MOST);
	in->depth++;
	return 0;
}

/* ---- as the text of a JSON value ---- */

static int write_json(struct input *in, const struct avro_type *type, struct buf *out);

static int write_scalar(struct input *in, const struct avro_type *type, struct buf *out)
{
	struct value value;

	if (read_scalar(in, type, &value) < 0 || value_read(&value, type->reading, in->arena, in->err) < 0)
		return -1;
	switch ((enum value_kind)value.kind) {
	case VALUE_FALSE:
		buf_text(out, "false");
		break;
	case VALUE_TRUE:
		buf_text(out, "true");
		break;
	case VALUE_NUMBER:
		buf_append(out, value.p, value.n);
		break;
	case VALUE_TEXT:
		buf_json_string(out, (struct slice){ value.p, value.n });
		break;
	case VALUE_BYTES:
		buf_char(out, '"');
		base64_encode(out, (struct slice){ value.p, value.n });
		buf_char(out, '"');
		break;
	default:
		buf_text(out, "null");
	}
	return 0;
}

static int write_record(struct input *in, const struct avro_type *type, struct buf *out)
{
	for (uint32_t i = 0; i < type->count; i++) {
		buf_char(out, i ? ',' : '{');
		buf_json_string(out, type->fields[i].name);
		buf_char(out, ':');
		if (write_json(in, type->fields[i].type, out) < 0)
			return error_prefix(in->err, "field %.*s", SLICE_ARG(type->fields[i].name));
	}
	buf_text(out, type->count ? "}" : "{}");
	return 0;
}

/* Blocks of items, the last of which is empty. */
static int write_items(struct input *in, const struct avro_type *type, struct buf *out)
{
	bool map = type->kind == AVRO_MAP, first = true;
	int64_t count, bytes;

	buf_char(out, map ? '{' : '[');
	for (;;) {
		if (read_long(in, &count) < 0)
			return -1;
		if (count == 0)
			break;
		if (count < 0) { /* how many bytes they take follows */
			if (count == INT64_MIN || read_long(in, &bytes) < 0)
				return error_set(in->err, "a block without a size");
			count = -count;
		}
		for (; count > 0; count--, first = false) {
			struct slice key;

			if (!first)
				buf_char(out, ',');
			if (map) {
				if (read_text(in, &key) < 0)
					return -1;
				buf_json_string(out, key);
				buf_char(out, ':');
			}
			if (write_json(in, type->items, out) < 0)
				return -1;
		}
	}
	buf_char(out, map ? '}' : ']');
	return 0;
}

static int write_json(struct input *in, const struct avro_type *type, struct buf *out)
{
	int result;

	type = branch(in, type);
	if (!type || enter(in) < 0)
		return -1;
	if (type->kind == AVRO_RECORD)
		result = write_record(in, type, out);
	else if (type->kind == AVRO_ARRAY || type->kind == AVRO_MAP)
		result = write_items(in, type, out);
	else
		result = write_scalar(in, type, out);
	in->depth--;
	return result;
}

/* ---- as nodes ---- */

static size_t add_node(struct avro_reader *reader, struct slice name)
{
	if (reader->count == reader->room) {
		reader->room = reader->room ? reader->room * 2 : 64;
		reader->nodes = realloc(reader->nodes, reader->room * sizeof *reader->nodes);
		BUG_IF(!reader->nodes);
	}
	reader->nodes[reader->count] = (struct json_node){ .name = name, .end = (uint32_t)reader->count + 1 };
	return reader->count++;
}

/* A column, or the datum itself where it is none that holds columns. */
static int read_column(struct avro_reader *reader, struct input *in, const struct avro_type *type, struct json_node *node)
{
	if (!type)
		return -1;
	if (type->kind < AVRO_ARRAY)
		return enter(in) < 0 || read_scalar(in, type, &node->value) < 0 ? -1 : (in->depth--, 0);
	buf_clear(&reader->text);
	if (write_json(in, type, &reader->text) < 0)
		return -1;
	set(&node->value, VALUE_JSON, arena_copy(in->arena, buf_view(&reader->text)));
	node->object = type->kind != AVRO_ARRAY;
	return 0;
}

static int read_tidb(struct avro_reader *reader, struct input *in, const struct avro_field *field, struct avro_tidb *tidb)
{
	struct json_node node = { 0 };

	if (read_column(reader, in, branch(in, field->type), &node) < 0)
		return -1;
	if (field->mark == AVRO_TIDB_OP && node.value.kind == VALUE_TEXT)
		tidb->op = (struct slice){ node.value.p, node.value.n };
	else if (field->mark == AVRO_TIDB_TIME)
		value_is_integer(&node.value, &tidb->commit_ts);
	return 0;
}

/* A record whose members are wanted; nobody asks for its text. */
static int read_record(struct avro_reader *reader, struct input *in, const struct avro_type *type, size_t at, struct avro_tidb *tidb)
{
	set(&reader->nodes[at].value, VALUE_JSON, SLICE("{...}"));
	reader->nodes[at].object = reader->nodes[at].expanded = true;
	if (enter(in) < 0)
		return -1;
	for (uint32_t i = 0; i < type->count; i++) {
		const struct avro_field *field = &type->fields[i];
		const struct avro_type *of;
		int result;

		if (tidb && field->mark >= AVRO_TIDB_OP) {
			result = read_tidb(reader, in, field, tidb);
		} else {
			size_t child = add_node(reader, field->name);

			of = branch(in, field->type);
			if (of && of->kind == AVRO_RECORD && tidb && field->mark == AVRO_NESTED)
				result = read_record(reader, in, of, child, NULL);
			else
				result = read_column(reader, in, of, &reader->nodes[child]);
		}
		if (result < 0)
			return error_prefix(in->err, "field %.*s", SLICE_ARG(field->name));
	}
	reader->nodes[at].end = (uint32_t)reader->count;
	in->depth--;
	return 0;
}

int avro_read(struct avro_reader *reader, const struct avro_schema *schema, struct slice bytes, struct arena *arena, struct avro_tidb *tidb,
	      struct error *err)
{
	struct input in = { .p = (const uint8_t *)bytes.p, .end = (const uint8_t *)bytes.p + bytes.n, .arena = arena, .err = err };
	const struct avro_type *type;
	size_t root;

	*tidb = (struct avro_tidb){ 0 };
	reader->count = 0;
	root = add_node(reader, (struct slice){ 0 });
	type = branch(&in, schema->root);
	if (!type)
		return -1;
	if ((type->kind == AVRO_RECORD ? read_record(reader, &in, type, root, tidb) : read_column(reader, &in, type, &reader->nodes[root])) < 0)
		return -1;
	if (in.p != in.end)
		return error_set(err, "%zu bytes follow what the schema says", left(&in));
	return 0;
}

void avro_reader_deinit(struct avro_reader *reader)
{
	free(reader->nodes);
	buf_free(&reader->text);
	*reader = (struct avro_reader){ 0 };
}
