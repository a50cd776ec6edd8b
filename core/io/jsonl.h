/* Changes as JSON lines: {"op":"upsert|update|delete","table":"orders","row":{...}}, each of them, in order. At least once:
 * there is no progress in such a file. What was written survives the end of the program, not that of the machine. */
#ifndef IO_JSONL_H
#define IO_JSONL_H

#include <event2/event.h>

#include "flow/sink.h"

/* path "-" is stdout. Strings are copied. NULL with err. */
struct sink *jsonl_new(struct event_base *loop, const char *path, const char *dead_letters_path, const char *job, struct error *err);

#endif
