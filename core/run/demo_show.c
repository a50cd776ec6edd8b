#include "run/demo_show.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/mock_broker.h"
#include "io/sqlite_read.h"
#include "run/child.h"
#include "run/pidfile.h"
#include "run/table.h"
#include "run/template.h"

enum {
	PARTITIONS = 1, /* a topic */
	LOOK_MS = 200,
	CHANGE_MS = 1000,
	PATIENCE_MS = 60000,
	FIRST_ID = 100, /* of what the trickle inserts; the samples have smaller ones */
};

#define SCRIPT "scripts/orders.lua"
#define WORTH_EDITING "upper()"

static const char *const topics[] = { "demo.shop.orders", "demo.shop.customers" };
static const char *const tables[] = { "orders", "customers" };
enum { TOPICS = sizeof topics / sizeof *topics, TABLES = sizeof tables / sizeof *tables };

struct show {
	const struct demo_show *asked;
	struct mock_broker *broker;
	struct sqlite_read *db;
	int64_t sent; /* messages */
};

static void nap(int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* Cuts what stands before `end` off the text. */
static struct slice cut(struct slice *text, char end)
{
	const char *found = text->n ? memchr(text->p, end, text->n) : NULL;
	size_t n = found ? (size_t)(found - text->p) : text->n;
	struct slice before = { text->p, n };

	text->p += n + (found != NULL);
	text->n -= n + (found != NULL);
	return before;
}

/* ---- the changes ---- */

/* A line is a topic, a key and a value, a tab between; an empty value is a tombstone. */
static int send_line(struct show *show, struct slice line, struct error *err)
{
	struct slice name = cut(&line, '\t'), key = cut(&line, '\t');
	char topic[64];

	snprintf(topic, sizeof topic, "%.*s", SLICE_ARG(name));
	show->sent++;
	return mock_broker_send(show->broker, topic, key, line.n ? line : (struct slice){ 0 }, err);
}

/* Changes as they are at this moment. */
static void fill_in(struct buf *out, const char *template, int64_t id)
{
	struct buf half = BUF_INIT;
	char number[24];

	snprintf(number, sizeof number, "%" PRId64, clock_wall_ms());
	template_fill(&half, template_text(template), "@MS@", number);
	snprintf(number, sizeof number, "%" PRId64, id);
	buf_clear(out);
	template_fill(out, buf_view(&half), "@ID@", number);
	buf_free(&half);
}

static int send_samples(struct show *show, struct error *err)
{
	struct buf text = BUF_INIT;
	struct slice rest;
	int result = 0;

	fill_in(&text, "demo.changes.tsv", 0);
	for (rest = buf_view(&text); rest.n && result == 0;)
		result = send_line(show, cut(&rest, '\n'), err);
	buf_free(&text);
	return result < 0 ? -1 : mock_broker_flush(show->broker, err);
}

static int open_broker(struct show *show, struct error *err)
{
	show->broker = mock_broker_new(err);
	for (size_t i = 0; show->broker && i < TOPICS; i++)
		if (mock_broker_add_topic(show->broker, topics[i], PARTITIONS, err) < 0)
			return -1;
	return show->broker && send_samples(show, err) == 0 ? 0 : -1;
}

/* ---- the target ---- */

static int take_number(void *ctx, int count, char **cells, char **names)
{
	(void)count, (void)names;
	*(int64_t *)ctx = strtoll(cells[0], NULL, 10);
	return 0;
}

/* All that was sent is written, dropped or dead. Progress is asked, not rows: what scripts make of them is theirs. */
static int wait_for_rows(struct show *show, struct error *err)
{
	static const char sql[] = "SELECT coalesce(sum(n), 0) FROM "
				  "(SELECT max(next_offset) AS n FROM streamlua_progress GROUP BY topic, `partition`)";
	int64_t give_up = clock_mono_ms() + PATIENCE_MS, done = 0;

	while (clock_mono_ms() < give_up) {
		/* An error is a table that the job has not made yet. */
		if (sqlite_read_run(show->db, sql, take_number, &done, err) == 0 && done >= show->sent)
			return 0;
		nap(LOOK_MS);
	}
	return error_set(err, "the changes did not arrive within %d s", PATIENCE_MS / 1000);
}

static int take_row(void *ctx, int count, char **cells, char **names)
{
	struct table *table = ctx;

	if (!table->count)
		table_add(table, (size_t)count, names);
	table_add(table, (size_t)count, cells);
	return 0;
}

static int show_table(struct show *show, const char *name, struct error *err)
{
	struct table table = { 0 };
	struct buf text = BUF_INIT;
	int result;

	buf_printf(&text, "SELECT * FROM %s ORDER BY id", name);
	result = sqlite_read_run(show->db, buf_cstr(&text), take_row, &table, err);
	buf_clear(&text);
	table_write(&table, "  ", &text);
	if (result == 0)
		printf("%s%s\n%s\n", name, table.count ? "" : " is empty", buf_cstr(&text));
	buf_free(&text);
	table_free(&table);
	return result;
}

static int show_dead_letters(struct show *show, struct error *err)
{
	struct table table = { 0 };
	struct buf text = BUF_INIT;
	int result = sqlite_read_run(show->db, "SELECT id, topic, stage, error FROM streamlua_dead_letters ORDER BY id", take_row, &table, err);

	table_write(&table, "  ", &text);
	if (result == 0 && table.count)
		printf("streamlua_dead_letters\n%s\n", buf_cstr(&text));
	buf_free(&text);
	table_free(&table);
	return result;
}

/* ---- what to do next ---- */

/* The line of the script that is worth editing, 0 where it is there no more. */
static int find_line(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024];
	int number = 1;

	while (file && fgets(line, sizeof line, file)) {
		if (strstr(line, WORTH_EDITING)) {
			fclose(file);
			return number;
		}
		number += strchr(line, '\n') != NULL;
	}
	if (file)
		fclose(file);
	return 0;
}

