#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/decoding.h"

#define ABOUT(type) "'database':'shop','table':'orders','type':'" type "','ts':1477053217,'xid':23396,'commit':true"
#define KEYED(type) ABOUT(type) ",'primary_key_columns':['id']"

static int open_maxwell(void **state)
{
	struct decoding *d = malloc(sizeof *d);

	decoding_open(d, &format_maxwell);
	*state = d;
	return 0;
}

static int close_maxwell(void **state)
{
	decoding_close(*state);
	free(*state);
	return 0;
}

static int read_message(struct decoding *d, const char *key, const char *value)
{
	return decode(d, quoted(d, key), quoted(d, value));
}

static void expect(struct decoding *d, enum op op, const char *row, const char *old, const char *key)
{
	if (!d->first)
		fail_msg("%s", d->err.text);
	assert_null(d->first->next);
	assert_int_equal(d->first->op, op);
	assert_string_equal(image_text(d, &d->first->row), quoted(d, row));
	assert_string_equal(image_text(d, &d->first->old), quoted(d, old));
	assert_string_equal(image_text(d, &d->first->key), quoted(d, key));
}

static void changes_name_their_table_and_time(void **state)
{
	struct decoding *d = *state;

	read_message(d, NULL, "{" KEYED("insert") ",'data':{'id':1,'name':'a'}}");
	expect(d, OP_INSERT, "id=1 name='a'", "", "id=1");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_true(d->first->time_ms == 1477053217000);
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	assert_int_equal(d->first->parts, 1);

	read_message(d, NULL, "{" KEYED("delete") ",'data':{'id':1,'name':'b'}}");
	expect(d, OP_DELETE, "id=1 name='b'", "", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	read_message(d, NULL, "{" KEYED("delete") ",'data':{'id':1}}");
	assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);

	read_message(d, NULL, "{" KEYED("bootstrap-insert") ",'data':{'id':1,'name':'b'}}");
	expect(d, OP_SNAPSHOT, "id=1 name='b'", "", "id=1");
}

