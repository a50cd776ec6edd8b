#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base64.h"
#include "flow/target.h"
#include "flow/value.h"

static struct arena arena;

/* What a value becomes, as value_show writes it; "error" where it is none. */
static const char *read_as(enum value_kind kind, struct slice wire, struct reading reading)
{
	/* Exactly as large as it is: a sanitizer sees what reads further. */
	char *copy = malloc(wire.n + !wire.n);
	struct value v = { .p = copy, .n = (uint32_t)wire.n, .kind = (uint8_t)kind };
	struct error err = { .text = "" };
	const char *shown;

	if (wire.n)
		memcpy(copy, wire.p, wire.n);
	if (value_read(&v, reading, &arena, &err) < 0) {
		assert_true(err.text[0]);
		free(copy);
		return "error";
	}
	assert_true(v.ready);
	if (v.kind == VALUE_NUMBER)
		assert_true(value_is_number((struct slice){ v.p, v.n }));
	/* Whole, where value_show would cut. */
	shown = v.kind == VALUE_NUMBER || v.kind == VALUE_JSON ? arena_copy(&arena, (struct slice){ v.p, v.n }).p
		: v.kind == VALUE_TEXT                         ? arena_printf(&arena, "\"%.*s\"", (int)v.n, v.p).p
							       : arena_copy(&arena, value_show(&v, &arena)).p;
	free(copy);
	return shown;
}

static const char *number(const char *wire, enum meaning meaning, int scale)
{
	return read_as(VALUE_NUMBER, slice_of(wire), (struct reading){ .meaning = meaning, .scale = (int16_t)scale });
}

static const char *text(const char *wire, enum meaning meaning, int scale)
{
	return read_as(VALUE_TEXT, slice_of(wire), (struct reading){ .meaning = meaning, .scale = (int16_t)scale });
}

static int reset(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

static void decimals_are_exact(void **state)
{
	(void)state;
	assert_string_equal(text("EtaH", MEANING_DECIMAL, 4), "123.4567");
	assert_string_equal(text("bg==", MEANING_DECIMAL, 2), "1.10");
	assert_string_equal(text("AP//////////", MEANING_DECIMAL, 0), "18446744073709551615");
	assert_string_equal(text("AQ==", MEANING_DECIMAL, 0), "1");
	assert_string_equal(text("AQ==", MEANING_DECIMAL, 5), "0.00001");
	assert_string_equal(text("/w==", MEANING_DECIMAL, 0), "-1");
	assert_string_equal(text("/w==", MEANING_DECIMAL, 3), "-0.001");
	assert_string_equal(text("gA==", MEANING_DECIMAL, 1), "-12.8");
	assert_string_equal(text("gAAAAAAAAAA=", MEANING_DECIMAL, 0), "-9223372036854775808");
	assert_string_equal(text("AA==", MEANING_DECIMAL, 0), "0");
	assert_string_equal(text("AAAA", MEANING_DECIMAL, 2), "0.00");
	assert_string_equal(text("AA==", MEANING_DECIMAL, -3), "0");
	assert_string_equal(text("BQ==", MEANING_DECIMAL, -3), "5000");
	assert_string_equal(text("+w==", MEANING_DECIMAL, -1), "-50");
	assert_string_equal(text("AP8=", MEANING_DECIMAL, 1), "25.5");
	assert_string_equal(number("1.10", MEANING_DECIMAL, 2), "1.10");
	assert_string_equal(number("98765432109876543210987654321098765.000", MEANING_DECIMAL, 2), "98765432109876543210987654321098765.000");
	assert_string_equal(read_as(VALUE_JSON, SLICE("{\"scale\":3,\"value\":\"AQ==\"}"), (struct reading){ .meaning = MEANING_DECIMAL }), "0.001");
	assert_string_equal(text("", MEANING_DECIMAL, 2), "error");
	assert_string_equal(text("12.50", MEANING_DECIMAL, 2), "error");
	assert_string_equal(text("A", MEANING_DECIMAL, 2), "error");
	assert_string_equal(read_as(VALUE_JSON, SLICE("{\"scale\":\"x\",\"value\":\"AQ==\"}"), (struct reading){ .meaning = MEANING_DECIMAL }),
			    "error");
}

/* The reverse: decimal digits to two's complement bytes, by multiplying up; -> base64 -> digits again. */
static void decimals_of_any_length_come_back(void **state)
{
	static const int lengths[] = { 1, 2, 18, 19, 20, 38, 65, 66, 100, 200, 500 };
	struct buf base64 = BUF_INIT;

	(void)state;
	for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
		for (int negative = 0; negative < 2; negative++) {
			uint8_t bytes[400] = { 0 };
			char digits[512], expected[600];
			int n = lengths[l];
			unsigned carry;

			for (int i = 0; i < n; i++) {
				digits[i] = (char)('0' + (i * 7 + n) % 10);
				if (i == 0 && digits[i] == '0')
					digits[i] = '9';
				carry = (unsigned)(digits[i] - '0');
				for (int k = sizeof bytes - 1; k >= 0; k--) {
					carry += bytes[k] * 10u;
					bytes[k] = (uint8_t)carry;
					carry >>= 8;
				}
			}
			for (int k = sizeof bytes - 1, one = 1; negative && k >= 0; k--) {
				one += (uint8_t)~bytes[k];
				bytes[k] = (uint8_t)one;
				one >>= 8;
			}
			buf_clear(&base64);
			base64_encode(&base64, (struct slice){ (const char *)bytes, sizeof bytes });
			snprintf(expected, sizeof expected, "%s%.*s", negative ? "-" : "", n, digits);
			assert_string_equal(text(buf_cstr(&base64), MEANING_DECIMAL, 0), expected);
			if (n > 1) {
				snprintf(expected, sizeof expected, "%s%.*s.%c", negative ? "-" : "", n - 1, digits, digits[n - 1]);
				assert_string_equal(text(buf_cstr(&base64), MEANING_DECIMAL, 1), expected);
			}
		}
	}
	buf_free(&base64);
}

