#include "sim/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/parking.h"
#include "flow/progress.h"
#include "flow/script.h"
#include "sim/trace.h"

enum { WAITED_MS = 5000 }; /* the shortest park_for is 10 s; workers learn what time it is only with their next turn */

void database_init(struct database *db, struct history *history)
{
	*db = (struct database){ .history = history };
	history_target(history, db->rows);
	history_target(history, db->model);
	memset(db->last, -1, sizeof db->last);
	timed_init(&db->timed, history);
	db->endings = calloc(history->record_count + 1, sizeof *db->endings);
	db->sound = calloc(history->log_count, sizeof *db->sound);
	BUG_IF(!db->endings || !db->sound);
	for (uint32_t i = 0; i < history->log_count; i++)
		db->sound[i] = history->logs[i].first;
}

void database_free(struct database *db)
{
	while (db->requests) {
		struct request *request = db->requests;

		db->requests = request->next;
		request_free(request);
	}
	for (size_t i = 0; i < db->progress_count; i++)
		buf_free(&db->progress[i].done);
	free(db->progress);
	kept_free(&db->kept);
	timed_free(&db->timed);
	free(db->endings);
	free(db->sound);
	free(db->aside.messages);
	batch_free(&db->batch);
	arena_free(&db->arena);
}

struct progress *database_progress(struct database *db, uint32_t log, int32_t lane)
{
	for (size_t i = 0; i < db->progress_count; i++)
		if (db->progress[i].log == log && db->progress[i].lane == lane)
			return &db->progress[i];
	return NULL;
}

struct progress *database_add_progress(struct database *db, uint32_t log, int32_t lane, int64_t epoch)
{
	db->progress = realloc(db->progress, (db->progress_count + 1) * sizeof *db->progress);
	BUG_IF(!db->progress);
	db->progress[db->progress_count] = (struct progress){ .log = log, .lane = lane, .epoch = epoch, .next_offset = -1, .watermark = INT64_MIN };
	return &db->progress[db->progress_count++];
}

/* ---- the wire ---- */

static int64_t cell_of(const struct value *value)
{
	struct value digits = *value;
	int64_t cell;

	if (value->kind == VALUE_NULL || value->kind == VALUE_DEFAULT)
		return CELL_NULL;
	if (value->kind == VALUE_TEXT && value->n > 1 && *value->p == 'n') {
		digits.p++;
		digits.n--;
		digits.kind = VALUE_NUMBER;
	}
	if (!value_is_integer(&digits, &cell))
		trace_fail("a cell that no message had: %.*s", (int)value->n, value->p);
	return cell;
}

static enum table table_of(const struct target *target)
{
	for (int table = 0; table < TABLE_COUNT; table++)
		if (slice_is(target->name, table_names[table]))
			return (enum table)table;
	trace_fail("a transaction writes table %.*s", SLICE_ARG(target->name));
}

/* What waits need not find its row where a later change settles it. */
static bool settles(enum change_op later, bool partial)
{
	return later == CHANGE_DELETE || (later == CHANGE_UPSERT && partial);
}

static void copy_table(struct request *request, struct wire_table *wire, const struct batch_table *table)
{
	*wire = (struct wire_table){ .table = table_of(table->target), .mode = table->mode, .count = table->count, .deletes = table->deletes };
	wire->changes = arena_zalloc(&request->arena, (table->count + 1) * sizeof *wire->changes);
	for (size_t i = 0; i < table->count; i++) {
		const struct change *change = table->changes[i];

		wire->changes[i].op = (enum change_op)change->op;
		wire->changes[i].waits = change->waits;
		for (uint32_t c = 0; c < CELL_COUNT; c++) {
			wire->changes[i].set[c] = VALUE_IS_SET(&change->values[c]);
			wire->changes[i].adds[c] = change->target->columns[c].merge == MERGE_SUM;
			wire->changes[i].cells[c] = wire->changes[i].set[c] ? cell_of(&change->values[c]) : CELL_NULL;
		}
	}
	for (size_t i = 0; i < wire->count; i++)
		for (size_t k = i + 1; k < wire->count; k++)
			if (wire->changes[k].cells[CELL_ID] == wire->changes[i].cells[CELL_ID] &&
			    settles(wire->changes[k].op, table->changes[i]->partial))
				wire->changes[i].settled = true;
}

