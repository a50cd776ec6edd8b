/* Rows that have to be there, and streamlua_parked. */
#include "flow/batch.h"
#include "flow/parking.h"
#include "flow/progress.h"
#include "flow/script.h"
#include "flow/sql_parts.h"

/* ---- the guard ---- */

/* What fails where `condition` follows and holds: a row of NULLs is made, which the table does not take (error 1048 of MySQL, in
 * strict mode), in the one round trip that the whole text takes. Where it does not hold, nothing is made. */
static void begin_guard(struct buf *out, enum sql_dialect dialect)
{
	buf_text(out, "INSERT INTO streamlua_parked (job, topic, `partition`, `offset`, part, `keys`, time_ms, script_version) "
		      "SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL");
	buf_text(out, dialect == SQL_SQLITE ? " WHERE " : " FROM DUAL WHERE ");
}

static void put_missing(struct buf *out, enum sql_dialect dialect, const struct change *change)
{
	buf_text(out, "NOT EXISTS (SELECT 1 FROM ");
	sql_table(out, change->target->name);
	sql_where_key(out, dialect, change);
	buf_char(out, ')');
}

static bool same_key(const struct change *a, const struct change *b)
{
	for (uint32_t k = 0; k < a->target->key_count; k++) {
		const struct value *x = &a->values[a->target->key[k]], *y = &b->values[a->target->key[k]];

		if (x->kind != y->kind || x->n != y->n || memcmp(x->p, y->p, x->n) != 0)
			return false;
	}
	return true;
}

/* Whether a later change of the same table settles one that waits: a delete takes it along, and what was a part of a row is settled by an upsert
 * that says all that it said. */
static bool settles(const struct change *later, const struct change *waiting)
{
	if (later->op == CHANGE_UPDATE || (later->op == CHANGE_UPSERT && !waiting->partial) || !same_key(waiting, later))
		return false;
	return later->op == CHANGE_DELETE || batch_covers(later, waiting);
}

/* Of changes as they came: not of one whose row an earlier one makes, nor of one that is settled by a later one. */
static bool is_guarded(const struct batch_table *table, size_t at)
{
	const struct change *waiting = table->changes[at];

	for (size_t i = at; i-- > 0;)
		if (table->changes[i]->op != CHANGE_UPDATE && same_key(table->changes[i], waiting)) {
			if (table->changes[i]->op == CHANGE_UPSERT)
				return false;
			break;
		}
	for (size_t i = at + 1; i < table->count; i++)
		if (settles(table->changes[i], waiting))
			return false;
	return true;
}

static void guard_each(struct sql_text *sql, enum sql_dialect dialect, const struct batch_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		if (!table->changes[i]->waits || !is_guarded(table, i))
			continue;
		begin_guard(&sql->text, dialect);
		put_missing(&sql->text, dialect, table->changes[i]);
		sql_text_end(sql, SQL_GUARD);
	}
}

static void guard_some(struct sql_text *sql, enum sql_dialect dialect, const struct change *const *changes, size_t count)
{
	begin_guard(&sql->text, dialect);
	buf_text(&sql->text, "(SELECT COUNT(*) FROM ");
	sql_table(&sql->text, changes[0]->target->name);
	sql_where_keys(&sql->text, dialect, changes, count);
	buf_printf(&sql->text, ") <> %zu", count);
	sql_text_end(sql, SQL_GUARD);
}

/* Of merged changes no two are of one row, so their rows can be counted. */
static void guard_all(struct sql_text *sql, enum sql_dialect dialect, const struct batch_table *table)
{
	const struct change *const *changes = (const struct change *const *)table->changes;

	for (size_t i = table->deletes, run; i < table->count; i += run) {
		size_t waiting = 0;

		while (i + waiting < table->count && changes[i + waiting]->waits)
			waiting++;
		run = waiting ? sql_keys_fit(changes + i, waiting) : 1;
		if (waiting)
			guard_some(sql, dialect, changes + i, run);
	}
}

void sql_parked_guard(struct sql_text *sql, enum sql_dialect dialect, const struct batch_table *table)
{
	if (!table->target->parks)
		return;
	if (table->mode == BATCH_ORDERED)
		guard_each(sql, dialect, table);
	else
		guard_all(sql, dialect, table);
}

/* The last that the transaction does, before the event at `at`, to whether this row is there. */
static const struct change *made_before(const struct tx *tx, size_t at, const struct change *waiting)
{
	while (at-- > 0) {
		const struct change *last = NULL;

		if (tx->events[at]->outcome != OUTCOME_PENDING)
			continue;
		for (const struct change *change = tx->events[at]->changes; change; change = change->next)
			if (change->target == waiting->target && change->op != CHANGE_UPDATE && same_key(change, waiting))
				last = change;
		if (last)
			return last;
	}
	return NULL;
}

