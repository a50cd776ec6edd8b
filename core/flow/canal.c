#include "flow/canal.h"

#include <strings.h>

#include "flow/canal_types.h"

/* The members of a message. */
struct parts {
	const struct json_node *data, *old, *database, *table, *type, *es, *ts, *sql, *types, *key_names, *is_ddl, *tidb;
};

/* What TiCDC adds. */
struct tidb {
	bool only_handle_key;
	struct slice claim_check;
	int64_t commit_ts;
};

static struct slice text_of(const struct json_node *node)
{
	return node && node->value.kind == VALUE_TEXT ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
}

static bool is_object(const struct json_node *node)
{
	return node && node->value.kind == VALUE_JSON && node->object;
}

static bool is_array(const struct json_node *node)
{
	return node && node->value.kind == VALUE_JSON && !node->object;
}

static bool is_null(const struct json_node *node)
{
	return !node || node->value.kind == VALUE_NULL;
}

static struct parts find_parts(const struct json_node *nodes)
{
	struct parts found = { 0 };
	const struct {
		struct slice name;
		const struct json_node **to;
	} wanted[] = {
		{ SLICE("data"), &found.data },
		{ SLICE("old"), &found.old },
		{ SLICE("database"), &found.database },
		{ SLICE("table"), &found.table },
		{ SLICE("type"), &found.type },
		{ SLICE("es"), &found.es },
		{ SLICE("ts"), &found.ts },
		{ SLICE("sql"), &found.sql },
		{ SLICE(CANAL_RAW), &found.types },
		{ SLICE("pkNames"), &found.key_names },
		{ SLICE("isDdl"), &found.is_ddl },
		{ SLICE("_tidb"), &found.tidb },
	};

	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end)
		for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
			if (slice_equal(node->name, wanted[i].name))
				*wanted[i].to = node;
	return found;
}

bool canal_is_message(const struct json_node *nodes)
{
	struct parts in = is_object(nodes) ? find_parts(nodes) : (struct parts){ 0 };

	return in.type && (in.is_ddl || in.types || is_array(in.data) || is_array(in.old));
}

static struct tidb read_tidb(const struct json_node *nodes, const struct json_node *of)
{
	struct tidb tidb = { 0 };
	const struct json_node *node;

	if (!is_object(of))
		return tidb;
	node = json_member(nodes, of, "onlyHandleKey");
	tidb.only_handle_key = node && node->value.kind == VALUE_TRUE;
	tidb.claim_check = text_of(json_member(nodes, of, "claimCheckLocation"));
	node = json_member(nodes, of, "commitTs");
	if (node)
		value_is_integer(&node->value, &tidb.commit_ts);
	return tidb;
}

static int op_of(const struct parts *in, enum op *op, struct error *err)
{
	static const struct {
		const char *type;
		enum op op;
	} ops[] = {
		{ "INSERT", OP_INSERT },
		{ "INIT", OP_SNAPSHOT }, /* rows that were there before */
		{ "UPDATE", OP_UPDATE },
		{ "DELETE", OP_DELETE },
		{ "TRUNCATE", OP_TRUNCATE },
		{ "CREATE", OP_DDL },
		{ "ALTER", OP_DDL },
		{ "ERASE", OP_DDL },
		{ "RENAME", OP_DDL },
		{ "CINDEX", OP_DDL },
		{ "DINDEX", OP_DDL },
		{ "QUERY", OP_DDL },
		{ "TIDB_WATERMARK", OP_CONTROL },
		{ "TRANSACTIONBEGIN", OP_CONTROL },
		{ "TRANSACTIONEND", OP_CONTROL },
		{ "XACOMMIT", OP_CONTROL },
		{ "XAROLLBACK", OP_CONTROL },
		{ "HEARTBEAT", OP_CONTROL },
		{ "MHEARTBEAT", OP_CONTROL },
		{ "GTID", OP_CONTROL },
	};
	struct slice type = text_of(in->type);

	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		if (slice_is(type, ops[i].type)) {
			*op = ops[i].op;
			return 0;
		}
	}
	if (!type.p)
		return error_set(err, "there is no \"type\"");
	return error_set(err, "\"type\" is \"%.*s\", which is no change that is known", SLICE_ARG(type));
}

