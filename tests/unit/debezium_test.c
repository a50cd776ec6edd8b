#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/decoding.h"

#define SOURCE(snapshot)                                                                                                                             \
	"\"source\":{\"version\":\"2.4.0.Final\",\"connector\":\"mysql\",\"name\":\"dbserver1\",\"ts_ms\":1701347696000,\"snapshot\":" snapshot      \
	",\"db\":\"shop\",\"sequence\":null,\"table\":\"orders\",\"server_id\":223344,\"gtid\":null,\"file\":\"mysql-bin.000003\","                  \
	"\"pos\":484,\"row\":0,\"thread\":7,\"query\":null}"
#define ENVELOPE(before, after, op)                                                                                                                  \
	"{\"before\":" before ",\"after\":" after "," SOURCE("\"false\"") ",\"op\":\"" op "\",\"ts_ms\":1701347696456,\"transaction\":null}"

#define FIELDS                                                                                                                                       \
	"[{\"type\":\"int64\",\"optional\":false,\"field\":\"id\"},"                                                                                 \
	"{\"type\":\"bytes\",\"optional\":true,\"name\":\"org.apache.kafka.connect.data.Decimal\",\"version\":1,"                                    \
	"\"parameters\":{\"scale\":\"4\",\"connect.decimal.precision\":\"10\"},\"field\":\"price\"},"                                                \
	"{\"type\":\"int32\",\"optional\":true,\"name\":\"io.debezium.time.Date\",\"version\":1,\"field\":\"day\"},"                                 \
	"{\"type\":\"int64\",\"optional\":true,\"name\":\"io.debezium.time.MicroTimestamp\",\"version\":1,\"field\":\"at\"},"                        \
	"{\"type\":\"string\",\"optional\":true,\"field\":\"note\"},{\"type\":\"bytes\",\"optional\":true,\"field\":\"raw\"},"                       \
	"{\"type\":\"bytes\",\"optional\":true,\"name\":\"io.debezium.data.Bits\",\"version\":1,\"parameters\":{\"length\":\"12\"},\"field\":"       \
	"\"bits\"}]"
#define ENVELOPE_SCHEMA                                                                                                                              \
	"{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"fields\":" FIELDS ",\"optional\":true,\"name\":\"dbserver1.shop.orders.Value\","    \
	"\"field\":\"before\"},{\"type\":\"struct\",\"fields\":" FIELDS                                                                              \
	",\"optional\":true,\"name\":\"dbserver1.shop.orders.Value\",\"field\":\"after\"},"                                                          \
	"{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"db\"}],\"optional\":false,\"field\":\"source\"},"      \
	"{\"type\":\"string\",\"optional\":false,\"field\":\"op\"}],\"optional\":false,\"name\":\"dbserver1.shop.orders.Envelope\"}"
#define ROW(id) "{\"id\":" id ",\"price\":\"EtaH\",\"day\":19691,\"at\":1701347696123500,\"note\":\"hi\",\"raw\":\"iVBORw==\",\"bits\":\"AQg=\"}"

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

static void expect(struct decoding *d, enum op op, const char *row, const char *old, const char *key)
{
	assert_non_null(d->first);
	assert_null(d->first->next);
	assert_int_equal(d->first->op, op);
	assert_string_equal(image_text(d, &d->first->row), row);
	assert_string_equal(image_text(d, &d->first->old), old);
	assert_string_equal(image_text(d, &d->first->key), key);
}

static void changes_come_in_an_envelope(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(decode(d, "{\"id\":1}", ENVELOPE("null", "{\"id\":1,\"name\":\"a\"}", "c")), 0);
	expect(d, OP_INSERT, "id=1 name=\"a\"", "", "id=1");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_int_equal(d->first->time_ms, 1701347696000);
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);
	assert_int_equal(d->first->key.state, IMAGE_KEY_ONLY);

	assert_int_equal(decode(d, "{\"id\":1}", ENVELOPE("{\"id\":1,\"name\":\"a\"}", "{\"id\":1,\"name\":\"b\"}", "u")), 0);
	expect(d, OP_UPDATE, "id=1 name=\"b\"", "id=1 name=\"a\"", "id=1");
	assert_int_equal(d->first->old.state, IMAGE_WHOLE);

	assert_int_equal(decode(d, "{\"id\":1}", ENVELOPE("{\"id\":1,\"name\":\"b\"}", "null", "d")), 0);
	expect(d, OP_DELETE, "id=1 name=\"b\"", "", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_WHOLE);

	assert_int_equal(decode(d, "{\"id\":1}", ENVELOPE("null", "{\"id\":1,\"name\":\"a\"}", "r")), 0);
	expect(d, OP_SNAPSHOT, "id=1 name=\"a\"", "", "id=1");
}

