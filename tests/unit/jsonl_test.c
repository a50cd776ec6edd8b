/* The sinks that are no database: what they write, and what they answer when it cannot be written. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "io/blackhole.h"
#include "io/jsonl.h"

enum { COLUMNS = 10 };

struct result {
	struct tx tx;
	bool within; /* commit() is being called */
	size_t answers;
	enum sink_result result;
	struct error err;
};

static char folder[] = "/tmp/streamlua-jsonl-XXXXXX";
static char out_path[64], dead_path[64];

static struct target_column columns[COLUMNS];
static struct target orders = { .columns = columns, .count = COLUMNS, .key = { 0 }, .key_count = 1 };

static void name_columns(void)
{
	static const char *const names[COLUMNS] = { "id", "amount", "paid", "open", "note", "photo", "tags", "gone", "kept", "plain \"x\"" };

	orders.name = SLICE("dw.orders");
	for (int i = 0; i < COLUMNS; i++)
		columns[i] = (struct target_column){ .name = slice_of(names[i]), .exact = true };
}

static struct value value(enum value_kind kind, const char *text)
{
	return (struct value){ .p = text, .n = text ? (uint32_t)strlen(text) : 0, .kind = (uint8_t)kind, .ready = true };
}

static void on_done(struct tx *tx, enum sink_result result, const struct error *err)
{
	struct result *r = tx->ctx;

	assert_false(r->within);
	r->answers++;
	r->result = result;
	if (err)
		r->err = *err;
	else
		assert_int_equal(result, SINK_COMMITTED);
}

static void begin(struct sink *sink, struct result *r, struct event **events, size_t count)
{
	*r = (struct result){ .tx = { .events = events, .count = count, .script_version = "0123456789abcdef", .done = on_done, .ctx = r } };
	r->within = true;
	sink->ops->commit(sink, &r->tx);
	r->within = false;
}

/* Commits, and lets the loop turn until there is an answer. */
static enum sink_result commit(struct event_base *loop, struct sink *sink, struct event **events, size_t count)
{
	static struct result r;

	begin(sink, &r, events, count);
	while (r.answers == 0)
		assert_int_equal(event_base_loop(loop, EVLOOP_ONCE), 0);
	event_base_loop(loop, EVLOOP_NONBLOCK);
	assert_int_equal(r.answers, 1);
	return r.result;
}

static struct sink *open_jsonl(struct event_base *loop, const char *path)
{
	struct error err = { .text = "" };
	struct sink *sink = jsonl_new(loop, &(struct jsonl_options){ .path = path, .dead_letters = dead_path, .job = "shop" }, &err);

	if (!sink || sink->ops->open(sink, &err) < 0)
		fail_msg("open: %s", err.text);
	assert_false(sink->ops->transactional);
	assert_int_equal(sink->lanes, 1);
	return sink;
}

/* The whole file, NUL-terminated; NULL where there is none. */
static char *contents(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof text - 1);
	assert_true(n >= 0);
	text[n] = 0;
	close(fd);
	return text;
}

static int fresh_files(void **state)
{
	(void)state;
	unlink(out_path);
	unlink(dead_path);
	return 0;
}

/* An event with one change of this key. */
struct row {
	struct event event;
	struct change change;
	struct value values[COLUMNS];
};

static struct event *row(struct row *row, enum change_op op, const char *id)
{
	*row = (struct row){ 0 };
	row->values[0] = value(VALUE_NUMBER, id);
	row->change = (struct change){ .target = &orders, .values = row->values, .count = COLUMNS, .op = (uint8_t)op };
	row->event.changes = &row->change;
	return &row->event;
}

