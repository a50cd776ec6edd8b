#include "flow/source_place.h"

/* Two levels below the document: the members of "source" in a payload. */
enum { DEPTH = 2 };

static struct slice text_of(const struct json_node *node)
{
	if (!node || (node->value.kind != VALUE_TEXT && node->value.kind != VALUE_NUMBER))
		return (struct slice){ 0 };
	return (struct slice){ node->value.p, node->value.n };
}

/* The first of these members that says something. */
static struct slice first_of(const struct json_node *nodes, const struct json_node *of, const char *const *names)
{
	struct slice found = { 0 };

	for (; *names && !found.n; names++)
		found = text_of(json_member(nodes, of, *names));
	return found;
}

static struct slice joined(struct slice file, struct slice pos, struct arena *arena)
{
	if (!file.n || !pos.n)
		return (struct slice){ 0 };
	return arena_printf(arena, "%.*s:%.*s", SLICE_ARG(file), SLICE_ARG(pos));
}

/* Debezium's "source", of any connector; TiCDC's Debezium form has commit_ts there. */
static void read_source(const struct json_node *nodes, const struct json_node *root, const struct json_node *source, struct event *event,
			struct arena *arena)
{
	static const char *const txs[] = { "gtid", "txId", "commit_ts", "commitTs", NULL };
	static const char *const places[] = { "lsn", "change_lsn", "commit_lsn", "scn", "commit_scn", "commit_ts", "commitTs", NULL };
	const struct json_node *transaction = json_member(nodes, root, "transaction");

	event->tx = transaction ? text_of(json_member(nodes, transaction, "id")) : (struct slice){ 0 };
	if (!event->tx.n)
		event->tx = first_of(nodes, source, txs);
	event->position = joined(text_of(json_member(nodes, source, "file")), text_of(json_member(nodes, source, "pos")), arena);
	if (!event->position.n)
		event->position = first_of(nodes, source, places);
}

/* Rows without an envelope, with what ExtractNewRecordState was told to add (add.fields). */
static void read_added(const struct json_node *nodes, const struct json_node *root, struct event *event, struct arena *arena)
{
	static const char *const txs[] = { "__transaction_id", "__gtid", "__source_gtid", "__txId", "__source_txId", NULL };
	static const char *const files[] = { "__file", "__source_file", NULL }, *const positions[] = { "__pos", "__source_pos", NULL };
	static const char *const places[] = { "__lsn", "__source_lsn", "__change_lsn", "__source_change_lsn", "__scn", "__source_scn", NULL };

	event->tx = first_of(nodes, root, txs);
	event->position = joined(first_of(nodes, root, files), first_of(nodes, root, positions), arena);
	if (!event->position.n)
		event->position = first_of(nodes, root, places);
}

/* Maxwell's xid and position; Canal's gtid; TiCDC's commit timestamp, which is both. */
static void read_flat(const struct json_node *nodes, const struct json_node *root, struct event *event, struct arena *arena)
{
	static const char *const txs[] = { "xid", "gtid", NULL }, *const places[] = { "position", "gtid", NULL };
	const struct json_node *tidb = json_member(nodes, root, "_tidb");
	struct slice commit = text_of(tidb ? json_member(nodes, tidb, "commitTs") : json_member(nodes, root, "commitTs"));
	bool is_change = json_member(nodes, root, "type") && json_member(nodes, root, "data"); /* and no row with columns of these names */

	if (commit.n && (tidb || is_change)) {
		event->tx = event->position = commit;
	} else if (is_change) {
		event->tx = first_of(nodes, root, txs);
		event->position = first_of(nodes, root, places);
	} else {
		read_added(nodes, root, event, arena);
	}
}

void source_place_read(const struct json_node *nodes, const struct json_node *root, struct event *event, struct arena *arena)
{
	const struct json_node *source = json_member(nodes, root, "source");

	if (source && source->expanded && source->object)
		read_source(nodes, root, source, event, arena);
	else
		read_flat(nodes, root, event, arena);
}

void source_place_find(struct json *json, struct event *event, struct arena *arena)
{
	const struct message *message = event->message;
	const struct json_node *nodes, *payload;

	if (event->tx.p || event->position.p)
		return;
	if (message && message->value.n > 0 && json_read(json, message->value, DEPTH, "schema", arena, &nodes, NULL) > 0) {
		payload = json_member(nodes, nodes, "payload");
		source_place_read(nodes, payload && payload->expanded && json_member(nodes, nodes, "schema") ? payload : nodes, event, arena);
	}
	if (!event->tx.p)
		event->tx = SLICE(""); /* looked for */
}
