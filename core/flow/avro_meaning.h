/* What the values of an Avro schema mean: of each type, and which record is the row. */
#ifndef FLOW_AVRO_MEANING_H
#define FLOW_AVRO_MEANING_H

#include "flow/avro_schema.h"

/* Sets the type's reading from the attributes in `node`: its name in Kafka Connect, else TiCDC's, else Avro's own logical type; left as it is
 * where none fits what carries the values. True where they are TiCDC's. */
bool avro_read_meaning(const struct json_node *nodes, const struct json_node *node, struct avro_type *type);
/* What the outermost record is: an envelope (rows beside an op), or the row itself. Marks its fields and fills schema->columns. */
void avro_read_root(struct avro_schema *schema);

#endif