static void a_guessed_decimal_is_a_number_where_it_reads_as_one(void **state)
{
	(void)state;
	assert_string_equal(text("1.10", MEANING_DECIMAL_GUESS, 2), "1.10");
	assert_string_equal(text("-12345678901234567890.5", MEANING_DECIMAL_GUESS, 2), "-12345678901234567890.5");
	assert_string_equal(text("bg==", MEANING_DECIMAL_GUESS, 2), "1.10");
	assert_string_equal(text("AAAA", MEANING_DECIMAL_GUESS, 2), "0.00");
	assert_string_equal(text("12e5", MEANING_DECIMAL_GUESS, 0), "-2660423"); /* no producer writes a plain decimal so */
	assert_string_equal(text("hello", MEANING_DECIMAL_GUESS, 2), "error");
}

static void unsigned_integers_are_unwrapped(void **state)
{
	(void)state;
	assert_string_equal(number("-1", MEANING_UNSIGNED, 0), "18446744073709551615");
	assert_string_equal(number("-9223372036854775808", MEANING_UNSIGNED, 0), "9223372036854775808");
	assert_string_equal(number("9223372036854775807", MEANING_UNSIGNED, 0), "9223372036854775807");
	assert_string_equal(number("18446744073709551615", MEANING_UNSIGNED, 0), "18446744073709551615");
	assert_string_equal(number("-0", MEANING_UNSIGNED, 0), "0");
	assert_string_equal(number("-9223372036854775809", MEANING_UNSIGNED, 0), "error");
	assert_string_equal(number("-1.5", MEANING_UNSIGNED, 0), "error");
	assert_string_equal(text("AP//////////", MEANING_UNSIGNED, 0), "18446744073709551615");
	assert_string_equal(text("7", MEANING_UNSIGNED, 0), "7");
	assert_string_equal(read_as(VALUE_TRUE, SLICE("true"), (struct reading){ .meaning = MEANING_UNSIGNED }), "1");
}

static void truth_is_a_number_in_a_numeric_column(void **state)
{
	struct reading numeric = { .meaning = MEANING_NUMERIC };

	(void)state;
	assert_string_equal(read_as(VALUE_TRUE, SLICE(""), numeric), "1");
	assert_string_equal(read_as(VALUE_FALSE, SLICE(""), numeric), "0");
	assert_string_equal(text("12.50", MEANING_NUMERIC, 0), "12.50");
	assert_string_equal(text("007", MEANING_NUMERIC, 0), "\"007\"");
	assert_string_equal(read_as(VALUE_TRUE, SLICE(""), (struct reading){ .meaning = MEANING_PLAIN }), "true");
	assert_string_equal(read_as(VALUE_NULL, SLICE(""), (struct reading){ .meaning = MEANING_DAYS }), "null");
	assert_string_equal(read_as(VALUE_ABSENT, SLICE(""), (struct reading){ .meaning = MEANING_DECIMAL }), "(absent)");
}

