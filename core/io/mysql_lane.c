#include "io/mysql_lane.h"

#include <stdlib.h>

#include "base/log.h"
#include "flow/sql.h"
#include "io/mysql.h"
#include "io/mysql_errors.h"
#include "io/mysql_progress.h"
#include "io/mysql_session.h"

enum {
	PACKET_SLACK = 1024, /* below max_allowed_packet: the protocol's own bytes */
	SAY_EVERY = 12,      /* failures in a row: about once a minute when standing back is at its longest */
};

struct mysql_lane {
	const struct mysql_options *options;
	const char *job;
	struct batch *batch;
	struct mysql_session session;
	struct event *timer;
	unsigned failures; /* in a row */

	struct tx *tx; /* NULL: nothing on its way */
	struct sql_text sql;
	struct buf question;      /* the text that reads back, or asks which rows are missing */
	size_t questions;         /* of the latter */
	bool doubtful;            /* whether tx was committed is not known; its progress rows know */
	bool leave;               /* this connection is not to be used again */
	enum sink_result verdict; /* of a tx that was not committed */
	struct error err;
	struct error problem;           /* why what became of tx cannot be seen; "" when it can */
	size_t rows_before, rows_after; /* read back: progress rows as they were before tx, and as it leaves them */
};

static void on_timer(evutil_socket_t fd, short what, void *ctx);
static void settle_doubt(struct mysql_lane *lane);

struct mysql_lane *mysql_lane_new(struct event_base *loop, const struct mysql_options *options, const char *job, struct batch *batch)
{
	struct mysql_lane *lane = calloc(1, sizeof *lane);

	BUG_IF(!lane);
	lane->options = options;
	lane->job = job;
	lane->batch = batch;
	mysql_session_init(&lane->session, loop, options);
	lane->timer = evtimer_new(loop, on_timer, lane);
	BUG_IF(!lane->timer);
	return lane;
}

void mysql_lane_free(struct mysql_lane *lane)
{
	if (!lane)
		return;
	event_free(lane->timer);
	mysql_session_deinit(&lane->session);
	sql_text_free(&lane->sql);
	buf_free(&lane->question);
	free(lane);
}

static void wait_ms(struct mysql_lane *lane, int ms)
{
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	evtimer_add(lane->timer, &wait);
}

static void stand_back(struct mysql_lane *lane)
{
	wait_ms(lane, mysql_session_standback_ms(++lane->failures));
}

/* The last thing that its callers do: done may begin the next transaction. */
static void tell(struct mysql_lane *lane, enum sink_result result)
{
	struct tx *tx = lane->tx;
	struct error err = lane->err;

	if (result == SINK_COMMITTED)
		lane->failures = 0;
	lane->tx = NULL;
	lane->problem.text[0] = 0;
	tx->done(tx, result, result == SINK_COMMITTED ? NULL : &err);
}

/* What there is to wait for is waited for before it is told. */
static void tell_verdict(struct mysql_lane *lane)
{
	lane->doubtful = false;
	if (lane->verdict == SINK_RETRY || lane->verdict == SINK_FAILED)
		stand_back(lane);
	else
		tell(lane, lane->verdict);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct mysql_lane *lane = ctx;

	(void)fd, (void)what;
	if (lane->doubtful)
		settle_doubt(lane);
	else
		tell(lane, lane->verdict);
}

static void on_progress(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct mysql_lane *lane = ctx;
	long long numbers[4]; /* partition, lane, epoch, seq */

	(void)statement;
	BUG_IF(count != 7);
	for (unsigned i = 0; i < 4; i++)
		numbers[i] = strtoll(cells[i + 1].p, NULL, 10);
	for (size_t i = 0; i < lane->tx->progress_count; i++) {
		const struct progress_row *row = &lane->tx->progress[i];

		if (row->partition != numbers[0] || row->lane != numbers[1] || !slice_equal(row->topic, cells[0]) || row->epoch != numbers[2])
			continue;
		lane->rows_before += row->seq - 1 == numbers[3];
		/* The same seq with other contents is a request of before, believed lost, that was carried out late: neither before nor after. */
		lane->rows_after += row->seq == numbers[3] && row->next_offset == strtoll(cells[5].p, NULL, 10) && slice_equal(row->done, cells[6]);
	}
}

static void on_read_back(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_lane *lane = ctx;

	if (failure) {
		/* A new connection also ends what this one may have begun. */
		mysql_client_drop(lane->session.client);
		stand_back(lane);
	} else if (lane->rows_after > 0) {
		/* All of tx or nothing: one row speaks for the others, which another worker may have taken over since. */
		tell(lane, SINK_COMMITTED);
	} else if (lane->rows_before == lane->tx->progress_count) {
		tell_verdict(lane);
	} else {
		error_set(&lane->err, "another worker has taken over a partition of this transaction");
		tell(lane, SINK_FENCED);
	}
}

static void on_new_session(void *ctx, const struct mysql_failure *failure);

static void settle_doubt(struct mysql_lane *lane)
{
	if (!mysql_session_usable(&lane->session)) {
		mysql_session_open(&lane->session, on_new_session, lane);
		return;
	}
	lane->rows_before = lane->rows_after = 0;
	buf_clear(&lane->question);
	mysql_progress_read_back(&lane->question, lane->job, lane->tx);
	mysql_client_run(lane->session.client, buf_view(&lane->question), on_progress, on_read_back, lane);
}

static void on_missing(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct mysql_lane *lane = ctx;

	(void)cells, (void)count;
	if (statement < lane->questions)
		sql_parked_missed(lane->tx, statement);
}

