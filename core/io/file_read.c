#include "io/file_read.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

enum {
	READ_BYTES = 256 * 1024,
	STACK_BYTES = 256 * 1024, /* libarchive keeps its buffers on the heap; its frames take a few KiB */
	GUARD_BYTES = 64 * 1024,  /* at least a page on any machine */
};

/* How the bytes are come by. A pipe that holds plain text is read as it is, so that a short line arrives when it was
 * written and not when libarchive has seen enough of it. */
enum mode { MODE_UNKNOWN, MODE_PLAIN, MODE_ARCHIVE, MODE_ARCHIVE_PIPE };

struct file_read {
	int fd;
	enum mode mode;
	bool owns_fd, regular, ended;
	off_t at; /* regular files are read by pread: a process that takes over the place of another finds stdin as that one had */
	uint64_t taken;
	size_t peeked; /* bytes in `in` that were read to tell what it is, and not yet passed on */
	struct archive *archive;
	/* libarchive cannot be told "later", so a compressed pipe is unpacked on a stack of its own, which is left while the
	 * pipe is empty: no thread, and the loop never waits. */
	ucontext_t outside, inside;
	void *stack;
	bool closing;
	enum file_read_result result;
	struct slice *bytes;
	struct error *err;
	char in[READ_BYTES];
};

static bool is_ready(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	return poll(&one, 1, 0) > 0;
}

/* Only called when there is something to read, or on a disk: the descriptor stays in the mode that whoever shares it wants. */
static ssize_t read_some(struct file_read *r, char *to, size_t most)
{
	ssize_t n;

	do
		n = r->regular ? pread(r->fd, to, most, r->at) : read(r->fd, to, most);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		r->at += n;
		r->taken += (uint64_t)n;
	}
	return n;
}

static la_ssize_t on_archive_read(struct archive *archive, void *ctx, const void **bytes)
{
	struct file_read *r = ctx;
	ssize_t n;

	*bytes = r->in;
	if (r->peeked) {
		n = (ssize_t)r->peeked;
		r->peeked = 0;
		return n;
	}
	for (;;) {
		while (!r->regular && !r->closing && !is_ready(r->fd)) {
			r->result = FILE_READ_LATER;
			swapcontext(&r->inside, &r->outside);
		}
		if (r->closing) {
			archive_set_error(archive, ECANCELED, "closed");
			return -1;
		}
		n = read_some(r, r->in, sizeof r->in);
		if (n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
			break;
	}
	if (n < 0)
		archive_set_error(archive, errno, "%s", strerror(errno));
	return n;
}

static enum file_read_result archive_broken(struct file_read *r)
{
	const char *why = archive_error_string(r->archive);

	error_set(r->err, "%s", why ? why : "it cannot be unpacked");
	r->ended = true;
	return FILE_READ_BROKEN;
}

/* No legacy .lzma, uuencode or rpm: they have no real magic number, or one that a line of text could begin with. */
static int archive_begin(struct file_read *r)
{
	struct archive_entry *entry;
	int result;

	r->archive = archive_read_new();
	BUG_IF(!r->archive);
	archive_read_support_filter_gzip(r->archive);
	archive_read_support_filter_zstd(r->archive);
	archive_read_support_filter_bzip2(r->archive);
	archive_read_support_filter_xz(r->archive);
	archive_read_support_filter_lz4(r->archive);
	archive_read_support_format_raw(r->archive);
	archive_read_support_format_empty(r->archive);
	result = archive_read_open(r->archive, r, NULL, on_archive_read, NULL);
	return result == ARCHIVE_OK ? archive_read_next_header(r->archive, &entry) : result;
}

static enum file_read_result archive_next(struct file_read *r)
{
	const void *block;
	la_int64_t offset;
	size_t n;
	int result = r->archive ? ARCHIVE_OK : archive_begin(r);

	/* A warning (bytes of something else behind the last compressed block) is a fault too: those lines would be missing. */
	if (result == ARCHIVE_OK)
		do
			result = archive_read_data_block(r->archive, &block, &n, &offset);
		while (result == ARCHIVE_OK && n == 0);
	if (result == ARCHIVE_EOF) {
		r->ended = true;
		return FILE_READ_END;
	}
	if (result != ARCHIVE_OK)
		return archive_broken(r);
	*r->bytes = (struct slice){ block, n };
	return FILE_READ_BYTES;
}

/* makecontext passes ints. */
static void run_inside(unsigned high, unsigned low)
{
	struct file_read *r = (struct file_read *)((uintptr_t)high << 32 | low);

	while (!r->closing) {
		r->result = archive_next(r);
		swapcontext(&r->inside, &r->outside);
	}
	swapcontext(&r->inside, &r->outside);
}

static void pipe_begin(struct file_read *r)
{
	uintptr_t self = (uintptr_t)r;

	r->stack = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	BUG_IF(r->stack == MAP_FAILED);
	BUG_IF(mprotect(r->stack, GUARD_BYTES, PROT_NONE) < 0);
	getcontext(&r->inside);
	r->inside.uc_stack.ss_sp = (char *)r->stack + GUARD_BYTES;
	r->inside.uc_stack.ss_size = STACK_BYTES;
	r->inside.uc_link = NULL;
	makecontext(&r->inside, (void (*)(void))run_inside, 2, (unsigned)(self >> 32), (unsigned)self);
}

/* 1: the bytes begin as compressed data does; 0: they do not; -1: there are too few of them to tell. */
static int looks_packed(const char *bytes, size_t n)
{
	static const struct slice magics[] = { { "\x1f\x8b", 2 },
					       { "\x28\xb5\x2f\xfd", 4 },
					       { "BZh", 3 },
					       { "\xfd"
						 "7zXZ",
						 5 },
					       { "\x04\x22\x4d\x18", 4 } };
	int answer = 0;

	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
		size_t same = n < magics[i].n ? n : magics[i].n;

		if (memcmp(bytes, magics[i].p, same) == 0)
			answer = same == magics[i].n ? 1 : -1;
		if (answer > 0)
			break;
	}
	return answer;
}

