/* The settings of the format json: where in a message, or in its headers, the table, the op and the row stand. */
#ifndef FLOW_JSON_EVENT_H
#define FLOW_JSON_EVENT_H

#include "flow/topic.h"

bool json_event_is_set(const struct json_options *options);
/* The event of one message whose document `nodes` is, expanded down to PATH_PARTS_MOST. */
int json_event(struct decoder *decoder, const struct message *message, struct topic *topic, const struct json_node *nodes,
	       const struct json_node *document, struct error *err);
/* Names from headers, for a message without a value. */
void json_event_names(const struct json_options *options, struct event *event);

#endif
