/* Files as a source: a message a line, each file a partition of its own. Where a line is in its file is its position, so a
 * run that was cut off goes on where it stopped. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include <event2/event.h>

#include "flow/source.h"

struct file_options {
	const char *const *paths; /* absolute, or "-" for stdin */
	const char *const *names; /* the same as the job writes them: the topics of their progress */
	size_t path_count;
	const char *topic;         /* of the messages; NULL: the file's name */
	const char *key_separator; /* between a line's key and value; NULL: a line is a value */
	bool kcat;                 /* a line is a whole record (io/file_envelope.h) */
	bool progress_bar;         /* on stderr, where that is a terminal */
	int32_t worker, workers;   /* this worker reads the files i with i % workers == worker */
};

/* The options are copied. NULL with err. */
struct source *file_new(struct event_base *loop, const struct file_options *options, struct error *err);

#endif
