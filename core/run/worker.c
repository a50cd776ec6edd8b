#include "run/worker.h"

#include <event2/event.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/channel.h"
#include "run/dry_run.h"
#include "run/job_private.h"
#include "run/renewal.h"
#include "run/slot.h"
#include "run/versions.h"

enum { BEAT_MS = 500 };

struct worker {
	const struct worker_start *start;
	struct event_base *loop;
	struct channel *channel;
	struct event *turn, *beat;
	struct renewal renewal;
	struct shapes *shapes;
	struct source *source;
	struct sink *sink;
	struct schemas *schemas; /* NULL: the format needs none */
	struct flow *flow;
	struct versions versions;
	int slot_fd;
	bool stopped; /* by the master's word */
	bool ready;
	int exit_code;
};

/* ---- the loop ---- */

static void beat(struct worker *worker)
{
	atomic_store_explicit(&worker->start->beat->mono_ms, clock_mono_ms(), memory_order_relaxed);
}

static void on_beat(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	beat(ctx);
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *worker = ctx;
	int64_t wait;
	struct timeval delay;

	(void)fd, (void)what;
	beat(worker);
	wait = flow_turn(worker->flow, clock_mono_ms(), clock_wall_ms());
	delay = (struct timeval){ wait / 1000, wait % 1000 * 1000 };
	event_add(worker->turn, &delay);
}

static void send_stats(struct worker *worker)
{
	struct buf json = BUF_INIT;

	flow_letters(worker->flow, &json);
	if (json.n)
		channel_send(worker->channel, CHANNEL_LETTERS, buf_view(&json));
	buf_clear(&json);
	buf_char(&json, '{');
	flow_stats(worker->flow, &json);
	buf_char(&json, '}');
	channel_send(worker->channel, CHANNEL_STATS, buf_view(&json));
	buf_free(&json);
}

static void end(struct worker *worker, int exit_code)
{
	worker->exit_code = exit_code;
	event_base_loopbreak(worker->loop);
}

/* ---- what the flow tells ---- */

static void on_wake(void *ctx)
{
	struct worker *worker = ctx;
	struct timeval now = { 0, 0 };

	event_add(worker->turn, &now);
}

static void on_ready(void *ctx)
{
	struct worker *worker = ctx;

	worker->ready = true;
	channel_send(worker->channel, CHANNEL_READY, (struct slice){ 0 });
}

static void on_finished(void *ctx)
{
	struct worker *worker = ctx;

	send_stats(worker);
	if (!worker->stopped)
		channel_send(worker->channel, CHANNEL_FINISHED, (struct slice){ 0 });
	end(worker, 0);
}

static void on_failed(void *ctx, bool stop, const char *reason)
{
	struct worker *worker = ctx;

	log_error("%s", reason);
	send_stats(worker);
	/* What stops a job before it has begun is wrong with the job. */
	if (!stop)
		end(worker, flow_is_fenced(worker->flow) ? WORKER_FENCED : 1);
	else
		end(worker, worker->ready || worker->start->restarted ? WORKER_STOP_JOB : 2);
}

static void on_swapped(void *ctx, struct script_host *old)
{
	struct worker *worker = ctx;

	BUG_IF(old != versions_job(&worker->versions)->host);
	if (versions_swapped(&worker->versions))
		channel_send(worker->channel, CHANNEL_SWAPPED, (struct slice){ 0 });
}

static void on_schema(void *ctx, bool at_once)
{
	renewal_doubt(&((struct worker *)ctx)->renewal, at_once);
}

/* ---- what the master says ---- */

static void on_message(void *ctx, enum channel_verb verb, struct slice bytes)
{
	struct worker *worker = ctx;

	switch (verb) {
	case CHANNEL_PREPARE:
		renewal_prepare(&worker->renewal, bytes);
		break;
	case CHANNEL_SWAP:
		versions_swap(&worker->versions);
		break;
	case CHANNEL_FORGET:
		renewal_forget(&worker->renewal);
		break;
	case CHANNEL_STOP:
		worker->stopped = true;
		flow_stop(worker->flow);
		break;
	case CHANNEL_ASK:
		send_stats(worker);
		break;
	default:
		BUG_IF("a message that only workers send");
	}
}

/* The master is gone: nobody would restart this one or stop it. What is not committed is read again. */
static void on_end(void *ctx)
{
	struct worker *worker = ctx;

	log_error("the master is gone; this worker ends");
	channel_free(worker->channel);
	worker->channel = NULL;
	end(worker, 1);
}

/* ---- lifetime ---- */

static int connect_ends(struct worker *worker, struct error *err)
{
	const struct worker_start *start = worker->start;
	struct job *job = versions_job(&worker->versions);
	char instance[256];
	struct job_run run = {
		.options = start->options,
		.worker = start->number,
		.workers = start->of,
		.run_started_ms = start->run_started_ms,
		.restarted = start->restarted,
		.rekey = start->rekey,
	};
	char group[300];

	worker->sink = start->rekey == REKEY_OUT ? job_rekey_sink(job, worker->loop, err) : job_sink(job, worker->loop, err);
	if (worker->sink && start->options->dry_run)
		worker->sink = dry_run_new(worker->loop, worker->sink);
	if (!worker->sink || worker->sink->ops->open(worker->sink, err) < 0)
		return -1;
	worker->renewal = (struct renewal){ .versions = &worker->versions, .channel = worker->channel, .sink = worker->sink, .beat = start->beat };
	renewal_start(&worker->renewal, worker->loop);
	worker->versions.sink = start->rekey == REKEY_OUT ? NULL : worker->sink; /* where their rows go is nothing to it */
	worker->versions.shapes = worker->shapes;
	if (versions_bind(&worker->versions, err) < 0)
		return -1;
	if (!job->bounded && !start->options->dry_run) {
		worker->slot_fd = slot_take(job_group(job, start->rekey, group), instance);
		run.instance = instance[0] ? instance : NULL;
	}
	worker->source = job_source(job, worker->loop, &run, err);
	if (!worker->source)
		return -1;
	return job_join(job, &run, worker->sink, worker->source, err);
}

