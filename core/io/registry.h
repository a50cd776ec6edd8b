/* A schema registry that speaks as Confluent's does: GET /schemas/ids/N. What it has answered is kept for ever: a number never gets another
 * schema. While it is away it is asked again and again. */
#ifndef IO_REGISTRY_H
#define IO_REGISTRY_H

#include <event2/event.h>

#include "flow/schemas.h"

struct registry_options {
	const char *url;             /* http://HOST:PORT, perhaps with a path */
	const char *user, *password; /* user NULL: none */
	const char *ca;              /* NULL: the system's authorities */
};

/* wake: an answer has come. Strings are borrowed until it returns. NULL: an option is wrong. */
struct schemas *registry_new(struct event_base *loop, const struct registry_options *options, void (*wake)(void *ctx), void *ctx, struct error *err);

#endif