static void a_create_while_a_snapshot_runs_is_the_snapshots(void **state)
{
	static const struct {
		const char *value;
		enum op op;
	} cases[] = {
		{ "{\"after\":{\"id\":1}," SOURCE("\"true\"") ",\"op\":\"c\"}", OP_SNAPSHOT },
		{ "{\"after\":{\"id\":1}," SOURCE("\"last\"") ",\"op\":\"c\"}", OP_SNAPSHOT },
		{ "{\"after\":{\"id\":1}," SOURCE("true") ",\"op\":\"c\"}", OP_SNAPSHOT },
		{ "{\"after\":{\"id\":1}," SOURCE("false") ",\"op\":\"c\"}", OP_INSERT },
		{ "{\"after\":{\"id\":1}," SOURCE("null") ",\"op\":\"c\"}", OP_INSERT },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(decode(d, NULL, cases[i].value), 0);
		expect(d, cases[i].op, "id=1", "", "");
	}
}

static void a_changed_key_stays_one_update_with_the_old_key(void **state)
{
	struct decoding *d = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			decode(d, "{\"b\":\"x\",\"id\":9}", ENVELOPE("{\"id\":1,\"a\":0,\"b\":\"x\"}", "{\"id\":9,\"a\":0,\"b\":\"x\"}", "u")), 0);
		expect(d, OP_UPDATE, "id=9 a=0 b=\"x\"", "id=1 a=0 b=\"x\"", "b=\"x\" id=1");
	}
	/* Another table in the same topic. */
	assert_int_equal(decode(d, "{\"id\":9}", ENVELOPE("{\"x\":3,\"id\":2}", "{\"x\":3,\"id\":9}", "u")), 0);
	expect(d, OP_UPDATE, "x=3 id=9", "x=3 id=2", "id=2");
}

static void without_a_before_the_key_says_which_row(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(decode(d, "{\"id\":1}", ENVELOPE("null", "{\"id\":1,\"name\":\"b\"}", "u")), 0);
	expect(d, OP_UPDATE, "id=1 name=\"b\"", "", "id=1");
	assert_int_equal(d->first->old.state, IMAGE_ABSENT);
	assert_int_equal(decode(d, "{\"id\":1}", ENVELOPE("null", "null", "d")), 0);
	expect(d, OP_DELETE, "id=1", "", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);
	assert_int_equal(decode(d, NULL, ENVELOPE("{\"id\":1}", "null", "d")), 0);
	expect(d, OP_DELETE, "id=1", "", "");
	/* A key that names what the row does not have. */
	assert_int_equal(decode(d, "{\"uuid\":\"u\"}", ENVELOPE("{\"id\":1}", "null", "d")), 0);
	expect(d, OP_DELETE, "id=1", "", "uuid=\"u\"");
	assert_int_equal(decode(d, "5", ENVELOPE("{\"id\":5}", "null", "d")), 0);
	expect(d, OP_DELETE, "id=5", "", "=5");
	assert_int_equal(decode(d, "****", ENVELOPE("null", "null", "d")), -1);
	assert_non_null(strstr(d->err.text, "before"));
	assert_null(d->decoder.first);
	assert_ptr_equal(d->decoder.end, &d->decoder.first);
}

static void other_databases_call_it_a_schema(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(decode(d, NULL,
				"{\"before\":null,\"after\":{\"id\":1},\"source\":{\"connector\":\"postgresql\",\"ts_ms\":0,\"db\":\"main\","
				"\"schema\":\"inventory\","
				"\"table\":\"t\",\"txId\":5,\"lsn\":1},\"op\":\"r\",\"ts_ms\":77}"),
			 0);
	assert_string_equal(names_text(d, d->first), "inventory.t");
	assert_int_equal(d->first->time_ms, 77);
}

