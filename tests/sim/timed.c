#include "sim/timed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/trace.h"

enum { NO_G = -1 };

void timed_init(struct timed *timed, const struct history *history)
{
	*timed = (struct timed){ .history = history, .windows = windows_new() };
	for (int id = 0; id < ROWS_MOST; id++)
		timed->keys[id] = (struct timed_key){ .g = NO_G, .quiet = STATE_NO_TIME, .plain = STATE_NO_TIME, .clock = STATE_NO_TIME };
}

void timed_free(struct timed *timed)
{
	windows_free(timed->windows);
	lines_free(&timed->must);
	lines_free(&timed->is);
}

/* ---- the wire ---- */

static const struct {
	const char *name, *columns[6];
	uint32_t count, texts;
} targets[] = {
	{ "log", { "id", "what", "n", "h" }, 4, 1 << 1 },
	{ "panes", { "id", "window_start", "window_end", "n", "total" }, 5, 3 << 1 },
	{ "finals", { "id", "window_start", "window_end", "n", "total", "latest" }, 6, 3 << 1 },
	{ "sessions", { "id", "window_start", "window_end", "n", "most" }, 5, 3 << 1 },
};

static int target_index(struct slice name)
{
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
		if (slice_is(name, targets[i].name))
			return (int)i;
	return -1;
}

bool timed_target(struct slice name)
{
	return target_index(name) >= 0;
}

bool timed_describe(struct target *target)
{
	int at = target_index(target->name);

	if (at < 0)
		return false;
	target->count = targets[at].count;
	target->columns = arena_zalloc(target->arena, target->count * sizeof *target->columns);
	for (uint32_t i = 0; i < target->count; i++)
		target->columns[i] = (struct target_column){ .name = slice_of(targets[at].columns[i]),
							     .type = targets[at].texts >> i & 1 ? COLUMN_TEXT : COLUMN_INTEGER,
							     .nullable = i > 1,
							     .length = 64,
							     .exact = true };
	target->key[1] = 1;
	target->key_count = 2;
	target->has_primary_key = target->key_exact = target->exists = true;
	return true;
}

/* "log 3 e17" -> "id=3 what=e17 n=1 h=17" */
struct wire_line timed_line(const struct change *change, struct arena *arena)
{
	struct buf key = BUF_INIT, text = BUF_INIT;
	struct wire_line line = { 0 };

	buf_slice(&key, change->target->name);
	for (uint32_t i = 0; i < change->count; i++) {
		const struct value *value = &change->values[i];
		struct slice bytes = value->kind == VALUE_NULL ? SLICE("null") : (struct slice){ value->p, value->n };

		if (i < 2)
			buf_printf(&key, " %.*s", SLICE_ARG(bytes));
		if (VALUE_IS_SET(value))
			buf_printf(&text, "%s%.*s=%.*s", i ? " " : "", SLICE_ARG(change->target->columns[i].name), SLICE_ARG(bytes));
	}
	line.key = arena_copy(arena, buf_view(&key)).p;
	if (change->op != CHANGE_DELETE)
		line.text = arena_copy(arena, buf_view(&text)).p;
	buf_free(&key);
	buf_free(&text);
	return line;
}

/* ---- clocks ---- */

static int64_t lifted(const struct timed *timed, uint32_t log, int64_t offset, int64_t clock_ms)
{
	for (uint32_t i = 0; i < timed->lift_count[log]; i++)
		if (timed->lifts[log][i].offset <= offset && timed->lifts[log][i].clock_ms > clock_ms)
			clock_ms = timed->lifts[log][i].clock_ms;
	return clock_ms;
}

int64_t timed_clock(const struct timed *timed, const struct record *record)
{
	return lifted(timed, record->log, record->offset, record->clock_ms);
}

/* What the partition's events below make of it. */
static int64_t clock_below(const struct timed *timed, uint32_t log, int64_t offset)
{
	for (uint32_t i = 0; i < timed->history->record_count; i++)
		if (timed->history->records[i].log == log && timed->history->records[i].offset >= offset)
			return timed->history->records[i].clock_ms;
	return timed->history->logs[log].clock_ms;
}