static void copy_kept(struct request *request, const struct batch_table *table)
{
	request->kept = arena_alloc(&request->arena, table->count * sizeof *request->kept);
	request->kept_count = table->count;
	for (size_t i = 0; i < table->count; i++)
		request->kept[i] = kept_of_change(table->changes[i], &request->arena);
}

static void copy_lines(struct request *request, const struct batch_table *table)
{
	struct wire_line *all = arena_alloc(&request->arena, (request->line_count + table->count) * sizeof *all);

	if (request->line_count)
		memcpy(all, request->lines, request->line_count * sizeof *all);
	request->lines = all;
	for (size_t i = 0; i < table->count; i++)
		request->lines[request->line_count++] = timed_line(table->changes[i], &request->arena);
}

static bool is_silent(const struct event *event)
{
	for (const struct change *change = event->changes; change; change = change->next)
		if (!change->target->own)
			return false;
	return true;
}

static struct wire_event copy_timer(const struct event *event)
{
	struct wire_event timer = { .outcome = (enum outcome)event->outcome };

	timer.firing = (struct firing){ .id = strtoll(event->message->key.p + 1, NULL, 10),
					.at_ms = event->at_ms,
					.clock = (enum state_clock)event->due_by,
					.ended = event->ended,
					.dead = event->outcome == OUTCOME_DEAD,
					.writes = !is_silent(event) };
	for (int table = 0; table < TABLE_COUNT; table++)
		if (slice_is(event->script->name, table_names[table]))
			timer.firing.table = (enum table)table;
	if (!table_is_timed(timer.firing.table) || (event->outcome != OUTCOME_PENDING && event->outcome != OUTCOME_DEAD))
		trace_fail("a timer of table %.*s, key %lld at %lld, is written with outcome %d", SLICE_ARG(event->table), (long long)timer.firing.id,
			   (long long)event->at_ms, event->outcome);
	return timer;
}

static struct wire_event copy_event(struct database *db, const struct event *event, struct arena *arena)
{
	uint32_t log = history_log(db->history, event->message->topic, event->message->partition);
	const struct record *record = history_record(db->history, log, event->message->offset, event->part);
	bool pending = event->outcome == OUTCOME_PENDING, made = event->changes || table_is_timed(record->table);
	struct wire_event copy = { .record = record,
				   .outcome = pending && !made ? OUTCOME_FILTERED : (enum outcome)event->outcome,
				   .parked = event->parked != NULL };
	struct buf keys = BUF_INIT;

	if (event->outcome == OUTCOME_PARKED && !event->parked)
		parking_pack(&keys, event);
	copy.keys = arena_copy(arena, (struct slice){ keys.p ? keys.p : "", keys.n });
	buf_free(&keys);
	return copy;
}

struct request *database_send(struct database *db, const struct tx *tx, struct client *client, uint32_t worker)
{
	struct request *request = calloc(1, sizeof *request), **at = &db->requests;
	struct arena *arena;

	BUG_IF(!request);
	arena = &request->arena;
	request->client = client;
	request->worker = worker;
	request->lane = tx->lane;
	batch_build(&db->batch, tx);
	request->tables = arena_alloc(arena, (db->batch.table_count + 1) * sizeof *request->tables);
	for (size_t i = 0; i < db->batch.table_count; i++) {
		if (db->batch.tables[i].target->own)
			copy_kept(request, &db->batch.tables[i]);
		else if (timed_target(db->batch.tables[i].target->name))
			copy_lines(request, &db->batch.tables[i]);
		else
			copy_table(request, &request->tables[request->table_count++], &db->batch.tables[i]);
	}
	request->event_count = tx->count;
	request->events = arena_alloc(arena, (tx->count + 1) * sizeof *request->events);
	for (size_t i = 0; i < tx->count; i++) {
		const struct event *event = tx->events[i];

		if (event->outcome == OUTCOME_DEAD)
			trace_line("dead letter: %.*s", SLICE_ARG(event->error));
		request->events[i] = event->op == OP_TIMER ? copy_timer(event) : copy_event(db, event, arena);
	}
	request->progress_count = tx->progress_count;
	request->progress = arena_alloc(arena, (tx->progress_count + 1) * sizeof *request->progress);
	for (size_t i = 0; i < tx->progress_count; i++) {
		const struct progress_row *row = &tx->progress[i];
		struct slice done = arena_copy(arena, row->done);

		request->progress[i] = (struct progress){ history_log(db->history, row->topic, row->partition),
							  row->lane,
							  row->epoch,
							  row->seq,
							  row->next_offset,
							  row->watermark,
							  { (char *)done.p, done.n, 0 } };
		if (row->lane != tx->lane)
			trace_fail("lane %d writes the progress of lane %d", tx->lane, row->lane);
	}
	while (*at)
		at = &(*at)->next;
	*at = request;
	return request;
}

