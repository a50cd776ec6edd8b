/* The file source: what a line is, whatever the file is packed with and wherever it comes from. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base64.h"
#include "flow/progress.h"
#include "io/file.h"
#include "io/file_bar.h"

enum { FILES_MOST = 8 };

struct got {
	struct message message; /* topic, key, value and headers copied */
	struct header headers[8];
};

/* A source and all that it told. */
struct reader {
	struct event_base *loop;
	struct source *source;
	struct arena arena;
	struct got *got;
	size_t count, cap;
	size_t assigned, ended, idle, failures;
	struct source_partition partitions[FILES_MOST];
	bool woken, failed_job;
	char failed[512];
	size_t stop_after, pause_after; /* messages, 0: never */
};

static struct partition owner;
static char folder[] = "/tmp/streamlua-file-XXXXXX";

static const char *path_of(const char *name)
{
	static char paths[16][128];
	static unsigned turn;
	char *path = paths[turn++ % 16];

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static const char *make_file(const char *name, const char *bytes, size_t n)
{
	const char *path = path_of(name);
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(out);
	return path;
}

static const char *make_text(const char *name, const char *text)
{
	return make_file(name, text, strlen(text));
}

/* bytes packed by a filter of libarchive ("gzip", "zstd" ...); malloc'ed. */
static char *pack(const char *filter, const char *bytes, size_t n, size_t *packed_n)
{
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	char *packed = malloc(n + 65536);

	assert_int_equal(archive_write_add_filter_by_name(a, filter), ARCHIVE_OK);
	archive_write_set_format_raw(a);
	archive_write_set_bytes_in_last_block(a, 1);
	assert_int_equal(archive_write_open_memory(a, packed, n + 65536, packed_n), ARCHIVE_OK);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	if (n)
		assert_int_equal(archive_write_data(a, bytes, n), n);
	archive_write_close(a);
	archive_entry_free(entry);
	archive_write_free(a);
	return packed;
}

static void on_assigned(void *ctx, const struct source_partition *partitions, size_t count)
{
	struct reader *r = ctx;

	assert_int_equal(r->assigned, 0);
	assert_true(count <= FILES_MOST);
	memcpy(r->partitions, partitions, count * sizeof *partitions);
	r->assigned = count;
}

static void on_revoked(void *ctx, const uint32_t *ids, size_t count)
{
	(void)ctx;
	(void)ids;
	(void)count;
	fail_msg("a file was revoked");
}

static void on_ended(void *ctx, uint32_t id)
{
	struct reader *r = ctx;

	assert_true(id < r->assigned);
	r->ended++;
}

static void on_idle(void *ctx)
{
	((struct reader *)ctx)->idle++;
}

static void on_wake(void *ctx)
{
	((struct reader *)ctx)->woken = true;
}

static void on_failed(void *ctx, bool job, const char *reason)
{
	struct reader *r = ctx;

	r->failures++;
	r->failed_job = job;
	snprintf(r->failed, sizeof r->failed, "%s", reason);
}

static struct slice copy(struct reader *r, struct slice bytes)
{
	return bytes.p ? arena_copy(&r->arena, bytes) : bytes;
}

static void on_message(void *ctx, const struct message *message)
{
	struct reader *r = ctx;
	struct got *got;

	if (r->count == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->got = realloc(r->got, r->cap * sizeof *r->got);
	}
	got = &r->got[r->count++];
	got->message = *message;
	got->message.topic = copy(r, message->topic);
	got->message.key = copy(r, message->key);
	got->message.value = copy(r, message->value);
	assert_true(message->header_count <= 8);
	for (uint32_t i = 0; i < message->header_count; i++) {
		got->headers[i].name = copy(r, message->headers[i].name);
		got->headers[i].value = copy(r, message->headers[i].value);
	}
	if (r->count == r->stop_after)
		r->source->ops->stop(r->source);
	if (r->count == r->pause_after)
		r->source->ops->pause(r->source, 0, true);
}

static struct reader open_reader(struct file_options options, const char *const *paths, size_t count)
{
	const char *names[FILES_MOST];
	struct reader r = { .loop = event_base_new() };
	struct error err = { .text = "" };

	for (size_t i = 0; i < count; i++)
		names[i] = strrchr(paths[i], '/') ? strrchr(paths[i], '/') + 1 : paths[i];
	options.paths = paths;
	options.names = options.names ? options.names : names;
	options.path_count = count;
	options.workers = options.workers ? options.workers : 1;
	r.source = file_new(r.loop, &options, &err);
	if (!r.source)
		fail_msg("file_new: %s", err.text);
	return r;
}

static void start(struct reader *r)
{
	struct source_events events = { on_assigned, on_revoked, on_ended, on_idle, on_wake, on_failed, on_message, r };
	struct error err = { .text = "" };

	if (r->source->ops->start(r->source, &events, &err) < 0)
		fail_msg("start: %s", err.text);
}

static void close_reader(struct reader *r)
{
	r->source->ops->close(r->source);
	event_base_free(r->loop);
	arena_free(&r->arena);
	free(r->got);
}

/* One poll; when nothing came of it, the loop turns until the source wakes it. */
static size_t turn(struct reader *r, size_t most)
{
	size_t n = r->source->ops->poll(r->source, most);

	assert_true(n <= most);
	if (n == 0)
		while (!r->woken && event_base_loop(r->loop, EVLOOP_ONCE) == 0)
			;
	r->woken = false;
	return n;
}

static void take_all(struct reader *r, int64_t from)
{
	while (!r->assigned)
		turn(r, 1);
	for (size_t i = 0; i < r->assigned; i++)
		r->source->ops->take(r->source, r->partitions[i].id, from, &owner);
}

/* Until every file has ended or failed. */
static void read_all(struct reader *r, int64_t from)
{
	start(r);
	take_all(r, from);
	while (r->ended + r->failures < r->assigned)
		turn(r, 1000);
}

static struct reader read_file(struct file_options options, const char *path)
{
	static struct reader r;

	r = open_reader(options, &path, 1);
	read_all(&r, START_CONFIGURED);
	return r;
}

static void expect(const struct reader *r, size_t i, int64_t position, const char *key, const char *value)
{
	const struct message *message = &r->got[i].message;

	assert_true(i < r->count);
	assert_int_equal(message->position, position);
	assert_int_equal(message->key.p != NULL, key != NULL);
	assert_int_equal(message->value.p != NULL, value != NULL);
	if (key)
		assert_string_equal(message->key.p, key);
	if (value)
		assert_string_equal(message->value.p, value);
}

static void a_line_is_a_message_and_blank_lines_count(void **state)
{
	struct reader r = read_file((struct file_options){ 0 }, make_text("lines", "\xef\xbb\xbf{\"a\":1}\r\n\n \t\r\n{\"a\":2}\n\r\n{\"a\":3}"));

	(void)state;
	assert_int_equal(r.count, 3);
	expect(&r, 0, 0, NULL, "{\"a\":1}");
	expect(&r, 1, 3, NULL, "{\"a\":2}");
	expect(&r, 2, 5, NULL, "{\"a\":3}");
	assert_int_equal(r.ended, 1);
	assert_string_equal(r.got[0].message.topic.p, "lines");
	assert_int_equal(r.got[1].message.offset, 3);
	assert_ptr_equal(r.got[1].message.owner, &owner);
	assert_int_equal(r.source->ops->lag(r.source, 0), 0);
	close_reader(&r);
}

static void a_separator_parts_key_and_value(void **state)
{
	struct reader r = read_file((struct file_options){ .key_separator = "\t", .topic = "shop.orders" },
				    make_text("keys", "k1\tv1\nk2\t\nno key\nk3\tv\tw\r\n\tv4\n\t\r\n  \n"));

	(void)state;
	assert_int_equal(r.count, 6);
	expect(&r, 0, 0, "k1", "v1");
	expect(&r, 1, 1, "k2", NULL);
	expect(&r, 2, 2, NULL, "no key");
	expect(&r, 3, 3, "k3", "v\tw");
	expect(&r, 4, 4, "", "v4");
	expect(&r, 5, 5, "", NULL);
	assert_string_equal(r.got[0].message.topic.p, "shop.orders");
	assert_int_equal(r.partitions[0].topic.n, 4); /* progress goes by the file's name all the same */
	close_reader(&r);
}

/* Lines of all lengths around those of the blocks that files are read in, and the text that holds them; malloc'ed. */
static char *random_lines(unsigned seed, size_t *n, size_t *ends, size_t lines)
{
	char *text = malloc(64 << 20);

	srand(seed);
	*n = 0;
	for (size_t i = 0; i < lines; i++) {
		size_t length = 1 + (size_t)rand() % (i % 10 == 0 ? 600000 : i % 3 == 0 ? 70000 : 100);

		for (size_t k = 0; k < length; k++)
			text[(*n)++] = (char)('a' + rand() % 26);
		ends[i] = *n;
		text[(*n)++] = '\n';
	}
	return text;
}

static void packed_or_not_the_lines_are_the_same(void **state)
{
	static const char *const filters[] = { NULL, "gzip", "zstd", "bzip2", "xz", "lz4" };
	enum { LINES = 30 };
	size_t ends[LINES], n;
	char *text = random_lines(7, &n, ends, LINES);

	(void)state;
	for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
		size_t packed_n = n, at = 0;
		char *packed = filters[f] ? pack(filters[f], text, n, &packed_n) : NULL;
		struct reader r = read_file((struct file_options){ 0 }, make_file("packed", packed ? packed : text, packed_n));

		assert_string_equal(r.failed, "");
		assert_int_equal(r.count, LINES);
		for (size_t i = 0; i < LINES; at = ends[i++] + 1) {
			assert_int_equal(r.got[i].message.value.n, ends[i] - at);
			assert_memory_equal(r.got[i].message.value.p, text + at, ends[i] - at);
		}
		close_reader(&r);
		free(packed);
	}
	free(text);
}

