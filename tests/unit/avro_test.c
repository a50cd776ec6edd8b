#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "flow/avro_schema.h"
#include "flow/sanitised.h"
#include "support/decoding.h"

/* ---- a registry of the test's own ---- */

enum { SCHEMAS_MOST = 16 };

struct shelf {
	struct schemas schemas;
	struct slice texts[SCHEMAS_MOST]; /* by id; p is NULL: none */
	struct slice other;               /* that all of them may refer to */
	bool away;
};

static enum schemas_answer shelf_get(struct schemas *schemas, uint32_t id, struct schema_texts *texts, struct error *err)
{
	struct shelf *shelf = (struct shelf *)schemas;

	if (shelf->away)
		return SCHEMAS_ASKED;
	if (id >= SCHEMAS_MOST || !shelf->texts[id].p) {
		error_set(err, "schema %u is not in the registry", id);
		return SCHEMAS_NONE;
	}
	*texts = (struct schema_texts){ shelf->texts[id], &shelf->other, shelf->other.p ? 1 : 0 };
	return SCHEMAS_HAVE;
}

static const struct schemas_ops shelf_ops = { .get = shelf_get };

struct test {
	struct decoding d;
	struct shelf shelf;
	struct buf key, value;
};

static int open_test(void **state)
{
	struct test *t = calloc(1, sizeof *t);

	decoding_open(&t->d, &format_avro);
	t->shelf.schemas.ops = &shelf_ops;
	t->d.decoder.options.schemas = &t->shelf.schemas;
	*state = t;
	return 0;
}

static int close_test(void **state)
{
	struct test *t = *state;

	decoding_close(&t->d);
	buf_free(&t->key);
	buf_free(&t->value);
	free(t);
	return 0;
}

/* A schema, with ' for ". */
static void shelve(struct test *t, uint32_t id, const char *schema)
{
	t->shelf.texts[id] = decoding_text(&t->d, slice_of(quoted(&t->d, schema)));
}

/* ---- data ---- */

static void put_long(struct buf *out, int64_t number)
{
	uint64_t bits = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);

	for (; bits > 0x7f; bits >>= 7)
		buf_char(out, (char)((bits & 0x7f) | 0x80));
	buf_char(out, (char)bits);
}

static void put_bytes(struct buf *out, const void *bytes, size_t n)
{
	put_long(out, (int64_t)n);
	buf_append(out, bytes, n);
}

static void put_text(struct buf *out, const char *text)
{
	put_bytes(out, text, strlen(text));
}

static struct buf *begin(struct buf *out, uint32_t id)
{
	buf_clear(out);
	buf_append(out, (const char[]){ 0, (char)(id >> 24), (char)(id >> 16), (char)(id >> 8), (char)id }, 5);
	return out;
}

/* The key and the value as they are in their bufs; empty: none. */
static int read_message(struct test *t)
{
	struct decoding *d = &t->d;

	d->message.key = t->key.n ? decoding_text(d, buf_view(&t->key)) : (struct slice){ 0 };
	d->message.value = t->value.n ? decoding_text(d, buf_view(&t->value)) : (struct slice){ 0 };
	d->first = d->decoder.first = NULL;
	d->decoder.end = &d->decoder.first;
	d->err.text[0] = 0;
	if (!d->decoder.format->ready(&d->decoder, &d->message))
		return 1;
	if (d->decoder.format->decode(&d->decoder, &d->message, &d->err) < 0) {
		assert_null(d->decoder.first);
		return -1;
	}
	d->first = d->decoder.first;
	return 0;
}

static const char *failure(struct test *t)
{
	assert_int_equal(read_message(t), -1);
	return t->d.err.text;
}

/* ' for ", but in x'00'. */
static const char *meant(struct test *t, const char *text)
{
	char *copy = (char *)arena_copy(&t->d.arena, slice_of(text)).p;
	bool bytes = false;

	for (char *c = copy; *c; c++) {
		if (*c != '\'')
			continue;
		if (!bytes && (c == copy || c[-1] != 'x'))
			*c = '"';
		else
			bytes = !bytes;
	}
	return copy;
}

