/* What Debezium's messages say, however they are encoded: row changes in their envelope, rows without it, and what else its topics carry. */
#ifndef FLOW_DEBEZIUM_H
#define FLOW_DEBEZIUM_H

#include "flow/topic.h"

/* The message whose value is in `nodes` (NULL: it has none), with members of members expanded, as its events. columns: what its schema says
 * of rows. key: of the message, ABSENT where it has none. */
int debezium_change(struct decoder *decoder, const struct message *message, struct topic *topic, const struct json_node *nodes,
		    struct image_columns *columns, const struct image *key, struct error *err);
/* A message's key in JSON. Keys that are no JSON, or nothing that holds columns, are as good as none: ABSENT. */
int debezium_read_key(struct decoder *decoder, struct topic *topic, struct slice text, struct image *key, struct error *err);

#endif
