#include "flow/value.h"

#include "base/buf.h"
#include "flow/json.h"
#include "flow/value_bytes.h"
#include "flow/value_struct.h"
#include "flow/value_time.h"
#include "flow/value_wkt.h"

static const char *digits_end(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* Where the -?int[.digits] that text begins with ends; NULL where it begins with none. */
static const char *decimal_end(struct slice text)
{
	const char *p = text.p, *end = text.p + text.n, *fraction;

	if (p < end && *p == '-')
		p++;
	if (p == end || *p < '0' || *p > '9')
		return NULL;
	p = *p == '0' ? p + 1 : digits_end(p, end);
	if (p == end || *p != '.')
		return p;
	fraction = p + 1;
	p = digits_end(fraction, end);
	return p == fraction ? NULL : p;
}

bool value_is_number(struct slice text)
{
	const char *p = decimal_end(text), *end = text.p + text.n, *exponent;

	if (!p || p == end || (*p != 'e' && *p != 'E'))
		return p == end;
	exponent = p + 1;
	if (exponent < end && (*exponent == '+' || *exponent == '-'))
		exponent++;
	p = digits_end(exponent, end);
	return p == end && p != exponent;
}

/* The number that eight digits are, whose first byte is the least of the word: pairs, then fours, then all. */
static uint64_t number_of_eight(const char *p)
{
	const uint64_t zeros = 0x3030303030303030, pair = 0x000000ff000000ff;
	uint64_t word = slice_load(p, 8) - zeros;

	word = word * 10 + (word >> 8);
	return ((word & pair) * 0x000f424000000064 + (word >> 16 & pair) * 0x0000271000000001) >> 32;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "number_of_eight is for these");

bool value_is_integer(const struct value *v, int64_t *number)
{
	enum { SURE_DIGITS = 18 }; /* no more than these fit for sure */
	bool negative = v->kind == VALUE_NUMBER && v->n > 0 && v->p[0] == '-';
	uint64_t size = 0;
	uint32_t at;

	if (v->kind != VALUE_NUMBER || v->n == negative)
		return false;
	if (v->n <= SURE_DIGITS) {
		if (!slice_is_digits((struct slice){ v->p + negative, v->n - negative }))
			return false;
		for (at = negative; at + 8 <= v->n; at += 8)
			size = size * 100000000 + number_of_eight(v->p + at);
		for (; at < v->n; at++)
			size = size * 10 + (uint64_t)(v->p[at] - '0');
		*number = negative ? -(int64_t)size : (int64_t)size;
		return true;
	}
	for (uint32_t i = negative; i < v->n; i++) {
		if (v->p[i] < '0' || v->p[i] > '9' || __builtin_mul_overflow(size, 10u, &size) ||
		    __builtin_add_overflow(size, (uint64_t)(v->p[i] - '0'), &size))
			return false;
	}
	if (size > (uint64_t)INT64_MAX + negative)
		return false;
	*number = (int64_t)(negative ? 0 - size : size);
	return true;
}

static void set(struct value *v, struct slice text, enum value_kind kind)
{
	v->p = text.p;
	v->n = (uint32_t)text.n;
	v->kind = (uint8_t)kind;
}

static int is_no(const struct value *v, const char *what, struct arena *arena, struct error *err)
{
	return error_set(err, "%.*s is no %s", SLICE_ARG(value_show(v, arena)), what);
}

struct json *value_open_json(const struct value *v, struct arena *arena, const struct json_node **nodes, struct error *err)
{
	struct json *json = json_new();
	char *padded = arena_alloc(arena, v->n + JSON_PADDING);

	memcpy(padded, v->p, v->n);
	memset(padded + v->n, 0, JSON_PADDING);
	if (json_read(json, (struct slice){ padded, v->n }, 0, NULL, arena, nodes, err) < 0) {
		json_free(json);
		return NULL;
	}
	return json;
}

/* Of the document itself. */
static const struct value *member(const struct json_node *object, const char *name)
{
	const struct json_node *node = json_member(object, object, name);

	return node ? &node->value : NULL;
}

static int read_geometry(struct value *v, struct arena *arena, struct error *err)
{
	const struct json_node *nodes;
	struct json *json = value_open_json(v, arena, &nodes, err);
	const struct value *wkb, *srid;
	int64_t number = 0;
	int result;

	if (!json)
		return -1;
	wkb = member(nodes, "wkb");
	srid = member(nodes, "srid");
	if (!wkb || wkb->kind != VALUE_TEXT)
		result = is_no(v, "geometry: it has no \"wkb\"", arena, err);
	else if (srid && srid->kind != VALUE_NULL && (!value_is_integer(srid, &number) || number < 0 || number > UINT32_MAX))
		result = is_no(v, "geometry: its \"srid\" is none", arena, err);
	else
		result = value_bytes_geometry(v, (struct slice){ wkb->p, wkb->n }, (uint32_t)number, arena, err);
	json_free(json);
	return result;
}

/* Each value of a column with a scale of its own: {"scale":n,"value":base64}. */
static int read_scaled_decimal(struct value *v, struct arena *arena, struct error *err)
{
	const struct json_node *nodes;
	struct json *json = value_open_json(v, arena, &nodes, err);
	const struct value *scale, *digits;
	int64_t number;
	int result;

	if (!json)
		return -1;
	scale = member(nodes, "scale");
	digits = member(nodes, "value");
	if (!digits || digits->kind != VALUE_TEXT || !scale || !value_is_integer(scale, &number) || number != (int16_t)number) {
		result = is_no(v, "decimal", arena, err);
	} else {
		struct value inner = *digits;

		result = value_bytes_decimal(&inner, (int16_t)number, arena, err);
		if (result == 0)
			*v = inner;
	}
	json_free(json);
	return result;
}

static int read_set(struct value *v, struct arena *arena, struct error *err)
{
	const struct json_node *nodes;
	struct json *json = value_open_json(v, arena, &nodes, err);
	char *text, *out;

	if (!json)
		return -1;
	text = out = arena_alloc(arena, v->n); /* the members with their quotes took more */
	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		if (nodes->object || node->value.kind != VALUE_TEXT) {
			json_free(json);
			return is_no(v, "list of a set's members", arena, err);
		}
		if (out > text)
			*out++ = ',';
		if (node->value.n)
			out = (char *)memcpy(out, node->value.p, node->value.n) + node->value.n;
	}
	json_free(json);
	set(v, (struct slice){ text, (size_t)(out - text) }, VALUE_TEXT);
	return 0;
}