/* The next bytes of a pipe, into `in` behind those that are there. */
static enum file_read_result read_plain(struct file_read *r)
{
	ssize_t n;

	if (!is_ready(r->fd))
		return FILE_READ_LATER;
	n = read_some(r, r->in + r->peeked, sizeof r->in - r->peeked);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return FILE_READ_LATER;
	if (n < 0) {
		error_set(r->err, "%s", strerror(errno));
		r->ended = true;
		return FILE_READ_BROKEN;
	}
	r->peeked += (size_t)n;
	return n > 0 ? FILE_READ_BYTES : FILE_READ_END;
}

static enum file_read_result plain_next(struct file_read *r)
{
	enum file_read_result result = r->peeked && r->mode == MODE_PLAIN ? FILE_READ_BYTES : read_plain(r);

	if (r->mode == MODE_UNKNOWN && result == FILE_READ_BYTES) {
		int packed = looks_packed(r->in, r->peeked);

		if (packed < 0)
			return plain_next(r);
		r->mode = packed ? MODE_ARCHIVE_PIPE : MODE_PLAIN;
		if (packed) {
			pipe_begin(r);
			return file_read_next(r, r->bytes, r->err);
		}
	}
	/* The end before one could tell what it is: it is what it looks like, a few bytes of text. */
	if (result == FILE_READ_END && r->peeked) {
		r->mode = MODE_PLAIN;
		result = FILE_READ_BYTES;
	}
	if (result == FILE_READ_BYTES) {
		*r->bytes = (struct slice){ r->in, r->peeked };
		r->peeked = 0;
	}
	r->ended |= result == FILE_READ_END;
	return result;
}

enum file_read_result file_read_next(struct file_read *r, struct slice *bytes, struct error *err)
{
	r->bytes = bytes;
	r->err = err;
	if (r->ended)
		return FILE_READ_END;
	if (r->mode == MODE_ARCHIVE)
		return archive_next(r);
	if (r->mode != MODE_ARCHIVE_PIPE)
		return plain_next(r);
	swapcontext(&r->outside, &r->inside);
	return r->result;
}

int file_read_check(const char *path, uint64_t *size, struct error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct stat about;
	int fd;

	*size = 0;
	if ((is_stdin ? fstat(STDIN_FILENO, &about) : stat(path, &about)) < 0)
		return error_set(err, "%s: %s", is_stdin ? "standard input" : path, strerror(errno));
	if (S_ISDIR(about.st_mode))
		return error_set(err, "%s: is a folder, not a file", is_stdin ? "standard input" : path);
	if (S_ISREG(about.st_mode))
		*size = (uint64_t)about.st_size;
	if (is_stdin)
		return 0;
	/* Opening a named pipe only to close it again would break whoever writes to it. */
	if (!S_ISREG(about.st_mode))
		return access(path, R_OK) == 0 ? 0 : error_set(err, "%s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, "%s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

struct file_read *file_read_open(const char *path, struct error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	/* A named pipe that nobody writes to yet must not hold up the open; O_NONBLOCK says nothing to a file on a disk. */
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct file_read *r;
	struct stat about;

	if (fd < 0 || fstat(fd, &about) < 0) {
		error_set(err, "%s", strerror(errno));
		if (!is_stdin && fd >= 0)
			close(fd);
		return NULL;
	}
	r = malloc(sizeof *r);
	BUG_IF(!r);
	memset(r, 0, offsetof(struct file_read, in));
	r->fd = fd;
	r->owns_fd = !is_stdin;
	r->regular = S_ISREG(about.st_mode);
	if (r->regular) {
		off_t at = lseek(fd, 0, SEEK_CUR);

		r->mode = MODE_ARCHIVE;
		r->at = at > 0 ? at : 0;
	}
	return r;
}

int file_read_fd(const struct file_read *r)
{
	return r->fd;
}

uint64_t file_read_taken(const struct file_read *r)
{
	return r->taken;
}

void file_read_close(struct file_read *r)
{
	struct slice bytes;

	if (!r)
		return;
	if (r->stack) {
		/* What libarchive has on that stack is let go by its own way out. */
		r->closing = true;
		r->bytes = &bytes;
		r->err = NULL;
		swapcontext(&r->outside, &r->inside);
		munmap(r->stack, GUARD_BYTES + STACK_BYTES);
	}
	archive_read_free(r->archive);
	if (r->owns_fd)
		close(r->fd);
	free(r);
}