static void an_empty_file_ends_at_once(void **state)
{
	size_t packed_n;
	char *packed = pack("gzip", "", 0, &packed_n);
	struct reader r = read_file((struct file_options){ 0 }, make_text("empty", ""));

	(void)state;
	assert_int_equal(r.count, 0);
	assert_int_equal(r.ended, 1);
	close_reader(&r);
	r = read_file((struct file_options){ 0 }, make_file("empty.gz", packed, packed_n));
	assert_int_equal(r.count, 0);
	assert_int_equal(r.ended, 1);
	close_reader(&r);
	free(packed);
}

static void a_cut_off_file_says_where(void **state)
{
	static const char *const filters[] = { "gzip", "zstd" };
	enum { LINES = 100 };
	size_t ends[LINES], n;
	char *text = random_lines(11, &n, ends, LINES);

	(void)state;
	for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
		size_t packed_n;
		char *packed = pack(filters[f], text, n, &packed_n), line[32];
		struct reader r = read_file((struct file_options){ 0 }, make_file("cut", packed, packed_n / 2));

		assert_int_equal(r.failures, 1);
		assert_int_equal(r.ended, 0);
		assert_true(r.failed_job); /* only a person can mend it; a retry would go on for ever */
		assert_in_range(r.count, 10, LINES - 1);
		assert_non_null(strstr(r.failed, "/cut: "));
		snprintf(line, sizeof line, "line %zu: ", r.count + 1);
		assert_non_null(strstr(r.failed, line));
		/* It has said so, and is quiet from then on. */
		assert_int_equal(r.source->ops->poll(r.source, 10), 0);
		assert_int_equal(r.failures, 1);
		close_reader(&r);
		free(packed);
	}
	free(text);
}

