#include "io/file_lines.h"

#include <stdlib.h>

#include "flow/json.h"

/* A block of file_read and the line that it cuts; grows with the longest line. */
enum { FIRST_BYTES = 512 * 1024 };

int file_lines_open(struct file_lines *lines, const char *path, struct error *err)
{
	*lines = (struct file_lines){ .read = file_read_open(path, err) };
	return lines->read ? 0 : -1;
}

/* Makes room for n more bytes, and the padding, behind those not yet given. */
static void make_room(struct file_lines *lines, size_t n)
{
	size_t kept = lines->end - lines->begin, cap = lines->cap ? lines->cap : FIRST_BYTES;

	if (lines->begin > 0 && kept > 0)
		memmove(lines->p, lines->p + lines->begin, kept);
	lines->begin = 0;
	lines->end = kept;
	while (cap < kept + n + JSON_PADDING)
		cap *= 2;
	/* One huge line is no reason to keep its memory until the end of the file. */
	if (kept == 0 && n + JSON_PADDING <= FIRST_BYTES)
		cap = FIRST_BYTES;
	if (cap != lines->cap) {
		lines->p = realloc(lines->p, cap);
		BUG_IF(!lines->p);
		lines->cap = cap;
	}
}

static enum file_lines_result fill(struct file_lines *lines, struct error *err)
{
	struct slice bytes;

	switch (file_read_next(lines->read, &bytes, err)) {
	case FILE_READ_LATER:
		return FILE_LINES_LATER;
	case FILE_READ_BROKEN:
		return FILE_LINES_BROKEN;
	case FILE_READ_END:
		lines->ended = true;
		return FILE_LINES_MORE;
	case FILE_READ_BYTES:
		break;
	}
	if (lines->end - lines->begin + bytes.n > LINE_BYTES_MOST) {
		error_set(err, "the line is longer than %d MiB", LINE_BYTES_MOST >> 20);
		return FILE_LINES_BROKEN;
	}
	make_room(lines, bytes.n);
	memcpy(lines->p + lines->end, bytes.p, bytes.n);
	lines->end += bytes.n;
	memset(lines->p + lines->end, 0, JSON_PADDING);
	return FILE_LINES_MORE;
}

enum file_lines_result file_lines_next(struct file_lines *lines, struct slice *line, struct error *err)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' };
	size_t have = lines->end - lines->begin;
	const char *begin = have ? lines->p + lines->begin : NULL;
	const char *newline = have > lines->scanned ? memchr(begin + lines->scanned, '\n', have - lines->scanned) : NULL;

	if (!newline && !lines->ended) {
		lines->scanned = have;
		return fill(lines, err);
	}
	if (!newline && have == 0)
		return FILE_LINES_END;
	*line = (struct slice){ begin, newline ? (size_t)(newline - begin) : have };
	lines->begin += line->n + (newline != NULL);
	lines->scanned = 0;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	if (lines->number++ == 0 && line->n >= sizeof mark && memcmp(line->p, mark, sizeof mark) == 0) {
		line->p += sizeof mark;
		line->n -= sizeof mark;
	}
	return FILE_LINES_LINE;
}

void file_lines_close(struct file_lines *lines)
{
	file_read_close(lines->read);
	free(lines->p);
	*lines = (struct file_lines){ 0 };
}
