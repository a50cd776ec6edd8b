#include "run/explain.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/decode.h"
#include "flow/json.h"
#include "flow/progress.h"
#include "run/explain_show.h"

enum { POLL_MOST = 100 };

struct explain {
	struct event_base *loop;
	struct job *job;
	struct source *source;
	struct sink *sink;
	struct schemas *schemas;
	struct event *turn;
	struct decoder decoder;
	struct intakes intakes;
	struct intake *intake;
	struct message *message; /* found */
	bool decoded;
	bool keeps;             /* the target has what scripts keep */
	struct state_load load; /* of it, as it is now */
	bool loading;
	char *topic;
	int32_t partition;
	int64_t offset;
	size_t open; /* partitions that have not ended */
	bool passed; /* it would have come by now */
	int exit_code;
};

static void end(struct explain *explain, int exit_code)
{
	explain->exit_code = exit_code;
	event_base_loopbreak(explain->loop);
}

static int no_place(const char *place, struct error *err)
{
	return error_set(err, "%s: write TOPIC:PARTITION:OFFSET, as in shop.orders:0:42", place);
}

/* Files can have colons in their names: the numbers are at the end. */
static int read_place(struct explain *explain, const char *place, struct error *err)
{
	const char *offset = strrchr(place, ':'), *partition = offset ? memrchr(place, ':', (size_t)(offset - place)) : NULL;
	char *end_of;
	long long number;

	if (!partition || partition == place || offset[1] < '0' || offset[1] > '9' || partition[1] < '0' || partition[1] > '9')
		return no_place(place, err);
	explain->topic = strndup(place, (size_t)(partition - place));
	BUG_IF(!explain->topic);
	number = strtoll(partition + 1, &end_of, 10);
	if (end_of != offset || number > INT32_MAX)
		return no_place(place, err);
	explain->partition = (int32_t)number;
	explain->offset = strtoll(offset + 1, &end_of, 10);
	return *end_of ? no_place(place, err) : 0;
}

/* ---- the message ---- */

static void on_assigned(void *ctx, const struct source_partition *partitions, size_t count)
{
	struct explain *explain = ctx;

	explain->open += count;
	for (size_t i = 0; i < count; i++)
		explain->source->ops->take(explain->source, partitions[i].id, explain->job->bounded ? START_CONFIGURED : explain->offset, NULL);
}

static void on_revoked(void *ctx, const uint32_t *ids, size_t count)
{
	(void)ctx, (void)ids, (void)count;
}

static void on_wake(void *ctx)
{
	struct explain *explain = ctx;

	event_active(explain->turn, EV_TIMEOUT, 0);
}

static void on_ended(void *ctx, uint32_t id)
{
	struct explain *explain = ctx;

	(void)id;
	if (--explain->open == 0)
		explain->passed = true;
	on_wake(explain);
}

static void on_idle(void *ctx)
{
	((struct explain *)ctx)->passed = true;
	on_wake(ctx);
}

static void on_failed(void *ctx, bool job, const char *reason)
{
	fprintf(stderr, "streamlua: %s\n", reason);
	end(ctx, job ? 2 : 1);
}

static void on_message(void *ctx, const struct message *message)
{
	struct explain *explain = ctx;

	if (explain->message || message->partition != explain->partition || !slice_is(message->topic, explain->topic))
		return;
	if (message->offset == explain->offset)
		explain->message = intake_copy(explain->intake, message);
	else if (!explain->job->bounded)
		explain->passed = true;
}

/* ---- what becomes of it ---- */

static void on_state_row(struct state_load *load, const struct state_row *row)
{
	script_host_state_row(((struct explain *)load->ctx)->job->host, row, NULL, false);
}

static void on_looked(struct state_load *load, const struct look *look, const struct value *cells)
{
	script_host_looked(((struct explain *)load->ctx)->job->host, look, cells);
}

static void on_state(struct state_load *load)
{
	struct explain *explain = load->ctx;

	script_host_loaded(explain->job->host);
	explain->loading = false;
	on_wake(explain);
}

/* What its scripts want of their state. Where there is none they run as if nothing were kept. */
static void load_state(struct explain *explain)
{
	explain->load = (struct state_load){ .row = on_state_row, .looked = on_looked, .done = on_state, .ctx = explain };
	script_host_question(explain->job->host, &explain->intake->arena, &explain->load);
	if (!explain->keeps)
		explain->load.count = 0;
	if (!explain->load.count && !explain->load.look_count)
		return;
	explain->loading = true;
	explain->sink->ops->load_state(explain->sink, &explain->load);
}

