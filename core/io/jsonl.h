/* Changes as JSON lines: {"op":"upsert|update|delete","table":"orders","row":{...}}, each of them, in order. At least once:
 * there is no progress in such a file. What was written survives the end of the program, not that of the machine. */
#ifndef IO_JSONL_H
#define IO_JSONL_H

#include <event2/event.h>

#include "flow/sink.h"

struct jsonl_options {
	const char *path;         /* "-" is stdout */
	const char *dead_letters; /* a file's path */
	const char *job;
	bool origins; /* each line says which event it was made of (io/origin.h) */
};

/* Strings are copied. NULL with err. */
struct sink *jsonl_new(struct event_base *loop, const struct jsonl_options *options, struct error *err);

#endif
