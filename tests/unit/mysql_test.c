/* The MySQL-protocol sink's promise: what it says of a transaction is what the database holds, whatever breaks in between. */
#include "flow/parking.h"
#include "flow/progress.h"
#include "support/mysql_fixture.h"

static struct mariadb db;

#define ORDERS "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(5) NOT NULL, price DECIMAL(10,2), CHECK (price < 1000))"

static int start_server(void **state)
{
	(void)state;
	mariadb_start(&db);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	mariadb_remove(&db);
	return 0;
}

static const char *rows(void)
{
	return mariadb_ask(&db, "SELECT * FROM t ORDER BY id");
}

static void changes_progress_and_dead_letters_land_together(void **state)
{
	struct fixture f;
	struct written w;
	struct taken t;
	int64_t epoch;

	(void)state;
	fixture_open(&f, &db, "together", ORDERS "; INSERT INTO t VALUES (1,'old',1), (2,'gone',2)");
	epoch = take(&f, f.sink, &t);
	written_init(&w, 2, epoch, 1);
	UPSERT(&f, &w, "1", "new", "1.50");
	written_add(&f, &w, CHANGE_DELETE, (const char *const[]){ "2", NULL, NULL });
	UPSERT(&f, &w, "3", "it\\'s", "NULL");
	UPSERT(&f, &w, "4", "\xf0\x9f\x98\x80", "3");
	w.events[3].outcome = OUTCOME_DEAD;
	w.events[3].stage = STAGE_SCRIPT;
	w.events[3].error = SLICE("orders.lua:3: no");
	w.progress.done = SLICE("\0\1\xff");
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	assert_string_equal(rows(), "1 new 1.50|3 it\\'s NULL");
	assert_string_equal(
		mariadb_ask(&db, "SELECT next_offset, epoch, seq, HEX(done) FROM streamlua_progress WHERE topic = 'shop.orders' AND lane = 2"),
		"10 1 1 0001FF");
	assert_string_equal(mariadb_ask(&db, "SELECT job, topic, value, error FROM streamlua_dead_letters"), "shop shop.orders raw orders.lua:3: no");
	fixture_close(&f);
}

static void values_arrive_whatever_the_servers_defaults_are(void **state)
{
	struct fixture f;
	struct written w;
	struct taken t;

	(void)state;
	mariadb_run(
		&db,
		"SET GLOBAL time_zone = '+05:00'; SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,NO_ZERO_DATE,ANSI_QUOTES'; SET GLOBAL autocommit = 0");
	fixture_open(&f, &db, "defaults",
		     "CREATE TABLE parent (id INT PRIMARY KEY); CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, at TIMESTAMP NULL, "
		     "day DATE, name VARCHAR(20) CHARACTER SET utf8mb4, parent INT, FOREIGN KEY (parent) REFERENCES parent (id))");
	written_init(&w, 0, take(&f, f.sink, &t), 1);
	UPSERT(&f, &w, "0", "2024-01-01 00:00:00", "0000-00-00", "\\\xf0\x9f\x98\x80'", "7");
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	assert_string_equal(mariadb_ask(&db, "SELECT id, UNIX_TIMESTAMP(at), day, HEX(name), parent FROM t"),
			    "0 1704067200 0000-00-00 5CF09F988027 7");
	mariadb_run(&db, "SET GLOBAL time_zone = 'SYSTEM'; SET GLOBAL sql_mode = DEFAULT; SET GLOBAL autocommit = 1");
	fixture_close(&f);
}

/* Writes the row alone and says what came of it. */
static enum sink_result write_one(struct fixture *f, int64_t epoch, int64_t seq, struct written *w, const char *id, const char *name,
				  const char *price)
{
	written_init(w, 0, epoch, seq);
	UPSERT(f, w, id, name, price);
	return written_commit(f, f->sink, w);
}