/* Where the source logs statements, changes of rows come as their text. */
static bool is_statement_of_rows(struct slice sql)
{
	static const char *const words[] = { "insert", "update", "delete", "replace", "load" };

	while (sql.n && (unsigned char)*sql.p <= ' ')
		sql.p++, sql.n--;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (sql.n > strlen(words[i]) && strncasecmp(sql.p, words[i], strlen(words[i])) == 0 && (unsigned char)sql.p[strlen(words[i])] <= ' ')
			return true;
	return false;
}

static int64_t time_of(const struct parts *in, const struct tidb *tidb)
{
	static const int64_t SECONDS_BELOW = 100000000000; /* as milliseconds, in 1973; as seconds, in the year 5138 */
	int64_t time = 0;

	if (!in->es || !value_is_integer(&in->es->value, &time) || time == 0) {
		time = tidb->commit_ts >> 18; /* milliseconds above a counter */
		if (time == 0 && in->ts)
			value_is_integer(&in->ts->value, &time);
	}
	return time > 0 && time < SECONDS_BELOW ? time * 1000 : time;
}

/* ---- rows ---- */

struct rows {
	struct known_table *table;
	const struct json_node *nodes;
	const struct tidb *tidb;
	enum op op;
};

static int check_row(const struct rows *rows, const struct event *event, const struct known_row *row, struct error *err)
{
	const struct known_table *table = rows->table;
	bool has_key = event->key.state != IMAGE_ABSENT;

	if (table->key && !has_key)
		return error_set(err, "it does not hold its whole key: nothing says which row it is");
	if (table->key)
		return 0;
	if (rows->op == OP_UPDATE && !row->old)
		return error_set(err, "an update with neither \"old\" nor \"pkNames\": nothing says which row it was");
	if (row->count < table->declared_count)
		return error_set(err, "part of a row, without \"pkNames\": nothing says which row it is");
	return 0;
}

static int decode_row(struct decoder *decoder, const struct message *message, const struct rows *rows, const struct json_node *data,
		      const struct json_node *old, struct error *err)
{
	const struct json_node *nodes = rows->nodes;
	struct event *event;
	struct known_row row;

	if (!is_object(data))
		return error_set(err, "it is %.*s, not a row", SLICE_ARG(value_show(&data->value, decoder->arena)));
	if (!is_null(old) && !is_object(old))
		return error_set(err, "\"old\" is %.*s, not a row", SLICE_ARG(value_show(&old->value, decoder->arena)));
	if (rows->op != OP_UPDATE || is_null(old))
		old = NULL;
	known_row_begin(&row, decoder, rows->table, data->end - (size_t)(data - nodes) + (old ? old->end - (size_t)(old - nodes) : 0));
	known_row_read(&row, decoder, nodes, data);
	if (row.count == 0)
		return error_set(err, "it holds no columns");
	if (old) {
		known_row_begin_old(&row, decoder);
		known_row_read(&row, decoder, nodes, old);
	}
	event = decoder_add(decoder, message);
	event->op = (uint8_t)rows->op;
	if (known_row_images(&row, decoder, &event->row, &event->old, err) < 0)
		return -1;
	known_pick_key(rows->table, decoder, old ? &event->old : &event->row, &event->key);
	if (check_row(rows, event, &row, err) < 0)
		return -1;
	if (rows->op == OP_DELETE && (rows->tidb->only_handle_key || (rows->table->key && row.count == rows->table->key->count)))
		event->row.state = IMAGE_KEY_ONLY;
	else if (row.count < rows->table->declared_count || (rows->op == OP_UPDATE && !old))
		event->row.state = IMAGE_PARTIAL;
	return 0;
}

static uint32_t members(const struct json_node *nodes, const struct json_node *of)
{
	uint32_t count = 0;

	for (const struct json_node *node = of + 1; node < nodes + of->end; node = nodes + node->end)
		count++;
	return count;
}

/* One event for each row, in order. */
static int decode_rows(struct decoder *decoder, const struct message *message, const struct rows *rows, const struct json_node *data,
		       const struct json_node *old, struct error *err)
{
	const struct json_node *nodes = rows->nodes, *before = old ? old + 1 : NULL;
	uint32_t count = members(nodes, data), number = 0;

	if (is_object(data)) /* a row alone, as some others write it */
		return decode_row(decoder, message, rows, data, old, err);
	if (old && members(nodes, old) != count)
		return error_set(err, "\"old\" has %u rows and \"data\" has %u", members(nodes, old), count);
	for (const struct json_node *row = data + 1; row < nodes + data->end; row = nodes + row->end) {
		number++;
		if (decode_row(decoder, message, rows, row, before, err) < 0)
			return error_prefix(err, "row %u", number);
		if (before)
			before = nodes + before->end;
	}
	return 0;
}

