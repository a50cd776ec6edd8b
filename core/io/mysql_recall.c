#include "io/mysql_recall.h"

#include <stdlib.h>

#include "flow/progress.h"
#include "flow/sql.h"
#include "io/mysql_errors.h"
#include "io/mysql_session.h"

struct mysql_recall {
	const char *job;
	struct mysql_session session;
	struct event *timer;
	unsigned failures;      /* in a row */
	struct recall *request; /* NULL: nothing is being read */
	struct buf text;
	struct error err;
};

/* The last thing that its callers do: done may begin the next. */
static void tell(struct mysql_recall *own, const struct error *err)
{
	struct recall *request = own->request;

	own->request = NULL;
	request->done(request, err);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct mysql_recall *own = ctx;

	(void)fd, (void)what;
	tell(own, &own->err);
}

struct mysql_recall *mysql_recall_new(struct event_base *loop, const struct mysql_options *options, const char *job)
{
	struct mysql_recall *own = calloc(1, sizeof *own);

	BUG_IF(!own);
	own->job = job;
	mysql_session_init(&own->session, loop, options);
	own->timer = evtimer_new(loop, on_timer, own);
	BUG_IF(!own->timer);
	return own;
}

void mysql_recall_free(struct mysql_recall *own)
{
	if (!own)
		return;
	event_free(own->timer);
	mysql_session_deinit(&own->session);
	buf_free(&own->text);
	free(own);
}

static void fail(struct mysql_recall *own, const struct mysql_failure *failure)
{
	int ms = mysql_session_standback_ms(++own->failures);
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	mysql_errors_say(failure, &own->err);
	mysql_client_drop(own->session.client);
	evtimer_add(own->timer, &wait);
}

static void on_row(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct mysql_recall *own = ctx;
	const struct partition *partition = own->request->partition;
	struct message message = { 0 };

	(void)statement;
	BUG_IF(count != 9);
	message.position = message.offset = strtoll(cells[0].p, NULL, 10);
	if (!cells[2].p) {
		message.topic = partition->topic;
		message.partition = partition->number;
	} else {
		message.topic = cells[2];
		message.partition = (int32_t)strtol(cells[3].p, NULL, 10);
		message.offset = strtoll(cells[4].p, NULL, 10);
	}
	message.time_ms = strtoll(cells[5].p, NULL, 10);
	message.key = cells[6];
	message.value = cells[7];
	own->request->message(own->request, &message, (uint32_t)strtoul(cells[1].p, NULL, 10), cells[8]);
}

static void on_read(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_recall *own = ctx;

	if (failure) {
		fail(own, failure);
		return;
	}
	own->failures = 0;
	tell(own, NULL);
}

static void ask(struct mysql_recall *own)
{
	buf_clear(&own->text);
	sql_parked_recall(&own->text, SQL_MYSQL, own->job, own->request);
	mysql_client_run(own->session.client, buf_view(&own->text), on_row, on_read, own);
}

static void on_session(void *ctx, const struct mysql_failure *failure)
{
	if (failure)
		fail(ctx, failure);
	else
		ask(ctx);
}

void mysql_recall_run(struct mysql_recall *own, struct recall *request)
{
	BUG_IF(own->request);
	own->request = request;
	if (mysql_session_usable(&own->session))
		ask(own);
	else
		mysql_session_open(&own->session, on_session, own);
}