static void a_file_that_cannot_be_read_is_refused_at_start(void **state)
{
	const char *paths[] = { path_of("is-not-there"), folder };
	const char *reasons[] = { "/is-not-there: No such file or directory", ": is a folder, not a file" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct reader r = open_reader((struct file_options){ 0 }, &paths[i], 1);
		struct source_events events = { .ctx = &r };
		struct error err = { .text = "" };

		assert_int_equal(r.source->ops->start(r.source, &events, &err), -1);
		assert_non_null(strstr(err.text, reasons[i]));
		close_reader(&r);
	}
}

static void reading_goes_on_at_a_line(void **state)
{
	const char *path = make_text("resume", "a\n\nb\nc\n");
	struct reader r = open_reader((struct file_options){ 0 }, &path, 1);

	(void)state;
	read_all(&r, 2);
	assert_int_equal(r.count, 2);
	expect(&r, 0, 2, NULL, "b");
	expect(&r, 1, 3, NULL, "c");
	close_reader(&r);

	r = open_reader((struct file_options){ 0 }, &path, 1);
	read_all(&r, 4);
	assert_int_equal(r.count, 0);
	assert_int_equal(r.ended, 1);
	close_reader(&r);

	r = open_reader((struct file_options){ 0 }, &path, 1);
	read_all(&r, 5);
	assert_int_equal(r.ended, 0);
	assert_true(r.failed_job);
	assert_non_null(strstr(r.failed, "it has 4 lines, but its progress is at line 5"));
	close_reader(&r);
}

