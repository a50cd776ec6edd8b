/* What a window makes of values: exact sums, and accumulators that come back from their texts as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/accumulator.h"
#include "flow/number.h"

struct held {
	struct aggregate aggregate;
	struct accumulator acc;
	struct arena arena;
	struct json *json;
	struct error err;
};

static struct held begin(const char *name)
{
	return (struct held){ .aggregate = { .kind = aggregate_named(slice_of(name)) }, .json = json_new() };
}

static void end(struct held *h)
{
	accumulator_free(&h->acc);
	arena_free(&h->arena);
	json_free(h->json);
}

static struct value value_of(enum value_kind kind, const char *text)
{
	return (struct value){ .p = text, .n = (uint32_t)strlen(text), .kind = (uint8_t)kind, .ready = true };
}

static int take(struct held *h, enum value_kind kind, const char *text, int64_t at_ms, int sign)
{
	struct value value = value_of(kind, text);

	return accumulator_take(&h->aggregate, &h->acc, &value, at_ms, sign, &h->err);
}

/* Its text; and what is read from that has the same. */
static const char *text_of(struct held *h)
{
	struct buf text = BUF_INIT, again = BUF_INIT;
	struct accumulator read = { 0 };
	const struct json_node *nodes;
	char *padded;

	accumulator_encode(&h->aggregate, &h->acc, &text);
	padded = arena_zalloc(&h->arena, text.n + 2 + JSON_PADDING);
	memcpy(padded, "[", 1);
	memcpy(padded + 1, text.p, text.n);
	memcpy(padded + 1 + text.n, "]", 1);
	assert_true(json_read(h->json, (struct slice){ padded, text.n + 2 }, 8, NULL, &h->arena, &nodes, &h->err) > 0);
	assert_int_equal(accumulator_decode(&h->aggregate, &read, nodes, nodes + 1), 0);
	accumulator_encode(&h->aggregate, &read, &again);
	assert_string_equal(buf_cstr(&again), buf_cstr(&text));
	accumulator_free(&read);
	buf_free(&again);
	padded = arena_zalloc(&h->arena, text.n + 1);
	memcpy(padded, text.p, text.n);
	buf_free(&text);
	return padded;
}

static const char *result_of(struct held *h)
{
	struct value value = accumulator_result(&h->aggregate, &h->acc, &h->arena);

	return value.kind == VALUE_NULL ? "NULL" : arena_copy(&h->arena, (struct slice){ value.p, value.n }).p;
}