static void what_is_no_row_change_is_told_apart(void **state)
{
	static const struct {
		const char *topic, *key, *value;
		enum op op;
	} cases[] = {
		{ "__debezium-heartbeat.s", "{\"serverName\":\"s\"}", "{\"ts_ms\":1701347696456}", OP_CONTROL },
		{ "s.shop.t", NULL, "{\"ts_ms\":1701347696456,\"ts_us\":1,\"ts_ns\":2}", OP_CONTROL },
		{ "s.transaction", "{\"id\":\"x\"}",
		  "{\"status\":\"BEGIN\",\"id\":\"file=a,pos=4\",\"ts_ms\":1,\"event_count\":null,\"data_collections\":null}", OP_CONTROL },
		{ "s.transaction", NULL,
		  "{\"status\":\"END\",\"id\":\"571:53195832\",\"event_count\":2,\"data_collections\":[{\"data_collection\":\"s1.a\",\"event_count\":"
		  "1}]}",
		  OP_CONTROL },
		{ "s", "{\"databaseName\":\"shop\"}",
		  "{" SOURCE("\"false\"") ",\"ts_ms\":2,\"databaseName\":\"shop\",\"schemaName\":null,\"ddl\":\"ALTER TABLE orders ADD c "
					  "INT\",\"tableChanges\":[]}",
		  OP_DDL },
		{ "s.shop.t", NULL, "{\"before\":null,\"after\":null," SOURCE("\"false\"") ",\"op\":\"t\",\"ts_ms\":1}", OP_TRUNCATE },
		{ "s.shop.t", NULL, "{" SOURCE("\"false\"") ",\"op\":\"t\"}", OP_TRUNCATE },
		{ "s.shop.t", "{}", "{" SOURCE("\"false\"") ",\"op\":\"m\",\"ts_ms\":1,\"message\":{\"prefix\":\"p\",\"content\":\"\"}}",
		  OP_CONTROL },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		d->message.topic = slice_of(cases[i].topic);
		assert_int_equal(decode(d, cases[i].key, cases[i].value), 0);
		assert_int_equal(d->first->op, cases[i].op);
		assert_int_equal(d->first->row.state, IMAGE_ABSENT);
		if (cases[i].op == OP_DDL || cases[i].op == OP_TRUNCATE)
			assert_string_equal(names_text(d, d->first), "shop.orders");
	}
}

static void schemas_say_what_values_mean(void **state)
{
	static const enum meaning meanings[] = { MEANING_PLAIN, MEANING_DECIMAL, MEANING_DAYS, MEANING_DATETIME_US,
						 MEANING_PLAIN, MEANING_BASE64,  MEANING_BITS };
	static const char *const messages[] = {
		"{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":" ENVELOPE("null", ROW("1"), "c") "}",
		"{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":" ENVELOPE("null", ROW("2"), "c") "}",
		"{\"payload\":" ENVELOPE("null", ROW("3"), "c") ", \"schema\":" ENVELOPE_SCHEMA "}\r\n",
		"{\"payload\":" ENVELOPE("null", ROW("4"), "c") ", \"schema\":" ENVELOPE_SCHEMA "}\r\n",
		"{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":" ENVELOPE("null", ROW("5"), "c") "}",
		"\xef\xbb\xbf{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":" ENVELOPE("null", ROW("6"), "c") "}",
	};
	struct decoding *d = *state;

	for (size_t m = 0; m < sizeof messages / sizeof *messages; m++) {
		char row[200];

		assert_int_equal(decode(d,
					"{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"optional\":false,\"field\":\"id\"}]},"
					"\"payload\":{\"id\":1}}",
					messages[m]),
				 0);
		snprintf(row, sizeof row, "id=%zu price=\"EtaH\" day=19691 at=1701347696123500 note=\"hi\" raw=\"iVBORw==\" bits=\"AQg=\"", m + 1);
		expect(d, OP_INSERT, row, "", "id=1");
		for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
			assert_int_equal(d->first->row.shape->columns[i].declared.meaning, meanings[i]);
		assert_int_equal(d->first->row.shape->columns[1].declared.scale, 4);
		assert_int_equal(d->first->row.shape->columns[6].declared.length, 12);
		assert_int_equal(d->first->key.shape->columns[0].declared.meaning, MEANING_PLAIN);
	}
	/* One schema, one shape: it is read once for each way it is wrapped. */
	assert_int_equal(shapes_count(d->decoder.shapes), 2);
}

