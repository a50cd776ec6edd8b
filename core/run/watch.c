#include "run/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/log.h"

/* Saving is often several steps, and "save all" several files: they are one change. */
static const struct timeval moment = { 0, 100 * 1000 };

enum { WATCHED = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR };

struct watch {
	int fd;
	struct event *readable, *settled;
	void (*changed)(void *ctx);
	void *ctx;
};

/* Not swap files, locks and backups of editors, and not what a sink writes beside the job. "..data" is the link by which Kubernetes
 * swaps a whole folder. */
static bool counts(const char *name)
{
	size_t n = strlen(name);

	return strcmp(name, "..data") == 0 || (name[0] != '.' && n > 4 && strcmp(name + n - 4, ".lua") == 0);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	char buffer[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct watch *watch = arg;
	ssize_t got;

	(void)what;
	while ((got = read(fd, buffer, sizeof buffer)) > 0) {
		for (char *p = buffer; p < buffer + got;) {
			const struct inotify_event *event = (const struct inotify_event *)p;

			if (event->mask & IN_Q_OVERFLOW || (event->len > 0 && counts(event->name)))
				event_add(watch->settled, &moment);
			p += sizeof *event + event->len;
		}
	}
}

static void on_settled(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	(void)fd;
	(void)what;
	watch->changed(watch->ctx);
}

struct watch *watch_new(struct event_base *loop, void (*changed)(void *ctx), void *ctx, struct error *err)
{
	struct watch *watch = calloc(1, sizeof *watch);

	BUG_IF(!watch);
	*watch = (struct watch){ .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .changed = changed, .ctx = ctx };
	if (watch->fd < 0) {
		error_set(err, "files cannot be watched: %s", strerror(errno));
		free(watch);
		return NULL;
	}
	watch->readable = event_new(loop, watch->fd, EV_READ | EV_PERSIST, on_readable, watch);
	watch->settled = event_new(loop, -1, 0, on_settled, watch);
	BUG_IF(!watch->readable || !watch->settled);
	event_add(watch->readable, NULL);
	return watch;
}

void watch_add(struct watch *watch, const struct bundle *bundle)
{
	for (size_t i = 0; i < bundle->count; i++) {
		const char *slash = strrchr(bundle->files[i].path, '/');
		int n = slash ? (int)(slash - bundle->files[i].path) : 0;
		char folder[PATH_MAX];

		/* The kernel knows a folder that it watches already, and counts it once. */
		snprintf(folder, sizeof folder, "%s/%.*s", bundle->folder, n, bundle->files[i].path);
		if (inotify_add_watch(watch->fd, folder, WATCHED) < 0)
			log_warn("%s cannot be watched: %s", folder, strerror(errno));
	}
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	event_free(watch->readable);
	event_free(watch->settled);
	close(watch->fd);
	free(watch);
}
