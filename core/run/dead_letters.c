#include "run/dead_letters.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "flow/sql_letters.h"
#include "run/job_private.h"
#include "run/pidfile.h"
#include "run/replay.h"
#include "run/table.h"

enum { LIST_COLUMNS = 8, SHOW_COLUMNS = 13, ERROR_SHOWN = 72, LOOK_MS = 200 };

static const char *const column_names[LIST_COLUMNS] = { "id", "topic", "partition", "offset", "source_table", "stage", "error", "at" };

struct letter {
	int64_t id, offset;
	int32_t partition;
	struct slice topic, error;
};

struct letters {
	struct event_base *loop;
	struct bundle bundle;
	struct job *job;
	struct sink *sink;
	enum sql_dialect dialect;
	struct arena arena;
	struct letter *found; /* what the last query told */
	size_t count;
	struct buf text;
};

/* ---- the target ---- */

static int ask(struct letters *own, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx, struct error *err)
{
	return own->sink->ops->query(own->sink, buf_view(&own->text), row, ctx, err);
}

static int64_t number(struct slice cell)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%.*s", SLICE_ARG(cell));
	return strtoll(digits, NULL, 10);
}

static void keep_letter(void *ctx, const struct slice *cells, unsigned count)
{
	struct letters *own = ctx;

	BUG_IF(count != LIST_COLUMNS);
	own->found = realloc(own->found, (own->count + 1) * sizeof *own->found);
	BUG_IF(!own->found);
	own->found[own->count++] = (struct letter){ .id = number(cells[0]),
						    .topic = arena_copy(&own->arena, cells[1]),
						    .partition = (int32_t)number(cells[2]),
						    .offset = number(cells[3]),
						    .error = arena_copy(&own->arena, cells[6]) };
}

static int find_all(struct letters *own, struct error *err)
{
	own->count = 0;
	buf_clear(&own->text);
	sql_letters_list(&own->text, own->dialect, job_name(own->job));
	return ask(own, keep_letter, own, err);
}

/* replays: rows may be written, to side sinks too. */
static int open_target(struct letters *own, const char *job_path, bool replays, struct error *err)
{
	own->loop = event_base_new();
	own->job = job_read(&own->bundle, job_path, err);
	if (!own->job)
		return -1;
	own->sink = (replays ? job_sink : job_sink_alone)(own->job, own->loop, err);
	if (!own->sink)
		return -1;
	if (!own->sink->ops->query)
		return error_set(err, "a %s sink is no database: its dead letters are the lines of the file %s, each with its message whole",
				 job_sink_name(own->job), job_text(own->job, "dead_letters"));
	own->dialect = strcmp(job_sink_name(own->job), "sqlite") == 0 ? SQL_SQLITE : SQL_MYSQL;
	return own->sink->ops->open(own->sink, err);
}

static void close_target(struct letters *own)
{
	if (own->sink)
		own->sink->ops->close(own->sink);
	job_free(own->job);
	bundle_free(&own->bundle);
	event_base_free(own->loop);
	arena_free(&own->arena);
	free(own->found);
	buf_free(&own->text);
}

/* ---- list and show ---- */

/* Text, or (name_base64) bytes that are none. */
static void put_member(struct buf *out, const char *name, struct slice cell)
{
	if (!cell.p || utf8_valid(cell)) {
		buf_printf(out, "\"%s\":", name);
		if (cell.p)
			buf_json_string(out, cell);
		else
			buf_text(out, "null");
		return;
	}
	buf_printf(out, "\"%s_base64\":\"", name);
	base64_encode(out, cell);
	buf_char(out, '"');
}

static void put_number(struct buf *out, const char *name, struct slice cell)
{
	buf_printf(out, "\"%s\":%.*s", name, SLICE_ARG(cell));
}

static void print_line(void *ctx, const struct slice *cells, unsigned count)
{
	struct buf line = BUF_INIT;

	(void)ctx;
	for (unsigned i = 0; i < count; i++) {
		buf_char(&line, i ? ',' : '{');
		if (i == 0 || i == 2 || i == 3)
			put_number(&line, column_names[i], cells[i]);
		else
			put_member(&line, column_names[i], cells[i]);
	}
	buf_text(&line, "}\n");
	fwrite(line.p, 1, line.n, stdout);
	buf_free(&line);
}

/* A table has one line a letter: the beginning of its error's first line. */
static void add_line(void *ctx, const struct slice *cells, unsigned count)
{
	struct arena arena = ARENA_INIT;
	char *line[LIST_COLUMNS];

	for (unsigned i = 0; i < count; i++) {
		size_t n = 0;

		line[i] = cells[i].p ? (char *)arena_copy(&arena, cells[i]).p : NULL;
		for (; line[i] && line[i][n] && line[i][n] != '\n' && (i != 6 || n < ERROR_SHOWN); n++)
			if ((unsigned char)line[i][n] < ' ' || line[i][n] == 127) /* a message is not to speak to the terminal */
				line[i][n] = '?';
		if (line[i] && line[i][n]) {
			while (n > 0 && ((unsigned char)line[i][n] & 0xc0) == 0x80)
				n--;
			line[i][n] = 0;
		}
	}
	table_add(ctx, count, line);
	arena_free(&arena);
}

