#include "io/sqlite.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/sql.h"
#include "io/sqlite_exact.h"
#include "io/sqlite_recall.h"
#include "io/sqlite_schema.h"
#include "io/sqlite_state.h"
#include "io/sqlite_takeover.h"
#include "io/sqlite_tables.h"

/* Standing back: from the first to the last, doubling. A lock is held for milliseconds; anything else takes somebody's hand. */
enum { BUSY_MS = 10, TROUBLE_MS = 500, BACK_OFF_MS_MOST = 5000 };
enum { SAY_EVERY = 12 }; /* failed takeovers in a row */

struct request {
	struct request *next;
	struct takeover *takeover;
};

struct sqlite {
	struct sink sink;
	char *path, *job;
	sqlite3 *db;

	struct tx *tx;     /* NULL: idle */
	struct event *due; /* tx is to be tried or, where `judged`, to be told its result */
	bool judged;
	enum sink_result result;
	struct error err;
	unsigned failures; /* in a row */
	struct batch batch;
	struct sql_text sql;

	struct recall *recall; /* NULL: nothing is to be read back */
	struct event *recalls;
	struct buf question;

	struct request *first, **end; /* takeovers */
	struct event *control;        /* the first of them is to be tried */
	unsigned control_failures;
	struct arena arena;

	struct sqlite_state *state;
};

static struct sqlite *self(struct sink *sink)
{
	return (struct sqlite *)sink;
}

static bool is_busy(int code)
{
	code &= 0xff;
	return code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_PROTOCOL || code == SQLITE_INTERRUPT;
}