static void expect(struct test *t, enum op op, const char *row, const char *old, const char *key)
{
	struct decoding *d = &t->d;

	if (read_message(t) != 0)
		fail_msg("%s", d->err.text);
	assert_non_null(d->first);
	assert_null(d->first->next);
	assert_int_equal(d->first->op, op);
	assert_string_equal(image_text(d, &d->first->row), meant(t, row));
	assert_string_equal(image_text(d, &d->first->old), meant(t, old));
	assert_string_equal(image_text(d, &d->first->key), meant(t, key));
}

/* ---- Debezium ---- */

#define SOURCE                                                                                                                                       \
	"{'type':'record','name':'Source','namespace':'io.debezium.connector.mysql','fields':[{'name':'ts_ms','type':'long'},"                       \
	"{'name':'snapshot','type':['null',{'type':'string','connect.name':'io.debezium.data.Enum'}]},{'name':'db','type':'string'},"                \
	"{'name':'table','type':['null','string']}]}"
#define ENVELOPE                                                                                                                                     \
	"{'type':'record','name':'Envelope','namespace':'s.shop.orders','fields':[{'name':'before','type':['null',{'type':'record','name':'Value',"  \
	"'fields':[{'name':'id','type':'long'},{'name':'sku','type':['null','string']}]}],'default':null},"                                          \
	"{'name':'after','type':['null','Value'],'default':null},{'name':'source','type':" SOURCE "},{'name':'op','type':'string'},"                 \
	"{'name':'ts_ms','type':['null','long']}],'connect.name':'s.shop.orders.Envelope'}"
#define KEY "{'type':'record','name':'Key','namespace':'s.shop.orders','fields':[{'name':'id','type':'long'}]}"

static void put_row(struct buf *out, int64_t id, const char *sku)
{
	put_long(out, 1);
	put_long(out, id);
	put_long(out, sku ? 1 : 0);
	if (sku)
		put_text(out, sku);
}

static void put_origin(struct buf *out, const char *snapshot, const char *op)
{
	put_long(out, 1701347696000);
	put_long(out, 1);
	put_text(out, snapshot);
	put_text(out, "shop");
	put_long(out, 1);
	put_text(out, "orders");
	put_text(out, op);
	put_long(out, 0);
}

static void shelve_debezium(struct test *t)
{
	shelve(t, 1, KEY);
	shelve(t, 2, ENVELOPE);
	put_long(begin(&t->key, 1), 7);
}

static void an_envelope_is_what_it_is_in_json(void **state)
{
	struct test *t = *state;

	shelve_debezium(t);
	put_long(begin(&t->value, 2), 0);
	put_row(&t->value, 7, "tea");
	put_origin(&t->value, "false", "c");
	expect(t, OP_INSERT, "id=7 sku='tea'", "", "id=7");
	assert_string_equal(names_text(&t->d, t->d.first), "shop.orders");
	assert_true(t->d.first->time_ms == 1701347696000);

	begin(&t->value, 2);
	put_row(&t->value, 7, "tea");
	put_row(&t->value, 7, NULL);
	put_origin(&t->value, "false", "u");
	expect(t, OP_UPDATE, "id=7 sku=null", "id=7 sku='tea'", "id=7");

	begin(&t->value, 2);
	put_row(&t->value, 7, NULL);
	put_long(&t->value, 0);
	put_origin(&t->value, "false", "d");
	expect(t, OP_DELETE, "id=7 sku=null", "", "id=7");

	buf_clear(&t->value);
	expect(t, OP_CONTROL, "", "", "");

	put_long(begin(&t->value, 2), 0);
	put_row(&t->value, 8, "");
	put_origin(&t->value, "last", "r");
	expect(t, OP_SNAPSHOT, "id=8 sku=''", "", "id=7");
}

