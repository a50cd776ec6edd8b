/* Avro as Confluent's serializers write it: a zero, the number of the schema in four bytes, and the data. In it Debezium's envelopes, rows
 * without one, and TiCDC's rows. */
#include <stdlib.h>

#include "flow/avro_read.h"
#include "flow/debezium.h"
#include "flow/source_place.h"

enum { HEAD = 5, CONFLUENT = 0, TIDB_DDL = 1, TIDB_WATERMARK = 2 };

/* A schema that was asked for. One with an error is none; whether it has become one since is asked again with the next message. */
struct known {
	uint32_t id;
	struct avro_schema *schema;
	struct error *error;
	bool broken; /* it is there, and is no schema */
	UT_hash_handle hh;
};

struct avro {
	struct topics *topics;
	struct known *by_id;
	struct avro_reader reader;
};

static void *open_avro(struct decoder *decoder)
{
	struct avro *avro = calloc(1, sizeof *avro);

	(void)decoder;
	BUG_IF(!avro);
	avro->topics = topics_new();
	return avro;
}

static void close_avro(void *state)
{
	struct avro *avro = state;
	struct known *known, *next;

	HASH_ITER(hh, avro->by_id, known, next)
	{
		HASH_DEL(avro->by_id, known);
		avro_schema_free(known->schema);
		free(known->error);
		free(known);
	}
	avro_reader_deinit(&avro->reader);
	topics_free(avro->topics);
	free(avro);
}

/* ---- schemas ---- */

static bool schema_id(struct slice bytes, uint32_t *id)
{
	const uint8_t *p = (const uint8_t *)bytes.p;

	if (bytes.n < HEAD || p[0] != CONFLUENT)
		return false;
	*id = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	return true;
}

static struct known *find(struct avro *avro, uint32_t id)
{
	struct known *known;

	HASH_FIND(hh, avro->by_id, &id, sizeof id, known);
	return known;
}

static struct known *remember(struct avro *avro, uint32_t id)
{
	struct known *known = find(avro, id);

	if (!known) {
		known = calloc(1, sizeof *known);
		BUG_IF(!known);
		known->id = id;
		HASH_ADD(hh, avro->by_id, id, sizeof known->id, known);
	}
	return known;
}

static void set_error(struct known *known, const struct error *err)
{
	if (!known->error)
		known->error = malloc(sizeof *known->error);
	BUG_IF(!known->error);
	*known->error = *err;
}

/* True once it is known whether there is such a schema. */
static bool is_there(struct decoder *decoder, struct slice bytes)
{
	struct schemas *schemas = decoder->options.schemas;
	struct schema_texts texts;
	struct known *known;
	struct error err = { .text = "" };
	uint32_t id;

	if (!schema_id(bytes, &id))
		return true;
	known = find(decoder->state, id);
	if ((known && (known->schema || known->broken)) || !schemas)
		return true;
	switch (schemas->ops->get(schemas, id, &texts, &err)) {
	case SCHEMAS_ASKED:
		return false;
	case SCHEMAS_NONE:
		set_error(remember(decoder->state, id), &err);
		return true;
	case SCHEMAS_HAVE:
		break;
	}
	known = remember(decoder->state, id);
	known->schema = avro_schema_new(&texts, &err);
	if (!known->schema) {
		known->broken = true;
		error_prefix(&err, "schema %u", id);
		set_error(known, &err);
	}
	return true;
}

static bool ready(struct decoder *decoder, const struct message *message)
{
	bool key = is_there(decoder, message->key);

	return is_there(decoder, message->value) && key;
}

/* ---- messages ---- */

static struct avro_schema *read_data(struct decoder *decoder, struct slice bytes, struct avro_tidb *tidb, struct error *err)
{
	struct avro *avro = decoder->state;
	struct slice data;
	struct known *known;
	uint32_t id;

	if (!schema_id(bytes, &id)) {
		error_set(err, "it does not begin as Avro does behind a schema registry (a zero and the number of a schema) but with 0x%02x",
			  (uint8_t)bytes.p[0]);
		return NULL;
	}
	known = find(avro, id);
	if (!known || !known->schema) {
		if (known)
			*err = *known->error;
		else
			error_set(err, "there is no registry to ask for schema %u", id);
		return NULL;
	}
	data = (struct slice){ bytes.p + HEAD, bytes.n - HEAD };
	if (avro_read(&avro->reader, known->schema, data, decoder->arena, tidb, err) < 0) {
		error_prefix(err, "schema %u", id);
		return NULL;
	}
	return known->schema;
}

/* A key can be encoded in another way than the value. */
static int read_key(struct decoder *decoder, struct topic *topic, struct slice text, struct image *key, struct avro_schema **schema,
		    struct error *err)
{
	struct avro *avro = decoder->state;
	struct avro_tidb none;