/* With some chance in it: two that met once are not to meet again. */
static void stand_back(struct event *timer, unsigned failures, int first_ms)
{
	int64_t ms = first_ms;

	for (unsigned i = 1; i < failures && ms < BACK_OFF_MS_MOST; i++)
		ms *= 2;
	ms = ms < BACK_OFF_MS_MOST ? ms : BACK_OFF_MS_MOST;
	ms = ms / 2 + clock_mono_us() % (ms / 2 + 1);
	event_add(timer, &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
}

static void roll_back(struct sqlite *s)
{
	/* Some errors have ended the transaction already. */
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

/* What an error in a statement means. `stepped`: it was understood, so the table and its columns are there. */
static enum sink_result judge(int code, enum sql_part part, bool stepped)
{
	switch (code & 0xff) {
	case SQLITE_CONSTRAINT:
		if (part == SQL_GUARD)
			return SINK_MISSED;
		if (part != SQL_ROWS)
			return SINK_FAILED;
		if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_ROWID)
			return SINK_TAKEN;
		return SINK_REFUSED;
	case SQLITE_MISMATCH: /* text in an INTEGER PRIMARY KEY */
	case SQLITE_TOOBIG:
		return SINK_REFUSED;
	case SQLITE_ERROR: /* a generated column or a CHECK that could not be worked out, or: no such table */
		return stepped && part == SQL_ROWS ? SINK_REFUSED : SINK_FAILED;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_MISUSE:
		return SINK_FAILED;
	default: /* locked, disk full, I/O error */
		return SINK_RETRY;
	}
}

static enum sink_result run_statement(struct sqlite *s, char *text, size_t n, enum sql_part part)
{
	sqlite3_stmt *statement = NULL;
	enum sink_result result = SINK_COMMITTED;
	bool stepped = false;
	int code = sqlite3_prepare_v2(s->db, text, (int)n, &statement, NULL);

	if (code == SQLITE_OK) {
		stepped = true;
		code = sqlite3_step(statement);
	}
	if (code != SQLITE_DONE && code != SQLITE_ROW) {
		error_set(&s->err, "%s", sqlite3_errmsg(s->db));
		result = judge(code, part, stepped);
		if (result == SINK_RETRY || result == SINK_FAILED)
			stand_back(s->due, ++s->failures, is_busy(code) ? BUSY_MS : TROUBLE_MS);
	} else if (part == SQL_PROGRESS && sqlite3_changes(s->db) != 1) {
		error_set(&s->err, "streamlua_progress is not as this worker left it: its partition was taken over");
		result = SINK_FENCED;
	}
	sqlite3_finalize(statement);
	return result;
}

/* Which rows are missing, in the transaction that found so. A question that cannot be asked is asked again with the same transaction. */
static void ask_what_is_missing(struct sqlite *s)
{
	const char *rest;
	size_t count;

	buf_clear(&s->question);
	count = sql_parked_probe(&s->question, SQL_SQLITE, s->tx);
	rest = buf_cstr(&s->question);
	for (size_t i = 0; i < count; i++) {
		sqlite3_stmt *select = NULL;

		if (sqlite3_prepare_v2(s->db, rest, -1, &select, &rest) == SQLITE_OK && sqlite3_step(select) == SQLITE_ROW)
			sql_parked_missed(s->tx, i);
		sqlite3_finalize(select);
	}
}

static enum sink_result write_tx(struct sqlite *s)
{
	size_t from = 0;

	batch_build(&s->batch, s->tx);
	if (sqlite_exact_check(&s->batch, &s->batch.arena, &s->err) < 0)
		return SINK_REFUSED;
	sql_text_clear(&s->sql);
	sql_transaction(&s->sql, SQL_SQLITE, s->job, s->tx, &s->batch);
	for (size_t i = 0; i < s->sql.count; from = s->sql.ends[i++]) {
		char *text = s->sql.text.p + from;
		size_t n = s->sql.ends[i] - from - 1;
		enum sink_result result;

		text[n - 1] = 0; /* for the semicolon: SQLite copies a text that does not end in NUL */
		result = run_statement(s, text, n, s->sql.parts[i]);
		if (result != SINK_COMMITTED) {
			if (result == SINK_MISSED)
				ask_what_is_missing(s);
			roll_back(s);
			return result;
		}
	}
	s->failures = 0;
	return SINK_COMMITTED;
}

static void on_due(evutil_socket_t fd, short what, void *ctx)
{
	struct sqlite *s = ctx;
	struct tx *tx = s->tx;

	(void)fd, (void)what;
	if (!s->judged) {
		s->result = write_tx(s);
		s->judged = true;
		if (s->result == SINK_RETRY || s->result == SINK_FAILED)
			return; /* told when the timer is up */
	}
	s->tx = NULL;
	tx->done(tx, s->result, s->result == SINK_COMMITTED ? NULL : &s->err);
}

static void sqlite_commit(struct sink *sink, struct tx *tx)
{
	struct sqlite *s = self(sink);

	BUG_IF(s->tx || tx->lane != 0);
	s->tx = tx;
	s->judged = false;
	event_active(s->due, EV_TIMEOUT, 0);
}

static void on_control(evutil_socket_t fd, short what, void *ctx)
{
	struct sqlite *s = ctx;
	struct request *request = s->first;
	struct progress_loaded *loaded;
	int code;

	(void)fd, (void)what;
	arena_reset(&s->arena);
	loaded = arena_zalloc(&s->arena, request->takeover->count * sizeof *loaded);
	code = sqlite_takeover_run(s->db, s->job, request->takeover, s->sink.lanes, &s->arena, loaded);
	if (code != SQLITE_OK) {
		if (++s->control_failures % SAY_EVERY == 1 && (s->control_failures > 1 || !is_busy(code)))
			log_warn("sqlite: taking partitions over waits: %s", sqlite3_errmsg(s->db));
		roll_back(s);
		stand_back(s->control, s->control_failures, is_busy(code) ? BUSY_MS : TROUBLE_MS);
		return;
	}
	s->control_failures = 0;
	/* It stays the first until it has heard: what is lent must outlive a request that is added meanwhile. */
	request->takeover->done(request->takeover, loaded, NULL);
	s->first = request->next;
	free(request);
	if (s->first)
		event_active(s->control, EV_TIMEOUT, 0);
	else
		s->end = &s->first;
}

static void sqlite_take_over(struct sink *sink, struct takeover *takeover)
{
	struct sqlite *s = self(sink);
	struct request *request = calloc(1, sizeof *request);

	BUG_IF(!request);
	request->takeover = takeover;
	if (!s->first)
		event_active(s->control, EV_TIMEOUT, 0);
	*s->end = request;
	s->end = &request->next;
}

static void on_recalls(evutil_socket_t fd, short what, void *ctx)
{
	struct sqlite *s = ctx;
	struct recall *recall = s->recall;
	int code = sqlite_recall_run(s->db, s->job, recall);
	struct error err;

	(void)fd, (void)what;
	error_set(&err, "sqlite: %s: %s", s->path, sqlite3_errmsg(s->db));
	s->recall = NULL;
	recall->done(recall, code == SQLITE_OK ? NULL : &err);
}

static void sqlite_recall(struct sink *sink, struct recall *recall)
{
	struct sqlite *s = self(sink);

	BUG_IF(s->recall);
	s->recall = recall;
	event_active(s->recalls, EV_TIMEOUT, 0);
}

static void sqlite_load_state(struct sink *sink, struct state_load *load)
{
	sqlite_state_load(self(sink)->state, self(sink)->db, load);
}

static int failed(struct sqlite *s, int code, struct error *err)
{
	return error_set(err, "sqlite: %s: %s", s->path, s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code));
}

static int sqlite_look(struct sink *sink, struct error *err)
{
	struct sqlite *s = self(sink);
	int code;

	sqlite3_close(s->db);
	code = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE, NULL);
	return code == SQLITE_OK ? 0 : failed(s, code, err);
}