/* One column of that type, with what is put; how a column of the target gets it. */
static const char *column(struct test *t, const char *type, const struct buf *data, struct target_column to)
{
	enum { ID = 3 };
	const char *schema;

	decoding_close(&t->d); /* which forgets the schema before */
	decoding_open(&t->d, &format_avro);
	t->d.decoder.options.schemas = &t->shelf.schemas;
	schema = arena_printf(&t->d.arena, "{'type':'record','name':'shop.orders.Value','fields':[{'name':'c','type':%s}]}", type).p;
	shelve(t, ID, schema);
	buf_clear(&t->key);
	buf_append(begin(&t->value, ID), data->p, data->n);
	if (read_message(t) < 0)
		return t->d.err.text;
	assert_int_equal(t->d.first->row.shape->count, 1);
	return written(&t->d, &t->d.first->row, "c", to);
}

#define TO(...) ((struct target_column){ .nullable = true, __VA_ARGS__ })

static void check(struct test *t, const char *type, struct buf *data, struct target_column to, const char *expected)
{
	const char *found = column(t, type, data, to);

	assert_string_equal(found, meant(t, expected));
	buf_clear(data);
}

#define NAMED(type, name) "{'type':'" type "','connect.version':1,'connect.name':'" name "'}"
#define DEBEZIUM_TIME(type, name) NAMED(type, "io.debezium.time." name)
#define CONNECT(type, name) NAMED(type, "org.apache.kafka.connect.data." name)

static void values_keep_every_digit_and_byte(void **state)
{
	struct test *t = *state;
	struct buf data = BUF_INIT;
	float small = 3.14f;
	double real = 0.1;

	put_long(&data, INT64_MIN);
	check(t, "'long'", &data, TO(.type = COLUMN_INTEGER, .length = 64), "-9223372036854775808");
	put_long(&data, -1);
	check(t, "'long'", &data, TO(.type = COLUMN_INTEGER, .is_unsigned = true, .length = 64), "18446744073709551615");
	put_long(&data, 2147483647);
	check(t, "{'type':'int','connect.type':'int16'}", &data, TO(.type = COLUMN_INTEGER, .length = 32), "2147483647");
	buf_append(&data, &small, sizeof small);
	check(t, "'float'", &data, TO(.type = COLUMN_FLOAT), "3.14");
	buf_append(&data, &real, sizeof real);
	check(t, "'double'", &data, TO(.type = COLUMN_DOUBLE), "0.1");
	buf_char(&data, 1);
	check(t, "'boolean'", &data, TO(.type = COLUMN_INTEGER, .length = 8), "1");
	put_text(&data, "\xf0\x9f\x8d\xb5 tea");
	check(t, "'string'", &data, TO(.type = COLUMN_TEXT), "'\xf0\x9f\x8d\xb5 tea'");
	put_bytes(&data, "\0\xff\"", 3);
	check(t, "'bytes'", &data, TO(.type = COLUMN_BYTES), "x'00ff22'");
	put_bytes(&data, "\0\xff", 2);
	check(t, "'bytes'", &data, TO(.type = COLUMN_BINARY, .length = 4), "x'00ff0000'");
	buf_append(&data, "\1\2", 2);
	check(t, "{'type':'fixed','name':'f','size':2}", &data, TO(.type = COLUMN_BYTES), "x'0102'");
	put_long(&data, 1);
	check(t, "{'type':'enum','name':'e','symbols':['a','b']}", &data, TO(.type = COLUMN_ENUM), "'b'");
	put_long(&data, 0);
	check(t, "['null','long']", &data, TO(.type = COLUMN_INTEGER), "null");
	buf_free(&data);
}

