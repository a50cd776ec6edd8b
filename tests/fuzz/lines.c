/* Files: lines, keys and values, whole records. What comes out is what stands in the file, cut but not changed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "io/file_envelope.h"
#include "io/file_lines.h"
#include "io/file_record.h"

/* Lines as they are told apart here: they end with LF or CR LF, and a mark may stand at the front. */
static struct slice next_line(struct slice *rest, bool first)
{
	struct slice line = fuzz_until(rest, '\n');

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (first && line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
		line = (struct slice){ line.p + 3, line.n - 3 };
	return line;
}

static bool is_packed(struct slice bytes)
{
	static const char *const magics[] = { "\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh",
					      "\xfd"
					      "7zXZ",
					      "\x04\x22\x4d\x18" };

	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
		if (bytes.n >= strlen(magics[i]) && memcmp(bytes.p, magics[i], strlen(magics[i])) == 0)
			return true;
	return false;
}

static void check_pair(struct slice line, const struct message *message, struct slice separator)
{
	const char *at = line.n && separator.n ? memmem(line.p, line.n, separator.p, separator.n) : NULL;
	struct slice key = { line.p, at ? (size_t)(at - line.p) : 0 };
	struct slice value = { line.p + key.n + (at ? separator.n : 0), line.n - key.n - (at ? separator.n : 0) };

	FUZZ_CHECK(at ? slice_equal(message->key, key) && message->key.p : !message->key.p, "key %.*s", SLICE_ARG(message->key));
	FUZZ_CHECK(slice_equal(message->value, value), "value %.*s", SLICE_ARG(message->value));
	FUZZ_CHECK(!at || value.n ? message->value.p != NULL : message->value.p == NULL, "a tombstone");
}

static void check_envelope(const struct message *message, struct slice line)
{
	size_t bytes = message->key.n + message->value.n + message->topic.n;

	if (message->flaw) {
		FUZZ_CHECK(slice_equal(message->value, line) && !message->key.p && !message->header_count, "%s", message->flaw);
		return;
	}
	FUZZ_CHECK(message->partition >= -1 && message->time_ms >= 0, "partition %d", message->partition);
	for (uint32_t i = 0; i < message->header_count; i++)
		bytes += message->headers[i].name.n + message->headers[i].value.n;
	/* All of it stands in the line, some of it escaped. */
	FUZZ_CHECK(bytes <= line.n + strlen("file"), "%zu bytes of a line of %zu", bytes, line.n);
}

static void check_line(const struct file_record *record, struct slice line)
{
	struct message message = { .partition = 3, .offset = 4 };
	bool blank = true;

	for (size_t i = 0; i < line.n; i++)
		blank &= line.p[i] == ' ' || line.p[i] == '\t';
	if (!file_record_read(record, SLICE("file"), line, &message)) {
		FUZZ_CHECK(blank, "%.*s", SLICE_ARG(line));
		return;
	}
	if (record->envelope)
		check_envelope(&message, line);
	else
		check_pair(line, &message, record->separator);
}

/* The first byte says how lines are read; the rest is the file. */
void fuzz_lines(struct slice input)
{
	uint8_t how = fuzz_byte(&input) % 4;
	int fd = memfd_create("lines", MFD_CLOEXEC);
	struct file_record record = { 0 };
	struct slice rest = input, line;
	struct file_lines lines;
	enum file_lines_result result;
	bool packed = is_packed(input), first = true;
	char path[64];
	struct error err;

	FUZZ_CHECK(fd >= 0 && write(fd, input.p, input.n) == (ssize_t)input.n, "no file in memory");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	record.separator = how == 1 ? SLICE("\t") : how == 2 ? SLICE("::") : (struct slice){ 0 };
	record.envelope = how == 3 ? file_envelope_new() : NULL;
	FUZZ_CHECK(file_lines_open(&lines, path, &err) == 0, "%s", err.text);
	while ((result = file_lines_next(&lines, &line, &err)) != FILE_LINES_END && result != FILE_LINES_BROKEN) {
		struct slice padded;

		FUZZ_CHECK(result != FILE_LINES_LATER, "a file makes nobody wait");
		if (result != FILE_LINES_LINE)
			continue;
		if (!packed)
			FUZZ_CHECK(slice_equal(line, next_line(&rest, first)), "%.*s", SLICE_ARG(line));
		first = false;
		padded = fuzz_padded(line.n ? line : SLICE(""));
		check_line(&record, padded);
		free((char *)padded.p);
	}
	FUZZ_CHECK(packed || (result == FILE_LINES_END && rest.n == 0), "%zu bytes are left", rest.n);
	file_lines_close(&lines);
	file_envelope_free(record.envelope);
	close(fd);
}