static int run_for_job(struct sqlite *s, const char *text)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(s->db, text, -1, &statement, NULL);

	if (code == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, s->job, -1, SQLITE_STATIC);
		code = sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int sqlite_reset(struct sink *sink, bool state, struct error *err)
{
	struct sqlite *s = self(sink);
	int code, result;

	sqlite3_busy_timeout(s->db, BACK_OFF_MS_MOST);
	code = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = run_for_job(s,
				   "UPDATE streamlua_progress SET next_offset = -1, done = x'', watermark = NULL, epoch = epoch + 1 WHERE job = ?1");
	if (code == SQLITE_OK)
		code = run_for_job(s, "DELETE FROM streamlua_parked WHERE job = ?1");
	if (code == SQLITE_OK && state)
		code = run_for_job(s, "DELETE FROM streamlua_state WHERE job = ?1");
	if (code == SQLITE_OK)
		code = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
	result = code == SQLITE_OK ? 0 : failed(s, code, err);
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_busy_timeout(s->db, 0);
	return result;
}

static int sqlite_query(struct sink *sink, struct slice statements, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx,
			struct error *err)
{
	struct sqlite *s = self(sink);
	struct buf text = BUF_INIT;
	int code;

	buf_slice(&text, statements);
	sqlite3_busy_timeout(s->db, BACK_OFF_MS_MOST);
	code = sqlite_query_run(s->db, buf_cstr(&text), row, ctx);
	sqlite3_busy_timeout(s->db, 0);
	buf_free(&text);
	return code == SQLITE_OK ? 0 : failed(s, code, err);
}

static int sqlite_open(struct sink *sink, struct error *err)
{
	/* FULL: a transaction is on the disk before anybody is told that it is committed. NORMAL would keep rows and progress together too,
	 * but a power failure could take back what the source has been told is done, and may have deleted. */
	static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;";
	struct sqlite *s = self(sink);
	int code;

	sqlite3_close(s->db); /* look() may have come before */
	code = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (code == SQLITE_OK) {
		sqlite3_extended_result_codes(s->db, 1);
		sqlite3_busy_timeout(s->db, BACK_OFF_MS_MOST);
		code = sqlite3_exec(s->db, settings, NULL, NULL, NULL);
	}
	if (code == SQLITE_OK)
		code = sqlite_tables_make(s->db);
	if (code != SQLITE_OK)
		return failed(s, code, err);
	/* From now on the loop does the waiting. */
	sqlite3_busy_timeout(s->db, 0);
	return 0;
}

static int sqlite_describe(struct sink *sink, struct target *target, struct error *err)
{
	return sqlite_schema_describe(self(sink)->db, target, err);
}

static void sqlite_show(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	struct sqlite *s = self(sink);
	struct batch batch = { 0 };
	struct sql_text sql = { 0 };
	struct error err;

	batch_build(&batch, tx);
	if (sqlite_exact_check(&batch, &batch.arena, &err) < 0) {
		struct slice text = arena_printf(&batch.arena, "-- refused: %s", err.text);

		line(ctx, text);
	}
	sql_transaction(&sql, SQL_SQLITE, s->job, tx, &batch);
	sql_show(&sql, tx, line, ctx);
	sql_text_free(&sql);
	batch_free(&batch);
}

static void sqlite_close(struct sink *sink)
{
	struct sqlite *s = self(sink);

	event_free(s->due);
	event_free(s->control);
	event_free(s->recalls);
	buf_free(&s->question);
	sqlite_state_free(s->state);
	while (s->first) {
		struct request *request = s->first;

		s->first = request->next;
		free(request);
	}
	sqlite3_close(s->db);
	batch_free(&s->batch);
	sql_text_free(&s->sql);
	arena_free(&s->arena);
	free(s->path);
	free(s->job);
	free(s);
}

static const struct sink_ops sqlite_ops = {
	.name = "sqlite",
	.transactional = true,
	.open = sqlite_open,
	.look = sqlite_look,
	.reset = sqlite_reset,
	.query = sqlite_query,
	.describe = sqlite_describe,
	.take_over = sqlite_take_over,
	.commit = sqlite_commit,
	.recall = sqlite_recall,
	.load_state = sqlite_load_state,
	.show = sqlite_show,
	.close = sqlite_close,
};

struct sink *sqlite_new(struct event_base *loop, const char *path, const char *job, struct error *err)
{
	struct sqlite *s;

	if (!path || !*path) {
		error_set(err, "a sqlite sink needs a path");
		return NULL;
	}
	s = calloc(1, sizeof *s);
	BUG_IF(!s);
	s->sink = (struct sink){ .ops = &sqlite_ops, .lanes = 1 };
	s->path = strdup(path);
	s->job = strdup(job);
	s->end = &s->first;
	s->due = event_new(loop, -1, 0, on_due, s);
	s->control = event_new(loop, -1, 0, on_control, s);
	s->recalls = event_new(loop, -1, 0, on_recalls, s);
	s->state = sqlite_state_new(loop, s->job);
	BUG_IF(!s->path || !s->job || !s->due || !s->control || !s->recalls);
	return &s->sink;
}