static void each_error_is_told_by_its_kind(void **state)
{
	struct fixture f;
	struct written w;
	struct taken t;
	int64_t epoch;

	(void)state;
	fixture_open(&f, &db, "kinds", ORDERS);
	epoch = take(&f, f.sink, &t);
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "toolong", "1"), SINK_REFUSED);
	assert_non_null(strstr(w.err.text, "1406"));
	assert_non_null(strstr(w.err.text, "22001"));
	assert_non_null(strstr(w.err.text, "'name'"));
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "NULL", "1"), SINK_REFUSED);      /* 1048 */
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "a", "123456789"), SINK_REFUSED); /* 1264 */
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "a", "1000"), SINK_REFUSED);      /* 4025 */
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "a", "x"), SINK_REFUSED);         /* 1366 */
	mariadb_run(&db, "ALTER TABLE t RENAME COLUMN price TO cost");
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "a", "1"), SINK_FAILED); /* 1054 */
	mariadb_run(&db, "RENAME TABLE t TO away");
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "a", "1"), SINK_FAILED); /* 1146 */
	assert_non_null(strstr(w.err.text, "1146"));
	mariadb_run(&db, "RENAME TABLE away TO t; ALTER TABLE t RENAME COLUMN cost TO price");
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "a", "1"), SINK_COMMITTED);
	assert_string_equal(rows(), "1 a 1.00");
	fixture_close(&f);
}

static void a_unique_value_of_another_row_is_told_as_taken(void **state)
{
	struct fixture f;
	struct written w;
	struct taken t;
	int64_t epoch;

	(void)state;
	fixture_open(&f, &db, "taken", "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(5), UNIQUE (name)); INSERT INTO t VALUES (1, 'a')");
	epoch = take(&f, f.sink, &t);
	written_init(&w, 0, epoch, 1);
	UPSERT(&f, &w, "2", "a");
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_TAKEN);
	assert_string_equal(rows(), "1 a");
	mariadb_run(&db, "DELETE FROM t");
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	fixture_close(&f);
}

/* Tries again as lanes do: on a busy machine two seconds may not be enough for an answer. */
static enum sink_result commit_in_the_end(struct fixture *f, struct sink *sink, struct written *w)
{
	enum sink_result result = SINK_RETRY;

	for (int tries = 0; result == SINK_RETRY && tries < 5; tries++)
		result = written_commit(f, sink, w);
	return result;
}

static void a_row_that_is_locked_is_tried_again(void **state)
{
	MYSQL *other = mariadb_login(&db);
	struct fixture f;
	struct written w;
	struct taken t;
	struct sink *quick;

	(void)state;
	fixture_open(&f, &db, "locked", ORDERS "; INSERT INTO t VALUES (1,'old',1)");
	quick = fixture_sink(&f, db.port, 2000); /* it waits for locks a little less than for the server */
	mariadb_on(other, "USE locked; BEGIN; UPDATE t SET name = 'x' WHERE id = 1");
	written_init(&w, 0, take(&f, quick, &t), 1);
	UPSERT(&f, &w, "1", "new", "2");
	assert_int_equal(written_commit(&f, quick, &w), SINK_RETRY);
	assert_non_null(strstr(w.err.text, "1205"));
	mariadb_on(other, "ROLLBACK");
	mysql_close(other);
	assert_int_equal(commit_in_the_end(&f, quick, &w), SINK_COMMITTED);
	quick->ops->close(quick);
	fixture_close(&f);
}

/* A list of keys with one in it would have the server read, and wait for, all rows. */
static void a_delete_waits_for_no_other_row(void **state)
{
	MYSQL *other = mariadb_login(&db);
	struct fixture f;
	struct written w;
	struct taken t;
	struct sink *quick;

	(void)state;
	fixture_open(&f, &db, "others",
		     "CREATE TABLE t (a INT, b VARCHAR(5), PRIMARY KEY (a, b)); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')");
	quick = fixture_sink(&f, db.port, 2000);
	mariadb_on(other, "USE others; BEGIN; DELETE FROM t WHERE a = 1");
	written_init(&w, 0, take(&f, quick, &t), 1);
	written_add(&f, &w, CHANGE_DELETE, (const char *const[]){ "2", "y" });
	assert_int_equal(commit_in_the_end(&f, quick, &w), SINK_COMMITTED);
	mysql_close(other);
	quick->ops->close(quick);
	fixture_close(&f);
}

