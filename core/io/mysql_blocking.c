#include "io/mysql_blocking.h"

#include <stdlib.h>

#include "base/error.h"

struct mysql_blocking {
	struct event_base *loop; /* its own: nothing of the worker's runs while it waits */
	struct mysql_session session;
	bool ended;
	bool failed;
	struct mysql_failure failure;
	mysql_client_row *row;
	void *ctx;
};

static void on_done(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_blocking *blocking = ctx;

	blocking->ended = true;
	blocking->failed = failure != NULL;
	if (failure)
		blocking->failure = *failure;
}

static int wait_for_end(struct mysql_blocking *blocking, struct mysql_failure *failure)
{
	while (!blocking->ended)
		BUG_IF(event_base_loop(blocking->loop, EVLOOP_ONCE) != 0);
	if (!blocking->failed)
		return 0;
	*failure = blocking->failure;
	return -1;
}

struct mysql_blocking *mysql_blocking_open(const struct mysql_options *options, struct mysql_failure *failure)
{
	struct mysql_blocking *blocking = calloc(1, sizeof *blocking);

	BUG_IF(!blocking);
	blocking->loop = event_base_new();
	BUG_IF(!blocking->loop);
	mysql_session_init(&blocking->session, blocking->loop, options);
	mysql_session_open(&blocking->session, on_done, blocking);
	if (wait_for_end(blocking, failure) < 0) {
		mysql_blocking_close(blocking);
		return NULL;
	}
	return blocking;
}

void mysql_blocking_close(struct mysql_blocking *blocking)
{
	if (!blocking)
		return;
	mysql_session_deinit(&blocking->session);
	event_base_free(blocking->loop);
	free(blocking);
}

static void on_row(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct mysql_blocking *blocking = ctx;

	if (blocking->row)
		blocking->row(blocking->ctx, statement, cells, count);
}

int mysql_blocking_run(struct mysql_blocking *blocking, struct slice text, mysql_client_row *row, void *ctx, struct mysql_failure *failure)
{
	if (!mysql_session_usable(&blocking->session)) {
		*failure = (struct mysql_failure){ .number = 2006, .sqlstate = "HY000", .text = "the server has ended the connection", .lost = true };
		return -1;
	}
	blocking->ended = false;
	blocking->row = row;
	blocking->ctx = ctx;
	mysql_client_run(blocking->session.client, text, on_row, on_done, blocking);
	return wait_for_end(blocking, failure);
}

const struct mysql_session *mysql_blocking_session(const struct mysql_blocking *blocking)
{
	return &blocking->session;
}
