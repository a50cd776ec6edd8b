#include "sim/history_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sim/trace.h"

const char *const cell_names[CELL_COUNT] = { "id", "v", "w", "name" };

const char *const table_names[TABLE_COUNT] = { "plain",  "items", "names", "skips",  "stuck",    "late", "notes", "lost",
					       "counts", "timed", "panes", "finals", "sessions", "sums", "other" };
const char *const topic_names[TABLE_COUNT] = { "sim.shop.plain", "sim.shop.items",  "sim.shop.names",    "sim.shop.skips",  "sim.shop.stuck",
					       "sim.shop.late",  "sim.shop.notes",  "sim.shop.lost",     "sim.shop.counts", "sim.shop.timed",
					       "sim.shop.panes", "sim.shop.finals", "sim.shop.sessions", "sim.shop.sums",   "sim.shop.other" };

enum { STUCK_HOLDER = ROWS_MOST - 1, STUCK_NAME = 900 };
enum { COUNTS_MOST = 5 }; /* then the script begins anew */

/* ---- writing messages ---- */

static void put_cell(struct buf *out, const char *name, int64_t value)
{
	if (value == CELL_NULL)
		buf_printf(out, "\"%s\":null", name);
	else
		buf_printf(out, "\"%s\":%lld", name, (long long)value);
}

/* The row's columns; those of the scripts' rules (fault, keep) beside them. */
void history_put_row(struct history *h, const struct record *record, const struct row *row)
{
	struct buf *out = &h->text;

	buf_char(out, '{');
	put_cell(out, "id", row->cells[CELL_ID]);
	buf_char(out, ',');
	put_cell(out, "v", row->cells[CELL_V]);
	if (!record->keeps_w) {
		buf_char(out, ',');
		put_cell(out, "w", row->cells[CELL_W]);
	} else if (!h->json) {
		buf_text(out, ",\"w\":\"__debezium_unavailable_value\"");
	}
	if (row->cells[CELL_NAME] == CELL_NULL)
		buf_text(out, ",\"name\":null");
	else
		buf_printf(out, ",\"name\":\"n%lld\"", (long long)row->cells[CELL_NAME]);
	buf_printf(out, ",\"keep\":%d,\"fault\":%d}", record->mood == MOOD_FILTERS ? 2 : record->fate != FATE_UNWRITTEN,
		   record->mood == MOOD_FAILS ? 2 : (record->fate == FATE_DEAD || record->fate == FATE_SKIPPED) && !record->poison);
}

struct slice history_kept_text(struct history *h)
{
	struct slice text = arena_copy(&h->arena, buf_view(&h->text));

	buf_clear(&h->text);
	return text;
}

struct slice history_key(struct history *h, int64_t id)
{
	buf_printf(&h->text, "{\"id\":%lld}", (long long)id);
	return history_kept_text(h);
}

static void put_envelope(struct history *h, const struct record *record, const struct row *before)
{
	static const char ops[] = { [DEED_UPSERT] = 'u', [DEED_DELETE] = 'd', [DEED_MOVE] = 'u' };
	char op = record->deed == DEED_UPSERT && !before->exists ? (dice_percent(h->dice, 10) ? 'r' : 'c') : ops[record->deed];
	/* Only a change of the key needs the row as it was; and what is filtered by it. */
	bool says_before = before->exists && (record->deed == DEED_MOVE || record->fate != FATE_WRITTEN || record->mood || dice_percent(h->dice, 70));

	buf_text(&h->text, "{\"before\":");
	if (says_before)
		history_put_row(h, &(struct record){ .fate = record->fate, .poison = record->poison, .mood = record->mood }, before);
	else
		buf_text(&h->text, "null");
	buf_text(&h->text, ",\"after\":");
	if (record->deed == DEED_DELETE)
		buf_text(&h->text, "null");
	else
		history_put_row(h, record, &record->row);
	buf_printf(&h->text, ",\"source\":{\"db\":\"shop\",\"table\":\"%s\",\"ts_ms\":%lld},\"op\":\"%c\"}", table_names[record->table],
		   (long long)h->version, op);
}

struct log_message *history_message(struct history *h, struct log *log)
{
	if (log->count == log->cap) {
		log->cap = log->cap ? log->cap * 2 : 32;
		log->messages = realloc(log->messages, (size_t)log->cap * sizeof *log->messages);
		BUG_IF(!log->messages);
	}
	log->messages[log->count] = (struct log_message){ .first = h->record_count };
	return &log->messages[log->count++];
}

