/* What no format may take for a row: each bad message has its reason, and leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/decoding.h"

/* A message of each format, the text of whose column "name" is %s and whose column "n" is 1. */
static const struct {
	const struct format *format;
	const char *value;
} formats[] = {
	{ &format_debezium,
	  "{\"before\":null,\"after\":{\"id\":1,\"name\":%s,\"n\":1},\"source\":{\"db\":\"shop\",\"table\":\"orders\"},\"op\":\"c\"}" },
	{ &format_debezium,
	  "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"field\":\"name\"}],"
	  "\"field\":\"after\"}]},\"payload\":{\"before\":null,\"after\":{\"id\":1,\"name\":%s,\"n\":1},\"source\":{\"db\":\"shop\","
	  "\"table\":\"orders\"},\"op\":\"c\"}}" },
	{ &format_debezium, "{\"id\":1,\"name\":%s,\"n\":1}" },
	{ &format_json, "{\"id\":1,\"name\":%s,\"n\":1}" },
	{ &format_maxwell, "{\"database\":\"shop\",\"table\":\"orders\",\"type\":\"insert\",\"ts\":1,\"data\":{\"id\":1,\"name\":%s,\"n\":1}}" },
	{ &format_canal, "{\"database\":\"shop\",\"table\":\"orders\",\"type\":\"INSERT\",\"isDdl\":false,\"es\":1,\"pkNames\":[\"id\"],"
			 "\"mysqlType\":{\"id\":\"int\",\"name\":\"varchar(9)\"},\"data\":[{\"id\":\"1\",\"name\":%s,\"n\":\"1\"}]}" },
	{ &format_ticdc,
	  "{\"database\":\"shop\",\"table\":\"orders\",\"type\":\"INSERT\",\"isDdl\":false,\"es\":1,\"pkNames\":[\"id\"],"
	  "\"mysqlType\":{\"id\":\"int\",\"name\":\"varchar(9)\"},\"data\":[{\"id\":\"1\",\"name\":%s,\"n\":\"1\"}],\"_tidb\":{\"commitTs\":1}}" },
	{ &format_ticdc, "{\"version\":1,\"database\":\"shop\",\"table\":\"orders\",\"type\":\"INSERT\",\"commitTs\":1,"
			 "\"data\":{\"id\":\"1\",\"name\":%s,\"n\":\"1\"}}" },
};
enum { FORMATS = sizeof formats / sizeof *formats };

static const struct format *const all[] = { &format_debezium, &format_json, &format_maxwell, &format_canal, &format_ticdc };
enum { ALL = sizeof all / sizeof *all };

static int read_slice(struct decoding *d, struct slice value)
{
	d->message.key = (struct slice){ 0 };
	d->message.value = decoding_text(d, value);
	d->decoder.first = NULL;
	d->decoder.end = &d->decoder.first;
	d->err.text[0] = 0;
	return d->decoder.format->decode(&d->decoder, &d->message, &d->err);
}

static struct slice with_name(struct decoding *d, size_t format, const char *name)
{
	return arena_printf(&d->arena, formats[format].value, name);
}

static void expect_nothing(struct decoding *d, const char *word)
{
	assert_null(d->decoder.first);
	assert_ptr_equal(d->decoder.end, &d->decoder.first);
	if (!strstr(d->err.text, word))
		fail_msg("%s does not say %s", d->err.text, word);
}

static void text_that_is_no_text_names_its_column(void **state)
{
	static const char *const names[] = { "\"a\xff\"",     "\"\xc3\x28 \xa0\xa1\"", "\"\\ud800\"",
					     "\"x\\udc00y\"", "\"\\ud83d\\u0041\"",    "\"\xed\xa0\x80\"" };

	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct decoding d;

		decoding_open(&d, formats[f].format);
		for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
			assert_int_equal(read_slice(&d, with_name(&d, f, names[i])), -1);
			expect_nothing(&d, "\"name\": no valid JSON: a string");
		}
		/* And a good one behind it. */
		assert_int_equal(read_slice(&d, with_name(&d, f, "\"caf\xc3\xa9 \\ud83d\\ude00\"")), 0);
		decoding_close(&d);
	}
}

static void a_message_that_is_cut_off_is_none(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct decoding d;
		struct slice whole;

		decoding_open(&d, formats[f].format);
		whole = with_name(&d, f, "\"a\"");
		for (size_t n = 1; n < whole.n; n += 3) {
			assert_int_equal(read_slice(&d, (struct slice){ whole.p, n }), -1);
			expect_nothing(&d, "JSON");
		}
		decoding_close(&d);
	}
}

static struct slice nested(struct decoding *d, size_t depth)
{
	char *text = arena_alloc(&d->arena, 2 * depth + 1);

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	text[2 * depth] = 0;
	return (struct slice){ text, 2 * depth };
}

static void what_is_nested_too_deep_is_refused(void **state)
{
	(void)state;
	for (size_t f = 0; f < FORMATS; f++) {
		struct decoding d;

		decoding_open(&d, formats[f].format);
		assert_int_equal(read_slice(&d, with_name(&d, f, nested(&d, 10000).p)), -1);
		expect_nothing(&d, "nested deeper");
		assert_int_equal(read_slice(&d, with_name(&d, f, nested(&d, 900).p)), 0);
		decoding_close(&d);
	}
}

