/* The page on the HTTP port: its files, and what those that have it open are told (GET /events, text/event-stream):
 *   history  the last hour (history_json), once
 *   letters  dead letters, an array (letter_json): the latest of this run, then those that come; their messages only to who asks from this machine
 *   status   what /status answers, each second
 *   now      what is counted (history_now), each second
 * A second's words are made once for all, and not at all where nobody listens. */
#ifndef RUN_PAGE_H
#define RUN_PAGE_H

#include "io/http.h"
#include "run/status.h"

struct page;

/* look: the job as it is now. The loop and ctx are borrowed. */
struct page *page_new(struct event_base *loop, struct status (*look)(void *ctx), void *ctx);
/* From now on whoever listens there is told; borrowed until the page is freed. */
void page_open(struct page *page, struct http *http);
/* The beginning of what one that listens is told. */
void page_begin(struct page *page, struct http_reply *reply);
/* Dead letters, a line each. */
void page_letters(struct page *page, struct slice lines);
void page_free(struct page *page); /* NULL is harmless */

#endif
