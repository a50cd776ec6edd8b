/* The tables' schemas come in messages of their own, every two minutes. They are not used: what an event is must not depend on where
 * reading began. So values mean what their target columns are, and which columns are the key is not known here: both images are whole. */
#include "flow/ticdc_simple.h"

#include <stdlib.h>

static struct slice text_of(const struct json_node *node)
{
	return node && node->value.kind == VALUE_TEXT ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
}

static bool is_object(const struct json_node *node)
{
	return node && node->value.kind == VALUE_JSON && node->object;
}

bool ticdc_simple_is_message(const struct json_node *nodes)
{
	return json_member(nodes, nodes, "version") && json_member(nodes, nodes, "type") && json_member(nodes, nodes, "commitTs");
}

static int op_of(struct slice type, enum op *op, struct error *err)
{
	static const struct {
		const char *type;
		enum op op;
	} ops[] = {
		{ "INSERT", OP_INSERT },     { "UPDATE", OP_UPDATE },     { "DELETE", OP_DELETE }, { "WATERMARK", OP_CONTROL },
		{ "BOOTSTRAP", OP_CONTROL }, { "TRUNCATE", OP_TRUNCATE }, { "CREATE", OP_DDL },    { "RENAME", OP_DDL },
		{ "CINDEX", OP_DDL },        { "DINDEX", OP_DDL },        { "ERASE", OP_DDL },     { "ALTER", OP_DDL },
		{ "QUERY", OP_DDL },
	};

	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		if (slice_is(type, ops[i].type)) {
			*op = ops[i].op;
			return 0;
		}
	}
	return error_set(err, "\"type\" is \"%.*s\", which is no change that is known", SLICE_ARG(type));
}

/* ---- TIMESTAMPs: {"location":"UTC","value":"2024-01-31 12:00:00"} ---- */

static bool is_utc(struct slice location)
{
	return location.n == 0 || slice_is(location, "UTC") || slice_is(location, "Etc/UTC") || slice_is(location, "GMT");
}

/* The text with its offset. Names of zones are not looked up: their rules are not the same everywhere. */
static int read_timestamp(struct decoder *decoder, struct slice location, struct slice text, struct value *value, struct error *err)
{
	static const struct slice zero = SLICE("0000-00-00");
	int minutes = decoder->options.readings.zone_minutes, size = abs(minutes);
	bool dateless = text.n >= zero.n && memcmp(text.p, zero.p, zero.n) == 0; /* the same everywhere */
	char offset[] = { minutes < 0 ? '-' : '+',      (char)('0' + size / 600), (char)('0' + size / 60 % 10), ':',
			  (char)('0' + size % 60 / 10), (char)('0' + size % 10) };
	struct slice suffix = dateless ? SLICE("") : is_utc(location) ? SLICE("Z") : (struct slice){ offset, sizeof offset };
	char *out;

	if (suffix.p == offset && minutes == 0 && !slice_is(location, "Local"))
		return error_set(err, "a TIMESTAMP in the zone %.*s: the format's `zone` has to say what that is (zone = \"+08:00\")",
				 SLICE_ARG(location));
	out = arena_alloc(decoder->arena, text.n + suffix.n);
	memcpy(out, text.p, text.n);
	memcpy(out + text.n, suffix.p, suffix.n);
	*value = (struct value){ .p = out, .n = (uint32_t)(text.n + suffix.n), .kind = VALUE_TEXT };
	return 0;
}

static int read_side(struct known_row *row, struct decoder *decoder, const struct json_node *nodes, const struct json_node *side, struct error *err)
{
	static const struct reading zoned = { .meaning = MEANING_ZONED, .scale = -1 };

	for (const struct json_node *node = side + 1; node < nodes + side->end; node = nodes + node->end) {
		struct slice location = text_of(json_member(nodes, node, "location")), text = text_of(json_member(nodes, node, "value"));
		struct value value = node->value;

		if (text.p && read_timestamp(decoder, location, text, &value, err) < 0)
			return error_prefix(err, "column %.*s", SLICE_ARG(node->name));
		known_row_set(row, decoder, node->name, text.p ? &zoned : NULL, value);
	}
	return 0;
}

static int read_row(struct decoder *decoder, const struct json_node *nodes, struct known_table *table, struct event *event, struct error *err)
{
	const struct json_node *data = json_member(nodes, nodes, "data"), *old = json_member(nodes, nodes, "old");
	const struct json_node *side = event->op == OP_DELETE ? old : data;
	struct known_row row;

	if (!is_object(side))
		return error_set(err, "\"%s\" is no row", event->op == OP_DELETE ? "old" : "data");
	if (event->op == OP_UPDATE && !is_object(old))
		return error_set(err, "an update without \"old\": nothing says which row it was");
	if (event->op != OP_UPDATE)
		old = NULL;
	known_row_begin(&row, decoder, table, side->end - (size_t)(side - nodes) + (old ? old->end - (size_t)(old - nodes) : 0));
	if (read_side(&row, decoder, nodes, side, err) < 0)
		return -1;
	if (row.count == 0)
		return error_set(err, "a row without columns");
	if (old) {
		known_row_begin_old(&row, decoder);
		if (read_side(&row, decoder, nodes, old, err) < 0)
			return -1;
	}
	return known_row_images(&row, decoder, &event->row, &event->old, err);
}

int ticdc_simple_decode(struct decoder *decoder, const struct message *message, const struct json_node *nodes, struct known_tables *tables,
			struct error *err)
{
	const struct json_node *commit_ts = json_member(nodes, nodes, "commitTs"), *handle = json_member(nodes, nodes, "handleKeyOnly"),
			       *schema = json_member(nodes, nodes, "tableSchema");
	struct slice claim_check = text_of(json_member(nodes, nodes, "claimCheckLocation"));
	bool only_key = handle && handle->value.kind == VALUE_TRUE;
	struct known_table *table;
	struct event *event;
	enum op op = OP_CONTROL;

	if (op_of(text_of(json_member(nodes, nodes, "type")), &op, err) < 0)
		return -1;
	event = decoder_add(decoder, message);
	event->op = (uint8_t)op;
	event->database = text_of(json_member(nodes, nodes, "database"));
	event->table = text_of(json_member(nodes, nodes, "table"));
	if (!event->table.p && is_object(schema)) {
		event->database = text_of(json_member(nodes, schema, "schema"));
		event->table = text_of(json_member(nodes, schema, "table"));
	}
	if (value_is_integer(&commit_ts->value, &event->time_ms))
		event->time_ms >>= 18; /* milliseconds above a counter */
	if (op == OP_CONTROL || op == OP_DDL || op == OP_TRUNCATE)
		return 0;
	if (claim_check.n)
		return error_set(err, "the row is kept elsewhere (\"claimCheckLocation\" is %.*s)", SLICE_ARG(claim_check));
	if (only_key && op != OP_DELETE)
		return error_set(err, "a message that was too large: it holds its key and not its row (\"handleKeyOnly\")");
	table = known_tables_get(tables, event->database, event->table, err);
	if (!table || read_row(decoder, nodes, table, event, err) < 0)
		return -1;
	if (only_key)
		event->row.state = IMAGE_KEY_ONLY;
	return 0;
}