static void types_by_name_are_what_they_are_in_json(void **state)
{
	struct test *t = *state;
	struct buf data = BUF_INIT;
	uint8_t digits[20];

	put_long(&data, 1);
	put_bytes(&data, "\x12\xd6\x87", 3);
	check(t,
	      "['null',{'type':'bytes','scale':4,'precision':10,'connect.parameters':{'scale':'4'},"
	      "'connect.name':'org.apache.kafka.connect.data.Decimal','logicalType':'decimal'}]",
	      &data, TO(.type = COLUMN_DECIMAL, .scale = 4), "123.4567");
	put_bytes(&data, "\xff", 1);
	check(t, "{'type':'bytes','connect.parameters':{'scale':'2'},'connect.name':'org.apache.kafka.connect.data.Decimal'}", &data,
	      TO(.type = COLUMN_DECIMAL, .scale = 2), "-0.01");
	memset(digits, 0xff, sizeof digits); /* the largest of 20 bytes */
	digits[0] = 0x7f;
	put_bytes(&data, digits, sizeof digits);
	check(t, "{'type':'bytes','scale':30,'logicalType':'decimal'}", &data, TO(.type = COLUMN_DECIMAL, .scale = 30),
	      "730750818665451459.101842416358141509827966271487");
	put_long(&data, 2);
	put_bytes(&data, "\x0c\x0d", 2);
	check(t,
	      "{'type':'record','name':'v','namespace':'io.debezium.data','fields':[{'name':'scale','type':'int'},{'name':'value','type':'bytes'}],"
	      "'connect.name':'io.debezium.data.VariableScaleDecimal'}",
	      &data, TO(.type = COLUMN_DECIMAL, .scale = 2), "30.85");
	put_bytes(&data, "\x10\0\0\0\0\0\0\x80", 8);
	check(t, "{'type':'bytes','connect.parameters':{'length':'64'},'connect.name':'io.debezium.data.Bits'}", &data,
	      TO(.type = COLUMN_BIT, .length = 64), "9223372036854775824");
	put_long(&data, 19691);
	check(t, DEBEZIUM_TIME("int", "Date"), &data, TO(.type = COLUMN_DATE), "'2023-11-30'");
	put_long(&data, 1701347696123);
	check(t, DEBEZIUM_TIME("long", "Timestamp"), &data, TO(.type = COLUMN_DATETIME, .scale = 3), "'2023-11-30 12:34:56.123'");
	put_long(&data, 1701347696123456);
	check(t, DEBEZIUM_TIME("long", "MicroTimestamp"), &data, TO(.type = COLUMN_DATETIME, .scale = 6), "'2023-11-30 12:34:56.123456'");
	put_long(&data, 1701347696123456789);
	check(t, DEBEZIUM_TIME("long", "NanoTimestamp"), &data, TO(.type = COLUMN_TEXT), "'2023-11-30 12:34:56.123456789'");
	put_long(&data, -45296123456);
	check(t, DEBEZIUM_TIME("long", "MicroTime"), &data, TO(.type = COLUMN_TIME, .scale = 6), "'-12:34:56.123456'");
	put_text(&data, "2023-11-30T14:34:56.5+02:00");
	check(t, DEBEZIUM_TIME("string", "ZonedTimestamp"), &data, TO(.type = COLUMN_TIMESTAMP, .scale = 1), "'2023-11-30 12:34:56.5'");
	put_long(&data, 2023);
	check(t, DEBEZIUM_TIME("int", "Year"), &data, TO(.type = COLUMN_YEAR), "2023");
	put_long(&data, 19691);
	check(t, CONNECT("int", "Date"), &data, TO(.type = COLUMN_DATE), "'2023-11-30'");
	put_long(&data, 45296123);
	check(t, CONNECT("int", "Time"), &data, TO(.type = COLUMN_TIME, .scale = 3), "'12:34:56.123'");
	put_long(&data, 1701347696123);
	check(t, CONNECT("long", "Timestamp"), &data, TO(.type = COLUMN_DATETIME, .scale = 3), "'2023-11-30 12:34:56.123'");
	put_long(&data, 1701347696123);
	check(t, "{'type':'long','logicalType':'timestamp-millis'}", &data, TO(.type = COLUMN_DATETIME), "'2023-11-30 12:34:56.123'");
	put_bytes(&data, "\x01\x01\0\0\0", 5);
	put_long(&data, 1);
	put_long(&data, 4326);
	check(t,
	      "{'type':'record','name':'p','fields':[{'name':'wkb','type':'bytes'},{'name':'srid','type':['null','int']}],"
	      "'connect.name':'io.debezium.data.geometry.Geometry'}",
	      &data, TO(.type = COLUMN_GEOMETRY), "x'e61000000101000000'");
	buf_clear(&t->key);
	buf_free(&data);
}

