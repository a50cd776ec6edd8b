/* Messages of an intake become its events, in order: by the job's format, or by its own function in Lua. */
#ifndef FLOW_DECODE_H
#define FLOW_DECODE_H

#include "flow/format.h"
#include "flow/intake.h"
#include "flow/script.h"

/* Whether all is here that decoding needs. Asks for each message, so that all that is missing is on its way at once. */
bool decode_ready(struct decoder *decoder, struct message *const *messages, size_t count);
/* Every message becomes at least one event; what cannot be decoded is one at fault. */
void decode_messages(struct decoder *decoder, struct script_host *host, struct intake *intake, struct message **messages, size_t count);

#endif