static void print_hints(const struct demo_show *asked)
{
	struct pidfile_owner master = { 0 };
	char script[PATH_MAX], path[PATH_MAX];
	struct error err;
	int line;

	snprintf(script, sizeof script, "%s/" SCRIPT, asked->folder);
	line = find_line(script);
	if (line)
		printf("Now edit %s, line %d: make " WORTH_EDITING " lower(), say.\n", script, line);
	else
		printf("Now edit %s.\n", script);
	if (!asked->go_on) {
		printf("Then run this again. In a terminal the demo goes on, and takes an edited script over while it runs: by `kill -HUP PID`,\n"
		       "or `%s reload %s`.\n",
		       program_invocation_name, asked->job_path);
		return;
	}
	printf("Have it taken over, from another terminal:\n\n  kill -HUP %d\n  %s reload %s     the same, and tells how it went\n\n", (int)getppid(),
	       program_invocation_name, asked->job_path);
	printf("Rows are made by the script that runs when their change comes; those that are there already stay. Ctrl-C ends the demo;\n"
	       "started again, it makes all rows anew with your scripts.\n");
	if (pidfile_default(asked->job_path, path, &err) == 0 && pidfile_read(path, &master, &err) == 0 && master.http[0])
		printf("What it does, as a page: http://%s/\n", master.http);
	printf("\nChanges keep coming. What they do to the target (+ new, ~ changed, - gone):\n\n");
}

/* ---- the trickle ---- */

static int remember(struct show *show, struct error *err)
{
	struct buf sql = BUF_INIT;
	int result;

	for (size_t i = 0; i < TABLES; i++)
		buf_printf(&sql, "CREATE TEMP TABLE seen_%s AS SELECT * FROM main.%s;", tables[i], tables[i]);
	result = sqlite_read_run(show->db, buf_cstr(&sql), NULL, NULL, err);
	buf_free(&sql);
	return result;
}