void request_unlink(struct database *db, struct request *request)
{
	struct request **at = &db->requests;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	request->next = NULL;
}

void request_free(struct request *request)
{
	arena_free(&request->arena);
	free(request);
}

/* ---- rows ---- */

static bool is_unique(enum table table)
{
	return table == TABLE_NAMES || table == TABLE_STUCK;
}

/* False where another row has its unique value. */
static bool put_row(struct database *db, enum table table, const struct wire_change *change, bool plain_insert)
{
	int64_t id = change->cells[CELL_ID];
	struct row row = db->rows[table][id];

	if (row.exists && plain_insert)
		trace_fail("an INSERT into %s meets row %lld, which nobody deleted before", table_names[table], (long long)id);
	if (!row.exists) {
		if (change->waits && !change->settled)
			trace_fail("an update of row %lld of %s, which waits for it, is written and it is not there", (long long)id,
				   table_names[table]);
		if (change->op == CHANGE_UPDATE)
			return true;
		row = (struct row){ true, { id, CELL_NULL, CELL_NULL, CELL_NULL } };
	}
	for (int c = 0; c < CELL_COUNT; c++)
		if (change->set[c])
			row.cells[c] = change->cells[c] + (change->adds[c] && row.cells[c] != CELL_NULL ? row.cells[c] : 0);
	for (int64_t other = 0; is_unique(table) && row.cells[CELL_NAME] != CELL_NULL && other < ROWS_MOST; other++)
		if (other != id && db->rows[table][other].exists && db->rows[table][other].cells[CELL_NAME] == row.cells[CELL_NAME])
			return false;
	db->rows[table][id] = row;
	return true;
}

static bool write_table(struct database *db, const struct wire_table *wire)
{
	size_t first_put = 0;

	for (size_t i = 0; i < wire->count; i++)
		if (!wire->changes[i].set[CELL_ID] || wire->changes[i].cells[CELL_ID] < 0 || wire->changes[i].cells[CELL_ID] >= ROWS_MOST)
			trace_fail("a change of %s without a key", table_names[wire->table]);
	if (wire->mode == BATCH_MERGED_UNIQUE) {
		for (size_t i = 0; i < wire->count; i++)
			db->rows[wire->table][wire->changes[i].cells[CELL_ID]].exists = false;
		first_put = wire->deletes;
	}
	for (size_t i = first_put; i < wire->count; i++) {
		const struct wire_change *change = &wire->changes[i];

		if (change->op == CHANGE_DELETE)
			db->rows[wire->table][change->cells[CELL_ID]].exists = false;
		else if (!put_row(db, wire->table, change, wire->mode == BATCH_MERGED_UNIQUE))
			return false;
	}
	return true;
}

/* ---- what is promised ---- */

static const char *place_text(const struct database *db, const struct record *record, char *text)
{
	snprintf(text, 80, "%s:%d:%lld.%u", table_names[db->history->logs[record->log].table], db->history->logs[record->log].number,
		 (long long)record->offset, record->part);
	return text;
}

/* Applied after what came before it for the same source key. */
static void check_order(struct database *db, const struct record *record, int64_t id)
{
	int64_t *last = &db->last[record->table][id], index = record - db->history->records;
	const struct record *before = *last < 0 ? NULL : &db->history->records[*last];
	char a[80], b[80];

	if (before &&
	    (before->log != record->log || before->offset > record->offset || (before->offset == record->offset && before->part >= record->part)))
		trace_fail("row %lld: %s is applied after %s", (long long)id, place_text(db, record, a), place_text(db, before, b));
	*last = index;
}

