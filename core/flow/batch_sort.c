#include "flow/batch_sort.h"

#include <string.h>

enum { RUN = 8 }; /* items that are put in place one by one before runs are merged */

struct batch_item batch_sort_item(const struct batch_row *row, uint64_t columns)
{
	uint64_t prefix = 0;

	memcpy(&prefix, row->key, row->key_n < sizeof prefix ? row->key_n : sizeof prefix);
	return (struct batch_item){ .columns = columns, .prefix = __builtin_bswap64(prefix), .row = row };
}

static inline bool is_less(const struct batch_item *a, const struct batch_item *b)
{
	if (a->columns != b->columns)
		return a->columns < b->columns;
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix;
	return slice_compare((struct slice){ a->row->key, a->row->key_n }, (struct slice){ b->row->key, b->row->key_n }) < 0;
}

static void insert_sort(struct batch_item *items, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct batch_item item = items[i];
		size_t at = i;

		for (; at > 0 && is_less(&item, &items[at - 1]); at--)
			items[at] = items[at - 1];
		items[at] = item;
	}
}

static void merge_runs(struct batch_item *to, const struct batch_item *from, size_t middle, size_t end)
{
	size_t left = 0, right = middle;

	while (left < middle && right < end)
		*to++ = is_less(&from[right], &from[left]) ? from[right++] : from[left++];
	memcpy(to, from + left, (middle - left) * sizeof *to);
	to += middle - left;
	memcpy(to, from + right, (end - right) * sizeof *to);
}

void batch_sort(struct batch_item *items, size_t count, struct arena *arena)
{
	struct batch_item *from = items, *to, *swap;
	size_t sorted = 1;

	/* New rows come with ascending keys, most of the time. */
	while (sorted < count && !is_less(&items[sorted], &items[sorted - 1]))
		sorted++;
	if (sorted >= count)
		return;
	for (size_t i = 0; i < count; i += RUN)
		insert_sort(items + i, count - i < RUN ? count - i : RUN);
	if (count <= RUN)
		return;
	to = arena_alloc(arena, count * sizeof *items);
	for (size_t run = RUN; run < count; run *= 2) {
		for (size_t i = 0; i < count; i += 2 * run) {
			size_t rest = count - i;

			merge_runs(to + i, from + i, rest < run ? rest : run, rest < 2 * run ? rest : 2 * run);
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != items)
		memcpy(items, from, count * sizeof *items);
}
