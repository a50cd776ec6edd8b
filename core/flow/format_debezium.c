/* Debezium's messages: row changes in their envelope, with or without a schema around it, and what else its topics carry. */
#include "flow/debezium.h"
#include "flow/debezium_flat.h"

/* The members of a message that tell what it is. */
struct envelope {
	const struct json_node *op, *before, *after, *source, *ts_ms;
	const struct json_node *ddl, *table_changes, *status, *data_collections;
	uint32_t count;  /* of all members */
	uint32_t timely; /* of them: ts_ms, ts_us, ts_ns */
	uint32_t marks;  /* of them: those of a transaction's begin or end */
};

struct origin {
	struct slice database, table;
	int64_t time_ms;
	bool snapshot;
};

static void *open_debezium(struct decoder *decoder)
{
	(void)decoder;
	return topics_new();
}

static void close_debezium(void *state)
{
	topics_free(state);
}

static struct slice text_of(const struct json_node *node)
{
	return node && node->value.kind == VALUE_TEXT ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
}

static bool is_object(const struct json_node *node)
{
	return node && node->value.kind == VALUE_JSON && node->object;
}

static struct envelope find_members(const struct json_node *nodes)
{
	struct envelope found = { 0 };

	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		struct slice name = node->name;

		found.count++;
		if (slice_is(name, "op"))
			found.op = node;
		else if (slice_is(name, "before"))
			found.before = node;
		else if (slice_is(name, "after"))
			found.after = node;
		else if (slice_is(name, "source"))
			found.source = node;
		else if (slice_is(name, "ts_ms"))
			found.ts_ms = node, found.timely++, found.marks++;
		else if (slice_is(name, "ts_us") || slice_is(name, "ts_ns"))
			found.timely++, found.marks++;
		else if (slice_is(name, "ddl"))
			found.ddl = node;
		else if (slice_is(name, "tableChanges"))
			found.table_changes = node;
		else if (slice_is(name, "status"))
			found.status = node, found.marks++;
		else if (slice_is(name, "data_collections"))
			found.data_collections = node, found.marks++;
		else if (slice_is(name, "id") || slice_is(name, "event_count"))
			found.marks++;
	}
	return found;
}

/* An op alone makes no envelope: a flat row can have a column of that name. */
static bool is_envelope(const struct envelope *in)
{
	bool images = is_object(in->before) || is_object(in->after) || (in->before && in->after);

	return (in->op && (images || is_object(in->source))) || (is_object(in->source) && images);
}

static bool is_ddl(const struct envelope *in)
{
	return !in->op && in->ddl && (in->table_changes || is_object(in->source));
}

/* A heartbeat is its time and nothing else; a transaction's mark holds only what marks hold, and all of that: a flat row can have an
 * id and a status. */
static bool is_control(const struct envelope *in, struct slice topic)
{
	static const struct slice heartbeats = SLICE("__debezium-heartbeat");
	struct slice status = text_of(in->status);

	if (topic.n >= heartbeats.n && memcmp(topic.p, heartbeats.p, heartbeats.n) == 0)
		return true;
	if (in->count > 0 && in->timely == in->count)
		return true;
	return in->data_collections && in->marks == in->count && (slice_is(status, "BEGIN") || slice_is(status, "END"));
}

static struct origin read_origin(const struct json_node *nodes, const struct envelope *in)
{
	struct origin origin = { 0 };
	struct slice schema = { 0 };

	if (is_object(in->source)) {
		for (const struct json_node *node = in->source + 1; node < nodes + in->source->end; node = nodes + node->end) {
			if (slice_is(node->name, "db"))
				origin.database = text_of(node);
			else if (slice_is(node->name, "table"))
				origin.table = text_of(node);
			else if (slice_is(node->name, "schema"))
				schema = text_of(node);
			else if (slice_is(node->name, "ts_ms"))
				value_is_integer(&node->value, &origin.time_ms);
			else if (slice_is(node->name, "snapshot"))
				origin.snapshot = node->value.kind == VALUE_TRUE ||
						  (node->value.kind == VALUE_TEXT && !slice_is(text_of(node), "false"));
		}
	}
	/* What is a database here is called a schema by PostgreSQL, SQL Server and Oracle. */
	if (schema.n > 0)
		origin.database = schema;
	/* Old snapshots have 0. */
	if (origin.time_ms == 0 && in->ts_ms)
		value_is_integer(&in->ts_ms->value, &origin.time_ms);
	return origin;
}