/* Of the log's last message. */
struct record *history_event(struct history *h, struct log *log, enum fate fate)
{
	struct log_message *message = &log->messages[log->count - 1];
	struct record *record;

	if (h->record_count == h->record_cap) {
		h->record_cap = h->record_cap ? h->record_cap * 2 : 256;
		h->records = realloc(h->records, h->record_cap * sizeof *h->records);
		BUG_IF(!h->records);
	}
	record = &h->records[h->record_count++];
	*record = (struct record){
		.fate = fate, .table = log->table, .log = (uint32_t)(log - h->logs), .offset = log->count - 1, .part = message->count++
	};
	return record;
}

/* ---- what can happen to a row ---- */

/* The names table: a value goes from the row that the target held at the start to one other row, and no further. (Were it to go on,
 * the second to have it could come before the first, whose event would then wait for a row that is waiting for it: between
 * partitions that is nobody's to know.) */
static int64_t take_name(struct history *h)
{
	uint32_t at = dice_below(h->dice, h->free_name_count);
	int64_t name = h->free_names[at];

	h->free_names[at] = h->free_names[--h->free_name_count];
	return name;
}

static bool frees_name(const struct history *h, enum table table, int64_t id)
{
	return table == TABLE_NAMES && h->name_of_row[id] != CELL_NULL;
}

static void free_name(struct history *h, int64_t id)
{
	h->free_names[h->free_name_count++] = h->name_of_row[id];
	h->name_of_row[id] = CELL_NULL;
}

/* A row with no key of this partition's yet, or -1. */
static int64_t absent_id(struct history *h, enum table table, int64_t like, uint32_t parts)
{
	uint32_t from = dice_below(h->dice, h->rows);

	for (uint32_t i = 0; i < h->rows; i++) {
		int64_t id = (from + i) % h->rows;

		if (id % parts == like % parts && !h->source[table][id].exists)
			return id;
	}
	return -1;
}

static void choose_fate(struct history *h, struct record *record, bool delicate)
{
	enum fate fault = record->table == TABLE_SKIPS ? FATE_SKIPPED : FATE_DEAD;
	bool in_lua = record->table == TABLE_ITEMS || record->table == TABLE_SKIPS || record->table == TABLE_COUNTS;
	bool says_all = record->deed != DEED_DELETE || !h->json; /* a tombstone has only the key */

	if (record->table == TABLE_OTHER) {
		record->fate = FATE_UNWRITTEN;
	} else if (in_lua && says_all && dice_percent(h->dice, 8)) {
		record->fate = fault;
	} else if (in_lua && says_all && dice_percent(h->dice, 10)) {
		record->fate = FATE_UNWRITTEN;
	} else if (!delicate && dice_percent(h->dice, 4)) {
		record->fate = fault;
		record->poison = true;
	} else if (in_lua && fault == FATE_DEAD && says_all && h->moody && dice_percent(h->dice, 20)) {
		record->mood = dice_percent(h->dice, 50) ? MOOD_FAILS : MOOD_FILTERS;
	}
}

static void new_values(struct history *h, struct record *record, const struct row *before)
{
	struct row *row = &record->row;

	*row = (struct row){ .exists = true };
	row->cells[CELL_ID] = record->id;
	row->cells[CELL_V] = ++h->version;
	row->cells[CELL_W] = dice_percent(h->dice, 15) ? CELL_NULL : dice_below(h->dice, 100);
	row->cells[CELL_NAME] = record->table == TABLE_NAMES ? (before->exists ? before->cells[CELL_NAME] : CELL_NULL) : dice_below(h->dice, 50);
}

/* A part of a row waits where the row is not there, because what made it was refused. What stands behind it is not refused as well: they would come
 * back one by one, and nobody could say when the part meets what settles it. */
