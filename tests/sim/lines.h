/* Rows of a table as lines of text, by their keys: what a database has, or what it must have. */
#ifndef SIM_LINES_H
#define SIM_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
	struct line {
		char *key, *text;
	} * items; /* sorted */
	size_t count, cap;
};

void lines_free(struct lines *lines);
/* Copied. text NULL: the row goes, if it is there. */
void lines_put(struct lines *lines, const char *key, const char *text);
/* The key of the first row in which they differ, NULL: none. a, b: its text there, NULL where there is none. */
const char *lines_differ(const struct lines *x, const struct lines *y, const char **a, const char **b);

#endif
