#include "flow/guess.h"

#include "flow/ticdc_open.h"

/* Members whose names tell something. */
enum {
	HAS_OP = 1 << 0,
	HAS_IMAGE = 1 << 1, /* before or after */
	HAS_SOURCE = 1 << 2,
	HAS_DDL = 1 << 3,
	HAS_SCHEMA = 1 << 4,
	HAS_PAYLOAD = 1 << 5,
	HAS_DATABASE = 1 << 6,
	HAS_TABLE = 1 << 7,
	HAS_DATA = 1 << 8,
	HAS_IS_DDL = 1 << 9,
	HAS_CANAL = 1 << 10, /* mysqlType, sqlType, pkNames */
	HAS_COMMIT_TS = 1 << 11,
	HAS_VERSION = 1 << 12,
	HAS_TIDB = 1 << 13,
	HAS_ADDED = 1 << 14, /* __op, __deleted ... */
	HAS_OP_TYPE = 1 << 15,
	HAS_RECORD_TYPE = 1 << 16,
	HAS_TIME = 1 << 17,
	HAS_STATUS = 1 << 18,
	HAS_COLLECTIONS = 1 << 19,
	HAS_OTHER = 1 << 20,
};

struct looks {
	uint32_t has;
	struct slice type;
	bool ops;          /* op is a letter that Debezium uses */
	bool list, object; /* data is an array, an object */
};

static bool is_text(const struct json_node *node)
{
	return node->value.kind == VALUE_TEXT;
}

static bool is_object(const struct json_node *node)
{
	return node->value.kind == VALUE_JSON && node->object;
}

static uint32_t bit_of(const struct json_node *nodes, const struct json_node *node)
{
	static const struct {
		struct slice name;
		uint32_t bit;
	} names[] = {
		{ SLICE("before"), HAS_IMAGE },
		{ SLICE("after"), HAS_IMAGE },
		{ SLICE("ddl"), HAS_DDL },
		{ SLICE("tableChanges"), HAS_DDL },
		{ SLICE("schema"), HAS_SCHEMA },
		{ SLICE("database"), HAS_DATABASE },
		{ SLICE("table"), HAS_TABLE },
		{ SLICE("isDdl"), HAS_IS_DDL },
		{ SLICE("mysqlType"), HAS_CANAL },
		{ SLICE("sqlType"), HAS_CANAL },
		{ SLICE("pkNames"), HAS_CANAL },
		{ SLICE("commitTs"), HAS_COMMIT_TS },
		{ SLICE("version"), HAS_VERSION },
		{ SLICE("_tidb"), HAS_TIDB },
		{ SLICE("__op"), HAS_ADDED },
		{ SLICE("__deleted"), HAS_ADDED },
		{ SLICE("__table"), HAS_ADDED },
		{ SLICE("__db"), HAS_ADDED },
		{ SLICE("__source_ts_ms"), HAS_ADDED },
		{ SLICE("op_type"), HAS_OP_TYPE },
		{ SLICE("ts_ms"), HAS_TIME },
		{ SLICE("ts_us"), HAS_TIME },
		{ SLICE("ts_ns"), HAS_TIME },
		{ SLICE("status"), HAS_STATUS },
		{ SLICE("data_collections"), HAS_COLLECTIONS },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_equal(node->name, names[i].name))
			return names[i].bit;
	if (slice_is(node->name, "source"))
		return is_object(node) ? HAS_SOURCE : HAS_OTHER;
	if (slice_is(node->name, "payload"))
		return is_object(node) ? HAS_PAYLOAD : HAS_OTHER;
	if (slice_is(node->name, "metadata"))
		return json_member(nodes, node, "record-type") ? HAS_RECORD_TYPE : HAS_OTHER;
	return HAS_OTHER;
}

static struct looks look_at(const struct json_node *nodes)
{
	struct looks looks = { 0 };

	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		if (slice_is(node->name, "op")) {
			looks.has |= HAS_OP;
			looks.ops = is_text(node) && node->value.n == 1 && memchr("crudtm", *node->value.p, 6);
		} else if (slice_is(node->name, "type")) {
			looks.has |= HAS_OTHER;
			looks.type = is_text(node) ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
		} else if (slice_is(node->name, "data")) {
			looks.has |= HAS_DATA;
			looks.list = node->value.kind == VALUE_JSON && !node->object;
			looks.object = is_object(node);
		} else {
			looks.has |= bit_of(nodes, node);
		}
	}
	return looks;
}

static bool is_one_of(struct slice type, const char *const *types, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_is(type, types[i]))
			return true;
	return false;
}

