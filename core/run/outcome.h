/* What a job's scripts make of some messages, as rows by table and key: to be compared with what others make of them. */
#ifndef RUN_OUTCOME_H
#define RUN_OUTCOME_H

#include "flow/intake.h"
#include "flow/script.h"

struct made_row;

struct outcome_of {
	struct made_row *rows; /* by their names, in the order in which they came */
	struct arena arena;
};

/* Rows as they are after the intake's events, which have run: several changes of a row are one. Events that are at fault are rows of their own. */
void outcome_collect(struct outcome_of *made, const struct intake *intake);
/* A line for each row that differs, at most `most`; and how many differ, and do not. The text is lent. */
struct outcome_counts {
	size_t differing, same;
};
struct outcome_counts outcome_compare(struct outcome_of *before, struct outcome_of *after, size_t most,
				      void (*line)(void *ctx, char sign, struct slice text), void *ctx);
void outcome_free(struct outcome_of *made);

#endif
