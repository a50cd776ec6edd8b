#include "run/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "io/notify.h"

enum { LOOK_MS = 250 };

struct service {
	struct notify *notify;
	struct event *timer;
	void (*look)(void *ctx, struct service_view *view);
	void *ctx;
	int64_t fed_ms;       /* when WATCHDOG was last said */
	struct buf said_text; /* the last STATUS */
	bool ready, reloading, stopping;
};

static bool say(struct service *service, const char *lines)
{
	return notify_say(service->notify, lines) == 0;
}

/* A STATUS is one line. */
static void say_text(struct service *service, struct buf *text)
{
	struct buf line = BUF_INIT;

	for (size_t i = 0; i < text->n; i++)
		if (text->p[i] == '\n')
			text->p[i] = ' ';
	buf_printf(&line, "STATUS=%.*s", SLICE_ARG(buf_view(text)));
	if (!slice_equal(buf_view(text), buf_view(&service->said_text)) && say(service, buf_cstr(&line))) {
		buf_clear(&service->said_text);
		buf_slice(&service->said_text, buf_view(text));
	}
	buf_free(&line);
}

static void feed(struct service *service)
{
	int64_t now = clock_mono_ms(), watchdog_ms = notify_watchdog_ms(service->notify);

	/* Twice as often as it has to be. */
	if (watchdog_ms == 0 || now - service->fed_ms < watchdog_ms / 2 - LOOK_MS)
		return;
	if (say(service, "WATCHDOG=1"))
		service->fed_ms = now;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct service *service = arg;
	struct service_view view = { .text = BUF_INIT };

	(void)fd, (void)what;
	service->look(service->ctx, &view);
	if (!service->stopping) {
		if ((service->reloading ? !view.reloading : view.ready && !service->ready) && say(service, "READY=1")) {
			service->ready = true;
			service->reloading = false;
		}
		say_text(service, &view.text);
	}
	if (view.beating)
		feed(service);
	buf_free(&view.text);
}

struct service *service_new(struct event_base *loop, void (*look)(void *ctx, struct service_view *view), void *ctx)
{
	struct notify *notify = notify_open();
	struct service *service;
	int64_t often = LOOK_MS;

	if (!notify)
		return NULL;
	service = calloc(1, sizeof *service);
	BUG_IF(!service);
	*service = (struct service){ .notify = notify, .look = look, .ctx = ctx, .said_text = BUF_INIT };
	if (notify_watchdog_ms(notify) > 0 && notify_watchdog_ms(notify) / 4 < often)
		often = notify_watchdog_ms(notify) / 4 + 1;
	service->timer = event_new(loop, -1, EV_PERSIST, on_timer, service);
	BUG_IF(!service->timer);
	event_add(service->timer, &(struct timeval){ 0, often * 1000 });
	return service;
}

void service_reloading(struct service *service)
{
	char lines[64];

	/* Before it is ready all that was asked for is part of the start. */
	if (!service || !service->ready || service->stopping)
		return;
	/* With this systemd tells the answer to its SIGHUP from one to a SIGHUP before. */
	snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
	service->reloading = say(service, lines) || service->reloading;
}

void service_stopping(struct service *service, bool done)
{
	if (!service || service->stopping)
		return;
	if (done && !service->ready)
		say(service, "READY=1");
	say(service, "STOPPING=1");
	service->stopping = true;
}

void service_free(struct service *service)
{
	if (!service)
		return;
	event_free(service->timer);
	notify_close(service->notify);
	buf_free(&service->said_text);
	free(service);
}