static int op_of(const struct envelope *in, const struct origin *origin, enum op *op, struct error *err)
{
	struct slice text = text_of(in->op);

	if (text.n != 1)
		goto unknown;
	switch (*text.p) {
	case 'c':
		*op = origin->snapshot ? OP_SNAPSHOT : OP_INSERT;
		return 0;
	case 'r':
		*op = OP_SNAPSHOT;
		return 0;
	case 'u':
		*op = OP_UPDATE;
		return 0;
	case 'd':
		*op = OP_DELETE;
		return 0;
	case 't':
		*op = OP_TRUNCATE;
		return 0;
	case 'm':
		*op = OP_CONTROL;
		return 0;
	}
unknown:
	if (!in->op)
		return error_set(err, "there is no \"op\" beside \"source\"");
	return error_set(err, "\"op\" is \"%.*s\", which is none of c, u, d, r, t, m", SLICE_ARG(text));
}

/* An image that has to be an object or, where it may be missing, null. */
static int read_image(struct decoder *decoder, const struct json_node *nodes, const struct json_node *node, const char *name, bool needed,
		      struct image_columns *columns, struct image *image, struct error *err)
{
	if (is_object(node))
		return image_read(decoder, nodes, node, false, columns, image, err) < 0 ? error_prefix(err, "\"%s\"", name) : 0;
	if (needed || (node && node->value.kind != VALUE_NULL))
		return error_set(err, "\"%s\" is %.*s, not a row", name,
				 SLICE_ARG(node ? value_show(&node->value, decoder->arena) : SLICE("missing")));
	return 0;
}

static int read_images(struct decoder *decoder, const struct json_node *nodes, const struct envelope *in, struct image_columns *columns,
		       struct event *event, struct error *err)
{
	struct image *before = event->op == OP_DELETE ? &event->row : event->op == OP_UPDATE ? &event->old : NULL;

	if (event->op != OP_DELETE && read_image(decoder, nodes, in->after, "after", true, columns, &event->row, err) < 0)
		return -1;
	if (before && read_image(decoder, nodes, in->before, "before", false, columns, before, err) < 0)
		return -1;
	/* What the row has had, and what is said of its columns, tell that there are more of them. */
	if (event->op == OP_UPDATE && (event->row.shape->count < columns->declared_count ||
				       (event->old.state != IMAGE_ABSENT && event->row.shape->count < event->old.shape->count)))
		event->row.state = IMAGE_PARTIAL;
	unavailable_drop(&decoder->options.unavailable, &event->old);
	if (unavailable_drop(&decoder->options.unavailable, &event->row) && (event->op == OP_INSERT || event->op == OP_SNAPSHOT))
		return error_set(err, "an insert holds a value that its source did not have (unavailable.value.placeholder)");
	return 0;
}

static int decode_envelope(struct decoder *decoder, const struct message *message, struct topic *topic, const struct json_node *nodes,
			   const struct envelope *in, struct image_columns *columns, const struct image *key, struct error *err)
{
	struct origin origin = read_origin(nodes, in);
	const struct image *before;
	struct event *event;
	enum op op;

	if (op_of(in, &origin, &op, err) < 0)
		return -1;
	event = decoder_add(decoder, message);
	event->op = (uint8_t)op;
	event->database = origin.database;
	event->table = origin.table;
	event->time_ms = origin.time_ms;
	if (op != OP_CONTROL)
		format_name_event(event);
	if (op == OP_TRUNCATE || op == OP_CONTROL)
		return 0;
	topic->flat = false;
	if (read_images(decoder, nodes, in, columns, event, err) < 0)
		return -1;
	before = op == OP_DELETE ? &event->row : &event->old;
	if (key->state != IMAGE_ABSENT && (before->state == IMAGE_ABSENT || !image_pick(decoder, &topic->key_of_row, key, before, &event->key)))
		event->key = *key;
	if (op == OP_DELETE && event->row.state == IMAGE_ABSENT) {
		if (key->state == IMAGE_ABSENT)
			return error_set(err, "a delete with neither \"before\" nor a key: nothing says which row it was");
		event->row = *key;
	}
	return 0;
}

