#include "io/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

struct notify {
	int fd;
	struct sockaddr_un address;
	socklen_t address_size;
	int64_t watchdog_ms;
};

/* WATCHDOG_PID says whom it is for, where a shell stands between. */
static int64_t read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	int64_t ms = usec && (!pid || atoll(pid) == getpid()) ? atoll(usec) / 1000 : 0;

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return ms > 0 ? ms : 0;
}

struct notify *notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;
	int64_t watchdog_ms = read_watchdog();
	struct notify *notify;

	if (n == 0)
		return NULL;
	notify = calloc(1, sizeof *notify);
	BUG_IF(!notify);
	notify->address.sun_family = AF_UNIX;
	if ((path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof notify->address.sun_path) {
		log_warn("NOTIFY_SOCKET %s: neither a path nor an abstract name; nobody is told that the job is ready", path);
		goto fail;
	}
	memcpy(notify->address.sun_path, path, n);
	if (path[0] == '@')
		notify->address.sun_path[0] = 0;
	notify->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify->fd < 0) {
		log_warn("NOTIFY_SOCKET %s: %s; nobody is told that the job is ready", path, strerror(errno));
		goto fail;
	}
	notify->watchdog_ms = watchdog_ms;
	unsetenv("NOTIFY_SOCKET");
	return notify;
fail:
	free(notify);
	unsetenv("NOTIFY_SOCKET");
	return NULL;
}

int64_t notify_watchdog_ms(const struct notify *notify)
{
	return notify->watchdog_ms;
}

int notify_say(struct notify *notify, const char *lines)
{
	return sendto(notify->fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&notify->address, notify->address_size) < 0 ? -1 : 0;
}

void notify_close(struct notify *notify)
{
	if (!notify)
		return;
	close(notify->fd);
	free(notify);
}
