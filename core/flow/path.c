#include "flow/path.h"

int path_column(const struct shape *shape, struct slice path, struct slice *rest)
{
	for (size_t n = path.n; n-- > 1;) {
		int column;

		if (path.p[n] != '.')
			continue;
		column = shape_find(shape, (struct slice){ path.p, n });
		if (column >= 0 && n + 1 < path.n) {
			*rest = (struct slice){ path.p + n + 1, path.n - n - 1 };
			return column;
		}
	}
	return -1;
}

/* The element of an array whose number this is. */
static const struct json_node *element(const struct json_node *nodes, const struct json_node *array, struct slice part)
{
	uint32_t wanted = 0, at = 0;

	if (part.n == 0 || part.n > 6)
		return NULL;
	for (size_t i = 0; i < part.n; i++) {
		if (part.p[i] < '0' || part.p[i] > '9')
			return NULL;
		wanted = wanted * 10 + (uint32_t)(part.p[i] - '0');
	}
	for (const struct json_node *node = array + 1; node < nodes + array->end; node = nodes + node->end, at++)
		if (at == wanted)
			return node;
	return NULL;
}

const struct json_node *path_node(const struct json_node *nodes, const struct json_node *from, struct slice path)
{
	while (from && path.n > 0) {
		const char *dot = memchr(path.p, '.', path.n);
		struct slice part = { path.p, dot ? (size_t)(dot - path.p) : path.n };
		const struct json_node *found = NULL;

		if (from->value.kind != VALUE_JSON || !from->expanded)
			return NULL;
		if (!from->object)
			found = element(nodes, from, part);
		for (const struct json_node *node = from + 1; from->object && node < nodes + from->end; node = nodes + node->end)
			if (slice_equal(node->name, part))
				found = node;
		from = found;
		path = dot ? (struct slice){ dot + 1, path.n - part.n - 1 } : (struct slice){ 0 };
	}
	return from;
}

struct value path_value(struct json *json, const struct value *column, struct slice path, struct arena *arena)
{
	const struct json_node *nodes, *node;
	char *text;

	/* A captured JSON column is text. */
	if ((column->kind != VALUE_JSON && column->kind != VALUE_TEXT) || column->n == 0 || (*column->p != '{' && *column->p != '['))
		return (struct value){ 0 };
	text = arena_alloc(arena, column->n + JSON_PADDING);
	memcpy(text, column->p, column->n);
	memset(text + column->n, 0, JSON_PADDING);
	if (json_read(json, (struct slice){ text, column->n }, PATH_PARTS_MOST, NULL, arena, &nodes, NULL) < 0)
		return (struct value){ 0 };
	node = path_node(nodes, nodes, path);
	return node ? node->value : (struct value){ 0 };
}
