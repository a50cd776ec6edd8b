#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "support/decoding.h"

static int read_text(struct decoding *d, struct slice text, uint32_t depth, const char *raw, const struct json_node **nodes)
{
	return json_read(d->decoder.json, decoding_text(d, text), depth, raw, &d->arena, nodes, &d->err);
}

/* All nodes as "name:kind:text", with where each ends. */
static const char *dump(struct decoding *d, const char *text, uint32_t depth, const char *raw)
{
	static const char kinds[] = "?-ftnsbj";
	const struct json_node *nodes;
	struct slice out = SLICE("");
	int count = read_text(d, slice_of(text), depth, raw, &nodes);

	if (count < 0)
		return d->err.text;
	for (int i = 0; i < count; i++)
		out = arena_printf(&d->arena, "%.*s%s%.*s%c%s%.*s^%u", SLICE_ARG(out), i ? " " : "", SLICE_ARG(nodes[i].name),
				   kinds[nodes[i].value.kind], nodes[i].expanded ? "+" : "",
				   SLICE_ARG(((struct slice){ nodes[i].value.p, nodes[i].value.n })), nodes[i].end);
	return arena_copy(&d->arena, out).p;
}

static void nodes_stand_in_the_order_of_the_text(void **state)
{
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	assert_string_equal(dump(&d, "{\"a\":1,\"b\":[true,null],\"c\":{\"d\":\"x\"}}", 9, NULL),
			    "j+{\"a\":1,\"b\":[true,null],\"c\":{\"d\":\"x\"}}^7 an1^2 bj+[true,null]^5 ttrue^4 -null^5 cj+{\"d\":\"x\"}^7 dsx^7");
	assert_string_equal(dump(&d, " { \"a\" : 1 , \"b\" : [ ] } \n", 9, NULL), "j+{ \"a\" : 1 , \"b\" : [ ] }^3 an1^2 bj+[ ]^3");
	assert_string_equal(dump(&d, "{}", 9, NULL), "j+{}^1");
	assert_string_equal(dump(&d, "\xef\xbb\xbf[false]", 9, NULL), "j+[false]^2 ffalse^2");
	decoding_close(&d);
}

static void what_lies_deeper_or_is_raw_is_not_expanded(void **state)
{
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	assert_string_equal(dump(&d, "{\"a\":{\"b\":{\"c\":[1]}}}", 1, NULL),
			    "j+{\"a\":{\"b\":{\"c\":[1]}}}^3 aj+{\"b\":{\"c\":[1]}}^3 bj{\"c\":[1]}^3");
	assert_string_equal(dump(&d, "{\"a\":{\"b\":1}}", 0, NULL), "j+{\"a\":{\"b\":1}}^2 aj{\"b\":1}^2");
	assert_string_equal(dump(&d, "{\"raw\":{\"x\":1},\"a\":{\"raw\":{\"y\":2}}}", 9, "raw"),
			    "j+{\"raw\":{\"x\":1},\"a\":{\"raw\":{\"y\":2}}}^5 rawj{\"x\":1}^2 aj+{\"raw\":{\"y\":2}}^5 rawj+{\"y\":2}^5 yn2^5");
	decoding_close(&d);
}

static void scalars_are_documents_and_numbers_keep_their_digits(void **state)
{
	static const char *const numbers[] = { "0", "-0", "-0.0", "12345678901234567890123456789.000", "1e999", "1.0E10", "1E+2", "2e-07" };
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		char expected[64];

		snprintf(expected, sizeof expected, "n%s^1", numbers[i]);
		assert_string_equal(dump(&d, numbers[i], 0, NULL), expected);
	}
	assert_string_equal(dump(&d, " \"x\" ", 0, NULL), "sx^1");
	assert_string_equal(dump(&d, "\"\"", 0, NULL), "s^1");
	assert_string_equal(dump(&d, "true", 0, NULL), "ttrue^1");
	assert_string_equal(dump(&d, "null\n", 0, NULL), "-null^1");
	decoding_close(&d);
}

static void strings_are_slices_unless_they_hold_escapes(void **state)
{
	static const char text[] = "{\"plain \xc3\xa9\":\"caf\xc3\xa9\",\"\\u0061\\/b\":\"\\\"\\n\\ud83d\\ude00\\u0000!\"}";
	const struct json_node *nodes;
	struct slice copy;
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	copy = decoding_text(&d, slice_of(text));
	assert_int_equal(json_read(d.decoder.json, copy, 0, NULL, &d.arena, &nodes, &d.err), 3);
	assert_true(slice_is(nodes[1].name, "plain \xc3\xa9"));
	assert_true(nodes[1].name.p > copy.p && nodes[1].name.p < copy.p + copy.n);
	assert_true(nodes[1].value.p > copy.p && nodes[1].value.p < copy.p + copy.n);
	assert_true(slice_is(nodes[2].name, "a/b"));
	assert_true(slice_equal(((struct slice){ nodes[2].value.p, nodes[2].value.n }), SLICE("\"\n\xf0\x9f\x98\x80\0!")));
	decoding_close(&d);
}

