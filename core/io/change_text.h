/* Changes as JSON, for sinks that are no database. */
#ifndef IO_CHANGE_TEXT_H
#define IO_CHANGE_TEXT_H

#include "base/buf.h"
#include "flow/event.h"

/* {"op":"upsert|update|delete","table":"orders","row":{...}}: numbers with their digits, bytes as base64, one line. */
void change_put(struct buf *out, const struct change *change);
/* The columns of the target's key as an object; false, and nothing is added, where the target has none or the change does not have it. */
bool change_put_key(struct buf *out, const struct change *change);

#endif
