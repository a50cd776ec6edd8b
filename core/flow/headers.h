/* A message's headers as JSON: names and values in turn, as kcat -J has them. A value that is no text is {"base64":".."}. */
#ifndef FLOW_HEADERS_H
#define FLOW_HEADERS_H

#include "base/buf.h"
#include "flow/event.h"
#include "flow/json.h"

void headers_write(struct buf *out, const struct message *message);
/* Puts them into the message; they live in the arena. -1: this is no such text. */
int headers_read(struct json *json, struct slice text, struct arena *arena, struct message *message, struct error *err);

#endif
