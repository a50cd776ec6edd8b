#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/decoding.h"

#define ABOUT(type) "'database':'shop','table':'orders','type':'" type "','isDdl':false,'es':1701347696000,'ts':1701347696456,'id':12,'sql':''"
#define TYPES "'mysqlType':{'id':'bigint(20) unsigned','name':'VARCHAR(20)','raw':'varbinary(8)'},'sqlType':{'id':-5,'name':12,'raw':2004}"
#define KEYED(type) ABOUT(type) "," TYPES ",'pkNames':['id']"

static int open_canal(void **state)
{
	struct decoding *d = malloc(sizeof *d);

	decoding_open(d, &format_canal);
	*state = d;
	return 0;
}

static int close_canal(void **state)
{
	decoding_close(*state);
	free(*state);
	return 0;
}

static int read_message(struct decoding *d, const char *value)
{
	return decode(d, NULL, quoted(d, value));
}

static void expect_one(struct decoding *d, const struct event *event, enum op op, const char *row, const char *old, const char *key)
{
	if (!event)
		fail_msg("%s", d->err.text);
	assert_int_equal(event->op, op);
	assert_string_equal(image_text(d, &event->row), quoted(d, row));
	assert_string_equal(image_text(d, &event->old), quoted(d, old));
	assert_string_equal(image_text(d, &event->key), quoted(d, key));
}

static void expect(struct decoding *d, enum op op, const char *row, const char *old, const char *key)
{
	expect_one(d, d->first, op, row, old, key);
	assert_null(d->first->next);
	assert_int_equal(d->first->parts, 1);
}

static void changes_name_their_table_and_time(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'data':[{'id':'1','name':'a','raw':null}]," KEYED("INSERT") ",'old':null}");
	expect(d, OP_INSERT, "id='1' name='a' raw=null", "", "id='1'");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_true(d->first->time_ms == 1701347696000);
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	read_message(d, "{'data':[{'id':'1','name':'b','raw':null}]," KEYED("UPDATE") ",'old':[{'name':'a'}]}");
	expect(d, OP_UPDATE, "id='1' name='b' raw=null", "id='1' name='a' raw=null", "id='1'");
	read_message(d, "{'data':[{'id':'1','name':'b','raw':null}]," KEYED("DELETE") ",'old':null}");
	expect(d, OP_DELETE, "id='1' name='b' raw=null", "", "id='1'");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	read_message(d, "{'data':[{'id':'1'}]," KEYED("DELETE") ",'old':null}");
	assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);
}

static void a_message_holds_many_rows_in_order(void **state)
{
	struct decoding *d = *state;

	read_message(d,
		     "{'data':[{'id':'1','name':'a','raw':'x'},{'id':'5','name':'c','raw':null}],'old':[{'name':null,'raw':'x'},{'id':'4'}]," KEYED(
			     "UPDATE") "}");
	expect_one(d, d->first, OP_UPDATE, "id='1' name='a' raw='x'", "id='1' name=null raw='x'", "id='1'");
	expect_one(d, d->first->next, OP_UPDATE, "id='5' name='c' raw=null", "id='4' name='c' raw=null", "id='4'");
	assert_null(d->first->next->next);
	for (struct event *event = d->first; event; event = event->next) {
		assert_string_equal(names_text(d, event), "shop.orders");
		assert_int_equal(event->parts, 2);
		assert_int_equal(event->part, event != d->first);
	}
	/* All of a message or nothing. */
	assert_int_equal(read_message(d, "{'data':[{'id':'1'},{'name':'c'}]," KEYED("DELETE") "}"), -1);
	assert_non_null(strstr(d->err.text, "row 2"));
	assert_null(d->decoder.first);
	assert_int_equal(read_message(d, "{'data':[]," KEYED("DELETE") "}"), 0);
	expect(d, OP_CONTROL, "", "", "");
}

static void a_delete_can_have_its_row_in_old(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'old':[{'id':'1','name':'b'}],'data':null,'type':'DELETE'}");
	expect(d, OP_DELETE, "id='1' name='b'", "", "");
	assert_true(d->first->unnamed);
}