static void a_paused_file_stands_still(void **state)
{
	const char *path = make_text("pause", "a\nb\nc\nd\n");
	struct reader r = open_reader((struct file_options){ 0 }, &path, 1);

	(void)state;
	r.pause_after = 2;
	start(&r);
	take_all(&r, 0);
	assert_int_equal(r.source->ops->poll(r.source, 100), 2);
	assert_int_equal(r.source->ops->poll(r.source, 100), 0);
	r.source->ops->pause(r.source, 0, false);
	while (r.ended == 0)
		turn(&r, 100);
	assert_int_equal(r.count, 4);
	close_reader(&r);
}

static void after_stop_nothing_comes(void **state)
{
	const char *path = make_text("stop", "a\nb\nc\nd\n");
	struct reader r = open_reader((struct file_options){ 0 }, &path, 1);

	(void)state;
	r.stop_after = 3;
	start(&r);
	take_all(&r, 0);
	assert_int_equal(r.source->ops->poll(r.source, 100), 3);
	assert_int_equal(r.source->ops->poll(r.source, 100), 0);
	assert_int_equal(r.ended, 0);
	close_reader(&r);
}

static void a_line_of_many_megabytes_arrives_whole(void **state)
{
	size_t n = 24 << 20;
	char *text = malloc(n + 8);
	struct reader r;

	(void)state;
	memset(text, 'x', n);
	memcpy(text + n, "\nsmall\n", 7);
	r = read_file((struct file_options){ 0 }, make_file("long", text, n + 7));
	assert_int_equal(r.count, 2);
	assert_int_equal(r.got[0].message.value.n, n);
	assert_memory_equal(r.got[0].message.value.p, text, n);
	expect(&r, 1, 1, NULL, "small");
	close_reader(&r);
	free(text);
}