static void bytes_come_in_many_alphabets(void **state)
{
	struct reading padded = { .meaning = MEANING_BASE64, .length = 6 };

	(void)state;
	assert_string_equal(text("iVBORw==", MEANING_BASE64, 0), "x'89504e47'");
	assert_string_equal(text("iVBORw", MEANING_BASE64, 0), "x'89504e47'");
	assert_string_equal(text("+/8=", MEANING_BASE64, 0), "x'fbff'");
	assert_string_equal(text("-_8=", MEANING_BASE64_URL, 0), "x'fbff'");
	assert_string_equal(text("-_8", MEANING_BASE64_URL, 0), "x'fbff'");
	assert_string_equal(text("-_8=", MEANING_BASE64, 0), "error");
	assert_string_equal(text("+/8=", MEANING_BASE64_URL, 0), "error");
	assert_string_equal(text("", MEANING_BASE64, 0), "x''");
	assert_string_equal(text("=", MEANING_BASE64, 0), "error");
	assert_string_equal(text("A===", MEANING_BASE64, 0), "error");
	assert_string_equal(text("iVBORx==", MEANING_BASE64, 0), "error"); /* bits that no byte holds */
	assert_string_equal(text("iV BORw=", MEANING_BASE64, 0), "error");
	assert_string_equal(text("89504E47", MEANING_HEX, 0), "x'89504e47'");
	assert_string_equal(text("895", MEANING_HEX, 0), "error");
	assert_string_equal(text("8g", MEANING_HEX, 0), "error");
	assert_string_equal(text("\xc2\x89PNG\xc3\xbf", MEANING_LATIN1, 0), "x'89504e47ff'");
	assert_string_equal(text("\xc4\x80", MEANING_LATIN1, 0), "error");
	assert_string_equal(read_as(VALUE_TEXT, SLICE("iVBORw=="), padded), "x'89504e470000'");
	assert_string_equal(read_as(VALUE_TEXT, SLICE(""), padded), "x'000000000000'");
	assert_string_equal(read_as(VALUE_TEXT, SLICE("iVBORw0KGgo="), padded), "x'89504e470d0a1a0a'");
	assert_string_equal(read_as(VALUE_BYTES, SLICE("ab"), padded), "x'616200000000'");
	assert_string_equal(number("1", MEANING_BASE64, 0), "error");
}

static void bits_are_little_endian(void **state)
{
	(void)state;
	assert_string_equal(text("EAAAAAAAAAA=", MEANING_BITS, 0), "16");
	assert_string_equal(text("BQ==", MEANING_BITS, 0), "5");
	assert_string_equal(text("AAE=", MEANING_BITS, 0), "256");
	assert_string_equal(text("//////////8=", MEANING_BITS, 0), "18446744073709551615");
	assert_string_equal(text("AQAAAAAAAAAA", MEANING_BITS, 0), "1");
	assert_string_equal(text("AQAAAAAAAAAB", MEANING_BITS, 0), "error");
	assert_string_equal(read_as(VALUE_TRUE, SLICE(""), (struct reading){ .meaning = MEANING_BITS }), "1");
	assert_string_equal(number("3", MEANING_BITS, 0), "3");
}

static void bit_strings_are_shown_as_bytes(void **state)
{
	static const struct {
		const char *number;
		int32_t bits;
		size_t n;
		const char *bytes;
	} cases[] = {
		{ "5", 8, 1, "\5" },
		{ "0", 1, 1, "\0" },
		{ "5", 12, 2, "\0\5" },
		{ "8589934591", 33, 5, "\1\xff\xff\xff\xff" },
		{ "18446744073709551615", 64, 8, "\xff\xff\xff\xff\xff\xff\xff\xff" },
		{ "18446744073709551616", 64, 0, "" },
		{ "256", 0, 2, "\1\0" },
		{ "-1", 8, 0, "" },
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct value v = { .p = cases[i].number, .n = (uint32_t)strlen(cases[i].number), .kind = VALUE_NUMBER };

		assert_int_equal(value_bits(&v, cases[i].bits, out), cases[i].n);
		assert_memory_equal(out, cases[i].bytes, cases[i].n);
	}
	assert_string_equal(text("5", MEANING_BIT_NUMBER, 0), "5");
	assert_string_equal(number("5", MEANING_BIT_NUMBER, 0), "5");
	assert_string_equal(read_as(VALUE_TEXT, SLICE("\1\0"), (struct reading){ .meaning = MEANING_BIT_NUMBER }), "256");
	assert_string_equal(read_as(VALUE_BYTES, SLICE("\0\0\0\0\0\0\0\0\1"), (struct reading){ .meaning = MEANING_BIT_NUMBER }), "1");
	assert_string_equal(read_as(VALUE_BYTES, SLICE("\1\0\0\0\0\0\0\0\0"), (struct reading){ .meaning = MEANING_BIT_NUMBER }), "error");
}

