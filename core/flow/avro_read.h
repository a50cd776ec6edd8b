/* Data in Avro's binary encoding as the nodes that a JSON document with the same content would have: what follows need not know which it
 * was. Bytes stay bytes; columns that are no scalar become the text of a JSON value. */
#ifndef FLOW_AVRO_READ_H
#define FLOW_AVRO_READ_H

#include "base/buf.h"
#include "flow/avro_schema.h"

/* What TiCDC adds to a row; it is no column. */
struct avro_tidb {
	struct slice op; /* p is NULL where there is none */
	int64_t commit_ts;
};

struct avro_reader {
	struct json_node *nodes;
	size_t count, room;
	struct buf text;
};

void avro_reader_deinit(struct avro_reader *reader); /* zero it to begin */

/* Reads all of `bytes`, which stay where they are: texts are slices of them. reader->nodes[0] is the datum itself, lent until the next
 * avro_read. -1: err says which field is not what the schema says. */
int avro_read(struct avro_reader *reader, const struct avro_schema *schema, struct slice bytes, struct arena *arena, struct avro_tidb *tidb,
	      struct error *err);

#endif