static void what_is_no_row_change_is_told_apart(void **state)
{
	static const struct {
		const char *type, *sql;
		enum op op;
	} cases[] = {
		{ "CREATE", "create table t (id int)", OP_DDL },
		{ "ALTER", "alter table t add c int", OP_DDL },
		{ "ERASE", "drop table t", OP_DDL },
		{ "RENAME", "rename table t to u", OP_DDL },
		{ "CINDEX", "create index i on t (c)", OP_DDL },
		{ "DINDEX", "drop index i on t", OP_DDL },
		{ "QUERY", "create database shop", OP_DDL },
		{ "TRUNCATE", "truncate table t", OP_TRUNCATE },
		{ "TIDB_WATERMARK", "", OP_CONTROL },
		{ "TRANSACTIONEND", "", OP_CONTROL },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		/* What isDdl says is not always so. */
		for (int truth = 0; truth < 2; truth++) {
			char value[300];

			snprintf(value, sizeof value,
				 "{'data':null,'database':'shop','table':'t','type':'%s','isDdl':%s,'es':1701347696000,'sql':'%s','mysqlType':null,'"
				 "old':null}",
				 cases[i].type, truth ? "true" : "false", cases[i].sql);
			assert_int_equal(read_message(d, value), 0);
			expect(d, cases[i].op, "", "", "");
		}
	}
	assert_int_equal(read_message(d, NULL), 0);
	expect(d, OP_CONTROL, "", "", "");
	read_message(d, "{'data':[{'id':'1'}],'type':'INSERT','isDdl':true}");
	expect(d, OP_INSERT, "id='1'", "", "");
}

static void ticdc_writes_this_form_too(void **state)
{
	struct decoding *d = *state;

	read_message(d,
		     "{'id':0,'database':'shop','table':'orders','pkNames':['id'],'isDdl':false,'type':'UPDATE','es':0,'ts':5,'sql':'','sqlType':{},"
		     "'mysqlType':{'id':'bigint unsigned','d':'datetime'},'data':[{'id':'2','d':null}],'old':[{'id':'1','d':null}],"
		     "'_tidb':{'commitTs':445980364316180481}}");
	expect(d, OP_UPDATE, "id='2' d=null", "id='1' d=null", "id='1'");
	assert_true(d->first->time_ms == 445980364316180481 >> 18);
	read_message(d, "{'type':'TIDB_WATERMARK','isDdl':false,'data':null,'_tidb':{'watermarkTs':445980364316180481}}");
	expect(d, OP_CONTROL, "", "", "");
	read_message(d, "{'data':[{'id':'1'}]," KEYED("DELETE") ",'_tidb':{'commitTs':1,'onlyHandleKey':true}}");
	expect(d, OP_DELETE, "id='1'", "", "id='1'");
	assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);
}

static void times_may_be_in_seconds(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'data':[{'id':'1'}],'type':'INSERT','es':1701347696,'pkNames':null,'mysqlType':null}");
	assert_true(d->first->time_ms == 1701347696000);
	read_message(d, "{'data':[{'id':'1'}],'type':'INSERT','ts':1701347696001}");
	assert_true(d->first->time_ms == 1701347696001);
}

static void columns_that_a_service_added_are_left_out(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'data':[{'id':'1','__#alibaba_rds_row_id#__':'7','_drds_implicit_id_':'8'}],'old':[{'id':'2','_drds_implicit_id_':'9'}],"
			"'pkNames':['__#alibaba_rds_row_id#__','_drds_implicit_id_'],'type':'UPDATE'}");
	expect(d, OP_UPDATE, "id='1'", "id='2'", "");
}

static void a_row_whose_only_key_was_added_by_a_service_is_whole(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'data':[{'v':'-1','__#alibaba_rds_row_id#__':'1'}]," ABOUT(
				"INSERT") ",'old':null,'mysqlType':{'v':'int','__#alibaba_rds_row_id#__':"
					  "'bigint'},'pkNames':['__#alibaba_rds_row_id#__']}");
	expect(d, OP_INSERT, "v='-1'", "", "");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
}

static void rows_that_were_there_before_are_a_snapshot(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'data':[{'id':'1','name':'a','raw':null}]," KEYED("INIT") ",'old':null}");
	expect(d, OP_SNAPSHOT, "id='1' name='a' raw=null", "", "id='1'");
}

