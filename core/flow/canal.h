/* Canal's flat messages, which others write too: rows in "data", and in "old" what of them was different before. */
#ifndef FLOW_CANAL_H
#define FLOW_CANAL_H

#include "flow/known.h"

/* How deep a message is read, and the member that is not: the columns of the rows in its arrays. */
enum { CANAL_DEPTH = 2 };
#define CANAL_RAW "mysqlType"

/* True for an object that is such a message. */
bool canal_is_message(const struct json_node *nodes);
/* Adds the events of a message whose value is `nodes` (json_read with CANAL_DEPTH and CANAL_RAW). Where it fails, events may have been added. */
int canal_decode(struct decoder *decoder, const struct message *message, const struct json_node *nodes, struct known_tables *tables,
		 struct error *err);

#endif