void database_aside(struct database *db, const struct event *event, const struct change *change)
{
	struct asides *aside = &db->aside;
	struct aside_message *message;
	uint32_t log;

	if (event->op == OP_TIMER || !slice_is(change->target->name, "aside:counts") || change->count != CELL_COUNT)
		trace_fail("%.*s goes aside", SLICE_ARG(change->target->name));
	if (aside->count == aside->cap) {
		aside->cap = aside->cap ? aside->cap * 2 : 256;
		aside->messages = realloc(aside->messages, aside->cap * sizeof *aside->messages);
		BUG_IF(!aside->messages);
	}
	log = history_log(db->history, event->message->topic, event->message->partition);
	message = &aside->messages[aside->count++];
	message->record = (uint32_t)(history_record(db->history, log, event->message->offset, event->part) - db->history->records);
	for (uint32_t i = 0; i < change->count; i++)
		for (int cell = 0; cell < CELL_COUNT; cell++)
			if (slice_is(change->target->columns[i].name, cell_names[cell]))
				message->cells[cell] = cell_of(&change->values[i]);
}

/* Its row was acknowledged aside before it was committed. One that ran again may have sent other rows as well, which never came to be. */
static void check_aside(const struct database *db, const struct record *record, const struct row *row)
{
	char text[80];

	for (size_t i = 0; i < db->aside.count; i++)
		if (&db->history->records[db->aside.messages[i].record] == record &&
		    memcmp(db->aside.messages[i].cells, row->cells, sizeof row->cells) == 0)
			return;
	trace_fail("%s is written, and its row has not come aside", place_text(db, record, text));
}

/* A part of a row is written where the row is, or together with what settles it. */
static void check_part(struct database *db, const struct record *record)
{
	const struct record **owed = db->owed[record->table];

	if (record->lacks && !db->model[record->table][record->id].exists)
		owed[record->id] = record;
	else if (!record->lacks)
		owed[record->id] = NULL;
	if (record->deed == DEED_MOVE)
		owed[record->old_id] = NULL;
}

static void check_owed(const struct database *db)
{
	char text[80];

	for (int table = 0; table < TABLE_COUNT; table++)
		for (int id = 0; id < ROWS_MOST; id++)
			if (db->owed[table][id])
				trace_fail("%s is written, and neither its row nor what settles it is there",
					   place_text(db, db->owed[table][id], text));
}

static void end_event(struct database *db, const struct wire_event *event)
{
	const struct record *record = event->record;
	struct ending *ending;
	char text[80];

	if (!record) {
		timed_fire(&db->timed, &event->firing);
		return;
	}
	ending = &db->endings[record - db->history->records];
	if (ending->lost)
		trace_fail("%s comes, and --from has passed it", place_text(db, record, text));
	if (event->parked && !ending->parked)
		trace_fail("%s comes back and is not parked", place_text(db, record, text));
	if (event->parked && event->outcome == OUTCOME_PARKED)
		return;
	ending->parked = false;
	switch (event->outcome) {
	case OUTCOME_PARKED:
		if (!record->waits && !record->held)
			trace_fail("%s is parked", place_text(db, record, text));
		ending->parked = true;
		ending->parked_ms = db->now_ms;
		ending->parked_away_ms = db->away_ms;
		ending->keys = arena_copy(&db->arena, event->keys);
		db->parkings++;
		break;
	case OUTCOME_PENDING:
		ending->written++;
		if (record->fate != FATE_WRITTEN && !record->tombstone)
			trace_fail("%s is written", place_text(db, record, text));
		if (record->table != TABLE_SUMS) /* whose rows any event may be the next of */
			check_order(db, record, record->id);
		if (record->deed == DEED_MOVE && record->table != TABLE_SUMS)
			check_order(db, record, record->old_id);
		if (record->waits && !db->model[table_written(record->table)][record->id].exists)
			trace_fail("%s is written, and its row is not there", place_text(db, record, text));
		check_part(db, record);
		if (table_is_timed(record->table))
			timed_apply(&db->timed, record);
		history_apply(record, db->model);
		if (db->aside.on && record->table == TABLE_COUNTS)
			check_aside(db, record, &db->model[TABLE_COUNTS][record->id]);
		break;
	case OUTCOME_DEAD:
		ending->dead++;
		if (record->fate != FATE_DEAD && record->mood != MOOD_FAILS)
			trace_fail("%s is a dead letter", place_text(db, record, text));
		if (record->waits && !record->poison && db->now_ms - ending->parked_ms - (db->away_ms - ending->parked_away_ms) < WAITED_MS)
			trace_fail("%s is a dead letter, and has not waited", place_text(db, record, text));
		break;
	case OUTCOME_FILTERED: /* of a stateful script: in order with the others of its key */
		if (record->fate != FATE_UNWRITTEN && record->mood != MOOD_FILTERS)
			trace_fail("%s is filtered", place_text(db, record, text));
		break;
	case OUTCOME_SKIPPED:
		ending->skipped++;
		if (record->fate != FATE_SKIPPED)
			trace_fail("%s is skipped", place_text(db, record, text));
		break;
	default:
		trace_fail("%s is in a transaction with outcome %d", place_text(db, record, text), event->outcome);
	}
	if (ending->written + ending->dead + ending->skipped > 1)
		trace_fail("%s ended %u times", place_text(db, record, text), ending->written + ending->dead + ending->skipped);
}