static void days_are_dates(void **state)
{
	(void)state;
	assert_string_equal(number("19691", MEANING_DAYS, 0), "\"2023-11-30\"");
	assert_string_equal(number("0", MEANING_DAYS, 0), "\"1970-01-01\"");
	assert_string_equal(number("-1", MEANING_DAYS, 0), "\"1969-12-31\"");
	assert_string_equal(number("-354285", MEANING_DAYS, 0), "\"1000-01-01\"");
	assert_string_equal(number("2932896", MEANING_DAYS, 0), "\"9999-12-31\"");
	assert_string_equal(number("-719528", MEANING_DAYS, 0), "\"0000-01-01\"");
	assert_string_equal(number("11016", MEANING_DAYS, 0), "\"2000-02-29\"");
	assert_string_equal(number("2932897", MEANING_DAYS, 0), "error");
	assert_string_equal(number("-719529", MEANING_DAYS, 0), "error");
	assert_string_equal(number("1.5", MEANING_DAYS, 0), "error");
	assert_string_equal(number("99999999999999999999", MEANING_DAYS, 0), "error");
	assert_string_equal(text("2023-11-30", MEANING_DAYS, 0), "\"2023-11-30\"");
	assert_string_equal(text("0000-00-00", MEANING_DAYS, 0), "\"0000-00-00\"");
}

/* All days of 400 years, against a calendar that counts them one by one. */
static void the_calendar_is_right_for_every_day(void **state)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	long day = -719528;

	(void)state;
	for (int year = 0; year < 400; year++) {
		for (int month = 0; month < 12; month++) {
			int last = lengths[month] + (month == 1 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));

			for (int d = 1; d <= last; d++, day++) {
				char wire[24], expected[24];

				snprintf(wire, sizeof wire, "%ld", day);
				snprintf(expected, sizeof expected, "\"%04d-%02d-%02d\"", year, month + 1, d);
				assert_string_equal(number(wire, MEANING_DAYS, 0), expected);
			}
		}
		arena_reset(&arena);
	}
}

static void datetimes_keep_every_digit(void **state)
{
	(void)state;
	assert_string_equal(number("1701347696123500", MEANING_DATETIME_US, 4), "\"2023-11-30 12:34:56.1235\"");
	assert_string_equal(number("1701347696100", MEANING_DATETIME_MS, 1), "\"2023-11-30 12:34:56.1\"");
	assert_string_equal(number("1701347696000", MEANING_DATETIME_MS, 3), "\"2023-11-30 12:34:56.000\"");
	assert_string_equal(number("1701347696000", MEANING_DATETIME_MS, -1), "\"2023-11-30 12:34:56\"");
	assert_string_equal(number("1701347696120", MEANING_DATETIME_MS, 0), "\"2023-11-30 12:34:56.12\"");
	assert_string_equal(number("1701347696123456789", MEANING_DATETIME_NS, 6), "\"2023-11-30 12:34:56.123456789\"");
	assert_string_equal(number("-1", MEANING_DATETIME_US, 6), "\"1969-12-31 23:59:59.999999\"");
	assert_string_equal(number("-1000", MEANING_DATETIME_MS, 0), "\"1969-12-31 23:59:59\"");
	assert_string_equal(number("253402300799999999", MEANING_DATETIME_US, 6), "\"9999-12-31 23:59:59.999999\"");
	assert_string_equal(number("253402300800000000", MEANING_DATETIME_US, 6), "error");
	assert_string_equal(number("-62167219200000", MEANING_DATETIME_MS, 0), "\"0000-01-01 00:00:00\"");
	assert_string_equal(number("-62167219200001", MEANING_DATETIME_MS, 0), "error");
	assert_string_equal(number("-9223372036854775808", MEANING_DATETIME_MS, 0), "error");
	assert_string_equal(number("-9223372036854775808", MEANING_DATETIME_NS, 0), "\"1677-09-21 00:12:43.145224192\"");
	assert_string_equal(text("2023-11-30 12:00:00", MEANING_DATETIME_US, 6), "\"2023-11-30 12:00:00\"");
	assert_string_equal(read_as(VALUE_TRUE, SLICE(""), (struct reading){ .meaning = MEANING_DATETIME_US }), "error");
}

