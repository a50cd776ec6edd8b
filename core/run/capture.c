#include "run/capture.h"

#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "io/message_text.h"
#include "run/alone.h"

struct recording {
	struct alone alone;
	struct buf line;
	int64_t count, most;
};

static void on_message(void *ctx, const struct message *message)
{
	struct recording *capture = ctx;

	buf_clear(&capture->line);
	message_put_record(&capture->line, message);
	buf_char(&capture->line, '\n');
	fwrite(capture->line.p, 1, capture->line.n, stdout);
	if (++capture->count == capture->most)
		alone_stop(&capture->alone);
}

static void on_polled(void *ctx, size_t count)
{
	struct recording *capture = ctx;

	if (ferror(stdout))
		alone_stop(&capture->alone);
	else if (!count)
		fflush(stdout); /* somebody may be watching */
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
	(void)number, (void)what;
	alone_stop(ctx);
}

static int record(struct recording *capture, struct error *err)
{
	int exit_code = alone_read(&capture->alone);

	if (exit_code)
		log_error("%s", err->text);
	if (ferror(stdout)) {
		log_error("stdout cannot be written");
		exit_code = exit_code ? exit_code : 1;
	}
	fprintf(stderr, "captured %lld messages\n", (long long)capture->count);
	return exit_code;
}

int capture_job(const struct run_options *options)
{
	struct recording capture = { .alone = { .message = on_message, .polled = on_polled, .ctx = &capture, .first = START_CONFIGURED },
				     .most = options->max_events };
	struct event_base *loop = event_base_new();
	struct event *interrupted = evsignal_new(loop, SIGINT, on_signal, &capture.alone);
	struct event *terminated = evsignal_new(loop, SIGTERM, on_signal, &capture.alone);
	struct bundle bundle = { 0 };
	struct error err = { .text = "" };
	struct job *job = job_read(&bundle, options->job_path, &err);
	int exit_code = 2;

	BUG_IF(!loop || !interrupted || !terminated);
	if (job && alone_open(&capture.alone, job, loop, (struct job_run){ .options = options }, &err) == 0) {
		event_add(interrupted, NULL);
		event_add(terminated, NULL);
		exit_code = record(&capture, &err);
	} else {
		fprintf(stderr, "streamlua: %s\n", err.text);
	}
	alone_close(&capture.alone);
	event_free(interrupted);
	event_free(terminated);
	event_base_free(loop);
	buf_free(&capture.line);
	job_free(job);
	bundle_free(&bundle);
	return exit_code;
}