static void what_is_no_scalar_is_the_text_of_a_json_column(void **state)
{
	struct test *t = *state;
	struct buf data = BUF_INIT;

	put_long(&data, 2);
	put_long(&data, 1);
	put_long(&data, -2);
	put_long(&data, -1); /* a block that says its size */
	put_long(&data, 1);
	put_long(&data, 3);
	put_long(&data, 0);
	check(t, "{'type':'array','items':'int'}", &data, TO(.type = COLUMN_JSON), "[1,-2,3]");
	put_long(&data, 1);
	put_text(&data, "a\"b");
	put_long(&data, 1);
	put_bytes(&data, "\xff", 1);
	put_long(&data, 0);
	check(t, "{'type':'map','values':['null','bytes']}", &data, TO(.type = COLUMN_JSON), "{'a\\'b':'/w=='}");
	put_long(&data, 19691);
	put_long(&data, 0);
	check(t,
	      "{'type':'record','name':'n','fields':[{'name':'day','type':{'type':'int','logicalType':'date'}},{'name':'none','type':['null','n']}]}",
	      &data, TO(.type = COLUMN_JSON), "{'day':'2023-11-30','none':null}");
	buf_free(&data);
}

static void rows_without_an_envelope_take_their_table_from_the_topic(void **state)
{
	struct test *t = *state;

	shelve(t, 1, KEY);
	shelve(t, 3, "{'type':'record','name':'Value','fields':[{'name':'id','type':'long'},{'name':'__deleted','type':['null','string']}]}");
	put_long(begin(&t->key, 1), 7);
	put_long(begin(&t->value, 3), 7);
	put_long(&t->value, 0);
	expect(t, OP_INSERT, "id=7", "", "id=7");
	assert_string_equal(names_text(&t->d, t->d.first), "shop.orders");
	put_long(begin(&t->value, 3), 7);
	put_long(&t->value, 1);
	put_text(&t->value, "true");
	expect(t, OP_DELETE, "id=7", "", "id=7");
	buf_clear(&t->value);
	expect(t, OP_DELETE, "id=7", "", "id=7");
	assert_false(t->d.first->uncertain);
}

static void what_the_source_did_not_have_is_not_written(void **state)
{
	struct test *t = *state;
	const char *none = "__debezium_unavailable_value";

	shelve(t, 3, "{'type':'record','name':'V','fields':[{'name':'id','type':'long'},{'name':'t','type':'string'},{'name':'b','type':'bytes'}]}");
	put_long(begin(&t->value, 3), 7);
	put_text(&t->value, none);
	put_text(&t->value, none);
	expect(t, OP_UPDATE, "id=7 t=(absent) b=(absent)", "", ""); /* only an update leaves out what did not change */
	assert_int_equal(t->d.first->row.state, IMAGE_PARTIAL);
}

static void a_key_may_be_json_or_a_bare_value(void **state)
{
	struct test *t = *state;

	shelve_debezium(t);
	shelve(t, 3, "'long'");
	put_long(begin(&t->value, 2), 0);
	put_row(&t->value, 7, "tea");
	put_origin(&t->value, "false", "c");
	buf_clear(&t->key);
	buf_text(&t->key, "{\"id\":7}");
	expect(t, OP_INSERT, "id=7 sku='tea'", "", "id=7");
	put_long(begin(&t->key, 3), 7);
	expect(t, OP_INSERT, "id=7 sku='tea'", "", "=7");
	buf_clear(&t->key);
	buf_text(&t->key, "\x01 no key");
	expect(t, OP_INSERT, "id=7 sku='tea'", "", "");
}

/* ---- TiCDC ---- */

#define TIDB(name, type, of) "{'name':'" name "','type':{'type':'" type "','connect.parameters':{'tidb_type':'" of "','length':'64'}}}"
#define TIDB_ROW(more)                                                                                                                               \
	"{'type':'record','name':'orders','namespace':'default.shop','fields':[" TIDB("id", "long", "BIGINT UNSIGNED") "," TIDB(                     \
		"at", "string", "TIMESTAMP") "," TIDB("bits", "bytes", "BIT") more "]}"

