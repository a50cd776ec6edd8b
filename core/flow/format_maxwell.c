/* Maxwell's messages: a row as it is now in "data", and in "old" what of it was different before. */
#include <stdlib.h>

#include "flow/integer_key.h"
#include "flow/known.h"

struct maxwell {
	struct known_tables *tables;
	struct integer_key last_key;
	struct known_table *last_key_table;
};

/* The members of a message. */
struct parts {
	const struct json_node *database, *table, *type, *ts, *data, *old, *key_columns, *reason, *encrypted;
};

static void *open_maxwell(struct decoder *decoder)
{
	struct maxwell *maxwell = calloc(1, sizeof *maxwell);

	(void)decoder;
	BUG_IF(!maxwell);
	maxwell->tables = known_tables_new();
	return maxwell;
}

static void close_maxwell(void *state)
{
	struct maxwell *maxwell = state;

	known_tables_free(maxwell->tables);
	free(maxwell);
}

static struct slice text_of(const struct json_node *node)
{
	return node && node->value.kind == VALUE_TEXT ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
}

static bool is_object(const struct json_node *node)
{
	return node && node->value.kind == VALUE_JSON && node->object;
}

static struct parts find_parts(const struct json_node *nodes)
{
	struct parts found = { 0 };

	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		struct slice name = node->name;

		if (slice_is(name, "database"))
			found.database = node;
		else if (slice_is(name, "table"))
			found.table = node;
		else if (slice_is(name, "type"))
			found.type = node;
		else if (slice_is(name, "ts"))
			found.ts = node;
		else if (slice_is(name, "data"))
			found.data = node;
		else if (slice_is(name, "old"))
			found.old = node;
		else if (slice_is(name, "primary_key_columns"))
			found.key_columns = node;
		else if (slice_is(name, "reason"))
			found.reason = node;
		else if (slice_is(name, "encrypted"))
			found.encrypted = node;
	}
	return found;
}

static int op_of(const struct parts *in, enum op *op, struct error *err)
{
	static const struct {
		const char *type;
		enum op op;
	} ops[] = {
		{ "insert", OP_INSERT },           { "update", OP_UPDATE },
		{ "delete", OP_DELETE },           { "bootstrap-insert", OP_SNAPSHOT },
		{ "bootstrap-start", OP_CONTROL }, { "bootstrap-complete", OP_CONTROL },
		{ "table-create", OP_DDL },        { "table-alter", OP_DDL },
		{ "table-drop", OP_DDL },          { "database-create", OP_DDL },
		{ "database-alter", OP_DDL },      { "database-drop", OP_DDL },
	};
	struct slice type = text_of(in->type);

	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		if (slice_is(type, ops[i].type)) {
			*op = ops[i].op;
			return 0;
		}
	}
	if (!type.p)
		return error_set(err, in->encrypted ? "the message is encrypted" : "there is no \"type\"");
	return error_set(err, "\"type\" is \"%.*s\", which is no change that is known", SLICE_ARG(type));
}

/* What old has and data has not was a value and is NULL now, where NULLs are left out. With absent = "null" that holds for all that the
 * row ever had. */
static void fill_nulls(const struct decoder *decoder, const struct known_row *row)
{
	bool all = decoder->options.readings.absent_is_null;

	for (uint32_t i = 0; i < row->column_count; i++) {
		if (!VALUE_IS_SET(&row->row[i]) && (all || (row->old && VALUE_IS_SET(&row->old[i]))))
			row->row[i] = (struct value){ .kind = VALUE_NULL };
		if (all && row->old && !VALUE_IS_SET(&row->old[i]))
			row->old[i] = (struct value){ .kind = VALUE_NULL };
	}
}

static int read_images(struct decoder *decoder, const struct json_node *nodes, const struct parts *in, struct known_table *table, struct event *event,
		       uint32_t *count, struct error *err)
{
	bool has_old = event->op == OP_UPDATE && is_object(in->old);
	bool says_old = has_old && in->old->end > in->old - nodes + 1u;
	struct known_row row;

	known_row_begin(&row, decoder, table, (size_t)(in->data->end - (in->data - nodes)) + (has_old ? in->old->end - (in->old - nodes) : 0));
	known_row_read(&row, decoder, nodes, in->data);
	if (row.count == 0)
		return error_set(err, "\"data\" holds no columns");
	if (has_old) {
		known_row_begin_old(&row, decoder);
		known_row_read(&row, decoder, nodes, in->old);
	}
	*count = row.count;
	fill_nulls(decoder, &row);
	if (known_row_images(&row, decoder, &event->row, &event->old, err) < 0)
		return -1;
	/* With nothing in `old` nothing was changed, or the source logs no more than what was. */
	if (event->op == OP_UPDATE && !says_old && !decoder->options.readings.absent_is_null)
		event->row.state = IMAGE_PARTIAL;
	return 0;
}

/* ---- the key, which by default only the record's key names ---- */

/* {"database":"d","table":"t","pk.id":1} */
static uint32_t names_of_hash(const struct json_node *nodes, struct slice *names)
{
	uint32_t count = 0;

	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end && count < IMAGE_PICK_MOST; node = nodes + node->end)
		if (node->name.n > 3 && memcmp(node->name.p, "pk.", 3) == 0)
			names[count++] = (struct slice){ node->name.p + 3, node->name.n - 3 };
	return count;
}

