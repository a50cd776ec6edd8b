#include "flow/batch_key.h"

#include <string.h>

#include "flow/number.h"

/* One column has one form within a batch. Databases differ in whether x'61' equals 'a', and 10:00:00 equals 10:00:00.000. */
enum form {
	FORM_NUMBER = 1,
	FORM_TEXT,
	FORM_BYTES,
	FORM_TIME, /* plus the digits of the fraction */
};

/* First byte of a number. Integers of up to 18 digits: so many bytes follow, big-endian; smaller ones sort first. */
enum { INTEGER_ZERO = 0x80, NUMBER_LONG_NEGATIVE = 0x70, NUMBER_LONG = 0x90 };

enum { FRACTION_MOST = 9 };

static void reserve(struct batch_key *key, size_t n)
{
	size_t cap = key->cap ? key->cap : 256;
	char *p;

	if (__builtin_expect(key->cap - key->n >= n, 1))
		return;
	while (cap - key->n < n)
		cap *= 2;
	p = arena_alloc(key->arena, cap);
	if (key->n)
		memcpy(p, key->p, key->n);
	key->p = p;
	key->cap = cap;
}

static void put_integer(struct batch_key *key, uint64_t magnitude, bool negative)
{
	size_t bytes = magnitude ? (size_t)(64 - __builtin_clzll(magnitude) + 7) / 8 : 0;
	uint64_t shifted = bytes ? magnitude << (64 - 8 * bytes) : 0;

	reserve(key, 1 + sizeof shifted);
	shifted = __builtin_bswap64(negative ? ~shifted : shifted);
	key->p[key->n] = (char)(negative ? INTEGER_ZERO - bytes : INTEGER_ZERO + bytes);
	memcpy(key->p + key->n + 1, &shifted, sizeof shifted);
	key->n += 1 + bytes;
}

static bool put_decimal(struct batch_key *key, const struct target_column *column, struct slice text)
{
	struct number number;
	int64_t small;

	if (!number_parse(&number, text))
		return false;
	/* It will be rounded, perhaps to another row's key. */
	if (number_scale(&number) > 0 && (column->type != COLUMN_DECIMAL || (column->scale >= 0 && number_scale(&number) > (uint32_t)column->scale)))
		return false;
	if (number_int64(&number, &small) && small > -1000000000000000000 && small < 1000000000000000000) {
		put_integer(key, (uint64_t)(small < 0 ? -small : small), small < 0);
		return true;
	}
	/* Behind all others of its sign, by its size, then its digits. Digits end in a 0 byte: a point makes them a prefix of others. */
	reserve(key, number.count + 4);
	key->p[key->n++] = (char)(number.negative ? NUMBER_LONG_NEGATIVE : NUMBER_LONG);
	key->p[key->n++] = (char)((number.point + 0x8000) >> 8);
	key->p[key->n++] = (char)(number.point + 0x8000);
	memcpy(key->p + key->n, number.digits, number.count);
	key->n += number.count;
	key->p[key->n++] = 0;
	return true;
}

static bool put_number(struct batch_key *key, const struct target_column *column, const struct value *value)
{
	const char *p = value->p, *end = p + value->n;
	uint64_t magnitude = 0;
	bool negative;

	if (value->kind == VALUE_TRUE || value->kind == VALUE_FALSE) {
		put_integer(key, value->kind == VALUE_TRUE, false);
		return true;
	}
	if (value->kind != VALUE_NUMBER && value->kind != VALUE_TEXT)
		return false;
	negative = p < end && *p == '-';
	p += negative;
	if (p == end || end - p > 18)
		return put_decimal(key, column, (struct slice){ value->p, value->n });
	for (; p < end; p++) {
		unsigned digit = (unsigned char)*p - (unsigned)'0';

		if (digit > 9)
			return put_decimal(key, column, (struct slice){ value->p, value->n });
		magnitude = magnitude * 10 + digit;
	}
	put_integer(key, magnitude, negative && magnitude);
	return true;
}

/* A column that others follow ends in 00 00, and a 00 of its own is 00 ff: no key begins as another one goes on. */
static void put_bytes(struct batch_key *key, struct slice bytes, bool last)
{
	if (last) {
		reserve(key, bytes.n);
		if (bytes.n)
			memcpy(key->p + key->n, bytes.p, bytes.n);
		key->n += bytes.n;
		return;
	}
	reserve(key, 2 * bytes.n + 2);
	for (size_t i = 0; i < bytes.n; i++) {
		key->p[key->n++] = bytes.p[i];
		if (!bytes.p[i])
			key->p[key->n++] = (char)0xff;
	}
	key->p[key->n++] = 0;
	key->p[key->n++] = 0;
}

static struct slice without_trailing(struct slice bytes, char c)
{
	while (bytes.n && bytes.p[bytes.n - 1] == c)
		bytes.n--;
	return bytes;
}