static void ticdc_names_the_table_in_its_schema(void **state)
{
	struct test *t = *state;
	char commit[24];

	shelve(t, 1, "{'type':'record','name':'orders','namespace':'default.shop','fields':[" TIDB("id", "long", "BIGINT UNSIGNED") "]}");
	shelve(t, 2,
	       TIDB_ROW(",{'name':'_tidb_op','type':'string'},{'name':'_tidb_commit_ts','type':'long'},"
			"{'name':'_tidb_commit_physical_time','type':'long'}"));
	t->d.message.topic = SLICE("tidb_shop_orders");
	t->d.decoder.options.readings.zone_minutes = 480;
	put_long(begin(&t->key, 1), -1);
	put_long(begin(&t->value, 2), -1);
	put_text(&t->value, "2023-11-30 12:34:56");
	put_bytes(&t->value, "\1\0", 2); /* the highest byte first */
	put_text(&t->value, "u");
	put_long(&t->value, 1701347696123LL << 18 | 5);
	put_long(&t->value, 1701347696123LL);
	expect(t, OP_UPDATE, "id=-1 at='2023-11-30 12:34:56' bits=x'0001'", "", "id=-1");
	assert_string_equal(names_text(&t->d, t->d.first), "shop.orders");
	assert_true(t->d.first->time_ms == 1701347696123LL);
	snprintf(commit, sizeof commit, "%lld", 1701347696123LL << 18 | 5);
	assert_true(slice_is(t->d.first->tx, commit) && slice_is(t->d.first->position, commit));
	assert_string_equal(written(&t->d, &t->d.first->row, "id", TO(.type = COLUMN_UNKNOWN)), "18446744073709551615");
	assert_string_equal(written(&t->d, &t->d.first->row, "bits", TO(.type = COLUMN_BIT, .length = 64)), "256");
	assert_string_equal(written(&t->d, &t->d.first->row, "at", TO(.type = COLUMN_TIMESTAMP)), "\"2023-11-30 04:34:56\"");

	buf_clear(&t->value);
	expect(t, OP_DELETE, "id=-1", "", "id=-1");
	assert_string_equal(names_text(&t->d, t->d.first), "shop.orders");
	assert_false(t->d.first->uncertain);

	shelve(t, 3, TIDB_ROW(""));
	put_long(begin(&t->value, 3), 7);
	put_text(&t->value, "2023-11-30 12:34:56");
	put_bytes(&t->value, "", 0);
	expect(t, OP_INSERT, "id=7 at='2023-11-30 12:34:56' bits=x''", "", "id=-1");
}

static void ticdc_says_by_one_byte_what_is_no_row(void **state)
{
	struct test *t = *state;

	buf_text(&t->value, "\x01{\"query\":\"DROP TABLE orders\",\"type\":4,\"schema\":\"shop\",\"table\":\"orders\",\"commitTs\":1}");
	expect(t, OP_DDL, "", "", "");
	assert_string_equal(names_text(&t->d, t->d.first), "shop.orders");
	buf_clear(&t->value);
	buf_append(&t->value, "\x02\0\0\0\0\0\0\0\1", 9);
	expect(t, OP_CONTROL, "", "", "");
	buf_clear(&t->value);
	buf_text(&t->value, "\x01{");
	assert_non_null(strstr(failure(t), "schema change"));
}

/* ---- what is wrong ---- */

static void a_message_waits_for_its_schema(void **state)
{
	struct test *t = *state;

	shelve_debezium(t);
	put_long(begin(&t->value, 2), 0);
	put_row(&t->value, 7, "tea");
	put_origin(&t->value, "false", "c");
	t->shelf.away = true;
	assert_int_equal(read_message(t), 1);
	t->shelf.away = false;
	expect(t, OP_INSERT, "id=7 sku='tea'", "", "id=7");
	t->shelf.away = true; /* nobody is asked again for what is here */
	expect(t, OP_INSERT, "id=7 sku='tea'", "", "id=7");
}

