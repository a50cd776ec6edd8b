#include "sim/lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void lines_free(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		free(lines->items[i].key);
		free(lines->items[i].text);
	}
	free(lines->items);
}

/* Where it is, or belongs. */
static size_t place_of(const struct lines *lines, const char *key)
{
	size_t from = 0, to = lines->count;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (strcmp(lines->items[middle].key, key) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static void take_out(struct lines *lines, size_t at)
{
	free(lines->items[at].key);
	free(lines->items[at].text);
	memmove(lines->items + at, lines->items + at + 1, (--lines->count - at) * sizeof *lines->items);
}

void lines_put(struct lines *lines, const char *key, const char *text)
{
	size_t at = place_of(lines, key);

	if (at < lines->count && strcmp(lines->items[at].key, key) == 0)
		take_out(lines, at);
	if (!text)
		return;
	if (lines->count == lines->cap) {
		lines->cap = lines->cap ? lines->cap * 2 : 64;
		lines->items = realloc(lines->items, lines->cap * sizeof *lines->items);
		BUG_IF(!lines->items);
	}
	memmove(lines->items + at + 1, lines->items + at, (lines->count++ - at) * sizeof *lines->items);
	lines->items[at] = (struct line){ strdup(key), strdup(text) };
}

const char *lines_differ(const struct lines *x, const struct lines *y, const char **a, const char **b)
{
	for (size_t i = 0; i < x->count || i < y->count; i++) {
		const struct line *p = i < x->count ? &x->items[i] : NULL, *q = i < y->count ? &y->items[i] : NULL;
		int order = !p ? 1 : !q ? -1 : strcmp(p->key, q->key);

		*a = order <= 0 ? p->text : NULL;
		*b = order >= 0 ? q->text : NULL;
		if (order != 0 || strcmp(*a, *b) != 0)
			return order <= 0 ? p->key : q->key;
	}
	return NULL;
}