static void follow_parts(struct history *h, struct record *record)
{
	bool *there = h->there[record->table], *awaited = h->awaited[record->table], *held = h->held[record->table];
	int64_t id = record->id, old_id = record->deed == DEED_MOVE ? record->old_id : id;
	bool orphan;

	record->lacks = record->keeps_w && !h->json;
	orphan = record->lacks && !there[id];
	if (record->poison && (orphan || held[id] || held[old_id])) {
		record->poison = false;
		record->fate = FATE_WRITTEN;
	}
	record->held = held[id] = held[old_id] = orphan || held[id] || held[old_id];
	if (record->fate != FATE_WRITTEN)
		return;
	awaited[id] = orphan || (record->lacks && awaited[id]);
	there[old_id] = there[old_id] && old_id == id;
	awaited[old_id] = awaited[old_id] && old_id == id;
	there[id] = record->deed != DEED_DELETE && (!record->lacks || there[id]);
}

/* Chooses what happens to a row and does it at the source. A row that is waited for gets no other key: where that is another lane's, the two do not
 * meet before park_for is over. May free or take a unique value. */
static void happen(struct history *h, struct record *record, int64_t id, uint32_t parts, bool upsert_only)
{
	struct row *rows = h->source[record->table], before = rows[id];
	uint32_t what = dice_below(h->dice, 100);
	bool delicate = false;

	record->id = id;
	record->deed = DEED_UPSERT;
	if (before.exists && !upsert_only && what < 20) {
		record->deed = DEED_DELETE;
		delicate = frees_name(h, record->table, id);
		if (delicate)
			free_name(h, id);
		rows[id].exists = false;
	} else if (before.exists && !upsert_only && !h->json && what < 40 && !h->awaited[record->table][id] &&
		   absent_id(h, record->table, id, parts) >= 0) {
		record->deed = DEED_MOVE;
		record->old_id = id;
		record->id = absent_id(h, record->table, id, parts);
		delicate = record->table == TABLE_NAMES;
		if (delicate) {
			h->name_of_row[record->id] = h->name_of_row[id];
			h->name_of_row[id] = CELL_NULL;
		}
	}
	if (record->deed != DEED_DELETE)
		new_values(h, record, &before);
	if (record->table == TABLE_NAMES && record->deed == DEED_UPSERT) {
		if (before.exists && frees_name(h, TABLE_NAMES, id) && what >= 60) {
			delicate = true;
			free_name(h, id);
			record->row.cells[CELL_NAME] = CELL_NULL;
		} else if (record->row.cells[CELL_NAME] == CELL_NULL && h->free_name_count && what >= 50) {
			record->row.cells[CELL_NAME] = take_name(h);
		}
	}
	choose_fate(h, record, delicate);
	/* Columns are left out only where the script copies: a map makes whole rows. A row that is not there has all of its own. */
	record->keeps_w = record->deed == DEED_UPSERT && (before.exists || h->json) &&
			  (record->table == TABLE_PLAIN || record->table == TABLE_NAMES) && dice_percent(h->dice, 25) && (h->json || !h->lossy);
	if (record->keeps_w)
		record->row.cells[CELL_W] = before.exists ? before.cells[CELL_W] : CELL_NULL;
	if (record->deed == DEED_MOVE)
		rows[id].exists = false;
	if (record->deed != DEED_DELETE)
		rows[record->id] = record->row;
	follow_parts(h, record);
}

/* ---- messages ---- */

static int64_t some_id(struct history *h, const struct log *log, uint32_t parts)
{
	uint32_t count = (h->rows - (uint32_t)log->number + parts - 1) / parts;

	return (int64_t)dice_below(h->dice, count) * parts + log->number;
}

static void add_no_change(struct history *h, struct log *log)
{
	struct log_message *message = history_message(h, log);
	struct record *record;

	if (dice_percent(h->dice, 50)) {
		record = history_event(h, log, FATE_DEAD);
		message->value = SLICE("{\"id\":");
	} else {
		record = history_event(h, log, FATE_UNWRITTEN);
		message->value = h->json ? SLICE("[]") : SLICE("{\"ts_ms\":5}");
	}
	record->deed = DEED_NONE;
}

static void add_rows(struct history *h, struct log *log, uint32_t parts)
{
	struct log_message *message = history_message(h, log);
	uint32_t count = 2 + dice_below(h->dice, 4);

	buf_char(&h->text, '[');
	for (uint32_t i = 0; i < count; i++) {
		struct record *record = history_event(h, log, FATE_WRITTEN);

		happen(h, record, some_id(h, log, parts), parts, true);
		if (i)
			buf_char(&h->text, ',');
		history_put_row(h, record, &record->row);
	}
	buf_char(&h->text, ']');
	message->value = history_kept_text(h);
}

