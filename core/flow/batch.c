#include "flow/batch.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/batch_key.h"
#include "flow/batch_sort.h"
#include "flow/merge.h"
#include "flow/state_change.h"

enum { AHEAD = 8 }; /* how many changes ahead memory is asked for: what hangs on it half as far ahead */

/* Changes of one table on their way to one row each. */
struct merger {
	struct arena *arena;
	const struct target *target;
	struct batch_key key;
	struct batch_row *rows; /* as their first change came */
	size_t count;
	uint32_t *slots; /* hash table: 1 + index of a row, 0 free */
	size_t mask;
};

struct found {
	const struct change **changes; /* in order, of all tables */
	size_t count, cap;
	uint32_t id_least, id_most;
};

/* Which columns a change leaves alone, as bits where there are at most 64; 0 exactly where it is a whole row. */
static uint64_t absent_columns(const struct target *target, const struct change *change)
{
	uint64_t all = 0;

	for (uint32_t from = 0; from < target->count; from += 64) {
		uint64_t bits = 0;
		uint32_t to = target->count - from < 64 ? target->count : from + 64;

		for (uint32_t i = from; i < to; i++)
			if (__builtin_expect(i >= change->count || !VALUE_IS_SET(&change->values[i]), 0) && !target->columns[i].generated)
				bits |= (uint64_t)1 << (i - from);
		/* Odd factors lose no bit on the way in, and the 1 keeps a sum of zeros apart from zero. */
		if (from && (all | bits))
			all = (all * 0x9e3779b97f4a7c15u ^ bits) | 1;
		else
			all |= bits;
	}
	return all;
}

bool batch_covers(const struct change *over, const struct change *base)
{
	for (uint32_t i = 0; i < base->count; i++)
		if (VALUE_IS_SET(&base->values[i]) && (i >= over->count || !VALUE_IS_SET(&over->values[i])))
			return false;
	return true;
}

/* What both do, one after the other: base's columns where `over` leaves them alone, and columns that are merged with both. False: the database
 * alone can tell what that is. */
static bool overlay(struct merger *m, struct batch_row *row, const struct change *over)
{
	const struct change *base = row->put;
	uint32_t count = base->count > over->count ? base->count : over->count;
	struct change *made;

	if (over->op == base->op && over->waits >= base->waits && over->clears >= base->clears && !m->target->merged && batch_covers(over, base)) {
		row->put = over;
		row->own = false;
		return true;
	}
	if (row->own && base->count == count) {
		made = (struct change *)base;
	} else {
		made = arena_alloc(m->arena, sizeof *made);
		*made = *base;
		made->values = arena_zalloc(m->arena, count * sizeof *made->values);
		made->count = count;
		memcpy(made->values, base->values, base->count * sizeof *made->values);
	}
	for (uint32_t i = 0; i < over->count; i++) {
		if (m->target->columns[i].merge) {
			if (!merge_join(&made->values[i], &over->values[i], &m->target->columns[i], m->arena))
				return false;
		} else if (VALUE_IS_SET(&over->values[i])) {
			made->values[i] = over->values[i];
		}
	}
	if (over->op == CHANGE_UPSERT)
		made->op = CHANGE_UPSERT;
	made->waits = made->op == CHANGE_UPDATE && (base->waits || over->waits);
	made->clears = over->clears;
	row->put = made;
	row->own = true;
	return true;
}

/* False where no one change does what the two do. */
static bool merge_into(struct merger *m, struct batch_row *row, const struct change *change)
{
	if (change->op == CHANGE_DELETE) {
		row->erase = change;
		row->put = NULL;
	} else if (!row->put) {
		/* An update after a delete meets no row. */
		if (change->op == CHANGE_UPSERT || !row->erase)
			row->put = change;
		row->own = false;
	} else if (change->op == CHANGE_UPDATE && row->put->clears && !change->clears) {
		return false; /* whether there is a row left */
	} else if (change->op == CHANGE_UPSERT && row->put->op == CHANGE_UPDATE) {
		/* What the update set stays only if the row was there, and that nobody knows here. But of a part of a row it is known, and what was
		 * cleared is so in a new row too. */
		if (batch_covers(change, row->put) && !m->target->merged) {
			row->put = change;
			row->own = false;
		} else if (row->put->partial || row->put->clears) {
			return overlay(m, row, change);
		} else {
			return false;
		}
	} else {
		return overlay(m, row, change);
	}
	return true;
}