static void times_are_durations(void **state)
{
	(void)state;
	assert_string_equal(number("-45296123456", MEANING_TIME_US, 6), "\"-12:34:56.123456\"");
	assert_string_equal(number("-45296000000", MEANING_TIME_US, 0), "\"-12:34:56\"");
	assert_string_equal(number("86400000000", MEANING_TIME_US, 0), "\"24:00:00\"");
	assert_string_equal(number("3020399000000", MEANING_TIME_US, 0), "\"838:59:59\"");
	assert_string_equal(number("-3020399000000", MEANING_TIME_US, 2), "\"-838:59:59.00\"");
	assert_string_equal(number("1", MEANING_TIME_US, -1), "\"00:00:00.000001\"");
	assert_string_equal(number("3600000", MEANING_TIME_MS, 0), "\"01:00:00\"");
	assert_string_equal(number("1500000000", MEANING_TIME_NS, -1), "\"00:00:01.5\"");
	assert_string_equal(number("-9223372036854775808", MEANING_TIME_NS, -1), "\"-2562047:47:16.854775808\"");
	assert_string_equal(text("-12:34:56", MEANING_TIME_US, 0), "\"-12:34:56\"");
	assert_string_equal(text("838:59:59", MEANING_TIME_US, 6), "\"838:59:59\"");
}

static void zones_are_shifted_to_utc(void **state)
{
	(void)state;
	assert_string_equal(text("2023-11-30T12:34:56.12346Z", MEANING_ZONED, 6), "\"2023-11-30 12:34:56.123460\"");
	assert_string_equal(text("2023-11-30T12:34:56.1Z", MEANING_ZONED, 3), "\"2023-11-30 12:34:56.100\"");
	assert_string_equal(text("2023-11-30T12:34:56Z", MEANING_ZONED, 0), "\"2023-11-30 12:34:56\"");
	assert_string_equal(text("2023-11-30T12:34Z", MEANING_ZONED, 0), "\"2023-11-30 12:34:00\"");
	assert_string_equal(text("2024-01-01T01:00:00+14:00", MEANING_ZONED, 0), "\"2023-12-31 11:00:00\"");
	assert_string_equal(text("2024-02-28T23:30:00-0100", MEANING_ZONED, 0), "\"2024-02-29 00:30:00\"");
	assert_string_equal(text("2023-11-30 12:00:00+02", MEANING_ZONED, 0), "\"2023-11-30 10:00:00\"");
	assert_string_equal(text("2023-11-30T12:00:00", MEANING_ZONED, 0), "\"2023-11-30 12:00:00\"");
	assert_string_equal(text("2023-11-30 12:00:00.5", MEANING_ZONED, 3), "\"2023-11-30 12:00:00.5\"");
	assert_string_equal(text("0000-01-01T00:00:00+01:00", MEANING_ZONED, 0), "error");
	/* What is no time is left to the target. */
	assert_string_equal(text("2023-02-29T00:00:00Z", MEANING_ZONED, 0), "\"2023-02-29T00:00:00Z\"");
	assert_string_equal(text("1900-02-29T00:00:00Z", MEANING_ZONED, 0), "\"1900-02-29T00:00:00Z\"");
	assert_string_equal(text("2000-02-29T00:00:00Z", MEANING_ZONED, 0), "\"2000-02-29 00:00:00\"");
	assert_string_equal(text("2023-11-30T25:00:00Z", MEANING_ZONED, 0), "\"2023-11-30T25:00:00Z\"");
	assert_string_equal(text("2023-11-30T12:00:00X", MEANING_ZONED, 0), "\"2023-11-30T12:00:00X\"");
	assert_string_equal(text("2023-11-30T12:00:00.", MEANING_ZONED, 0), "\"2023-11-30T12:00:00.\"");
	assert_string_equal(text("2023-11-30T", MEANING_ZONED, 0), "\"2023-11-30T\"");
	assert_string_equal(text("", MEANING_ZONED, 0), "\"\"");
	assert_string_equal(text("now", MEANING_ZONED, 0), "\"now\"");
	assert_string_equal(number("5", MEANING_ZONED, 0), "error");
}

static void iso_text_says_nothing_of_a_zone(void **state)
{
	(void)state;
	assert_string_equal(text("2017-09-15Z", MEANING_ISO, -1), "\"2017-09-15\"");
	assert_string_equal(text("2017-09-15", MEANING_ISO, -1), "\"2017-09-15\"");
	assert_string_equal(text("04:05:11.789Z", MEANING_ISO, -1), "\"04:05:11.789\"");
	assert_string_equal(text("04:05:11", MEANING_ISO, 3), "\"04:05:11\"");
	assert_string_equal(text("2019-07-09T02:28:57.123456Z", MEANING_ISO, -1), "\"2019-07-09 02:28:57.123456\"");
	assert_string_equal(text("2019-07-09T02:28:57+05:00", MEANING_ISO, 0), "\"2019-07-09 02:28:57\"");
}

