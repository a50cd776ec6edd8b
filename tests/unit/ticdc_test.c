#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/decoding.h"

#define KEY(more) "{'ts':445980364316180481,'scm':'shop','tbl':'orders'," more "}"
#define ID(value) "'id':{'t':8,'h':true,'f':11,'v':" value "}"
#define SIMPLE(type)                                                                                                                                 \
	"'version':1,'database':'shop','table':'orders','tableID':5,'type':'" type "','commitTs':445980364316180481,'buildTs':5,'schemaVersion':9"

static const int64_t COMMIT_MS = 445980364316180481 >> 18;

static int open_ticdc(void **state)
{
	struct decoding *d = malloc(sizeof *d);

	decoding_open(d, &format_ticdc);
	*state = d;
	return 0;
}

static int close_ticdc(void **state)
{
	decoding_close(*state);
	free(*state);
	return 0;
}

static size_t put_number(char *out, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		out[i] = (char)(number >> (56 - 8 * i));
	return 8;
}

/* Items with their lengths before them, and a version before all where it is not 0. */
static struct slice framed(struct decoding *d, uint64_t version, const char *const *items)
{
	char *out = arena_alloc(&d->arena, 8192);
	size_t n = version ? put_number(out, version) : 0;

	for (; *items; items++) {
		n += put_number(out + n, strlen(*items));
		memcpy(out + n, quoted(d, *items), strlen(*items));
		n += strlen(*items);
	}
	return (struct slice){ out, n };
}

static int read_bytes(struct decoding *d, struct slice key, struct slice value)
{
	d->message.key = decoding_text(d, key);
	d->message.value = decoding_text(d, value);
	d->first = NULL;
	d->decoder.first = NULL;
	d->decoder.end = &d->decoder.first;
	d->err.text[0] = 0;
	if (d->decoder.format->decode(&d->decoder, &d->message, &d->err) < 0)
		return -1;
	d->first = d->decoder.first;
	return 0;
}

static int read_open(struct decoding *d, const char *key, const char *value)
{
	return read_bytes(d, framed(d, 1, (const char *[]){ key, NULL }), framed(d, 0, (const char *[]){ value, NULL }));
}

static int read_json(struct decoding *d, const char *value)
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
}

static void the_open_protocol_has_rows_by_column(void **state)
{
	struct decoding *d = *state;

	read_open(d, KEY("'t':1"), "{'u':{" ID("1") ",'n':{'t':15,'f':64,'v':'a'}}}");
	expect(d, OP_INSERT, "id=1 n='a'", "", "id=1");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_true(d->first->time_ms == COMMIT_MS);
	read_open(d, KEY("'t':1"), "{'u':{" ID("2") ",'n':{'t':15,'f':64,'v':'b'}},'p':{" ID("1") ",'n':{'t':15,'f':64,'v':'a'}}}");
	expect(d, OP_UPDATE, "id=2 n='b'", "id=1 n='a'", "id=1");
	/* Only what was changed is old. */
	read_open(d, KEY("'t':1"), "{'p':{'n':{'t':15,'f':64,'v':null}},'u':{" ID("1") ",'n':{'t':15,'f':64,'v':'b'}}}");
	expect(d, OP_UPDATE, "id=1 n='b'", "id=1 n=null", "id=1");
	read_open(d, KEY("'t':1"), "{'d':{" ID("1") ",'n':{'t':15,'f':64,'v':'b'}}}");
	expect(d, OP_DELETE, "id=1 n='b'", "", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	read_open(d, KEY("'t':1"), "{'d':{" ID("1") "}}");
	expect(d, OP_DELETE, "id=1 n=(absent)", "", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);
	read_open(d, KEY("'t':1,'ohk':true"), "{'d':{" ID("1") "}}");
	assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);
	assert_int_equal(shapes_count(d->decoder.shapes), 3); /* the row's, the key's names, the key's */
}

