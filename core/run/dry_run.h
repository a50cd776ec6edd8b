/* A sink before another one: shows the statements that the other would send, on stdout, and sends none. */
#ifndef RUN_DRY_RUN_H
#define RUN_DRY_RUN_H

#include <event2/event.h>

#include "flow/sink.h"

/* Takes `shown` over. One lane, so that statements come in order. */
struct sink *dry_run_new(struct event_base *loop, struct sink *shown);

#endif
