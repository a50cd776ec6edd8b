/* Events whose rows are added up by `merge`: what each adds to which row. */
#include "sim/history_private.h"

static struct row part_of(int64_t group, int64_t sum, int64_t count)
{
	return (struct row){ true, { group, sum, count, CELL_NULL } };
}

static void put_image(struct history *h, const struct record *record, const struct row *row, const char *name)
{
	buf_printf(&h->text, "\"%s\":", name);
	if (row->exists)
		history_put_row(h, record, row);
	else
		buf_text(&h->text, "null");
}

/* before and now: rows of the source, whose `w` says to which row of the target they are added. */
static void settle(struct record *record, const struct row *before, const struct row *now)
{
	int64_t was = before->cells[CELL_V], is = now->cells[CELL_V];

	record->deed = DEED_UPSERT;
	record->id = now->exists ? now->cells[CELL_W] : before->cells[CELL_W];
	if (!before->exists) {
		record->row = part_of(record->id, is, 1);
	} else if (!now->exists) {
		record->row = part_of(record->id, -was, -1);
	} else if (before->cells[CELL_W] == record->id) {
		record->row = part_of(record->id, is - was, 0);
	} else {
		record->deed = DEED_MOVE;
		record->old_id = before->cells[CELL_W];
		record->row = part_of(record->id, is, 1);
		record->old = part_of(record->old_id, -was, -1);
	}
}

void sums_history_add(struct history *h, struct log *log, uint32_t parts)
{
	struct log_message *message = history_message(h, log);
	bool fails = dice_percent(h->dice, 8);
	struct record *record = history_event(h, log, fails ? FATE_DEAD : FATE_WRITTEN);
	int64_t id = (int64_t)dice_below(h->dice, (h->rows - (uint32_t)log->number + parts - 1) / parts) * parts + log->number;
	struct row before = h->source[TABLE_SUMS][id], now = { true, { id, 0, 0, CELL_NULL } };

	/* Of what was never added nothing is taken back; and plain rows have no row before. */
	if (fails || h->json)
		before.exists = false;
	now.exists = !before.exists || dice_percent(h->dice, 70);
	now.cells[CELL_V] = (int64_t)dice_below(h->dice, 2000) - 700;
	now.cells[CELL_W] = dice_below(h->dice, 1 + h->rows / 3);
	if (!fails)
		h->source[TABLE_SUMS][id] = now;
	settle(record, &before, &now);
	message->key = history_key(h, id);
	if (h->json) {
		history_put_row(h, record, &now);
	} else {
		buf_char(&h->text, '{');
		put_image(h, record, &before, "before");
		buf_char(&h->text, ',');
		put_image(h, record, &now, "after");
		buf_printf(&h->text, ",\"source\":{\"db\":\"shop\",\"table\":\"sums\",\"ts_ms\":5},\"op\":\"%s\"}",
			   !before.exists ? "c"
			   : now.exists   ? "u"
					  : "d");
	}
	message->value = history_kept_text(h);
}

static void add(struct row *row, const struct row *part)
{
	if (!row->exists)
		*row = part_of(part->cells[CELL_ID], 0, 0);
	row->cells[CELL_V] += part->cells[CELL_V];
	row->cells[CELL_W] += part->cells[CELL_W];
}

void sums_history_apply(const struct record *record, struct row rows[ROWS_MOST])
{
	add(&rows[record->id], &record->row);
	if (record->deed == DEED_MOVE)
		add(&rows[record->old_id], &record->old);
}
