#include "flow/ticdc_open.h"

enum { HEAD_BYTES = 8, VERSION = 1 };

/* "t" of a key. */
enum item_type { ITEM_ROW = 1, ITEM_DDL = 2, ITEM_RESOLVED = 3 };

/* Bits of a column's "f". */
enum { FLAG_BINARY = 0x01, FLAG_HANDLE = 0x02, FLAG_PRIMARY_KEY = 0x08 };

struct item {
	struct slice database, table, claim_check;
	int64_t type, commit_ts;
	struct slice commit; /* its digits */
	bool only_handle_key;
};

/* A column of a row, and what it says of itself. */
struct cell {
	struct value value;
	struct reading declared;
	int64_t flags;
};

static uint64_t number_at(const char *p)
{
	uint64_t number = 0;

	for (int i = 0; i < HEAD_BYTES; i++)
		number = number << 8 | (unsigned char)p[i];
	return number;
}

bool ticdc_open_is_key(struct slice key)
{
	return key.n >= HEAD_BYTES && number_at(key.p) == VERSION;
}

/* Cuts the next item off. */
static int next_item(struct slice *rest, struct slice *item, const char *of, struct error *err)
{
	uint64_t n;

	if (rest->n < HEAD_BYTES)
		return error_set(err, "the %s ends in the middle of a length", of);
	n = number_at(rest->p);
	if (n > rest->n - HEAD_BYTES)
		return error_set(err, "the %s has an item of %llu bytes, and %zu are left", of, (unsigned long long)n, rest->n - HEAD_BYTES);
	*item = (struct slice){ rest->p + HEAD_BYTES, (size_t)n };
	*rest = (struct slice){ rest->p + HEAD_BYTES + n, rest->n - HEAD_BYTES - (size_t)n };
	return 0;
}

static struct slice text_of(const struct json_node *node)
{
	return node->value.kind == VALUE_TEXT ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
}

static bool is_object(const struct json_node *node)
{
	return node && node->value.kind == VALUE_JSON && node->object;
}

static int read_key(struct decoder *decoder, struct slice text, struct item *item, struct error *err)
{
	const struct json_node *nodes;

	*item = (struct item){ 0 };
	if (json_read(decoder->json, text, 0, NULL, decoder->arena, &nodes, err) < 0)
		return error_prefix(err, "key");
	if (!is_object(nodes))
		return error_set(err, "key: it is %.*s, not an object", SLICE_ARG(value_show(&nodes->value, decoder->arena)));
	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		if (slice_is(node->name, "scm"))
			item->database = text_of(node);
		else if (slice_is(node->name, "tbl"))
			item->table = text_of(node);
		else if (slice_is(node->name, "t"))
			value_is_integer(&node->value, &item->type);
		else if (slice_is(node->name, "ts"))
			item->commit = (struct slice){ node->value.p, value_is_integer(&node->value, &item->commit_ts) ? node->value.n : 0 };
		else if (slice_is(node->name, "ohk"))
			item->only_handle_key = node->value.kind == VALUE_TRUE;
		else if (slice_is(node->name, "ccl"))
			item->claim_check = text_of(node);
	}
	return 0;
}

/* By the number that MySQL's protocol has for the type. */
static struct reading reading_of(int64_t type, bool binary)
{
	enum meaning meaning = MEANING_UNKNOWN;