static void the_open_protocol_names_its_key_in_flags(void **state)
{
	struct decoding *d = *state;

	read_open(d, KEY("'t':1"), "{'u':{'a':{'t':3,'h':true,'f':2,'v':1},'b':{'t':3,'v':2},'c':{'t':3,'h':true,'f':18,'v':3}}}");
	expect(d, OP_INSERT, "a=1 b=2 c=3", "", "a=1 c=3");
	read_open(d, KEY("'t':1"), "{'u':{'a':{'t':3,'h':true,'f':2,'v':1},'b':{'t':3,'f':8,'v':2}}}");
	expect(d, OP_INSERT, "a=1 b=2 c=(absent)", "", "b=2");
	read_open(d, KEY("'t':1"), "{'u':{'a':{'t':3,'v':1}}}");
	assert_int_equal(d->first->key.state, IMAGE_ABSENT);
}

static void the_open_protocol_holds_many_events(void **state)
{
	struct decoding *d = *state;
	const char *keys[] = { KEY("'t':1"), "{'ts':445980364316180482,'t':3}", KEY("'t':2"), "{'ts':1,'scm':'s','tbl':'u','t':1}", NULL };
	const char *values[] = { "{'u':{" ID("1") "}}", "", "{'q':'alter table t','t':5}", "{'d':{" ID("7") "}}", NULL };
	static const enum op ops[] = { OP_INSERT, OP_CONTROL, OP_DDL, OP_DELETE };
	uint32_t part = 0;

	assert_int_equal(read_bytes(d, framed(d, 1, keys), framed(d, 0, values)), 0);
	for (struct event *event = d->first; event; event = event->next, part++) {
		assert_int_equal(event->op, ops[part]);
		assert_int_equal(event->part, part);
		assert_int_equal(event->parts, 4);
	}
	assert_int_equal(part, 4);
	/* A resolved time: its value has a length of 0, or is not there at all. */
	keys[0] = keys[1];
	keys[1] = values[1] = NULL;
	values[0] = "";
	assert_int_equal(read_bytes(d, framed(d, 1, keys), framed(d, 0, values)), 0);
	expect(d, OP_CONTROL, "", "", "");
	assert_int_equal(read_bytes(d, framed(d, 1, keys), (struct slice){ 0 }), 0);
	expect(d, OP_CONTROL, "", "", "");
	keys[0] = NULL;
	assert_int_equal(read_bytes(d, framed(d, 1, keys), (struct slice){ 0 }), 0);
	expect(d, OP_CONTROL, "", "", "");
}

static void lengths_that_lie_are_found(void **state)
{
	struct decoding *d = *state;
	const char *const keys[] = { KEY("'t':1"), KEY("'t':1"), NULL };
	const char *const values[] = { "{'u':{" ID("1") "}}", "{'d':{" ID("2") "}}", NULL };
	struct slice key = framed(d, 1, keys), value = framed(d, 0, values);

	assert_int_equal(read_bytes(d, key, value), 0);
	for (size_t n = 9; n < key.n; n++)
		if (n != 8 + 8 + strlen(keys[0]))
			assert_int_equal(read_bytes(d, (struct slice){ key.p, n }, value), -1);
	for (size_t n = 0; n < value.n; n++) {
		assert_int_equal(read_bytes(d, key, (struct slice){ value.p, n }), -1);
		assert_null(d->decoder.first);
		decoding_close(d);
		decoding_open(d, &format_ticdc);
		key = framed(d, 1, keys);
		value = framed(d, 0, values);
	}
	/* One value more than there are keys; lengths of all sizes. */
	assert_int_equal(read_bytes(d, framed(d, 1, (const char *[]){ keys[0], NULL }), value), -1);
	assert_non_null(strstr(d->err.text, "no key"));
	for (int bit = 0; bit < 64; bit++) {
		char copy[512];

		memcpy(copy, value.p, value.n);
		put_number(copy, (uint64_t)1 << bit);
		assert_int_equal(read_bytes(d, key, (struct slice){ copy, value.n }), -1);
		put_number(copy, UINT64_MAX - (uint64_t)bit);
		assert_int_equal(read_bytes(d, key, (struct slice){ copy, value.n }), -1);
		assert_non_null(strstr(d->err.text, "are left"));
	}
}