/* The watermark of a partition's progress is what its events below next_offset make of it, or the others', which it may follow. */
void timed_progress(struct timed *timed, uint32_t log, int64_t next_offset, int64_t watermark)
{
	int64_t events_ms = clock_below(timed, log, next_offset), most_ms = INT64_MIN;

	if (watermark >= events_ms && watermark <= lifted(timed, log, next_offset, events_ms)) /* it may have been sent before it was moved */
		return;
	for (uint32_t l = 0; l < timed->history->log_count; l++)
		most_ms = timed->history->logs[l].clock_ms > most_ms ? timed->history->logs[l].clock_ms : most_ms;
	if (watermark < events_ms || watermark > most_ms)
		trace_fail("the progress of %s:%d says watermark %" PRId64 " below offset %" PRId64 ", and its events make %" PRId64,
			   table_names[timed->history->logs[log].table], timed->history->logs[log].number, watermark, next_offset, events_ms);
	trace_line("%s:%d is moved to %" PRId64 " from offset %" PRId64 " on", table_names[timed->history->logs[log].table],
		   timed->history->logs[log].number, watermark, next_offset);
	BUG_IF(timed->lift_count[log] == LIFTS_MOST);
	timed->lifts[log][timed->lift_count[log]++] = (struct lift){ next_offset, watermark };
}

/* ---- timers ---- */

static void step(struct timed *timed, int64_t id, const char *name, int64_t what)
{
	struct timed_key *key = &timed->keys[id];
	char line[64], text[128];

	key->h = ((key->n ? key->h : 0) * 7 + what) % 997;
	key->n++;
	if (what % 2 == 1)
		key->g = key->h;
	snprintf(line, sizeof line, "log %" PRId64 " %s", id, name);
	snprintf(text, sizeof text, "id=%" PRId64 " what=%s n=%" PRId64 " h=%" PRId64, id, name, key->n, key->h);
	lines_put(&timed->must, line, text);
	if (key->h % 5 == 0) {
		key->n = key->h = 0;
		key->g = NO_G;
	}
}

static int64_t first_timer(const struct timed_key *key)
{
	return key->quiet < key->plain ? key->quiet : key->plain;
}

static void set_clock(struct timed *timed, struct timed_key *key)
{
	key->clock_new = true;
	key->clock_late = timed->ending;
}

static void process(struct timed *timed, const struct record *record)
{
	struct timed_key *key = &timed->keys[record->id];
	int64_t v = record->row.cells[CELL_V], from = record->row.cells[CELL_W], clock_ms = timed_clock(timed, record);
	char name[32];

	if (clock_ms != INT64_MIN && clock_ms - OUT_OF_ORDER_MS > from)
		from = clock_ms - OUT_OF_ORDER_MS;
	if (v % 3 == 0) {
		key->quiet = from + 1 + v * 37 % 150;
		key->quiet_late = timed->ending;
	}
	if (v % 5 == 0) {
		key->plain = from + 1 + v * 53 % 400;
		key->plain_late = timed->ending;
	}
	if (v % 7 == 0)
		key->quiet = STATE_NO_TIME;
	if (v % 4 == 0)
		set_clock(timed, key);
	snprintf(name, sizeof name, "e%" PRId64, v);
	step(timed, record->id, name, v);
}

bool timed_poison(const struct firing *firing)
{
	if (firing->dead || firing->clock != STATE_EVENT_TIME || !firing->writes)
		return false;
	return firing->at_ms % (firing->table == TABLE_TIMED ? 11 : 700) == 0;
}

static void fire_event_time(struct timed *timed, const struct firing *firing)
{
	struct timed_key *key = &timed->keys[firing->id];
	int64_t at = firing->at_ms;
	bool quiet = key->quiet == at, plain = key->plain == at;
	char name[32];

	if (at != first_timer(key))
		trace_fail("key %" PRId64 " fires its timers of %" PRId64 "; the first are of %" PRId64, firing->id, at, first_timer(key));
	key->quiet = quiet ? STATE_NO_TIME : key->quiet;
	key->plain = plain ? STATE_NO_TIME : key->plain;
	if (firing->dead != (at % 11 == 0 || at % 13 == 0))
		trace_fail("key %" PRId64 ": its timers of %" PRId64 " are %s dead letter", firing->id, at, firing->dead ? "a" : "no");
	for (int named = 0; named < 2 && !firing->dead; named++) {
		if (!(named ? quiet : plain))
			continue;
		snprintf(name, sizeof name, "t%s%" PRId64, named ? "q" : "", at);
		step(timed, firing->id, name, at);
		if (at % 3 == 0) {
			key->plain = at + 40;
			key->plain_late = timed->ending;
		}
		if (at % 4 == 0)
			set_clock(timed, key);
	}
}

static void fire_clock(struct timed *timed, const struct firing *firing)
{
	struct timed_key *key = &timed->keys[firing->id];
	char name[32];

	if (!key->clock_new && key->clock != firing->at_ms)
		trace_fail("key %" PRId64 " fires a timer of the clock's %" PRId64 "; it has one of %" PRId64, firing->id, firing->at_ms, key->clock);
	if (firing->dead || (firing->at_ms > timed->now_ms && !timed->ending))
		trace_fail("key %" PRId64 " fires its timer of the clock's %" PRId64 " at %" PRId64, firing->id, firing->at_ms, timed->now_ms);
	key->clock = STATE_NO_TIME;
	key->clock_new = false;
	snprintf(name, sizeof name, "c%" PRId64, firing->at_ms);
	step(timed, firing->id, name, 5);
}

