/* Whole records as lines of text, as `kcat -J` prints them: one JSON object with topic, partition, offset, ts, headers, key
 * and payload. key_base64 and payload_base64 stand where bytes are no text. */
#ifndef IO_FILE_ENVELOPE_H
#define IO_FILE_ENVELOPE_H

#include "flow/event.h"

struct file_envelope;

struct file_envelope *file_envelope_new(void);
void file_envelope_free(struct file_envelope *envelope); /* harmless on NULL */

/* Fills message from a line that is followed by JSON_PADDING readable bytes; members that the line lacks keep what they are in
 * message. A line that is no record is the message's value as it stands, and the message says so (message->flaw). What
 * message points to is lent until the next call. */
void file_envelope_read(struct file_envelope *envelope, struct slice line, struct message *message);

#endif
