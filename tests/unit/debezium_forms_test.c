/* What of Debezium's wire forms depends on the connector and on its settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/decoding.h"

#define SOURCE(connector) "'source':{'connector':'" connector "','db':'inventory','schema':'shop','table':'orders','ts_ms':1701347696000}"
#define FIELD(type, name, field) "{'type':'" type "','optional':true,'name':'" name "','field':'" field "'}"
#define WITH_SCHEMA(fields, after)                                                                                                                   \
	"{'schema':{'type':'struct','fields':[{'type':'struct','fields':[" fields "],'field':'after'}]},'payload':{'before':null,'after':{" after    \
	"}," SOURCE("mysql") ",'op':'c'}}"

static int open_debezium(void **state)
{
	struct decoding *d = malloc(sizeof *d);

	decoding_open(d, &format_debezium);
	*state = d;
	return 0;
}

static int close_debezium(void **state)
{
	decoding_close(*state);
	free(*state);
	return 0;
}

static void read_message(struct decoding *d, const char *value)
{
	if (decode(d, NULL, quoted(d, value)) < 0)
		fail_msg("%s", d->err.text);
}

static const char *column(struct decoding *d, const char *name, struct target_column to)
{
	return written(d, &d->first->row, name, to);
}

static void an_envelope_without_a_source_has_its_topic_s_names(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'before':null,'after':{'id':1},'op':'c'}");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_true(d->first->unnamed);
	read_message(d, "{'before':{'id':1},'after':null,'op':'d'}");
	assert_int_equal(d->first->op, OP_DELETE);
	assert_string_equal(names_text(d, d->first), "shop.orders");
	read_message(d, "{'before':null,'after':{'id':1}," SOURCE("mysql") ",'op':'c'}");
	assert_false(d->first->unnamed);
}

static void marks_of_other_connectors_are_no_rows(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'op':'m','ts_ms':1," SOURCE("postgresql") ",'message':{'transactional':false,'prefix':'p','content':'YQ=='}}");
	assert_int_equal(d->first->op, OP_CONTROL);
	read_message(d, "{'op':'t','ts_ms':1," SOURCE("postgresql") "}");
	assert_int_equal(d->first->op, OP_TRUNCATE);
	/* SQL Server sends no text of the statement. */
	read_message(d, "{" SOURCE("sqlserver") ",'databaseName':'inventory','schemaName':'shop','ddl':null,'tableChanges':[]}");
	assert_int_equal(d->first->op, OP_DDL);
}

static void a_number_of_oracle_brings_its_scale(void **state)
{
	static const struct target_column integer = { .type = COLUMN_INTEGER, .length = 64 }, decimal = { .type = COLUMN_DECIMAL, .scale = 2 };
	struct decoding *d = *state;

	read_message(d, "{'before':null,'after':{'ID':{'scale':0,'value':'AeI='},'P':{'scale':2,'value':'AeI='}}," SOURCE("oracle") ",'op':'c'}");
	assert_string_equal(column(d, "ID", integer), "482");
	assert_string_equal(column(d, "P", decimal), "4.82");
	read_message(d, WITH_SCHEMA(FIELD("struct", "io.debezium.data.VariableScaleDecimal", "ID"), "'ID':{'scale':0,'value':'AeI='}"));
	assert_string_equal(column(d, "ID", integer), "482");
}

/* BIGINT UNSIGNED as "precise", and NUMERIC(10,0) of other databases, into an integer that has a sign. */
static void an_exact_integer_may_be_base64(void **state)
{
	static const struct target_column integer = { .type = COLUMN_INTEGER, .length = 64 };
	struct decoding *d = *state;

	read_message(d, "{'before':null,'after':{'a':'AeI=','b':482,'d':true}," SOURCE("oracle") ",'op':'c'}");
	assert_string_equal(column(d, "a", integer), "\"AeI=\"");
	d->decoder.options.readings.decimal = MEANING_DECIMAL;
	assert_string_equal(column(d, "a", integer), "482");
	assert_string_equal(column(d, "b", integer), "482");
	assert_string_equal(column(d, "d", integer), "1");
}

