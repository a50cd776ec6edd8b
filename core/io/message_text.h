/* Messages as JSON: what kcat -J prints of them, and the source "file" reads with envelope = "kcat". */
#ifndef IO_MESSAGE_TEXT_H
#define IO_MESSAGE_TEXT_H

#include "base/buf.h"
#include "flow/event.h"

/* ,"name":"text"; null where there is none. */
void message_put_text(struct buf *out, const char *name, struct slice text);
/* The same of bytes; where they are no text, ,"name_base64":"..". */
void message_put_bytes(struct buf *out, const char *name, struct slice bytes);
/* A whole record, without a newline. */
void message_put_record(struct buf *out, const struct message *message);

#endif
