/* A C face for simdjson, as small as the formats need: walk an object or array once, in order.
 * Text must be followed by JSON_PADDING readable bytes. What is walked over is checked; so is that nothing follows. */
#ifndef FLOW_JSON_H
#define FLOW_JSON_H

#include "base/arena.h"
#include "base/error.h"
#include "flow/value.h"

enum { JSON_PADDING = 64 }; /* SIMDJSON_PADDING */
enum { JSON_DEPTH_MOST = 1000 };

struct json; /* one reader, reused for every message */
struct json *json_new(void);
void json_free(struct json *json);

/* One value of a document. Nodes stand in the order of the text, an object's or array's members right behind it. */
struct json_node {
	struct slice name;  /* of an object's member, unescaped; p is NULL otherwise */
	struct value value; /* scalars as flow/value.h has them; of an object or array VALUE_JSON and its text */
	uint32_t end;       /* index of the first node behind this one and all that is in it */
	bool object;        /* of VALUE_JSON: an object, else an array */
	bool expanded;      /* its members follow; otherwise it lies deeper than asked, and only its text is here (checked all the same) */
};

/* Reads a whole document: (*nodes)[0] is the document itself, lent until the next json_read. Objects and arrays that lie
 * deeper than `depth` (the document is at 0, its members at 1) and members called `raw` at depth 1 (NULL: none) are not
 * expanded. Unescaped text is made in the arena; text without escapes is a slice of the document. A member that stands
 * twice is there twice: the last one counts. Returns how many nodes, or -1. */
int json_read(struct json *json, struct slice text, uint32_t depth, const char *raw, struct arena *arena, const struct json_node **nodes,
	      struct error *err);

/* The member of that name, the last where there are several; NULL where there is none, or where `of` is no expanded object. */
static inline const struct json_node *json_member(const struct json_node *nodes, const struct json_node *of, const char *name)
{
	const struct json_node *found = NULL;

	if (of->value.kind != VALUE_JSON || !of->object || !of->expanded)
		return NULL;
	for (const struct json_node *node = of + 1; node < nodes + of->end; node = nodes + node->end)
		if (slice_is(node->name, name))
			found = node;
	return found;
}

#endif