/* Each of these at the top, as a member's value, and where nothing is expanded. */
static void what_is_no_json_is_an_error_at_any_depth(void **state)
{
	static const char *const wrong[] = {
		"01",
		"1.",
		".5",
		"+1",
		"1e",
		"--1",
		"-",
		"0x1",
		"NaN",
		"Infinity",
		"1a",
		"tru",
		"nul",
		"truee",
		"nulL",
		"\x01",
		"'a'",
		"\"a",
		"\"\\x\"",
		"\"\\u12g4\"",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\\ud800\\u0041\"",
		"\"\\ud800\\ud800\"",
		"\"a\tb\"",
		"\"\xff\"",
		"\"\xed\xa0\x80\"",
		"\"\xc0\xaf\"",
		"[1,]",
		"[,1]",
		"[1 2]",
		"[1",
		"]",
		"{",
		"}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\" 1}",
		"{a:1}",
		"{1:2}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":\"b\":1}",
		"{\"a\":1]",
		"[1}",
		"[{]}",
		"{\"a\":{\"b\":1}",
		"[[1]",
		"1 2",
		"\"a\"\"b\"",
		"\"a\"b",
		"1\"a\"",
		"{}{}",
		"[]]",
		"{\"a\":1}}",
		"null,",
		"1\x01",
		":",
		",",
		"[1,,2]",
		"{,}",
		"{\"a\":1,,\"b\":2}",
		"{:1}",
		"[:]",
		"{\"a\"::1}",
		"{\"a\",1}",
		"{\"a\"{}}",
		"\"\\ud83d\"",
		"\"\\udc00\\ud800\"",
		"\"\\u\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		static const char *const around[][2] = { { "", "" }, { "{\"x\":", "}" }, { "{\"x\":{\"y\":[{\"z\":", "}]}}" }, { "[[[", "]]]" } };
		struct decoding d;

		decoding_open(&d, NULL);
		for (size_t k = 0; k < sizeof around / sizeof *around; k++) {
			const struct json_node *nodes;
			struct slice text = arena_printf(&d.arena, "%s%s%s", around[k][0], wrong[i], around[k][1]);

			if (read_text(&d, text, 0, NULL, &nodes) >= 0)
				fail_msg("taken for JSON: %.*s", SLICE_ARG(text));
			assert_true(d.err.text[0]);
		}
		decoding_close(&d);
	}
}

static void empty_and_cut_texts_are_errors(void **state)
{
	static const char whole[] = "{\"a\":{\"b\":[1,\"x\\n\",{\"c\":null}]},\"d\":true}";
	const struct json_node *nodes;
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	for (size_t n = 0; n < sizeof whole - 1; n++)
		assert_int_equal(read_text(&d, (struct slice){ whole, n }, 9, NULL, &nodes), -1);
	assert_int_equal(read_text(&d, (struct slice){ whole, sizeof whole - 1 }, 9, NULL, &nodes), 8);
	assert_int_equal(read_text(&d, SLICE("\xef\xbb\xbf"), 9, NULL, &nodes), -1);
	assert_int_equal(read_text(&d, SLICE("  \n"), 9, NULL, &nodes), -1);
	decoding_close(&d);
}

static void nesting_has_a_bound(void **state)
{
	const struct json_node *nodes;
	struct buf text = BUF_INIT;
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	for (int most = JSON_DEPTH_MOST; most <= JSON_DEPTH_MOST + 1; most++) {
		buf_clear(&text);
		for (int i = 0; i < most; i++)
			buf_text(&text, i % 2 ? "[" : "{\"a\":");
		buf_text(&text, "1");
		for (int i = most; i-- > 0;)
			buf_char(&text, i % 2 ? ']' : '}');
		assert_int_equal(read_text(&d, buf_view(&text), 0, NULL, &nodes) > 0, most == JSON_DEPTH_MOST);
		assert_int_equal(read_text(&d, buf_view(&text), UINT32_MAX, NULL, &nodes) > 0, most == JSON_DEPTH_MOST);
	}
	buf_free(&text);
	decoding_close(&d);
}

static void a_slice_of_a_document_can_be_read_again(void **state)
{
	const struct json_node *nodes;
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	assert_true(read_text(&d, SLICE("{\"schema\":{\"x\":[1]},\"payload\":{\"a\":{\"b\":1}}}"), 0, NULL, &nodes) > 0);
	struct slice payload = { nodes[2].value.p, nodes[2].value.n };
	assert_int_equal(json_read(d.decoder.json, payload, 9, NULL, &d.arena, &nodes, &d.err), 3);
	assert_true(slice_is(nodes[2].name, "b"));
	/* What follows the slice would close it; it does not count. */
	payload.n--;
	assert_int_equal(json_read(d.decoder.json, payload, 9, NULL, &d.arena, &nodes, &d.err), -1);
	decoding_close(&d);
}

static void a_large_document_gives_its_room_back(void **state)
{
	const struct json_node *nodes;
	struct buf text = BUF_INIT;
	struct decoding d;

	(void)state;
	decoding_open(&d, NULL);
	buf_char(&text, '[');
	for (int i = 0; i < 200000; i++)
		buf_text(&text, i ? ",\"\\u00e9\"" : "\"\\u00e9\"");
	buf_char(&text, ']');
	assert_int_equal(read_text(&d, buf_view(&text), 0, NULL, &nodes), 200001);
	assert_true(slice_is(((struct slice){ nodes[200000].value.p, nodes[200000].value.n }), "\xc3\xa9"));
	assert_string_equal(dump(&d, "[1]", 0, NULL), "j+[1]^2 n1^2");
	assert_int_equal(read_text(&d, buf_view(&text), 0, NULL, &nodes), 200001);
	buf_free(&text);
	decoding_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_stand_in_the_order_of_the_text),
		cmocka_unit_test(what_lies_deeper_or_is_raw_is_not_expanded),
		cmocka_unit_test(scalars_are_documents_and_numbers_keep_their_digits),
		cmocka_unit_test(strings_are_slices_unless_they_hold_escapes),
		cmocka_unit_test(what_is_no_json_is_an_error_at_any_depth),
		cmocka_unit_test(empty_and_cut_texts_are_errors),
		cmocka_unit_test(nesting_has_a_bound),
		cmocka_unit_test(a_slice_of_a_document_can_be_read_again),
		cmocka_unit_test(a_large_document_gives_its_room_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
