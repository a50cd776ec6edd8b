/* Documents from an HTTP server, fetched on the loop without holding it up. */
#ifndef IO_FETCH_H
#define IO_FETCH_H

#include <event2/event.h>

#include "base/error.h"
#include "base/slice.h"

struct fetch_options {
	const char *user, *password; /* for basic authentication; user NULL: none */
	const char *ca;              /* a file of authorities; NULL: the system's */
};

struct fetches;

/* Strings are borrowed until it returns. NULL: the program cannot do what is asked (no such file ...). */
struct fetches *fetches_new(struct event_base *loop, const struct fetch_options *options, struct error *err);
/* done is called once, from the loop, unless fetches_free comes first. status 0: there was no answer, and reason says why; body is lent, and
 * followed by a NUL. */
void fetch_start(struct fetches *fetches, const char *url, void (*done)(void *ctx, long status, struct slice body, const char *reason), void *ctx);
void fetches_free(struct fetches *fetches);

/* The text as a part of a URL's path; free() it. */
char *fetch_escape(struct slice text);
/* Whether this is the URL of an HTTP server. */
int fetch_check_url(const char *url, struct error *err);

#endif
