/* HTTP as far as a running job needs it: a small server for GET on the owner's loop, and a client for the commands that
 * ask it. Everything is bounded: sizes, times, connections, what is kept for those that listen and do not read. */
#ifndef IO_HTTP_H
#define IO_HTTP_H

#include <stdbool.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/error.h"

struct http;

struct http_reply {
	bool near;        /* for whoever answers: it is asked from this machine, and by nobody who only borrows its browser */
	int code;         /* 404 unless it is set */
	const char *type; /* of the body, static; "text/plain; charset=utf-8" unless it is set */
	bool listens;     /* the body is only the beginning: what http_tell says follows, until the other side leaves */
	struct buf body;
};

/* "HOST:PORT", "[v6]:PORT", as two strings; host has room for 256 bytes. -1 where it is neither. */
int http_split(const char *address, char *host, int *port, struct error *err);

/* Listens there; port 0 takes a free one. `answer` fills the reply to a GET (a HEAD is the same without its body); the path is
 * lent, without its query. NULL with err. */
struct http *http_open(struct event_base *loop, const char *address, void (*answer)(void *ctx, const char *path, struct http_reply *reply), void *ctx,
		       struct error *err);
const char *http_address(const struct http *http); /* HOST:PORT as it was bound */
void http_close(struct http *http);                /* NULL is harmless */

/* How many listen (http_reply.listens). There is a most; whoever comes then is told 503. */
unsigned http_listeners(const struct http *http);
enum http_whom { HTTP_ALL, HTTP_NEAR, HTTP_FAR };
/* The same bytes for all of them, or for those that http_reply.near says it of, or the others. It never waits: one that does not take what it was told,
 * and is too far behind, is left. */
void http_tell(struct http *http, enum http_whom whom, struct slice bytes);

/* Asks a server and waits for the answer, at most ms milliseconds. -1: there was none. */
int http_get(const char *address, const char *path, int ms, struct http_reply *reply, struct error *err);

#endif