static void add_change(struct history *h, struct log *log, uint32_t parts)
{
	struct log_message *message = history_message(h, log);
	struct record *record = history_event(h, log, FATE_WRITTEN);
	int64_t id = some_id(h, log, parts);
	struct row before = h->source[log->table][id];
	bool gone;

	happen(h, record, id, parts, log->table == TABLE_COUNTS);
	gone = record->deed == DEED_DELETE && record->fate == FATE_WRITTEN;
	message->key = history_key(h, record->id);
	if (h->json && record->deed == DEED_DELETE)
		return;
	if (h->json)
		history_put_row(h, record, &record->row);
	else
		put_envelope(h, record, &before);
	message->value = history_kept_text(h);
	if (gone && dice_percent(h->dice, 50)) {
		struct slice key = message->key;

		history_message(h, log)->key = key;
		record = history_event(h, log, FATE_UNWRITTEN);
		record->deed = DEED_DELETE;
		record->id = id;
		record->tombstone = true;
	}
}

/* Rows of which none comes twice; some want the value that a row of somebody else's holds for ever. */
static void add_stuck(struct history *h, struct log *log)
{
	struct log_message *message;
	struct record *record;

	if (h->stuck_next == STUCK_HOLDER)
		return;
	message = history_message(h, log);
	record = history_event(h, log, FATE_WRITTEN);
	record->id = h->stuck_next++;
	record->deed = DEED_UPSERT;
	new_values(h, record, &(struct row){ 0 });
	record->row.cells[CELL_NAME] = CELL_NULL;
	if (dice_percent(h->dice, 20)) {
		record->row.cells[CELL_NAME] = STUCK_NAME;
		record->fate = FATE_DEAD;
	}
	if (h->json)
		history_put_row(h, record, &record->row);
	else
		put_envelope(h, record, &(struct row){ 0 });
	message->value = history_kept_text(h);
	message->key = history_key(h, record->id);
}

/* A row is made, or made anew with other values; or what another table says of such a row. Columns of one are none of the other's. */
static void add_late(struct history *h, struct log *log, int64_t id)
{
	struct log_message *message = history_message(h, log);
	struct record *record = history_event(h, log, log->table == TABLE_LOST ? FATE_DEAD : FATE_WRITTEN);

	record->id = id;
	record->deed = DEED_UPSERT;
	record->waits = log->table != TABLE_LATE;
	new_values(h, record, &(struct row){ 0 });
	if (log->table == TABLE_NOTES && dice_percent(h->dice, 4)) {
		record->poison = true;
		record->fate = FATE_DEAD;
	}
	h->source[log->table][id].exists = true;
	if (h->json)
		history_put_row(h, record, &record->row);
	else
		put_envelope(h, record, &(struct row){ 0 });
	message->value = history_kept_text(h);
	message->key = history_key(h, id);
}

static void add_whole(struct history *h, struct log *log, int64_t id)
{
	struct log_message *message = history_message(h, log);
	struct record *record = history_event(h, log, FATE_WRITTEN);
	struct row *row = &h->source[log->table][id], before = *row;

	record->id = id;
	record->deed = DEED_UPSERT;
	new_values(h, record, &before);
	*row = record->row;
	follow_parts(h, record);
	put_envelope(h, record, &before);
	message->value = history_kept_text(h);
	message->key = history_key(h, id);
}

/* Whole rows, where parts of them still wait. */
static void add_awaited_rows(struct history *h, struct log *log, uint32_t parts)
{
	for (int64_t id = log->number; id < ROWS_MOST; id += parts)
		if (h->awaited[log->table][id])
			add_whole(h, log, id);
}

/* Every row comes that something is said of, but those of LOST. */
static void add_missing_rows(struct history *h, uint32_t parts)
{
	for (int64_t id = 0; id < ROWS_MOST; id++)
		for (uint32_t l = 0; h->source[TABLE_NOTES][id].exists && !h->source[TABLE_LATE][id].exists; l++)
			if (h->logs[l].table == TABLE_LATE && (uint32_t)h->logs[l].number == id % parts)
				add_late(h, &h->logs[l], id);
}

static void add_logs(struct history *h, enum table table, uint32_t parts)
{
	for (uint32_t i = 0; i < parts; i++)
		h->logs[h->log_count++] = (struct log){ .table = table, .number = (int32_t)i };
}