static bool is_maxwell(const struct looks *looks)
{
	static const char *const rows[] = { "insert", "update", "delete", "bootstrap-insert" };
	static const char *const marks[] = { "bootstrap-start", "bootstrap-complete", "table-create",  "table-alter",
					     "table-drop",      "database-create",    "database-drop", "database-alter" };

	/* The names alone could be an audit table's. */
	return looks->has & HAS_DATABASE && ((is_one_of(looks->type, rows, sizeof rows / sizeof *rows) && looks->object) ||
					     is_one_of(looks->type, marks, sizeof marks / sizeof *marks));
}

/* The name isDdl is Canal's alone; others that write its form leave it out, but not the names. */
static bool is_canal(const struct looks *looks)
{
	static const char *const types[] = { "INSERT", "UPDATE",   "DELETE", "INIT",   "CREATE", "ALTER",
					     "ERASE",  "TRUNCATE", "RENAME", "CINDEX", "DINDEX", "QUERY" };

	return looks->type.p && (looks->has & HAS_IS_DDL || (is_one_of(looks->type, types, sizeof types / sizeof *types) &&
							     (looks->list || looks->has & HAS_CANAL) && looks->has & (HAS_TABLE | HAS_CANAL)));
}

static bool is_neutral(const struct looks *looks)
{
	return looks->has == HAS_TIME || (looks->has & (HAS_STATUS | HAS_COLLECTIONS)) == (HAS_STATUS | HAS_COLLECTIONS);
}

enum guess guess_of_object(const struct json_node *nodes)
{
	struct looks looks = look_at(nodes);
	const struct json_node *payload;

	if (looks.has & HAS_PAYLOAD) {
		payload = json_member(nodes, nodes, "payload");
		if (json_member(nodes, payload, "op") || (looks.has & HAS_SCHEMA && !(looks.has & ~(uint32_t)(HAS_SCHEMA | HAS_PAYLOAD))))
			return GUESS_DEBEZIUM;
	}
	if (looks.ops && looks.has & (HAS_SOURCE | HAS_IMAGE))
		return GUESS_DEBEZIUM;
	if (looks.has & HAS_SOURCE && looks.has & HAS_DDL)
		return GUESS_DEBEZIUM;
	if (looks.type.p && looks.has & HAS_COMMIT_TS && looks.has & HAS_VERSION)
		return GUESS_TICDC;
	if (is_canal(&looks))
		return looks.has & HAS_TIDB ? GUESS_TICDC : GUESS_CANAL;
	if (is_maxwell(&looks))
		return GUESS_MAXWELL;
	if (looks.has & HAS_OP_TYPE && looks.has & HAS_TABLE && looks.has & HAS_IMAGE)
		return GUESS_GOLDENGATE;
	if (looks.has & HAS_RECORD_TYPE)
		return GUESS_DMS;
	if (is_neutral(&looks))
		return GUESS_NEUTRAL;
	return looks.has & HAS_ADDED ? GUESS_FLAT : GUESS_PLAIN;
}

enum guess guess_of_message(struct decoder *decoder, const struct message *message)
{
	const struct json_node *nodes;
	struct error ignored;

	if (ticdc_open_is_key(message->key))
		return GUESS_TICDC;
	if (message->value.n == 0)
		return GUESS_NEUTRAL;
	if (*message->value.p == 0)
		return GUESS_AVRO;
	if (json_read(decoder->json, message->value, 1, "schema", decoder->arena, &nodes, &ignored) < 0 || nodes->value.kind != VALUE_JSON)
		return GUESS_NEUTRAL;
	return nodes->object ? guess_of_object(nodes) : GUESS_PLAIN;
}

const char *guess_name(enum guess guess)
{
	static const char *const names[] = {
		[GUESS_PLAIN] = "json",
		[GUESS_NEUTRAL] = "nothing",
		[GUESS_DEBEZIUM] = "debezium",
		[GUESS_FLAT] = "flattened debezium",
		[GUESS_MAXWELL] = "maxwell",
		[GUESS_CANAL] = "canal",
		[GUESS_TICDC] = "ticdc",
		[GUESS_AVRO] = "avro",
		[GUESS_GOLDENGATE] = "Oracle GoldenGate",
		[GUESS_DMS] = "AWS DMS",
	};

	return names[guess];
}

int guess_refuse(enum guess guess, struct error *err)
{
	if (guess == GUESS_PLAIN || guess == GUESS_NEUTRAL || guess == GUESS_FLAT)
		return 0;
	return error_set(err, "a message in the form of %s, not a row: the source's `format` is another", guess_name(guess));
}