static void the_open_protocol_types_its_values(void **state)
{
	static const struct {
		const char *column;
		struct target_column to;
		const char *written;
	} cases[] = {
		{ "'t':8,'f':128,'v':18446744073709551615", { .type = COLUMN_INTEGER, .is_unsigned = true, .length = 64 }, "18446744073709551615" },
		{ "'t':1,'v':-1", { .type = COLUMN_INTEGER }, "-1" },
		{ "'t':246,'v':'1.10'", { .type = COLUMN_DECIMAL, .scale = 2 }, "1.10" },
		{ "'t':4,'v':1.2300000190734863", { .type = COLUMN_FLOAT }, "1.2300000190734863" },
		{ "'t':16,'f':128,'v':5", { .type = COLUMN_BIT, .length = 8 }, "5" },
		{ "'t':252,'f':1,'v':'iVBORw=='", { .type = COLUMN_BYTES }, "x'89504e47'" },
		{ "'t':252,'v':'w6k='", { .type = COLUMN_TEXT }, "'\xc3\xa9'" },
		{ "'t':251,'v':'w6k='", { .type = COLUMN_UNKNOWN }, "'\xc3\xa9'" },
		{ "'t':252,'v':'/w=='", { .type = COLUMN_TEXT }, "base64 of bytes that are no UTF-8, in a column of text" },
		{ "'t':252,'v':'w6k!'", { .type = COLUMN_TEXT }, "no base64 text" },
		{ "'t':15,'f':1,'v':'\\\\x89PNG'", { .type = COLUMN_BYTES }, "x'89504e47'" },
		{ "'t':15,'f':1,'v':'\\\\a\\\\b\\\\f\\\\n\\\\r\\\\t\\\\v\\\\\\\\\\\\\\'\\\\u00e9\\\\U0001f600\xc3\xa9'",
		  { .type = COLUMN_BYTES },
		  "x'0708"
		  "0c0a0d090b5c22c3a9f09f9880c3a9'" },
		{ "'t':15,'f':1,'v':'\\\\x8'", { .type = COLUMN_BYTES }, "no quoted bytes: what follows a backslash at byte 2 is no escape" },
		{ "'t':15,'f':1,'v':'a\\\\'", { .type = COLUMN_BYTES }, "no quoted bytes: what follows a backslash at byte 2 is no escape" },
		{ "'t':15,'f':1,'v':'\\\\q'", { .type = COLUMN_BYTES }, "no quoted bytes: what follows a backslash at byte 2 is no escape" },
		{ "'t':254,'f':1,'v':'\\\\x89'", { .type = COLUMN_BINARY, .length = 3 }, "x'890000'" },
		{ "'t':253,'v':'\\\\x89'", { .type = COLUMN_TEXT }, "'\\x89'" },
		{ "'t':247,'v':2", { .type = COLUMN_ENUM }, "2" },
		{ "'t':248,'v':3", { .type = COLUMN_SET }, "3" },
		{ "'t':245,'v':'{\\'a\\':1}'", { .type = COLUMN_JSON }, "'{'a':1}'" },
		{ "'t':10,'v':'2023-11-30'", { .type = COLUMN_DATE }, "'2023-11-30'" },
		{ "'t':12,'v':'2023-11-30 12:34:56.12'", { .type = COLUMN_DATETIME, .scale = 2 }, "'2023-11-30 12:34:56.12'" },
		{ "'t':12,'v':'0000-00-00 00:00:00'", { .type = COLUMN_DATETIME }, "'0000-00-00 00:00:00'" },
		{ "'t':7,'v':'2023-11-30 04:34:56'", { .type = COLUMN_TIMESTAMP }, "'2023-11-29 20:34:56'" },
		{ "'t':11,'v':'-12:34:56'", { .type = COLUMN_TIME }, "'-12:34:56'" },
		{ "'t':13,'v':2023", { .type = COLUMN_YEAR }, "2023" },
		{ "'t':225,'v':'[1,2]'", { .type = COLUMN_TEXT }, "'[1,2]'" },
		{ "'t':6,'v':null", { .type = COLUMN_TEXT }, "null" },
	};
	struct decoding *d = *state;

	d->decoder.options.readings.zone_minutes = 480;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char value[300];

		snprintf(value, sizeof value, "{'u':{'x':{%s}}}", cases[i].column);
		read_open(d, KEY("'t':1"), value);
		if (!d->first)
			fail_msg("%s: %s", value, d->err.text);
		if (strcmp(quoted(d, written(d, &d->first->row, "x", cases[i].to)), quoted(d, cases[i].written)) != 0)
			fail_msg("%s: %s, not %s", value, written(d, &d->first->row, "x", cases[i].to), cases[i].written);
	}
}