static void all_files_get_on_together(void **state)
{
	struct buf text = BUF_INIT;
	const char *paths[3];
	struct reader r;
	size_t of[3] = { 0 };

	(void)state;
	for (int i = 0; i < 20000; i++)
		buf_printf(&text, "%d\n", i);
	paths[0] = make_file("one", text.p, text.n);
	paths[1] = make_file("two", text.p, text.n);
	paths[2] = make_file("three", text.p, text.n);
	r = open_reader((struct file_options){ 0 }, paths, 3);
	start(&r);
	take_all(&r, 0);
	while (r.count < 6000)
		turn(&r, 700);
	for (size_t i = 0; i < r.count; i++)
		of[r.got[i].message.partition]++;
	for (size_t i = 0; i < 3; i++)
		assert_in_range(of[i], 1000, 4000);
	while (r.ended < 3)
		turn(&r, 1000);
	assert_int_equal(r.count, 60000);
	/* In each file the order is kept. */
	memset(of, 0, sizeof of);
	for (size_t i = 0; i < r.count; i++)
		assert_int_equal(r.got[i].message.position, of[r.got[i].message.partition]++);
	close_reader(&r);
	buf_free(&text);
}

static void workers_share_the_files(void **state)
{
	const char *paths[] = { make_text("w0", "a\n"), make_text("w1", "b\n"), make_text("w2", "c\n") };
	const char *names[] = { "same", "other", "same" };
	struct reader r = open_reader((struct file_options){ .worker = 0, .workers = 2, .names = names }, paths, 3);

	(void)state;
	read_all(&r, 0);
	assert_int_equal(r.assigned, 2);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.got[1].message.partition, 2);
	/* Two files of one name have progress of their own. */
	assert_int_equal(r.partitions[0].partition, 0);
	assert_int_equal(r.partitions[1].partition, 1);
	close_reader(&r);

	r = open_reader((struct file_options){ .worker = 3, .workers = 4 }, paths, 3);
	start(&r);
	while (r.idle == 0)
		turn(&r, 1);
	assert_int_equal(r.source->ops->poll(r.source, 10), 0);
	assert_int_equal(r.idle, 1);
	close_reader(&r);
}

/* Puts this descriptor in stdin's place; the old stdin is returned. */
static int replace_stdin(int fd)
{
	int old = dup(STDIN_FILENO);

	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	close(fd);
	return old;
}

static void restore_stdin(int old)
{
	dup2(old, STDIN_FILENO);
	close(old);
}

static void a_pipe_gives_lines_as_they_are_written(void **state)
{
	const char *path = "-";
	int ends[2], old;
	struct reader r;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	old = replace_stdin(ends[0]);
	r = open_reader((struct file_options){ 0 }, &path, 1);
	start(&r);
	take_all(&r, 0);
	assert_int_equal(r.source->ops->poll(r.source, 10), 0);
	/* The first byte could begin an lz4 file or a line. */
	assert_int_equal(write(ends[1], "\x04", 1), 1);
	assert_int_equal(r.source->ops->poll(r.source, 10), 0);
	assert_int_equal(write(ends[1], "\nb", 2), 2);
	while (r.count < 1)
		turn(&r, 10);
	assert_int_equal(r.source->ops->poll(r.source, 10), 0);
	expect(&r, 0, 0, NULL, "\x04");
	assert_int_equal(write(ends[1], "c\nd", 3), 3);
	while (r.count < 2)
		turn(&r, 10);
	expect(&r, 1, 1, NULL, "bc");
	close(ends[1]);
	while (r.ended == 0)
		turn(&r, 10);
	assert_int_equal(r.count, 3);
	expect(&r, 2, 2, NULL, "d");
	close_reader(&r);
	restore_stdin(old);
}