/* ["d","t",[{"id":1},{"other":2}]] */
static uint32_t names_of_array(const struct json_node *nodes, struct slice *names)
{
	uint32_t count = 0, place = 0;

	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end, place++) {
		if (place != 2 || node->value.kind != VALUE_JSON || node->object || !node->expanded)
			continue;
		for (const struct json_node *one = node + 1; one < nodes + node->end; one = nodes + one->end)
			if (is_object(one) && one->expanded)
				for (const struct json_node *column = one + 1; column < nodes + one->end && count < IMAGE_PICK_MOST;
				     column = nodes + column->end)
					names[count++] = column->name;
	}
	return count;
}

/* The only number in a key; p is NULL where there is none, or more than one. */
static struct slice only_number(const struct json_node *nodes)
{
	struct slice found = { 0 };

	for (const struct json_node *node = nodes; node < nodes + nodes->end; node++) {
		if (node->value.kind != VALUE_NUMBER)
			continue;
		if (found.p)
			return (struct slice){ 0 };
		found = (struct slice){ node->value.p, node->value.n };
	}
	return found;
}

/* Names from the record's key, values from before the event: the record's key has those from behind it. A key that is something else
 * is as good as none. */
static int key_from_record(struct decoder *decoder, struct known_table *table, struct slice key, struct error *err)
{
	struct maxwell *maxwell = decoder->state;
	struct slice names[IMAGE_PICK_MOST], number = { 0 };
	const struct json_node *nodes;
	uint32_t count = 0;

	if (maxwell->last_key_table == table && integer_key_matches(&maxwell->last_key, key, &number)) {
		table->key = maxwell->last_key.shape;
		return 0;
	}
	if (key.n > 0 && json_read(decoder->json, key, 3, NULL, decoder->arena, &nodes, NULL) >= 0 && nodes->value.kind == VALUE_JSON) {
		count = nodes->object ? names_of_hash(nodes, names) : names_of_array(nodes, names);
		number = count ? only_number(nodes) : number;
	}
	if (known_set_key(table, decoder, names, count, err) < 0)
		return -1;
	integer_key_learn(&maxwell->last_key, key, table->key, number);
	maxwell->last_key_table = table;
	return 0;
}

static int read_key(struct decoder *decoder, const struct json_node *nodes, const struct parts *in, struct known_table *table, struct event *event,
		    uint32_t count, struct error *err)
{
	const struct image *before = event->old.state != IMAGE_ABSENT ? &event->old : &event->row;

	/* The nodes of the value end here. */
	if (in->key_columns ? known_read_key(table, decoder, nodes, in->key_columns, err) < 0
			    : key_from_record(decoder, table, event->message->key, err) < 0)
		return -1;
	known_pick_key(table, decoder, before, &event->key);
	if (event->op == OP_DELETE && event->key.state != IMAGE_ABSENT && count == event->key.shape->count)
		event->row.state = IMAGE_KEY_ONLY;
	return 0;
}

static int decode_row(struct decoder *decoder, const struct json_node *nodes, const struct parts *in, struct event *event, struct error *err)
{
	struct known_table *table;
	uint32_t count = 0;

	if (in->reason)
		return error_set(err, "a message that could not be sent, without its row (\"reason\" is %.*s)",
				 SLICE_ARG(value_show(&in->reason->value, decoder->arena)));
	if (in->encrypted)
		return error_set(err, "the row is encrypted");
	if (!is_object(in->data))
		return error_set(err, "\"data\" is %.*s, not a row",
				 SLICE_ARG(in->data ? value_show(&in->data->value, decoder->arena) : SLICE("missing")));
	if (in->old && !is_object(in->old) && in->old->value.kind != VALUE_NULL)
		return error_set(err, "\"old\" is %.*s, not a row", SLICE_ARG(value_show(&in->old->value, decoder->arena)));
	table = known_tables_get(((struct maxwell *)decoder->state)->tables, event->database, event->table, err);
	if (!table || read_images(decoder, nodes, in, table, event, &count, err) < 0)
		return -1;
	return read_key(decoder, nodes, in, table, event, count, err);
}

static int decode_message(struct decoder *decoder, const struct message *message, struct error *err)
{
	const struct json_node *nodes;
	struct event *event;
	struct parts in;
	enum op op = OP_CONTROL;

	/* Nothing without a value is Maxwell's own. */
	if (message->value.n == 0) {
		decoder_add(decoder, message)->op = OP_CONTROL;
		return 0;
	}
	if (json_read(decoder->json, message->value, 1, NULL, decoder->arena, &nodes, err) < 0)
		return -1;
	if (!is_object(nodes))
		return error_set(err, "a change is a JSON object, not %.*s", SLICE_ARG(value_show(&nodes->value, decoder->arena)));
	in = find_parts(nodes);
	if (op_of(&in, &op, err) < 0)
		return -1;
	event = decoder_add(decoder, message);
	event->op = (uint8_t)op;
	event->database = text_of(in.database);
	event->table = text_of(in.table);
	/* Of rows in seconds, of schema changes in milliseconds. */
	if (in.ts && value_is_integer(&in.ts->value, &event->time_ms) && op != OP_DDL &&
	    __builtin_mul_overflow(event->time_ms, 1000, &event->time_ms))
		return error_set(err, "\"ts\" is no time");
	if (op == OP_CONTROL || op == OP_DDL)
		return 0;
	format_name_event(event);
	return decode_row(decoder, nodes, &in, event, err);
}

static int decode(struct decoder *decoder, const struct message *message, struct error *err)
{
	struct event **end = decoder->end;

	if (decode_message(decoder, message, err) == 0)
		return 0;
	*end = NULL;
	decoder->end = end;
	return -1;
}

const struct format format_maxwell = {
	.name = "maxwell", .plain = true, .capture = CAPTURE_MAXWELL, .open = open_maxwell, .close = close_maxwell, .decode = decode
};
