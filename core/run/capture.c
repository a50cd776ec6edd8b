#include "run/capture.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/message_text.h"
#include "run/job_private.h"

enum { POLL_MOST = 1000 };

struct recording {
	struct event_base *loop;
	struct source *source;
	struct event *turn, *signals[2];
	struct buf line;
	size_t open; /* partitions that have not ended */
	int64_t count, most;
	bool over;
	int exit_code;
};

static void end(struct recording *capture, int exit_code)
{
	if (capture->over)
		return;
	capture->over = true;
	capture->exit_code = exit_code;
	event_base_loopbreak(capture->loop);
}

static void on_assigned(void *ctx, const struct source_partition *partitions, size_t count)
{
	struct recording *capture = ctx;

	capture->open += count;
	for (size_t i = 0; i < count; i++)
		capture->source->ops->take(capture->source, partitions[i].id, START_CONFIGURED, NULL);
}

/* Nobody takes partitions away from one who is in no group. */
static void on_revoked(void *ctx, const uint32_t *ids, size_t count)
{
	(void)ctx, (void)ids, (void)count;
}

static void on_ended(void *ctx, uint32_t id)
{
	struct recording *capture = ctx;

	(void)id;
	if (--capture->open == 0)
		end(capture, 0);
}

static void on_idle(void *ctx)
{
	end(ctx, 0);
}

static void on_wake(void *ctx)
{
	struct recording *capture = ctx;

	event_active(capture->turn, EV_TIMEOUT, 0);
}

static void on_failed(void *ctx, bool job, const char *reason)
{
	log_error("%s", reason);
	end(ctx, job ? 2 : 1);
}

static void on_message(void *ctx, const struct message *message)
{
	struct recording *capture = ctx;

	buf_clear(&capture->line);
	message_put_record(&capture->line, message);
	buf_char(&capture->line, '\n');
	fwrite(capture->line.p, 1, capture->line.n, stdout);
	capture->count++;
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct recording *capture = ctx;
	size_t want = POLL_MOST, count;

	(void)fd, (void)what;
	if (capture->over)
		return;
	if (capture->most && capture->most - capture->count < POLL_MOST)
		want = (size_t)(capture->most - capture->count);
	count = capture->source->ops->poll(capture->source, want);
	if (ferror(stdout)) {
		log_error("stdout cannot be written");
		end(capture, 1);
	} else if (capture->most && capture->count >= capture->most) {
		end(capture, 0);
	} else if (count) {
		on_wake(capture);
	} else {
		fflush(stdout); /* somebody may be watching */
	}
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
	(void)number, (void)what;
	end(ctx, 0);
}

static int run(struct recording *capture, struct job *job, const struct run_options *options, struct error *err)
{
	struct run_options bounded = *options;
	struct job_run run = { .options = &bounded, .workers = 1, .run_started_ms = clock_wall_ms(), .alone = true };
	struct source_events events = {
		.assigned = on_assigned,
		.revoked = on_revoked,
		.ended = on_ended,
		.idle = on_idle,
		.wake = on_wake,
		.failed = on_failed,
		.message = on_message,
		.ctx = capture,
	};

	if (!bounded.until)
		bounded.until = "latest";
	capture->most = options->max_events;
	capture->turn = event_new(capture->loop, -1, 0, on_turn, capture);
	capture->signals[0] = evsignal_new(capture->loop, SIGINT, on_signal, capture);
	capture->signals[1] = evsignal_new(capture->loop, SIGTERM, on_signal, capture);
	BUG_IF(!capture->turn || !capture->signals[0] || !capture->signals[1]);
	event_add(capture->signals[0], NULL);
	event_add(capture->signals[1], NULL);
	capture->source = job_source(job, capture->loop, &run, err);
	if (!capture->source || capture->source->ops->start(capture->source, &events, err) < 0)
		return -1;
	on_wake(capture);
	if (!capture->over)
		event_base_dispatch(capture->loop);
	return 0;
}

int capture_job(const struct run_options *options)
{
	struct recording capture = { .loop = event_base_new() };
	struct bundle bundle = { 0 };
	struct error err = { .text = "" };
	struct job *job;

	BUG_IF(!capture.loop);
	job = job_read(&bundle, options->job_path, &err);
	if (!job || run(&capture, job, options, &err) < 0) {
		fprintf(stderr, "streamlua: %s\n", err.text);
		capture.exit_code = 2;
	} else {
		fprintf(stderr, "captured %lld messages\n", (long long)capture.count);
	}
	if (capture.source)
		capture.source->ops->close(capture.source);
	if (capture.turn) {
		event_free(capture.turn);
		event_free(capture.signals[0]);
		event_free(capture.signals[1]);
	}
	event_base_free(capture.loop);
	buf_free(&capture.line);
	job_free(job);
	bundle_free(&bundle);
	return capture.exit_code;
}
