/* Where in its source's log a change stood, and in which transaction, as far as its message says. Formats whose messages are JSON leave it to be looked
 * for when a script asks (ctx.tx, ctx.position). */
#ifndef FLOW_SOURCE_PLACE_H
#define FLOW_SOURCE_PLACE_H

#include "flow/event.h"
#include "flow/json.h"

/* From a message's nodes, its root or its payload first. Sets event->tx and event->position, which are empty where nothing is said. */
void source_place_read(const struct json_node *nodes, const struct json_node *root, struct event *event, struct arena *arena);
/* The same from the message's text. What is known already stays. */
void source_place_find(struct json *json, struct event *event, struct arena *arena);

#endif
