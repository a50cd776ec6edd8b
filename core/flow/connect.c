#include "flow/connect.h"

#include <stdlib.h>

enum {
	ROW_DEPTH = 1,     /* payload, then before, after and source: their members are wanted */
	SCHEMA_DEPTH = 16, /* a column's parameters lie at 5 */
};

struct payload {
	const struct json_node *schema, *payload;
};

static void schema_free(struct connect_schema *schema)
{
	if (!schema)
		return;
	arena_free(&schema->arena);
	free(schema);
}

void connect_deinit(struct connect_side *side)
{
	for (int i = 0; i < CONNECT_KNOWN; i++)
		schema_free(side->known[i]);
	*side = (struct connect_side){ 0 };
}

static int64_t parameter(const struct json_node *nodes, const struct json_node *field, const char *name)
{
	const struct json_node *parameters = json_member(nodes, field, "parameters");
	const struct json_node *found = parameters ? json_member(nodes, parameters, name) : NULL;
	struct value value;
	int64_t number;

	if (!found)
		return 0;
	value = found->value;
	value.kind = VALUE_NUMBER; /* they are written as strings */
	return value_is_integer(&value, &number) ? number : 0;
}

static bool begins_with(struct slice text, const char *prefix)
{
	size_t n = strlen(prefix);

	return text.n >= n && memcmp(text.p, prefix, n) == 0;
}

enum meaning connect_meaning(struct slice name)
{
	static const struct {
		const char *name;
		uint8_t meaning;
	} names[] = {
		{ "io.debezium.time.Date", MEANING_DAYS },
		{ "io.debezium.time.Timestamp", MEANING_DATETIME_MS },
		{ "io.debezium.time.MicroTimestamp", MEANING_DATETIME_US },
		{ "io.debezium.time.NanoTimestamp", MEANING_DATETIME_NS },
		{ "io.debezium.time.Time", MEANING_TIME_MS },
		{ "io.debezium.time.MicroTime", MEANING_TIME_US },
		{ "io.debezium.time.NanoTime", MEANING_TIME_NS },
		{ "io.debezium.time.ZonedTimestamp", MEANING_ZONED },
		{ "io.debezium.time.ZonedTime", MEANING_ISO },
		{ "io.debezium.time.IsoDate", MEANING_ISO },
		{ "io.debezium.time.IsoTime", MEANING_ISO },
		{ "io.debezium.time.IsoTimestamp", MEANING_ISO },
		{ "io.debezium.time.StructuredDate", MEANING_ISO },
		{ "io.debezium.time.StructuredTime", MEANING_ISO },
		{ "io.debezium.time.StructuredDuration", MEANING_ISO },
		{ "io.debezium.time.StructuredTimestamp", MEANING_ISO },
		{ "io.debezium.time.StructuredZonedTime", MEANING_ISO },
		{ "io.debezium.time.StructuredZonedTimestamp", MEANING_ZONED },
		{ "org.apache.kafka.connect.data.Date", MEANING_DAYS },
		{ "org.apache.kafka.connect.data.Time", MEANING_TIME_MS },
		{ "org.apache.kafka.connect.data.Timestamp", MEANING_DATETIME_MS },
		{ "org.apache.kafka.connect.data.Decimal", MEANING_DECIMAL },
		{ "io.debezium.data.VariableScaleDecimal", MEANING_DECIMAL },
		{ "io.debezium.data.Bits", MEANING_BITS },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_is(name, names[i].name))
			return (enum meaning)names[i].meaning;
	return begins_with(name, "io.debezium.data.geometry.") ? MEANING_GEOMETRY : MEANING_PLAIN;
}

/* What a field's values mean: by the name of its type, which says more than the type that carries it. */
static struct reading meaning_of(const struct json_node *nodes, const struct json_node *field)
{
	const struct json_node *name = json_member(nodes, field, "name"), *type = json_member(nodes, field, "type");
	struct reading reading = { .meaning = MEANING_PLAIN };

	if (name && name->value.kind == VALUE_TEXT)
		reading.meaning = (uint8_t)connect_meaning((struct slice){ name->value.p, name->value.n });
	if (reading.meaning == MEANING_PLAIN && type && type->value.kind == VALUE_TEXT &&
	    slice_is((struct slice){ type->value.p, type->value.n }, "bytes"))
		reading.meaning = MEANING_BASE64;
	if (reading.meaning == MEANING_DECIMAL)
		reading.scale = (int16_t)parameter(nodes, field, "scale");
	if (reading.meaning == MEANING_BITS)
		reading.length = (int32_t)parameter(nodes, field, "length");
	return reading;
}

/* The "fields" of the struct that rows are: of the schema itself, or of its field "after" (else "before") in an envelope. */
static const struct json_node *row_fields(const struct json_node *nodes)
{
	const struct json_node *fields = json_member(nodes, nodes, "fields"), *after = NULL, *before = NULL;

	if (!fields || !fields->expanded || fields->object)
		return NULL;
	for (const struct json_node *field = fields + 1; field < nodes + fields->end; field = nodes + field->end) {
		const struct json_node *name = json_member(nodes, field, "field"), *inner = json_member(nodes, field, "fields");

		if (!name || name->value.kind != VALUE_TEXT || !inner || !inner->expanded || inner->object)
			continue;
		if (slice_is((struct slice){ name->value.p, name->value.n }, "after"))
			after = inner;
		if (slice_is((struct slice){ name->value.p, name->value.n }, "before"))
			before = inner;
	}
	return after ? after : before ? before : fields;
}