/* As Flink and SeaTunnel write it: no names, no types, and sometimes no list. */
static void messages_without_names_have_their_topic_s(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'data':[{'id':1,'name':'a'}],'type':'INSERT'}");
	expect(d, OP_INSERT, "id=1 name='a'", "", "");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_true(d->first->unnamed);
	read_message(d, "{'data':{'id':2,'name':'b'},'type':'INSERT'}");
	expect(d, OP_INSERT, "id=2 name='b'", "", "");
	read_message(d, "{'data':{'id':2,'name':'c'},'old':{'name':'b'},'type':'UPDATE'}");
	expect(d, OP_UPDATE, "id=2 name='c'", "id=2 name='b'", "");
	d->message.topic = SLICE("x.shop.customers");
	read_message(d, "{'data':{'mail':'m'},'type':'DELETE'}");
	expect(d, OP_DELETE, "mail='m'", "", "");
	assert_string_equal(names_text(d, d->first), "shop.customers");
	assert_int_equal(read_message(d, "{'data':{'mail':'m'},'old':[{'mail':'n'}],'type':'UPDATE'}"), -1);
}

static void part_of_a_row_says_so(void **state)
{
	struct decoding *d = *state;

	read_message(d, "{'data':[{'id':'1','name':'b'}]," KEYED("UPDATE") ",'old':[{'name':'a'}]}");
	expect(d, OP_UPDATE, "id='1' name='b'", "id='1' name='a'", "id='1'");
	assert_int_equal(d->first->row.state, IMAGE_PARTIAL);
	read_message(d, "{'data':[{'id':'1','name':'b','raw':'x'}]," KEYED("UPDATE") ",'old':null}");
	expect(d, OP_UPDATE, "id='1' name='b' raw='x'", "", "id='1'");
	assert_int_equal(d->first->row.state, IMAGE_PARTIAL);
}

