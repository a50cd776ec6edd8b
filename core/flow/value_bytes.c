#include "flow/value_bytes.h"

#include "base/base64.h"
#include "base/utf8.h"

/* Enough for any DECIMAL of MySQL (65 digits take 27 bytes) with much to spare; the conversion is quadratic. */
enum { DECIMAL_BYTES_MOST = 512, DECIMAL_SCALE_MOST = 4096 };

static void set(struct value *v, struct slice bytes, enum value_kind kind)
{
	v->p = bytes.p;
	v->n = (uint32_t)bytes.n;
	v->kind = (uint8_t)kind;
}

/* The same text in the plain alphabet (RFC 4648, 5); what only that one has becomes what neither has. */
static struct slice plain_alphabet(struct slice text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.n + 1);

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		out[i] = c == '-' ? '+' : c == '_' ? '/' : c == '+' || c == '/' ? '.' : c;
	}
	return (struct slice){ out, text.n };
}

int value_bytes_base64(struct slice text, bool url, struct slice *bytes, struct arena *arena, struct error *err)
{
	char *out = arena_alloc(arena, BASE64_DECODED_MOST(text.n));
	ssize_t n = base64_decode(out, url ? plain_alphabet(text, arena) : text);

	if (n < 0)
		return error_set(err, "no base64 text");
	*bytes = (struct slice){ out, (size_t)n };
	return 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int hex_bytes(struct slice text, struct slice *bytes, struct arena *arena, struct error *err)
{
	char *out = arena_alloc(arena, text.n / 2 + 1);

	if (text.n % 2)
		return error_set(err, "no hexadecimal text: an odd number of digits");
	for (size_t i = 0; i < text.n; i += 2) {
		int high = hex_digit(text.p[i]), low = hex_digit(text.p[i + 1]);

		if (high < 0 || low < 0)
			return error_set(err, "no hexadecimal text: character %zu is no digit of it", high < 0 ? i + 1 : i + 2);
		out[i / 2] = (char)(high << 4 | low);
	}
	*bytes = (struct slice){ out, text.n / 2 };
	return 0;
}

static int latin1_bytes(struct slice text, struct slice *bytes, struct arena *arena, struct error *err)
{
	char *out = arena_alloc(arena, text.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.n;) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < 0x80) {
			out[n++] = (char)c;
			i++;
		} else if ((c == 0xc2 || c == 0xc3) && utf8_sequence(text.p + i, text.n - i) == 2) {
			out[n++] = (char)((c & 3) << 6 | ((unsigned char)text.p[i + 1] & 0x3f));
			i += 2;
		} else {
			return error_set(err, "a character above U+00FF stands for no byte");
		}
	}
	*bytes = (struct slice){ out, n };
	return 0;
}

/* hh, hhhh or hhhhhhhh behind \x, \u or \U. */
static bool hex_number(const char *p, size_t n, uint32_t *number)
{
	*number = 0;
	for (size_t i = 0; i < n; i++) {
		int digit = hex_digit(p[i]);

		if (digit < 0)
			return false;
		*number = *number << 4 | (uint32_t)digit;
	}
	return true;
}

