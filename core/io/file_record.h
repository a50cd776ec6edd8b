/* What a line of a file says: a value, a key and a value, or a whole record. */
#ifndef IO_FILE_RECORD_H
#define IO_FILE_RECORD_H

#include "flow/event.h"

struct file_envelope;

struct file_record {
	struct slice topic;             /* of the messages; p is NULL: the file's name */
	struct slice separator;         /* between key and value; n is 0: none */
	struct file_envelope *envelope; /* NULL: lines are no whole records */
};

/* Fills topic, key, value and whatever else the line says; partition, offset, owner and position are the caller's, and stay
 * where the line does not say. The line is followed by JSON_PADDING readable bytes; all is lent as long as the line, at
 * most until the next call. False: the line is blank, and no message. */
bool file_record_read(const struct file_record *record, struct slice name, struct slice line, struct message *message);

#endif