static int start_flow(struct worker *worker, struct error *err)
{
	struct job *job = versions_job(&worker->versions);
	struct flow_options options = {
		.source = worker->source,
		.sink = worker->sink,
		.shapes = worker->shapes,
		.host = job->host,
		.format = job->format,
		.format_options = job->format_options,
		.on_ddl = job_control(job, "on_ddl"),
		.on_truncate = job_control(job, "on_truncate"),
		.memory_bytes = (size_t)job_number(job, "memory", 256 << 20) / 5,
		.state_bytes = (size_t)job_number(job, "memory", 256 << 20) / 4,
		.workers = job->bounded ? 1 : worker->start->of, /* of files job_check_state has seen to it */
		.events_most = worker->start->options->max_events,
		.dead_letters_most = job_number(job, "dead_letter_limit", -1),
		.rows_per_second_most = (double)job_number(job, "max_rows_per_second", 0),
		.rate_taken_us = worker->start->rate_taken_us,
	};
	struct flow_events events = {
		.wake = on_wake,
		.ready = on_ready,
		.finished = on_finished,
		.failed = on_failed,
		.schema = on_schema,
		.swapped = on_swapped,
		.ctx = worker,
	};

	if (worker->start->rekey == REKEY_OUT) { /* what is no row of such a script is the other stage's to say */
		options.on_ddl = options.on_truncate = ON_CONTROL_IGNORE;
		options.events_most = 0;
		options.dead_letters_most = -1;
		options.rows_per_second_most = 0;
	}
	if (job_schemas(job, worker->loop, on_wake, worker, &worker->schemas, err) < 0)
		return -1;
	options.format_options.schemas = worker->schemas;
	atomic_store(&worker->start->beat->script_most_ms, job_number(job, "script_timeout", 0));
	worker->flow = worker->versions.flow = flow_new(&options, &events);
	return flow_start(worker->flow, err);
}

/* Which failures only a person can mend: what job_check would have found, had the world been as it is now. */
static int open_worker(struct worker *worker, struct error *err)
{
	struct timeval often = { 0, BEAT_MS * 1000 };
	struct buf packed = BUF_INIT;
	int opened;

	bundle_pack(worker->start->bundle, &packed);
	worker->versions.watch = &worker->start->beat->watch;
	worker->versions.suspects = worker->start->suspects;
	worker->versions.rekey = worker->start->rekey;
	opened = versions_open(&worker->versions, buf_view(&packed), err);
	buf_free(&packed);
	worker->shapes = shapes_new();
	worker->turn = event_new(worker->loop, -1, 0, on_turn, worker);
	worker->beat = event_new(worker->loop, -1, EV_PERSIST, on_beat, worker);
	event_add(worker->beat, &often);
	worker->channel = channel_new(worker->loop, worker->start->channel_fd, on_message, on_end, worker);
	if (opened < 0)
		return -1;
	return connect_ends(worker, err) < 0 ? -1 : start_flow(worker, err);
}

/* The source first: nothing is delivered to what is gone. */
static void close_worker(struct worker *worker)
{
	if (worker->source)
		worker->source->ops->close(worker->source);
	renewal_stop(&worker->renewal);
	if (worker->sink)
		worker->sink->ops->close(worker->sink);
	flow_free(worker->flow);
	if (worker->schemas)
		worker->schemas->ops->close(worker->schemas);
	versions_free(&worker->versions);
	shapes_free(worker->shapes);
	if (worker->turn)
		event_free(worker->turn);
	if (worker->beat)
		event_free(worker->beat);
	if (worker->slot_fd >= 0)
		close(worker->slot_fd);
	if (worker->channel) {
		channel_flush(worker->channel);
		channel_free(worker->channel);
	}
	event_base_free(worker->loop);
}

/* librdkafka's threads allocate what the loop frees: with an arena for each of them, resident memory was twice what was in use (1,000,000
 * messages: 284 MB; with one 135 MB). What has been in use once is kept for the next intake and the next fetch: given back to the system each
 * time, its pages took 0.6 of 6.1 microseconds a message to come back. */
static void settle_malloc(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 16 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

int worker_run(const struct worker_start *start)
{
	struct worker worker = { .start = start, .slot_fd = -1, .loop = event_base_new() };
	struct error err;

	settle_malloc();
	BUG_IF(!worker.loop);
	beat(&worker);
	if (open_worker(&worker, &err) < 0) {
		log_error("%s", err.text);
		/* What has gone away since the job was checked is no fault of the job. */
		worker.exit_code = start->restarted || err.passing ? 1 : 2;
	} else {
		on_wake(&worker);
		event_base_dispatch(worker.loop);
	}
	close_worker(&worker);
	return worker.exit_code;
}