static void decode_ddl(struct decoder *decoder, const struct message *message, const struct json_node *nodes, const struct envelope *in)
{
	struct origin origin = read_origin(nodes, in);
	struct event *event = decoder_add(decoder, message);

	event->op = OP_DDL;
	event->database = origin.database.n > 0 ? origin.database : text_of(json_member(nodes, nodes, "databaseName"));
	event->table = origin.table;
	event->time_ms = origin.time_ms;
}

/* Behind an envelope's delete it says nothing new; of a flat row it is the delete. Where reading begins with one, nobody knows
 * which it is: it is taken for a delete, which does no harm behind another one. */
static void decode_tombstone(struct decoder *decoder, const struct message *message, const struct topic *topic, const struct image *key)
{
	struct event **made = decoder->end;

	if (topic->enveloped || key->state == IMAGE_ABSENT) {
		decoder_add(decoder, message)->op = OP_CONTROL;
		return;
	}
	debezium_flat_delete(decoder, message, topic, key);
	(*made)->uncertain = !topic->flat;
}

int debezium_read_key(struct decoder *decoder, struct topic *topic, struct slice text, struct image *key, struct error *err)
{
	const struct json_node *nodes;
	struct image_columns *columns;
	struct slice number = { 0 };

	if (integer_key_matches(&topic->last_key, text, &number)) {
		*key = (struct image){ .shape = topic->last_key.shape, .state = IMAGE_KEY_ONLY };
		key->values = arena_alloc(decoder->arena, sizeof *key->values);
		*key->values = (struct value){ .p = number.p, .n = (uint32_t)number.n, .kind = VALUE_NUMBER };
		return 0;
	}
	*key = (struct image){ 0 };
	if (text.n == 0 || connect_read(&topic->key, decoder, text, &nodes, &columns, NULL) < 0)
		return 0;
	if (image_read_key(decoder, nodes, nodes, columns, key, err) < 0)
		return error_prefix(err, "key");
	if (key->state == IMAGE_KEY_ONLY && key->shape->count == 1 && key->values->kind == VALUE_NUMBER)
		number = (struct slice){ key->values->p, key->values->n };
	integer_key_learn(&topic->last_key, text, key->shape, number);
	return 0;
}

static int decode_nodes(struct decoder *decoder, const struct message *message, struct topic *topic, const struct json_node *nodes,
			struct image_columns *columns, const struct image *key, struct error *err)
{
	struct envelope in;

	if (!nodes || nodes->value.kind == VALUE_NULL) {
		decode_tombstone(decoder, message, topic, key);
		return 0;
	}
	if (!is_object(nodes))
		return error_set(err, "a change is an object, not %.*s", SLICE_ARG(value_show(&nodes->value, decoder->arena)));
	in = find_members(nodes);
	if (is_envelope(&in)) {
		topic->enveloped = true;
		topic->flat = false;
		return decode_envelope(decoder, message, topic, nodes, &in, columns, key, err);
	}
	if (is_ddl(&in)) {
		decode_ddl(decoder, message, nodes, &in);
		return 0;
	}
	if (is_control(&in, message->topic)) {
		decoder_add(decoder, message)->op = OP_CONTROL;
		return 0;
	}
	topic->flat = true;
	topic->enveloped = false;
	return debezium_flat_row(decoder, message, topic, nodes, columns, key, err);
}

int debezium_change(struct decoder *decoder, const struct message *message, struct topic *topic, const struct json_node *nodes,
		    struct image_columns *columns, const struct image *key, struct error *err)
{
	struct event **end = decoder->end;

	if (decode_nodes(decoder, message, topic, nodes, columns, key, err) == 0) {
		(*end)->keyed = true;
		return 0;
	}
	*end = NULL;
	decoder->end = end;
	return -1;
}

static int decode(struct decoder *decoder, const struct message *message, struct error *err)
{
	struct topic *topic = topics_get(decoder->state, message->topic);
	const struct json_node *nodes = NULL;
	struct image_columns *columns = NULL;
	struct image key;

	if (debezium_read_key(decoder, topic, message->key, &key, err) < 0)
		return -1;
	if (message->value.n > 0 && connect_read(&topic->value, decoder, message->value, &nodes, &columns, err) < 0)
		return -1;
	return debezium_change(decoder, message, topic, nodes, columns, &key, err);
}

const struct format format_debezium = { .name = "debezium", .open = open_debezium, .close = close_debezium, .decode = decode };