static struct batch_row *find_row(struct merger *m)
{
	uint64_t hash = XXH3_64bits(m->key.p, m->key.n);
	struct batch_row *row;
	char *copy;

	for (size_t at = hash & m->mask;; at = (at + 1) & m->mask) {
		if (!m->slots[at]) {
			copy = arena_alloc(m->arena, m->key.n);
			if (m->key.n)
				memcpy(copy, m->key.p, m->key.n);
			m->slots[at] = (uint32_t)++m->count;
			row = &m->rows[m->count - 1];
			*row = (struct batch_row){ .key = copy, .key_n = (uint32_t)m->key.n, .hash = hash };
			return row;
		}
		row = &m->rows[m->slots[at] - 1];
		if (row->hash == hash && slice_equal((struct slice){ row->key, row->key_n }, (struct slice){ m->key.p, m->key.n }))
			return row;
	}
}

enum { LINE = 64, VALUES_A_LINE = LINE / sizeof(struct value), LINES_AHEAD = 4 };

/* Asks for the values of a change, and for the key's text of one whose values are there by now. */
static void look_ahead(const struct merger *m, const struct change **changes, size_t i, size_t count)
{
	uint32_t key = m->target->key[0];

	if (i + AHEAD < count) {
		const struct change *change = changes[i + AHEAD];

		for (uint32_t line = 0; line < LINES_AHEAD && line * VALUES_A_LINE < change->count; line++)
			__builtin_prefetch(&change->values[line * VALUES_A_LINE]);
	}
	if (i + AHEAD / 2 < count && key < changes[i + AHEAD / 2]->count)
		__builtin_prefetch(changes[i + AHEAD / 2]->values[key].p);
}

static bool merge_all(struct merger *m, const struct change **changes, size_t count)
{
	size_t cap = 16;

	while (cap < count * 2)
		cap *= 2;
	m->mask = cap - 1;
	m->slots = arena_zalloc(m->arena, cap * sizeof *m->slots);
	m->rows = arena_alloc(m->arena, count * sizeof *m->rows);
	for (size_t i = 0; i < count; i++) {
		look_ahead(m, changes, i, count);
		if (!batch_key_encode(&m->key, m->target, changes[i]) || !merge_into(m, find_row(m), changes[i]))
			return false;
	}
	return true;
}

/* Writes the rows into table->changes in their order. False where they can only be written as they came. */
static bool put_in_order(struct merger *m, struct batch_table *table)
{
	/* Without a primary key no INSERT ever meets the row that it should overwrite. */
	bool careful = m->target->other_unique || !m->target->has_primary_key;
	struct batch_item *erase = arena_alloc(m->arena, m->count * sizeof *erase);
	struct batch_item *put = arena_alloc(m->arena, m->count * sizeof *put);
	size_t erased = 0, puts = 0;

	for (size_t i = 0; i < m->count; i++) {
		struct batch_row *row = &m->rows[i];
		uint64_t absent = row->put ? absent_columns(m->target, row->put) : 0;

		if (careful && row->put && (absent || row->put->op == CHANGE_UPDATE || row->put->clears))
			return false;
		if (row->erase && (!row->put || absent))
			erase[erased++] = batch_sort_item(row, 0);
		if (row->put)
			put[puts++] = batch_sort_item(row, row->put->op == CHANGE_UPDATE ? ~absent : absent);
	}
	batch_sort(erase, erased, m->arena);
	batch_sort(put, puts, m->arena);
	table->changes = arena_alloc(m->arena, (erased + puts) * sizeof(*table->changes));
	table->count = 0;
	for (size_t i = 0; i < erased; i++)
		table->changes[table->count++] = erase[i].row->erase;
	table->deletes = erased;
	for (size_t i = 0; i < puts; i++)
		table->changes[table->count++] = put[i].row->put;
	table->mode = careful ? BATCH_MERGED_UNIQUE : BATCH_MERGED;
	return true;
}

/* All that it does is to add: where one key may be spelled in several ways, it does not matter whose turn comes first. */
static bool only_adds(const struct target *target, const struct change *change)
{
	if (change->op != CHANGE_UPSERT)
		return false;
	for (uint32_t i = 0; i < change->count; i++)
		if (VALUE_IS_SET(&change->values[i]) && !target->columns[i].merge && !target_is_key(target, i))
			return false;
	return true;
}