static void a_packed_pipe_never_holds_up_the_loop(void **state)
{
	enum { LINES = 40 };
	const char *path = "-";
	size_t line_ends[LINES], n, packed_n, at = 0;
	char *text = random_lines(3, &n, line_ends, LINES), *packed = pack("gzip", text, n, &packed_n);
	int ends[2], old;
	struct reader r;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	old = replace_stdin(ends[0]);
	r = open_reader((struct file_options){ 0 }, &path, 1);
	start(&r);
	take_all(&r, 0);
	while (at < packed_n) {
		size_t piece = at < 20 ? 1 : packed_n - at < 4000 ? packed_n - at : 4000;

		assert_int_equal(write(ends[1], packed + at, piece), piece);
		at += piece;
		/* All that is there is used up, and poll returns: were it to wait for more, nobody would write it. */
		do
			event_base_loop(r.loop, EVLOOP_NONBLOCK);
		while (r.source->ops->poll(r.source, 10) > 0);
	}
	close(ends[1]);
	while (r.ended + r.failures == 0)
		turn(&r, 10);
	assert_string_equal(r.failed, "");
	assert_int_equal(r.count, LINES);
	for (size_t i = 0, from = 0; i < LINES; from = line_ends[i++] + 1)
		assert_memory_equal(r.got[i].message.value.p, text + from, line_ends[i] - from);
	close_reader(&r);
	restore_stdin(old);
	free(packed);
	free(text);
}

static void a_packed_pipe_can_be_closed_in_the_middle(void **state)
{
	const char *path = "-";
	size_t packed_n;
	char *packed = pack("zstd", "hello\nworld\n", 12, &packed_n);
	int ends[2], old;
	struct reader r;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	old = replace_stdin(ends[0]);
	r = open_reader((struct file_options){ 0 }, &path, 1);
	start(&r);
	take_all(&r, 0);
	assert_int_equal(write(ends[1], packed, packed_n / 2), packed_n / 2);
	assert_int_equal(r.source->ops->poll(r.source, 10), 0);
	close_reader(&r);
	close(ends[1]);
	restore_stdin(old);
	free(packed);
}

static void a_named_pipe_may_get_its_writer_later(void **state)
{
	const char *path = path_of("fifo");
	struct reader r;
	int writer;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	r = open_reader((struct file_options){ 0 }, &path, 1);
	start(&r);
	take_all(&r, 0);
	assert_int_equal(r.source->ops->poll(r.source, 10), 0);
	assert_int_equal(r.ended, 0);
	writer = open(path, O_WRONLY);
	assert_int_equal(write(writer, "a\n", 2), 2);
	close(writer);
	while (r.ended == 0)
		turn(&r, 10);
	assert_int_equal(r.count, 1);
	close_reader(&r);
}

static void a_second_process_finds_stdin_as_the_first_had_it(void **state)
{
	const char *path = "-";
	int old = replace_stdin(open(make_text("stdin", "skip\na\nb\n"), O_RDONLY));

	(void)state;
	assert_int_equal(lseek(STDIN_FILENO, 5, SEEK_SET), 5); /* somebody before us had the first line */
	for (int i = 0; i < 2; i++) {
		struct reader r = read_file((struct file_options){ 0 }, path);

		assert_int_equal(r.count, 2);
		expect(&r, 0, 0, NULL, "a");
		close_reader(&r);
	}
	restore_stdin(old);
}