static void sets_and_geometries_and_json(void **state)
{
	struct reading set = { .meaning = MEANING_SET }, geometry = { .meaning = MEANING_GEOMETRY }, json = { .meaning = MEANING_JSON };

	(void)state;
	assert_string_equal(read_as(VALUE_JSON, SLICE("[\"a\",\"b\\u00e9\"]"), set), "\"a,b\xc3\xa9\"");
	assert_string_equal(read_as(VALUE_JSON, SLICE("[]"), set), "\"\"");
	assert_string_equal(read_as(VALUE_JSON, SLICE("[1]"), set), "error");
	assert_string_equal(read_as(VALUE_JSON, SLICE("{\"a\":\"b\"}"), set), "error");
	assert_string_equal(text("a,b", MEANING_SET, 0), "\"a,b\"");
	assert_string_equal(read_as(VALUE_JSON, SLICE("{\"x\":1.0,\"y\":2.0,\"wkb\":\"AQEAAAA=\",\"srid\":4326}"), geometry),
			    "x'e61000000101000000'");
	assert_string_equal(read_as(VALUE_JSON, SLICE("{\"wkb\":\"AQEAAAA=\",\"srid\":null}"), geometry), "x'000000000101000000'");
	assert_string_equal(read_as(VALUE_JSON, SLICE("{\"srid\":1}"), geometry), "error");
	assert_string_equal(read_as(VALUE_JSON, SLICE("{\"wkb\":\"AQEAAAA=\",\"srid\":-1}"), geometry), "error");
	assert_string_equal(text("a\"b", MEANING_JSON, 0), "\"a\\\"b\"");
	assert_string_equal(read_as(VALUE_JSON, SLICE("{\"a\": 1}"), json), "{\"a\": 1}");
	assert_string_equal(read_as(VALUE_TRUE, SLICE(""), json), "true");
	assert_string_equal(number("1e3", MEANING_JSON, 0), "1e3");
}

static void a_value_is_read_once(void **state)
{
	struct value v = { .p = "19691", .n = 5, .kind = VALUE_NUMBER };
	struct error err;

	(void)state;
	assert_int_equal(value_read(&v, (struct reading){ .meaning = MEANING_DAYS }, &arena, &err), 0);
	assert_int_equal(value_read(&v, (struct reading){ .meaning = MEANING_BASE64 }, &arena, &err), 0);
	assert_int_equal(v.kind, VALUE_TEXT);
	assert_memory_equal(v.p, "2023-11-30", 10);
}

static void values_are_shown_short(void **state)
{
	char longest[200];
	struct value v = { .p = longest, .n = sizeof longest, .kind = VALUE_TEXT };

	(void)state;
	for (size_t i = 0; i < sizeof longest; i += 2)
		memcpy(longest + i, "\xc3\xa9", 2);
	for (v.kind = 0; v.kind <= VALUE_DEFAULT; v.kind++)
		assert_true(value_show(&v, &arena).n <= 60);
	v = (struct value){ .p = "x\xc3\xa9", .n = 3, .kind = VALUE_TEXT };
	assert_true(slice_is(value_show(&v, &arena), "\"x\xc3\xa9\""));
}

static struct reading resolve(enum meaning declared, struct target_column to, struct reading_settings settings)
{
	struct column from = { .declared = { .meaning = declared, .scale = 7 } };

	return reading_resolve(&from, &to, &settings);
}

