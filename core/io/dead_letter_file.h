/* Dead letters of sinks that are no database: JSON lines with the members of the table streamlua_dead_letters. The file
 * is made with the first of them. */
#ifndef IO_DEAD_LETTER_FILE_H
#define IO_DEAD_LETTER_FILE_H

#include "flow/sink.h"
#include "io/line_writer.h"

struct dead_letter_file {
	char *path, *job;
	struct line_writer out;
	int64_t last_id;
};

void dead_letter_file_init(struct dead_letter_file *file, const char *path, const char *job);
void dead_letter_file_deinit(struct dead_letter_file *file);
/* Adds the dead ones among a transaction's events to what is to be written. */
void dead_letter_file_add(struct dead_letter_file *file, const struct tx *tx);
/* Writes what was added. NO_ROOM and BROKEN with err: nothing is written, what was added is forgotten; LATER is never. */
enum line_writer_result dead_letter_file_flush(struct dead_letter_file *file, struct error *err);
/* One of them as its line, without the newline. id and time are left out: they are given when it is written. */
void dead_letter_file_line(struct buf *out, const char *job, const struct tx *tx, const struct event *event);

#endif