/* Retention had been at work before the first run: a partition's first offset is any. */
static void age(struct history *h, struct log *log)
{
	int64_t gone = dice_percent(h->dice, 50) ? 0 : dice_below(h->dice, 40);

	while (log->count < gone)
		history_message(h, log);
	log->first = log->low = log->start = log->published = log->count;
}

static uint32_t parts_of(const struct history *h, enum table table)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < h->log_count; i++)
		count += h->logs[i].table == table;
	return count;
}

static void add_all_logs(struct history *h, struct dice *dice)
{
	add_logs(h, TABLE_PLAIN, 1 + dice_below(dice, 3));
	if (dice_percent(dice, 70))
		add_logs(h, TABLE_ITEMS, 1 + dice_below(dice, 3));
	if (!h->lossy && dice_percent(dice, 70))
		add_logs(h, TABLE_NAMES, 1 + dice_below(dice, 3));
	if (dice_percent(dice, 40))
		add_logs(h, TABLE_SKIPS, 1 + dice_below(dice, 2));
	if (!h->lossy && dice_percent(dice, 10))
		add_logs(h, TABLE_STUCK, 1);
	if (!h->lossy && dice_percent(dice, 40)) {
		add_logs(h, TABLE_LATE, 1 + dice_below(dice, 2));
		add_logs(h, TABLE_NOTES, 1 + dice_below(dice, 2));
		if (dice_percent(dice, 30))
			add_logs(h, TABLE_LOST, 1);
	}
	if (dice_percent(dice, 60))
		add_logs(h, TABLE_COUNTS, 1 + dice_below(dice, 3));
	if (dice_percent(dice, 20))
		add_logs(h, TABLE_OTHER, 1);
	if (h->rows % 3 == 1) /* no throw of the dice: the other runs stay what they are */
		add_logs(h, TABLE_SUMS, 1 + h->rows / 5);
}

static void add_timed_logs(struct history *h, struct dice *dice)
{
	add_logs(h, TABLE_PLAIN, 1);
	for (int table = TABLE_TIMED; table <= TABLE_SESSIONS; table++)
		if (dice_percent(dice, 60))
			add_logs(h, (enum table)table, 1 + dice_below(dice, 2));
	if (dice_percent(dice, 20))
		add_logs(h, TABLE_COUNTS, 1);
}

/* Of dice that are thrown away: what happens in a run is the same either way. */
static bool is_chained(struct dice dice)
{
	for (int i = 0; i < 1000; i++)
		dice_below(&dice, 2);
	return dice_percent(&dice, 40);
}

void history_init(struct history *h, struct dice *dice, uint32_t messages, bool lossy)
{
	*h = (struct history){ .json = dice_percent(dice, 35), .dice = dice, .rows = 3 + dice_below(dice, 14), .lossy = lossy };
	h->moody = dice_percent(dice, 30);
	h->chained = is_chained(*dice);
	(!lossy && dice_percent(dice, 40) ? add_timed_logs : add_all_logs)(h, dice);
	for (uint32_t i = 0; i < h->log_count; i++)
		age(h, &h->logs[i]);
	for (uint32_t i = 0; i < ROWS_MOST; i++)
		h->name_of_row[i] = CELL_NULL;
	history_target(h, h->source);
	for (int table = 0; table < TABLE_COUNT; table++)
		for (int id = 0; id < ROWS_MOST; id++)
			h->there[table][id] = h->source[table][id].exists;
	for (uint32_t i = 0; i < h->rows / 2; i++)
		h->name_of_row[i] = i;
	for (uint32_t i = 0; i < messages; i++) {
		struct log *log = &h->logs[dice_below(dice, h->log_count)];
		uint32_t parts = parts_of(h, log->table);

		if (log->table == TABLE_SUMS)
			sums_history_add(h, log, parts);
		else if (log->table == TABLE_STUCK)
			add_stuck(h, log);
		else if (table_written(log->table) == TABLE_LATE)
			add_late(h, log,
				 log->table == TABLE_LOST ? h->rows + some_id(h, log, parts) % (ROWS_MOST - h->rows) : some_id(h, log, parts));
		else if (dice_percent(dice, 5))
			add_no_change(h, log);
		else if (table_is_timed(log->table))
			timed_history_add(h, log, parts);
		else if (h->json && dice_percent(dice, 30))
			add_rows(h, log, parts);
		else
			add_change(h, log, parts);
		/* Counted last: the array of messages moves while records are added. */
		for (uint32_t l = 0; l < h->log_count; l++)
			BUG_IF(h->logs[l].count > h->logs[l].cap);
	}
	add_missing_rows(h, parts_of(h, TABLE_LATE));
	for (uint32_t l = 0; l < h->log_count; l++)
		add_awaited_rows(h, &h->logs[l], parts_of(h, h->logs[l].table));
	timed_history_end(h);
}

