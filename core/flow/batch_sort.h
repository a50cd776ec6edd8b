/* Puts rows into the order in which they are written. */
#ifndef FLOW_BATCH_SORT_H
#define FLOW_BATCH_SORT_H

#include <stdint.h>

#include "base/arena.h"

/* A row as sorting sees it: what nearly always decides stands in the item itself. */
struct batch_item {
	uint64_t columns; /* rows of the same columns stand together */
	uint64_t prefix;  /* the key's first 8 bytes as a number */
	const struct batch_row *row;
};

struct batch_row {
	const struct change *erase; /* a delete that is to be written before `put` */
	const struct change *put;   /* an upsert or update; NULL: none */
	const char *key;
	uint64_t hash;
	uint32_t key_n;
	bool own; /* `put` was made here by laying one change over another */
};

struct batch_item batch_sort_item(const struct batch_row *row, uint64_t columns);
/* By columns, then by key. */
void batch_sort(struct batch_item *items, size_t count, struct arena *arena);

#endif