static void types_say_what_values_mean(void **state)
{
	static const struct {
		const char *type, *wire;
		struct target_column to;
		const char *written, *bare; /* bare: with a null mysqlType; NULL: the same */
	} cases[] = {
		{ "bigint(20) unsigned",
		  "'18446744073709551615'",
		  { .type = COLUMN_INTEGER, .is_unsigned = true, .length = 64 },
		  "18446744073709551615",
		  NULL },
		{ "BIGINT UNSIGNED", "'18446744073709551615'", { .type = COLUMN_UNKNOWN }, "18446744073709551615", "'18446744073709551615'" },
		{ "tinyint(1)", "'1'", { .type = COLUMN_INTEGER }, "1", NULL },
		{ "int(5) unsigned zerofill", "'00042'", { .type = COLUMN_INTEGER }, "'00042'", NULL },
		{ "decimal(10,2)", "'1.10'", { .type = COLUMN_DECIMAL, .scale = 2 }, "1.10", NULL },
		{ "decimal", "'-0.00'", { .type = COLUMN_DECIMAL, .scale = 2 }, "-0.00", NULL },
		{ "float", "'3.14'", { .type = COLUMN_FLOAT }, "3.14", NULL },
		{ "double", "'1.0E10'", { .type = COLUMN_DOUBLE }, "1.0E10", NULL },
		{ "bit(8)", "'5'", { .type = COLUMN_BIT, .length = 8 }, "5", NULL },
		{ "bit(1)", "'1'", { .type = COLUMN_BIT, .length = 1 }, "1", NULL },
		{ "blob", "'\\u0089PNG'", { .type = COLUMN_BYTES }, "x'89504e47'", NULL },
		{ "varbinary(8)", "'\\u0089PNG\\u00ff\\u0000'", { .type = COLUMN_BYTES }, "x'89504e47ff00'", NULL },
		{ "binary(6)", "'\\u0089PNG'", { .type = COLUMN_BINARY, .length = 6 }, "x'89504e470000'", NULL },
		{ "blob", "'\\u0100'", { .type = COLUMN_BYTES }, "a character above U+00FF stands for no byte", NULL },
		{ "point", "'\\u0000\\u0000'", { .type = COLUMN_GEOMETRY }, "x'0000'", NULL },
		{ "varchar(9)", "'\\u00e9'", { .type = COLUMN_TEXT }, "'\xc3\xa9'", NULL },
		{ "varchar(9)", "'\\u00e9'", { .type = COLUMN_BYTES }, "'\xc3\xa9'", "x'e9'" },
		{ "varchar(9)", "'12'", { .type = COLUMN_TEXT }, "'12'", NULL },
		{ "text", "'12'", { .type = COLUMN_UNKNOWN }, "'12'", NULL },
		{ "enum(a,b)", "'2'", { .type = COLUMN_ENUM }, "2", NULL },
		{ "enum(a,b)", "'b'", { .type = COLUMN_ENUM }, "'b'", NULL },
		{ "set(a,b)", "'3'", { .type = COLUMN_SET }, "3", NULL },
		{ "json", "'{\\'a\\':1}'", { .type = COLUMN_JSON }, "'{'a':1}'", NULL },
		{ "date", "'2023-11-30'", { .type = COLUMN_DATE }, "'2023-11-30'", NULL },
		{ "datetime(6)", "'2023-11-30 12:34:56.123450'", { .type = COLUMN_DATETIME, .scale = 6 }, "'2023-11-30 12:34:56.123450'", NULL },
		{ "datetime", "'0000-00-00 00:00:00'", { .type = COLUMN_DATETIME }, "'0000-00-00 00:00:00'", NULL },
		{ "timestamp", "'2023-11-30 04:34:56'", { .type = COLUMN_TIMESTAMP }, "'2023-11-29 20:34:56'", NULL },
		{ "timestamp(3)",
		  "'2023-11-30 04:34:56.120'",
		  { .type = COLUMN_DATETIME, .scale = 3 },
		  "'2023-11-29 20:34:56.120'",
		  "'2023-11-30 04:34:56.120'" },
		{ "timestamp", "'0000-00-00 00:00:00'", { .type = COLUMN_TIMESTAMP }, "'0000-00-00 00:00:00'", NULL },
		{ "time", "'-12:34:56'", { .type = COLUMN_TIME }, "'-12:34:56'", NULL },
		{ "time", "'838:59:59'", { .type = COLUMN_TIME }, "'838:59:59'", NULL },
		{ "year(4)", "'2023'", { .type = COLUMN_YEAR }, "2023", NULL },
		{ "varchar(5)", "null", { .type = COLUMN_TEXT }, "null", NULL },
		{ "varchar(5)", "''", { .type = COLUMN_TEXT }, "''", NULL },
		{ "int", "5", { .type = COLUMN_INTEGER }, "5", NULL },
	};
	struct decoding *d = *state;

	d->decoder.options.readings.zone_minutes = 480;
	for (size_t i = 0; i < sizeof cases / sizeof *cases * 2; i++) {
		size_t c = i / 2;
		const char *expected = i % 2 && cases[c].bare ? cases[c].bare : cases[c].written;
		const char *message;

		if (i % 2)
			message = arena_printf(&d->arena, "{'data':[{'x':%s}],'type':'INSERT','mysqlType':null}", cases[c].wire).p;
		else
			message =
				arena_printf(&d->arena, "{'data':[{'x':%s}],'type':'INSERT','mysqlType':{'x':'%s'}}", cases[c].wire, cases[c].type).p;
		assert_int_equal(read_message(d, message), 0);
		if (strcmp(quoted(d, written(d, &d->first->row, "x", cases[c].to)), quoted(d, expected)) != 0)
			fail_msg("%s: %s, not %s", message, written(d, &d->first->row, "x", cases[c].to), expected);
	}
}

static void types_are_read_again_when_they_change(void **state)
{
	struct decoding *d = *state;
	const struct shape *shape;

	read_message(d, "{'data':[{'id':'1','name':'a','raw':null}]," KEYED("INSERT") "}");
	shape = d->first->row.shape;
	assert_int_equal(shape->columns[0].declared.meaning, MEANING_NUMERIC);
	assert_int_equal(shape->columns[1].declared.meaning, MEANING_PLAIN);
	assert_int_equal(shape->columns[2].declared.meaning, MEANING_LATIN1);
	read_message(d, "{'data':[{'id':'1','name':'a','raw':null}]," KEYED("INSERT") "}");
	assert_ptr_equal(d->first->row.shape, shape);
	read_message(d, "{'mysqlType':{'id':'varchar(9)'},'data':[{'id':'1'}]," ABOUT("INSERT") "}");
	expect(d, OP_INSERT, "id='1'", "", "");
	assert_int_equal(d->first->row.shape->columns[0].declared.meaning, MEANING_PLAIN);
}