static void the_old_row_is_the_new_one_but_for_what_changed(void **state)
{
	struct decoding *d = *state;

	read_message(d, NULL, "{" KEYED("update") ",'data':{'id':1,'a':2,'b':'x'},'old':{'a':1}}");
	expect(d, OP_UPDATE, "id=1 a=2 b='x'", "id=1 a=1 b='x'", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	assert_int_equal(d->first->old.state, IMAGE_WHOLE);
	/* `old` may stand before data, and hold NULLs. */
	read_message(d, NULL, "{'old':{'b':null},'data':{'id':1,'a':2,'b':'x'}," KEYED("update") "}");
	expect(d, OP_UPDATE, "id=1 a=2 b='x'", "id=1 a=2 b=null", "id=1");
	read_message(d, NULL, "{" KEYED("update") ",'data':{'id':1,'a':2,'b':'x'},'old':{}}");
	expect(d, OP_UPDATE, "id=1 a=2 b='x'", "id=1 a=2 b='x'", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_PARTIAL); /* nothing tells that it is whole */
	/* Other columns than before, and in another order. */
	read_message(d, NULL, "{" KEYED("update") ",'data':{'c':7,'b':'y','id':1},'old':{'b':'x','c':8}}");
	expect(d, OP_UPDATE, "id=1 a=(absent) b='y' c=7", "id=1 a=(absent) b='x' c=8", "id=1");
	assert_int_equal(shapes_count(d->decoder.shapes), 3); /* the table's, with one column more, and the key's */
}

static void messages_without_names_have_their_topic_s(void **state)
{
	struct decoding *d = *state;

	read_message(d, NULL, "{'data':{'id':1},'type':'insert'}");
	expect(d, OP_INSERT, "id=1", "", "");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_true(d->first->unnamed);
}

static void a_changed_key_has_its_old_values(void **state)
{
	struct decoding *d = *state;

	read_message(d, NULL, "{" ABOUT("update") ",'primary_key_columns':['b','a'],'data':{'a':2,'b':3,'c':4},'old':{'a':1}}");
	expect(d, OP_UPDATE, "a=2 b=3 c=4", "a=1 b=3 c=4", "b=3 a=1");
}

static void the_record_s_key_names_the_key_where_the_message_does_not(void **state)
{
	static const char *const keys[] = { "{'database':'shop','table':'orders','pk.id':9,'pk.part':'z'}",
					    "['shop','orders',[{'ID':9},{'Part':'z'}]]" };
	struct decoding *d = *state;

	for (size_t i = 0; i < 2; i++) {
		read_message(d, keys[i], "{" ABOUT("update") ",'data':{'Id':9,'Part':'z','x':1},'old':{'Id':8}}");
		expect(d, OP_UPDATE, "Id=9 Part='z' x=1", "Id=8 Part='z' x=1", "Id=8 Part='z'");
	}
	/* A table without a key; a key that is something else. */
	read_message(d, "{'database':'shop','table':'orders','_uuid':'5f'}", "{" ABOUT("insert") ",'data':{'Id':9}}");
	expect(d, OP_INSERT, "Id=9 Part=(absent) x=(absent)", "", "");
	read_message(d, "5f-6a", "{" ABOUT("insert") ",'data':{'Id':9}}");
	assert_int_equal(d->first->key.state, IMAGE_ABSENT);
}

/* Such a key is only compared with the one before. */
static void a_record_s_key_of_one_number_names_its_own_column(void **state)
{
	struct decoding *d = *state;

	for (int i = 0; i < 2; i++) {
		read_message(d, "{'database':'shop','table':'orders','pk.a':1}", "{" ABOUT("insert") ",'data':{'a':1,'b':2}}");
		expect(d, OP_INSERT, "a=1 b=2", "", "a=1");
		read_message(d, "{'database':'shop','table':'orders','pk.a':20}", "{" ABOUT("insert") ",'data':{'a':20,'b':2}}");
		expect(d, OP_INSERT, "a=20 b=2", "", "a=20");
		read_message(d, "{'database':'shop','table':'orders','pk.b':2}", "{" ABOUT("insert") ",'data':{'a':20,'b':2}}");
		expect(d, OP_INSERT, "a=20 b=2", "", "b=2");
		read_message(d, NULL, "{" ABOUT("insert") ",'primary_key_columns':['a','b'],'data':{'a':3,'b':3}}");
		expect(d, OP_INSERT, "a=3 b=3", "", "a=3 b=3");
		read_message(d, "{'database':'shop','table':'orders','pk.b':3}", "{" ABOUT("insert") ",'data':{'a':3,'b':3}}");
		expect(d, OP_INSERT, "a=3 b=3", "", "b=3");
		read_message(d, "{'database':'shop','table':'orders'}", "{" ABOUT("insert") ",'data':{'a':3,'b':3}}");
		expect(d, OP_INSERT, "a=3 b=3", "", "");
	}
}

static void what_is_no_row_change_is_told_apart(void **state)
{
	static const struct {
		const char *value;
		enum op op;
	} cases[] = {
		{ NULL, OP_CONTROL },
		{ "", OP_CONTROL },
		{ "{" ABOUT("bootstrap-start") ",'data':{}}", OP_CONTROL },
		{ "{" ABOUT("bootstrap-complete") ",'data':{}}", OP_CONTROL },
		{ "{'type':'table-alter','database':'shop','table':'orders','old':{'columns':[]},'def':{'columns':[{'type':'int'}]},'ts':"
		  "1477053217000,"
		  "'sql':'ALTER TABLE orders ADD c INT'}",
		  OP_DDL },
		{ "{'type':'table-create','database':'shop','table':'orders','def':{},'ts':1477053217000}", OP_DDL },
		{ "{'type':'database-drop','database':'shop','ts':1477053217000}", OP_DDL },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(read_message(d, "5f-6a", cases[i].value), 0);
		expect(d, cases[i].op, "", "", "");
		if (cases[i].op == OP_DDL)
			assert_true(d->first->time_ms == 1477053217000);
	}
}

/* What a source with a minimal row image logs of an update is no whole row. */
static void an_update_without_old_may_be_part_of_a_row(void **state)
{
	struct decoding *d = *state;

	read_message(d, NULL, "{" KEYED("insert") ",'data':{'id':1,'a':1,'b':1}}");
	read_message(d, NULL, "{" KEYED("update") ",'data':{'id':1,'b':2}}");
	expect(d, OP_UPDATE, "id=1 a=(absent) b=2", "", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_PARTIAL);
}

static void what_is_absent_can_be_null(void **state)
{
	struct decoding *d = *state;

	d->decoder.options.readings.absent_is_null = true;
	read_message(d, NULL, "{" KEYED("insert") ",'data':{'id':1,'a':1,'b':1}}");
	read_message(d, NULL, "{" KEYED("update") ",'data':{'id':1,'b':2},'old':{'b':1}}");
	expect(d, OP_UPDATE, "id=1 a=null b=2", "id=1 a=null b=1", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	read_message(d, NULL, "{" KEYED("update") ",'data':{'id':1},'old':{'b':2}}");
	expect(d, OP_UPDATE, "id=1 a=null b=null", "id=1 a=null b=2", "id=1");
	read_message(d, NULL, "{" KEYED("update") ",'data':{'id':1,'b':2}}");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	/* Even without the setting: what was a value and is not there any more. */
	d->decoder.options.readings.absent_is_null = false;
	read_message(d, NULL, "{" KEYED("update") ",'data':{'id':1},'old':{'new':2}}");
	expect(d, OP_UPDATE, "id=1 a=(absent) b=(absent) new=null", "id=1 a=(absent) b=(absent) new=2", "id=1");
}

static void tables_do_not_mix(void **state)
{
	struct decoding *d = *state;

	for (int i = 0; i < 40; i++) {
		char value[256], row[32];

		snprintf(value, sizeof value, "{'database':'d%d','table':'t','type':'insert','primary_key_columns':['k%d'],'data':{'k%d':%d,'x':1}}",
			 i % 3, i % 3, i % 3, i);
		snprintf(row, sizeof row, "k%d=%d x=1", i % 3, i);
		read_message(d, NULL, value);
		assert_non_null(d->first);
		assert_string_equal(image_text(d, &d->first->row), row);
		row[strlen(row) - 4] = 0;
		assert_string_equal(image_text(d, &d->first->key), row);
	}
}

static void values_arrive_exactly(void **state)
{
	static const struct {
		const char *wire;
		struct target_column to;
		const char *written;
	} cases[] = {
		{ "18446744073709551615", { .type = COLUMN_INTEGER, .is_unsigned = true, .length = 64 }, "18446744073709551615" },
		{ "-9223372036854775808", { .type = COLUMN_INTEGER, .length = 64 }, "-9223372036854775808" },
		{ "1.10", { .type = COLUMN_DECIMAL, .scale = 2 }, "1.10" },
		{ "123456789012345678901234567890.1234567890", { .type = COLUMN_DECIMAL }, "123456789012345678901234567890.1234567890" },
		{ "3.14", { .type = COLUMN_FLOAT }, "3.14" },
		{ "1.0E10", { .type = COLUMN_DOUBLE }, "1.0E10" },
		{ "5", { .type = COLUMN_BIT, .length = 8 }, "5" },
		{ "true", { .type = COLUMN_INTEGER, .length = 8 }, "1" },
		{ "'\\u00e9'", { .type = COLUMN_TEXT }, "'\xc3\xa9'" },
		{ "'iVBORw=='", { .type = COLUMN_BYTES }, "x'89504e47'" },
		{ "'iVBORw=='", { .type = COLUMN_BINARY, .length = 6 }, "x'89504e470000'" },
		{ "'iVB!'", { .type = COLUMN_BYTES }, "no base64 text" },
		{ "5", { .type = COLUMN_BYTES }, "5 is no text of bytes" },
		{ "'b'", { .type = COLUMN_ENUM }, "'b'" },
		{ "['a','b']", { .type = COLUMN_SET }, "'a,b'" },
		{ "[]", { .type = COLUMN_SET }, "''" },
		{ "['']", { .type = COLUMN_SET }, "''" },
		{ "{'a': [1.10, null]}", { .type = COLUMN_JSON }, "{'a': [1.10, null]}" },
		{ "'x'", { .type = COLUMN_JSON }, "'x'" },
		{ "12345678901234567890", { .type = COLUMN_JSON }, "12345678901234567890" },
		{ "'2023-11-30'", { .type = COLUMN_DATE }, "'2023-11-30'" },
		{ "'0000-00-00'", { .type = COLUMN_DATE }, "'0000-00-00'" },
		{ "'2023-11-30 12:34:56.120'", { .type = COLUMN_DATETIME, .scale = 3 }, "'2023-11-30 12:34:56.120'" },
		{ "'0000-00-00 00:00:00'", { .type = COLUMN_DATETIME }, "'0000-00-00 00:00:00'" },
		{ "'2023-11-30 12:34:56'", { .type = COLUMN_TIMESTAMP }, "'2023-11-30 12:34:56'" },
		{ "'12:34:56'", { .type = COLUMN_TIME }, "'12:34:56'" },
		{ "2023", { .type = COLUMN_YEAR }, "2023" },
		{ "'POINT(1 2)'", { .type = COLUMN_GEOMETRY }, "x'000000000101000000000000000000f03f00000000000000'..." },
		{ "'LINESTRING (0 0, 1 1)'", { .type = COLUMN_GEOMETRY }, "x'000000000102000000020000000000000000000000000000'..." },
		{ "'POINT(1)'", { .type = COLUMN_GEOMETRY }, "'POINT(1)' is no geometry" },
		{ "null", { .type = COLUMN_TEXT }, "null" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char value[300];

		snprintf(value, sizeof value, "{" KEYED("insert") ",'data':{'id':1,'x':%s}}", cases[i].wire);
		read_message(d, NULL, value);
		if (!d->first)
			fail_msg("%s: %s", value, d->err.text);
		assert_string_equal(quoted(d, written(d, &d->first->row, "x", cases[i].to)), quoted(d, cases[i].written));
	}
}

static void geometries_of_every_kind_are_read_whole(void **state)
{
	static const struct {
		const char *text;
		uint32_t bytes; /* 0: it is none */
	} cases[] = {
		{ "POINT (-1.5e3 .25)", 25 },
		{ "POLYGON((0 0,1 0,1 1,0 0),(2 2,3 2,3 3,2 2))", 4 + 9 + 2 * (4 + 64) },
		{ "MULTIPOINT(1 2,3 4)", 4 + 9 + 2 * 21 },
		{ "MULTIPOINT((1 2),(3 4))", 4 + 9 + 2 * 21 },
		{ "MULTILINESTRING((0 0,1 1),(2 2,3 3))", 4 + 9 + 2 * (9 + 32) },
		{ "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))", 4 + 9 + 9 + 4 + 64 },
		{ "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))", 4 + 9 + 21 + 9 + 32 },
		{ "GEOMETRYCOLLECTION EMPTY", 4 + 9 },
		{ "POINT(nan 1)", 0 },
		{ "POINT(0x1 1)", 0 },
		{ "POINT(1 2", 0 },
		{ "POINT(1 2) x", 0 },
		{ "POINT Z(1 2 3)", 0 },
		{ "LINESTRING()", 0 },
		{ "", 0 },
	};
	struct decoding *d = *state;
	char nested[1200] = "";

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct value v = { .p = cases[i].text, .n = (uint32_t)strlen(cases[i].text), .kind = VALUE_TEXT };
		int result = value_read(&v, (struct reading){ .meaning = MEANING_WKT }, &d->arena, &d->err);

		if ((result < 0) != (cases[i].bytes == 0) || (result == 0 && v.n != cases[i].bytes))
			fail_msg("%s: %d, %u bytes", cases[i].text, result, v.n);
	}
	for (int i = 0; i < 50; i++)
		strcat(nested, "GEOMETRYCOLLECTION(");
	struct value v = { .p = nested, .n = (uint32_t)strlen(nested), .kind = VALUE_TEXT };
	assert_int_equal(value_read(&v, (struct reading){ .meaning = MEANING_WKT }, &d->arena, &d->err), -1);
}

static void timestamps_can_be_in_another_zone(void **state)
{
	struct decoding *d = *state;

	d->decoder.options.readings.zone_minutes = 480;
	read_message(d, NULL, "{" KEYED("insert") ",'data':{'id':1,'x':'2023-11-30 04:34:56.5'}}");
	assert_string_equal(written(d, &d->first->row, "x", (struct target_column){ .type = COLUMN_TIMESTAMP, .scale = 3 }),
			    "\"2023-11-29 20:34:56.500\"");
	assert_string_equal(written(d, &d->first->row, "x", (struct target_column){ .type = COLUMN_DATETIME, .scale = 1 }),
			    "\"2023-11-30 04:34:56.5\"");
}

static void what_cannot_be_applied_says_why(void **state)
{
	static const struct {
		const char *value, *word;
	} cases[] = {
		{ "{" ABOUT("insert") ",'reason':'RecordTooLarge','data':{'id':1}}", "RecordTooLarge" },
		{ "{" ABOUT("insert") ",'encrypted':{'iv':'x','bytes':'y'}}", "encrypted" },
		{ "{'encrypted':{'iv':'x','bytes':'y'}}", "encrypted" },
		{ "{" ABOUT("upsert") ",'data':{'id':1}}", "upsert" },
		{ "{'database':'d','table':'t','data':{'id':1}}", "type" },
		{ "{" ABOUT("insert") "}", "data" },
		{ "{" ABOUT("insert") ",'data':{}}", "columns" },
		{ "{" ABOUT("insert") ",'data':[1]}", "data" },
		{ "{" ABOUT("update") ",'data':{'id':1},'old':5}", "old" },
		{ "{" ABOUT("insert") ",'primary_key_columns':[1],'data':{'id':1}}", "primary_key_columns" },
		{ "{" ABOUT("insert") ",'primary_key_columns':'id','data':{'id':1}}", "primary_key_columns" },
		{ "[1]", "object" },
		{ "{'type':", "JSON" },
		{ "{'type':'insert','ts':9223372036854775807,'data':{'id':1}}", "ts" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(read_message(d, NULL, cases[i].value), -1);
		if (!strstr(d->err.text, cases[i].word))
			fail_msg("%s: %s", cases[i].value, d->err.text);
		assert_null(d->decoder.first);
		assert_ptr_equal(d->decoder.end, &d->decoder.first);
	}
}

/* Every byte of a real message changed: no outcome but an event or a reason. */
static void damaged_messages_are_errors_and_nothing_worse(void **state)
{
	static const char damage[] = "\"\\{}[]:,0e-tn\xff \x01";
	static const char message[] = "{" KEYED("update") ",'data':{'id':1,'n':{'x':[1,2]},'s':['a']},'old':{'id':2,'s':null}}";
	static const char key[] = "['shop','orders',[{'id':9}]]";
	struct decoding d;

	(void)state;
	for (size_t at = 0; at < sizeof message - 1 + sizeof key - 1; at++) {
		decoding_open(&d, &format_maxwell);
		for (size_t i = 0; i < sizeof damage - 1; i++) {
			char *copy = strdup(quoted(&d, message)), *copied_key = strdup(quoted(&d, key));

			assert_int_equal(decode(&d, copied_key, copy), 0);
			*(at < sizeof message - 1 ? copy + at : copied_key + at - (sizeof message - 1)) = damage[i];
			if (decode(&d, copied_key, copy) < 0)
				assert_true(d.err.text[0]);
			else
				assert_non_null(d.first);
			if (at > 0 && at < sizeof message - 1) {
				copy[at] = 0;
				assert_int_equal(decode(&d, copied_key, copy), -1);
			}
			free(copy);
			free(copied_key);
		}
		decoding_close(&d);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_maxwell, close_maxwell)
	const struct CMUnitTest tests[] = {
		TEST(changes_name_their_table_and_time),
		TEST(the_old_row_is_the_new_one_but_for_what_changed),
		TEST(messages_without_names_have_their_topic_s),
		TEST(a_changed_key_has_its_old_values),
		TEST(the_record_s_key_names_the_key_where_the_message_does_not),
		TEST(a_record_s_key_of_one_number_names_its_own_column),
		TEST(what_is_no_row_change_is_told_apart),
		TEST(an_update_without_old_may_be_part_of_a_row),
		TEST(what_is_absent_can_be_null),
		TEST(tables_do_not_mix),
		TEST(values_arrive_exactly),
		TEST(geometries_of_every_kind_are_read_whole),
		TEST(timestamps_can_be_in_another_zone),
		TEST(what_cannot_be_applied_says_why),
		cmocka_unit_test(damaged_messages_are_errors_and_nothing_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
