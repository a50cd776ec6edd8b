#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/decoding.h"

static int open_json(void **state)
{
	struct decoding *d = malloc(sizeof *d);

	decoding_open(d, &format_json);
	*state = d;
	return 0;
}

static int close_json(void **state)
{
	decoding_close(*state);
	free(*state);
	return 0;
}

static void a_message_is_a_row(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(decode(d, "{\"id\":1}", "{\"id\":1,\"name\":\"caf\xc3\xa9\",\"price\":12.50,\"ok\":true,\"tags\":[\"a\"],\"none\":null}"),
			 0);
	assert_int_equal(d->first->op, OP_INSERT);
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_string_equal(image_text(d, &d->first->row), "id=1 name=\"caf\xc3\xa9\" price=12.50 ok=true tags=[\"a\"] none=null");
	assert_int_equal(d->first->row.values[4].kind, VALUE_JSON);
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	/* A Kafka key need not be the row's. */
	assert_int_equal(d->first->key.state, IMAGE_ABSENT);
	assert_int_equal(d->first->old.state, IMAGE_ABSENT);
	assert_int_equal(d->first->parts, 1);
	assert_ptr_equal(d->first->message, &d->message);
	assert_null(d->first->next);
}

static void rows_of_the_same_columns_share_a_shape(void **state)
{
	struct decoding *d = *state;
	const struct shape *shape;

	assert_int_equal(decode(d, NULL, "{\"id\":1,\"a_name_longer_than_sixteen\":2,\"abcd\":3}"), 0);
	shape = d->first->row.shape;
	assert_int_equal(decode(d, NULL, "{\"id\":4,\"a_name_longer_than_sixteen\":5,\"abcd\":6}"), 0);
	assert_ptr_equal(d->first->row.shape, shape);
	assert_string_equal(image_text(d, &d->first->row), "id=4 a_name_longer_than_sixteen=5 abcd=6");
	assert_int_equal(decode(d, NULL, "{\"id\":4,\"a_name_longer_than_sixteen\":5,\"abce\":6}"), 0);
	assert_ptr_not_equal(d->first->row.shape, shape);
	assert_int_equal(decode(d, NULL, "{\"id\":4,\"a_name_longer_than_sixteen\":5}"), 0);
	assert_string_equal(image_text(d, &d->first->row), "id=4 a_name_longer_than_sixteen=5");
	assert_int_equal(decode(d, NULL, "{\"id\":4,\"a_name_longer_than_sixteen\":5,\"abcd\":6,\"x\":7}"), 0);
	assert_int_equal(d->first->row.shape->count, 4);
	for (int i = 0; i < 20; i++) {
		char text[64];

		snprintf(text, sizeof text, "{\"c%d\":%d,\"d\":1}", i, i);
		assert_int_equal(decode(d, NULL, text), 0);
		snprintf(text, sizeof text, "c%d=%d d=1", i, i);
		assert_string_equal(image_text(d, &d->first->row), text);
	}
	assert_int_equal(decode(d, NULL, "{\"id\":4,\"a_name_longer_than_sixteen\":5,\"abcd\":6}"), 0);
	assert_ptr_equal(d->first->row.shape, shape);
	assert_int_equal(decode(d, NULL, "{}"), 0);
	assert_int_equal(d->first->row.shape->count, 0);
	/* What a column holds is no column. */
	assert_int_equal(decode(d, NULL, "{\"id\":1,\"o\":{},\"x\":3}"), 0);
	assert_int_equal(decode(d, NULL, "{\"id\":1,\"o\":{\"x\":1,\"y\":2}}"), 0);
	assert_string_equal(image_text(d, &d->first->row), "id=1 o={\"x\":1,\"y\":2}");
}

static void names_that_differ_in_one_letter_are_not_mixed_up(void **state)
{
	static const char name[] = "abcdefghijklmnopqrs";
	struct decoding d;

	(void)state;
	for (size_t n = 1; n < sizeof name - 1; n++) {
		decoding_open(&d, &format_json);
		for (size_t at = 0; at < n; at++) {
			char other[sizeof name], text[64];

			memcpy(other, name, sizeof name);
			other[at] = '_';
			snprintf(text, sizeof text, "{\"%.*s\":1}", (int)n, name);
			assert_int_equal(decode(&d, NULL, text), 0);
			snprintf(text, sizeof text, "{\"%.*s\":1}", (int)n, other);
			assert_int_equal(decode(&d, NULL, text), 0);
			snprintf(text, sizeof text, "%.*s=1", (int)n, other);
			assert_string_equal(image_text(&d, &d.first->row), text);
		}
		decoding_close(&d);
	}
}

static void the_last_of_two_members_counts(void **state)
{
	struct decoding *d = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(decode(d, NULL, "{\"id\":1,\"a\":2,\"id\":3,\"\":4}"), 0);
		assert_string_equal(image_text(d, &d->first->row), "id=3 a=2 =4");
	}
}