/* Ended, or nothing to be done about it. */
static bool is_over(const struct database *db, const struct record *record)
{
	const struct ending *ending = &db->endings[record - db->history->records];

	return record->fate == FATE_UNWRITTEN || ending->lost || record->mood == MOOD_FILTERS || (record->fate == FATE_SKIPPED && !record->poison) ||
	       ending->written || ending->dead || ending->skipped;
}

/* As far as its partition is concerned. */
static bool is_done(const struct database *db, const struct record *record)
{
	return is_over(db, record) || db->endings[record - db->history->records].parked;
}

static bool message_over(const struct database *db, const struct log_message *message, const struct record **open)
{
	for (uint32_t i = 0; i < message->count; i++) {
		*open = &db->history->records[message->first + i];
		if (!is_done(db, *open))
			return false;
	}
	return true;
}

/* No row of progress says done of what is not. */
static void check_progress(struct database *db, const struct progress *row)
{
	const struct log *log = &db->history->logs[row->log];
	struct done_list done = { 0 };
	const struct record *open;
	struct error err;
	char text[80];

	trace_line("database: %s:%d lane %d: seq %lld, next offset %lld", table_names[log->table], log->number, row->lane, (long long)row->seq,
		   (long long)row->next_offset);
	if (row->next_offset > log->published)
		trace_fail("progress of %s:%d is at %lld of %lld messages", table_names[log->table], log->number, (long long)row->next_offset,
			   (long long)log->published);
	for (; db->sound[row->log] < row->next_offset; db->sound[row->log]++)
		if (!message_over(db, &log->messages[db->sound[row->log]], &open))
			trace_fail("lane %d says next offset %lld, and %s has not ended", row->lane, (long long)row->next_offset,
				   place_text(db, open, text));
	if (progress_decode(buf_view(&row->done), row->next_offset, &done, &err) < 0)
		trace_fail("progress of %s:%d, lane %d: %s", table_names[log->table], log->number, row->lane, err.text);
	for (size_t i = 0; i < done.count; i++) {
		const struct record *record = history_record(db->history, row->log, done.items[i].offset, done.items[i].part);

		if (!is_done(db, record))
			trace_fail("lane %d says that %s is done, and it is not", row->lane, place_text(db, record, text));
	}
	done_list_free(&done);
}

/* Every row that an event touched is what its events, one by one, make of it. */
static void check_rows(const struct database *db, const struct request *request)
{
	for (size_t i = 0; i < request->event_count; i++) {
		const struct record *record = request->events[i].record;
		int64_t ids[] = { record ? record->id : 0, record ? record->old_id : 0 };

		for (int k = 0; record && k < (record->deed == DEED_MOVE ? 2 : 1); k++)
			if (!row_equal(&db->rows[table_written(record->table)][ids[k]], &db->model[table_written(record->table)][ids[k]]))
				trace_fail("row %lld of %s is not what its events make of it", (long long)ids[k], table_names[record->table]);
	}
}

static const char *kept_value(const struct database *db, const char *map, const char *format, int id)
{
	const struct kept_row *row;
	char key[24];

	snprintf(key, sizeof key, format, id);
	row = kept_find(&db->kept, "counts", map, key);
	return row ? row->value : "none";
}

/* What the script keeps is what made the row that it wrote, and its map goes with its state. */
static void check_kept(const struct database *db)
{
	char state[96], entry[32];
	int64_t n, hash;

	for (int id = 0; id < ROWS_MOST; id++) {
		const char *found = kept_value(db, "", "[%d]", id), *in_map = kept_value(db, "m", "[%d,\"g\"]", id);
		long long copy;
		bool copied = sscanf(found, "{\"g\":%lld", &copy) == 1;

		history_kept(&db->model[TABLE_COUNTS][id], &n, &hash);
		snprintf(entry, sizeof entry, copied ? "%lld" : "none", copied ? copy : 0);
		snprintf(state, sizeof state, "{%s%s%s\"h\":%lld,\"n\":%lld}", copied ? "\"g\":" : "", copied ? entry : "", copied ? "," : "",
			 (long long)hash, (long long)n);
		if (strcmp(found, n ? state : "none") != 0 || strcmp(in_map, entry) != 0)
			trace_fail("the state of key %d is %s and its map's entry %s; its events make %s", id, found, in_map, n ? state : "none");
	}
}