/* ---- both ---- */

static const struct record *next_record(const struct timed *timed, enum table table, int64_t id)
{
	for (uint32_t i = timed->reached[table][id]; i < timed->history->record_count; i++) {
		const struct record *record = &timed->history->records[i];

		if (record->table == table && record->id == id && record->fate == FATE_WRITTEN && record->deed != DEED_NONE)
			return record;
	}
	return NULL;
}

void timed_apply(struct timed *timed, const struct record *record)
{
	const struct record *next = next_record(timed, record->table, record->id);
	int64_t clock_ms = timed_clock(timed, record);

	trace_line("%s: key %" PRId64 ", offset %" PRId64 ", of %" PRId64 " finds %" PRId64, table_names[record->table], record->id, record->offset,
		   record->row.cells[CELL_W], clock_ms);
	if (record != next)
		trace_fail("%s: offset %" PRId64 " of key %" PRId64 " is committed before offset %" PRId64, table_names[record->table],
			   record->offset, record->id, next ? next->offset : -1);
	timed->reached[record->table][record->id] = (uint32_t)(record - timed->history->records) + 1;
	if (record->table != TABLE_TIMED) {
		windows_apply(timed, record);
		return;
	}
	if (clock_ms != INT64_MIN && first_timer(&timed->keys[record->id]) <= clock_ms - OUT_OF_ORDER_MS)
		trace_fail("offset %" PRId64 " of key %" PRId64 " comes before its timer of %" PRId64 "; the watermark was %" PRId64, record->offset,
			   record->id, first_timer(&timed->keys[record->id]), clock_ms - OUT_OF_ORDER_MS);
	process(timed, record);
}

static uint32_t parts_of(const struct timed *timed, enum table table)
{
	uint32_t count = 0;

	for (uint32_t l = 0; l < timed->history->log_count; l++)
		count += timed->history->logs[l].table == table;
	return count;
}

/* The partition of a key has come so far, by its events alone, when the next event of that key runs. */
static int64_t clock_of(const struct timed *timed, enum table table, int64_t id)
{
	const struct record *next = next_record(timed, table, id);
	int64_t clock_ms = INT64_MIN;

	if (next)
		return timed_clock(timed, next);
	for (uint32_t l = 0; l < timed->history->log_count; l++)
		if (timed->history->logs[l].table == table && (uint32_t)timed->history->logs[l].number == id % parts_of(timed, table))
			clock_ms = lifted(timed, l, INT64_MAX, timed->history->logs[l].clock_ms);
	return clock_ms;
}

void timed_fire(struct timed *timed, const struct firing *firing)
{
	int64_t clock_ms = clock_of(timed, firing->table, firing->id);

	trace_line("%s: key %" PRId64 " fires what is due at %" PRId64 "%s%s%s", table_names[firing->table], firing->id, firing->at_ms,
		   firing->clock == STATE_WALL_TIME ? " by the clock" : "", firing->ended ? ", at the end" : "", firing->dead ? ", dead" : "");
	if (firing->clock == STATE_EVENT_TIME && !timed->ending &&
	    (clock_ms == INT64_MIN || firing->at_ms > clock_ms - OUT_OF_ORDER_MS || firing->ended))
		trace_fail("%s: key %" PRId64 " fires what is due at %" PRId64 " before the watermark is there: its next event finds %" PRId64,
			   table_names[firing->table], firing->id, firing->at_ms, clock_ms - OUT_OF_ORDER_MS);
	if (firing->table != TABLE_TIMED)
		windows_fire(timed, firing);
	else if (firing->clock == STATE_EVENT_TIME)
		fire_event_time(timed, firing);
	else
		fire_clock(timed, firing);
}

/* ---- what is there ---- */

static void put_timers(struct buf *out, const struct timed_key *key)
{
	const char *comma = "";

	if (key->plain != STATE_NO_TIME || key->quiet != STATE_NO_TIME) {
		buf_text(out, "\"event\":{");
		if (key->plain != STATE_NO_TIME)
			buf_printf(out, "\"\":%" PRId64 "%s", key->plain, key->quiet != STATE_NO_TIME ? "," : "");
		if (key->quiet != STATE_NO_TIME)
			buf_printf(out, "\"q\":%" PRId64, key->quiet);
		buf_char(out, '}');
		comma = ",";
	}
	if (key->clock != STATE_NO_TIME)
		buf_printf(out, "%s\"processing\":{\"c\":%" PRId64 "}", comma, key->clock);
}