static void on_recalled(struct recall *recall, const struct message *message, uint32_t part, struct slice headers)
{
	(void)headers;
	buf_printf(recall->ctx, "%lld.%u %.*s;", (long long)message->position, part, SLICE_ARG(message->value));
}

static bool recall_done;

static void on_recall_done(struct recall *recall, const struct error *err)
{
	(void)recall;
	assert_null(err);
	recall_done = true;
}

static void what_misses_its_row_is_parked_and_comes_back(void **state)
{
	static const int64_t offsets[] = { 101, 102 };
	struct partition *owner = partition_new(SLICE("shop.orders"), 3, 0, 1);
	struct recall recall = { .partition = owner, .offsets = offsets, .count = 2, .message = on_recalled, .done = on_recall_done };
	struct buf text = BUF_INIT;
	struct parked parked = { 0 };
	struct fixture f;
	struct written w;
	struct taken t;
	int64_t epoch;

	(void)state;
	fixture_open(&f, &db, "parked",
		     "CREATE TABLE t (name VARCHAR(5) COLLATE utf8mb4_general_ci, id INT, paid INT, PRIMARY KEY (id, name)); "
		     "INSERT INTO t VALUES ('a', 1, 0)");
	f.target.parks = true;
	epoch = take(&f, f.sink, &t);
	for (int exact = 1; exact >= 0; exact--) {
		f.target.key_exact = exact;
		written_init(&w, 0, epoch, 2 - exact);
		for (int i = 0; i < 2; i++) {
			struct event *event = written_add(&f, &w, CHANGE_UPDATE,
							  (const char *const[]){ i ? "b" : "A", i ? "2" : "1", exact ? "5" : "6" });

			event->changes->waits = true;
			w.messages[i].owner = owner;
			w.messages[i].position = w.messages[i].offset;
		}
		assert_int_equal(written_commit(&f, f.sink, &w), SINK_MISSED);
		assert_true(!w.events[0].missed && w.events[1].missed);
		assert_string_equal(rows(), exact ? "a 1 0" : "A 1 5");
		w.events[1].outcome = OUTCOME_PARKED;
		assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	}
	assert_string_equal(mariadb_ask(&db, "SELECT topic, `partition`, `offset`, part, waits_for FROM streamlua_parked"), "shop.orders 3 101 0 t");
	recall.ctx = &text;
	f.sink->ops->recall(f.sink, &recall);
	UNTIL(f.loop, recall_done);
	assert_string_equal(buf_cstr(&text), "101.0 raw;");
	buf_free(&text);

	epoch = take(&f, f.sink, &t);
	assert_int_equal(t.loaded[0].parked_count, 1);
	assert_in_range(t.loaded[0].parked_count, 0, 60000);
	mariadb_run(&db, "INSERT INTO t VALUES ('b', 2, 0)");
	written_init(&w, 0, epoch, 3);
	written_add(&f, &w, CHANGE_UPDATE, (const char *const[]){ "b", "2", "7" })->changes->waits = true;
	w.messages[0].owner = owner;
	w.messages[0].position = 101;
	w.events[0].parked = &parked;
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	assert_string_equal(mariadb_ask(&db, "SELECT paid FROM t WHERE id = 2"), "7");
	assert_string_equal(mariadb_ask(&db, "SELECT COUNT(*) FROM streamlua_parked"), "0");
	partition_unref(owner);
	fixture_close(&f);
}