static void a_key_taken_from_before_has_the_meaning_of_before(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(decode(d, "{\"day\":1}", "{\"schema\":" ENVELOPE_SCHEMA ",\"payload\":" ENVELOPE(ROW("1"), ROW("2"), "u") "}"), 0);
	assert_string_equal(image_text(d, &d->first->key), "day=19691");
	assert_int_equal(d->first->key.shape->columns[0].declared.meaning, MEANING_DAYS);
}

/* What surrounds a payload was seen before; what is in it may still be anything. */
static void a_known_schema_vouches_for_nothing_else(void **state)
{
	static const char *const wrong[] = {
		"{\"schema\":null,\"payload\":}",           "{\"schema\":null,\"payload\":{\"id\":1}}}",
		"{\"schema\":null,\"payload\":{\"id\":1",   "{\"schema\":null,\"payload\":{\"id\":1},}",
		"{\"schema\":null,\"payload\":{\"id\":1}]", "{\"schema\":null,\"payload\":{\"id\":01}}",
	};
	struct decoding *d = *state;

	assert_int_equal(decode(d, NULL, "{\"schema\":null,\"payload\":{\"id\":1}}"), 0);
	expect(d, OP_INSERT, "id=1", "", "");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(decode(d, NULL, wrong[i]), -1);
	assert_int_equal(decode(d, NULL, "{\"schema\":null,\"payload\":{\"id\":1},\"payload\":{\"id\":2}}"), 0);
	expect(d, OP_INSERT, "id=2", "", "");
	/* Something beside them: now it is a row with columns of these names. */
	assert_int_equal(decode(d, NULL, "{\"schema\":null,\"payload\":{\"id\":1},\"more\":{\"id\":2}}"), 0);
	expect(d, OP_INSERT, "schema=null payload={\"id\":1} more={\"id\":2}", "", "");
}

static void many_schemas_in_one_topic_do_not_mix(void **state)
{
	struct decoding *d = *state;

	for (int i = 0; i < 40; i++) {
		char message[512];
		enum meaning meanings[] = { MEANING_DAYS,  MEANING_TIME_US, MEANING_ISO,        MEANING_GEOMETRY,
					    MEANING_ZONED, MEANING_TIME_MS, MEANING_DATETIME_NS };
		static const char *const names[] = { "io.debezium.time.Date",           "io.debezium.time.MicroTime",
						     "io.debezium.time.IsoDate",        "io.debezium.data.geometry.Point",
						     "io.debezium.time.ZonedTimestamp", "org.apache.kafka.connect.data.Time",
						     "io.debezium.time.NanoTimestamp" };

		snprintf(
			message, sizeof message,
			"{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int32\",\"name\":\"%s\",\"field\":\"x\"}]},\"payload\":{\"x\":%d}}",
			names[i * 3 % 7], i);
		assert_int_equal(decode(d, NULL, message), 0);
		assert_int_equal(d->first->row.shape->columns[0].declared.meaning, meanings[i * 3 % 7]);
		snprintf(message, sizeof message, "x=%d", i);
		assert_string_equal(image_text(d, &d->first->row), message);
	}
}

static void unavailable_values_are_left_alone(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(
		decode(d, "{\"id\":1}",
		       ENVELOPE("null",
				"{\"id\":1,\"t\":\"__debezium_unavailable_value\",\"b\":\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\",\"c\":2}", "u")),
		0);
	expect(d, OP_UPDATE, "id=1 t=(absent) b=(absent) c=2", "", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_PARTIAL);
	assert_int_equal(decode(d, NULL, ENVELOPE("{\"id\":1,\"t\":\"__debezium_unavailable_value\"}", "null", "d")), 0);
	expect(d, OP_DELETE, "id=1 t=(absent)", "", "");
	assert_int_equal(decode(d, NULL, ENVELOPE("null", "{\"id\":1,\"t\":\"__debezium_unavailable_value\"}", "c")), -1);
	assert_non_null(strstr(d->err.text, "unavailable.value.placeholder"));
	assert_int_equal(decode(d, NULL, ENVELOPE("null", "{\"id\":1,\"t\":\"__debezium_unavailable_value\"}", "r")), -1);
	assert_null(d->decoder.first);
	assert_ptr_equal(d->decoder.end, &d->decoder.first);
}