static void every_change_is_a_line_in_order(void **state)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = open_jsonl(loop, out_path);
	struct row a, b, c, d;
	struct event *events[] = { row(&a, CHANGE_UPSERT, "18446744073709551615"), row(&b, CHANGE_UPDATE, "1"), row(&c, CHANGE_DELETE, "1"),
				   row(&d, CHANGE_UPSERT, "1") };
	struct change second = b.change;

	(void)state;
	a.values[1] = value(VALUE_NUMBER, "1234567890.12345678901234567890");
	a.values[2] = value(VALUE_TRUE, NULL);
	a.values[3] = value(VALUE_FALSE, NULL);
	a.values[4] = value(VALUE_TEXT, "line\n\"\xc3\xa9\"");
	a.values[5] = value(VALUE_BYTES, "\x89PNG");
	a.values[6] = value(VALUE_JSON, "{\"a\":\n[1.10,\r\n2]}");
	a.values[7] = value(VALUE_DEFAULT, NULL);
	a.values[9] = value(VALUE_NULL, NULL);
	/* An open target can get columns after a change was made. */
	c.change.count = 1;
	b.change.next = &second;
	second.op = CHANGE_DELETE;
	assert_int_equal(commit(loop, sink, events, 4), SINK_COMMITTED);
	assert_string_equal(
		contents(out_path),
		"{\"op\":\"upsert\",\"table\":\"dw.orders\",\"row\":{\"id\":18446744073709551615,\"amount\":1234567890.12345678901234567890,"
		"\"paid\":true,\"open\":false,\"note\":\"line\\n\\\"\xc3\xa9\\\"\",\"photo\":\"iVBORw==\",\"tags\":{\"a\": [1.10,  2]},"
		"\"plain \\\"x\\\"\":null}}\n"
		"{\"op\":\"update\",\"table\":\"dw.orders\",\"row\":{\"id\":1}}\n"
		"{\"op\":\"delete\",\"table\":\"dw.orders\",\"row\":{\"id\":1}}\n"
		"{\"op\":\"delete\",\"table\":\"dw.orders\",\"row\":{\"id\":1}}\n"
		"{\"op\":\"upsert\",\"table\":\"dw.orders\",\"row\":{\"id\":1}}\n");
	assert_null(contents(dead_path)); /* made with the first dead letter only */
	sink->ops->close(sink);

	/* A second run appends. */
	sink = open_jsonl(loop, out_path);
	assert_int_equal(commit(loop, sink, events + 3, 1), SINK_COMMITTED);
	assert_non_null(strstr(contents(out_path), "{\"id\":1}}\n{\"op\":\"upsert\",\"table\":\"dw.orders\",\"row\":{\"id\":1}}\n"));
	sink->ops->close(sink);
	event_base_free(loop);
}

static void a_dead_letter_keeps_all_of_its_message(void **state)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = open_jsonl(loop, out_path);
	struct header headers[] = { { SLICE("a"), SLICE("b") }, { SLICE("none"), { 0 } }, { SLICE("raw"), SLICE("\xff\xfe") } };
	struct message text = { .topic = SLICE("shop.orders"),
				.partition = 3,
				.offset = 9007199254740993,
				.key = SLICE("k"),
				.value = SLICE("{\"id\":"),
				.headers = headers,
				.header_count = 3 };
	struct message bytes = { .topic = SLICE("t"), .key = { 0 }, .value = SLICE("\0\xff") };
	struct event dead = { .message = &text, .outcome = OUTCOME_DEAD, .stage = STAGE_DECODE, .error = SLICE("it is \"cut\"") };
	struct event late = { .message = &bytes,
			      .outcome = OUTCOME_DEAD,
			      .stage = STAGE_SINK,
			      .error = SLICE("no"),
			      .database = SLICE("shop"),
			      .table = SLICE("orders"),
			      .script_version = SLICE("feed") };
	struct row good;
	struct event *events[] = { &dead, row(&good, CHANGE_UPSERT, "1"), &late };
	char first[2048], second[1024], *text_of_file, at[64];
	long long id, next_id;

	(void)state;
	dead.changes = &good.change; /* what a dead event had made is not written */
	assert_int_equal(commit(loop, sink, events, 3), SINK_COMMITTED);
	assert_string_equal(contents(out_path), "{\"op\":\"upsert\",\"table\":\"dw.orders\",\"row\":{\"id\":1}}\n");
	text_of_file = contents(dead_path);
	assert_int_equal(sscanf(text_of_file, "{\"id\":%lld,%2000[^\n]\n{\"id\":%lld,%1000[^\n]", &id, first, &next_id, second), 4);
	assert_true(id > 0 && next_id > id);
	assert_memory_equal(
		first,
		"\"job\":\"shop\",\"topic\":\"shop.orders\",\"partition\":3,\"offset\":9007199254740993,\"source_table\":null,\"stage\":\"decode\","
		"\"error\":\"it is \\\"cut\\\"\",\"script_version\":\"0123456789abcdef\",\"key\":\"k\",\"value\":\"{\\\"id\\\":\","
		"\"headers\":[\"a\",\"b\",\"none\",null,\"raw\",{\"base64\":\"//4=\"}],\"at\":\"",
		strlen(first) - strlen("2024-01-31T12:00:00.123Z\"}"));
	assert_int_equal(sscanf(strrchr(first, ',') + 1, "\"at\":\"%63[^\"]\"}", at), 1);
	assert_int_equal(clock_time(slice_of(at), 0, &(int64_t){ 0 }, NULL), 0);
	assert_memory_equal(
		second,
		"\"job\":\"shop\",\"topic\":\"t\",\"partition\":0,\"offset\":0,\"source_table\":\"shop.orders\",\"stage\":\"sink\",\"error\":\"no\","
		"\"script_version\":\"feed\",\"key\":null,\"value_base64\":\"AP8=\",\"headers\":[],\"at\":\"",
		strlen(second) - strlen("2024-01-31T12:00:00.123Z\"}"));
	sink->ops->close(sink);
	event_base_free(loop);
}

