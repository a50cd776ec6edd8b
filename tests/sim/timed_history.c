/* What happens to tables whose events have times: their w, in milliseconds since 1970, which goes on with the partition and now and then back. */
#include "sim/history_private.h"

enum { IDS_MOST = 3 /* of a partition: few keys have many events each */, FIRST_MS = 10000, STEP_MS = 60, BACK_MS = 150 };

static void put_image(struct history *h, const struct record *record, const struct row *row)
{
	if (row->exists)
		history_put_row(h, record, row);
	else
		buf_text(&h->text, "null");
}

static void put_message(struct history *h, struct record *record)
{
	static const char *const ops[] = { "c", "u", "d" };
	int op = record->deed == DEED_DELETE ? 2 : record->old.exists ? 1 : 0;
	struct row gone = { 0 };

	if (h->json) {
		history_put_row(h, record, &record->row);
		return;
	}
	buf_text(&h->text, "{\"before\":");
	put_image(h, record, &record->old);
	buf_text(&h->text, ",\"after\":");
	put_image(h, record, record->deed == DEED_DELETE ? &gone : &record->row);
	buf_printf(&h->text, ",\"source\":{\"db\":\"shop\",\"table\":\"%s\",\"ts_ms\":1},\"op\":\"%s\"}", table_names[record->table], ops[op]);
}

static void choose(struct history *h, struct record *record)
{
	if (dice_percent(h->dice, 8)) {
		record->fate = FATE_UNWRITTEN;
	} else if (record->table == TABLE_TIMED && dice_percent(h->dice, 8)) {
		record->fate = FATE_DEAD;
	} else if (dice_percent(h->dice, 5)) {
		record->fate = FATE_DEAD;
		record->poison = true;
	}
}

/* Windows of PANES take back what a row was. What the sink refused is in no window, so the source's next change begins anew there. */
void timed_history_add(struct history *h, struct log *log, uint32_t parts)
{
	struct log_message *message = history_message(h, log);
	struct record *record = history_event(h, log, FATE_WRITTEN);
	int64_t id = (int64_t)dice_below(h->dice, IDS_MOST) * parts + log->number, at;
	struct row *row = &h->source[log->table][id];

	log->time_ms = log->time_ms ? log->time_ms : FIRST_MS;
	at = log->time_ms + dice_below(h->dice, STEP_MS);
	if (dice_percent(h->dice, 20))
		at -= dice_below(h->dice, BACK_MS);
	log->time_ms = at > log->time_ms ? at : log->time_ms;
	record->id = id;
	record->deed = DEED_UPSERT;
	record->row = (struct row){ true, { id, ++h->version, at, dice_below(h->dice, 50) } };
	choose(h, record);
	if (log->table == TABLE_PANES && !h->json && row->exists && dice_percent(h->dice, 50)) {
		record->old = *row;
		if (dice_percent(h->dice, 30)) {
			record->deed = DEED_DELETE;
			record->row = *row;
		}
	}
	put_message(h, record);
	message->value = history_kept_text(h);
	message->key = history_key(h, id);
	if (record->fate == FATE_WRITTEN) {
		*row = record->row;
		row->exists = record->deed != DEED_DELETE;
	}
}

/* The largest time in its partition before each event. What is filtered has none; what is refused has. */
void timed_history_end(struct history *h)
{
	for (uint32_t l = 0; l < h->log_count; l++)
		h->logs[l].clock_ms = INT64_MIN;
	for (uint32_t i = 0; i < h->record_count; i++) {
		struct record *record = &h->records[i];
		struct log *log = &h->logs[record->log];

		record->clock_ms = log->clock_ms;
		if (!table_is_timed(record->table) || record->deed == DEED_NONE || record->fate == FATE_UNWRITTEN)
			continue;
		if (record->row.cells[CELL_W] > log->clock_ms)
			log->clock_ms = record->row.cells[CELL_W];
	}
}