static void sums_are_exact(void **state)
{
	static const struct {
		const char *values[4], *result, *text;
	} cases[] = {
		{ { "1", "2", "-4" }, "-1", "[-1,3]" },
		{ { "0.1", "0.2" }, "0.3", "[0.3,2]" },
		{ { "12.50", "0.05" }, "12.55", "[12.55,2]" },
		{ { "-0.05", "0.01" }, "-0.04", "[-0.04,2]" },
		{ { "12.51", "0.49" }, "13.00", "[13.00,2]" },
		{ { "9007199254740991", "1" }, "9007199254740992", "[\"9007199254740992\",2]" },
		{ { "123456789012345678901.5", "0.25" }, "123456789012345678901.75", "[\"123456789012345678901.75\",2]" },
		{ { "99999999999999999999999999999999999.999999999999999999999999999999", "0.000000000000000000000000000001" },
		  "100000000000000000000000000000000000",
		  "[\"100000000000000000000000000000000000\",2]" },
		{ { "123456789012345678901.5", "-123456789012345678901.5" }, "0", "[\"0\",2]" },
		{ { "1e3", "2.5E-1" }, "1000.25", "[\"1000.25\",2]" },
		{ { "100000000000000", "0.00000000000001" }, "100000000000000.00000000000001", "[\"100000000000000.00000000000001\",2]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct held h = begin("sum");

		for (size_t v = 0; v < 4 && cases[i].values[v]; v++)
			assert_int_equal(take(&h, v % 2 ? VALUE_TEXT : VALUE_NUMBER, cases[i].values[v], 0, 1), 0);
		assert_string_equal(text_of(&h), cases[i].text);
		assert_string_equal(result_of(&h), cases[i].result);
		for (size_t v = 0; v < 4 && cases[i].values[v]; v++)
			assert_int_equal(take(&h, VALUE_NUMBER, cases[i].values[v], 0, -1), 0);
		assert_string_equal(result_of(&h), "NULL");
		assert_int_equal(take(&h, VALUE_NUMBER, "1", 0, -1), -1);
		end(&h);
	}
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const texts[] = { "NaN", "Infinity", "", "1.", ".5", "1e999", "twelve", "0x10", "--1" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct held h = begin("sum");

		assert_int_equal(take(&h, VALUE_TEXT, texts[i], 0, 1), -1);
		assert_non_null(strstr(h.err.text, "is no decimal number"));
		assert_string_equal(result_of(&h), "NULL");
		assert_int_equal(take(&h, VALUE_TRUE, "", 0, 1), -1);
		assert_non_null(strstr(h.err.text, "a number is needed, not a boolean"));
		end(&h);
	}
}

/* What is kept is read again after a restart. */
static void a_number_that_takes_too_many_zeros_is_refused(void **state)
{
	char text[800];

	(void)state;
	for (int small = 0; small < 2; small++) {
		struct held h = begin("sum");

		memset(text, '0', sizeof text);
		memcpy(text + 750, "e400", 5);
		text[0] = '1';
		if (small) {
			memcpy(text, "0.", 2);
			memcpy(text + 749, "1e-400", 7);
		}
		assert_int_equal(take(&h, VALUE_NUMBER, text, 0, 1), -1);
		assert_non_null(strstr(h.err.text, "digits"));
		assert_int_equal(take(&h, VALUE_NUMBER, small ? "1e-350" : "1e350", 0, 1), 0);
		text_of(&h);
		end(&h);
	}
}

static void counts_and_averages_are_taken_back(void **state)
{
	struct held count = begin("count"), avg = begin("avg"), distinct = begin("count_distinct");

	(void)state;
	assert_string_equal(result_of(&count), "0");
	assert_int_equal(take(&count, VALUE_TRUE, "", 0, -1), -1);
	assert_int_equal(take(&count, VALUE_TRUE, "", 0, 1), 0);
	assert_string_equal(text_of(&count), "1");
	assert_int_equal(take(&count, VALUE_TRUE, "", 0, -1), 0);
	assert_string_equal(text_of(&count), "0");

	assert_int_equal(take(&avg, VALUE_NUMBER, "1", 0, 1), 0);
	assert_int_equal(take(&avg, VALUE_NUMBER, "2.5", 0, 1), 0);
	assert_string_equal(text_of(&avg), "[3.5,2]");
	assert_string_equal(result_of(&avg), "1.75");
	assert_int_equal(take(&avg, VALUE_NUMBER, "1", 0, -1), 0);
	assert_int_equal(take(&avg, VALUE_TEXT, "none", 0, -1), -1); /* what was refused was never counted */
	assert_string_equal(text_of(&avg), "[2.5,1]");
	assert_int_equal(take(&avg, VALUE_NUMBER, "2.5", 0, -1), 0);
	assert_string_equal(result_of(&avg), "NULL");
	assert_int_equal(take(&avg, VALUE_NUMBER, "7", 0, 1), 0);
	assert_string_equal(text_of(&avg), "[7,1]");

	assert_int_equal(take(&distinct, VALUE_NUMBER, "1.0", 0, 1), 0);
	assert_int_equal(take(&distinct, VALUE_NUMBER, "1", 0, 1), 0);
	assert_int_equal(take(&distinct, VALUE_TEXT, "1", 0, 1), 0);
	assert_string_equal(text_of(&distinct), "{\"n\":2,\"of\":{\"n1\":2,\"s1\":1}}");
	assert_int_equal(take(&distinct, VALUE_TEXT, "2", 0, -1), -1);
	assert_int_equal(take(&distinct, VALUE_TEXT, "1", 0, -1), 0);
	assert_string_equal(result_of(&distinct), "1");
	end(&count);
	end(&avg);
	end(&distinct);
}

static void the_least_the_first_and_their_like(void **state)
{
	struct held min = begin("min"), max = begin("max"), first = begin("first"), last = begin("last");

	(void)state;
	assert_int_equal(take(&min, VALUE_NUMBER, "10", 0, 1), 0);
	assert_int_equal(take(&min, VALUE_NUMBER, "9.5", 0, 1), 0);
	assert_int_equal(take(&min, VALUE_TEXT, "123456789012345678901.5", 0, 1), 0);
	assert_string_equal(text_of(&min), "9.5");
	assert_int_equal(take(&min, VALUE_TEXT, "many", 0, 1), -1);
	assert_int_equal(take(&min, VALUE_NUMBER, "9.5", 0, -1), -1);
	assert_non_null(strstr(min.err.text, "min cannot take a row back"));

	assert_int_equal(take(&max, VALUE_TEXT, "b\"", 0, 1), 0);
	assert_int_equal(take(&max, VALUE_TEXT, "B", 0, 1), 0);
	assert_string_equal(text_of(&max), "\"b\\\"\"");
	assert_string_equal(result_of(&max), "b\"");
	assert_int_equal(take(&max, VALUE_BYTES, "\xff", 0, 1), -1);

	assert_int_equal(take(&first, VALUE_NUMBER, "1", 20, 1), 0);
	assert_int_equal(take(&first, VALUE_NUMBER, "2", 20, 1), 0);
	assert_string_equal(text_of(&first), "[1,20]");
	assert_int_equal(take(&first, VALUE_TRUE, "", 10, 1), 0);
	assert_string_equal(text_of(&first), "[true,10]");
	assert_int_equal(take(&last, VALUE_TEXT, "a", 20, 1), 0);
	assert_int_equal(take(&last, VALUE_TEXT, "b", 20, 1), 0);
	assert_int_equal(take(&last, VALUE_TEXT, "c", 10, 1), 0);
	assert_string_equal(text_of(&last), "[\"b\",20]");
	end(&min);
	end(&max);
	end(&first);
	end(&last);
}

static void two_become_one(void **state)
{
	static const struct {
		const char *name, *a[2], *b[2], *text;
	} cases[] = {
		{ "count", { "1", "2" }, { "3", NULL }, "3" },
		{ "sum", { "0.5", NULL }, { "1", "2" }, "[3.5,3]" },
		{ "sum", { "123456789012345678", NULL }, { "1", NULL }, "[\"123456789012345679\",2]" },
		{ "sum", { NULL, NULL }, { "1", NULL }, "[1,1]" },
		{ "avg", { "1", "2" }, { "3", NULL }, "[6,3]" },
		{ "min", { "2", NULL }, { "1", NULL }, "1" },
		{ "max", { "2", NULL }, { "10", NULL }, "10" },
		{ "count_distinct", { "1", "2" }, { "2", "3" }, "{\"n\":3,\"of\":{\"n1\":1,\"n2\":2,\"n3\":1}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct held a = begin(cases[i].name), b = begin(cases[i].name);

		for (int v = 0; v < 2; v++) {
			if (cases[i].a[v])
				assert_int_equal(take(&a, VALUE_NUMBER, cases[i].a[v], v, 1), 0);
			if (cases[i].b[v])
				assert_int_equal(take(&b, VALUE_NUMBER, cases[i].b[v], v, 1), 0);
		}
		assert_int_equal(accumulator_merge(&a.aggregate, &a.acc, &b.acc, &a.err), 0);
		assert_string_equal(text_of(&a), cases[i].text);
		end(&a);
		end(&b);
	}
}

/* Against integers of 128 bits, which hold what 20 digits make. */
static void random_numbers_add_up(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		__int128 units[2];
		struct number numbers[2], sum;
		struct buf text = BUF_INIT, must = BUF_INIT;
		struct number expected;
		int sign = rand_r(&seed) % 2 ? 1 : -1;
		__int128 made;

		for (int n = 0; n < 2; n++) {
			char digits[64];
			int64_t whole = rand_r(&seed) % (i % 3 ? 1000 : 2000000000), rest = rand_r(&seed) % 1000 * (rand_r(&seed) % 3);

			rest %= 1000;
			whole = rand_r(&seed) % 2 ? whole : whole * 4000000000;
			snprintf(digits, sizeof digits, "%s%lld.%03lld", rand_r(&seed) % 2 ? "-" : "", (long long)whole, (long long)rest);
			units[n] = ((__int128)whole * 1000 + rest) * (digits[0] == '-' ? -1 : 1);
			assert_true(number_parse(&numbers[n], slice_of(digits)));
		}
		made = units[0] + sign * units[1];
		assert_true(number_add(&sum, &numbers[0], &numbers[1], sign));
		number_plain(&text, &sum);
		if (made < 0)
			buf_char(&must, '-');
		made = made < 0 ? -made : made;
		buf_printf(&must, "%llu%03llue-3", (unsigned long long)(made / 1000), (unsigned long long)(made % 1000));
		assert_true(number_parse(&expected, buf_view(&must)));
		buf_clear(&must);
		number_plain(&must, &expected);
		assert_string_equal(buf_cstr(&text), buf_cstr(&must));
		assert_int_equal((number_compare(&numbers[0], &numbers[1]) > 0) - (number_compare(&numbers[0], &numbers[1]) < 0),
				 (units[0] > units[1]) - (units[0] < units[1]));
		buf_free(&text);
		buf_free(&must);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_exact),
		cmocka_unit_test(what_is_no_number_is_refused),
		cmocka_unit_test(a_number_that_takes_too_many_zeros_is_refused),
		cmocka_unit_test(counts_and_averages_are_taken_back),
		cmocka_unit_test(the_least_the_first_and_their_like),
		cmocka_unit_test(two_become_one),
		cmocka_unit_test(random_numbers_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