/* What a part of a row said is settled by later events of the transaction, wherever the row is. */
static bool settled_after(const struct tx *tx, size_t at, const struct change *part)
{
	for (size_t i = at + 1; i < tx->count; i++) {
		if (tx->events[i]->outcome != OUTCOME_PENDING)
			continue;
		for (const struct change *later = tx->events[i]->changes; later; later = later->next)
			if (later->target == part->target && settles(later, part))
				return true;
	}
	return false;
}

static bool is_asked(const struct tx *tx, size_t at, const struct change *change)
{
	const struct change *made;

	if (!change->waits || (change->partial && settled_after(tx, at, change)))
		return false;
	made = made_before(tx, at, change);
	return !made || made->op == CHANGE_DELETE;
}

size_t sql_parked_probe(struct buf *out, enum sql_dialect dialect, const struct tx *tx)
{
	size_t count = 0;

	for (size_t i = 0; i < tx->count; i++) {
		if (tx->events[i]->outcome != OUTCOME_PENDING)
			continue;
		for (struct change *change = tx->events[i]->changes; change; change = change->next) {
			change->asked = is_asked(tx, i, change);
			if (!change->asked)
				continue;
			buf_text(out, dialect == SQL_SQLITE ? "SELECT 1 WHERE " : "SELECT 1 FROM DUAL WHERE ");
			put_missing(out, dialect, change);
			buf_text(out, ";\n");
			count++;
		}
	}
	return count;
}

void sql_parked_missed(const struct tx *tx, size_t question)
{
	for (size_t i = 0; i < tx->count; i++) {
		if (tx->events[i]->outcome != OUTCOME_PENDING)
			continue;
		for (struct change *change = tx->events[i]->changes; change; change = change->next)
			if (change->asked && question-- == 0) {
				tx->events[i]->missed = change->missed = true;
				return;
			}
	}
	BUG_IF("a row that nobody asked for");
}

/* ---- the table ---- */

static void put_place(struct buf *out, enum sql_dialect dialect, const char *job, const struct partition *partition)
{
	buf_text(out, " WHERE job = ");
	sql_text_literal(out, dialect, slice_of(job));
	buf_text(out, " AND topic = ");
	sql_text_literal(out, dialect, partition->topic);
	buf_printf(out, " AND `partition` = %d", partition->number);
}

/* What the event waits for, for people: "orders" where it stands behind others of its row. */
static void put_waits_for(struct buf *out, enum sql_dialect dialect, const struct event *event)
{
	const struct change *change = event->changes;

	while (change && change->next && !change->missed)
		change = change->next;
	sql_any_text(out, dialect, change ? change->target->name : (struct slice){ 0 }, 250);
}

bool sql_is_elsewhere(const struct message *message)
{
	const struct partition *owner = message->owner;

	return message->partition != owner->number || message->offset != message->position || !slice_equal(message->topic, owner->topic);
}

static void put_parked(struct buf *out, enum sql_dialect dialect, const char *job, const struct tx *tx, const struct event *event, uint32_t part)
{
	const struct message *message = event->message;
	const struct partition *owner = message->owner;
	struct buf keys = BUF_INIT;

	buf_char(out, '(');
	sql_text_literal(out, dialect, slice_of(job));
	buf_text(out, ", ");
	sql_text_literal(out, dialect, owner->topic);
	buf_printf(out, ", %d, %lld, %u, ", owner->number, (long long)message->position, part);
	put_waits_for(out, dialect, event);
	buf_text(out, ", ");
	if (event->reparks <= 1)
		parking_pack(&keys, event);
	sql_bytes_literal(out, (struct slice){ keys.p ? keys.p : "", keys.n });
	buf_free(&keys);
	buf_text(out, ", ");
	if (sql_is_elsewhere(message)) {
		sql_any_text(out, dialect, message->topic, 2000);
		buf_printf(out, ", %d, %lld", message->partition, (long long)message->offset);
	} else {
		buf_text(out, "NULL, NULL, NULL");
	}
	buf_printf(out, ", %lld, ", (long long)message->time_ms);
	sql_text_literal(out, dialect, event->script_version.p ? event->script_version : slice_of(tx->script_version));
	buf_text(out, ", ");
	sql_bytes_literal(out, message->key);
	buf_text(out, ", ");
	sql_bytes_literal(out, message->value);
	buf_text(out, ", ");
	sql_headers(out, dialect, message);
	buf_text(out, event->reparks > 1 ? ", 1)" : ", 0)");
}

