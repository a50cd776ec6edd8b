/* The column names of an image, in the order in which messages bring them. Messages of one table nearly always have the
 * same columns in the same order, so names are stored once and an image is an array of values beside its shape. What
 * depends only on the columns (which goes where, how it is read) is worked out once a shape, not once an event. */
#ifndef FLOW_SHAPE_H
#define FLOW_SHAPE_H

#include "flow/value.h"

struct column {
	struct slice name;
	struct reading declared; /* from the message's schema; MEANING_UNKNOWN where there was none */
};

struct format; /* flow/format.h */

struct shape {
	uint32_t id; /* 0, 1, 2 ... within its shapes */
	uint32_t count;
	struct column *columns;
	const struct format *origin; /* whose messages these columns are, where a job reads more than one format; else NULL */
};

/* All shapes seen. They live as long as the collection: their number is bounded (shapes_intern fails past SHAPES_MOST). */
struct shapes;
enum { SHAPES_MOST = 20000, SHAPE_COLUMNS_MOST = 4096 };

struct shapes *shapes_new(void);
void shapes_free(struct shapes *shapes);

/* The format whose columns are interned from here on; NULL: the job's own. */
void shapes_set_origin(struct shapes *shapes, const struct format *origin);
/* The shape with exactly these columns and readings; made (names copied) where there is none. NULL and err past the bounds. */
const struct shape *shapes_intern(struct shapes *shapes, const struct column *columns, uint32_t count, struct error *err);
const struct shape *shapes_get(const struct shapes *shapes, uint32_t id); /* NULL for an id that was never given */
uint32_t shapes_count(const struct shapes *shapes);

/* Index of a column: by its exact name, else by its name without regard to ASCII case; -1 where there is none. */
int shape_find(const struct shape *shape, struct slice name);

#endif
