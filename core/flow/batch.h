/* What a transaction does to each table, once the changes of its events are merged: the rows in the order in which they
 * are to be written.
 *
 * MERGED: rows are told apart by their key's bytes (target->key_exact), so the last change of a row is all that is
 *   written (of columns that are merged: all that came, as one): deletes first, then upserts, sorted by key (two lanes that meet take their locks in one order). A row that was
 *   deleted and then made anew of some columns only is in both.
 * MERGED_UNIQUE: the same where the target has another unique key, or no primary key, and every upsert is a whole row:
 *   every touched key is deleted and what is left is plainly inserted. An upsert would overwrite the row that holds the
 *   unique value.
 * ORDERED: the database alone can tell whether two keys are one (a collation that folds case, a number that it will round),
 *   or an upsert of some columns meets another unique key: changes are written one after the other as they came.
 */
#ifndef FLOW_BATCH_H
#define FLOW_BATCH_H

#include "flow/sink.h"

enum batch_mode { BATCH_MERGED, BATCH_MERGED_UNIQUE, BATCH_ORDERED };

struct batch_table {
	const struct target *target;
	enum batch_mode mode;
	const struct change **changes; /* merged: deletes, then upserts and updates by columns set, then key; ORDERED: as they came */
	size_t count, deletes;         /* merged: the first `deletes` of them are CHANGE_DELETE; ORDERED: 0 */
};

struct batch {
	struct batch_table *tables; /* ordered by target id */
	size_t table_count;
	size_t rows;        /* changes left after merging */
	struct arena arena; /* everything above; reset by the next batch_build */
};

/* Merges the changes of the events that are PENDING, as far as they are for the transaction's sink. Borrows from tx until the next build. */
void batch_build(struct batch *batch, const struct tx *tx);
void batch_free(struct batch *batch);

/* `over`, done after `base` to the same row, sets every column that it sets: nothing is left of it. */
bool batch_covers(const struct change *over, const struct change *base);

#endif