void history_free(struct history *h)
{
	for (uint32_t i = 0; i < h->log_count; i++)
		free(h->logs[i].messages);
	free(h->records);
	buf_free(&h->text);
	arena_free(&h->arena);
}

uint32_t history_log(const struct history *h, struct slice topic, int32_t number)
{
	for (uint32_t i = 0; i < h->log_count; i++)
		if (h->logs[i].number == number && slice_is(topic, topic_names[h->logs[i].table]))
			return i;
	return UINT32_MAX;
}

const struct record *history_record(const struct history *h, uint32_t log, int64_t offset, uint32_t part)
{
	const struct log_message *message;

	if (log >= h->log_count || offset < 0 || offset >= h->logs[log].count)
		trace_fail("an event of partition %u, offset %lld: there is none", log, (long long)offset);
	message = &h->logs[log].messages[offset];
	if (part >= message->count)
		trace_fail("event %u of %s:%d:%lld: the message has %u", part, table_names[h->logs[log].table], h->logs[log].number,
			   (long long)offset, message->count);
	return &h->records[message->first + part];
}

void history_target(const struct history *h, struct row rows[TABLE_COUNT][ROWS_MOST])
{
	memset(rows, 0, sizeof(struct row) * TABLE_COUNT * ROWS_MOST);
	for (uint32_t i = 0; i < h->rows / 2; i++)
		rows[TABLE_NAMES][i] = (struct row){ true, { i, 0, 0, i } };
	rows[TABLE_STUCK][STUCK_HOLDER] = (struct row){ true, { STUCK_HOLDER, 0, 0, STUCK_NAME } };
}

void history_kept(const struct row *row, int64_t *n, int64_t *hash)
{
	bool any = row->exists && row->cells[CELL_W] < COUNTS_MOST;

	*n = any ? row->cells[CELL_W] : 0;
	*hash = any ? row->cells[CELL_NAME] : 0;
}

static void apply_counts(const struct record *record, struct row *row)
{
	int64_t n, hash;

	history_kept(row, &n, &hash);
	*row = record->row;
	row->cells[CELL_W] = n + 1;
	row->cells[CELL_NAME] = (hash * 7 + row->cells[CELL_V]) % 997;
}

void history_apply(const struct record *record, struct row rows[TABLE_COUNT][ROWS_MOST])
{
	struct row *row = &rows[table_written(record->table)][record->id];
	int64_t w;

	if (table_is_timed(record->table)) /* what they write is timed.c's to know */
		return;
	if (record->table == TABLE_SUMS) {
		sums_history_apply(record, rows[TABLE_SUMS]);
		return;
	}
	w = row->exists ? row->cells[CELL_W] : CELL_NULL;

	if (record->deed == DEED_MOVE)
		rows[record->table][record->old_id].exists = false;
	if (record->deed == DEED_DELETE)
		row->exists = false;
	if (record->deed == DEED_DELETE || record->deed == DEED_NONE)
		return;
	if (record->waits) {
		row->cells[CELL_W] = record->row.cells[CELL_W];
		row->cells[CELL_NAME] = record->row.cells[CELL_NAME];
		return;
	}
	if (record->table == TABLE_LATE) {
		if (!row->exists)
			*row = (struct row){ true, { record->id, CELL_NULL, CELL_NULL, CELL_NULL } };
		row->cells[CELL_V] = record->row.cells[CELL_V];
		return;
	}
	if (record->table == TABLE_COUNTS) {
		apply_counts(record, row);
		return;
	}
	if (record->lacks && !row->exists)
		return;
	*row = record->row;
	if (record->keeps_w)
		row->cells[CELL_W] = w;
}

bool row_equal(const struct row *a, const struct row *b)
{
	return a->exists == b->exists && (!a->exists || memcmp(a->cells, b->cells, sizeof a->cells) == 0);
}