static void what_is_no_schema_is_told(void **state)
{
	struct test *t = *state;
	static const struct {
		const char *schema, *error;
	} wrong[] = {
		{ "{", "" },
		{ "7", "7 is no type" },
		{ "'Unknown'", "'Unknown' is no type, and no name of one" },
		{ "{'type':'record','name':'r'}", "record r has no fields" },
		{ "{'type':'record','fields':[]}", "a type without a name" },
		{ "{'type':'record','name':'r','fields':[{'name':'a'}]}", "a field of record r without a name or a type" },
		{ "{'type':'enum','name':'e'}", "enum e has no symbols" },
		{ "{'type':'fixed','name':'f','size':-1}", "fixed f has no size" },
		{ "{'type':'array'}", "an array without a type" },
		{ "{'name':'r'}", "has no \"type\"" },
	};

	put_long(begin(&t->value, 9), 0);
	assert_string_equal(failure(t), "schema 9 is not in the registry");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		uint32_t id = (uint32_t)i + 1;

		shelve(t, id, wrong[i].schema);
		put_long(begin(&t->value, id), 0);
		failure(t);
		if (!strstr(t->d.err.text, wrong[i].error) || !strstr(t->d.err.text, "schema "))
			fail_msg("%s: %s", wrong[i].schema, t->d.err.text);
	}
	/* It has come: what was not there is asked for again. */
	shelve(t, 15, "{'type':'record','name':'r','fields':[{'name':'a','type':'int'}]}");
	put_long(begin(&t->value, 15), 3);
	expect(t, OP_INSERT, "a=3", "", "");
}

/* Every message that ends too early is told so, and so is one with a byte too many. */
static void data_that_are_cut_are_told(void **state)
{
	struct test *t = *state;
	struct buf whole = BUF_INIT;

	shelve_debezium(t);
	begin(&whole, 2);
	put_row(&whole, 7, "tea");
	put_row(&whole, 7, NULL);
	put_origin(&whole, "false", "u");
	for (size_t n = 5; n < whole.n; n++) {
		buf_clear(&t->value);
		buf_append(&t->value, whole.p, n);
		failure(t);
	}
	buf_char(&whole, 0);
	buf_clear(&t->value);
	buf_slice(&t->value, buf_view(&whole));
	assert_string_equal(failure(t), "schema 2: 1 bytes follow what the schema says");
	buf_free(&whole);
}

static void lengths_that_lie_are_told(void **state)
{
	struct test *t = *state;
	struct buf data = BUF_INIT;

	put_long(&data, INT64_MAX);
	assert_non_null(strstr(column(t, "'string'", &data, TO(.type = COLUMN_TEXT)), "field c: 9223372036854775807 bytes are announced"));
	buf_clear(&data);
	put_long(&data, -5);
	assert_non_null(strstr(column(t, "'bytes'", &data, TO(.type = COLUMN_TEXT)), "field c: -5 bytes are announced"));
	buf_clear(&data);
	put_text(&data, "\xff");
	assert_non_null(strstr(column(t, "'string'", &data, TO(.type = COLUMN_TEXT)), "field c: text that is no UTF-8"));
	buf_clear(&data);
	put_long(&data, 5);
	assert_non_null(strstr(column(t, "['null','int']", &data, TO(.type = COLUMN_TEXT)), "field c: branch 5 of a union of 2"));
	assert_non_null(strstr(column(t, "{'type':'enum','name':'e','symbols':['a']}", &data, TO(.type = COLUMN_TEXT)), "symbol 5 of an enum of 1"));
	buf_clear(&data);
	put_long(&data, 1LL << 40);
	assert_non_null(strstr(column(t, "'int'", &data, TO(.type = COLUMN_TEXT)), "field c: 1099511627776 is no number of 32 bits"));
	assert_non_null(strstr(column(t, "{'type':'array','items':'null'}", &data, TO(.type = COLUMN_TEXT)), "more than 1048576 values"));
	buf_clear(&data);
	put_long(&data, INT64_MIN);
	assert_non_null(strstr(column(t, "{'type':'array','items':'null'}", &data, TO(.type = COLUMN_TEXT)), "a block without a size"));
	assert_non_null(strstr(column(t, "{'type':'record','name':'r','fields':[{'name':'a','type':'r'}]}", &data, TO(.type = COLUMN_TEXT)),
			       "more than 64 levels"));
	buf_clear(&data);
	buf_append(&data, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11);
	assert_non_null(strstr(column(t, "'long'", &data, TO(.type = COLUMN_TEXT)), "a number of more than 64 bits"));
	buf_clear(&data);
	buf_char(&data, 2);
	assert_non_null(strstr(column(t, "'boolean'", &data, TO(.type = COLUMN_TEXT)), "2 is neither true nor false"));
	buf_free(&data);
}