static void a_missing_privilege_is_the_jobs_failure(void **state)
{
	struct fixture f;
	struct written w;
	struct taken t;
	struct sink *poor;
	struct error err;

	(void)state;
	fixture_open(&f, &db, "privileges", ORDERS);
	mariadb_run(
		&db,
		"CREATE OR REPLACE USER poor@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT SELECT, INSERT, UPDATE ON privileges.streamlua_progress TO "
		"poor@'127.0.0.1'; GRANT SELECT, INSERT, DELETE ON privileges.streamlua_dead_letters TO poor@'127.0.0.1'; "
		"GRANT SELECT, INSERT, DELETE ON privileges.streamlua_parked TO poor@'127.0.0.1'");
	f.options.user = "poor";
	f.options.password = "secret";
	poor = fixture_sink(&f, db.port, 0);
	assert_int_equal(poor->ops->open(poor, &err), 0); /* our tables are there: it need not make them */
	written_init(&w, 0, take(&f, poor, &t), 1);
	UPSERT(&f, &w, "1", "a", "1");
	assert_int_equal(written_commit(&f, poor, &w), SINK_FAILED);
	assert_non_null(strstr(w.err.text, "1142"));
	poor->ops->close(poor);
	fixture_close(&f);
}

static void a_text_larger_than_the_server_takes_is_refused_before_it_is_sent(void **state)
{
	static char large[700000], larger[1100000];
	struct fixture f;
	struct written w;
	struct taken t;
	int64_t epoch;

	(void)state;
	memset(large, 'x', sizeof large - 1);
	memset(larger, 'x', sizeof larger - 1);
	mariadb_run(&db, "SET GLOBAL max_allowed_packet = 1048576");
	fixture_open(&f, &db, "large", "CREATE TABLE t (id INT PRIMARY KEY, name LONGTEXT)");
	epoch = take(&f, f.sink, &t);
	written_init(&w, 0, epoch, 1);
	UPSERT(&f, &w, "1", large);
	UPSERT(&f, &w, "2", large);
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_REFUSED);
	assert_non_null(strstr(w.err.text, "max_allowed_packet"));
	w.tx.count = 1;
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	/* A dead letter that does not fit cannot become another: only the server's setting helps. */
	written_init(&w, 0, epoch, 2);
	UPSERT(&f, &w, "3", "a");
	w.events[0].outcome = OUTCOME_DEAD;
	w.messages[0].value = slice_of(larger);
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_FAILED);
	mariadb_run(&db, "SET GLOBAL max_allowed_packet = 67108864");
	fixture_close(&f);
}

static void a_worker_whose_partition_was_taken_over_cannot_write(void **state)
{
	struct fixture f;
	struct written w;
	struct taken t;
	struct sink *other;
	int64_t epoch, later;

	(void)state;
	fixture_open(&f, &db, "fenced", ORDERS);
	epoch = take(&f, f.sink, &t);
	assert_true(t.loaded[0].fresh && t.loaded[1].fresh);
	assert_int_equal(t.loaded[0].lane_count, 4);
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "a", "1"), SINK_COMMITTED);
	other = fixture_sink(&f, db.port, 0);
	later = take(&f, other, &t);
	assert_true(later > epoch);
	assert_false(t.loaded[0].fresh);
	assert_true(t.loaded[1].fresh); /* taken before, never written */
	assert_int_equal(t.loaded[0].next_offset, 10);
	assert_int_equal(t.loaded[0].lanes[0].seq, 1);
	assert_int_equal(t.loaded[0].lanes[1].seq, 0);
	assert_true(t.loaded[0].watermark == INT64_MIN);
	assert_int_equal(write_one(&f, epoch, 2, &w, "2", "b", "2"), SINK_FENCED);
	assert_string_equal(rows(), "1 a 1.00");
	written_init(&w, 0, later, 2);
	w.progress.watermark = 5000;
	w.progress.done = SLICE("\0x");
	UPSERT(&f, &w, "2", "c", "2");
	assert_int_equal(written_commit(&f, other, &w), SINK_COMMITTED);
	assert_string_equal(rows(), "1 a 1.00|2 c 2.00");
	take(&f, f.sink, &t);
	assert_int_equal(t.loaded[0].watermark, 5000);
	assert_int_equal(t.loaded[0].lanes[0].seq, 2);
	assert_int_equal(t.loaded[0].lanes[0].next_offset, 20);
	assert_int_equal(t.loaded[0].lanes[0].done.n, 2);
	other->ops->close(other);
	fixture_close(&f);
}

