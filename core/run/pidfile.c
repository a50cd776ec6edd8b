#include "run/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "io/text_file.h"

struct pidfile {
	int fd;
	char path[PATH_MAX];
};

int pidfile_default(const char *job_path, char *path, struct error *err)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	char absolute[PATH_MAX];

	if (text_file_absolute(job_path, absolute, err) < 0)
		return -1;
	if (!folder || folder[0] != '/')
		folder = "/tmp";
	if (snprintf(path, PATH_MAX, "%s/streamlua-%016llx.pid", folder, (unsigned long long)XXH3_64bits(absolute, strlen(absolute))) >= PATH_MAX)
		return error_set(err, "XDG_RUNTIME_DIR is too long a path");
	return 0;
}

/* The lock belongs to the open file and not to the process (as with flock), and unlike flock's it can be asked for without being
 * taken: a `status` never stands in the way of a master that starts. */
static int lock(int fd, int command, bool *held)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, command, &whole) < 0) {
		*held = errno == EAGAIN || errno == EACCES;
		return -1;
	}
	*held = command == F_OFD_GETLK && whole.l_type != F_UNLCK;
	return 0;
}

struct pidfile *pidfile_open(const char *path, int *held, struct error *err)
{
	struct pidfile *file = NULL;
	int fd = -1;

	*held = 0;
	for (;;) {
		struct stat ours, there;
		bool locked;

		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0) {
			error_set(err, "%s: %s", path, strerror(errno));
			return NULL;
		}
		if (lock(fd, F_OFD_SETLK, &locked) < 0) {
			*held = locked;
			error_set(err, locked ? "%s: another streamlua runs with this file" : "%s: cannot be locked", path);
			goto fail;
		}
		/* Its last owner may have removed it between our open and our lock: what we locked then has no name. */
		if (fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
			break;
		close(fd);
	}
	file = calloc(1, sizeof *file);
	BUG_IF(!file);
	file->fd = fd;
	snprintf(file->path, sizeof file->path, "%s", path);
	if (pidfile_write(file, "", err) < 0) {
		free(file);
		goto fail;
	}
	return file;
fail:
	close(fd);
	return NULL;
}

int pidfile_write(struct pidfile *file, const char *http, struct error *err)
{
	char text[sizeof((struct pidfile_owner *)0)->http + 32];
	int n = snprintf(text, sizeof text, "%d\n%s\n", (int)getpid(), http);

	if (n >= (int)sizeof text || ftruncate(file->fd, 0) < 0 || pwrite(file->fd, text, (size_t)n, 0) != n)
		return error_set(err, "%s: cannot be written", file->path);
	return 0;
}

void pidfile_close(struct pidfile *file)
{
	if (!file)
		return;
	unlink(file->path);
	close(file->fd);
	free(file);
}

int pidfile_read(const char *path, struct pidfile_owner *owner, struct error *err)
{
	char text[sizeof owner->http + 32] = "";
	bool held = false;
	int fd = open(path, O_RDONLY | O_CLOEXEC), pid, got;

	if (fd < 0)
		return error_set(err, errno == ENOENT ? "it is not running" : "%s: cannot be read", path);
	got = lock(fd, F_OFD_GETLK, &held) == 0 && held ? (int)pread(fd, text, sizeof text - 1, 0) : -1;
	close(fd);
	*owner = (struct pidfile_owner){ 0 };
	/* Two lines, each with its end: less is a file that is just being written. */
	if (!held || got < 1 || text[got - 1] != '\n' || sscanf(text, "%d\n%299s", &pid, owner->http) < 1)
		return error_set(err, "it is not running");
	owner->pid = pid;
	return 0;
}