/* True where v was TRUE or FALSE, and now is a number. */
static bool truth_as_number(struct value *v)
{
	if (v->kind != VALUE_TRUE && v->kind != VALUE_FALSE)
		return false;
	set(v, v->kind == VALUE_TRUE ? SLICE("1") : SLICE("0"), VALUE_NUMBER);
	return true;
}

/* An object is a number where it is a decimal with its scale: what connectors to Oracle make of a NUMBER. */
static void read_numeric(struct value *v, struct arena *arena)
{
	struct error ignored;

	if (v->kind == VALUE_JSON && *v->p == '{')
		read_scaled_decimal(v, arena, &ignored);
	else if (!truth_as_number(v) && v->kind == VALUE_TEXT && value_is_number((struct slice){ v->p, v->n }))
		v->kind = VALUE_NUMBER;
}

static int read_decimal(struct value *v, struct reading reading, struct arena *arena, struct error *err)
{
	struct slice text = { v->p, v->n };

	if (truth_as_number(v) || v->kind == VALUE_NUMBER)
		return 0;
	if (v->kind == VALUE_JSON)
		return read_scaled_decimal(v, arena, err);
	if (v->kind != VALUE_TEXT && v->kind != VALUE_BYTES)
		return is_no(v, "decimal", arena, err);
	if (v->kind == VALUE_TEXT && reading.meaning == MEANING_DECIMAL_GUESS && decimal_end(text) == text.p + text.n) {
		v->kind = VALUE_NUMBER;
		return 0;
	}
	return value_bytes_decimal(v, reading.scale, arena, err);
}

static int read_unsigned(struct value *v, struct arena *arena, struct error *err)
{
	int64_t number;

	read_numeric(v, arena);
	if (v->kind == VALUE_TEXT)
		return value_bytes_decimal(v, 0, arena, err);
	if (v->kind != VALUE_NUMBER)
		return is_no(v, "integer", arena, err);
	if (v->p[0] != '-')
		return 0;
	if (!value_is_integer(v, &number))
		return is_no(v, "64-bit integer", arena, err);
	set(v, arena_printf(arena, "%llu", (unsigned long long)number), VALUE_NUMBER);
	return 0;
}

/* A scalar as the text of a JSON document; an object or array is one already. */
static void read_json(struct value *v, struct arena *arena)
{
	struct buf quoted = BUF_INIT;

	if (v->kind == VALUE_TRUE) {
		set(v, SLICE("true"), VALUE_JSON);
	} else if (v->kind == VALUE_FALSE) {
		set(v, SLICE("false"), VALUE_JSON);
	} else if (v->kind == VALUE_NUMBER) {
		v->kind = VALUE_JSON;
	} else if (v->kind == VALUE_TEXT) {
		buf_json_string(&quoted, (struct slice){ v->p, v->n });
		set(v, arena_copy(arena, buf_view(&quoted)), VALUE_JSON);
		buf_free(&quoted);
	}
}

