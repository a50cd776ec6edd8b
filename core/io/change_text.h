/* Changes as JSON, for sinks that are no database. */
#ifndef IO_CHANGE_TEXT_H
#define IO_CHANGE_TEXT_H

#include "base/buf.h"
#include "flow/event.h"
#include "flow/sink.h"
#include "io/origin.h"

/* {"op":"upsert|update|delete","table":"orders","row":{...}}: numbers with their digits, bytes as base64, one line. With an origin (NULL: none)
 * also "from":{...}: which event it was made of. */
void change_put(struct buf *out, const struct change *change, const struct origin *origin);
/* The columns of the target's key as an object; false, and nothing is added, where the target has none or the change does not have it. */
bool change_put_key(struct buf *out, const struct change *change);

/* How a sink of lines writes them. */
struct change_form {
	const char *job;
	bool keyed;   /* behind its key and a tab, where it has one */
	bool origins; /* with where it came from */
};
/* Each line that it would write of the transaction, dead letters of the job too. The text is lent. */
void change_show(const struct tx *tx, const struct change_form *form, void (*line)(void *ctx, struct slice text), void *ctx);

#endif
