/* Dead letters for whoever watches a run: as JSON, cut to what a person looks at, and few at a time. (Whole ones are where
 * the sink keeps them.) */
#ifndef FLOW_LETTERS_H
#define FLOW_LETTERS_H

#include "base/buf.h"
#include "flow/event.h"

/* Of more than LETTERS_MOST since it was taken the last time only the first are kept: a million of them cost no more than these. */
enum { LETTERS_MOST = 20, LETTER_ERROR_MOST = 4096, LETTER_KEY_MOST = 256, LETTER_VALUE_MOST = 2048 };

/* A value that its owner embeds; all zero to begin with. */
struct letters {
	struct buf lines;
	unsigned count;
};

/* An event has ended as a dead letter, at that time. version: of the scripts that run, where the event names none of its own. */
void letters_note(struct letters *letters, const struct event *event, int64_t wall_ms, const char *version);
/* Those since the last time, a line each, appended to out: letter_json makes JSON of one. */
void letters_take(struct letters *letters, struct buf *out);
/* A JSON object: at (ms), topic, partition, offset, table, script, stage, error, version and value_bytes, how long the value is; `whole`: its message too, as key and value (null where
 * there is none; bytes that are no text are U+FFFD). */
void letter_json(struct buf *out, struct slice line, bool whole);
void letters_free(struct letters *letters);

#endif