static int list(struct letters *own, struct error *err)
{
	struct table table = { 0 };
	struct buf out = BUF_INIT;
	int result;

	buf_clear(&own->text);
	sql_letters_list(&own->text, own->dialect, job_name(own->job));
	if (!isatty(STDOUT_FILENO))
		return ask(own, print_line, NULL, err) < 0 ? 2 : 0;
	table_add(&table, LIST_COLUMNS, (char *const *)column_names);
	result = ask(own, add_line, &table, err);
	if (result == 0) {
		table_write(&table, "", &out);
		fwrite(out.p, 1, out.n, stdout);
	}
	buf_free(&out);
	table_free(&table);
	return result < 0 ? 2 : 0;
}

static void print_letter(void *ctx, const struct slice *cells, unsigned count)
{
	static const char *const names[SHOW_COLUMNS] = { "id",           "job",     "topic", "partition",      "offset",
							 "source_table", "stage",   "error", "script_version", "key",
							 "value",        "headers", "at" };
	struct buf line = BUF_INIT;

	BUG_IF(count != SHOW_COLUMNS);
	for (unsigned i = 0; i < count; i++) {
		buf_text(&line, i ? ",\n " : "{");
		if (i == 0 || i == 3 || i == 4)
			put_number(&line, names[i], cells[i]);
		else if (i == 11) /* JSON already */
			buf_printf(&line, "\"headers\":%.*s", SLICE_ARG(cells[i].p ? cells[i] : SLICE("[]")));
		else
			put_member(&line, names[i], cells[i]);
	}
	buf_text(&line, "}\n");
	fwrite(line.p, 1, line.n, stdout);
	buf_free(&line);
	++*(size_t *)ctx;
}

static int no_such(const struct letters *own, int64_t id, struct error *err)
{
	error_set(err, "job %s has no dead letter %lld", job_name(own->job), (long long)id);
	return 1;
}

static int show(struct letters *own, int64_t id, struct error *err)
{
	size_t shown = 0;

	buf_clear(&own->text);
	sql_letters_show(&own->text, own->dialect, job_name(own->job), id);
	if (ask(own, print_letter, &shown, err) < 0)
		return 2;
	return shown ? 0 : no_such(own, id, err);
}

static void count_row(void *ctx, const struct slice *cells, unsigned count)
{
	(void)cells, (void)count;
	++*(size_t *)ctx;
}

static int drop(struct letters *own, int64_t id, struct error *err)
{
	size_t found = 0;

	buf_clear(&own->text);
	sql_letters_show(&own->text, own->dialect, job_name(own->job), id);
	sql_letters_drop(&own->text, own->dialect, job_name(own->job), id);
	if (ask(own, count_row, &found, err) < 0)
		return 2;
	if (!found)
		return no_such(own, id, err);
	printf("dropped %lld\n", (long long)id);
	return 0;
}

/* ---- replay ---- */

static bool is_running(const struct run_options *options)
{
	struct pidfile_owner owner;
	char path[PATH_MAX];

	if (options->pid_file)
		return pidfile_read(options->pid_file, &owner, NULL) == 0;
	return pidfile_default(options->job_path, path, NULL) == 0 && pidfile_read(path, &owner, NULL) == 0;
}

struct places {
	struct arena arena;
	struct source_partition_name *items;
	size_t count;
};

static void keep_place(void *ctx, const struct slice *cells, unsigned count)
{
	struct places *places = ctx;

	(void)count;
	places->items = realloc(places->items, (places->count + 1) * sizeof *places->items);
	BUG_IF(!places->items);
	places->items[places->count++] = (struct source_partition_name){ arena_copy(&places->arena, cells[0]), (int32_t)number(cells[1]) };
}

/* Where something was given back and is not taken in yet. */
static int find_given(struct letters *own, struct places *places, struct error *err)
{
	places->count = 0;
	buf_clear(&own->text);
	sql_letters_given(&own->text, own->dialect, job_name(own->job));
	return ask(own, keep_place, places, err);
}

/* A job that runs takes in what is of its partitions; what is left, or all of it where none runs, is taken in here. */
static int take_in(struct letters *own, const struct run_options *options, struct error *err)
{
	struct places places = { 0 };
	int result = find_given(own, &places, err);

	while (result == 0 && places.count && is_running(options)) {
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000 }, NULL);
		result = find_given(own, &places, err);
	}
	if (result == 0 && places.count)
		result = replay_run(own->job, own->loop, own->sink, places.items, places.count, err);
	arena_free(&places.arena);
	free(places.items);
	return result;
}

/* What became of those that were given back. */
struct tally {
	const struct letter *given;
	size_t count, again, waiting;
};

