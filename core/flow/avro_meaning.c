#include "flow/avro_meaning.h"

#include "flow/connect.h"

static struct slice member_text(const struct json_node *nodes, const struct json_node *node, const char *name)
{
	const struct json_node *found = json_member(nodes, node, name);

	return found && found->value.kind == VALUE_TEXT ? (struct slice){ found->value.p, found->value.n } : (struct slice){ 0 };
}

static int64_t whole(const struct json_node *node, int64_t otherwise)
{
	struct value value;
	int64_t number;

	if (!node || (node->value.kind != VALUE_NUMBER && node->value.kind != VALUE_TEXT))
		return otherwise;
	value = node->value;
	value.kind = VALUE_NUMBER; /* parameters are written as texts */
	return value_is_integer(&value, &number) && number == (int16_t)number ? number : otherwise;
}

static enum meaning logical_meaning(struct slice name)
{
	static const struct {
		const char *name;
		uint8_t meaning;
	} names[] = {
		{ "decimal", MEANING_DECIMAL },
		{ "date", MEANING_DAYS },
		{ "time-millis", MEANING_TIME_MS },
		{ "time-micros", MEANING_TIME_US },
		{ "timestamp-millis", MEANING_DATETIME_MS },
		{ "timestamp-micros", MEANING_DATETIME_US },
		{ "timestamp-nanos", MEANING_DATETIME_NS },
		{ "local-timestamp-millis", MEANING_DATETIME_MS },
		{ "local-timestamp-micros", MEANING_DATETIME_US },
		{ "local-timestamp-nanos", MEANING_DATETIME_NS },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (slice_is(name, names[i].name))
			return (enum meaning)names[i].meaning;
	return MEANING_PLAIN;
}

/* TiCDC names the column's type, and writes times as texts. */
static enum meaning tidb_meaning(struct slice name)
{
	if (slice_is(name, "TIMESTAMP"))
		return MEANING_ZONED;
	if (slice_is(name, "DATE") || slice_is(name, "DATETIME") || slice_is(name, "TIME"))
		return MEANING_ISO;
	if (slice_is(name, "BIT"))
		return MEANING_BITS;
	return slice_is(name, "BIGINT UNSIGNED") ? MEANING_UNSIGNED : MEANING_PLAIN;
}

static bool carries(const struct avro_type *type, enum meaning meaning)
{
	bool bytes = type->kind == AVRO_BYTES || type->kind == AVRO_FIXED;
	bool number = type->kind == AVRO_INT || type->kind == AVRO_LONG;

	switch (meaning) {
	case MEANING_DECIMAL:
		return bytes || type->kind == AVRO_RECORD;
	case MEANING_BITS:
		return bytes;
	case MEANING_ZONED:
	case MEANING_ISO:
		return type->kind == AVRO_STRING || type->kind == AVRO_RECORD; /* time.precision.mode=structured */
	case MEANING_GEOMETRY:
		return type->kind == AVRO_RECORD;
	case MEANING_UNSIGNED:
		return number || type->kind == AVRO_STRING;
	default:
		return number;
	}
}

bool avro_read_meaning(const struct json_node *nodes, const struct json_node *node, struct avro_type *type)
{
	const struct json_node *parameters = json_member(nodes, node, "connect.parameters");
	struct slice tidb = parameters ? member_text(nodes, parameters, "tidb_type") : (struct slice){ 0 };
	enum meaning meaning = connect_meaning(member_text(nodes, node, "connect.name"));

	if (tidb.n) {
		meaning = tidb_meaning(tidb);
		type->reversed = meaning == MEANING_BITS;
	}
	if (meaning == MEANING_PLAIN)
		meaning = logical_meaning(member_text(nodes, node, "logicalType"));
	if (meaning == MEANING_PLAIN || !carries(type, meaning))
		return tidb.n > 0;
	type->reading = (struct reading){ .meaning = (uint8_t)meaning };
	if (meaning == MEANING_DECIMAL)
		type->reading.scale = (int16_t)whole(json_member(nodes, node, "scale"),
						     parameters ? whole(json_member(nodes, parameters, "scale"), 0) : 0);
	if (meaning == MEANING_BITS && parameters)
		type->reading.length = (int32_t)whole(json_member(nodes, parameters, "length"), 0);
	return tidb.n > 0;
}

static const struct avro_type *record_in(const struct avro_type *type)
{
	for (uint32_t i = 0; type->kind == AVRO_UNION && i < type->count; i++)
		if (type->branches[i]->kind == AVRO_RECORD)
			return type->branches[i];
	return type->kind == AVRO_RECORD ? type : NULL;
}

static const struct avro_field *field_of(const struct avro_type *record, const char *name)
{
	for (uint32_t i = 0; i < record->count; i++)
		if (slice_is(record->fields[i].name, name))
			return &record->fields[i];
	return NULL;
}

static enum avro_mark mark_of(struct slice name, bool envelope)
{
	if (envelope)
		return slice_is(name, "before") || slice_is(name, "after") || slice_is(name, "source") ? AVRO_NESTED : AVRO_COLUMN;
	if (slice_is(name, "_tidb_op"))
		return AVRO_TIDB_OP;
	if (slice_is(name, "_tidb_commit_ts"))
		return AVRO_TIDB_TIME;
	return slice_is(name, "_tidb_commit_physical_time") || slice_is(name, "_tidb_row_level_checksum") || slice_is(name, "_tidb_corrupted") ||
			       slice_is(name, "_tidb_checksum_version")
		       ? AVRO_TIDB_OTHER
		       : AVRO_COLUMN;
}

void avro_read_root(struct avro_schema *schema)
{
	const struct avro_type *root = record_in(schema->root), *row = root;
	struct column *columns;
	bool envelope;

	if (!root)
		return;
	const struct avro_field *op = field_of(root, "op"), *after = field_of(root, "after"), *before = field_of(root, "before");

	envelope = op && (after || before);
	if (envelope)
		row = record_in(after ? after->type : before->type);
	for (uint32_t i = 0; i < root->count; i++)
		root->fields[i].mark = (uint8_t)mark_of(root->fields[i].name, envelope);
	schema->is_tidb |= field_of(root, "_tidb_op") != NULL;
	schema->tidb_database = avro_namespace(root->name);
	schema->tidb_table = root->name;
	if (schema->tidb_database.p) {
		struct slice outer = avro_namespace(schema->tidb_database);

		schema->tidb_table.p += schema->tidb_database.n + 1;
		schema->tidb_table.n -= schema->tidb_database.n + 1;
		if (outer.p)
			schema->tidb_database = (struct slice){ outer.p + outer.n + 1, schema->tidb_database.n - outer.n - 1 };
	}
	if (!row)
		return;
	columns = arena_alloc(&schema->arena, (row->count + 1) * sizeof *columns);
	for (uint32_t i = 0; i < row->count; i++)
		columns[i] = (struct column){ .name = row->fields[i].name, .declared = row->fields[i].type->reading };
	schema->columns.declared = columns;
	schema->columns.declared_count = row->count;
}