static void what_cannot_be_decoded_says_which_member(void **state)
{
	static const struct {
		const char *value, *word;
	} cases[] = {
		{ "{\"before\":null,\"after\":null," SOURCE("\"false\"") ",\"op\":\"x\"}", "\"op\" is \"x\"" },
		{ "{\"before\":null,\"after\":null," SOURCE("\"false\"") ",\"op\":1}", "\"op\"" },
		{ "{\"before\":null,\"after\":{\"id\":1}," SOURCE("\"false\"") "}", "\"op\"" },
		{ ENVELOPE("null", "null", "c"), "\"after\"" },
		{ ENVELOPE("{\"id\":1}", "null", "u"), "\"after\"" },
		{ ENVELOPE("5", "{\"id\":1}", "u"), "\"before\"" },
		{ ENVELOPE("[]", "null", "d"), "\"before\"" },
		{ "{" SOURCE("\"false\"") ",\"op\":\"c\"}", "\"after\"" },
		{ "{\"before\":null,\"after\":null,\"op\":\"d\"}", "key" },
		{ "[1]", "object" },
		{ "5", "object" },
		{ "{\"op\":", "JSON" },
		{ "{\"schema\":null,\"payload\":[]}", "object" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(decode(d, NULL, cases[i].value), -1);
		if (!strstr(d->err.text, cases[i].word))
			fail_msg("%s: %s", cases[i].value, d->err.text);
	}
}

/* A key like the last one but for its digits is not read again as JSON. What is no such key must not pass for one. */
static void keys_of_one_integer_are_what_they_say(void **state)
{
	static const struct {
		const char *key, *image;
	} cases[] = {
		{ "{\"id\":1}", "id=1" },
		{ "{\"id\":-20}", "id=-20" },
		{ "{\"id\":0}", "id=0" },
		{ "{\"id\":007}", "" },
		{ "{\"id\":8}", "id=8" },
		{ "{\"id\":}", "" },
		{ "{\"id\":9", "" },
		{ "{\"id\":10}", "id=10" },
		{ "{\"id\":1.5}", "id=1.5" },
		{ "{\"id\":12345678901234567890123}", "id=12345678901234567890123" },
		{ "{\"id\":11}}", "" },
		{ "{\"id\":12}", "id=12" },
		{ "{\"id\":1,\"id\":2}", "id=2" },
		{ "{\"id\":1,\"id\":3}", "id=3" },
		{ "{\"no\":3}", "no=3" },
		{ "{\"id\":\"4\"}", "id=\"4\"" },
		{ "{\"schema\":null,\"payload\":{\"id\":5}}", "id=5" },
		{ "{\"schema\":null,\"payload\":{\"id\":6}}", "id=6" },
		{ "7", "=7" },
		{ "8", "=8" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(decode(d, cases[i].key, ENVELOPE("null", "{\"id\":1}", "c")), 0);
		expect(d, OP_INSERT, "id=1", "", cases[i].image);
	}
}

static void members_may_stand_in_any_order_and_twice(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(decode(d, NULL,
				"{\"op\":\"d\",\"op\":\"c\",\"source\":{\"table\":\"t\",\"db\":\"x\",\"table\":\"u\"},\"after\":null,\"after\":{"
				"\"id\":1,\"id\":2},\"new\":[{}]}"),
			 0);
	expect(d, OP_INSERT, "id=2", "", "");
	assert_string_equal(names_text(d, d->first), "x.u");
}

static void rows_can_come_flat(void **state)
{
	struct decoding *d = *state;

	assert_int_equal(decode(d, "{\"id\":1}", "{\"id\":1,\"name\":\"a\"}"), 0);
	expect(d, OP_INSERT, "id=1 name=\"a\"", "", "id=1");
	assert_string_equal(names_text(d, d->first), "shop.orders");
	/* Now a message without a value is a delete. */
	assert_int_equal(decode(d, "{\"id\":1}", NULL), 0);
	expect(d, OP_DELETE, "id=1", "", "id=1");
	assert_int_equal(d->first->row.state, IMAGE_KEY_ONLY);
	assert_string_equal(names_text(d, d->first), "shop.orders");
	assert_int_equal(decode(d, "7", NULL), 0);
	expect(d, OP_DELETE, "=7", "", "=7");
	assert_int_equal(decode(d, NULL, NULL), 0);
	assert_int_equal(d->first->op, OP_CONTROL);
}

static void tombstones_follow_what_their_topic_holds(void **state)
{
	static const char *const tombstones[] = { NULL, "", "{\"schema\":null,\"payload\":null}" };
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof tombstones / sizeof *tombstones; i++) {
		char topic[32];

		snprintf(topic, sizeof topic, "s.shop.t%zu", i);
		d->message.topic = slice_of(topic);
		/* Nothing is known of the topic yet: a delete, but one that may be none. */
		assert_int_equal(decode(d, "{\"id\":1}", tombstones[i]), 0);
		assert_int_equal(d->first->op, OP_DELETE);
		assert_true(d->first->uncertain);
		assert_int_equal(decode(d, "{\"id\":1}", "{\"id\":1,\"name\":\"a\"}"), 0);
		assert_int_equal(decode(d, "{\"id\":1}", tombstones[i]), 0);
		assert_int_equal(d->first->op, OP_DELETE);
		assert_false(d->first->uncertain);
		/* Behind envelopes it says nothing new. */
		assert_int_equal(decode(d, "{\"id\":1}", ENVELOPE("null", "{\"id\":1}", "c")), 0);
		assert_int_equal(decode(d, "{\"id\":1}", tombstones[i]), 0);
		assert_int_equal(d->first->op, OP_CONTROL);
	}
}

static void flat_rows_carry_what_was_added(void **state)
{
	static const struct {
		const char *value;
		enum op op;
		const char *names;
	} cases[] = {
		{ "{\"id\":1,\"__deleted\":\"false\"}", OP_INSERT, "shop.orders" },
		{ "{\"id\":1,\"__deleted\":\"true\"}", OP_DELETE, "shop.orders" },
		{ "{\"id\":1,\"__deleted\":true}", OP_DELETE, "shop.orders" },
		{ "{\"__op\":\"u\",\"id\":1,\"__table\":\"t\",\"__db\":\"d\"}", OP_UPDATE, "d.t" },
		{ "{\"__op\":\"r\",\"id\":1,\"__source_table\":\"t\",\"__source_db\":\"d\",\"__source_schema\":\"s\"}", OP_SNAPSHOT, "s.t" },
		{ "{\"__op\":\"c\",\"id\":1,\"__source_ts_ms\":5}", OP_INSERT, "shop.orders" },
		{ "{\"__op\":\"d\",\"id\":1}", OP_DELETE, "shop.orders" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(decode(d, "{\"id\":1}", cases[i].value), 0);
		expect(d, cases[i].op, "id=1", "", "id=1");
		assert_string_equal(names_text(d, d->first), cases[i].names);
		assert_int_equal(d->first->time_ms, i == 5 ? 5 : 0);
	}
	assert_int_equal(decode(d, NULL, "{\"__op\":\"z\",\"id\":1}"), -1);
	assert_non_null(strstr(d->err.text, "__op"));
	assert_int_equal(decode(d, NULL, "{\"__op\":\"u\",\"id\":1,\"t\":\"__debezium_unavailable_value\"}"), 0);
	assert_int_equal(d->first->row.state, IMAGE_PARTIAL);
	assert_int_equal(decode(d, NULL, "{\"__op\":\"c\",\"id\":1,\"t\":\"__debezium_unavailable_value\"}"), -1);
}

static void headers_say_what_a_flat_row_does_not(void **state)
{
	const struct header headers[] = {
		{ SLICE("__op"), SLICE("\"u\"") }, { SLICE("__db"), SLICE("d") }, { SLICE("__table"), SLICE("\"t\"") }, { SLICE("x"), { NULL, 0 } }
	};
	struct decoding *d = *state;

	d->message.headers = headers;
	d->message.header_count = 4;
	assert_int_equal(decode(d, "{\"id\":1}", "{\"id\":1}"), 0);
	expect(d, OP_UPDATE, "id=1", "", "id=1");
	assert_string_equal(names_text(d, d->first), "d.t");
	assert_int_equal(decode(d, "{\"id\":1}", NULL), 0);
	expect(d, OP_DELETE, "id=1", "", "id=1");
	assert_string_equal(names_text(d, d->first), "d.t");
}

static void columns_with_names_of_the_envelope_are_columns(void **state)
{
	static const struct {
		const char *value, *row;
	} cases[] = {
		{ "{\"id\":1,\"op\":\"c\"}", "id=1 op=\"c\"" },
		{ "{\"id\":1,\"op\":\"c\",\"source\":\"web\"}", "id=1 op=\"c\" source=\"web\"" },
		{ "{\"id\":1,\"ts_ms\":5}", "id=1 ts_ms=5" },
		{ "{\"id\":1,\"status\":\"END\"}", "id=1 status=\"END\"" },
		{ "{\"id\":1,\"status\":\"END\",\"ts_ms\":3}", "id=1 status=\"END\" ts_ms=3" },
		{ "{\"id\":1,\"ddl\":\"x\"}", "id=1 ddl=\"x\"" },
		{ "{\"id\":1,\"schema\":\"s\",\"payload\":\"{}\"}", "id=1 schema=\"s\" payload=\"{}\"" },
		{ "{\"before\":1,\"after\":2}", "before=1 after=2" },
	};
	struct decoding *d = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(decode(d, NULL, cases[i].value), 0);
		expect(d, OP_INSERT, cases[i].row, "", "");
	}
}

static void flat_rows_have_schemas_too(void **state)
{
	struct decoding *d = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(decode(d, "{\"id\":1}", "{\"schema\":{\"type\":\"struct\",\"fields\":" FIELDS "},\"payload\":" ROW("1") "}"), 0);
		assert_int_equal(d->first->op, OP_INSERT);
		assert_int_equal(d->first->row.shape->columns[2].declared.meaning, MEANING_DAYS);
	}
	assert_int_equal(decode(d, "{\"id\":1}", "{\"schema\":null,\"payload\":null}"), 0);
	expect(d, OP_DELETE, "id=1", "", "id=1");
}