/* Puts this descriptor in stdout's place; the old stdout is returned. */
static int replace_stdout(int fd)
{
	int old;

	fflush(stdout);
	old = dup(STDOUT_FILENO);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	return old;
}

static void restore_stdout(int old)
{
	dup2(old, STDOUT_FILENO);
	close(old);
}

static void a_full_pipe_is_waited_for_by_the_loop(void **state)
{
	struct event_base *loop = event_base_new();
	int ends[2], old;
	struct sink *sink;
	struct row wide;
	struct event *events[100];
	struct result r;
	struct buf got = BUF_INIT;
	char *note = malloc(9001);
	size_t lines = 0;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	old = replace_stdout(ends[1]);
	sink = open_jsonl(loop, "-");
	for (size_t i = 0; i < 100; i++)
		events[i] = row(&wide, CHANGE_UPSERT, "1");
	memset(note, 'x', 9000);
	note[9000] = 0;
	wide.values[4] = value(VALUE_TEXT, note);
	begin(sink, &r, events, 100); /* 900 KB into a pipe that holds 64: were it to wait for the reader, nobody would read */
	for (int i = 0; i < 10; i++)
		event_base_loop(loop, EVLOOP_NONBLOCK);
	assert_int_equal(r.answers, 0);
	while (r.answers == 0) {
		ssize_t n = read(ends[0], buf_reserve(&got, 5000), 5000);

		assert_true(n > 0);
		got.n += (size_t)n;
		event_base_loop(loop, EVLOOP_NONBLOCK);
	}
	assert_int_equal(r.result, SINK_COMMITTED);
	sink->ops->close(sink);
	restore_stdout(old);
	for (ssize_t n; (n = read(ends[0], buf_reserve(&got, 5000), 5000)) > 0;)
		got.n += (size_t)n;
	for (const char *p = got.p, *end; (end = memchr(p, '\n', (size_t)(got.p + got.n - p))); p = end + 1, lines++)
		assert_int_equal(end - p, 9000 + strlen("{'op':'upsert','table':'dw.orders','row':{'id':1,'note':''}}"));
	assert_int_equal(lines, 100);
	close(ends[0]);
	buf_free(&got);
	free(note);
	event_base_free(loop);
}

static void a_pipe_without_a_reader_fails(void **state)
{
	struct event_base *loop = event_base_new();
	int ends[2], old;
	struct sink *sink;
	struct row one;
	struct event *events[] = { row(&one, CHANGE_UPSERT, "1") };
	enum sink_result result;
	int64_t began;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	old = replace_stdout(ends[1]);
	sink = open_jsonl(loop, "-");
	close(ends[0]);
	began = clock_mono_ms();
	result = commit(loop, sink, events, 1);
	sink->ops->close(sink);
	restore_stdout(old);
	assert_int_equal(result, SINK_FAILED);
	assert_true(clock_mono_ms() - began >= 1000); /* whoever tries again at once does not spin */
	event_base_free(loop);
}

static void a_full_disk_is_tried_again_after_a_while(void **state)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = open_jsonl(loop, "/dev/full");
	struct row one;
	struct event *events[] = { row(&one, CHANGE_UPSERT, "1") };
	int64_t began = clock_mono_ms();

	(void)state;
	assert_int_equal(commit(loop, sink, events, 1), SINK_RETRY);
	assert_true(clock_mono_ms() - began >= 1000);
	sink->ops->close(sink);
	event_base_free(loop);
}