static void no_value_is_a_delete_by_the_key(void **state)
{
	static const struct {
		const char *key, *row;
	} cases[] = {
		{ "{\"id\":7,\"part\":\"x\"}", "id=7 part=\"x\"" },
		{ "42", "=42" },
		{ "\"a b\"", "=\"a b\"" },
		{ "user-1", "=\"user-1\"" },
		{ "007", "=\"007\"" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(decode(d, cases[i].key, NULL), 0);
		assert_int_equal(d->first->op, OP_DELETE);
		assert_string_equal(names_text(d, d->first), "shop.orders");
		assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);
		assert_string_equal(image_text(d, &d->first->row), cases[i].row);
		assert_string_equal(image_text(d, &d->first->key), cases[i].row);
	}
}

static void a_delete_needs_a_key(void **state)
{
	static const char *const keys[] = { NULL, "null", "[1]", "{}", "\xff\xfe" };
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		assert_int_equal(decode(d, keys[i], NULL), -1);
		assert_non_null(strstr(d->err.text, "key"));
	}
}

static void an_array_is_several_rows(void **state)
{
	struct decoding *d = *state;
	struct event *second;

	assert_int_equal(decode(d, NULL, "\xef\xbb\xbf[{\"id\":1,\"o\":{\"x\":[1]}},{\"id\":2,\"o\":{}}]"), 0);
	assert_string_equal(image_text(d, &d->first->row), "id=1 o={\"x\":[1]}");
	assert_int_equal(d->first->part, 0);
	assert_int_equal(d->first->parts, 2);
	second = d->first->next;
	assert_string_equal(image_text(d, &second->row), "id=2 o={}");
	assert_ptr_equal(second->row.shape, d->first->row.shape);
	assert_int_equal(second->part, 1);
	assert_int_equal(second->parts, 2);
	assert_null(second->next);
	assert_int_equal(decode(d, NULL, "[]"), 0);
	assert_int_equal(d->first->op, OP_CONTROL);
	assert_int_equal(d->first->parts, 1);
	assert_int_equal(decode(d, NULL, "[{\"id\":1},5]"), -1);
	assert_non_null(strstr(d->err.text, "row 2"));
	assert_null(d->decoder.first);
	assert_ptr_equal(d->decoder.end, &d->decoder.first);
}

static void what_is_no_row_is_an_error(void **state)
{
	static const char *const values[] = { "", "1", "\"x\"", "null", "{\"a\":1} x", "{\"a\":tru}", "{\"a\":{\"b\":01}}", "{\"a\":\"\\ud800\"}" };
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		assert_int_equal(decode(d, "1", values[i]), -1);
		assert_true(d->err.text[0]);
	}
}

static void names_come_from_the_topic(void **state)
{
	static const struct {
		const char *topic, *names;
	} cases[] = {
		{ "orders", ".orders" }, { "shop.orders", "shop.orders" }, { "eu.prod.shop.orders", "shop.orders" }, { "a..b", ".b" }, { "a.", "a." }
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		d->message.topic = slice_of(cases[i].topic);
		assert_int_equal(decode(d, NULL, "{\"id\":1}"), 0);
		assert_string_equal(names_text(d, d->first), cases[i].names);
	}
	d->message.topic = SLICE("orders");
	assert_int_equal(decode(d, NULL, "{\"id\":1}"), 0);
	assert_null(d->first->database.p);
}

static void formats_and_headers_are_found_by_name(void **state)
{
	const struct header headers[] = { { SLICE("a"), SLICE("1") }, { SLICE("b"), SLICE("2") }, { SLICE("a"), SLICE("3") } };
	const struct message message = { .headers = headers, .header_count = 3 };

	(void)state;
	assert_ptr_equal(format_find(SLICE("json")), &format_json);
	assert_ptr_equal(format_find(SLICE("debezium")), &format_debezium);
	assert_null(format_find(SLICE("jso")));
	assert_ptr_equal(message_header(&message, "a"), &headers[2]);
	assert_null(message_header(&message, "A"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_is_a_row, open_json, close_json),
		cmocka_unit_test_setup_teardown(rows_of_the_same_columns_share_a_shape, open_json, close_json),
		cmocka_unit_test_setup_teardown(the_last_of_two_members_counts, open_json, close_json),
		cmocka_unit_test_setup_teardown(no_value_is_a_delete_by_the_key, open_json, close_json),
		cmocka_unit_test_setup_teardown(a_delete_needs_a_key, open_json, close_json),
		cmocka_unit_test_setup_teardown(an_array_is_several_rows, open_json, close_json),
		cmocka_unit_test_setup_teardown(what_is_no_row_is_an_error, open_json, close_json),
		cmocka_unit_test_setup_teardown(names_come_from_the_topic, open_json, close_json),
		cmocka_unit_test(names_that_differ_in_one_letter_are_not_mixed_up),
		cmocka_unit_test(formats_and_headers_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
