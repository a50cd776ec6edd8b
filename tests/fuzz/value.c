/* value_read: every meaning with every column, and what it came to worked out once more by other means. */
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "flow/target.h"
#include "flow/value.h"
#include "fuzz/fuzz.h"

/* ---- the same, another way ---- */

static int sextet(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == (url ? '-' : '+') ? 62 : c == (url ? '_' : '/') ? 63 : -1;
}

/* False where it is none. Bits that no byte takes are ignored, as most decoders do. */
static bool plain_base64(struct slice text, bool url, struct buf *out)
{
	unsigned bits = 0, count = 0;
	size_t n = text.n;

	while (n > 0 && text.p[n - 1] == '=' && text.n - n < 2)
		n--;
	if (n % 4 == 1 || (n < text.n && text.n % 4 != 0))
		return false;
	for (size_t i = 0; i < n; i++) {
		int six = sextet(text.p[i], url);

		if (six < 0)
			return false;
		bits = bits << 6 | (unsigned)six;
		count += 6;
		if (count >= 8) {
			count -= 8;
			buf_char(out, (char)(bits >> count));
			bits &= (1u << count) - 1;
		}
	}
	return true;
}

/* The digits times 10, plus one more, with everything held as decimal digits, least significant first. */
static void multiply_add(struct buf *digits, unsigned by, unsigned add)
{
	for (size_t i = 0; i < digits->n || add; i++) {
		unsigned sum = add + (i < digits->n ? (unsigned)(unsigned char)digits->p[i] * by : 0);

		if (i == digits->n)
			buf_char(digits, 0);
		digits->p[i] = (char)(sum % 10);
		add = sum / 10;
	}
}

/* Two's complement, big-endian, over 10 to the scale, as a number's text with an exponent. */
static void plain_decimal(struct slice bytes, int scale, struct buf *out)
{
	bool negative = bytes.n && (bytes.p[0] & 0x80);
	struct buf digits = BUF_INIT;

	/* -x is ~x + 1. */
	for (size_t i = 0; i < bytes.n; i++)
		multiply_add(&digits, 256, (unsigned char)(negative ? ~bytes.p[i] : bytes.p[i]));
	if (negative)
		multiply_add(&digits, 1, 1);
	if (negative)
		buf_char(out, '-');
	for (size_t i = digits.n; i-- > 0;)
		buf_char(out, (char)('0' + digits.p[i]));
	if (digits.n == 0)
		buf_char(out, '0');
	buf_printf(out, "e%d", -scale);
	buf_free(&digits);
}

static bool same_number(struct slice a, struct slice b)
{
	struct buf x = BUF_INIT, y = BUF_INIT;
	bool same;

	number_canonical(a, &x);
	number_canonical(b, &y);
	same = slice_equal(buf_view(&x), buf_view(&y));
	buf_free(&x);
	buf_free(&y);
	return same;
}

/* Days since 1970-01-01, by counting years and months. */
static int64_t days_of(int year, int month, int day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int64_t y = year + 399; /* of 400 years more, so that nothing is below zero */

	return y * 365 + y / 4 - y / 100 + y / 400 + before[month - 1] + (leap && month > 2) + day - 1 - 719162 - 146097;
}

/* ---- what must hold ---- */

static void check_bytes(const struct value *from, const struct value *read, struct reading reading, bool failed)
{
	struct buf bytes = BUF_INIT;
	bool valid = plain_base64((struct slice){ from->p, from->n }, reading.meaning == MEANING_BASE64_URL, &bytes);
	size_t padding = reading.length > 0 && bytes.n < (size_t)reading.length ? (size_t)reading.length - bytes.n : 0;

	FUZZ_CHECK(valid || failed, "no base64 is taken for some: %.*s", (int)from->n, from->p);
	if (failed)
		goto out;
	FUZZ_CHECK(read->kind == VALUE_BYTES && read->n == bytes.n + padding, "%u bytes of %.*s", read->n, (int)from->n, from->p);
	FUZZ_CHECK(slice_equal((struct slice){ read->p, bytes.n }, buf_view(&bytes)), "%.*s", (int)from->n, from->p);
out:
	buf_free(&bytes);
}

static void check_decimal(const struct value *from, const struct value *read, struct reading reading)
{
	struct slice text = { from->p, from->n };
	struct buf bytes = BUF_INIT, expected = BUF_INIT;

	if (read->kind != VALUE_NUMBER || from->kind != VALUE_TEXT)
		return;
	/* A decimal in words has no exponent: 2E0 is base64. */
	if (reading.meaning == MEANING_DECIMAL_GUESS && value_is_number(text) && !memchr(text.p, 'E', text.n) && !memchr(text.p, 'e', text.n)) {
		FUZZ_CHECK(read->n == from->n && memcmp(read->p, from->p, from->n) == 0, "%.*s", SLICE_ARG(text));
		return;
	}
	FUZZ_CHECK(plain_base64(text, false, &bytes), "%.*s", SLICE_ARG(text));
	plain_decimal(buf_view(&bytes), reading.scale, &expected);
	FUZZ_CHECK(same_number((struct slice){ read->p, read->n }, buf_view(&expected)), "%.*s is not %.*s", (int)read->n, read->p,
		   SLICE_ARG(buf_view(&expected)));
	buf_free(&bytes);
	buf_free(&expected);
}

