#include "flow/state_key.h"

#include "flow/number.h"

/* 1, 1.0 and 1e0 are one number, and one key. */
static void put_number(struct buf *out, struct slice text)
{
	struct number number;

	if (number_parse(&number, text))
		number_plain(out, &number);
	else
		buf_slice(out, text);
}

static void put_value(struct buf *out, const struct value *value)
{
	struct slice text = { value->p, value->n };

	switch ((enum value_kind)value->kind) {
	case VALUE_NUMBER:
		put_number(out, text);
		break;
	case VALUE_TEXT:
		buf_json_string(out, text);
		break;
	case VALUE_BYTES:
		buf_text(out, "\"x'");
		buf_hex(out, text);
		buf_text(out, "'\"");
		break;
	case VALUE_JSON:
		buf_slice(out, text);
		break;
	case VALUE_TRUE:
		buf_text(out, "true");
		break;
	case VALUE_FALSE:
		buf_text(out, "false");
		break;
	case VALUE_NULL:
	case VALUE_ABSENT:
	case VALUE_DEFAULT:
		buf_text(out, "null");
		break;
	}
}

void state_key_begin(struct buf *out)
{
	buf_clear(out);
}

void state_key_add(struct buf *out, const struct value *value)
{
	buf_char(out, out->n ? ',' : '[');
	put_value(out, value);
}

void state_key_end(struct buf *out)
{
	buf_char(out, ']');
}

void state_key_extend(struct buf *key, struct slice entry)
{
	key->n--;
	buf_char(key, ',');
	buf_slice(key, entry);
	buf_char(key, ']');
}

/* The commas between a key's values: calls with the place of each, and with that of the last bracket. Stops where that says false. */
static void walk(struct slice key, bool (*at)(void *ctx, size_t place), void *ctx)
{
	size_t depth = 0;
	bool text = false;

	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];

		if (text && c == '\\')
			i++;
		else if (c == '"')
			text = !text;
		else if (!text && (c == '[' || c == '{'))
			depth++;
		else if (!text && (c == ']' || c == '}') && --depth == 0)
			at(ctx, i);
		else if (!text && c == ',' && depth == 1 && !at(ctx, i))
			return;
	}
}

struct part {
	size_t from, to;
	uint32_t left;
};

static bool find_part(void *ctx, size_t place)
{
	struct part *part = ctx;

	if (part->left-- == 0) {
		part->to = place;
		return false;
	}
	part->from = place + 1;
	return true;
}

struct slice state_key_part(struct slice key, uint32_t index)
{
	struct part part = { .from = 1, .left = index };

	walk(key, find_part, &part);
	return part.to ? (struct slice){ key.p + part.from, part.to - part.from } : SLICE("");
}

static bool keep_last(void *ctx, size_t place)
{
	size_t *last = ctx;

	last[0] = last[1];
	last[1] = place;
	return true;
}

void state_key_of_entry(struct buf *out, struct slice entry)
{
	size_t last[2] = { 0 }; /* the last comma, and the bracket */

	walk(entry, keep_last, last);
	buf_clear(out);
	buf_append(out, entry.p, last[0]);
	buf_char(out, ']');
}

/* x'6162' is ab. */
static struct value plain(struct value value, struct arena *arena)
{
	struct value bytes = { .p = value.p + 2, .n = value.n - 3, .kind = VALUE_TEXT };
	struct error err;

	if (value.n < 3 || memcmp(value.p, "x'", 2) != 0 || value.p[value.n - 1] != '\'' ||
	    value_read(&bytes, (struct reading){ .meaning = MEANING_HEX }, arena, &err) < 0)
		return value;
	bytes.kind = VALUE_TEXT;
	return bytes;
}

int state_key_value(struct json *json, struct slice key, uint32_t index, struct arena *arena, struct value *value, struct error *err)
{
	const struct json_node *nodes, *node;
	char *padded = arena_zalloc(arena, key.n + JSON_PADDING);

	memcpy(padded, key.p, key.n);
	if (json_read(json, (struct slice){ padded, key.n }, 1, NULL, arena, &nodes, err) < 0)
		return -1;
	for (node = nodes + 1; node < nodes + nodes->end && index; node = nodes + node->end)
		index--;
	if (node >= nodes + nodes->end)
		return error_set(err, "this key of its state is not what key_by makes: %.*s", SLICE_ARG(key));
	*value = node->value.kind == VALUE_TEXT ? plain(node->value, arena) : node->value;
	value->ready = true;
	return 0;
}

static size_t characters(struct slice text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.n; i++)
		count += (text.p[i] & 0xc0) != 0x80;
	return count;
}

int state_key_check(struct slice key, struct error *err)
{
	if (key.n > STATE_KEY_CHARACTERS_MOST && characters(key) > STATE_KEY_CHARACTERS_MOST)
		return error_set(err, "the key of its state has %zu characters (%.*s ...), and streamlua_state holds %d", characters(key), 40, key.p,
				 STATE_KEY_CHARACTERS_MOST);
	return 0;
}