/* In one transaction: progress that has moved beside state that has not would count twice. */
static void a_reset_takes_progress_and_state_or_neither(void **state)
{
	struct fixture f;
	struct taken t;
	struct written w;
	struct error err;

	(void)state;
	fixture_open(&f, &db, "reset", ORDERS);
	take(&f, f.sink, &t);
	written_init(&w, 0, t.loaded[0].epoch, 1);
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	mariadb_run(
		&db,
		"INSERT INTO streamlua_state (job, script, map, `key`, value, version, topic, `partition`) "
		"SELECT DISTINCT job, 's', '', '[1]', '{}', 1, 't', 0 FROM streamlua_progress UNION SELECT 'other', 's', '', '[1]', '{}', 1, 't', 0");
	mariadb_run(&db, "CREATE TRIGGER kept BEFORE DELETE ON streamlua_state FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it stays'");
	assert_int_equal(f.sink->ops->reset(f.sink, true, &err), -1);
	assert_non_null(strstr(err.text, "it stays"));
	take(&f, f.sink, &t);
	assert_false(t.loaded[0].next_offset == -1);
	assert_int_equal(f.sink->ops->reset(f.sink, false, &err), 0);
	assert_string_equal(mariadb_ask(&db, "SELECT COUNT(*) FROM streamlua_state"), "2");
	mariadb_run(&db, "DROP TRIGGER kept");
	assert_int_equal(f.sink->ops->reset(f.sink, true, &err), 0);
	assert_string_equal(mariadb_ask(&db, "SELECT job FROM streamlua_state"), "other");
	take(&f, f.sink, &t);
	assert_true(t.loaded[0].next_offset == -1);
	fixture_close(&f);
}

static void two_that_take_over_at_once_never_share_an_epoch(void **state)
{
	struct fixture f;
	struct written w;
	struct taken a, b;
	struct sink *other;

	(void)state;
	fixture_open(&f, &db, "at_once", ORDERS);
	other = fixture_sink(&f, db.port, 0);
	for (int64_t round = 0; round < 20; round++) {
		if (round % 2)
			mariadb_run(&db, "DELETE FROM streamlua_progress"); /* fresh: there are no rows yet that could be locked */
		else
			mariadb_run(&db, "UPDATE streamlua_progress SET seq = 0");
		taken_begin(f.sink, &a);
		taken_begin(other, &b);
		UNTIL(f.loop, a.answers && b.answers);
		assert_int_not_equal(a.loaded[0].epoch, b.loaded[0].epoch);
		/* The larger one holds it. */
		written_init(&w, 0, a.loaded[0].epoch, 1);
		assert_int_equal(written_commit(&f, f.sink, &w), a.loaded[0].epoch > b.loaded[0].epoch ? SINK_COMMITTED : SINK_FENCED);
	}
	other->ops->close(other);
	fixture_close(&f);
}

/* Requests that follow each other are answered in order, with a row for each lane of whoever asks. */
static void a_run_with_other_lanes_finds_all_rows(void **state)
{
	struct fixture f;
	struct taken t, again;
	struct sink *fewer;

	(void)state;
	fixture_open(&f, &db, "lanes", ORDERS);
	taken_begin(f.sink, &t);
	taken_begin(f.sink, &again);
	UNTIL(f.loop, again.answers > 0);
	assert_int_equal(t.answers, 1);
	assert_int_equal(again.loaded[0].epoch, t.loaded[0].epoch + 1);
	f.options.lanes = 6;
	fewer = fixture_sink(&f, db.port, 0);
	take(&f, fewer, &t);
	assert_int_equal(t.loaded[0].lane_count, 6);
	assert_string_equal(mariadb_ask(&db, "SELECT COUNT(*), MIN(epoch), MAX(epoch) FROM streamlua_progress WHERE topic = 'it''s'"), "6 3 3");
	fewer->ops->close(fewer);
	fixture_close(&f);
}