static void times_are_counted_as_the_connector_was_told(void **state)
{
	static const struct {
		enum time_mode mode;
		uint8_t type;
		int16_t scale;
		const char *value, *text;
	} cases[] = {
		{ TIME_MODE_ADAPTIVE_MICROSECONDS, COLUMN_DATETIME, 3, "1701347696123", "\"2023-11-30 12:34:56.123\"" },
		{ TIME_MODE_ADAPTIVE_MICROSECONDS, COLUMN_DATETIME, 6, "1701347696123456", "\"2023-11-30 12:34:56.123456\"" },
		{ TIME_MODE_ADAPTIVE_MICROSECONDS, COLUMN_TIME, 0, "45296000000", "\"12:34:56\"" },
		{ TIME_MODE_ADAPTIVE, COLUMN_TIME, 0, "45296000", "\"12:34:56\"" },
		{ TIME_MODE_ADAPTIVE, COLUMN_TIME, 6, "45296000001", "\"12:34:56.000001\"" },
		{ TIME_MODE_ADAPTIVE, COLUMN_DATETIME, 0, "1701347696000", "\"2023-11-30 12:34:56\"" },
		{ TIME_MODE_CONNECT, COLUMN_TIME, 6, "45296001", "\"12:34:56.001000\"" },
		{ TIME_MODE_CONNECT, COLUMN_DATETIME, 6, "1701347696123", "\"2023-11-30 12:34:56.123000\"" },
		{ TIME_MODE_CONNECT, COLUMN_DATE, 0, "19691", "\"2023-11-30\"" },
		{ TIME_MODE_MICROSECONDS, COLUMN_DATETIME, 0, "1701347696000000", "\"2023-11-30 12:34:56\"" },
		{ TIME_MODE_MICROSECONDS, COLUMN_TIME, 0, "45296000000", "\"12:34:56\"" },
		{ TIME_MODE_NANOSECONDS, COLUMN_DATETIME, 6, "1701347696123456000", "\"2023-11-30 12:34:56.123456\"" },
		{ TIME_MODE_NANOSECONDS, COLUMN_TIME, 6, "-45296123456000", "\"-12:34:56.123456\"" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct target_column to = { .type = cases[i].type, .scale = cases[i].scale };

		d->decoder.options.readings.time = (uint8_t)cases[i].mode;
		read_message(d, arena_printf(&d->arena, "{'before':null,'after':{'at':%s}," SOURCE("mysql") ",'op':'c'}", cases[i].value).p);
		assert_string_equal(column(d, "at", to), cases[i].text);
	}
}

static void times_may_be_text(void **state)
{
	static const struct target_column date = { .type = COLUMN_DATE }, time = { .type = COLUMN_TIME, .scale = 3 },
					  datetime = { .type = COLUMN_DATETIME, .scale = 6 };
	static const char *const messages[] = {
		"{'before':null,'after':{'d':'2017-09-15Z','t':'04:05:11.789Z','dt':'2019-07-09T02:28:57.123456Z'}," SOURCE("mysql") ",'op':'c'}",
		WITH_SCHEMA(FIELD("string", "io.debezium.time.IsoDate", "d") "," FIELD("string", "io.debezium.time.IsoTime", "t") "," FIELD(
				    "string", "io.debezium.time.IsoTimestamp", "dt"),
			    "'d':'2017-09-15Z','t':'04:05:11.789Z','dt':'2019-07-09T02:28:57.123456Z'"),
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < 2; i++) {
		read_message(d, messages[i]);
		assert_string_equal(column(d, "d", date), "\"2017-09-15\"");
		assert_string_equal(column(d, "t", time), "\"04:05:11.789\"");
		assert_string_equal(column(d, "dt", datetime), "\"2019-07-09 02:28:57.123456\"");
	}
}

static void times_may_be_their_parts(void **state)
{
	static const struct {
		const char *name, *value;
		struct target_column to;
		const char *text;
	} cases[] = {
		{ "StructuredDate", "{'year':2023,'month':11,'day':30,'specialValue':null}", { .type = COLUMN_DATE }, "\"2023-11-30\"" },
		{ "StructuredDate", "{'year':0,'month':0,'day':0}", { .type = COLUMN_DATE }, "\"0000-00-00\"" },
		{ "StructuredTimestamp",
		  "{'year':2023,'month':0,'day':0,'hour':12,'minute':34,'second':56,'nanos':120000000,'precision':2}",
		  { .type = COLUMN_DATETIME, .scale = 2 },
		  "\"2023-00-00 12:34:56.12\"" },
		{ "StructuredZonedTimestamp",
		  "{'year':2023,'month':11,'day':30,'hour':20,'minute':34,'second':56,'nanos':0,'offsetSeconds':28800,'zoneId':'Asia/Shanghai'}",
		  { .type = COLUMN_TIMESTAMP },
		  "\"2023-11-30 12:34:56\"" },
		{ "StructuredDuration",
		  "{'years':0,'months':0,'days':0,'hours':-838,'minutes':-59,'seconds':-58,'nanos':-500000000}",
		  { .type = COLUMN_TIME, .scale = 1 },
		  "\"-838:59:58.5\"" },
		{ "StructuredDuration", "{'hours':1,'minutes':0,'seconds':0,'nanos':-500000000}", { .type = COLUMN_TIME }, "\"00:59:59.5\"" },
		{ "StructuredTime", "{'hour':1,'minute':2,'second':3,'nanos':4000}", { .type = COLUMN_TIME, .scale = 6 }, "\"01:02:03.000004\"" },
		{ "StructuredDate",
		  "{'specialValue':'POSITIVE_INFINITY'}",
		  { .type = COLUMN_DATE },
		  "{\"specialValue\":\"POSITIVE_INFINITY\"} is no time" },
		{ "StructuredDate",
		  "{'year':99999,'month':1,'day':1}",
		  { .type = COLUMN_DATE },
		  "{\"year\":99999,\"month\":1,\"day\":1} is no time" },
		{ "StructuredDate", "[1,2]", { .type = COLUMN_DATE }, "[1,2] is no time" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		read_message(d, arena_printf(&d->arena, "{'before':null,'after':{'at':%s}," SOURCE("mysql") ",'op':'c'}", cases[i].value).p);
		assert_string_equal(column(d, "at", cases[i].to), cases[i].text);
		read_message(d, arena_printf(&d->arena, WITH_SCHEMA("{'type':'struct','name':'io.debezium.time.%s','field':'at'}", "'at':%s"),
					     cases[i].name, cases[i].value)
					.p);
		assert_string_equal(column(d, "at", cases[i].to), cases[i].text);
	}
}

static void an_array_that_is_unavailable_is_left_alone(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'before':null,'after':{'id':1,'tags':['__debezium_unavailable_value']}," SOURCE("postgresql") ",'op':'u'}");
	assert_string_equal(image_text(d, &d->first->row), "id=1 tags=(absent)");
	assert_int_equal(d->first->row.state, IMAGE_PARTIAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_debezium, close_debezium)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_envelope_without_a_source_has_its_topic_s_names),
		TEST(marks_of_other_connectors_are_no_rows),
		TEST(a_number_of_oracle_brings_its_scale),
		TEST(an_exact_integer_may_be_base64),
		TEST(times_are_counted_as_the_connector_was_told),
		TEST(times_may_be_text),
		TEST(times_may_be_their_parts),
		TEST(an_array_that_is_unavailable_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