	switch (type) {
	case 0: /* DECIMAL, as it was */
	case 1: /* TINYINT, SMALLINT, INT */
	case 2:
	case 3:
	case 8: /* BIGINT, MEDIUMINT */
	case 9:
	case 13:  /* YEAR */
	case 246: /* DECIMAL */
	case 247: /* ENUM and SET, as their numbers */
	case 248:
		meaning = MEANING_NUMERIC;
		break;
	case 4: /* FLOAT, DOUBLE */
	case 5:
		meaning = MEANING_DOUBLE;
		break;
	case 16: /* BIT */
		meaning = MEANING_BIT_NUMBER;
		break;
	case 7: /* TIMESTAMP */
		meaning = MEANING_ZONED;
		break;
	case 10: /* DATE, TIME, DATETIME */
	case 11:
	case 12:
	case 14:
		meaning = MEANING_ISO;
		break;
	case 15: /* VARCHAR, CHAR and what is binary of them */
	case 253:
	case 254:
		meaning = binary ? MEANING_GO_QUOTED : MEANING_PLAIN;
		break;
	case 249: /* TEXT and BLOB */
	case 250:
	case 251:
	case 252:
		meaning = binary ? MEANING_BASE64 : MEANING_BASE64_TEXT;
		break;
	case 225: /* VECTOR, JSON */
	case 245:
		meaning = MEANING_PLAIN;
		break;
	}
	return (struct reading){ .meaning = (uint8_t)meaning, .scale = meaning == MEANING_ZONED || meaning == MEANING_ISO ? -1 : 0 };
}

static int read_cell(struct decoder *decoder, const struct json_node *nodes, const struct json_node *column, struct cell *cell, struct error *err)
{
	bool has_value = false;
	int64_t type = -1;

	*cell = (struct cell){ 0 };
	if (!is_object(column) || !column->expanded)
		return error_set(err, "column %.*s is %.*s, not an object", SLICE_ARG(column->name),
				 SLICE_ARG(value_show(&column->value, decoder->arena)));
	for (const struct json_node *node = column + 1; node < nodes + column->end; node = nodes + node->end) {
		if (node->name.n != 1)
			continue;
		if (*node->name.p == 't')
			value_is_integer(&node->value, &type);
		else if (*node->name.p == 'f')
			value_is_integer(&node->value, &cell->flags);
		else if (*node->name.p == 'v')
			cell->value = node->value, has_value = true;
	}
	if (!has_value || type < 0)
		return error_set(err, "column %.*s has no \"%s\"", SLICE_ARG(column->name), has_value ? "t" : "v");
	cell->declared = reading_of(type, cell->flags & FLAG_BINARY);
	return 0;
}

/* The columns with a flag are the key: those of the primary key, or where there is none, of the handle. */
struct key_names {
	struct slice primary[IMAGE_PICK_MOST], handle[IMAGE_PICK_MOST];
	uint32_t primary_count, handle_count;
};

static void note_key(struct key_names *names, struct slice name, int64_t flags)
{
	if (flags & FLAG_PRIMARY_KEY && names->primary_count < IMAGE_PICK_MOST)
		names->primary[names->primary_count++] = name;
	if (flags & FLAG_HANDLE && names->handle_count < IMAGE_PICK_MOST)
		names->handle[names->handle_count++] = name;
}

static int read_side(struct known_row *row, struct decoder *decoder, const struct json_node *nodes, const struct json_node *side,
		     struct key_names *names, struct error *err)
{
	for (const struct json_node *column = side + 1; column < nodes + side->end; column = nodes + column->end) {
		const struct reading *declared;
		struct cell cell;

		if (read_cell(decoder, nodes, column, &cell, err) < 0)
			return -1;
		/* A NULL's type may be just that. */
		declared = cell.value.kind == VALUE_NULL && cell.declared.meaning == MEANING_UNKNOWN ? NULL : &cell.declared;
		known_row_set(row, decoder, column->name, declared, cell.value);
		if (!row->old)
			note_key(names, column->name, cell.flags);
	}
	return 0;
}

static int read_row(struct decoder *decoder, const struct item *item, const struct json_node *nodes, struct known_table *table, struct event *event,
		    struct error *err)
{
	const struct json_node *u = json_member(nodes, nodes, "u"), *p = json_member(nodes, nodes, "p"), *d = json_member(nodes, nodes, "d");
	const struct json_node *side = is_object(d) ? d : u;
	struct key_names names = { 0 };
	struct known_row row;

