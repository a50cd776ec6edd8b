/* Changes as JSON, for sinks that are no database. */
#ifndef IO_CHANGE_TEXT_H
#define IO_CHANGE_TEXT_H

#include "base/buf.h"
#include "flow/event.h"
#include "flow/sink.h"

/* {"op":"upsert|update|delete","table":"orders","row":{...}}: numbers with their digits, bytes as base64, one line. */
void change_put(struct buf *out, const struct change *change);
/* The columns of the target's key as an object; false, and nothing is added, where the target has none or the change does not have it. */
bool change_put_key(struct buf *out, const struct change *change);
/* Each line that a sink of them would write of the transaction, dead letters of the job too; keyed: behind its key and a tab, where it has one. The
 * text is lent. */
void change_show(const struct tx *tx, const char *job, bool keyed, void (*line)(void *ctx, struct slice text), void *ctx);

#endif
