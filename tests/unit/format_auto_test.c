#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/decoding.h"

#define DEBEZIUM "{'before':null,'after':{'id':1,'v':'EtaH'},'source':{'db':'shop','table':'orders'},'op':'c'}"
#define FLAT "{'id':1,'v':'EtaH','__op':'u','__deleted':'false'}"
#define PLAIN "{'id':1,'v':'EtaH'}"
#define MAXWELL "{'database':'shop','table':'orders','type':'insert','ts':1,'data':{'id':1,'v':'EtaH'}}"
#define CANAL "{'database':'shop','table':'orders','type':'INSERT','isDdl':false,'es':1,'data':[{'id':'1','v':'EtaH'}]}"
#define TICDC "{'database':'shop','table':'orders','type':'INSERT','isDdl':false,'es':1,'data':[{'id':'1','v':'EtaH'}],'_tidb':{'commitTs':1}}"

static int open_auto(void **state)
{
	struct decoding *d = malloc(sizeof *d);

	decoding_open(d, &format_auto);
	*state = d;
	return 0;
}

static int close_auto(void **state)
{
	decoding_close(*state);
	free(*state);
	return 0;
}

static int read_of(struct decoding *d, const char *topic, const char *key, const char *value)
{
	d->message.topic = slice_of(topic);
	return decode(d, quoted(d, key), quoted(d, value));
}

static const char *format_of_row(struct decoding *d)
{
	return d->first->row.shape->origin->name;
}

static void each_topic_is_read_as_what_it_is(void **state)
{
	static const struct {
		const char *topic, *value, *format;
	} cases[] = {
		{ "x.shop.a", DEBEZIUM, "debezium" }, { "x.shop.b", FLAT, "debezium" }, { "x.shop.c", PLAIN, "json" },
		{ "d", MAXWELL, "maxwell" },          { "e", CANAL, "canal" },          { "f", TICDC, "ticdc" },
	};
	struct decoding *d = *state;

	for (int again = 0; again < 3; again++) {
		for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
			if (read_of(d, cases[i].topic, NULL, cases[i].value) < 0)
				fail_msg("%s: %s", cases[i].value, d->err.text);
			assert_string_equal(format_of_row(d), cases[i].format);
			assert_int_equal(d->first->row.shape->count, 2);
		}
	}
	/* The same columns, and not the same meaning. */
	read_of(d, "x.shop.a", NULL, DEBEZIUM);
	const struct shape *one = d->first->row.shape;
	read_of(d, "x.shop.c", NULL, PLAIN);
	assert_ptr_not_equal(d->first->row.shape, one);
}

static void marks_settle_nothing(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(read_of(d, "t", "{'id':1}", NULL), 0);
	assert_int_equal(read_of(d, "t", NULL, "{'ts_ms':5}"), 0);
	assert_int_equal(d->first->op, OP_CONTROL);
	assert_int_equal(read_of(d, "t", NULL, "{'id':"), -1);
	assert_int_equal(read_of(d, "t", NULL, MAXWELL), 0);
	assert_string_equal(format_of_row(d), "maxwell");
	assert_int_equal(read_of(d, "t", NULL, NULL), 0);
	assert_int_equal(d->first->op, OP_CONTROL);
}

static void a_mixed_topic_is_an_error_that_says_so(void **state)
{
	static const struct {
		const char *first, *then;
		bool mixed;
	} cases[] = {
		{ DEBEZIUM, MAXWELL, true }, { DEBEZIUM, PLAIN, true }, { PLAIN, DEBEZIUM, true }, { MAXWELL, CANAL, true }, { CANAL, PLAIN, true },
		{ PLAIN, FLAT, true },       { FLAT, PLAIN, false },    { TICDC, CANAL, false },   { CANAL, TICDC, false },  { FLAT, DEBEZIUM, true },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *topic = arena_printf(&d->arena, "t%zu", i).p;

		assert_int_equal(read_of(d, topic, NULL, cases[i].first), 0);
		if ((read_of(d, topic, NULL, cases[i].then) < 0) != cases[i].mixed)
			fail_msg("%s, then %s: %s", cases[i].first, cases[i].then, d->err.text);
		if (!cases[i].mixed)
			continue;
		assert_non_null(strstr(d->err.text, "mix of formats"));
		assert_null(d->decoder.first);
		/* What it began as is read on. */
		assert_int_equal(read_of(d, topic, NULL, cases[i].first), 0);
	}
	assert_int_equal(read_of(d, "avro", NULL, ""), 0);
	d->message.value = (struct slice){ "\0\0\0\0\7x", 6 };
	assert_int_equal(d->decoder.format->decode(&d->decoder, &d->message, &d->err), -1);
	assert_non_null(strstr(d->err.text, "Avro"));
	assert_int_equal(read_of(d, "ogg", NULL, "{'table':'S.T','op_type':'I','after':{'ID':1}}"), -1);
	assert_non_null(strstr(d->err.text, "GoldenGate"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_auto, close_auto)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_topic_is_read_as_what_it_is),
		TEST(marks_settle_nothing),
		TEST(a_mixed_topic_is_an_error_that_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
