/* Debezium's rows without their envelope (ExtractNewRecordState): the row's columns, and beside them what was added, which begins
 * with two underscores. */
#ifndef FLOW_DEBEZIUM_FLAT_H
#define FLOW_DEBEZIUM_FLAT_H

#include "flow/topic.h"

/* The row in `nodes` as an event. key: of the message, ABSENT where it has none. */
int debezium_flat_row(struct decoder *decoder, const struct message *message, const struct topic *topic, const struct json_node *nodes,
		      struct image_columns *columns, const struct image *key, struct error *err);
/* A message without a value: the row with this key is gone. */
void debezium_flat_delete(struct decoder *decoder, const struct message *message, const struct topic *topic, const struct image *key);

#endif
