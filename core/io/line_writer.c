#include "io/line_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

int line_writer_open(struct line_writer *w, const char *path, struct error *err)
{
	bool is_stdout = strcmp(path, "-") == 0;
	struct stat about;

	w->fd = is_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (w->fd < 0 || fstat(w->fd, &about) < 0)
		return error_set(err, "%s: %s", is_stdout ? "standard output" : path, strerror(errno));
	w->regular = S_ISREG(about.st_mode);
	return 0;
}

/* Where the next byte goes: the file's end, or where stdout stands that was not opened to append. */
static off_t next_place(const struct line_writer *w)
{
	struct stat about;

	if (fcntl(w->fd, F_GETFL) & O_APPEND)
		return fstat(w->fd, &about) == 0 ? about.st_size : -1;
	return lseek(w->fd, 0, SEEK_CUR);
}

/* A pipe that is writable takes PIPE_BUF bytes at once without waiting, and unmixed with those of other processes: so
 * whole lines as far as they fit. The descriptor stays in the mode that whoever shares it wants. */
static size_t pipe_share(const char *p, size_t n)
{
	const char *newline;

	if (n <= PIPE_BUF)
		return n;
	newline = memrchr(p, '\n', PIPE_BUF);
	return newline ? (size_t)(newline - p) + 1 : PIPE_BUF;
}

static bool is_writable(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLOUT };

	return poll(&one, 1, 0) > 0;
}

static enum line_writer_result failed(int number, struct error *err)
{
	error_set(err, "%s", strerror(number));
	return number == ENOSPC || number == EDQUOT || number == EIO ? LINES_NO_ROOM : LINES_BROKEN;
}

enum line_writer_result line_writer_flush(struct line_writer *w, struct error *err)
{
	if (w->written == 0 && w->regular)
		w->start = next_place(w);
	while (w->written < w->text.n) {
		const char *p = w->text.p + w->written;
		size_t n = w->text.n - w->written;
		ssize_t put;

		if (!w->regular) {
			if (!is_writable(w->fd))
				return LINES_LATER;
			n = pipe_share(p, n);
		}
		put = w->torn ? write(w->fd, "\n", 1) : write(w->fd, p, n);
		if (put < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				return LINES_LATER;
			return failed(errno, err);
		}
		if (w->torn && put == 1) {
			w->torn = false;
			w->start++;
			continue;
		}
		w->written += (size_t)put;
	}
	return LINES_WRITTEN;
}

void line_writer_keep(struct line_writer *w)
{
	BUG_IF(w->written != w->text.n);
	w->written = 0;
	buf_clear(&w->text);
}

void line_writer_drop(struct line_writer *w)
{
	off_t end = w->start + (off_t)w->written;

	/* Another process may have appended behind us; its lines are not ours to cut off. */
	if (w->written && w->regular && next_place(w) == end && lseek(w->fd, 0, SEEK_END) == end && ftruncate(w->fd, w->start) == 0)
		lseek(w->fd, w->start, SEEK_SET);
	else if (w->written && w->text.p[w->written - 1] != '\n')
		w->torn = true;
	w->written = 0;
	buf_clear(&w->text);
}

void line_writer_close(struct line_writer *w)
{
	if (w->fd > STDERR_FILENO)
		close(w->fd);
	buf_free(&w->text);
	*w = LINE_WRITER_INIT;
}