static bool is_among(const struct tally *tally, struct slice topic, int32_t partition, int64_t offset)
{
	for (size_t i = 0; i < tally->count; i++)
		if (tally->given[i].partition == partition && tally->given[i].offset == offset && slice_equal(tally->given[i].topic, topic))
			return true;
	return false;
}

static void count_waiting(void *ctx, const struct slice *cells, unsigned count)
{
	struct tally *tally = ctx;

	BUG_IF(count != 3);
	tally->waiting += is_among(tally, cells[0], (int32_t)number(cells[1]), number(cells[2]));
}

static int report(struct letters *own, struct tally *tally, int64_t newest, struct error *err)
{
	own->found = NULL;
	if (find_all(own, err) < 0)
		return 2;
	for (size_t i = 0; i < own->count; i++) {
		const struct letter *letter = &own->found[i];

		if (letter->id <= newest || !is_among(tally, letter->topic, letter->partition, letter->offset))
			continue;
		tally->again++;
		fprintf(stderr, "streamlua: %.*s:%d offset %lld is a dead letter again, %lld: %.*s\n", SLICE_ARG(letter->topic), letter->partition,
			(long long)letter->offset, (long long)letter->id, SLICE_ARG(letter->error));
	}
	buf_clear(&own->text);
	sql_letters_waiting(&own->text, own->dialect, job_name(own->job));
	if (ask(own, count_waiting, tally, err) < 0)
		return 2;
	printf("replayed %zu: %zu are dead letters again, %zu wait for their rows\n", tally->count, tally->again, tally->waiting);
	return tally->again ? 1 : 0;
}

static int replay(struct letters *own, const struct run_options *options, int64_t id, struct error *err)
{
	struct letter *given;
	int64_t *ids, newest = 0;
	size_t count = 0;
	int code = 2;

	if (own->job->bounded && is_running(options)) {
		error_set(err, "the job runs, and reads nothing but its files: replay when it has ended");
		return 1;
	}
	if (find_all(own, err) < 0)
		return 2;
	given = own->found;
	ids = calloc(own->count + 1, sizeof *ids);
	BUG_IF(!ids);
	for (size_t i = 0; i < own->count; i++) {
		newest = given[i].id;
		if (id && given[i].id != id)
			continue;
		if (given[i].offset < 0) { /* a timer's: it is gone from its key, and was no message */
			if (id) {
				error_set(err, "dead letter %lld is a timer's, which cannot be replayed: there is no message", (long long)id);
				goto out;
			}
			continue;
		}
		given[count] = given[i];
		ids[count++] = given[i].id;
	}
	if (id && !count) {
		code = no_such(own, id, err);
		goto out;
	}
	buf_clear(&own->text);
	sql_letters_give_back(&own->text, own->dialect, job_name(own->job), ids, count);
	if (count && ask(own, NULL, NULL, err) < 0)
		goto out;
	if (take_in(own, options, err) < 0) {
		error_prefix(err, "what was given back waits in streamlua_parked for the next run");
		code = 1;
		goto out;
	}
	own->found = NULL;
	code = report(own, &(struct tally){ .given = given, .count = count }, newest, err);
out:
	free(ids);
	if (own->found != given)
		free(given);
	return code;
}

/* ---- the command ---- */

static int read_id(const char *word, int64_t *id, struct error *err)
{
	size_t digits = strspn(word, "0123456789");

	*id = digits && digits <= 18 && !word[digits] ? atoll(word) : 0;
	return *id ? 0 : error_set(err, "dead-letters: %s is no dead letter's id: a number, as `list` shows it", word);
}

static int run(struct letters *own, const struct run_options *options, char *const *words, size_t count, struct error *err)
{
	const char *verb = count ? words[0] : "list";
	bool shows = strcmp(verb, "show") == 0, drops = strcmp(verb, "drop") == 0, replays = strcmp(verb, "replay") == 0;
	int64_t id = 0;

	if (!shows && !drops && !replays && strcmp(verb, "list") != 0) {
		error_set(err, "dead-letters: \"%s\" is none of list, show ID, replay [ID], drop ID", verb);
		return 2;
	}
	if (((shows || drops) && count < 2) || (strcmp(verb, "list") == 0 && count > 1)) {
		error_set(err, "dead-letters: %s %s", verb, count > 1 ? "takes no id" : "needs an id, as `list` shows it");
		return 2;
	}
	if ((count > 1 && read_id(words[1], &id, err) < 0) || open_target(own, options->job_path, replays, err) < 0)
		return 2;
	return shows ? show(own, id, err) : drops ? drop(own, id, err) : replays ? replay(own, options, id, err) : list(own, err);
}

int dead_letters_run(const struct run_options *options, char *const *words, size_t count)
{
	struct letters own = { 0 };
	struct error err = { .text = "" };
	int code = run(&own, options, words, count, &err);

	if (err.text[0])
		fprintf(stderr, "streamlua: %s\n", err.text);
	if (own.loop)
		close_target(&own);
	return code;
}
