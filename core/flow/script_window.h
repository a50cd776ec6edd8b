/* What the files of a script's window share. */
#ifndef FLOW_SCRIPT_WINDOW_H
#define FLOW_SCRIPT_WINDOW_H

#include "flow/script_private.h"
#include "flow/window.h"

/* A column of a window's row. */
struct output {
	enum { OUTPUT_NOTHING, OUTPUT_KEY, OUTPUT_AGGREGATE, OUTPUT_START, OUTPUT_END } what;
	uint32_t index; /* of key_by, or of the aggregates */
	struct slice name;
	int column; /* of the target; -1: it has none of this name */
};

struct script_window {
	struct window window;
	struct output *outputs;
	uint32_t output_count;
	uint32_t *columns; /* by aggregate: where its column was found in: */
	const struct shape *shape;
	struct buf text, text_old; /* being made */
	int64_t shown_ms[2];       /* times whose text was made last, of starts and ends */
	char shown[2][32];
};

/* The row of an event, or its old one. */
struct image *window_image(struct event *event, bool old);
/* The value of a column, read, or what lies within one by a path; at: its place in the shape, -1 none. NULL: there is none. -1: host->error. */
int window_value(struct event *event, struct image *image, struct slice name, int at, struct value **value);

#endif
