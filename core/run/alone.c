#include "run/alone.h"

#include "base/clock.h"

enum { POLL_MOST = 1000 };

void alone_stop(struct alone *alone)
{
	alone->over = true;
	event_base_loopbreak(alone->loop);
}

static void on_assigned(void *ctx, const struct source_partition *partitions, size_t count)
{
	struct alone *alone = ctx;

	alone->open += count;
	for (size_t i = 0; i < count; i++)
		alone->source->ops->take(alone->source, partitions[i].id, alone->first, NULL);
}

/* Nobody takes partitions away from one who is in no group. */
static void on_revoked(void *ctx, const uint32_t *ids, size_t count)
{
	(void)ctx, (void)ids, (void)count;
}

static void on_ended(void *ctx, uint32_t id)
{
	struct alone *alone = ctx;

	(void)id;
	if (--alone->open == 0)
		alone_stop(alone);
}

static void on_idle(void *ctx)
{
	alone_stop(ctx);
}

static void on_wake(void *ctx)
{
	event_active(((struct alone *)ctx)->turn, EV_TIMEOUT, 0);
}

static void on_failed(void *ctx, bool job, const char *reason)
{
	struct alone *alone = ctx;

	if (alone->over)
		return;
	error_set(alone->err, "%s", reason);
	alone->exit_code = job ? 2 : 1;
	alone_stop(alone);
}

static void on_message(void *ctx, const struct message *message)
{
	struct alone *alone = ctx;

	if (!alone->over)
		alone->message(alone->ctx, message);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct alone *alone = ctx;
	size_t count;

	(void)fd, (void)what;
	if (alone->over)
		return;
	count = alone->source->ops->poll(alone->source, POLL_MOST);
	if (alone->polled)
		alone->polled(alone->ctx, count);
	if (count)
		on_wake(alone);
}

int alone_open(struct alone *alone, struct job *job, struct event_base *loop, struct job_run run, struct error *err)
{
	struct run_options bounded = run.options ? *run.options : (struct run_options){ 0 };
	struct source_events events = {
		.assigned = on_assigned,
		.revoked = on_revoked,
		.ended = on_ended,
		.idle = on_idle,
		.wake = on_wake,
		.failed = on_failed,
		.message = on_message,
		.ctx = alone,
	};

	if (!bounded.until)
		bounded.until = "latest";
	run.options = &bounded;
	run.workers = 1;
	run.run_started_ms = clock_wall_ms();
	run.alone = true;
	alone->loop = loop;
	alone->err = err;
	alone->turn = event_new(loop, -1, 0, on_turn, alone);
	BUG_IF(!alone->turn);
	alone->source = job_source(job, loop, &run, err);
	return alone->source ? alone->source->ops->start(alone->source, &events, err) : -1;
}

int alone_read(struct alone *alone)
{
	on_wake(alone);
	while (!alone->over && event_base_dispatch(alone->loop) == 0)
		; /* others on the loop may break it for themselves */
	return alone->exit_code;
}

void alone_close(struct alone *alone)
{
	if (alone->source)
		alone->source->ops->close(alone->source);
	if (alone->turn)
		event_free(alone->turn);
}