static void a_commit_whose_answer_is_lost_is_told_as_committed(void **state)
{
	struct fixture f;
	struct proxy proxy;
	struct written w;
	struct taken t;
	struct sink *sink;

	(void)state;
	fixture_open(&f, &db, "answer_lost", ORDERS);
	proxy_start(&proxy, f.loop, db.port);
	sink = fixture_sink(&f, proxy.port, 0);
	written_init(&w, 0, take(&f, sink, &t), 1);
	UPSERT(&f, &w, "1", "a", "1");
	assert_int_equal(written_commit(&f, sink, &w), SINK_COMMITTED);
	w.progress.seq = 2;
	w.answers = 0;
	proxy.hold_answers = true;
	sink->ops->commit(sink, &w.tx);
	UNTIL(f.loop, strcmp(mariadb_ask(&db, "SELECT seq FROM streamlua_progress WHERE topic = 'shop.orders' AND lane = 0"), "2") == 0);
	assert_int_equal(w.answers, 0);
	proxy.hold_answers = false;
	proxy_cut(&proxy, true);
	UNTIL(f.loop, w.answers > 0);
	assert_int_equal(w.result, SINK_COMMITTED);
	sink->ops->close(sink);
	proxy_stop(&proxy);
	fixture_close(&f);
}

static void a_transaction_that_never_arrived_is_to_be_sent_again(void **state)
{
	struct fixture f;
	struct proxy proxy;
	struct written w;
	struct taken t;
	struct sink *sink;

	(void)state;
	fixture_open(&f, &db, "never_arrived", ORDERS);
	proxy_start(&proxy, f.loop, db.port);
	sink = fixture_sink(&f, proxy.port, 0);
	written_init(&w, 0, take(&f, sink, &t), 1);
	UPSERT(&f, &w, "1", "a", "1");
	proxy.cut_on_question = "COMMIT";
	assert_int_equal(written_commit(&f, sink, &w), SINK_RETRY);
	assert_string_equal(rows(), "");
	proxy.cut_on_question = NULL;
	assert_int_equal(written_commit(&f, sink, &w), SINK_COMMITTED);
	assert_string_equal(rows(), "1 a 1.00");
	sink->ops->close(sink);
	proxy_stop(&proxy);
	fixture_close(&f);
}

/* Waits until so many transactions of the server wait for a lock. The server renews what it shows of them only where nobody has
 * looked for 100 ms. */
static void until_waiting(struct fixture *f, const char *count)
{
	int64_t looked_ms = 0;

	UNTIL(f->loop,
	      clock_mono_ms() > looked_ms + 120 &&
		      (looked_ms = clock_mono_ms(),
		       strcmp(mariadb_ask(&db, "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"), count) == 0));
}

static void a_transaction_that_still_runs_on_the_server_is_waited_for(void **state)
{
	MYSQL *other = mariadb_login(&db);
	struct fixture f;
	struct proxy proxy;
	struct written w;
	struct taken t;
	struct sink *sink;

	(void)state;
	fixture_open(&f, &db, "still_runs", ORDERS "; INSERT INTO t VALUES (1,'old',1)");
	proxy_start(&proxy, f.loop, db.port);
	sink = fixture_sink(&f, proxy.port, 0);
	written_init(&w, 0, take(&f, sink, &t), 1);
	UPSERT(&f, &w, "1", "new", "2");
	mariadb_on(other, "USE still_runs; BEGIN; SELECT * FROM t FOR UPDATE");
	sink->ops->commit(sink, &w.tx);
	until_waiting(&f, "1");
	proxy_cut(&proxy, false);
	until_waiting(&f, "2"); /* the one that was sent, and the one that reads back */
	assert_int_equal(w.answers, 0);
	mysql_close(other);
	UNTIL(f.loop, w.answers > 0);
	assert_int_equal(w.result, SINK_COMMITTED);
	assert_string_equal(rows(), "1 new 2.00");
	sink->ops->close(sink);
	proxy_stop(&proxy);
	fixture_close(&f);
}

