/* A job as a service of systemd: when it is told READY, RELOADING, STOPPING, WATCHDOG and STATUS (sd_notify(3)), and from what. Where no
 * service manager listens there is nothing to do, and nothing is done. */
#ifndef RUN_SERVICE_H
#define RUN_SERVICE_H

#include <event2/event.h>
#include <stdbool.h>

#include "base/buf.h"

struct service;

struct service_view {
	bool ready;      /* all workers work */
	bool reloading;  /* a reload is on its way */
	bool beating;    /* no worker is stuck */
	struct buf text; /* what a person is told, in one line; freed by who asked */
};

/* `look` is asked a few times a second, and whenever something is said. NULL: nobody listens; all others take that. */
struct service *service_new(struct event_base *loop, void (*look)(void *ctx, struct service_view *view), void *ctx);
/* A reload was asked for. READY follows when `look` says that it is over. */
void service_reloading(struct service *service);
/* It will end: code 0 of what had done its work says READY first, as what ended before it was ready has failed, for systemd. */
void service_stopping(struct service *service, bool done);
void service_free(struct service *service);

#endif
