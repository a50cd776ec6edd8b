#include "flow/json_event.h"

#include <strings.h>

#include "flow/path.h"

bool json_event_is_set(const struct json_options *options)
{
	static const struct json_options none = { 0 };

	return memcmp(options, &none, sizeof none) != 0;
}

/* Header values are text, bare or as JSON. */
static struct slice header_text(const struct message *message, const char *name)
{
	const struct header *header = *name ? message_header(message, name) : NULL;
	struct slice text = header ? header->value : (struct slice){ 0 };

	if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"')
		text = (struct slice){ text.p + 1, text.n - 2 };
	return text;
}

/* The text of a field; p is NULL where it is missing or null. */
static int field_text(struct decoder *decoder, const struct json_node *nodes, const struct json_node *document, const char *path, struct slice *text,
		      struct error *err)
{
	const struct json_node *node = *path ? path_node(nodes, document, slice_of(path)) : NULL;

	*text = (struct slice){ 0 };
	if (!node || node->value.kind == VALUE_NULL)
		return 0;
	if (node->value.kind != VALUE_TEXT)
		return error_set(err, "\"%s\" is %.*s, not a text", path, SLICE_ARG(value_show(&node->value, decoder->arena)));
	*text = (struct slice){ node->value.p, node->value.n };
	return 0;
}

static int op_of(struct slice text, enum op *op, struct error *err)
{
	static const struct {
		const char *word;
		enum op op;
	} words[] = {
		{ "c", OP_INSERT },
		{ "i", OP_INSERT },
		{ "+i", OP_INSERT },
		{ "insert", OP_INSERT },
		{ "create", OP_INSERT },
		{ "upsert", OP_INSERT },
		{ "r", OP_SNAPSHOT },
		{ "read", OP_SNAPSHOT },
		{ "load", OP_SNAPSHOT },
		{ "snapshot", OP_SNAPSHOT },
		{ "u", OP_UPDATE },
		{ "+u", OP_UPDATE },
		{ "update", OP_UPDATE },
		{ "update_after", OP_UPDATE },
		{ "-u", OP_CONTROL }, /* the row before: the one behind it follows */
		{ "update_before", OP_CONTROL },
		{ "d", OP_DELETE },
		{ "-d", OP_DELETE },
		{ "delete", OP_DELETE },
		{ "remove", OP_DELETE },
		{ "t", OP_TRUNCATE },
		{ "truncate", OP_TRUNCATE },
		{ "create-table", OP_DDL },
		{ "drop-table", OP_DDL },
		{ "rename-table", OP_DDL },
		{ "add-column", OP_DDL },
		{ "drop-column", OP_DDL },
		{ "rename-column", OP_DDL },
		{ "change-columns", OP_DDL },
		{ "column-type-change", OP_DDL },
	};

	*op = OP_INSERT;
	if (!text.p)
		return 0;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strlen(words[i].word) == text.n && strncasecmp(words[i].word, text.p, text.n) == 0) {
			*op = words[i].op;
			return 0;
		}
	}
	return error_set(err, "the op is \"%.*s\", which is none that is known", SLICE_ARG(text));
}

/* "shop.orders", where the database is not said apart. */
static void set_names(struct event *event, const struct json_options *options, struct slice database, struct slice table)
{
	bool apart = *options->database_field || *options->database_header;
	const char *dot = table.p && !apart ? memrchr(table.p, '.', table.n) : NULL;

	event->unnamed = !table.p;
	if (database.p)
		event->database = database;
	if (!table.p) {
		/* Asked for, and not there: no table at all. The topic's is for who does not ask. */
		if (*options->table_field || *options->table_header)
			event->table = event->database = (struct slice){ 0 };
		return;
	}
	event->table = table;
	if (dot && dot > table.p) {
		event->database = (struct slice){ table.p, (size_t)(dot - table.p) };
		event->table = (struct slice){ dot + 1, table.n - event->database.n - 1 };
	} else if (!database.p) {
		event->database = (struct slice){ 0 };
	}
}

void json_event_names(const struct json_options *options, struct event *event)
{
	struct slice table = header_text(event->message, options->table_header);

	if (table.p)
		set_names(event, options, header_text(event->message, options->database_header), table);
}

/* Top-level fields that say the table or the op are no columns. */
static bool is_said(const struct json_options *options, struct slice name)
{
	return slice_is(name, options->table_field) || slice_is(name, options->database_field) || slice_is(name, options->op_field);
}

static void drop_said(const struct json_options *options, struct image *image)
{
	for (uint32_t i = 0; i < image->shape->count; i++)
		if (is_said(options, image->shape->columns[i].name))
			image->values[i] = (struct value){ .kind = VALUE_ABSENT };
}

static int read_row(struct decoder *decoder, const struct json_node *nodes, const struct json_node *node, const char *path, struct topic *topic,
		    struct image *image, struct error *err)
{
	if (!node || node->value.kind == VALUE_NULL)
		return 0;
	if (node->value.kind != VALUE_JSON || !node->object)
		return error_set(err, "%s%s%s is %.*s, not a row", *path ? "\"" : "", *path ? path : "the message", *path ? "\"" : "",
				 SLICE_ARG(value_show(&node->value, decoder->arena)));
	return image_read(decoder, nodes, node, false, &topic->value.bare, image, err);
}

int json_event(struct decoder *decoder, const struct message *message, struct topic *topic, const struct json_node *nodes,
	       const struct json_node *document, struct error *err)
{
	const struct json_options *options = &decoder->options.json;
	struct slice database, table, text;
	struct image row = { 0 }, old = { 0 };
	struct event *event;
	enum op op;

	if (field_text(decoder, nodes, document, options->op_field, &text, err) < 0)
		return -1;
	if (!text.p)
		text = header_text(message, options->op_header);
	if (op_of(text, &op, err) < 0 || field_text(decoder, nodes, document, options->table_field, &table, err) < 0 ||
	    field_text(decoder, nodes, document, options->database_field, &database, err) < 0)
		return -1;
	if (!table.p)
		table = header_text(message, options->table_header);
	if (!database.p)
		database = header_text(message, options->database_header);
	if (op <= OP_SNAPSHOT &&
	    (read_row(decoder, nodes, *options->row ? path_node(nodes, document, slice_of(options->row)) : document, options->row, topic, &row, err) <
		     0 ||
	     (*options->old && read_row(decoder, nodes, path_node(nodes, document, slice_of(options->old)), options->old, topic, &old, err) < 0)))
		return -1;
	if (op == OP_DELETE && old.shape) {
		row = old;
		old = (struct image){ 0 };
	}
	if (op <= OP_SNAPSHOT && !row.shape)
		return error_set(err, "there is no row at \"%s\"", options->row);
	event = decoder_add(decoder, message);
	event->op = (uint8_t)op;
	event->database = topic->database;
	event->table = topic->table;
	set_names(event, options, database, table);
	if (op > OP_SNAPSHOT)
		return 0;
	if (!*options->row)
		drop_said(options, &row);
	event->row = row;
	if (op == OP_UPDATE)
		event->old = old;
	return 0;
}
