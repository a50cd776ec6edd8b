/* The lines of one file, counted from 0. A byte order mark at its start, LF and CR LF are no part of a line; the last one
 * needs no end; blank lines are lines. Lines may be as long as LINE_BYTES_MOST. */
#ifndef IO_FILE_LINES_H
#define IO_FILE_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "io/file_read.h"

enum { LINE_BYTES_MOST = 1 << 30 };

struct file_lines {
	struct file_read *read;
	char *p; /* cap bytes; the lines not yet given lie in begin .. end */
	size_t begin, end, cap;
	size_t scanned; /* bytes from begin on that hold no newline */
	int64_t number; /* of the next line: so many were given */
	bool ended;     /* there are no more bytes; what is left is the last line */
};

enum file_lines_result {
	FILE_LINES_LINE,
	FILE_LINES_MORE,  /* some bytes were read, no line was ended by them: call again */
	FILE_LINES_LATER, /* as FILE_READ_LATER */
	FILE_LINES_END,
	FILE_LINES_BROKEN,
};

int file_lines_open(struct file_lines *lines, const char *path, struct error *err);
/* The next line, lent until the next call and followed by JSON_PADDING readable bytes. Reads at most one block of the file. */
enum file_lines_result file_lines_next(struct file_lines *lines, struct slice *line, struct error *err);
void file_lines_close(struct file_lines *lines); /* harmless on one that is cleared */

#endif