/* Whether text is as this pattern says; a 9 stands for a digit. Moves text behind it. */
static bool eat(struct slice *text, const char *pattern)
{
	size_t n = strlen(pattern);

	if (text->n < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (pattern[i] == '9' ? text->p[i] < '0' || text->p[i] > '9' : text->p[i] != pattern[i])
			return false;
	text->p += n;
	text->n -= n;
	return true;
}

/* The digits of a time's fraction where it is spelled as databases print it; -1 for any other spelling. */
static int time_fraction(struct slice text, const struct target_column *column)
{
	if (column->type == COLUMN_DATE)
		return eat(&text, "9999-99-99") && !text.n ? 0 : -1;
	if (column->type == COLUMN_TIME ? !eat(&text, "99:99:99") : !eat(&text, "9999-99-99 99:99:99"))
		return -1; /* also TIMEs below zero or of three digits: rare, and -00:00:00 is 00:00:00 */
	if (!text.n)
		return 0;
	if (text.n < 2 || text.n > 1 + FRACTION_MOST || !eat(&text, ".") || (column->scale >= 0 && text.n > (size_t)column->scale))
		return -1;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return -1;
	return (int)text.n;
}

static int put_time(struct batch_key *key, const struct target_column *column, const struct value *value, bool last)
{
	struct slice text = { value->p, value->n };
	int fraction = value->kind == VALUE_TEXT ? time_fraction(text, column) : -1;

	if (fraction < 0)
		return 0;
	put_bytes(key, text, last);
	return FORM_TIME + fraction;
}

/* Without a type of its own a column's values compare as what they happen to be, and text may be taken for a number. */
static int put_unknown(struct batch_key *key, const struct target_column *column, const struct value *value, bool last)
{
	if (value->kind == VALUE_NUMBER)
		return value->n <= 18 && put_number(key, column, value) ? FORM_NUMBER : 0;
	if (value->kind == VALUE_BYTES) {
		put_bytes(key, (struct slice){ value->p, value->n }, last);
		return FORM_BYTES;
	}
	if (value->kind != VALUE_TEXT || (value->n && strchr("+-. 0123456789\t\r\n\v\f", value->p[0])))
		return 0;
	put_bytes(key, (struct slice){ value->p, value->n }, last);
	return FORM_TEXT;
}

static int put_text(struct batch_key *key, const struct target_column *column, const struct value *value, bool last)
{
	struct slice text = { value->p, value->n };

	if (value->kind == VALUE_TRUE || value->kind == VALUE_FALSE)
		text = value->kind == VALUE_TRUE ? SLICE("true") : SLICE("false");
	else if (value->kind != VALUE_TEXT && value->kind != VALUE_NUMBER && value->kind != VALUE_JSON)
		return 0;
	put_bytes(key, column->pads ? without_trailing(text, ' ') : text, last);
	return FORM_TEXT;
}

static int put_binary(struct batch_key *key, const struct target_column *column, const struct value *value, bool last)
{
	struct slice bytes = { value->p, value->n };

	if (value->kind != VALUE_BYTES && value->kind != VALUE_TEXT)
		return 0;
	/* BINARY(n) fills up with zero bytes. */
	put_bytes(key, column->type == COLUMN_BINARY ? without_trailing(bytes, 0) : bytes, last);
	return value->kind == VALUE_BYTES ? FORM_BYTES : FORM_TEXT;
}

/* Returns the form, or 0 where the bytes do not tell. */
static int put(struct batch_key *key, const struct target_column *column, const struct value *value, bool last)
{
	switch ((enum column_type)column->type) {
	case COLUMN_INTEGER:
	case COLUMN_DECIMAL:
	case COLUMN_BIT:
		return put_number(key, column, value) ? FORM_NUMBER : 0;
	case COLUMN_YEAR: /* 24 is 2024 */
		return value->n == 4 && put_number(key, column, value) ? FORM_NUMBER : 0;
	case COLUMN_DATE:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
	case COLUMN_TIME:
		return put_time(key, column, value, last);
	case COLUMN_ENUM:
		return value->kind == VALUE_TEXT ? put_text(key, column, value, last) : 0;
	case COLUMN_TEXT:
		return put_text(key, column, value, last);
	case COLUMN_BINARY:
	case COLUMN_BYTES:
		return put_binary(key, column, value, last);
	case COLUMN_UNKNOWN:
		return put_unknown(key, column, value, last);
	case COLUMN_FLOAT: /* 0.1 and 0.10000000149 are one FLOAT */
	case COLUMN_DOUBLE:
	case COLUMN_SET: /* a,b is b,a */
	case COLUMN_JSON:
	case COLUMN_GEOMETRY:
		break;
	}
	return 0;
}

bool batch_key_encode(struct batch_key *key, const struct target *target, const struct change *change)
{
	key->n = 0;
	for (uint32_t i = 0; i < target->key_count; i++) {
		uint32_t at = target->key[i];
		int form = at < change->count ? put(key, &target->columns[at], &change->values[at], i + 1 == target->key_count) : 0;

		if (!form || (key->forms[i] && key->forms[i] != form))
			return false;
		key->forms[i] = (uint8_t)form;
	}
	return true;
}