/* A row that differs: its sign, its table, its columns. */
static int print_difference(void *ctx, int count, char **cells, char **names)
{
	(void)ctx;
	printf("  %s %-9s", cells[0], cells[1]);
	for (int i = 2; i < count; i++)
		printf("  %s=%s", names[i], cells[i] ? cells[i] : "NULL");
	putchar('\n');
	return 0;
}

/* Compares with what was there the last time, and takes its place. */
static int show_differences(struct show *show, struct error *err)
{
	struct buf sql = BUF_INIT;
	int result;

	buf_text(&sql, "BEGIN;");
	for (size_t i = 0; i < TABLES; i++) {
		const char *t = tables[i];

		buf_printf(&sql,
			   "SELECT CASE WHEN id IN (SELECT id FROM temp.seen_%s) THEN '~' ELSE '+' END, '%s', now.* "
			   "FROM (SELECT * FROM main.%s EXCEPT SELECT * FROM temp.seen_%s) AS now;"
			   "SELECT '-', '%s', id FROM temp.seen_%s WHERE id NOT IN (SELECT id FROM main.%s);"
			   "DELETE FROM temp.seen_%s; INSERT INTO temp.seen_%s SELECT * FROM main.%s;",
			   t, t, t, t, t, t, t, t, t, t);
	}
	buf_text(&sql, "COMMIT;");
	result = sqlite_read_run(show->db, buf_cstr(&sql), print_difference, NULL, err);
	buf_free(&sql);
	fflush(stdout);
	return result;
}

/* A change now and then, over and over with other keys; ends with the master. */
static int trickle(struct show *show, struct error *err)
{
	int64_t next = clock_mono_ms(), id = FIRST_ID;
	struct buf text = BUF_INIT;
	struct slice rest = { 0 };
	int result = remember(show, err);

	while (result == 0) {
		if (clock_mono_ms() >= next) {
			if (!rest.n) {
				fill_in(&text, "demo.trickle.tsv", id++);
				rest = buf_view(&text);
			}
			result = send_line(show, cut(&rest, '\n'), err);
			next += CHANGE_MS;
		}
		if (result == 0)
			result = show_differences(show, err);
		nap(LOOK_MS);
	}
	buf_free(&text);
	return result;
}

/* ---- the process ---- */

static int show_all(struct show *show, struct error *err)
{
	if (wait_for_rows(show, err) < 0)
		return -1;
	printf("\n%" PRId64 " messages came from Kafka. What they made of the target, %s:\n\n", show->sent, show->asked->database);
	for (size_t i = 0; i < TABLES; i++)
		if (show_table(show, tables[i], err) < 0)
			return -1;
	if (show_dead_letters(show, err) < 0)
		return -1;
	print_hints(show->asked);
	if (fflush(stdout) != 0)
		return error_set(err, "stdout: %s", strerror(errno));
	if (write(show->asked->fd, ".", 1) != 1)
		return error_set(err, "the master is gone");
	return show->asked->go_on ? trickle(show, err) : 0;
}

static int start(struct show *show, struct error *err)
{
	if (open_broker(show, err) < 0)
		return error_prefix(err, "broker");
	show->db = sqlite_read_open(show->asked->database, err);
	if (!show->db)
		return -1;
	return dprintf(show->asked->fd, "%s\n", mock_broker_address(show->broker)) < 0 ? error_set(err, "the master is gone") : 0;
}

static void say(const struct error *err)
{
	fprintf(stderr, "streamlua: demo: %s\n", err->text);
}

void demo_show_run(const struct demo_show *asked)
{
	struct show show = { .asked = asked };
	struct error err = { .text = "" };

	if (start(&show, &err) < 0) {
		say(&err);
		child_exit(1);
	}
	if (show_all(&show, &err) < 0)
		say(&err);
	kill(getppid(), SIGTERM);
	/* The broker stays until the master is gone and takes us with it: a worker that leaves the group would wait for it. */
	for (;;)
		pause();
}