static void a_server_that_falls_silent_counts_as_lost(void **state)
{
	struct fixture f;
	struct proxy proxy;
	struct written w;
	struct taken t;
	struct sink *sink;

	(void)state;
	fixture_open(&f, &db, "silent", ORDERS);
	proxy_start(&proxy, f.loop, db.port);
	sink = fixture_sink(&f, proxy.port, 1000);
	written_init(&w, 0, take(&f, sink, &t), 1);
	UPSERT(&f, &w, "1", "a", "1");
	assert_int_equal(written_commit(&f, sink, &w), SINK_COMMITTED);
	w.progress.seq = 2;
	w.answers = 0;
	proxy.hold_answers = true;
	sink->ops->commit(sink, &w.tx);
	UNTIL(f.loop, proxy.accepted > 2); /* it has given up the connection, and tries another */
	proxy_release(&proxy);
	UNTIL(f.loop, w.answers > 0);
	assert_int_equal(w.result, SINK_COMMITTED);
	sink->ops->close(sink);
	proxy_stop(&proxy);
	fixture_close(&f);
}

static void a_killed_connection_loses_nothing(void **state)
{
	MYSQL *other = mariadb_login(&db);
	struct fixture f;
	struct written w;
	struct taken t;

	(void)state;
	fixture_open(&f, &db, "killed", ORDERS "; INSERT INTO t VALUES (1,'old',1)");
	written_init(&w, 0, take(&f, f.sink, &t), 1);
	UPSERT(&f, &w, "1", "new", "2");
	mariadb_on(other, "USE killed; BEGIN; SELECT * FROM t FOR UPDATE");
	f.sink->ops->commit(f.sink, &w.tx);
	until_waiting(&f, "1");
	mariadb_run(&db, "KILL %s", mariadb_ask(&db, "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"));
	UNTIL(f.loop, w.answers > 0);
	assert_int_equal(w.result, SINK_RETRY);
	mysql_close(other);
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	/* One that was ended while nothing was on it is not even noticed. */
	mariadb_run(&db, "KILL %s",
		    mariadb_ask(&db, "SELECT MAX(id) FROM information_schema.processlist WHERE user = 'streamlua' AND db = 'killed'"));
	UNTIL(f.loop,
	      strcmp(mariadb_ask(&db, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'streamlua' AND db = 'killed'"), "1") == 0);
	w.progress.seq = 2;
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_COMMITTED);
	fixture_close(&f);
}

static void a_server_that_restarts_loses_nothing(void **state)
{
	struct fixture f;
	struct written w;
	struct taken t;
	struct error err;
	int64_t epoch;

	(void)state;
	fixture_open(&f, &db, "restart", ORDERS);
	epoch = take(&f, f.sink, &t);
	assert_int_equal(write_one(&f, epoch, 1, &w, "1", "a", "1"), SINK_COMMITTED);
	mariadb_stop(&db);
	written_init(&w, 0, epoch, 2);
	UPSERT(&f, &w, "2", "b", "2");
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_RETRY);
	assert_int_equal(written_commit(&f, f.sink, &w), SINK_RETRY);
	assert_int_equal(f.sink->ops->open(f.sink, &err), -1);
	assert_non_null(strstr(err.text, "the database is running"));
	taken_begin(f.sink, &t);
	event_base_loop(f.loop, EVLOOP_ONCE);
	assert_int_equal(t.answers, 0);
	mariadb_start(&db);
	mariadb_run(&db, "USE restart");
	UNTIL(f.loop, t.answers > 0);
	assert_int_equal(write_one(&f, t.loaded[0].epoch, 2, &w, "2", "b", "2"), SINK_COMMITTED);
	assert_string_equal(rows(), "1 a 1.00|2 b 2.00");
	fixture_close(&f);
}

static void closing_drops_what_is_on_its_way(void **state)
{
	MYSQL *other = mariadb_login(&db);
	struct fixture f;
	struct written w, unsent;
	struct taken t;

	(void)state;
	fixture_open(&f, &db, "closing", ORDERS "; INSERT INTO t VALUES (1,'old',1)");
	written_init(&w, 0, take(&f, f.sink, &t), 1);
	UPSERT(&f, &w, "1", "new", "2");
	mariadb_on(other, "USE closing; BEGIN; SELECT * FROM t FOR UPDATE");
	f.sink->ops->commit(f.sink, &w.tx);
	until_waiting(&f, "1");
	written_init(&unsent, 1, t.loaded[0].epoch, 1);
	f.sink->ops->commit(f.sink, &unsent.tx); /* still connecting */
	taken_begin(f.sink, &t);
	f.sink->ops->close(f.sink);
	mysql_close(other);
	event_base_loop(f.loop, EVLOOP_NONBLOCK);
	assert_int_equal(w.answers + unsent.answers + t.answers, 0);
	event_base_free(f.loop);
	arena_free(&f.arena);
}

static void on_line(void *ctx, struct slice text)
{
	strncat(ctx, text.p, text.n);
}

static void shown_is_what_would_be_written_without_progress(void **state)
{
	char shown[4096] = "";
	struct fixture f;
	struct written w;

	(void)state;
	fixture_open(&f, &db, "shown", ORDERS);
	written_init(&w, 0, 1, 1);
	UPSERT(&f, &w, "1", "a", "1");
	f.sink->ops->show(f.sink, &w.tx, on_line, shown);
	assert_non_null(strstr(shown, "INSERT INTO"));
	assert_non_null(strstr(shown, "COMMIT"));
	assert_null(strstr(shown, "streamlua_progress"));
	assert_string_equal(rows(), "");
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_progress_and_dead_letters_land_together),
		cmocka_unit_test(values_arrive_whatever_the_servers_defaults_are),
		cmocka_unit_test(each_error_is_told_by_its_kind),
		cmocka_unit_test(a_unique_value_of_another_row_is_told_as_taken),
		cmocka_unit_test(a_row_that_is_locked_is_tried_again),
		cmocka_unit_test(a_delete_waits_for_no_other_row),
		cmocka_unit_test(what_misses_its_row_is_parked_and_comes_back),
		cmocka_unit_test(a_missing_privilege_is_the_jobs_failure),
		cmocka_unit_test(a_text_larger_than_the_server_takes_is_refused_before_it_is_sent),
		cmocka_unit_test(a_worker_whose_partition_was_taken_over_cannot_write),
		cmocka_unit_test(a_reset_takes_progress_and_state_or_neither),
		cmocka_unit_test(two_that_take_over_at_once_never_share_an_epoch),
		cmocka_unit_test(a_run_with_other_lanes_finds_all_rows),
		cmocka_unit_test(a_commit_whose_answer_is_lost_is_told_as_committed),
		cmocka_unit_test(a_transaction_that_never_arrived_is_to_be_sent_again),
		cmocka_unit_test(a_transaction_that_still_runs_on_the_server_is_waited_for),
		cmocka_unit_test(a_server_that_falls_silent_counts_as_lost),
		cmocka_unit_test(a_killed_connection_loses_nothing),
		cmocka_unit_test(a_server_that_restarts_loses_nothing),
		cmocka_unit_test(closing_drops_what_is_on_its_way),
		cmocka_unit_test(shown_is_what_would_be_written_without_progress),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