static void twenty_megabytes_are_read(void **state)
{
	enum { BYTES = 20 << 20 };
	char *name = malloc(BYTES + 3);

	(void)state;
	name[0] = '"';
	memset(name + 1, 'x', BYTES);
	strcpy(name + 1 + BYTES, "\"");
	for (size_t f = 0; f < FORMATS; f++) {
		struct decoding d;
		int at;

		decoding_open(&d, formats[f].format);
		assert_int_equal(read_slice(&d, with_name(&d, f, name)), 0);
		at = shape_find(d.decoder.first->row.shape, SLICE("name"));
		assert_int_equal(d.decoder.first->row.values[at].n, BYTES);
		decoding_close(&d);
	}
	free(name);
}

/* By number and digits they are JSON; that no column holds them is for the target to say, to the last digit. */
static void numbers_beyond_all_bounds_keep_their_digits(void **state)
{
	static const struct target_column columns[] = { { .type = COLUMN_DOUBLE },
							{ .type = COLUMN_DECIMAL, .scale = 2 },
							{ .type = COLUMN_INTEGER } };
	struct buf digits = BUF_INIT;
	const char *numbers[2] = { "1e999", NULL };

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_char(&digits, (char)('1' + i % 9));
	numbers[1] = buf_cstr(&digits);
	for (size_t f = 0; f < FORMATS; f++) {
		struct decoding d;

		decoding_open(&d, formats[f].format);
		for (size_t i = 0; i < 2; i++) {
			struct value *value;

			assert_int_equal(read_slice(&d, with_name(&d, f, numbers[i])), 0);
			value = &d.decoder.first->row.values[shape_find(d.decoder.first->row.shape, SLICE("name"))];
			assert_int_equal(value->n, strlen(numbers[i]));
			assert_memory_equal(value->p, numbers[i], value->n);
			for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
				struct column from = { .name = SLICE("name") };
				struct value copy = *value;

				assert_int_equal(
					value_read(&copy, reading_resolve(&from, &columns[c], &d.decoder.options.readings), &d.arena, &d.err), 0);
				assert_int_equal(copy.n, strlen(numbers[i]));
			}
		}
		/* No number at all. */
		assert_int_equal(read_slice(&d, with_name(&d, f, "01")), -1);
		expect_nothing(&d, "\"name\"");
		assert_int_equal(read_slice(&d, with_name(&d, f, "1e")), -1);
		assert_int_equal(read_slice(&d, with_name(&d, f, "NaN")), -1);
		decoding_close(&d);
	}
	buf_free(&digits);
}

static void a_message_of_another_format_is_refused(void **state)
{
	static const char *const messages[] = {
		[0] = "{\"before\":null,\"after\":{\"id\":1},\"source\":{\"db\":\"shop\",\"table\":\"orders\"},\"op\":\"c\"}",
		[1] = NULL, /* a plain row is a flat one of Debezium's */
		[2] = "{\"database\":\"shop\",\"table\":\"orders\",\"type\":\"insert\",\"ts\":1,\"id\":1,\"data\":{\"id\":1}}",
		[3] = "{\"database\":\"shop\",\"table\":\"orders\",\"type\":\"INSERT\",\"isDdl\":false,\"id\":1,\"data\":[{\"id\":\"1\"}],"
		      "\"pkNames\":[\"id\"]}",
		[4] = "{\"version\":1,\"database\":\"shop\",\"table\":\"orders\",\"type\":\"INSERT\",\"commitTs\":1,\"id\":1,\"data\":{\"id\":\"1\"}"
		      "}",
	};

	(void)state;
	for (size_t f = 0; f < ALL; f++) {
		struct decoding d;

		decoding_open(&d, all[f]);
		for (size_t m = 0; m < ALL; m++) {
			if (!messages[m] || m == f || (m == 3 && f == 4)) /* canal-json is one of TiCDC's */
				continue;
			if (read_slice(&d, slice_of(messages[m])) == 0)
				fail_msg("%s takes %s", all[f]->name, messages[m]);
			expect_nothing(&d, "");
			assert_true(strlen(d.err.text) > 10);
		}
		assert_int_equal(read_slice(&d, (struct slice){ "\0\0\0\0\7\2\4", 7 }), -1);
		expect_nothing(&d, "");
		decoding_close(&d);
	}
}

static void wrong_base64_says_so(void **state)
{
	static const struct target_column bytes = { .type = COLUMN_BYTES }, decimal = { .type = COLUMN_DECIMAL, .scale = 2 };
	struct decoding d;

	(void)state;
	decoding_open(&d, &format_debezium);
	assert_int_equal(read_slice(&d, with_name(&d, 0, "\"iVBO*w==\"")), 0);
	assert_string_equal(written(&d, &d.decoder.first->row, "name", bytes), "no base64 text");
	assert_string_equal(written(&d, &d.decoder.first->row, "name", decimal), "no base64 text");
	decoding_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_that_is_no_text_names_its_column),
		cmocka_unit_test(a_message_that_is_cut_off_is_none),
		cmocka_unit_test(what_is_nested_too_deep_is_refused),
		cmocka_unit_test(twenty_megabytes_are_read),
		cmocka_unit_test(numbers_beyond_all_bounds_keep_their_digits),
		cmocka_unit_test(a_message_of_another_format_is_refused),
		cmocka_unit_test(wrong_base64_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
