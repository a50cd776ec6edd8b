#include "run/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* More workers of one job on one machine than anybody runs. */
enum { SLOTS_MOST = 1024 };

int slot_take(const char *name, char *out)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	char host[128] = "", path[512];

	out[0] = 0;
	if (gethostname(host, sizeof host - 1) < 0)
		snprintf(host, sizeof host, "localhost");
	for (int slot = 0; slot < SLOTS_MOST; slot++) {
		int fd;

		snprintf(path, sizeof path, "%s/streamlua-slot-%016llx-%d.lock", folder && *folder ? folder : "/tmp",
			 (unsigned long long)XXH3_64bits(name, strlen(name)), slot);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			snprintf(out, 256, "%.100s-%s-%d", name, host, slot);
			return fd;
		}
		close(fd);
		if (errno != EWOULDBLOCK)
			return -1;
	}
	return -1;
}