bool database_is_stale(struct database *db, const struct request *request)
{
	for (size_t i = 0; i < request->progress_count; i++) {
		const struct progress *row = database_progress(db, request->progress[i].log, request->progress[i].lane);

		if (!row || row->epoch != request->progress[i].epoch || row->seq != request->progress[i].seq - 1)
			return true;
	}
	return false;
}

/* What the changes of a table, one after the other, do not find. A later change may settle that. */
static bool misses(const struct database *db, const struct request *request)
{
	for (size_t t = 0; t < request->table_count; t++) {
		const struct wire_table *wire = &request->tables[t];
		bool there[ROWS_MOST];

		for (int id = 0; id < ROWS_MOST; id++)
			there[id] = db->rows[wire->table][id].exists;
		for (size_t i = 0; i < wire->count; i++) {
			const struct wire_change *change = &wire->changes[i];

			if (change->waits && !change->settled && !there[change->cells[CELL_ID]])
				return true;
			if (change->op != CHANGE_UPDATE)
				there[change->cells[CELL_ID]] = change->op == CHANGE_UPSERT;
		}
	}
	return false;
}

static bool settled_later(const struct tx *tx, size_t at, const struct change *change, int64_t id)
{
	for (size_t i = at + 1; i < tx->count; i++)
		for (const struct change *later = tx->events[i]->changes; later && tx->events[i]->outcome == OUTCOME_PENDING; later = later->next)
			if (change->partial && later->target == change->target && settles(later->op, true) && cell_of(&later->values[CELL_ID]) == id)
				return true;
	return false;
}

void database_mark_missed(const struct database *db, const struct tx *tx)
{
	bool there[TABLE_COUNT][ROWS_MOST];

	for (int table = 0; table < TABLE_COUNT; table++)
		for (int id = 0; id < ROWS_MOST; id++)
			there[table][id] = db->rows[table][id].exists;
	for (size_t i = 0; i < tx->count; i++) {
		struct event *event = tx->events[i];

		for (struct change *change = event->changes; change && event->outcome == OUTCOME_PENDING; change = change->next) {
			int64_t id;
			bool *row;

			if (change->target->own || change->target->side || timed_target(change->target->name))
				continue;
			id = cell_of(&change->values[CELL_ID]);
			row = &there[table_of(change->target)][id];
			if (change->waits && !*row && !settled_later(tx, i, change, id))
				event->missed = change->missed = true;
			if (change->op != CHANGE_UPDATE)
				*row = change->op == CHANGE_UPSERT;
		}
	}
}

static bool is_poison(const struct wire_event *event)
{
	return event->record ? event->outcome == OUTCOME_PENDING && event->record->poison : timed_poison(&event->firing);
}

enum verdict database_execute(struct database *db, struct request *request)
{
	struct row before[TABLE_COUNT][ROWS_MOST];

	request_unlink(db, request);
	if (database_is_stale(db, request))
		return VERDICT_STALE;
	if (misses(db, request))
		return VERDICT_MISSED;
	for (size_t i = 0; i < request->event_count; i++)
		if (is_poison(&request->events[i]))
			return VERDICT_REFUSED;
	memcpy(before, db->rows, sizeof before);
	for (size_t i = 0; i < request->table_count; i++) {
		if (!write_table(db, &request->tables[i])) {
			memcpy(db->rows, before, sizeof before);
			return VERDICT_TAKEN;
		}
	}
	db->timed.now_ms = db->now_ms;
	for (size_t i = 0; i < request->progress_count; i++)
		timed_progress(&db->timed, request->progress[i].log, request->progress[i].next_offset, request->progress[i].watermark);
	for (size_t i = 0; i < request->event_count; i++)
		end_event(db, &request->events[i]);
	check_owed(db);
	for (size_t i = 0; i < request->line_count; i++)
		lines_put(&db->timed.is, request->lines[i].key, request->lines[i].text);
	for (size_t i = 0; i < request->kept_count; i++)
		kept_write(&db->kept, &request->kept[i]);
	check_rows(db, request);
	check_kept(db);
	timed_check(&db->timed, &db->kept);
	for (size_t i = 0; i < request->progress_count; i++) {
		struct progress *row = database_progress(db, request->progress[i].log, request->progress[i].lane);

		row->seq = request->progress[i].seq;
		row->next_offset = request->progress[i].next_offset;
		row->watermark = request->progress[i].watermark;
		buf_clear(&row->done);
		buf_slice(&row->done, buf_view(&request->progress[i].done));
		check_progress(db, row);
	}
	db->commits++;
	return VERDICT_COMMITTED;
}

