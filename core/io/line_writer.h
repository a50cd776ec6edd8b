/* Whole lines appended to a file, a pipe or a terminal. Never waits for a reader: a full pipe takes what it can, and the
 * rest later. Lines that could not all be written are taken back where that is possible. */
#ifndef IO_LINE_WRITER_H
#define IO_LINE_WRITER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct line_writer {
	int fd;          /* -1: not open */
	struct buf text; /* what is to be written: whole lines. The owner appends */
	size_t written;  /* of it */
	off_t start;     /* of a regular file: its end before these lines */
	bool regular;
	bool torn; /* the last thing written is a piece of a line */
};

#define LINE_WRITER_INIT ((struct line_writer){ .fd = -1 })

enum line_writer_result {
	LINES_WRITTEN, /* all of them; they can still be dropped until they are kept */
	LINES_LATER,   /* the rest when fd is writable */
	LINES_NO_ROOM, /* the disk is full or failing, and may not be in a while */
	LINES_BROKEN,  /* nobody reads the pipe any more, or the like: no use trying again */
};

/* path "-" is stdout; a file is made where there is none. */
int line_writer_open(struct line_writer *writer, const char *path, struct error *err);
/* Writes the text, or what is left of it. After NO_ROOM and BROKEN the owner drops it. */
enum line_writer_result line_writer_flush(struct line_writer *writer, struct error *err);
/* The written text stays: on with the next. */
void line_writer_keep(struct line_writer *writer);
/* Forgets the text; what was written of it is cut off again where nothing follows it. */
void line_writer_drop(struct line_writer *writer);
void line_writer_close(struct line_writer *writer);

#endif