static char *put_character(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		if (c < 0x10000) {
			*out++ = (char)(0xe0 | c >> 12);
		} else {
			*out++ = (char)(0xf0 | c >> 18);
			*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

static int go_quoted_bytes(struct slice text, struct slice *bytes, struct arena *arena, struct error *err)
{
	static const char names[] = "abfnrtv\\\"'", meant[] = "\a\b\f\n\r\t\v\\\"'";
	char *start = arena_alloc(arena, text.n + 1), *out = start;
	const char *p = text.p, *end = text.p + text.n, *name;

	while (p < end) {
		size_t digits;
		uint32_t number;

		if (*p != '\\') {
			*out++ = *p++;
			continue;
		}
		if (++p == end)
			goto none;
		name = memchr(names, *p, sizeof names - 1);
		digits = *p == 'x' ? 2 : *p == 'u' ? 4 : *p == 'U' ? 8 : 0;
		p++;
		if (name) {
			*out++ = meant[name - names];
			continue;
		}
		if (digits == 0 || (size_t)(end - p) < digits || !hex_number(p, digits, &number) || number > 0x10ffff)
			goto none;
		p += digits;
		if (digits == 2)
			*out++ = (char)number;
		else
			out = put_character(out, number);
	}
	*bytes = (struct slice){ start, (size_t)(out - start) };
	return 0;
none:
	return error_set(err, "no quoted bytes: what follows a backslash at byte %zu is no escape", (size_t)(p - text.p));
}

int value_bytes_text(struct value *v, struct reading reading, struct arena *arena, struct error *err)
{
	struct slice text = { v->p, v->n }, bytes = text;
	int result = 0;

	if (v->kind == VALUE_TEXT && reading.meaning == MEANING_HEX)
		result = hex_bytes(text, &bytes, arena, err);
	else if (v->kind == VALUE_TEXT && reading.meaning == MEANING_LATIN1)
		result = latin1_bytes(text, &bytes, arena, err);
	else if (v->kind == VALUE_TEXT && reading.meaning == MEANING_GO_QUOTED)
		result = go_quoted_bytes(text, &bytes, arena, err);
	else if (v->kind == VALUE_TEXT)
		result = value_bytes_base64(text, reading.meaning == MEANING_BASE64_URL, &bytes, arena, err);
	if (result < 0)
		return -1;
	/* BINARY(n) is compared with its zeros, which some producers cut off. */
	if (reading.length > 0 && bytes.n < (size_t)reading.length) {
		char *padded = arena_zalloc(arena, (size_t)reading.length);

		if (bytes.n)
			memcpy(padded, bytes.p, bytes.n);
		bytes = (struct slice){ padded, (size_t)reading.length };
	}
	set(v, bytes, VALUE_BYTES);
	return 0;
}

int value_bytes_of_text(struct value *v, struct arena *arena, struct error *err)
{
	struct slice text;

	if (value_bytes_base64((struct slice){ v->p, v->n }, false, &text, arena, err) < 0)
		return -1;
	if (!utf8_valid(text))
		return error_set(err, "base64 of bytes that are no UTF-8, in a column of text");
	set(v, text, VALUE_TEXT);
	return 0;
}

/* Bytes of one's own, which may be changed: of base64, or of BYTES as they are. */
static int own_bytes(const struct value *v, struct slice *bytes, struct arena *arena, struct error *err)
{
	if (v->kind == VALUE_TEXT)
		return value_bytes_base64((struct slice){ v->p, v->n }, false, bytes, arena, err);
	*bytes = arena_copy(arena, (struct slice){ v->p, v->n });
	return 0;
}

int value_bytes_bits(struct value *v, struct arena *arena, struct error *err)
{
	struct slice bytes;
	uint64_t number = 0;

	if (own_bytes(v, &bytes, arena, err) < 0)
		return -1;
	for (size_t i = bytes.n; i-- > 0;) {
		if (i >= sizeof number && bytes.p[i] != 0)
			return error_set(err, "a bit string of more than 64 bits");
		number = number << 8 | (unsigned char)bytes.p[i];
	}
	set(v, arena_printf(arena, "%llu", (unsigned long long)number), VALUE_NUMBER);
	return 0;
}

int value_bytes_number(struct value *v, struct arena *arena, struct error *err)
{
	uint64_t number = 0;

	for (uint32_t i = 0; i < v->n; i++) {
		if (number >> 56)
			return error_set(err, "a bit string of more than 64 bits");
		number = number << 8 | (unsigned char)v->p[i];
	}
	set(v, arena_printf(arena, "%llu", (unsigned long long)number), VALUE_NUMBER);
	return 0;
}

bool value_is_bits(struct reading reading)
{
	return reading.meaning == MEANING_BITS || reading.meaning == MEANING_BIT_NUMBER;
}

size_t value_bits(const struct value *v, int32_t bits, char out[8])
{
	size_t n = bits > 0 ? ((size_t)bits + 7) / 8 : 1;
	uint64_t number = 0;

	if (v->kind != VALUE_NUMBER)
		return 0;
	for (uint32_t i = 0; i < v->n; i++)
		if (v->p[i] < '0' || v->p[i] > '9' || __builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(v->p[i] - '0'), &number))
			return 0;
	while (n < 8 && number >> (8 * n))
		n++;
	n = n < 8 ? n : 8;
	for (size_t i = n; i-- > 0; number >>= 8)
		out[i] = (char)number;
	return n;
}

/* The decimal digits of a big-endian number, which is used up, written backwards from end; returns where they begin. */
static char *decimal_digits(uint8_t *number, size_t n, char *end)
{
	size_t first = 0;

	while (first < n) {
		uint32_t rest = 0;

		for (size_t i = first; i < n; i++) {
			uint32_t part = rest << 8 | number[i];

			number[i] = (uint8_t)(part / 10);
			rest = part % 10;
		}
		*--end = (char)('0' + rest);
		while (first < n && number[first] == 0)
			first++;
	}
	return end;
}

int value_bytes_decimal(struct value *v, int16_t scale, struct arena *arena, struct error *err)
{
	/* 2.41 digits a byte; a sign, a point and a zero before it */
	char room[DECIMAL_BYTES_MOST * 5 / 2 + DECIMAL_SCALE_MOST + 4], *end = room + sizeof room, *start, *out;
	struct slice bytes;
	uint8_t *number;
	bool negative;
	size_t count;

	if (own_bytes(v, &bytes, arena, err) < 0)
		return -1;
	if (bytes.n == 0 || bytes.n > DECIMAL_BYTES_MOST || scale > DECIMAL_SCALE_MOST || scale < -DECIMAL_SCALE_MOST)
		return error_set(err, "a decimal of %zu bytes and scale %d", bytes.n, scale);
	number = (uint8_t *)bytes.p;
	negative = number[0] & 0x80;
	if (negative) {
		unsigned carry = 1;

		for (size_t i = bytes.n; i-- > 0;) {
			carry += (uint8_t)~number[i];
			number[i] = (uint8_t)carry;
			carry >>= 8;
		}
	}
	for (count = 0; count < bytes.n && number[count] == 0; count++) {
	}
	if (count == bytes.n) { /* zero, which has no sign */
		negative = false;
		if (scale < 0)
			scale = 0;
	}
	start = decimal_digits(number + count, bytes.n - count, end);
	while (end - start < (scale > 0 ? scale : 0) + 1)
		*--start = '0';
	count = (size_t)(end - start);
	/* sign, digits and point, or digits and the zeros of a negative scale */
	out = arena_alloc(arena, count + 2 + (scale < 0 ? (size_t)-scale : 0));
	v->p = out;
	v->kind = VALUE_NUMBER;
	if (negative)
		*out++ = '-';
	if (scale > 0) {
		out = (char *)memcpy(out, start, count - (size_t)scale) + count - (size_t)scale;
		*out++ = '.';
		start = end - scale;
		count = (size_t)scale;
	}
	out = (char *)memcpy(out, start, count) + count;
	if (scale < 0)
		out = (char *)memset(out, '0', (size_t)-scale) - scale;
	v->n = (uint32_t)(out - v->p);
	return 0;
}

int value_bytes_geometry(struct value *v, struct slice wkb, uint32_t srid, struct arena *arena, struct error *err)
{
	struct slice bytes;
	uint8_t *out;

	if (value_bytes_base64(wkb, false, &bytes, arena, err) < 0)
		return -1;
	out = arena_alloc(arena, sizeof srid + bytes.n);
	for (size_t i = 0; i < sizeof srid; i++)
		out[i] = (uint8_t)(srid >> (8 * i));
	if (bytes.n)
		memcpy(out + sizeof srid, bytes.p, bytes.n);
	set(v, (struct slice){ (const char *)out, sizeof srid + bytes.n }, VALUE_BYTES);
	return 0;
}