static void on_asked(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_lane *lane = ctx;

	if (!failure) {
		tell(lane, SINK_MISSED);
		return;
	}
	mysql_errors_say(failure, &lane->err);
	mysql_client_drop(lane->session.client);
	lane->verdict = SINK_RETRY;
	stand_back(lane);
}

/* A guard has failed. Which rows are missing is asked before another one can begin. */
static void ask_what_is_missing(struct mysql_lane *lane)
{
	buf_clear(&lane->question);
	lane->questions = sql_parked_probe(&lane->question, SQL_MYSQL, lane->tx);
	buf_text(&lane->question, "ROLLBACK");
	mysql_client_run(lane->session.client, buf_view(&lane->question), on_missing, on_asked, lane);
}

static void on_rolled_back(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_lane *lane = ctx;

	if (failure || lane->leave)
		mysql_client_drop(lane->session.client);
	if (lane->doubtful)
		settle_doubt(lane);
	else
		tell_verdict(lane);
}

/* What an error of one statement means for the transaction; by now it has not been committed, unless it is doubtful. */
static void judge(struct mysql_lane *lane, const struct mysql_failure *failure, enum sql_part part)
{
	enum mysql_kind kind = mysql_errors_kind(failure);

	mysql_errors_say(failure, &lane->err);
	lane->leave = kind == MYSQL_ELSEWHERE;
	lane->doubtful = part == SQL_COMMIT;
	lane->verdict = SINK_RETRY;
	if (part == SQL_PROGRESS && (kind == MYSQL_REFUSED || kind == MYSQL_DUPLICATE || kind == MYSQL_UNKNOWN)) {
		/* How the statement fails when the rows are not as expected; they say whether that is so. */
		lane->doubtful = true;
	} else if (kind == MYSQL_FAILED) {
		lane->verdict = SINK_FAILED;
	} else if (kind == MYSQL_DUPLICATE && part == SQL_ROWS) {
		lane->verdict = SINK_TAKEN;
	} else if (kind == MYSQL_REFUSED) {
		/* A dead letter cannot become one again. */
		lane->verdict = (part == SQL_DEAD_LETTERS || part == SQL_PARKED) && lane->tx->count == 1 ? SINK_FAILED : SINK_REFUSED;
	} else if (kind == MYSQL_UNKNOWN) {
		log_warn("%s: %s: not known, tried again", lane->options->flavour, lane->err.text);
	}
}

static void on_sent(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_lane *lane = ctx;
	const struct sql_text *sql = &lane->sql;

	if (!failure) {
		tell(lane, SINK_COMMITTED);
	} else if (failure->lost) {
		mysql_errors_say(failure, &lane->err);
		lane->doubtful = true;
		lane->verdict = SINK_RETRY;
		stand_back(lane);
	} else if (failure->statement < sql->count && sql->parts[failure->statement] == SQL_GUARD && mysql_errors_kind(failure) == MYSQL_REFUSED) {
		mysql_errors_say(failure, &lane->err);
		ask_what_is_missing(lane);
	} else {
		judge(lane, failure, failure->statement < sql->count ? sql->parts[failure->statement] : SQL_COMMIT);
		mysql_client_run(lane->session.client, SLICE("ROLLBACK"), NULL, on_rolled_back, lane);
	}
}

static void send_text(struct mysql_lane *lane)
{
	size_t bytes = lane->sql.text.n;

	if (bytes + PACKET_SLACK <= lane->session.packet_most) {
		mysql_client_run(lane->session.client, buf_view(&lane->sql.text), NULL, on_sent, lane);
		return;
	}
	error_set(&lane->err, "%zu bytes of SQL are more than the server takes (max_allowed_packet is %zu)", bytes, lane->session.packet_most);
	/* With one event left, that event is at fault; where its dead letter does not fit either, only the server's setting helps. */
	lane->verdict = lane->tx->count <= 1 && (lane->tx->count == 0 || lane->tx->events[0]->outcome == OUTCOME_DEAD) ? SINK_FAILED : SINK_REFUSED;
	wait_ms(lane, lane->verdict == SINK_FAILED ? mysql_session_standback_ms(++lane->failures) : 0);
}

static void on_new_session(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_lane *lane = ctx;

	if (!failure) {
		if (lane->doubtful)
			settle_doubt(lane);
		else
			send_text(lane);
		return;
	}
	if (!lane->doubtful) {
		mysql_errors_say(failure, &lane->err);
		lane->verdict = mysql_errors_kind(failure) == MYSQL_FAILED ? SINK_FAILED : SINK_RETRY;
		stand_back(lane);
		return;
	}
	mysql_errors_say(failure, &lane->problem);
	if (lane->failures % SAY_EVERY == 1)
		log_warn("%s: lane %d was cut off from a transaction and waits to see what became of it: %s (error %u)", lane->options->flavour,
			 lane->tx->lane, failure->text, failure->number);
	stand_back(lane);
}

void mysql_lane_commit(struct mysql_lane *lane, struct tx *tx)
{
	BUG_IF(lane->tx || tx->progress_count == 0);
	lane->tx = tx;
	lane->doubtful = lane->leave = false;
	batch_build(lane->batch, tx);
	sql_text_clear(&lane->sql);
	sql_transaction(&lane->sql, SQL_MYSQL, lane->job, tx, lane->batch);
	if (mysql_session_usable(&lane->session))
		send_text(lane);
	else
		mysql_session_open(&lane->session, on_new_session, lane);
}

const char *mysql_lane_problem(const struct mysql_lane *lane)
{
	return lane->problem.text[0] ? lane->problem.text : NULL;
}