static void decode(struct explain *explain)
{
	struct intake *intake = explain->intake;
	uint32_t part = 0;

	explain->decoded = true;
	explain_show_message(explain->message);
	decode_messages(&explain->decoder, explain->job->host, intake, &explain->message, 1);
	for (struct event *event = intake->first; event; event = event->next) {
		if (event->outcome == OUTCOME_PENDING && event->op >= OP_TRUNCATE)
			event->outcome = OUTCOME_IGNORED;
		explain_show_event(event, part++, intake->count);
	}
	script_host_look(explain->job->host, clock_mono_ms(), SIZE_MAX);
	if (script_host_begin(explain->job->host, intake))
		load_state(explain);
}

/* True: that was all of it. */
static bool explain_it(struct explain *explain)
{
	struct intake *intake = explain->intake;

	if (!explain->decoded)
		decode(explain);
	while (!explain->loading && !script_host_run(explain->job->host, intake, clock_wall_ms(), INT64_MAX))
		load_state(explain);
	for (struct event *event = intake->first; !explain->loading && event; event = event->next)
		explain_show_result(explain->job, explain->sink, event);
	return !explain->loading;
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct explain *explain = ctx;

	(void)fd, (void)what;
	if (explain->message) {
		if (explain->loading || !decode_ready(&explain->decoder, &explain->message, 1))
			return; /* the target, or the registry, wakes us */
		if (explain_it(explain))
			end(explain, 0);
	} else if (explain->passed) {
		fprintf(stderr, "streamlua: there is no message %s:%d:%lld\n", explain->topic, explain->partition, (long long)explain->offset);
		end(explain, 1);
	} else if (explain->source->ops->poll(explain->source, POLL_MOST) || explain->message || explain->passed) {
		on_wake(explain);
	}
}

/* ---- the whole ---- */

static int open_all(struct explain *explain, const struct run_options *options, struct error *err)
{
	struct run_options bounded = { .job_path = options->job_path, .until = "latest" };
	struct job_run run = {
		.options = &bounded,
		.workers = 1,
		.run_started_ms = clock_wall_ms(),
		.alone = true,
		.only_topic = explain->topic,
		.only_partition = explain->partition,
	};
	struct source_events events = {
		.assigned = on_assigned,
		.revoked = on_revoked,
		.ended = on_ended,
		.idle = on_idle,
		.wake = on_wake,
		.failed = on_failed,
		.message = on_message,
		.ctx = explain,
	};
	struct job *job = explain->job;

	explain->turn = event_new(explain->loop, -1, 0, on_turn, explain);
	BUG_IF(!explain->turn);
	explain->sink = job_sink(job, explain->loop, err);
	if (!explain->sink || explain->sink->ops->look(explain->sink, err) < 0 ||
	    script_host_bind(job->host, explain->sink, job->shapes, &job->readings, NULL, NULL, err) < 0 ||
	    job_schemas(job, explain->loop, on_wake, explain, &explain->schemas, err) < 0)
		return -1;
	explain->keeps = job_keeps_state(job, explain->sink);
	explain->decoder = (struct decoder){ .format = job->format, .options = job->format_options, .shapes = job->shapes };
	explain->decoder.options.schemas = explain->schemas;
	explain->decoder.json = json_new();
	if (job->format && job->format->open)
		explain->decoder.state = job->format->open(&explain->decoder);
	explain->intake = intake_new(&explain->intakes);
	explain->source = job_source(job, explain->loop, &run, err);
	if (!explain->source || explain->source->ops->start(explain->source, &events, err) < 0)
		return -1;
	on_wake(explain);
	return 0;
}

static void close_all(struct explain *explain)
{
	if (explain->source)
		explain->source->ops->close(explain->source);
	if (explain->decoder.state && explain->decoder.format->close)
		explain->decoder.format->close(explain->decoder.state);
	json_free(explain->decoder.json);
	intakes_free(&explain->intakes);
	if (explain->schemas)
		explain->schemas->ops->close(explain->schemas);
	if (explain->sink)
		explain->sink->ops->close(explain->sink);
	if (explain->turn)
		event_free(explain->turn);
	event_base_free(explain->loop);
	free(explain->topic);
	job_free(explain->job);
}

int explain_message(const struct run_options *options, const char *place)
{
	struct explain explain = { .loop = event_base_new() };
	struct bundle bundle = { 0 };
	struct error err = { .text = "" };

	BUG_IF(!explain.loop);
	if (read_place(&explain, place, &err) < 0 || !(explain.job = job_read(&bundle, options->job_path, &err)) ||
	    open_all(&explain, options, &err) < 0) {
		fprintf(stderr, "streamlua: %s\n", err.text);
		explain.exit_code = 2;
	} else {
		event_base_dispatch(explain.loop);
	}
	close_all(&explain);
	bundle_free(&bundle);
	return explain.exit_code;
}