	*key = (struct image){ 0 };
	*schema = NULL;
	if (text.n == 0 || text.p[0] != CONFLUENT)
		return debezium_read_key(decoder, topic, text, key, err);
	*schema = read_data(decoder, text, &none, err);
	if (!*schema || image_read_key(decoder, avro->reader.nodes, avro->reader.nodes, &(*schema)->columns, key, err) < 0)
		return error_prefix(err, "key");
	return 0;
}

static struct event *add_tidb(struct decoder *decoder, const struct message *message, const struct avro_schema *schema, enum op op)
{
	struct event *event = decoder_add(decoder, message);

	event->op = (uint8_t)op;
	event->database = schema->tidb_database;
	event->table = schema->tidb_table;
	return event;
}

/* TiCDC's row. Without its extension it does not say its op: it is the row as it is to be. */
static int decode_tidb(struct decoder *decoder, const struct message *message, struct avro_schema *schema, const struct avro_tidb *tidb,
		       const struct image *key, struct error *err)
{
	const struct json_node *nodes = ((struct avro *)decoder->state)->reader.nodes;
	enum op op = slice_is(tidb->op, "u") ? OP_UPDATE : slice_is(tidb->op, "d") ? OP_DELETE : OP_INSERT;
	struct event *event;
	struct image row;

	if (tidb->op.n > 0 && op == OP_INSERT && !slice_is(tidb->op, "c"))
		return error_set(err, "\"_tidb_op\" is \"%.*s\", which is none of c, u, d", SLICE_ARG(tidb->op));
	if (image_read(decoder, nodes, nodes, false, &schema->columns, &row, err) < 0)
		return -1;
	event = add_tidb(decoder, message, schema, op);
	event->row = row;
	event->key = *key;
	event->time_ms = tidb->commit_ts > 0 ? tidb->commit_ts >> 18 : 0; /* the lower bits count within a millisecond */
	if (tidb->commit_ts > 0)
		event->tx = event->position = arena_printf(decoder->arena, "%lld", (long long)tidb->commit_ts);
	return 0;
}

/* Behind one byte that says so. */
static int decode_tidb_control(struct decoder *decoder, const struct message *message, struct error *err)
{
	struct slice text = { message->value.p + 1, message->value.n - 1 };
	const struct json_node *nodes, *schema, *table;
	struct event *event;

	if (message->value.p[0] == TIDB_WATERMARK) {
		decoder_add(decoder, message)->op = OP_CONTROL;
		return 0;
	}
	if (json_read(decoder->json, text, 0, NULL, decoder->arena, &nodes, err) < 0)
		return error_prefix(err, "schema change");
	schema = json_member(nodes, nodes, "schema");
	table = json_member(nodes, nodes, "table");
	event = decoder_add(decoder, message);
	event->op = OP_DDL;
	if (schema && schema->value.kind == VALUE_TEXT)
		event->database = (struct slice){ schema->value.p, schema->value.n };
	if (table && table->value.kind == VALUE_TEXT)
		event->table = (struct slice){ table->value.p, table->value.n };
	return 0;
}

static int decode(struct decoder *decoder, const struct message *message, struct error *err)
{
	struct avro *avro = decoder->state;
	struct topic *topic = topics_get(avro->topics, message->topic);
	struct avro_schema *key_schema, *schema;
	struct avro_tidb tidb;
	struct image key;
	struct event **made = decoder->end;

	if (message->value.n > 0 && (message->value.p[0] == TIDB_DDL || message->value.p[0] == TIDB_WATERMARK))
		return decode_tidb_control(decoder, message, err);
	if (read_key(decoder, topic, message->key, &key, &key_schema, err) < 0)
		return -1;
	if (message->value.n == 0) {
		if (!key_schema || !key_schema->is_tidb || key.state == IMAGE_ABSENT)
			return debezium_change(decoder, message, topic, NULL, NULL, &key, err);
		struct event *event = add_tidb(decoder, message, key_schema, OP_DELETE);

		event->row = event->key = key;
		return 0;
	}
	schema = read_data(decoder, message->value, &tidb, err);
	if (!schema)
		return -1;
	if (schema->is_tidb && avro->reader.nodes[0].expanded)
		return decode_tidb(decoder, message, schema, &tidb, &key, err);
	if (debezium_change(decoder, message, topic, avro->reader.nodes, &schema->columns, &key, err) < 0)
		return -1;
	source_place_read(avro->reader.nodes, avro->reader.nodes, *made, decoder->arena);
	return 0;
}

const struct format format_avro = { .name = "avro", .sanitised = true, .open = open_avro, .close = close_avro, .ready = ready, .decode = decode };
