#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "flow/parking.h"
#include "flow/progress.h"
#include "io/sqlite.h"
#include "support/changes.h"

struct fixture {
	char folder[32], path[64];
	struct event_base *loop;
	struct sink *sink;
	sqlite3 *db; /* a second connection, as somebody else has one */
	struct changes *changes;
	struct progress_row row;
	struct buf text;

	bool answered;
	enum sink_result result;
	struct error err;
	struct progress_loaded loaded[2];
	struct progress_lane lane;
};

static void run(struct fixture *f, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(f->db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static int add_row(void *ctx, int count, char **cells, char **names)
{
	(void)names;
	for (int i = 0; i < count; i++)
		buf_printf(ctx, "%s%s", i ? "," : "", cells[i] ? cells[i] : "~");
	buf_char(ctx, ';');
	return 0;
}

static const char *rows(struct fixture *f, const char *sql)
{
	buf_clear(&f->text);
	assert_int_equal(sqlite3_exec(f->db, sql, add_row, &f->text, NULL), SQLITE_OK);
	return buf_cstr(&f->text);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct error err = { .text = "" };

	strcpy(f->folder, "/tmp/sqlite_test.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/dw.db", f->folder);
	f->loop = event_base_new();
	f->changes = changes_new();
	f->sink = sqlite_new(f->loop, f->path, "shop", &err);
	assert_non_null(f->sink);
	if (f->sink->ops->open(f->sink, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(sqlite3_open(f->path, &f->db), SQLITE_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[80];

	sqlite3_close(f->db);
	if (f->sink)
		f->sink->ops->close(f->sink);
	event_base_free(f->loop);
	changes_free(f->changes);
	buf_free(&f->text);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
		unlink(path);
	}
	rmdir(f->folder);
	free(f);
	return 0;
}

static void on_taken(struct takeover *takeover, const struct progress_loaded *loaded, const struct error *err)
{
	struct fixture *f = takeover->ctx;

	assert_null(err);
	memcpy(f->loaded, loaded, takeover->count * sizeof *loaded);
	f->lane = loaded[0].lanes[0];
	f->answered = true;
}

/* Of partition 3 of shop.orders, whose row is then written as these. */
static void take_over(struct fixture *f)
{
	static const struct source_partition_name names[] = { { SLICE("shop.orders"), 3 }, { SLICE("shop.orders"), 4 } };
	struct takeover takeover = { .partitions = names, .count = 2, .done = on_taken, .ctx = f };

	f->answered = false;
	f->sink->ops->take_over(f->sink, &takeover);
	assert_false(f->answered);
	while (!f->answered)
		event_base_loop(f->loop, EVLOOP_ONCE);
	f->row = (struct progress_row){
		.topic = names[0].topic, .partition = 3, .epoch = f->loaded[0].epoch, .seq = f->lane.seq, .watermark = INT64_MIN
	};
}

static void on_done(struct tx *tx, enum sink_result result, const struct error *err)
{
	struct fixture *f = tx->ctx;

	f->result = result;
	f->err.text[0] = 0;
	if (err)
		f->err = *err;
	f->answered = true;
}

static enum sink_result commit(struct fixture *f)
{
	struct tx *tx = &f->changes->tx;

	f->row.seq++;
	f->row.next_offset++;
	tx->progress = &f->row;
	tx->progress_count = 1;
	tx->done = on_done;
	tx->ctx = f;
	f->answered = false;
	f->sink->ops->commit(f->sink, tx);
	assert_false(f->answered);
	while (!f->answered)
		event_base_loop(f->loop, EVLOOP_ONCE);
	if (f->result != SINK_COMMITTED)
		f->row.seq--;
	return f->result;
}

static struct target *describe(struct fixture *f, const char *name)
{
	struct target *target = arena_zalloc(&f->changes->arena, sizeof *target);
	struct error err = { .text = "" };

	target->name = slice_of(name);
	target->arena = &f->changes->arena;
	if (f->sink->ops->describe(f->sink, target, &err) < 0)
		fail_msg("%s", err.text);
	return target;
}

static void schema_says_what_columns_mean(void **state)
{
	static const struct {
		const char *name;
		enum column_type type;
		bool nullable, has_default, generated;
		int scale;
	} expected[] = {
		{ "id", COLUMN_INTEGER, false, false, false, -1 },  { "name", COLUMN_TEXT, false, true, false, -1 },
		{ "price", COLUMN_DECIMAL, true, false, false, 2 }, { "at", COLUMN_DATETIME, true, true, false, 3 },
		{ "raw", COLUMN_BYTES, true, false, false, -1 },    { "any", COLUMN_UNKNOWN, true, false, false, -1 },
		{ "big", COLUMN_INTEGER, true, false, false, -1 },  { "half", COLUMN_DOUBLE, true, false, false, -1 },
		{ "doc", COLUMN_JSON, true, false, false, -1 },     { "twice", COLUMN_INTEGER, true, false, true, -1 },
		{ "kind", COLUMN_ENUM, true, false, false, -1 },    { "odd", COLUMN_UNKNOWN, true, false, false, -1 },
	};
	struct fixture *f = *state;
	struct target *t;

	run(f,
	    "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL DEFAULT 'x', price DECIMAL(10, 2), at datetime(3) DEFAULT "
	    "CURRENT_TIMESTAMP, raw VARBINARY(16), any, big BIGINT UNSIGNED, half DOUBLE, doc JSON, twice INT AS (id * 2), kind ENUM, odd STRING)");
	t = describe(f, "t");
	assert_true(t->exists && t->has_primary_key && t->key_exact && !t->other_unique);
	assert_int_equal(t->key_count, 1);
	assert_int_equal(t->count, sizeof expected / sizeof *expected);
	for (uint32_t i = 0; i < t->count; i++) {
		assert_true(slice_is(t->columns[i].name, expected[i].name));
		if (t->columns[i].type != expected[i].type || t->columns[i].scale != expected[i].scale ||
		    t->columns[i].nullable != expected[i].nullable)
			fail_msg("%s: type %d, scale %d, nullable %d", expected[i].name, t->columns[i].type, t->columns[i].scale,
				 t->columns[i].nullable);
		assert_int_equal(t->columns[i].has_default, expected[i].has_default);
		assert_int_equal(t->columns[i].generated, expected[i].generated);
	}
	assert_true(t->columns[0].auto_increment);
	assert_true(t->columns[6].is_unsigned);
	assert_int_equal(t->columns[1].length, 20);
	assert_true(slice_is(t->columns[1].default_sql, "'x'"));
	assert_false(describe(f, "nowhere")->exists);
	assert_true(describe(f, "main.t")->exists);
}

static void schema_says_how_keys_compare(void **state)
{
	static const struct {
		const char *columns;
		bool exact, pads, other_unique, primary;
	} cases[] = {
		{ "a TEXT, b TEXT, PRIMARY KEY (b, a)", true, false, false, true },
		{ "a TEXT, b TEXT COLLATE NOCASE, PRIMARY KEY (b, a)", false, false, false, true },
		{ "a TEXT, b TEXT, PRIMARY KEY (b COLLATE NOCASE, a)", false, false, false, true },
		{ "a TEXT, b TEXT COLLATE RTRIM, PRIMARY KEY (b, a)", true, true, false, true },
		{ "a TEXT UNIQUE, b TEXT, PRIMARY KEY (b, a)", true, false, true, true },
		{ "a TEXT UNIQUE, b TEXT", false, false, true, false },
		{ "a TEXT, b TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID; CREATE UNIQUE INDEX i ON t (a", true, false, true, true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct target *t;
		char sql[200];

		snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS t; CREATE TABLE t (%s)", cases[i].columns);
		run(f, sql);
		t = describe(f, "t");
		assert_int_equal(t->key_exact, cases[i].exact);
		assert_int_equal(t->has_primary_key, cases[i].primary);
		assert_int_equal(t->other_unique, cases[i].other_unique);
		if (!cases[i].primary)
			continue;
		assert_int_equal(t->key_count, 2);
		assert_int_equal(t->key[0], 1);
		assert_int_equal(t->columns[1].pads, cases[i].pads);
	}
}

static void takeover_makes_rows_and_raises_the_epoch(void **state)
{
	struct fixture *f = *state;

	take_over(f);
	assert_true(f->loaded[0].fresh && f->loaded[1].fresh);
	assert_int_equal(f->loaded[0].epoch, 1);
	assert_int_equal(f->loaded[0].lane_count, 1);
	assert_int_equal(f->loaded[0].watermark, INT64_MIN);
	assert_string_equal(rows(f, "SELECT topic, partition, lane, next_offset, epoch, seq FROM streamlua_progress"),
			    "shop.orders,3,0,-1,1,0;shop.orders,4,0,-1,1,0;");
	run(f, "INSERT INTO streamlua_progress (job, topic, partition, lane, next_offset, done, epoch, seq, watermark, script_version) VALUES "
	       "('shop', 'shop.orders', 3, 7, 99, x'0b', 5, 12, 34, 'v'), ('other', 'shop.orders', 3, 0, 1, x'', 50, 1, NULL, 'v')");
	take_over(f);
	assert_false(f->loaded[0].fresh);
	assert_true(f->loaded[1].fresh);
	assert_int_equal(f->loaded[0].epoch, 6);
	assert_int_equal(f->loaded[0].next_offset, 99);
	assert_int_equal(f->loaded[0].watermark, 34);
	assert_int_equal(f->loaded[0].lane_count, 2);
	assert_string_equal(rows(f, "SELECT job, lane, epoch FROM streamlua_progress WHERE partition = 3 ORDER BY 1, 2"),
			    "other,0,50;shop,0,6;shop,7,6;");
}

static void a_reset_forgets_how_far_it_came_and_keeps_others_out(void **state)
{
	struct fixture *f = *state;
	struct progress_row old;
	struct error err;

	take_over(f);
	assert_int_equal(commit(f), SINK_COMMITTED);
	old = f->row;
	take_over(f);
	assert_false(f->loaded[0].fresh);
	run(f, "INSERT INTO streamlua_state (job, script, map, key, value, version, topic, partition) VALUES "
	       "('shop', 's', '', '[1]', '{}', 1, 't', 3), ('other', 's', '', '[1]', '{}', 1, 't', 3)");
	assert_int_equal(f->sink->ops->reset(f->sink, false, &err), 0);
	assert_string_equal(rows(f, "SELECT job FROM streamlua_state ORDER BY 1"), "other;shop;");
	assert_int_equal(f->sink->ops->reset(f->sink, true, &err), 0);
	assert_string_equal(rows(f, "SELECT job FROM streamlua_state"), "other;");
	assert_int_equal(commit(f), SINK_FENCED);
	take_over(f);
	assert_true(f->loaded[0].fresh);
	assert_true(f->loaded[0].epoch > old.epoch + 1);
	assert_int_equal(commit(f), SINK_COMMITTED);
}

/* What is half done would count twice. */
static void a_reset_that_fails_moves_nothing(void **state)
{
	struct fixture *f = *state;
	struct error err;

	take_over(f);
	assert_int_equal(commit(f), SINK_COMMITTED);
	run(f,
	    "INSERT INTO streamlua_state (job, script, map, key, value, version, topic, partition) VALUES ('shop', 's', '', '[1]', '{}', 1, 't', 3)");
	run(f, "CREATE TRIGGER kept BEFORE DELETE ON streamlua_state BEGIN SELECT RAISE(ABORT, 'it stays'); END");
	assert_int_equal(f->sink->ops->reset(f->sink, true, &err), -1);
	assert_non_null(strstr(err.text, "it stays"));
	take_over(f);
	assert_false(f->loaded[0].fresh);
	assert_int_equal(commit(f), SINK_COMMITTED);
}

static void rows_and_progress_land_together(void **state)
{
	struct fixture *f = *state;
	struct target *t;

	run(f, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
	t = describe(f, "t");
	take_over(f);
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#1", "a"));
	assert_int_equal(commit(f), SINK_COMMITTED);
	assert_string_equal(rows(f, "SELECT * FROM t"), "1,a;");
	assert_string_equal(rows(f, "SELECT next_offset, seq, script_version FROM streamlua_progress WHERE partition = 3"), "1,1,0123456789abcdef;");
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#2", "~"));
	assert_int_equal(commit(f), SINK_REFUSED);
	assert_non_null(strstr(f->err.text, "NOT NULL"));
	assert_string_equal(rows(f, "SELECT * FROM t"), "1,a;");
	assert_string_equal(rows(f, "SELECT next_offset, seq FROM streamlua_progress WHERE partition = 3"), "1,1;");
	f->changes->tx.count = 0;
	assert_int_equal(commit(f), SINK_COMMITTED);
}

static void a_part_of_a_row_needs_no_other_part_of_a_row_that_is_there(void **state)
{
	struct fixture *f = *state;
	struct target *t;

	run(f, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, n INT); INSERT INTO t VALUES (1, 'a', 1)");
	t = describe(f, "t");
	take_over(f);
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#1", "-", "#2"));
	assert_int_equal(commit(f), SINK_COMMITTED);
	assert_string_equal(rows(f, "SELECT * FROM t"), "1,a,2;");
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#2", "-", "#2"));
	assert_int_equal(commit(f), SINK_REFUSED);
}

static void a_worker_that_was_replaced_cannot_write(void **state)
{
	struct fixture *f = *state;
	struct progress_row old;
	struct target *t;

	run(f, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
	t = describe(f, "t");
	take_over(f);
	old = f->row;
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#1"));
	take_over(f);
	f->row = old;
	assert_int_equal(commit(f), SINK_FENCED);
	assert_string_equal(rows(f, "SELECT * FROM t"), "");
	take_over(f);
	f->row.seq++;
	assert_int_equal(commit(f), SINK_FENCED);
	f->row.seq--;
	assert_int_equal(commit(f), SINK_COMMITTED);
	run(f, "DELETE FROM streamlua_progress");
	assert_int_equal(commit(f), SINK_FENCED);
}

static void what_went_wrong_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct target *t, *gone;

	run(f, "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE, n INT CHECK (n < 10)); INSERT INTO t VALUES (1, 'a', 1)");
	t = describe(f, "t");
	take_over(f);
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#2", "a", "#1"));
	assert_int_equal(commit(f), SINK_TAKEN);
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#1", "b", "#2"));
	assert_int_equal(commit(f), SINK_COMMITTED);
	assert_string_equal(rows(f, "SELECT * FROM t"), "1,b,2;2,a,1;");
	f->changes->tx.count = 0;
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#3", "c", "#10"));
	assert_int_equal(commit(f), SINK_REFUSED);
	f->changes->tx.count = 0;
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("x", "c", "#1"));
	assert_int_equal(commit(f), SINK_REFUSED);
	run(f, "CREATE TABLE gone (id INTEGER PRIMARY KEY)");
	gone = describe(f, "gone");
	run(f, "DROP TABLE gone");
	f->changes->tx.count = 0;
	changes_add(f->changes, gone, CHANGE_UPSERT, ROW("#3"));
	assert_int_equal(commit(f), SINK_FAILED);
	assert_non_null(strstr(f->err.text, "gone"));
}

static void a_locked_file_is_waited_for(void **state)
{
	struct fixture *f = *state;

	take_over(f);
	run(f, "BEGIN IMMEDIATE");
	assert_int_equal(commit(f), SINK_RETRY);
	assert_int_equal(commit(f), SINK_RETRY);
	run(f, "COMMIT");
	assert_int_equal(commit(f), SINK_COMMITTED);
}

static void release(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	run(ctx, "COMMIT");
}

static void a_takeover_waits_for_a_locked_file(void **state)
{
	struct fixture *f = *state;

	run(f, "BEGIN IMMEDIATE");
	event_base_once(f->loop, -1, EV_TIMEOUT, release, f, &(struct timeval){ .tv_usec = 30000 });
	take_over(f);
	assert_int_equal(f->loaded[0].epoch, 1);
}

static void what_sqlite_would_round_is_refused(void **state)
{
	static const struct {
		const char *type, *value;
		bool fine;
		const char *stored;
	} cases[] = {
		{ "BIGINT UNSIGNED", "#9223372036854775807", true, "9223372036854775807" },
		{ "BIGINT UNSIGNED", "#9223372036854775808", false, NULL },
		{ "BIGINT", "9223372036854775808", false, NULL },
		{ "BIGINT", "#-9223372036854775808", true, "-9223372036854775808" },
		{ "TEXT", "#18446744073709551615", true, "18446744073709551615" },
		{ "BLOB", "#18446744073709551615", true, "18446744073709551615" },
		{ "", "#18446744073709551615", true, "18446744073709551615" },
		{ "DECIMAL(30,10)", "#1234567890.12345", true, "1234567890.12345" },
		{ "DECIMAL(30,10)", "#1234567890.123456", false, NULL },
		{ "DECIMAL(30,10)", "#9007199254740993.000", true, "9007199254740993" },
		{ "TEXT", "#1234567890.1234567890", true, "1234567890.1234567890" },
		{ "STRING", "12345678901234567890", false, NULL },
		{ "STRING", " +12345678901234567890 ", false, NULL },
		{ "STRING", "twelve and a half dozen", true, "twelve and a half dozen" },
		{ "DOUBLE", "#0.30000000000000004", true, NULL },
		{ "DOUBLE", "#9007199254740993", false, NULL },
		{ "DOUBLE", "#0.300000000000000041234", false, NULL },
		{ "DOUBLE", "#1e400", false, NULL },
		{ "VARBINARY(9)", "$\x01\x02", true, NULL },
	};
	struct fixture *f = *state;

	take_over(f);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum sink_result result;
		char sql[100];

		snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, v %s)", cases[i].type);
		run(f, sql);
		f->changes->tx.count = 0;
		changes_add(f->changes, describe(f, "t"), CHANGE_UPSERT, ROW("#1", cases[i].value));
		result = commit(f);
		if (result != (cases[i].fine ? SINK_COMMITTED : SINK_REFUSED))
			fail_msg("%s in %s: result %d (%s)", cases[i].value, cases[i].type, result, f->err.text);
		if (!cases[i].fine)
			assert_non_null(strstr(f->err.text, "TEXT"));
		if (cases[i].stored) {
			snprintf(sql, sizeof sql, "%s;", cases[i].stored);
			assert_string_equal(rows(f, "SELECT v FROM t"), sql);
		}
	}
}

/* Doubles as a source prints them: the shortest digits that say which one it is. */
static void doubles_keep_every_bit(void **state)
{
	enum { COUNT = 400 };
	struct fixture *f = *state;
	char(*texts)[40] = calloc(COUNT, sizeof *texts), (*ids)[16] = calloc(COUNT, sizeof *ids);
	double doubles[COUNT] = { 0.30000000000000004,
				  5e-324,
				  1.7976931348623157e308,
				  -0.1,
				  2.2250738585072014e-308,
				  1e23,
				  9007199254740993e3,
				  /* SQLite reads these as a neighbour. */ 175052.3181054007,
				  715877.675127814,
				  274189.3536162081,
				  449743.2355964577 };
	sqlite3_stmt *row = NULL;
	struct target *t;

	run(f, "CREATE TABLE t (id INTEGER PRIMARY KEY, v DOUBLE)");
	t = describe(f, "t");
	take_over(f);
	srand48(5);
	for (int i = 0; i < COUNT; i++) {
		int digits = 15;

		if (doubles[i] == 0)
			doubles[i] = i % 2 ? drand48() * 1e6 : drand48() / 1e200;
		do
			snprintf(texts[i], sizeof texts[i], "#%.*g", digits, doubles[i]);
		while (strtod(texts[i] + 1, NULL) != doubles[i] && digits++ < 17);
		snprintf(ids[i], sizeof ids[i], "#%d", i);
		changes_add(f->changes, t, CHANGE_UPSERT, ROW(ids[i], texts[i]));
	}
	assert_int_equal(commit(f), SINK_COMMITTED);
	assert_int_equal(sqlite3_prepare_v2(f->db, "SELECT v FROM t ORDER BY id", -1, &row, NULL), SQLITE_OK);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(sqlite3_step(row), SQLITE_ROW);
		if (sqlite3_column_double(row, 0) != doubles[i])
			fail_msg("%s became %.17g", texts[i], sqlite3_column_double(row, 0));
	}
	sqlite3_finalize(row);
	free(texts);
	free(ids);
}

static void a_dead_letter_is_kept_whole(void **state)
{
	struct fixture *f = *state;
	struct target *t;

	run(f, "CREATE TABLE t (id INTEGER PRIMARY KEY)");
	t = describe(f, "t");
	take_over(f);
	changes_add(f->changes, t, CHANGE_UPSERT, ROW("#1"));
	f->changes->events[0]->outcome = OUTCOME_DEAD;
	f->changes->events[0]->error = SLICE("why");
	assert_int_equal(commit(f), SINK_COMMITTED);
	assert_string_equal(rows(f, "SELECT id, job, topic, partition, offset, source_table, stage, error, hex(key), hex(value), headers FROM "
				    "streamlua_dead_letters"),
			    "1,shop,shop.orders,3,42,~,decode,why,6B,76FF,~;");
	assert_string_equal(rows(f, "SELECT * FROM t"), "");
}

/* Random changes end in the same rows whether they are written in one transaction or one after the other. */
static void a_batch_does_what_its_changes_do_in_order(void **state)
{
	static const struct {
		const char *columns;
		uint32_t key_count;
		bool unique;
	} tables[] = {
		{ "(a INT NOT NULL, b TEXT NOT NULL, c TEXT, d INT DEFAULT 5, PRIMARY KEY (a, b))", 2, false },
		{ "(a INT NOT NULL, b TEXT COLLATE NOCASE NOT NULL, c TEXT, d INT DEFAULT 5, PRIMARY KEY (a, b))", 2, false },
		{ "(a INTEGER PRIMARY KEY, b TEXT DEFAULT 'x', c TEXT, d INT DEFAULT 5)", 1, false },
		{ "(a INTEGER PRIMARY KEY, b TEXT NOT NULL, c TEXT, d INT)", 1, false },
		{ "(a INTEGER PRIMARY KEY, b TEXT, c TEXT, d INT UNIQUE)", 1, true },
		{ "(a INT, b TEXT, c TEXT, d INT)", 2, false },
	};
	static const char *const numbers[] = { "#1", "1.0", "#2", "#3", "#4" }, *const texts[] = { "a", "A", "b", "'" };
	struct fixture *f = *state;
	size_t compared[sizeof tables / sizeof *tables] = { 0 };
	char left[4000];

	take_over(f);
	srand(7);
	for (int round = 0; round < 240; round++) {
		size_t which = (size_t)round % (sizeof tables / sizeof *tables), count = (size_t)rand() % 12 + 1, refused = 0;
		const char *values[12][4];
		enum change_op ops[12];
		struct target *one, *many;
		enum sink_result result;
		char sql[600];
		char unique[12][8];

		snprintf(sql, sizeof sql,
			 "DROP TABLE IF EXISTS one; DROP TABLE IF EXISTS many; CREATE TABLE one %s; CREATE TABLE many %s;"
			 "INSERT INTO one VALUES (1, 'a', 'old', 101), (2, 'b', 'old', 102); INSERT INTO many SELECT * FROM one",
			 tables[which].columns, tables[which].columns);
		run(f, sql);
		changes_clear(f->changes);
		one = describe(f, "one");
		many = describe(f, "many");
		many->key_count = one->key_count = tables[which].key_count;
		many->key[0] = one->key[0] = 0;
		many->key[1] = one->key[1] = 1;
		many->key_exact = one->key_exact = which != 1;
		for (size_t i = 0; i < count; i++) {
			bool partial = rand() % 2;

			ops[i] = rand() % 4 == 0 ? CHANGE_DELETE : rand() % 5 == 0 ? CHANGE_UPDATE : CHANGE_UPSERT;
			values[i][0] = numbers[rand() % 5];
			values[i][1] = texts[rand() % 4];
			if (tables[which].key_count == 1 && ((partial && rand() % 2) || ops[i] == CHANGE_DELETE))
				values[i][1] = "-";
			values[i][2] = (partial && rand() % 2) || ops[i] == CHANGE_DELETE ? "-" : rand() % 4 ? texts[rand() % 4] : "~";
			snprintf(unique[i], sizeof unique[i], "#%d", rand() % 6 + 200);
			values[i][3] = (partial && rand() % 2) || ops[i] == CHANGE_DELETE ? "-" : rand() % 4 ? unique[i] : "=";
			if (tables[which].unique && values[i][3][0] == '=')
				values[i][3] = "~";
		}
		for (size_t i = 0; i < count; i++) {
			f->changes->tx.count = 0;
			changes_add(f->changes, one, ops[i], values[i]);
			refused += commit(f) != SINK_COMMITTED;
		}
		/* Every prefix of a table's changes was a legal table where they came from. */
		if (refused)
			continue;
		compared[which]++;
		f->changes->tx.count = 0;
		for (size_t i = 0; i < count; i++)
			changes_add(f->changes, many, ops[i], values[i]);
		result = commit(f);
		if (result != SINK_COMMITTED)
			fail_msg("round %d, table %zu: result %d: %s", round, which, result, f->err.text);
		snprintf(left, sizeof left, "%s", rows(f, "SELECT typeof(a), a, b, c, d FROM one ORDER BY a, b, c, d"));
		if (strcmp(rows(f, "SELECT typeof(a), a, b, c, d FROM many ORDER BY a, b, c, d"), left) != 0) {
			for (size_t i = 0; i < count; i++)
				print_message("%d: %s %s %s %s\n", ops[i], values[i][0], values[i][1], values[i][2], values[i][3]);
			fail_msg("round %d, table %zu: %s and not %s", round, which, buf_cstr(&f->text), left);
		}
	}
	for (size_t i = 0; i < sizeof compared / sizeof *compared; i++)
		assert_true(compared[i] >= 10);
}

static void never_called(struct takeover *takeover, const struct progress_loaded *loaded, const struct error *err)
{
	(void)takeover;
	(void)loaded;
	(void)err;
	fail();
}

static void on_recalled(struct recall *recall, const struct message *message, uint32_t part, struct slice headers)
{
	struct fixture *f = recall->ctx;

	buf_printf(&f->text, "%lld.%u %.*s %d %lld %lld %.*s %zu %.*s;", (long long)message->position, part, SLICE_ARG(message->topic),
		   message->partition, (long long)message->offset, (long long)message->time_ms, SLICE_ARG(message->key), message->value.n,
		   SLICE_ARG(headers));
}

static void on_recall_done(struct recall *recall, const struct error *err)
{
	assert_null(err);
	((struct fixture *)recall->ctx)->answered = true;
}

static const char *recalled(struct fixture *f, const struct partition *partition)
{
	static const int64_t offsets[] = { 41, 43, 42 };
	struct recall recall = { .partition = partition, .offsets = offsets, .count = 3, .message = on_recalled, .done = on_recall_done, .ctx = f };

	buf_clear(&f->text);
	f->answered = false;
	f->sink->ops->recall(f->sink, &recall);
	assert_false(f->answered);
	while (!f->answered)
		event_base_loop(f->loop, EVLOOP_ONCE);
	return buf_cstr(&f->text);
}

static void what_misses_its_row_is_parked_and_comes_back_whole(void **state)
{
	static const struct header headers[] = { { SLICE("h"), SLICE("\xff") } };
	struct fixture *f = *state;
	struct partition *owner = partition_new(SLICE("shop.orders"), 3, 0, 1);
	struct event *there, *missing;
	struct parked parked = { 0 };
	struct message *message;
	struct target *t;

	run(f, "CREATE TABLE t (id INTEGER PRIMARY KEY, paid INT); INSERT INTO t VALUES (1, 0)");
	take_over(f);
	t = describe(f, "t");
	t->parks = true;
	f->changes->message.owner = owner;
	f->changes->message.position = 42;
	f->changes->message.time_ms = 1234;
	f->changes->message.headers = headers;
	f->changes->message.header_count = 1;
	changes_add(f->changes, t, CHANGE_UPDATE, ROW("#1", "#5"))->waits = true;
	changes_add(f->changes, t, CHANGE_UPDATE, ROW("#2", "#6"))->waits = true;
	there = f->changes->events[0];
	missing = f->changes->events[1];
	message = arena_alloc(&f->changes->arena, sizeof *message);
	*message = f->changes->message;
	message->position = 43; /* a file replays offset 42 of shop.orders in its line 43 */
	event_set_message(missing, message);
	missing->part = 2;
	assert_int_equal(commit(f), SINK_MISSED);
	assert_true(!there->missed && missing->missed && missing->changes->missed);
	assert_string_equal(rows(f, "SELECT * FROM t"), "1,0;");
	missing->outcome = OUTCOME_PARKED;
	assert_int_equal(commit(f), SINK_COMMITTED);
	assert_string_equal(rows(f, "SELECT * FROM t"), "1,5;");
	assert_string_equal(rows(f, "SELECT topic, `partition`, `offset`, part, waits_for FROM streamlua_parked"), "shop.orders,3,43,2,t;");
	assert_string_equal(recalled(f, owner), "43.2 shop.orders 3 42 1234 k 2 [\"h\",{\"base64\":\"/w==\"}];");

	take_over(f);
	assert_int_equal(f->loaded[0].parked_count, 1);
	assert_int_equal(f->loaded[0].parked[0].offset, 43);
	assert_int_equal(f->loaded[0].parked[0].part, 2);
	assert_int_equal(f->loaded[0].parked[0].keys.n, 8);
	assert_in_range(f->loaded[0].parked[0].age_ms, 0, 60000);
	assert_int_equal(f->loaded[1].parked_count, 0);

	/* It is tried again in vain, then its row is there. */
	f->changes->tx.count = 1;
	f->changes->events[0] = missing;
	missing->parked = &parked;
	assert_int_equal(commit(f), SINK_COMMITTED);
	assert_string_equal(rows(f, "SELECT count(*) FROM streamlua_parked"), "1;");
	run(f, "INSERT INTO t VALUES (2, 0)");
	missing->outcome = OUTCOME_PENDING;
	assert_int_equal(commit(f), SINK_COMMITTED);
	assert_string_equal(rows(f, "SELECT * FROM t"), "1,5;2,6;");
	assert_string_equal(rows(f, "SELECT count(*) FROM streamlua_parked"), "0;");
	assert_string_equal(recalled(f, owner), "");
	partition_unref(owner);
}

static void closing_forgets_who_waits_for_a_takeover(void **state)
{
	static const struct source_partition_name name = { SLICE("t"), 0 };
	struct fixture *f = *state;
	struct takeover takeover = { .partitions = &name, .count = 1, .done = never_called };

	f->sink->ops->take_over(f->sink, &takeover);
	f->sink->ops->close(f->sink);
	f->sink = NULL;
}

static void a_path_that_cannot_be_is_said(void **state)
{
	struct fixture *f = *state;
	struct error err = { .text = "" };
	struct sink *sink = sqlite_new(f->loop, "/nowhere/at/all.db", "shop", &err);

	assert_int_equal(sink->ops->open(sink, &err), -1);
	assert_non_null(strstr(err.text, "/nowhere/at/all.db"));
	sink->ops->close(sink);
	assert_null(sqlite_new(f->loop, "", "shop", &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(schema_says_what_columns_mean),
		TEST(schema_says_how_keys_compare),
		TEST(takeover_makes_rows_and_raises_the_epoch),
		TEST(a_reset_forgets_how_far_it_came_and_keeps_others_out),
		TEST(a_reset_that_fails_moves_nothing),
		TEST(rows_and_progress_land_together),
		TEST(a_part_of_a_row_needs_no_other_part_of_a_row_that_is_there),
		TEST(a_worker_that_was_replaced_cannot_write),
		TEST(what_went_wrong_is_told_apart),
		TEST(a_locked_file_is_waited_for),
		TEST(a_takeover_waits_for_a_locked_file),
		TEST(what_sqlite_would_round_is_refused),
		TEST(doubles_keep_every_bit),
		TEST(a_dead_letter_is_kept_whole),
		TEST(what_misses_its_row_is_parked_and_comes_back_whole),
		TEST(a_batch_does_what_its_changes_do_in_order),
		TEST(closing_forgets_who_waits_for_a_takeover),
		TEST(a_path_that_cannot_be_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