static void the_simple_protocol_has_whole_rows(void **state)
{
	struct decoding *d = *state;

	read_json(d, "{" SIMPLE("INSERT") ",'data':{'id':'1','n':null},'old':null}");
	expect(d, OP_INSERT, "id='1' n=null", "", "");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_true(d->first->time_ms == COMMIT_MS);
	read_json(d, "{" SIMPLE("UPDATE") ",'data':{'id':'2','n':'b'},'old':{'id':'1','n':null}}");
	expect(d, OP_UPDATE, "id='2' n='b'", "id='1' n=null", "");
	read_json(d, "{" SIMPLE("DELETE") ",'old':{'id':'2','n':'b'}}");
	expect(d, OP_DELETE, "id='2' n='b'", "", "");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	read_json(d, "{" SIMPLE("DELETE") ",'handleKeyOnly':true,'old':{'id':'2'}}");
	assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);
}

static void the_simple_protocol_types_its_values(void **state)
{
	static const struct {
		const char *wire;
		struct target_column to;
		const char *written;
	} cases[] = {
		{ "'18446744073709551615'", { .type = COLUMN_INTEGER, .is_unsigned = true, .length = 64 }, "18446744073709551615" },
		{ "'1.10'", { .type = COLUMN_DECIMAL, .scale = 2 }, "1.10" },
		{ "'5'", { .type = COLUMN_BIT, .length = 8 }, "5" },
		{ "'iVBORw=='", { .type = COLUMN_BYTES }, "x'89504e47'" },
		{ "'iVBORw=='", { .type = COLUMN_BINARY, .length = 5 }, "x'89504e4700'" },
		{ "'\\u00e9'", { .type = COLUMN_TEXT }, "'\xc3\xa9'" },
		{ "'2'", { .type = COLUMN_ENUM }, "2" },
		{ "'3'", { .type = COLUMN_SET }, "3" },
		{ "'{\\'a\\':1}'", { .type = COLUMN_JSON }, "'{'a':1}'" },
		{ "'3.14'", { .type = COLUMN_FLOAT }, "3.14" },
		{ "'2023-11-30'", { .type = COLUMN_DATE }, "'2023-11-30'" },
		{ "'2023-11-30 12:34:56.12'", { .type = COLUMN_DATETIME, .scale = 2 }, "'2023-11-30 12:34:56.12'" },
		{ "'-12:34:56'", { .type = COLUMN_TIME }, "'-12:34:56'" },
		{ "'2023'", { .type = COLUMN_YEAR }, "2023" },
		{ "{'location':'UTC','value':'2023-11-30 12:34:56.5'}", { .type = COLUMN_TIMESTAMP, .scale = 1 }, "'2023-11-30 12:34:56.5'" },
		{ "{'location':'Local','value':'2023-11-30 04:34:56'}", { .type = COLUMN_TIMESTAMP }, "'2023-11-29 20:34:56'" },
		{ "{'location':'Asia/Shanghai','value':'2023-11-30 04:34:56'}", { .type = COLUMN_UNKNOWN }, "'2023-11-29 20:34:56'" },
		{ "{'location':'UTC','value':'0000-00-00 00:00:00'}", { .type = COLUMN_TIMESTAMP }, "'0000-00-00 00:00:00'" },
		{ "null", { .type = COLUMN_TIMESTAMP }, "null" },
	};
	struct decoding *d = *state;

	d->decoder.options.readings.zone_minutes = 480;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char value[400];

		snprintf(value, sizeof value, "{" SIMPLE("INSERT") ",'data':{'x%zu':%s}}", i, cases[i].wire);
		read_json(d, value);
		if (!d->first)
			fail_msg("%s: %s", value, d->err.text);
		snprintf(value, sizeof value, "x%zu", i);
		if (strcmp(quoted(d, written(d, &d->first->row, value, cases[i].to)), quoted(d, cases[i].written)) != 0)
			fail_msg("%s: %s, not %s", cases[i].wire, written(d, &d->first->row, value, cases[i].to), cases[i].written);
	}
	d->decoder.options.readings.zone_minutes = 0;
	assert_int_equal(read_json(d, "{" SIMPLE("INSERT") ",'data':{'x':{'location':'Asia/Shanghai','value':'2023-11-30 04:34:56'}}}"), -1);
	assert_non_null(strstr(d->err.text, "zone"));
}

