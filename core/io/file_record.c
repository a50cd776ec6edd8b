#include "io/file_record.h"

#include "io/file_envelope.h"

static bool is_blank(struct slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t')
			return false;
	return true;
}

bool file_record_read(const struct file_record *record, struct slice name, struct slice line, struct message *message)
{
	const char *at = record->separator.n ? memmem(line.p, line.n, record->separator.p, record->separator.n) : NULL;

	/* White space that holds the separator is an empty key and a tombstone. */
	if (!at && is_blank(line))
		return false;
	message->topic = record->topic.p ? record->topic : name;
	message->value = line;
	if (record->envelope) {
		file_envelope_read(record->envelope, line, message);
		if (message->flaw)
			message->topic = name;
	} else if (at) {
		size_t key_n = (size_t)(at - line.p), value_n = line.n - key_n - record->separator.n;

		message->key = (struct slice){ line.p, key_n };
		message->value = (struct slice){ value_n ? at + record->separator.n : NULL, value_n };
	}
	return true;
}