static void check_bits(const struct value *from, const struct value *read)
{
	struct buf bytes = BUF_INIT;
	uint64_t number = 0;
	char digits[32];

	if (from->kind != VALUE_TEXT)
		return;
	FUZZ_CHECK(plain_base64((struct slice){ from->p, from->n }, false, &bytes), "%.*s", (int)from->n, from->p);
	for (size_t i = 0; i < bytes.n && i < 8; i++)
		number |= (uint64_t)(unsigned char)bytes.p[i] << (8 * i);
	snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
	FUZZ_CHECK(slice_is((struct slice){ read->p, read->n }, digits), "%.*s is not %s", (int)read->n, read->p, digits);
	buf_free(&bytes);
}

/* A count of days or of units of time as a date, read back. */
static void check_time(const struct value *from, const struct value *read, struct reading reading)
{
	static const int64_t units[] = { [MEANING_DATETIME_MS] = 1000, [MEANING_DATETIME_US] = 1000000, [MEANING_DATETIME_NS] = 1000000000 };
	int year, month, day, hour = 0, minute = 0, second = 0, used = 0;
	char text[64];
	int64_t number, days, expected;

	if (from->kind != VALUE_NUMBER || !value_is_integer(from, &number) || read->kind != VALUE_TEXT)
		return;
	snprintf(text, sizeof text, "%.*s", (int)read->n, read->p);
	if (reading.meaning == MEANING_DAYS) {
		FUZZ_CHECK(sscanf(text, "%d-%d-%d%n", &year, &month, &day, &used) == 3 && !text[used], "%s", text);
		FUZZ_CHECK(days_of(year, month, day) == number, "%s is not day %lld", text, (long long)number);
	} else if (reading.meaning <= MEANING_DATETIME_NS) {
		FUZZ_CHECK(sscanf(text, "%d-%d-%d %d:%d:%d%n", &year, &month, &day, &hour, &minute, &second, &used) == 6, "%s", text);
		days = days_of(year, month, day);
		expected = number / units[reading.meaning] - (number % units[reading.meaning] < 0);
		/* A fraction that the column has no digits for is rounded. */
		days = days * 86400 + hour * 3600 + minute * 60 + second;
		FUZZ_CHECK(days == expected || (days == expected + 1 && number % units[reading.meaning] != 0), "%s is not %lld", text,
			   (long long)number);
	}
}

static void check(const struct value *from, const struct value *read, struct reading reading, bool failed)
{
	if (from->kind == VALUE_TEXT && (reading.meaning == MEANING_BASE64 || reading.meaning == MEANING_BASE64_URL))
		check_bytes(from, read, reading, failed);
	if (failed)
		return;
	switch ((enum meaning)reading.meaning) {
	case MEANING_UNKNOWN:
	case MEANING_PLAIN:
		FUZZ_CHECK(read->p == from->p && read->n == from->n && read->kind == from->kind, "kind %d", read->kind);
		break;
	case MEANING_NUMERIC:
		if (from->kind == VALUE_NUMBER || from->kind == VALUE_TEXT)
			FUZZ_CHECK(read->p == from->p && read->n == from->n, "kind %d", read->kind);
		break;
	case MEANING_DECIMAL:
	case MEANING_DECIMAL_GUESS:
		check_decimal(from, read, reading);
		break;
	case MEANING_BITS:
		check_bits(from, read);
		break;
	case MEANING_DAYS:
	case MEANING_DATETIME_MS:
	case MEANING_DATETIME_US:
	case MEANING_DATETIME_NS:
		check_time(from, read, reading);
		break;
	default:
		break;
	}
}

/* What a format hands on: text is UTF-8, a number is one by JSON's grammar, JSON is an object or array. */
static struct value value_of(uint8_t kind, struct slice text)
{
	struct value value = { .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_ABSENT + kind % VALUE_DEFAULT };
	uint8_t json;

	if (value.kind == VALUE_JSON && !(fuzz_json_kind(text, &json) && json == VALUE_JSON))
		value.kind = VALUE_TEXT;
	if (value.kind == VALUE_NUMBER && !value_is_number(text))
		value.kind = VALUE_TEXT;
	if (value.kind == VALUE_TEXT && !utf8_valid(text))
		value.kind = VALUE_BYTES;
	return value;
}

/* Meaning, scale, length, kind and column, then the text. */
void fuzz_value(struct slice input)
{
	struct reading reading = { .meaning = fuzz_byte(&input) % (MEANING_JSON + 1) };
	struct error err = { .text = "" };
	struct arena arena = ARENA_INIT;
	struct target_column column;
	struct value from, read;
	uint8_t kind;
	int result;

	reading.scale = (int8_t)fuzz_byte(&input);
	/* Scales as schemas have them, and some that only lie. */
	if (reading.scale > 100)
		reading.scale = (int16_t)(reading.scale * 50);
	reading.length = fuzz_byte(&input);
	if (reading.meaning >= MEANING_DAYS && reading.meaning <= MEANING_ISO) {
		reading.scale = (int16_t)(reading.scale % 7);
		if (reading.scale < 0)
			reading.scale = -1;
		reading.length = reading.meaning == MEANING_ZONED ? (reading.length - 128) * 6 : 0;
	}
	kind = fuzz_byte(&input);
	column = fuzz_column(fuzz_byte(&input));
	input = fuzz_padded(input);
	from = read = value_of(kind, input);
	result = value_read(&read, reading, &arena, &err);
	FUZZ_CHECK(result == 0 || err.text[0], "an error without a reason");
	check(&from, &read, reading, result < 0);
	if (result == 0 && read.kind != VALUE_ABSENT) {
		fuzz_check_read(&read);
		fuzz_check_sql(&read, &column);
	}
	arena_free(&arena);
	free((char *)input.p);
}