static void the_target_says_what_no_schema_does(void **state)
{
	static const struct {
		struct target_column to;
		enum meaning bare, plain;
	} cases[] = {
		{ { .type = COLUMN_INTEGER, .length = 64 }, MEANING_NUMERIC, MEANING_NUMERIC },
		{ { .type = COLUMN_INTEGER, .length = 64, .is_unsigned = true }, MEANING_UNSIGNED, MEANING_NUMERIC },
		{ { .type = COLUMN_INTEGER, .length = 32, .is_unsigned = true }, MEANING_NUMERIC, MEANING_NUMERIC },
		{ { .type = COLUMN_DECIMAL, .scale = 2 }, MEANING_DECIMAL_GUESS, MEANING_NUMERIC },
		{ { .type = COLUMN_DOUBLE }, MEANING_DOUBLE, MEANING_DOUBLE },
		{ { .type = COLUMN_BIT, .length = 8 }, MEANING_BITS, MEANING_BIT_NUMBER },
		{ { .type = COLUMN_TEXT }, MEANING_PLAIN, MEANING_PLAIN },
		{ { .type = COLUMN_BINARY, .length = 16 }, MEANING_BASE64, MEANING_PLAIN },
		{ { .type = COLUMN_BYTES }, MEANING_BASE64, MEANING_PLAIN },
		{ { .type = COLUMN_DATE }, MEANING_DAYS, MEANING_ISO },
		{ { .type = COLUMN_DATETIME, .scale = 0 }, MEANING_DATETIME_MS, MEANING_ZONED },
		{ { .type = COLUMN_DATETIME, .scale = 3 }, MEANING_DATETIME_MS, MEANING_ZONED },
		{ { .type = COLUMN_DATETIME, .scale = 4 }, MEANING_DATETIME_US, MEANING_ZONED },
		{ { .type = COLUMN_TIMESTAMP, .scale = 6 }, MEANING_ZONED, MEANING_ZONED },
		{ { .type = COLUMN_TIME }, MEANING_TIME_US, MEANING_ISO },
		{ { .type = COLUMN_YEAR }, MEANING_NUMERIC, MEANING_NUMERIC },
		{ { .type = COLUMN_ENUM }, MEANING_PLAIN, MEANING_PLAIN },
		{ { .type = COLUMN_SET }, MEANING_SET, MEANING_SET },
		{ { .type = COLUMN_JSON }, MEANING_PLAIN, MEANING_PLAIN },
		{ { .type = COLUMN_GEOMETRY }, MEANING_GEOMETRY, MEANING_GEOMETRY },
		{ { .type = COLUMN_UNKNOWN }, MEANING_PLAIN, MEANING_PLAIN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(resolve(MEANING_UNKNOWN, cases[i].to, (struct reading_settings){ 0 }).meaning, cases[i].bare);
		assert_int_equal(resolve(MEANING_UNKNOWN, cases[i].to, (struct reading_settings){ .plain = true }).meaning, cases[i].plain);
	}
	for (int i = 0; i < 3; i++) {
		static const enum meaning datetimes[] = { MEANING_DATETIME_MS, MEANING_DATETIME_US, MEANING_DATETIME_NS };
		static const enum meaning times[] = { MEANING_TIME_MS, MEANING_TIME_US, MEANING_TIME_NS };
		struct reading_settings settings = { .time = (uint8_t)(TIME_MODE_CONNECT + i) };

		assert_int_equal(resolve(MEANING_UNKNOWN, (struct target_column){ .type = COLUMN_DATETIME, .scale = 6 }, settings).meaning,
				 datetimes[i]);
		assert_int_equal(resolve(MEANING_UNKNOWN, (struct target_column){ .type = COLUMN_TIME }, settings).meaning, times[i]);
		assert_int_equal(resolve(MEANING_TIME_US, (struct target_column){ .type = COLUMN_TIME }, settings).meaning, MEANING_TIME_US);
	}
	assert_int_equal(resolve(MEANING_UNKNOWN, (struct target_column){ .type = COLUMN_BINARY, .length = 4 },
				 (struct reading_settings){ .plain = true, .binary = MEANING_HEX })
				 .length,
			 4);
	assert_int_equal(resolve(MEANING_UNKNOWN, (struct target_column){ .type = COLUMN_DECIMAL, .scale = 4 }, (struct reading_settings){ 0 }).scale,
			 4);
	assert_int_equal(
		resolve(MEANING_UNKNOWN, (struct target_column){ .type = COLUMN_BINARY, .length = 16 }, (struct reading_settings){ 0 }).length, 16);
	assert_int_equal(
		resolve(MEANING_UNKNOWN, (struct target_column){ .type = COLUMN_TIMESTAMP, .scale = 3 }, (struct reading_settings){ 0 }).scale, 3);
}

static void a_schema_says_it_before_the_target(void **state)
{
	struct target_column varchar = { .type = COLUMN_TEXT }, datetime = { .type = COLUMN_DATETIME, .scale = 3 };
	struct target_column binary = { .type = COLUMN_BINARY, .length = 4 }, blob = { .type = COLUMN_BYTES };
	struct target_column decimal = { .type = COLUMN_DECIMAL, .scale = 2 }, big = { .type = COLUMN_INTEGER, .length = 64, .is_unsigned = true };
	struct reading_settings none = { 0 }, hex = { .binary = MEANING_HEX };
	struct column days = { .declared = { .meaning = MEANING_DAYS } };

	(void)state;
	assert_int_equal(resolve(MEANING_DAYS, varchar, none).meaning, MEANING_DAYS);
	assert_int_equal(resolve(MEANING_DATETIME_US, varchar, none).scale, -1);
	assert_int_equal(resolve(MEANING_DATETIME_US, datetime, none).meaning, MEANING_DATETIME_US);
	assert_int_equal(resolve(MEANING_DATETIME_US, datetime, none).scale, 3);
	assert_int_equal(resolve(MEANING_DECIMAL, decimal, none).scale, 7);
	assert_int_equal(resolve(MEANING_BASE64, binary, hex).meaning, MEANING_BASE64);
	assert_int_equal(resolve(MEANING_BASE64, binary, none).length, 4);
	assert_int_equal(reading_resolve(&days, NULL, &none).meaning, MEANING_DAYS);
	/* A schema without a name for the type. */
	assert_int_equal(resolve(MEANING_PLAIN, decimal, none).meaning, MEANING_NUMERIC);
	assert_int_equal(resolve(MEANING_PLAIN, big, none).meaning, MEANING_UNSIGNED);
	assert_int_equal(resolve(MEANING_PLAIN, blob, none).meaning, MEANING_PLAIN);
	assert_int_equal(resolve(MEANING_PLAIN, blob, hex).meaning, MEANING_HEX);
}

static void settings_say_what_neither_can(void **state)
{
	struct target_column decimal = { .type = COLUMN_DECIMAL, .scale = 2 }, blob = { .type = COLUMN_BYTES };

	(void)state;
	assert_int_equal(resolve(MEANING_UNKNOWN, decimal, (struct reading_settings){ .decimal = MEANING_DECIMAL }).meaning, MEANING_DECIMAL);
	assert_int_equal(resolve(MEANING_UNKNOWN, decimal, (struct reading_settings){ .decimal = MEANING_PLAIN }).meaning, MEANING_NUMERIC);
	assert_int_equal(resolve(MEANING_UNKNOWN, blob, (struct reading_settings){ .binary = MEANING_HEX }).meaning, MEANING_HEX);
	assert_int_equal(resolve(MEANING_UNKNOWN, blob, (struct reading_settings){ .binary = MEANING_BASE64_URL }).meaning, MEANING_BASE64_URL);
}

static void columns_of_an_open_target_are_added_as_they_are_named(void **state)
{
	struct target target = { .open = true, .arena = &arena };

	(void)state;
	for (int i = 0; i < 100; i++) {
		char name[8];
		struct slice column = { name, (size_t)snprintf(name, sizeof name, "c%d", i) };

		assert_int_equal(target_find(&target, column), -1);
		assert_int_equal(target_add(&target, column), i);
		assert_int_equal(target_add(&target, column), i);
	}
	assert_int_equal(target_find(&target, SLICE("C42")), 42);
	target.key[target.key_count++] = 7;
	assert_true(target_is_key(&target, 7));
	assert_false(target_is_key(&target, 8));
}

static void integers_of_any_length_are_read(void **state)
{
	char digits[32];
	uint64_t draw = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t number, read = 0;
		struct value v = { .p = digits, .kind = VALUE_NUMBER };

		draw = draw * 6364136223846793005u + 1442695040888963407u;
		number = (int64_t)(draw >> (draw % 63)) * (draw >> 7 & 1 ? -1 : 1);
		if (i < 2)
			number = i ? INT64_MAX : INT64_MIN;
		v.n = (uint32_t)snprintf(digits, sizeof digits, "%lld", (long long)number);
		assert_true(value_is_integer(&v, &read));
		assert_true(read == number);
		digits[draw % v.n] = draw >> 8 & 1 ? ':' : '/'; /* beside the digits */
		assert_false(value_is_integer(&v, &read));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(integers_of_any_length_are_read, reset),
		cmocka_unit_test_setup(decimals_are_exact, reset),
		cmocka_unit_test_setup(decimals_of_any_length_come_back, reset),
		cmocka_unit_test_setup(a_guessed_decimal_is_a_number_where_it_reads_as_one, reset),
		cmocka_unit_test_setup(unsigned_integers_are_unwrapped, reset),
		cmocka_unit_test_setup(truth_is_a_number_in_a_numeric_column, reset),
		cmocka_unit_test_setup(bytes_come_in_many_alphabets, reset),
		cmocka_unit_test_setup(bits_are_little_endian, reset),
		cmocka_unit_test_setup(bit_strings_are_shown_as_bytes, reset),
		cmocka_unit_test_setup(days_are_dates, reset),
		cmocka_unit_test_setup(the_calendar_is_right_for_every_day, reset),
		cmocka_unit_test_setup(datetimes_keep_every_digit, reset),
		cmocka_unit_test_setup(times_are_durations, reset),
		cmocka_unit_test_setup(zones_are_shifted_to_utc, reset),
		cmocka_unit_test_setup(iso_text_says_nothing_of_a_zone, reset),
		cmocka_unit_test_setup(sets_and_geometries_and_json, reset),
		cmocka_unit_test_setup(a_value_is_read_once, reset),
		cmocka_unit_test_setup(values_are_shown_short, reset),
		cmocka_unit_test_setup(the_target_says_what_no_schema_does, reset),
		cmocka_unit_test_setup(a_schema_says_it_before_the_target, reset),
		cmocka_unit_test_setup(settings_say_what_neither_can, reset),
		cmocka_unit_test_setup(columns_of_an_open_target_are_added_as_they_are_named, reset),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