static int read_schema(struct connect_schema *schema, struct decoder *decoder, struct slice text, struct error *err)
{
	const struct json_node *nodes, *fields;
	struct column *columns;
	uint32_t count = 0;

	if (json_read(decoder->json, text, SCHEMA_DEPTH, NULL, decoder->arena, &nodes, err) < 0)
		return -1;
	fields = row_fields(nodes);
	if (!fields)
		return 0;
	columns = arena_alloc(&schema->arena, (nodes + fields->end - fields) * sizeof *columns);
	for (const struct json_node *field = fields + 1; field < nodes + fields->end; field = nodes + field->end) {
		const struct json_node *name = json_member(nodes, field, "field");

		if (!name || name->value.kind != VALUE_TEXT)
			continue;
		columns[count].name = arena_copy(&schema->arena, (struct slice){ name->value.p, name->value.n });
		columns[count++].declared = meaning_of(nodes, field);
	}
	schema->columns.declared = columns;
	schema->columns.declared_count = count;
	return 0;
}

/* Moves the schema at this place, or a new one that drops the oldest, to the front. */
static void to_front(struct connect_side *side, struct connect_schema *schema, int place)
{
	if (place == CONNECT_KNOWN) {
		schema_free(side->known[CONNECT_KNOWN - 1]);
		place = CONNECT_KNOWN - 1;
	}
	for (; place > 0; place--)
		side->known[place] = side->known[place - 1];
	side->known[0] = schema;
}

/* The payload, where all text around it has been seen before. What is read before and behind a payload stands for itself: around any
 * one JSON value it makes a whole message with the same schema. */
static struct connect_schema *find_known(struct connect_side *side, struct slice text, struct slice *payload)
{
	for (int i = 0; i < CONNECT_KNOWN && side->known[i]; i++) {
		struct connect_schema *schema = side->known[i];
		size_t around = schema->prefix.n + schema->suffix.n;

		if (text.n > around && memcmp(text.p, schema->prefix.p, schema->prefix.n) == 0 &&
		    memcmp(text.p + text.n - schema->suffix.n, schema->suffix.p, schema->suffix.n) == 0) {
			*payload = (struct slice){ text.p + schema->prefix.n, text.n - around };
			to_front(side, schema, i);
			return schema;
		}
	}
	return NULL;
}

/* Whether this is a payload in its wrapping: nothing else stands beside them, or the payload is an envelope. A row can have columns
 * of these names too. */
static bool is_wrapped(const struct json_node *nodes, struct payload *found)
{
	uint32_t others = 0;

	*found = (struct payload){ 0 };
	if (nodes->value.kind != VALUE_JSON || !nodes->object)
		return false;
	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		if (slice_is(node->name, "schema"))
			found->schema = node;
		else if (slice_is(node->name, "payload"))
			found->payload = node;
		else
			others++;
	}
	if (!found->payload)
		return false;
	return (found->schema && others == 0) || json_member(nodes, found->payload, "op");
}

int connect_read(struct connect_side *side, struct decoder *decoder, struct slice text, const struct json_node **nodes,
		 struct image_columns **columns, struct error *err)
{
	struct connect_schema *schema;
	struct slice payload, schema_text;
	struct payload found;

	schema = find_known(side, text, &payload);
	if (schema && json_read(decoder->json, payload, ROW_DEPTH, NULL, decoder->arena, nodes, NULL) > 0) {
		*columns = &schema->columns;
		return 0;
	}
	if (json_read(decoder->json, text, ROW_DEPTH, "schema", decoder->arena, nodes, err) < 0)
		return -1;
	*columns = &side->bare;
	if (!is_wrapped(*nodes, &found))
		return 0;
	/* What nodes point to is the message, which stays; the nodes are gone with the next json_read. */
	if (found.payload->value.kind != VALUE_JSON) {
		*nodes = found.payload;
		return 0;
	}
	payload = (struct slice){ found.payload->value.p, found.payload->value.n };
	schema_text = found.schema ? (struct slice){ found.schema->value.p, found.schema->value.n } : SLICE("null");
	schema = calloc(1, sizeof *schema);
	BUG_IF(!schema);
	schema->prefix = arena_copy(&schema->arena, (struct slice){ text.p, (size_t)(payload.p - text.p) });
	schema->suffix = arena_copy(&schema->arena, (struct slice){ payload.p + payload.n, (size_t)(text.p + text.n - payload.p - payload.n) });
	if ((found.schema && found.schema->value.kind == VALUE_JSON && read_schema(schema, decoder, schema_text, err) < 0) ||
	    json_read(decoder->json, payload, ROW_DEPTH, NULL, decoder->arena, nodes, err) < 0) {
		schema_free(schema);
		return -1;
	}
	to_front(side, schema, CONNECT_KNOWN);
	*columns = &schema->columns;
	return 0;
}