/* Every byte of real messages changed: no outcome but an event or a reason. */
static void damaged_messages_are_errors_and_nothing_worse(void **state)
{
	static const char *const messages[] = { ENVELOPE("{\"id\":1,\"n\":\"a\\u00e9\"}", "{\"id\":1,\"n\":{\"x\":[1,2]}}", "u"),
						"{\"schema\":{\"type\":\"struct\",\"fields\":" FIELDS "},\"payload\":" ROW("1") "}" };
	static const char damage[] = "\"\\{}[]:,0e-tn\xff \x01";
	struct decoding d;

	(void)state;
	for (size_t m = 0; m < 2; m++) {
		for (size_t at = 0; at < strlen(messages[m]); at++) {
			decoding_open(&d, &format_debezium);
			for (size_t i = 0; i < sizeof damage - 1; i++) {
				char *copy = strdup(messages[m]);

				/* The right one first, so that its schema is known. */
				assert_int_equal(decode(&d, "{\"id\":1}", copy), 0);
				copy[at] = damage[i];
				if (decode(&d, "{\"id\":1}", copy) < 0)
					assert_true(d.err.text[0]);
				else
					assert_non_null(d.first);
				copy[at] = 0;
				assert_true(at == 0 || decode(&d, "{\"id\":1}", copy) < 0);
				free(copy);
			}
			decoding_close(&d);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_debezium, close_debezium)
	const struct CMUnitTest tests[] = {
		TEST(changes_come_in_an_envelope),
		TEST(a_create_while_a_snapshot_runs_is_the_snapshots),
		TEST(a_changed_key_stays_one_update_with_the_old_key),
		TEST(without_a_before_the_key_says_which_row),
		TEST(other_databases_call_it_a_schema),
		TEST(what_is_no_row_change_is_told_apart),
		TEST(tombstones_follow_what_their_topic_holds),
		TEST(schemas_say_what_values_mean),
		TEST(a_key_taken_from_before_has_the_meaning_of_before),
		TEST(a_known_schema_vouches_for_nothing_else),
		TEST(many_schemas_in_one_topic_do_not_mix),
		TEST(unavailable_values_are_left_alone),
		TEST(what_cannot_be_decoded_says_which_member),
		TEST(keys_of_one_integer_are_what_they_say),
		TEST(members_may_stand_in_any_order_and_twice),
		TEST(rows_can_come_flat),
		TEST(flat_rows_carry_what_was_added),
		TEST(headers_say_what_a_flat_row_does_not),
		TEST(columns_with_names_of_the_envelope_are_columns),
		TEST(flat_rows_have_schemas_too),
		cmocka_unit_test(damaged_messages_are_errors_and_nothing_worse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
