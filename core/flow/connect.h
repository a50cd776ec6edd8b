/* Messages as Kafka Connect's JSON converter writes them: a value alone, or {"schema":...,"payload":...} around it. The schema of a
 * table is often ten times as long as its rows and the same in every message: it is read once, and afterwards only compared. */
#ifndef FLOW_CONNECT_H
#define FLOW_CONNECT_H

#include "flow/image.h"

enum { CONNECT_KNOWN = 4 };

/* One schema that was seen, with the text around the payload that it came in. */
struct connect_schema {
	struct slice prefix, suffix;
	struct image_columns columns; /* of the row: of "after" where the schema is that of an envelope */
	struct arena arena;
};

/* The values of a topic, or its keys. Zero it to begin. */
struct connect_side {
	struct image_columns bare;                   /* of messages without a schema */
	struct connect_schema *known[CONNECT_KNOWN]; /* newest first: several tables can share a topic */
};

void connect_deinit(struct connect_side *side);

/* What the values of a type mean that has this name (io.debezium.time.Date ...); MEANING_PLAIN where the name says nothing. */
enum meaning connect_meaning(struct slice name);

/* Reads a message's value or key down to what its columns hold (members of members). *nodes is its payload, lent until the next
 * json_read; *columns is what its schema says. */
int connect_read(struct connect_side *side, struct decoder *decoder, struct slice text, const struct json_node **nodes,
		 struct image_columns **columns, struct error *err);

#endif