bool database_complete(const struct database *db)
{
	for (uint32_t i = 0; i < db->history->record_count; i++)
		if (!is_over(db, &db->history->records[i]))
			return false;
	return true;
}

void database_check(const struct database *db)
{
	const struct history *history = db->history;
	struct row rows[TABLE_COUNT][ROWS_MOST];
	char text[80];

	timed_check_end(&db->timed);
	history_target(history, rows);
	for (uint32_t i = 0; i < history->record_count; i++) {
		const struct record *record = &history->records[i];
		const struct ending *ending = &db->endings[i];

		bool written = record->mood || record->tombstone ? ending->written : record->fate == FATE_WRITTEN;
		bool dead = record->mood == MOOD_FAILS ? !written : record->fate == FATE_DEAD;

		if (ending->lost)
			continue;
		if ((ending->written != written && !record->tombstone) || ending->dead != dead || ending->skipped > (record->fate == FATE_SKIPPED))
			trace_fail("%s: written %u times, %u dead letters, skipped %u times", place_text(db, record, text), ending->written,
				   ending->dead, ending->skipped);
		if (ending->parked)
			trace_fail("in the end %s is still parked", place_text(db, record, text));
		if (written && !record->waits)
			history_apply(record, rows);
	}
	for (uint32_t i = 0; i < history->record_count; i++)
		if (history->records[i].fate == FATE_WRITTEN && history->records[i].waits)
			history_apply(&history->records[i], rows);
	if (db->moved) /* the source's rows are gone for good: what was written is all that is known */
		memcpy(rows, db->model, sizeof rows);
	for (int table = 0; table < TABLE_COUNT; table++)
		for (int id = 0; id < ROWS_MOST; id++)
			if (!row_equal(&db->rows[table][id], &rows[table][id]))
				trace_fail("in the end row %d of %s is not what the source made of it", id, table_names[table]);
	for (uint32_t i = 0; i < history->log_count; i++) {
		int64_t most = 0;

		for (size_t p = 0; p < db->progress_count; p++)
			if (db->progress[p].log == i && db->progress[p].next_offset > most)
				most = db->progress[p].next_offset;
		if (most != history->logs[i].count && history->logs[i].start != history->logs[i].count)
			trace_fail("in the end progress of %s:%d is %lld of %lld", table_names[history->logs[i].table], history->logs[i].number,
				   (long long)most, (long long)history->logs[i].count);
	}
}

bool database_has_progress(const struct database *db, uint32_t log)
{
	for (size_t i = 0; i < db->progress_count; i++)
		if (db->progress[i].log == log && db->progress[i].next_offset >= 0)
			return true;
	return false;
}

void database_move(struct database *db)
{
	for (size_t i = 0; i < db->progress_count; i++) {
		db->progress[i].epoch++;
		db->progress[i].next_offset = -1;
		db->progress[i].watermark = INT64_MIN;
		buf_clear(&db->progress[i].done);
	}
	for (uint32_t i = 0; i < db->history->record_count; i++) {
		const struct record *record = &db->history->records[i];
		struct ending *ending = &db->endings[i];

		if (record->offset >= db->history->logs[record->log].start)
			*ending = (struct ending){ 0 };
		else if (!is_over(db, record))
			ending->lost = true;
	}
	for (uint32_t i = 0; i < db->history->log_count; i++)
		db->sound[i] = (uint32_t)db->history->logs[i].start;
	for (int id = 0; id < ROWS_MOST; id++) {
		db->rows[TABLE_COUNTS][id].exists = db->model[TABLE_COUNTS][id].exists = false;
		db->rows[TABLE_SUMS][id].exists = db->model[TABLE_SUMS][id].exists = false; /* as who says --from is told to */
	}
	kept_free(&db->kept);
	memset(db->last, -1, sizeof db->last);
	db->moved++;
}