static void what_was_half_written_is_taken_back(void **state)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = open_jsonl(loop, out_path);
	struct row rows[3];
	struct event *events[] = { row(&rows[0], CHANGE_UPSERT, "1"), row(&rows[1], CHANGE_UPSERT, "2"), row(&rows[2], CHANGE_UPSERT, "3") };
	struct rlimit before, small;
	const char *line = "{\"op\":\"upsert\",\"table\":\"dw.orders\",\"row\":{\"id\":1}}\n";
	char whole[512];

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(commit(loop, sink, events, 1), SINK_COMMITTED);
	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = strlen(line) * 2 + 10;
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(commit(loop, sink, events, 3), SINK_FAILED);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_string_equal(contents(out_path), line);
	/* The same again, when there is room. */
	assert_int_equal(commit(loop, sink, events, 3), SINK_COMMITTED);
	snprintf(whole, sizeof whole, "%s%s%.*s2}}\n%.*s3}}\n", line, line, (int)strlen(line) - 4, line, (int)strlen(line) - 4, line);
	assert_string_equal(contents(out_path), whole);
	sink->ops->close(sink);
	event_base_free(loop);
}

static void rows_go_with_their_dead_letters_or_not_at_all(void **state)
{
	struct event_base *loop = event_base_new();
	struct error err = { .text = "" };
	struct sink *sink = jsonl_new(loop, &(struct jsonl_options){ .path = out_path, .dead_letters = "/is-not-there/dead.jsonl", .job = "shop" },
				      &err);
	struct message message = { .topic = SLICE("t") };
	struct event dead = { .message = &message, .outcome = OUTCOME_DEAD };
	struct row good;
	struct event *events[] = { row(&good, CHANGE_UPSERT, "1"), &dead };

	(void)state;
	assert_int_equal(sink->ops->open(sink, &err), 0);
	assert_int_equal(commit(loop, sink, events, 2), SINK_FAILED);
	assert_string_equal(contents(out_path), "");
	sink->ops->close(sink);
	event_base_free(loop);
}

static void a_folder_that_is_not_there_is_refused_at_open(void **state)
{
	struct event_base *loop = event_base_new();
	struct error err = { .text = "" };
	struct sink *sink = jsonl_new(loop, &(struct jsonl_options){ .path = "/is-not-there/out.jsonl", .dead_letters = dead_path, .job = "shop" },
				      &err);

	(void)state;
	assert_int_equal(sink->ops->open(sink, &err), -1);
	assert_string_equal(err.text, "/is-not-there/out.jsonl: No such file or directory");
	sink->ops->close(sink);
	event_base_free(loop);
}

static void count_loaded(struct takeover *takeover, const struct progress_loaded *loaded, const struct error *err)
{
	assert_null(err);
	for (size_t i = 0; i < takeover->count; i++) {
		assert_true(loaded[i].fresh);
		assert_int_equal(loaded[i].lane_count, 0);
		assert_true(loaded[i].watermark == INT64_MIN);
	}
	++*(size_t *)takeover->ctx;
}

static void a_sink_without_progress_takes_over_from_nobody(void **state)
{
	struct event_base *loop = event_base_new();
	struct error err = { .text = "" };
	struct sink *sinks[] = { open_jsonl(loop, out_path), blackhole_new(loop, 4, dead_path, "shop", &err) };
	struct source_partition_name names[] = { { SLICE("t"), 0 }, { SLICE("t"), 1 } };
	size_t loaded = 0;
	struct takeover takeovers[] = { { names, 2, count_loaded, &loaded }, { names, 1, count_loaded, &loaded } };
	struct target target = { .name = SLICE("any") };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		loaded = 0;
		sinks[i]->ops->take_over(sinks[i], &takeovers[0]);
		sinks[i]->ops->take_over(sinks[i], &takeovers[1]);
		assert_int_equal(loaded, 0);
		while (loaded < 2)
			assert_int_equal(event_base_loop(loop, EVLOOP_ONCE), 0);
		assert_int_equal(sinks[i]->ops->describe(sinks[i], &target, &err), 0);
		assert_true(target.open && target.exists);
		sinks[i]->ops->close(sinks[i]);
	}
	event_base_free(loop);
}

static void collect(void *ctx, struct slice line)
{
	buf_slice(ctx, line);
	buf_char(ctx, '|');
}