static int read_by_meaning(struct value *v, struct reading reading, struct arena *arena, struct error *err)
{
	switch ((enum meaning)reading.meaning) {
	case MEANING_UNKNOWN:
	case MEANING_PLAIN:
		return 0;
	case MEANING_NUMERIC:
	case MEANING_DOUBLE:
		read_numeric(v, arena);
		return 0;
	case MEANING_UNSIGNED:
		return read_unsigned(v, arena, err);
	case MEANING_DECIMAL:
	case MEANING_DECIMAL_GUESS:
		return read_decimal(v, reading, arena, err);
	case MEANING_BASE64:
	case MEANING_BASE64_URL:
	case MEANING_HEX:
	case MEANING_LATIN1:
	case MEANING_GO_QUOTED:
		if (v->kind != VALUE_TEXT && v->kind != VALUE_BYTES)
			return is_no(v, "text of bytes", arena, err);
		return value_bytes_text(v, reading, arena, err);
	case MEANING_BASE64_TEXT:
		return v->kind == VALUE_TEXT ? value_bytes_of_text(v, arena, err) : is_no(v, "base64 of text", arena, err);
	case MEANING_BITS:
		if (truth_as_number(v) || v->kind == VALUE_NUMBER)
			return 0;
		return v->kind == VALUE_TEXT || v->kind == VALUE_BYTES ? value_bytes_bits(v, arena, err) : is_no(v, "bit string", arena, err);
	case MEANING_BIT_NUMBER:
		read_numeric(v, arena);
		if (v->kind == VALUE_TEXT || v->kind == VALUE_BYTES)
			return value_bytes_number(v, arena, err);
		return v->kind == VALUE_NUMBER ? 0 : is_no(v, "bit string", arena, err);
	case MEANING_DAYS:
	case MEANING_DATETIME_MS:
	case MEANING_DATETIME_US:
	case MEANING_DATETIME_NS:
	case MEANING_TIME_MS:
	case MEANING_TIME_US:
	case MEANING_TIME_NS:
		if (v->kind == VALUE_NUMBER)
			return value_time_count(v, reading, arena, err);
		/* fallthrough */
	case MEANING_ZONED:
	case MEANING_ISO:
		if (v->kind == VALUE_JSON && value_struct_time(v, reading.scale, arena, err) < 0)
			return -1;
		return v->kind == VALUE_TEXT ? value_time_text(v, reading, arena, err) : is_no(v, "time", arena, err);
	case MEANING_SET:
		return v->kind == VALUE_JSON ? read_set(v, arena, err) : 0;
	case MEANING_GEOMETRY:
		if (v->kind == VALUE_JSON)
			return read_geometry(v, arena, err);
		/* Else it is the internal form already, which begins with a number. */
		return v->kind == VALUE_TEXT && value_is_wkt(v) ? value_wkt(v, arena, err) : 0;
	case MEANING_WKT:
		return v->kind == VALUE_TEXT ? value_wkt(v, arena, err) : is_no(v, "geometry", arena, err);
	case MEANING_JSON:
		read_json(v, arena);
		return 0;
	}
	error_bug("a meaning", __FILE__, __LINE__);
}

int value_read(struct value *v, struct reading reading, struct arena *arena, struct error *err)
{
	bool said = v->kind != VALUE_ABSENT && v->kind != VALUE_NULL && v->kind != VALUE_DEFAULT;

	if (!v->ready && said && read_by_meaning(v, reading, arena, err) < 0)
		return -1;
	v->ready = true;
	return 0;
}

struct slice value_show(const struct value *v, struct arena *arena)
{
	enum { TEXT_MOST = 52, BYTES_MOST = 24 }; /* with quotes, x and three dots under 60 */
	size_t n = v->n;

	switch ((enum value_kind)v->kind) {
	case VALUE_ABSENT:
		return SLICE("(absent)");
	case VALUE_DEFAULT:
		return SLICE("(default)");
	case VALUE_NULL:
		return SLICE("null");
	case VALUE_FALSE:
		return SLICE("false");
	case VALUE_TRUE:
		return SLICE("true");
	case VALUE_BYTES: {
		struct buf hex = BUF_INIT;
		struct slice text;

		buf_hex(&hex, (struct slice){ v->p, n < BYTES_MOST ? n : BYTES_MOST });
		text = arena_printf(arena, "x'%.*s'%s", SLICE_ARG(buf_view(&hex)), n > BYTES_MOST ? "..." : "");
		buf_free(&hex);
		return text;
	}
	case VALUE_NUMBER:
	case VALUE_TEXT:
	case VALUE_JSON:
		break;
	}
	if (n > TEXT_MOST)
		for (n = TEXT_MOST; n > 0 && ((unsigned char)v->p[n] & 0xc0) == 0x80; n--) {
		}
	return arena_printf(arena, v->kind == VALUE_TEXT ? "\"%.*s\"%s" : "%.*s%s", (int)n, v->p, v->n > n ? "..." : "");
}
