#include "flow/debezium_flat.h"

#include "flow/guess.h"

/* What was added to a row, as columns or as headers. */
struct added {
	struct slice database, schema, table, op;
	bool deleted;
	int64_t time_ms;
};

/* Header converters write text bare or as JSON. */
static struct slice unquoted(struct slice text)
{
	if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
		return (struct slice){ text.p + 1, text.n - 2 };
	return text;
}

static void from_headers(const struct message *message, struct added *added)
{
	const struct {
		const char *name;
		struct slice *to;
	} wanted[] = {
		{ "__source_db", &added->database },
		{ "__db", &added->database },
		{ "__source_schema", &added->schema },
		{ "__schema", &added->schema },
		{ "__table", &added->table },
		{ "__source_table", &added->table },
		{ "__op", &added->op },
	};

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted && message->header_count > 0; i++) {
		const struct header *header = message_header(message, wanted[i].name);

		if (header && header->value.p && header->value.n > 0)
			*wanted[i].to = unquoted(header->value);
	}
}

static void from_columns(const struct json_node *nodes, struct added *added)
{
	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		struct slice text = { node->value.p, node->value.n };
		bool is_text = node->value.kind == VALUE_TEXT;

		if (node->name.n < 4 || node->name.p[0] != '_' || node->name.p[1] != '_')
			continue;
		if (slice_is(node->name, "__deleted"))
			added->deleted = node->value.kind == VALUE_TRUE || (is_text && slice_is(text, "true"));
		else if (slice_is(node->name, "__source_ts_ms"))
			value_is_integer(&node->value, &added->time_ms);
		else if (is_text && slice_is(node->name, "__op"))
			added->op = text;
		else if (is_text && (slice_is(node->name, "__db") || slice_is(node->name, "__source_db")))
			added->database = text;
		else if (is_text && (slice_is(node->name, "__schema") || slice_is(node->name, "__source_schema")))
			added->schema = text;
		else if (is_text && (slice_is(node->name, "__table") || slice_is(node->name, "__source_table")))
			added->table = text;
	}
}

static struct event *add(struct decoder *decoder, const struct message *message, const struct topic *topic, const struct added *added, enum op op)
{
	struct event *event = decoder_add(decoder, message);

	event->op = (uint8_t)op;
	event->table = added->table.p ? added->table : topic->table;
	event->database = added->schema.p && added->schema.n > 0 ? added->schema : added->database.p ? added->database : topic->database;
	event->time_ms = added->time_ms;
	event->unnamed = !added->table.p;
	return event;
}

static int op_of(const struct added *added, enum op *op, struct error *err)
{
	if (added->deleted || slice_is(added->op, "d"))
		*op = OP_DELETE;
	else if (!added->op.p || slice_is(added->op, "c"))
		*op = OP_INSERT;
	else if (slice_is(added->op, "u"))
		*op = OP_UPDATE;
	else if (slice_is(added->op, "r"))
		*op = OP_SNAPSHOT;
	else if (slice_is(added->op, "t"))
		*op = OP_TRUNCATE;
	else
		return error_set(err, "\"__op\" is \"%.*s\", which is none of c, u, d, r, t", SLICE_ARG(added->op));
	return 0;
}

int debezium_flat_row(struct decoder *decoder, const struct message *message, const struct topic *topic, const struct json_node *nodes,
		      struct image_columns *columns, const struct image *key, struct error *err)
{
	struct added added = { 0 };
	struct image row;
	struct event *event;
	enum op op = OP_INSERT;
	enum guess guess;

	from_headers(message, &added);
	from_columns(nodes, &added);
	guess = guess_of_object(nodes);
	/* A row can have columns by the names of the envelope's members. */
	if (guess != GUESS_DEBEZIUM && guess_refuse(guess, err) < 0)
		return -1;
	if (op_of(&added, &op, err) < 0 || image_read(decoder, nodes, nodes, true, columns, &row, err) < 0)
		return -1;
	if (unavailable_drop(&decoder->options.unavailable, &row) && (op == OP_INSERT || op == OP_SNAPSHOT)) {
		if (added.op.p)
			return error_set(err, "an insert holds a value that its source did not have (unavailable.value.placeholder)");
		op = OP_UPDATE; /* it does not say its op: but only an update leaves out what did not change */
	}
	event = add(decoder, message, topic, &added, op);
	if (op != OP_TRUNCATE)
		event->row = row;
	event->key = *key;
	return 0;
}

void debezium_flat_delete(struct decoder *decoder, const struct message *message, const struct topic *topic, const struct image *key)
{
	struct added added = { 0 };
	struct event *event;

	from_headers(message, &added);
	event = add(decoder, message, topic, &added, OP_DELETE);
	event->row = *key;
	event->key = *key;
}