static int check_message(const struct parts *in, enum op op, const struct tidb *tidb, struct error *err)
{
	struct slice sql = text_of(in->sql);

	if (tidb->claim_check.n)
		return error_set(err, "the row is kept elsewhere (\"claimCheckLocation\" is %.*s)", SLICE_ARG(tidb->claim_check));
	if (tidb->only_handle_key && op != OP_DELETE)
		return error_set(err, "a message that was too large: it holds its key and not its row (\"onlyHandleKey\")");
	if (!is_null(in->data) && !is_array(in->data) && !is_object(in->data))
		return error_set(err, "\"data\" is no list of rows");
	if (!is_null(in->old) && !is_array(in->old) && !is_object(in->old))
		return error_set(err, "\"old\" is no list of rows");
	if (!is_null(in->old) && !is_null(in->data) && is_array(in->old) != is_array(in->data))
		return error_set(err, "one of \"data\" and \"old\" is a list of rows, the other a row");
	if (is_null(in->data) && sql.n)
		return error_set(err, "the change is a statement, not its rows (binlog_format is not ROW?)");
	if (is_null(in->data) && (op != OP_DELETE || is_null(in->old)))
		return error_set(err, "\"data\" is missing");
	return 0;
}

/* By the columns' types where the message has them. They are read with the nodes of the message's own, so it is read again. */
static int declare(struct decoder *decoder, const struct message *message, struct known_table *table, struct parts *in,
		   const struct json_node **nodes, struct error *err)
{
	struct slice types = is_object(in->types) ? (struct slice){ in->types->value.p, in->types->value.n } : (struct slice){ 0 };

	if (canal_types_known(table, types))
		return 0;
	if (canal_types_read(table, decoder, types, err) < 0 ||
	    json_read(decoder->json, message->value, CANAL_DEPTH, CANAL_RAW, decoder->arena, nodes, err) < 0)
		return -1;
	*in = find_parts(*nodes);
	return 0;
}

/* All events of a message are alike but for their rows. */
static void finish(struct event *first, const struct parts *in, int64_t time_ms)
{
	uint32_t parts = 0;

	for (struct event *event = first; event; event = event->next) {
		event->database = text_of(in->database);
		event->table = text_of(in->table);
		event->time_ms = time_ms;
		event->part = parts++;
		if (event->op != OP_CONTROL && event->op != OP_DDL)
			format_name_event(event);
	}
	for (struct event *event = first; event; event = event->next)
		event->parts = parts;
}

int canal_decode(struct decoder *decoder, const struct message *message, const struct json_node *nodes, struct known_tables *tables,
		 struct error *err)
{
	struct event **first = decoder->end;
	struct parts in = find_parts(nodes);
	struct tidb tidb = read_tidb(nodes, in.tidb);
	struct rows rows = { .tidb = &tidb };
	struct slice database = text_of(in.database), table = text_of(in.table);
	const struct json_node *data, *old;

	if (op_of(&in, &rows.op, err) < 0)
		return -1;
	if (rows.op == OP_DDL && is_statement_of_rows(text_of(in.sql)))
		return error_set(err, "the change is a statement, not its rows (binlog_format is not ROW?)");
	if (rows.op == OP_CONTROL || rows.op == OP_DDL || rows.op == OP_TRUNCATE) {
		decoder_add(decoder, message)->op = (uint8_t)rows.op;
		finish(*first, &in, time_of(&in, &tidb));
		return 0;
	}
	if (!table.p)
		format_names_from_topic(message->topic, &database, &table);
	rows.table = known_tables_get(tables, database, table, err);
	if (!rows.table || check_message(&in, rows.op, &tidb, err) < 0 || declare(decoder, message, rows.table, &in, &nodes, err) < 0 ||
	    known_read_key(rows.table, decoder, nodes, in.key_names, err) < 0)
		return -1;
	rows.nodes = nodes;
	/* Some producers have a delete's row in "old". */
	data = is_null(in.data) ? in.old : in.data;
	old = rows.op == OP_UPDATE && !is_null(in.old) ? in.old : NULL;
	if (decode_rows(decoder, message, &rows, data, old, err) < 0)
		return -1;
	if (!*first)
		decoder_add(decoder, message)->op = OP_CONTROL; /* no rows at all */
	finish(*first, &in, time_of(&in, &tidb));
	return 0;
}