static void put_kept(struct buf *out, const struct kept_row *row)
{
	buf_clear(out);
	if (row)
		buf_printf(out, "%s timers %s due %" PRId64 " wake %" PRId64 " version %d", row->value, row->timers, row->at[STATE_EVENT_TIME],
			   row->at[STATE_WALL_TIME], row->version);
	else
		buf_text(out, "none");
	buf_char(out, 0);
}

static void put_key(struct timed *timed, struct buf *out, int64_t id, const struct kept_row *row)
{
	struct timed_key *key = &timed->keys[id];
	bool timers;

	if (key->clock_new) {
		key->clock = row ? row->at[STATE_WALL_TIME] : STATE_NO_TIME;
		if (key->clock > timed->now_ms + 50 || key->clock < timed->start_ms)
			trace_fail("key %" PRId64 " has a timer of the clock's %" PRId64 ", and it is %" PRId64, id, key->clock, timed->now_ms);
		key->clock_new = false;
	}
	timers = first_timer(key) != STATE_NO_TIME || key->clock != STATE_NO_TIME;
	buf_clear(out);
	if (!key->n && !timers) {
		buf_text(out, "none");
	} else {
		buf_char(out, '{');
		if (key->g != NO_G)
			buf_printf(out, "\"g\":%" PRId64 ",", key->g);
		if (key->n)
			buf_printf(out, "\"h\":%" PRId64 ",\"n\":%" PRId64, key->h, key->n);
		buf_text(out, timers ? "} timers {" : "} timers ");
		put_timers(out, key);
		buf_printf(out, "%s due %" PRId64 " wake %" PRId64 " version 1", timers ? "}" : "", first_timer(key), key->clock);
	}
	buf_char(out, 0);
}

static void check_entry(const struct timed *timed, const struct kept *kept, int64_t id, const char *key)
{
	const struct kept_row *row;
	char name[32], must[32];

	snprintf(name, sizeof name, "[%" PRId64 ",\"g\"]", id);
	snprintf(must, sizeof must, "%" PRId64, timed->keys[id].g);
	row = kept_find(kept, "timed", "m", name);
	if ((row != NULL) != (timed->keys[id].g != NO_G) || (row && strcmp(row->value, must) != 0))
		trace_fail("the entry of %s is %s; its events make %s", key, row ? row->value : "none", must);
}

static void check_kept(struct timed *timed, const struct kept *kept, enum table table, int64_t id)
{
	struct buf is = BUF_INIT, must = BUF_INIT;
	const struct kept_row *row;
	int64_t due;
	char key[32];

	snprintf(key, sizeof key, "[%" PRId64 "]", id);
	row = kept_find(kept, table_names[table], "", key);
	put_kept(&is, row);
	if (table == TABLE_TIMED) {
		put_key(timed, &must, id, row);
		check_entry(timed, kept, id, key);
	} else if (windows_kept(timed, table, id, &must, &due)) {
		buf_printf(&must, " timers  due %" PRId64 " wake %" PRId64 " version 1", due, STATE_NO_TIME);
		buf_char(&must, 0);
	} else {
		buf_slice(&must, (struct slice){ "none", 5 });
	}
	if (strcmp(is.p, must.p) != 0)
		trace_fail("%s: what is kept of key %s is\n  %s\nits events make\n  %s", table_names[table], key, is.p, must.p);
	buf_free(&is);
	buf_free(&must);
}

void timed_check(struct timed *timed, const struct kept *kept)
{
	const char *key, *must, *is;

	for (int table = 0; table < TABLE_COUNT; table++)
		for (int id = 0; table_is_timed((enum table)table) && id < ROWS_MOST; id++)
			check_kept(timed, kept, (enum table)table, id);
	key = lines_differ(&timed->must, &timed->is, &must, &is);
	if (key)
		trace_fail("row %s is\n  %s\nits events make\n  %s", key, is ? is : "none", must ? must : "none");
}

void timed_check_end(const struct timed *timed)
{
	if (!timed->ending)
		return;
	for (int64_t id = 0; id < ROWS_MOST; id++) {
		const struct timed_key *key = &timed->keys[id];

		if ((key->quiet != STATE_NO_TIME && !key->quiet_late) || (key->plain != STATE_NO_TIME && !key->plain_late) ||
		    (key->clock != STATE_NO_TIME && !key->clock_late))
			trace_fail("the input has ended, and timers of key %" PRId64 " have not fired: q %" PRId64 ", plain %" PRId64
				   ", clock %" PRId64,
				   id, key->quiet, key->plain, key->clock);
	}
	windows_check_end(timed);
}