static void what_cannot_be_applied_says_why(void **state)
{
	static const struct {
		const char *value, *word;
	} cases[] = {
		{ "{" ABOUT("UPDATE") ",'data':[{'id':'1'}],'old':null,'pkNames':null}", "pkNames" },
		{ "{" ABOUT("INSERT") "," TYPES ",'data':[{'id':'1'}],'pkNames':null}", "part of a row" },
		{ "{" KEYED("UPDATE") ",'data':[{'name':'1'}],'old':[{'name':'2'}]}", "whole key" },
		{ "{" KEYED("INSERT") ",'data':[{'id':'1'}],'_tidb':{'onlyHandleKey':true}}", "onlyHandleKey" },
		{ "{" KEYED("DELETE") ",'data':[{'id':'1'}],'_tidb':{'claimCheckLocation':'s3:x'}}", "s3:x" },
		{ "{'type':'UPDATE','isDdl':false,'data':null,'sql':'update t set a=1'}", "statement" },
		{ "{'type':'QUERY','isDdl':false,'data':null,'sql':' delete from t'}", "statement" },
		{ "{'type':'UPSERT','data':[{'id':'1'}]}", "UPSERT" },
		{ "{'type':'insert','data':{'id':1}}", "insert" },
		{ "{'data':[{'id':'1'}]}", "type" },
		{ "{'type':'INSERT'}", "data" },
		{ "{'type':'DELETE','data':null,'old':null}", "data" },
		{ "{'type':'INSERT','data':5}", "data" },
		{ "{'type':'INSERT','data':['1']}", "row 1" },
		{ "{'type':'INSERT','data':[{}]}", "columns" },
		{ "{'type':'UPDATE','data':[{'id':'1'}],'old':[]}", "old" },
		{ "{'type':'UPDATE','data':[{'id':'1'}],'old':[5]}", "old" },
		{ "{'type':'UPDATE','data':[{'id':'1'}],'old':{}}", "old" },
		{ "{'type':'INSERT','pkNames':[[]],'data':[{'id':'1'}]}", "pkNames" },
		{ "[]", "object" },
		{ "\x08\x01\x12", "flatMessage" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(read_message(d, cases[i].value), -1);
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
	static const char message[] =
		"{'data':[{'id':'1','raw':'\\u00ff'},{'id':'2'}],'old':[{'id':'3'},{'raw':null}],'mysqlType':{'id':'int(9)','raw':'blob'},"
		"'type':'UPDATE','pkNames':['id'],'es':5,'_tidb':{'commitTs':5}}";
	struct decoding d;

	(void)state;
	for (size_t at = 0; at < sizeof message - 1; at++) {
		decoding_open(&d, &format_canal);
		for (size_t i = 0; i < sizeof damage - 1; i++) {
			char *copy = strdup(quoted(&d, message));

			assert_int_equal(decode(&d, NULL, copy), 0);
			copy[at] = damage[i];
			if (decode(&d, NULL, copy) < 0)
				assert_true(d.err.text[0]);
			else
				assert_non_null(d.first);
			copy[at] = 0;
			assert_true(at == 0 || decode(&d, NULL, copy) < 0);
			free(copy);
		}
		decoding_close(&d);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_canal, close_canal)
	const struct CMUnitTest tests[] = {
		TEST(changes_name_their_table_and_time),
		TEST(a_message_holds_many_rows_in_order),
		TEST(a_delete_can_have_its_row_in_old),
		TEST(what_is_no_row_change_is_told_apart),
		TEST(ticdc_writes_this_form_too),
		TEST(times_may_be_in_seconds),
		TEST(columns_that_a_service_added_are_left_out),
		TEST(a_row_whose_only_key_was_added_by_a_service_is_whole),
		TEST(rows_that_were_there_before_are_a_snapshot),
		TEST(messages_without_names_have_their_topic_s),
		TEST(part_of_a_row_says_so),
		TEST(types_say_what_values_mean),
		TEST(types_are_read_again_when_they_change),
		TEST(what_cannot_be_applied_says_why),
		cmocka_unit_test(damaged_messages_are_errors_and_nothing_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