static void other_encodings_are_named(void **state)
{
	struct test *t = *state;

	buf_text(&t->value, "{\"id\":1}");
	assert_non_null(strstr(failure(t), "0x7b"));
	buf_clear(&t->value);
	buf_append(&t->value, "\0\0", 2);
	assert_non_null(strstr(failure(t), "does not begin"));
	t->d.decoder.options.schemas = NULL;
	put_long(begin(&t->value, 2), 0);
	assert_string_equal(failure(t), "there is no registry to ask for schema 2");
}

static void names_are_found_where_they_are_made(void **state)
{
	struct test *t = *state;

	/* In a namespace of its own, in that around it, and in a schema that is referred to. */
	t->shelf.other = decoding_text(&t->d, slice_of(quoted(&t->d, "{'type':'enum','name':'Size','namespace':'far.away','symbols':['S','L']}")));
	shelve(t, 3,
	       "{'type':'record','name':'shop.V','fields':[{'name':'a','type':{'type':'fixed','name':'F','size':1}},{'name':'b','type':'F'},"
	       "{'name':'c','type':'shop.F'},{'name':'d','type':['null','far.away.Size']}]}");
	begin(&t->value, 3);
	buf_append(&t->value, "123", 3);
	put_long(&t->value, 1);
	put_long(&t->value, 1);
	expect(t, OP_INSERT, "a=x'31' b=x'32' c=x'33' d='L'", "", "");
	t->shelf.other = (struct slice){ 0 };
}

static void names_are_spelt_as_avro_allows(void **state)
{
	struct column columns[] = { { .name = SLICE("unit_price") }, { .name = SLICE("_1st") }, { .name = SLICE("gr__e") } };
	struct target_column targets[] = { { .name = SLICE("unit-price") }, { .name = SLICE("a b") }, { .name = SLICE("a-b") } };
	struct shape shape = { .columns = columns, .count = 3 };
	struct target target = { .columns = targets, .count = 3 };

	(void)state;
	assert_int_equal(sanitised_source(&shape, SLICE("unit-price")), 0);
	assert_int_equal(sanitised_source(&shape, SLICE("1st")), 1);
	assert_int_equal(sanitised_source(&shape, SLICE("gr\xc3\xb6\xc3\x9f"
							"e")),
			 2); /* a character is an underscore */
	assert_int_equal(sanitised_source(&shape, SLICE("unit-price-")), -1);
	assert_int_equal(sanitised_target(&target, SLICE("unit_price")), 0);
	assert_int_equal(sanitised_target(&target, SLICE("a_b")), -1); /* either could be meant */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_test, close_test)
	const struct CMUnitTest tests[] = {
		TEST(an_envelope_is_what_it_is_in_json),
		TEST(values_keep_every_digit_and_byte),
		TEST(types_by_name_are_what_they_are_in_json),
		TEST(what_is_no_scalar_is_the_text_of_a_json_column),
		TEST(rows_without_an_envelope_take_their_table_from_the_topic),
		TEST(what_the_source_did_not_have_is_not_written),
		TEST(a_key_may_be_json_or_a_bare_value),
		TEST(ticdc_names_the_table_in_its_schema),
		TEST(ticdc_says_by_one_byte_what_is_no_row),
		TEST(a_message_waits_for_its_schema),
		TEST(what_is_no_schema_is_told),
		TEST(data_that_are_cut_are_told),
		TEST(lengths_that_lie_are_told),
		TEST(other_encodings_are_named),
		TEST(names_are_found_where_they_are_made),
		TEST(names_are_spelt_as_avro_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