static void an_envelope_is_a_whole_record(void **state)
{
	struct reader r = read_file((struct file_options){ .kcat = true },
				    make_text("records.jsonl",
					      "{\"topic\":\"shop.orders\",\"partition\":3,\"offset\":9007199254740993,\"tstype\":\"create\",\"ts\":"
					      "1700000000123,\"broker\":0,"
					      "\"headers\":[\"__op\",\"c\",\"none\",null],\"key\":\"{\\\"id\\\":1}\",\"payload\":\"{\\\"id\\\":1,"
					      "\\\"name\\\":\\\"\\u00e9\\\"}\"}\n"
					      "{\"topic\":\"t\",\"partition\":0,\"offset\":1,\"key\":\"k\",\"payload\":null}\n"
					      "{\"topic\":\"t\",\"partition\":0,\"offset\":2,\"key\":null,\"payload\":\"\"}\n"
					      "\n"
					      "{\"topic\":\"t\",\"partition\":0,\"offset\":3,\"key_base64\":\"/"
					      "wA=\",\"payload_base64\":\"AAH+\",\"headers\":{\"a\":\"b\",\"c\":{\"base64\":\"/w==\"}}}\n"
					      "{\"payload\":{\"id\": 5},\"key\":7}\n"));

	(void)state;
	assert_string_equal(r.failed, "");
	assert_int_equal(r.count, 5);
	expect(&r, 0, 0, "{\"id\":1}", "{\"id\":1,\"name\":\"\xc3\xa9\"}");
	assert_string_equal(r.got[0].message.topic.p, "shop.orders");
	assert_int_equal(r.got[0].message.partition, 3);
	assert_true(r.got[0].message.offset == 9007199254740993);
	assert_true(r.got[0].message.time_ms == 1700000000123);
	assert_int_equal(r.got[0].message.header_count, 2);
	assert_string_equal(r.got[0].headers[0].name.p, "__op");
	assert_string_equal(r.got[0].headers[0].value.p, "c");
	assert_string_equal(r.got[0].headers[1].name.p, "none");
	assert_null(r.got[0].headers[1].value.p);
	expect(&r, 1, 1, "k", NULL);
	expect(&r, 2, 2, NULL, "");
	assert_int_equal(r.got[3].message.position, 4);
	assert_int_equal(r.got[3].message.key.n, 2);
	assert_memory_equal(r.got[3].message.key.p, "\xff\0", 2);
	assert_memory_equal(r.got[3].message.value.p, "\0\1\xfe", 3);
	assert_int_equal(r.got[3].message.header_count, 2);
	assert_memory_equal(r.got[3].headers[1].value.p, "\xff", 1);
	expect(&r, 4, 5, "7", "{\"id\": 5}");
	assert_string_equal(r.got[4].message.topic.p, "records.jsonl");
	assert_int_equal(r.got[4].message.offset, 5);
	for (size_t i = 0; i < r.count; i++)
		assert_null(r.got[i].message.flaw);
	close_reader(&r);
}

static void a_line_that_is_no_record_is_marked_and_kept_whole(void **state)
{
	static const char *const lines[] = {
		"{\"id\":1}",
		"no json",
		"[1]",
		"{\"topic\":\"t\",\"payload\":\"x\"} trailing",
		"{\"topic\":\"t\",\"partition\":7,\"offset\":77,\"ts\":7,\"payload_base64\":\"***\"}",
		"{\"topic\":\"t\",\"payload\":\"x\",\"partition\":\"one\"}",
		"{\"topic\":\"t\",\"payload\":\"x\",\"partition\":2147483648}",
		"{\"topic\":\"t\",\"payload\":\"x\",\"offset\":1.5}",
		"{\"topic\":\"t\",\"payload\":\"x\",\"headers\":[\"a\"]}",
		"{\"topic\":\"t\",\"payload\":\"x\",\"headers\":\"a\"}",
		"{\"topic\":5,\"payload\":\"x\"}",
		"{\"topic\":\"t\",\"payload\":\"\xff\"}",
	};
	enum { COUNT = sizeof lines / sizeof *lines };
	struct buf text = BUF_INIT;
	struct reader r;

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		buf_printf(&text, "%s\n", lines[i]);
	buf_text(&text, "{\"topic\":\"t\",\"payload\":\"good\"}\n");
	r = read_file((struct file_options){ .kcat = true, .topic = "other" }, make_file("flawed", text.p, text.n));
	assert_int_equal(r.count, COUNT + 1);
	for (size_t i = 0; i < COUNT; i++) {
		expect(&r, i, (int64_t)i, NULL, lines[i]);
		assert_non_null(r.got[i].message.flaw);
		assert_string_equal(r.got[i].message.topic.p, "flawed");
		assert_int_equal(r.got[i].message.partition, 0);
		assert_int_equal(r.got[i].message.offset, i);
		assert_int_equal(r.got[i].message.time_ms, 0);
		assert_int_equal(r.got[i].message.header_count, 0);
	}
	assert_null(r.got[COUNT].message.flaw);
	expect(&r, COUNT, COUNT, NULL, "good");
	close_reader(&r);
	buf_free(&text);
}

