/* `merge` of a script: columns to which what comes is added, instead of taking the place of what is there. All of it commutes, so the same
 * comes out whichever worker and lane adds first, and changes of one row are one in the batch.
 *   sum   a number; of an update's or a delete's old row it is taken back
 *   max   the largest, min the smallest: of numbers, dates, times with a date, texts and bytes that the table compares by their bytes
 *   set   a text, the different ones of what came, with commas between them
 * NULL adds nothing. */
#ifndef FLOW_MERGE_H
#define FLOW_MERGE_H

#include "flow/target.h"

const char *merge_name(enum merge_kind kind);
/* MERGE_NONE: there is none of this name. */
enum merge_kind merge_named(struct slice name);
/* Why values of this column cannot be merged so, for a person who has read its name; NULL: they can. */
const char *merge_misfit(enum merge_kind kind, const struct target_column *column);

/* Makes of a value that is ready what is merged: ABSENT where it adds nothing. -1: err names the column. Texts are made in the arena. */
int merge_settle(struct value *value, const struct target_column *column, struct arena *arena, struct error *err);
/* Merges two settled values of a column into the first; ABSENT is none. False: the database alone can tell (and does, row by row). */
bool merge_join(struct value *into, const struct value *more, const struct target_column *column, struct arena *arena);
/* Of a row that was `old` and is `now` (settled both; ABSENT: its part is in another row): what `now` has to be for the old one to be gone.
 * -1: that cannot be taken back. */
int merge_replace(struct value *now, const struct value *old, const struct target_column *column, struct arena *arena, struct error *err);

/* The members of a set that is settled, one a call; false: there are no more. */
bool merge_member(struct slice *rest, struct slice *member);

#endif