	if (!is_object(side) || (is_object(u) && is_object(d)))
		return error_set(err, "a row with neither \"u\" nor \"d\", or with both");
	if (item->only_handle_key && side != d)
		return error_set(err, "a message that was too large: it holds its key and not its row (\"ohk\")");
	/* Without old values an update looks like an insert, and does what one does. */
	event->op = side == d ? OP_DELETE : is_object(p) ? OP_UPDATE : OP_INSERT;
	p = event->op == OP_UPDATE ? p : NULL;
	known_row_begin(&row, decoder, table, side->end - (size_t)(side - nodes) + (p ? p->end - (size_t)(p - nodes) : 0));
	if (read_side(&row, decoder, nodes, side, &names, err) < 0)
		return -1;
	if (row.count == 0)
		return error_set(err, "a row without columns");
	if (p) {
		known_row_begin_old(&row, decoder);
		if (read_side(&row, decoder, nodes, p, NULL, err) < 0)
			return -1;
	}
	if (known_row_images(&row, decoder, &event->row, &event->old, err) < 0 ||
	    known_set_key(table, decoder, names.primary_count ? names.primary : names.handle,
			  names.primary_count ? names.primary_count : names.handle_count, err) < 0)
		return -1;
	known_pick_key(table, decoder, p ? &event->old : &event->row, &event->key);
	if (event->op == OP_DELETE && (item->only_handle_key || (table->key && row.count == table->key->count)))
		event->row.state = IMAGE_KEY_ONLY;
	return 0;
}

static int decode_row(struct decoder *decoder, const struct item *item, struct slice text, struct known_tables *tables, struct event *event,
		      struct error *err)
{
	const struct json_node *nodes;
	struct known_table *table;

	if (item->claim_check.n)
		return error_set(err, "the row is kept elsewhere (\"ccl\" is %.*s)", SLICE_ARG(item->claim_check));
	if (!item->table.p)
		return error_set(err, "the key names no table (\"tbl\")");
	if (json_read(decoder->json, text, 2, NULL, decoder->arena, &nodes, err) < 0)
		return -1;
	if (!is_object(nodes))
		return error_set(err, "it is %.*s, not an object", SLICE_ARG(value_show(&nodes->value, decoder->arena)));
	table = known_tables_get(tables, item->database, item->table, err);
	return table ? read_row(decoder, item, nodes, table, event, err) : -1;
}

static int decode_item(struct decoder *decoder, const struct message *message, const struct item *item, struct slice value,
		       struct known_tables *tables, struct error *err)
{
	struct event *event = decoder_add(decoder, message);

	event->database = item->database;
	event->table = item->table;
	event->time_ms = item->commit_ts >> 18; /* milliseconds above a counter */
	event->tx = event->position = item->commit;
	switch (item->type) {
	case ITEM_ROW:
		return decode_row(decoder, item, value, tables, event, err);
	case ITEM_DDL:
		event->op = OP_DDL;
		return 0;
	case ITEM_RESOLVED:
		event->op = OP_CONTROL;
		return 0;
	}
	return error_set(err, "key: \"t\" is %lld, which is none of 1, 2, 3", (long long)item->type);
}

int ticdc_open_decode(struct decoder *decoder, const struct message *message, struct known_tables *tables, struct error *err)
{
	struct slice keys = { message->key.p + HEAD_BYTES, message->key.n - HEAD_BYTES }, values = message->value, text, value;
	struct event **first = decoder->end;
	uint32_t count = 0, part = 0;

	for (; keys.n > 0; count++) {
		struct item item;

		if (next_item(&keys, &text, "key", err) < 0 || read_key(decoder, text, &item, err) < 0)
			return -1;
		/* Of a resolved time the value may be missing altogether. */
		value = (struct slice){ 0 };
		if ((values.n > 0 || item.type != ITEM_RESOLVED) && next_item(&values, &value, "value", err) < 0)
			return -1;
		if (decode_item(decoder, message, &item, value, tables, err) < 0)
			return error_prefix(err, "item %u", count + 1);
	}
	if (values.n > 0)
		return error_set(err, "%zu bytes of the value belong to no key", values.n);
	if (count == 0)
		decoder_add(decoder, message)->op = OP_CONTROL;
	for (struct event *event = *first; count > 0 && event; event = event->next) {
		event->part = part++;
		event->parts = count;
	}
	return 0;
}