static void base64_is_exact_and_strict(void **state)
{
	static const char *const bad[] = { "A", "AB=C", "AAAA=", "A===", "AB\n=", "AR==", "A-==", "====" };
	char bytes[256], back[BASE64_DECODED_MOST(400)];
	struct buf text = BUF_INIT;

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)(i * 7);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		buf_clear(&text);
		base64_encode(&text, (struct slice){ bytes, n });
		assert_int_equal(text.n, (n + 2) / 3 * 4);
		assert_int_equal(base64_decode(back, buf_view(&text)), n);
		assert_memory_equal(back, bytes, n);
		while (text.n && text.p[text.n - 1] == '=')
			text.n--;
		assert_int_equal(base64_decode(back, buf_view(&text)), n);
	}
	buf_clear(&text);
	base64_encode(&text, SLICE("\x14\xfb\x9c\x03\xd9\x7e"));
	assert_string_equal(buf_cstr(&text), "FPucA9l+");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(base64_decode(back, slice_of(bad[i])), -1);
	buf_free(&text);
}

static void the_bar_is_one_line_and_is_wiped(void **state)
{
	int terminal, ours, old = dup(STDERR_FILENO);
	char drawn[512];
	struct file_bar bar;
	size_t length = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(openpty(&terminal, &ours, NULL, NULL, NULL), 0);
	dup2(ours, STDERR_FILENO);
	file_bar_start(&bar, true, 4000000, 1000);
	file_bar_show(&bar, 1, 1, 1001);
	file_bar_show(&bar, 1000000, 5000, 2000);
	file_bar_show(&bar, 1000001, 5001, 2001);
	file_bar_end(&bar);
	file_bar_end(&bar);
	dup2(old, STDERR_FILENO);
	close(old);
	close(ours);
	/* Each read may bring what one write has written. */
	while ((n = read(terminal, drawn + length, sizeof drawn - 1 - length)) > 0)
		length += (size_t)n;
	drawn[length] = 0;
	assert_string_equal(drawn, "\r 25% 1.0 MB  5000 events  1.0 MB/s  5000/s\033[K\r\033[K");
	close(terminal);
}

static int remove_folder(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_a_message_and_blank_lines_count),
		cmocka_unit_test(a_separator_parts_key_and_value),
		cmocka_unit_test(packed_or_not_the_lines_are_the_same),
		cmocka_unit_test(an_empty_file_ends_at_once),
		cmocka_unit_test(a_cut_off_file_says_where),
		cmocka_unit_test(a_file_that_cannot_be_read_is_refused_at_start),
		cmocka_unit_test(reading_goes_on_at_a_line),
		cmocka_unit_test(a_paused_file_stands_still),
		cmocka_unit_test(after_stop_nothing_comes),
		cmocka_unit_test(a_line_of_many_megabytes_arrives_whole),
		cmocka_unit_test(all_files_get_on_together),
		cmocka_unit_test(workers_share_the_files),
		cmocka_unit_test(a_pipe_gives_lines_as_they_are_written),
		cmocka_unit_test(a_packed_pipe_never_holds_up_the_loop),
		cmocka_unit_test(a_packed_pipe_can_be_closed_in_the_middle),
		cmocka_unit_test(a_named_pipe_may_get_its_writer_later),
		cmocka_unit_test(a_second_process_finds_stdin_as_the_first_had_it),
		cmocka_unit_test(an_envelope_is_a_whole_record),
		cmocka_unit_test(a_line_that_is_no_record_is_marked_and_kept_whole),
		cmocka_unit_test(base64_is_exact_and_strict),
		cmocka_unit_test(the_bar_is_one_line_and_is_wiped),
	};

	if (!mkdtemp(folder))
		return 1;
	alarm(120); /* a test that waits for what never comes fails */
	return cmocka_run_group_tests(tests, NULL, remove_folder);
}