static void a_dry_run_shows_the_lines(void **state)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = open_jsonl(loop, out_path);
	struct row one, two;
	struct event *events[] = { row(&one, CHANGE_UPSERT, "1"), row(&two, CHANGE_DELETE, "2") };
	struct tx tx = { .events = events, .count = 2 };
	struct buf shown = BUF_INIT;

	(void)state;
	sink->ops->show(sink, &tx, collect, &shown);
	assert_string_equal(
		buf_cstr(&shown),
		"{\"op\":\"upsert\",\"table\":\"dw.orders\",\"row\":{\"id\":1}}|{\"op\":\"delete\",\"table\":\"dw.orders\",\"row\":{\"id\":2}}|");
	assert_string_equal(contents(out_path), "");
	buf_free(&shown);
	sink->ops->close(sink);
	event_base_free(loop);
}

static void the_blackhole_answers_all_lanes_and_counts(void **state)
{
	struct event_base *loop = event_base_new();
	struct error err = { .text = "" };
	struct sink *sink = blackhole_new(loop, 2, dead_path, "shop", &err);
	struct message message = { .topic = SLICE("t") };
	struct event dead = { .message = &message, .outcome = OUTCOME_DEAD, .stage = STAGE_SCRIPT };
	struct row one, two, other;
	struct event *first[] = { row(&one, CHANGE_UPSERT, "1"), row(&two, CHANGE_UPSERT, "1"), &dead },
		     *second[] = { row(&other, CHANGE_UPSERT, "2") };
	struct result results[2];

	(void)state;
	assert_int_equal(sink->ops->open(sink, &err), 0);
	orders.key_exact = orders.has_primary_key = true;
	begin(sink, &results[0], first, 3);
	begin(sink, &results[1], second, 1);
	while (results[0].answers + results[1].answers < 2)
		assert_int_equal(event_base_loop(loop, EVLOOP_ONCE), 0);
	assert_int_equal(results[0].result, SINK_COMMITTED);
	assert_int_equal(results[1].result, SINK_COMMITTED);
	assert_int_equal(blackhole_counts(sink).transactions, 2);
	assert_int_equal(blackhole_counts(sink).events, 4);
	assert_int_equal(blackhole_counts(sink).rows, 2); /* two changes of one row are one */
	assert_non_null(strstr(contents(dead_path), "\"stage\":\"script\""));
	sink->ops->close(sink);
	event_base_free(loop);
}

static void closing_forgets_what_is_on_its_way(void **state)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = open_jsonl(loop, out_path);
	struct row one;
	struct event *events[] = { row(&one, CHANGE_UPSERT, "1") };
	struct result r;

	(void)state;
	begin(sink, &r, events, 1);
	sink->ops->close(sink);
	event_base_loop(loop, EVLOOP_NONBLOCK);
	assert_int_equal(r.answers, 0);
	event_base_free(loop);
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
		cmocka_unit_test_setup(every_change_is_a_line_in_order, fresh_files),
		cmocka_unit_test_setup(a_dead_letter_keeps_all_of_its_message, fresh_files),
		cmocka_unit_test_setup(a_full_pipe_is_waited_for_by_the_loop, fresh_files),
		cmocka_unit_test_setup(a_pipe_without_a_reader_fails, fresh_files),
		cmocka_unit_test_setup(a_full_disk_is_tried_again_after_a_while, fresh_files),
		cmocka_unit_test_setup(what_was_half_written_is_taken_back, fresh_files),
		cmocka_unit_test_setup(rows_go_with_their_dead_letters_or_not_at_all, fresh_files),
		cmocka_unit_test_setup(a_folder_that_is_not_there_is_refused_at_open, fresh_files),
		cmocka_unit_test_setup(a_sink_without_progress_takes_over_from_nobody, fresh_files),
		cmocka_unit_test_setup(a_dry_run_shows_the_lines, fresh_files),
		cmocka_unit_test_setup(the_blackhole_answers_all_lanes_and_counts, fresh_files),
		cmocka_unit_test_setup(closing_forgets_what_is_on_its_way, fresh_files),
	};

	if (!mkdtemp(folder))
		return 1;
	snprintf(out_path, sizeof out_path, "%s/out.jsonl", folder);
	snprintf(dead_path, sizeof dead_path, "%s/dead.jsonl", folder);
	name_columns();
	alarm(120); /* a test that waits for what never comes fails */
	return cmocka_run_group_tests(tests, NULL, remove_folder);
}
