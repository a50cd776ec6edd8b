/* Windows, worked out event by event: PANES are tumbling ones that take rows back, FINALS are hopping ones that are written once,
 * SESSIONS grow together. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/timed.h"
#include "sim/trace.h"

enum { PANE_MS = 100, FINAL_MS = 200, HOP_MS = 100, GAP_MS = 80, PANES_MOST = 128 };

struct pane {
	int64_t start, end;
	int64_t n, total, most;
	int64_t latest, latest_ms;
	bool written, changed; /* because the input had ended; and since then */
};

struct panes {
	struct pane items[PANES_MOST];
	int count;
};

struct window_set {
	struct panes of[TABLE_COUNT][ROWS_MOST];
};

struct window_set *windows_new(void)
{
	struct window_set *set = calloc(1, sizeof *set);

	BUG_IF(!set);
	return set;
}

void windows_free(struct window_set *set)
{
	free(set);
}

static struct panes *panes_of(const struct timed *timed, enum table table, int64_t id)
{
	return &timed->windows->of[table][id];
}

static struct pane *find(struct panes *panes, int64_t start)
{
	for (int i = 0; i < panes->count; i++)
		if (panes->items[i].start == start)
			return &panes->items[i];
	return NULL;
}

static struct pane *add(struct panes *panes, int64_t start, int64_t end)
{
	BUG_IF(panes->count == PANES_MOST);
	panes->items[panes->count] = (struct pane){ .start = start, .end = end };
	return &panes->items[panes->count++];
}

static void take_out(struct panes *panes, const struct pane *pane)
{
	int at = (int)(pane - panes->items);

	memmove(panes->items + at, panes->items + at + 1, (size_t)(--panes->count - at) * sizeof *pane);
}

/* Those that end until then are closed. */
static void close_until(struct panes *panes, int64_t until_ms)
{
	for (int i = panes->count - 1; i >= 0; i--)
		if (panes->items[i].end <= until_ms)
			take_out(panes, &panes->items[i]);
}

static void put_time(char *text, size_t size, int64_t ms)
{
	int n = snprintf(text, size, "1970-01-01 00:%02d:%02d", (int)(ms / 60000), (int)(ms / 1000 % 60));

	if (ms % 1000)
		snprintf(text + n, size - (size_t)n, ".%03d", (int)(ms % 1000));
}

/* pane NULL: the row goes. */
static void write_row(struct timed *timed, enum table table, int64_t id, int64_t start, const struct pane *pane)
{
	char from[40], to[40], key[128], text[256];
	int n;

	put_time(from, sizeof from, start);
	snprintf(key, sizeof key, "%s %" PRId64 " %s", table_names[table], id, from);
	if (!pane) {
		lines_put(&timed->must, key, NULL);
		return;
	}
	put_time(to, sizeof to, pane->end);
	n = snprintf(text, sizeof text, "id=%" PRId64 " window_start=%s window_end=%s n=%" PRId64, id, from, to, pane->n);
	if (table == TABLE_SESSIONS)
		snprintf(text + n, sizeof text - (size_t)n, " most=%" PRId64, pane->most);
	else if (table == TABLE_PANES)
		snprintf(text + n, sizeof text - (size_t)n, " total=%" PRId64, pane->total);
	else
		snprintf(text + n, sizeof text - (size_t)n, " total=%" PRId64 " latest=%" PRId64, pane->total, pane->latest);
	lines_put(&timed->must, key, text);
}

static void count(struct pane *pane, int64_t at, int64_t v, int sign)
{
	pane->n += sign;
	pane->total += sign * v;
	pane->most = v > pane->most || pane->n == 1 ? v : pane->most;
	if (pane->n == 1 || at >= pane->latest_ms) {
		pane->latest = v;
		pane->latest_ms = at;
	}
	pane->changed = pane->written;
}

/* False: it is late for all of them. */
static bool tumble(struct timed *timed, enum table table, int64_t id, const struct row *row, int64_t watermark, int sign)
{
	int64_t at = row->cells[CELL_W], v = row->cells[CELL_V], size = table == TABLE_FINALS ? FINAL_MS : PANE_MS;
	struct panes *panes = panes_of(timed, table, id);
	bool any = false;

	for (int64_t start = at / HOP_MS * HOP_MS; start + size > at; start -= HOP_MS) {
		struct pane *pane = find(panes, start);

		if (start + size <= watermark)
			continue;
		any = true;
		if (!pane)
			pane = add(panes, start, start + size);
		count(pane, at, v, sign);
		if (table == TABLE_PANES)
			write_row(timed, table, id, start, pane->n ? pane : NULL);
		if (pane->n == 0)
			take_out(panes, pane);
	}
	return any;
}