static void what_is_no_row_change_is_told_apart(void **state)
{
	static const struct {
		const char *value;
		enum op op;
		const char *names;
	} cases[] = {
		{ "{'version':1,'type':'WATERMARK','commitTs':445980364316180481,'buildTs':5}", OP_CONTROL, "." },
		{ "{'version':1,'type':'BOOTSTRAP','commitTs':0,'buildTs':5,'tableSchema':{'schema':'shop','table':'orders','columns':[{'name':'id'}]"
		  "}}",
		  OP_CONTROL, "shop.orders" },
		{ "{'version':1,'type':'ALTER','sql':'alter table t','commitTs':5,'tableSchema':{'schema':'shop','table':'orders'}}", OP_DDL,
		  "shop.orders" },
		{ "{" SIMPLE("TRUNCATE") ",'sql':'truncate table t'}", OP_TRUNCATE, "shop.orders" },
		{ "{'type':'TIDB_WATERMARK','isDdl':false,'data':null,'_tidb':{'watermarkTs':445980364316180481}}", OP_CONTROL, "." },
		{ "{'type':'ALTER','isDdl':true,'database':'shop','table':'orders','sql':'alter'}", OP_DDL, "shop.orders" },
		{ NULL, OP_CONTROL, "." },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		read_json(d, cases[i].value);
		expect(d, cases[i].op, "", "", "");
		assert_string_equal(names_text(d, d->first), cases[i].names);
	}
}

static void canal_json_is_one_of_its_protocols(void **state)
{
	struct decoding *d = *state;

	read_json(d,
		  "{'id':0,'database':'shop','table':'orders','pkNames':['id'],'isDdl':false,'type':'DELETE','es':5000000000000,'sql':'',"
		  "'mysqlType':{'id':'int','b':'blob'},'data':[{'id':'1','b':'\\u003c\\u00ff'}],'old':null,'_tidb':{'commitTs':445980364316180481}}");
	expect(d, OP_DELETE, "id='1' b='<\xc3\xbf'", "", "id='1'");
	assert_true(d->first->time_ms == 5000000000000);
	assert_string_equal(written(d, &d->first->row, "b", (struct target_column){ .type = COLUMN_BYTES }), "x'3cff'");
	/* The same table in another protocol. */
	read_json(d, "{" SIMPLE("INSERT") ",'data':{'id':'1','b':'iVBORw=='}}");
	assert_string_equal(written(d, &d->first->row, "b", (struct target_column){ .type = COLUMN_BYTES }), "x'89504e47'");
}