static void write_parked(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx)
{
	size_t rows = 0, begin = 0;

	for (size_t i = 0; i < tx->count; i++) {
		const struct event *event = tx->events[i];
		uint32_t parts = event->parked ? event->reparks : 1;

		if (event->outcome != OUTCOME_PARKED || !parts)
			continue;
		if (rows && (rows == SQL_STATEMENT_ROWS_MOST || sql->text.n - begin > SQL_STATEMENT_BYTES_MOST)) {
			sql_text_end(sql, SQL_PARKED);
			rows = 0;
		}
		if (!rows) {
			begin = sql->text.n;
			buf_text(&sql->text,
				 "REPLACE INTO streamlua_parked (job, topic, `partition`, `offset`, part, waits_for, `keys`, "
				 "message_topic, message_partition, message_offset, time_ms, script_version, `key`, `value`, headers, replay) "
				 "VALUES\n");
		}
		for (uint32_t part = 0; part < parts; part++) {
			buf_text(&sql->text, rows++ ? ",\n" : "");
			put_parked(&sql->text, dialect, job, tx, event, parts > 1 ? part : event->part == PART_WHOLE ? 0 : event->part);
		}
	}
	if (rows)
		sql_text_end(sql, SQL_PARKED);
}

static bool is_taken_out(const struct event *event)
{
	return event->parked && (event->outcome != OUTCOME_PARKED || (event->reparks && event->part == PART_WHOLE));
}

/* One statement a partition. */
static void take_out(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx)
{
	for (size_t p = 0; p < tx->progress_count; p++) {
		const struct progress_row *row = &tx->progress[p];
		struct partition place = { .topic = row->topic, .number = row->partition };
		const struct event *last = NULL;
		size_t list = 0, count = 0;

		for (size_t i = 0; i < tx->count; i++) {
			const struct event *event = tx->events[i];

			if (!is_taken_out(event) || event->message->owner->number != row->partition ||
			    !slice_equal(event->message->owner->topic, row->topic))
				continue;
			if (count == 0) {
				buf_text(&sql->text, "DELETE FROM streamlua_parked");
				put_place(&sql->text, dialect, job, &place);
				list = sql->text.n;
				buf_text(&sql->text, dialect == SQL_SQLITE ? " AND (`offset`, part) IN (VALUES " : " AND (`offset`, part) IN (");
			}
			buf_printf(&sql->text, count ? ",(%lld,%u)" : "(%lld,%u)", (long long)event->message->position, event->part);
			count++;
			last = event;
		}
		if (count == 1) { /* as sql_where_keys */
			sql->text.n = list;
			buf_printf(&sql->text, " AND `offset` = %lld AND part = %u", (long long)last->message->position, last->part);
		} else if (count) {
			buf_char(&sql->text, ')');
		}
		if (count)
			sql_text_end(sql, SQL_PARKED);
	}
}

void sql_parked_write(struct sql_text *sql, enum sql_dialect dialect, const char *job, const struct tx *tx)
{
	bool out = false;

	for (size_t i = 0; i < tx->count; i++)
		out |= is_taken_out(tx->events[i]);
	write_parked(sql, dialect, job, tx);
	if (out)
		take_out(sql, dialect, job, tx);
}

static void put_given(struct buf *out, enum sql_dialect dialect, const char *job)
{
	buf_text(out, "SELECT `offset`, part, topic, `partition`, `offset`, 0, NULL, NULL, NULL FROM streamlua_parked WHERE job = ");
	sql_text_literal(out, dialect, slice_of(job));
	buf_text(out, " AND replay = 1 ORDER BY topic, `partition`, `offset`, part LIMIT 10000");
}

void sql_parked_recall(struct buf *out, enum sql_dialect dialect, const char *job, const struct recall *recall)
{
	if (!recall->partition) {
		put_given(out, dialect, job);
		return;
	}
	buf_text(out, "SELECT `offset`, part, message_topic, message_partition, message_offset, time_ms, `key`, `value`, headers "
		      "FROM streamlua_parked");
	put_place(out, dialect, job, recall->partition);
	buf_text(out, " AND `offset` IN (");
	for (size_t i = 0; i < recall->count; i++)
		buf_printf(out, i ? ",%lld" : "%lld", (long long)recall->offsets[i]);
	buf_text(out, ") ORDER BY `offset`, part");
}