/* Whether rows can be told apart here. */
static bool is_exact(const struct target *target, const struct batch_table *table)
{
	if (target->key_exact || !target->merged)
		return target->key_exact;
	for (size_t i = 0; i < table->count; i++)
		if (!only_adds(target, table->changes[i]))
			return false;
	return true;
}

static void merge_table(struct arena *arena, struct batch_table *table)
{
	struct merger m = { .arena = arena, .target = table->target, .key = { .arena = arena } };

	table->mode = BATCH_ORDERED;
	table->deletes = 0;
	if (change_is_state(table->changes[0]))
		table->count = state_changes_last(table->changes, table->count, table->changes, arena);
	if (!is_exact(m.target, table) || !m.target->key_count)
		return;
	if (merge_all(&m, table->changes, table->count))
		put_in_order(&m, table);
}

static void find_changes(struct arena *arena, struct found *found, const struct tx *tx)
{
	found->cap = tx->count + 16;
	found->changes = arena_alloc(arena, found->cap * sizeof(*found->changes));
	found->id_least = UINT32_MAX;
	for (size_t i = 0; i < tx->count; i++) {
		const struct event *event = tx->events[i];

		if (i + AHEAD < tx->count)
			__builtin_prefetch(&tx->events[i + AHEAD]->changes);
		if (i + AHEAD / 2 < tx->count)
			__builtin_prefetch(tx->events[i + AHEAD / 2]->changes);
		if (!event_is_written(event))
			continue;
		for (const struct change *change = event->changes; change; change = change->next) {
			uint32_t id = change->target->id;

			if (change->target->side != tx->side)
				continue;
			if (found->count == found->cap) {
				const struct change **more = arena_alloc(arena, 2 * found->cap * sizeof *more);

				memcpy(more, found->changes, found->count * sizeof *more);
				found->changes = more;
				found->cap *= 2;
			}
			found->changes[found->count++] = change;
			found->id_least = id < found->id_least ? id : found->id_least;
			found->id_most = id > found->id_most ? id : found->id_most;
		}
	}
}

/* One table for each target that has changes, ordered by target id. */
static void split_by_target(struct batch *batch, const struct found *found)
{
	uint32_t ids = found->id_most - found->id_least + 1;
	size_t *counts = arena_zalloc(&batch->arena, ids * sizeof *counts);
	const struct change **sorted = arena_alloc(&batch->arena, found->count * sizeof *sorted), **next = sorted;
	struct batch_table **tables = arena_alloc(&batch->arena, ids * sizeof(*tables));

	for (size_t i = 0; i < found->count; i++)
		counts[found->changes[i]->target->id - found->id_least]++;
	for (uint32_t id = 0; id < ids; id++)
		batch->table_count += counts[id] > 0;
	batch->tables = arena_zalloc(&batch->arena, batch->table_count * sizeof *batch->tables);
	batch->table_count = 0;
	for (uint32_t id = 0; id < ids; id++) {
		if (!counts[id])
			continue;
		tables[id] = &batch->tables[batch->table_count++];
		tables[id]->changes = next;
		next += counts[id];
	}
	for (size_t i = 0; i < found->count; i++) {
		struct batch_table *table = tables[found->changes[i]->target->id - found->id_least];

		table->target = found->changes[i]->target;
		table->changes[table->count++] = found->changes[i];
	}
}

static void take_one_target(struct batch *batch, const struct found *found)
{
	batch->tables = arena_alloc(&batch->arena, sizeof *batch->tables);
	*batch->tables = (struct batch_table){ .target = found->changes[0]->target, .changes = found->changes, .count = found->count };
	batch->table_count = 1;
}

void batch_build(struct batch *batch, const struct tx *tx)
{
	struct found found = { 0 };

	arena_reset(&batch->arena);
	batch->tables = NULL;
	batch->table_count = 0;
	batch->rows = 0;
	find_changes(&batch->arena, &found, tx);
	if (!found.count)
		return;
	if (found.id_least == found.id_most)
		take_one_target(batch, &found);
	else
		split_by_target(batch, &found);
	for (size_t i = 0; i < batch->table_count; i++) {
		merge_table(&batch->arena, &batch->tables[i]);
		batch->rows += batch->tables[i].count;
	}
}

void batch_free(struct batch *batch)
{
	arena_free(&batch->arena);
	*batch = (struct batch){ 0 };
}
