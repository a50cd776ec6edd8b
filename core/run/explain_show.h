/* What explain says of a message: for people, on stdout. */
#ifndef RUN_EXPLAIN_SHOW_H
#define RUN_EXPLAIN_SHOW_H

#include "flow/sink.h"
#include "run/job_private.h"

void explain_show_message(const struct message *message);
/* What the message says; before scripts have seen it, and values have been read. */
void explain_show_event(const struct event *event, uint32_t part, uint32_t parts);
/* What becomes of it. */
void explain_show_result(struct job *job, struct sink *sink, struct event *event);

#endif
