/* Messages that went through a topic of `repartition`: as they were, but with another key, and a header that says where they stood before. */
#ifndef FLOW_REKEY_H
#define FLOW_REKEY_H

#include "base/buf.h"
#include "flow/event.h"
#include "flow/intake.h"

#define REKEY_FROM "streamlua.repartition"    /* place, time, what of it is meant: one header, so that little is added to a small message */
#define REKEY_KEY "streamlua.repartition-key" /* the key that it had; no such header: none */

/* An update whose key changes goes to both, as two: what the one key loses, the other gains. */
enum rekey_side { REKEY_WHOLE = 'w', REKEY_OLD = 'o', REKEY_NEW = 'n' };

/* The text of REKEY_FROM, but for the events that are meant (their parts, with commas between them), which follow. */
void rekey_put(struct buf *out, const struct message *message, enum rekey_side side);
/* The message is again what it was; a flaw where it does not say that. Borrows from its own headers. */
void rekey_open(struct message *message);
/* Of the events of messages of such topics keeps those that are meant; the others are ignored. */
void rekey_choose(struct intake *intake);

#endif
