/* What formats whose messages name their tables remember of each table, and the images that they read with it.
 *
 * Their images rarely have the same columns: an old image may hold only what changed, and a row only what is not NULL. A shape for
 * each such set would be without number; so a table has one shape, of all the columns that its rows have had, and what a message
 * does not say is ABSENT. */
#ifndef FLOW_KNOWN_H
#define FLOW_KNOWN_H

#include <uthash.h>

#include "flow/image.h"

enum { KNOWN_TABLES_MOST = 20000 };

struct known_table {
	struct slice name; /* database, NUL, table */
	const struct shape *shape;
	struct slice types; /* the text that declared says something of */
	struct column *declared;
	uint32_t declared_count;
	const struct shape *key; /* its columns alone, without what is declared of them */
	struct image_pick key_of_row;
	struct arena arena; /* types, declared */
	UT_hash_handle hh;
};

struct known_tables;

struct known_tables *known_tables_new(void);
void known_tables_free(struct known_tables *tables);
/* Made where it is new. NULL and err where there are too many. */
struct known_table *known_tables_get(struct known_tables *tables, struct slice database, struct slice table, struct error *err);

/* Forgets what was declared, and with it the shape; the caller fills declared and types from the table's arena. */
void known_forget_types(struct known_table *table);

/* One row on its way to its images. */
struct known_row {
	struct known_table *table;
	struct value *row, *old; /* old is NULL where there is none */
	struct column *columns;  /* the shape's, until they are changed */
	uint32_t column_count, room;
	uint32_t count; /* columns of the row that the message has */
	uint32_t at;    /* where the next column is looked for */
	bool changed;
};

/* A row of at most `most` columns in both its images together. */
void known_row_begin(struct known_row *row, struct decoder *decoder, struct known_table *table, size_t most);
/* A column. declared: NULL, for what the table's `declared` says of it. Implicit columns are left out. */
void known_row_set(struct known_row *row, struct decoder *decoder, struct slice name, const struct reading *declared, struct value value);
/* All members of an object as columns. */
void known_row_read(struct known_row *row, struct decoder *decoder, const struct json_node *nodes, const struct json_node *object);
/* From here on what is set are columns of the old image, which begins as a copy of the new one. */
void known_row_begin_old(struct known_row *row, struct decoder *decoder);
/* The row must have columns, unless the table has. */
int known_row_images(struct known_row *row, struct decoder *decoder, struct image *image, struct image *old, struct error *err);

/* Columns that some services add to rows and to keys, where a table has no key. */
bool known_is_implicit(struct slice name);

/* The key's columns, in order. */
int known_set_key(struct known_table *table, struct decoder *decoder, const struct slice *names, uint32_t count, struct error *err);
/* The same from an array of texts; none where it is missing, null or empty. */
int known_read_key(struct known_table *table, struct decoder *decoder, const struct json_node *nodes, const struct json_node *names,
		   struct error *err);
/* The key in an image of the table. False, and ABSENT, where none is known or where the image does not have it whole. */
bool known_pick_key(struct known_table *table, struct decoder *decoder, const struct image *from, struct image *key);

#endif