static void what_cannot_be_applied_says_why(void **state)
{
	static const struct {
		const char *key, *value, *word; /* a key: the open protocol */
	} cases[] = {
		{ KEY("'t':1,'ohk':true"), "{'u':{" ID("1") "}}", "ohk" },
		{ KEY("'t':1,'ccl':'s3:x'"), "{'u':{" ID("1") "}}", "s3:x" },
		{ KEY("'t':4"), "{'u':{" ID("1") "}}", "\"t\" is 4" },
		{ "{'ts':1,'t':1}", "{'u':{" ID("1") "}}", "tbl" },
		{ "{}", "{'u':{" ID("1") "}}", "\"t\"" },
		{ "[]", "{}", "key" },
		{ "{", "{}", "key" },
		{ KEY("'t':1"), "{}", "\"u\"" },
		{ KEY("'t':1"), "{'u':{" ID("1") "},'d':{" ID("1") "}}", "both" },
		{ KEY("'t':1"), "{'u':{}}", "columns" },
		{ KEY("'t':1"), "{'u':{'id':5}}", "column id" },
		{ KEY("'t':1"), "{'u':{'id':{'t':3}}}", "\"v\"" },
		{ KEY("'t':1"), "{'u':{'id':{'v':3}}}", "\"t\"" },
		{ KEY("'t':1"), "[]", "object" },
		{ KEY("'t':1"), "", "JSON" },
		{ NULL, "{" SIMPLE("INSERT") ",'handleKeyOnly':true,'data':{'id':'1'}}", "handleKeyOnly" },
		{ NULL, "{" SIMPLE("INSERT") ",'claimCheckLocation':'s3:x','data':{'id':'1'}}", "s3:x" },
		{ NULL, "{" SIMPLE("UPDATE") ",'data':{'id':'1'}}", "old" },
		{ NULL, "{" SIMPLE("DELETE") ",'data':{'id':'1'}}", "old" },
		{ NULL, "{" SIMPLE("INSERT") ",'data':{}}", "columns" },
		{ NULL, "{" SIMPLE("INSERT") ",'data':[]}", "data" },
		{ NULL, "{" SIMPLE("UPSERT") ",'data':{'id':'1'}}", "UPSERT" },
		{ NULL, "{'schema':null,'payload':{'op':'c'}}", "debezium" },
		{ NULL, "{'before':null,'after':{},'source':{},'op':'c'}", "debezium" },
		{ NULL, "{'id':1}", "neither" },
		{ NULL, "[]", "neither" },
		{ NULL, "5", "neither" },
		{ NULL, "{'id':", "JSON" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int result = cases[i].key ? read_open(d, cases[i].key, cases[i].value) : read_json(d, cases[i].value);

		if (result == 0 || !strstr(d->err.text, cases[i].word))
			fail_msg("%s: %s", cases[i].value, d->err.text);
		assert_null(d->decoder.first);
		assert_ptr_equal(d->decoder.end, &d->decoder.first);
	}
}

/* Every byte of real messages changed: no outcome but an event or a reason. */
static void damaged_messages_are_errors_and_nothing_worse(void **state)
{
	static const char damage[] = "\"\\{}[]:,0e-tn\xff \x01";
	static const char *const keys[] = { KEY("'t':1"), "{'ts':5,'t':3}", NULL };
	static const char *const values[] = { "{'u':{" ID("2") ",'b':{'t':15,'f':1,'v':'\\\\x89'}},'p':{" ID("1") "}}", "", NULL };
	static const char *const simple[] = {
		"{" SIMPLE("UPDATE") ",'data':{'id':'2','at':{'location':'UTC','value':'2023-11-30 12:34:56'}},'old':{'id':'1'}}", NULL
	};
	struct decoding d;

	(void)state;
	for (int open = 0; open < 2; open++) {
		for (size_t at = 0, n = 1; at < n; at++) {
			decoding_open(&d, &format_ticdc);
			struct slice key = open ? framed(&d, 1, keys) : (struct slice){ 0 };
			struct slice value = open ? framed(&d, 0, values) : framed(&d, 0, simple);

			if (!open)
				value = (struct slice){ value.p + 8, value.n - 8 };
			n = key.n + value.n;
			for (size_t i = 0; i < sizeof damage - 1; i++) {
				char *byte = (char *)(at < key.n ? key.p + at : value.p + at - key.n), kept = *byte;

				assert_int_equal(read_bytes(&d, key, value), 0);
				*byte = damage[i];
				if (read_bytes(&d, key, value) < 0)
					assert_true(d.err.text[0]);
				else
					assert_non_null(d.first);
				*byte = kept;
			}
			decoding_close(&d);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ticdc, close_ticdc)
	const struct CMUnitTest tests[] = {
		TEST(the_open_protocol_has_rows_by_column),
		TEST(the_open_protocol_names_its_key_in_flags),
		TEST(the_open_protocol_holds_many_events),
		TEST(lengths_that_lie_are_found),
		TEST(the_open_protocol_types_its_values),
		TEST(the_simple_protocol_has_whole_rows),
		TEST(the_simple_protocol_types_its_values),
		TEST(what_is_no_row_change_is_told_apart),
		TEST(canal_json_is_one_of_its_protocols),
		TEST(what_cannot_be_applied_says_why),
		cmocka_unit_test(damaged_messages_are_errors_and_nothing_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