static void join(struct timed *timed, int64_t id, const struct row *row, int64_t watermark)
{
	int64_t at = row->cells[CELL_W];
	struct panes *panes = panes_of(timed, TABLE_SESSIONS, id);
	struct pane whole = { .start = at, .end = at + GAP_MS };

	if (whole.end <= watermark)
		return;
	for (int i = panes->count - 1; i >= 0; i--) {
		const struct pane pane = panes->items[i];

		if (pane.start > at + GAP_MS || pane.end < at)
			continue;
		whole.start = pane.start < whole.start ? pane.start : whole.start;
		whole.end = pane.end > whole.end ? pane.end : whole.end;
		whole.most = whole.n == 0 || pane.most > whole.most ? pane.most : whole.most;
		whole.n += pane.n;
		write_row(timed, TABLE_SESSIONS, id, pane.start, NULL);
		take_out(panes, &panes->items[i]);
	}
	count(&whole, at, row->cells[CELL_V], 1);
	*add(panes, whole.start, whole.end) = whole;
	write_row(timed, TABLE_SESSIONS, id, whole.start, &whole);
}

static void note_late(struct timed *timed, int64_t id, int64_t v)
{
	char key[64], text[64];

	snprintf(key, sizeof key, "log %" PRId64 " late%" PRId64, id, v);
	snprintf(text, sizeof text, "id=%" PRId64 " what=late%" PRId64 " n=0 h=0", id, v);
	lines_put(&timed->must, key, text);
}

void windows_apply(struct timed *timed, const struct record *record)
{
	int64_t clock_ms = timed_clock(timed, record), watermark = clock_ms == INT64_MIN ? INT64_MIN : clock_ms - OUT_OF_ORDER_MS;
	enum table table = record->table;

	if (table != TABLE_FINALS)
		close_until(panes_of(timed, table, record->id), watermark);
	if (table == TABLE_SESSIONS) {
		join(timed, record->id, &record->row, watermark);
		return;
	}
	if (record->old.exists)
		tumble(timed, table, record->id, &record->old, watermark, -1);
	if (record->deed != DEED_DELETE && !tumble(timed, table, record->id, &record->row, watermark, 1) && table == TABLE_FINALS)
		note_late(timed, record->id, record->row.cells[CELL_V]);
}

static int64_t due_of(const struct panes *panes, enum table table)
{
	int64_t due = panes->items[0].end;

	for (int i = 1; i < panes->count; i++)
		if (table == TABLE_FINALS ? panes->items[i].end < due : panes->items[i].end > due)
			due = panes->items[i].end;
	return due;
}

void windows_fire(struct timed *timed, const struct firing *firing)
{
	struct panes *panes = panes_of(timed, firing->table, firing->id);

	if (!panes->count || firing->at_ms != due_of(panes, firing->table))
		trace_fail("%s: key %" PRId64 " closes windows of %" PRId64 "; it has %d", table_names[firing->table], firing->id, firing->at_ms,
			   panes->count);
	if (firing->dead && (firing->table != TABLE_FINALS || firing->at_ms % 700 != 0))
		trace_fail("%s: closing windows of key %" PRId64 " at %" PRId64 " is a dead letter", table_names[firing->table], firing->id,
			   firing->at_ms);
	for (int i = 0; firing->table == TABLE_FINALS && i < panes->count; i++) {
		struct pane *pane = &panes->items[i];

		if ((pane->end > firing->at_ms && !firing->ended) || (pane->written && !pane->changed))
			continue;
		if (!firing->dead)
			write_row(timed, TABLE_FINALS, firing->id, pane->start, pane);
		pane->written = true;
		pane->changed = false;
	}
	if (!firing->ended)
		close_until(panes, firing->at_ms);
}

/* ---- what is kept ---- */

static int by_start(const void *a, const void *b)
{
	const struct pane *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void put_pane(struct buf *out, enum table table, const struct pane *pane)
{
	buf_printf(out, "\"%" PRId64 "\":{\"a\":{", pane->start);
	if (table == TABLE_FINALS)
		buf_printf(out, "\"latest\":[%" PRId64 ",%" PRId64 "],", pane->latest, pane->latest_ms);
	if (table == TABLE_SESSIONS)
		buf_printf(out, "\"most\":%" PRId64 ",", pane->most);
	buf_printf(out, "\"n\":%" PRId64, pane->n);
	if (table != TABLE_SESSIONS)
		buf_printf(out, ",\"total\":[%" PRId64 ",%" PRId64 "]", pane->total, pane->n);
	buf_printf(out, "},%s\"e\":%" PRId64 ",%s\"n\":%" PRId64 "}", pane->changed ? "\"d\":true," : "", pane->end,
		   pane->written ? "\"f\":true," : "", pane->n);
}

bool windows_kept(const struct timed *timed, enum table table, int64_t id, struct buf *value, int64_t *due)
{
	struct panes *panes = panes_of(timed, table, id);

	if (!panes->count)
		return false;
	qsort(panes->items, (size_t)panes->count, sizeof *panes->items, by_start);
	buf_char(value, '{');
	for (int i = 0; i < panes->count; i++) {
		if (i)
			buf_char(value, ',');
		put_pane(value, table, &panes->items[i]);
	}
	buf_char(value, '}');
	*due = due_of(panes, table);
	return true;
}

void windows_check_end(const struct timed *timed)
{
	for (int64_t id = 0; id < ROWS_MOST; id++) {
		const struct panes *panes = panes_of(timed, TABLE_FINALS, id);

		for (int i = 0; i < panes->count; i++)
			if (!panes->items[i].written)
				trace_fail("the input has ended, and the window of key %" PRId64 " at %" PRId64 " is not written", id,
					   panes->items[i].start);
	}
}
