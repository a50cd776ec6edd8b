#include "run/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "flow/decode.h"
#include "flow/json.h"
#include "flow/progress.h"
#include "run/alone.h"
#include "run/explain_show.h"

struct explain {
	struct event_base *loop;
	struct job *job;
	struct alone alone;
	struct sink *sink;
	struct schemas *schemas;
	struct decoder decoder;
	struct intakes intakes;
	struct intake *intake;
	struct message *message; /* found */
	bool keeps;              /* the target has what scripts keep */
	struct state_load load;  /* of it, as it is now */
	bool loading;
	char *topic;
	int32_t partition;
	int64_t offset;
};

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

static void on_message(void *ctx, const struct message *message)
{
	struct explain *explain = ctx;

	if (message->partition != explain->partition || !slice_is(message->topic, explain->topic))
		return;
	if (message->offset == explain->offset)
		explain->message = intake_copy(explain->intake, message);
	if (explain->message || !explain->job->bounded)
		alone_stop(&explain->alone); /* a broker's messages come in their order: if not now, it does not come */
}

/* ---- what becomes of it ---- */

static void on_wake(void *ctx)
{
	event_base_loopbreak(((struct explain *)ctx)->loop);
}

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
	while (explain->loading)
		event_base_dispatch(explain->loop);
}

static void explain_it(struct explain *explain)
{
	struct script_host *host = explain->job->host;
	struct intake *intake = explain->intake;
	uint32_t part = 0;

	/* The registry is asked for schemas, and wakes us. */
	while (!decode_ready(&explain->decoder, &explain->message, 1))
		event_base_dispatch(explain->loop);
	explain_show_message(explain->message);
	decode_messages(&explain->decoder, host, intake, &explain->message, 1);
	for (struct event *event = intake->first; event; event = event->next) {
		if (event->outcome == OUTCOME_PENDING && event->op >= OP_TRUNCATE)
			event->outcome = OUTCOME_IGNORED;
		explain_show_event(event, part++, intake->count);
	}
	script_host_look(host, clock_mono_ms(), SIZE_MAX);
	if (script_host_begin(host, intake))
		load_state(explain);
	while (!script_host_run(host, intake, clock_wall_ms(), INT64_MAX))
		load_state(explain);
	for (struct event *event = intake->first; event; event = event->next)
		explain_show_result(explain->job, explain->sink, event);
}

/* ---- the whole ---- */

static int open_all(struct explain *explain, struct error *err)
{
	struct job_run run = { .only_topic = explain->topic, .only_partition = explain->partition };
	struct job *job = explain->job;

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
	explain->alone.message = on_message;
	explain->alone.ctx = explain;
	explain->alone.first = job->bounded ? START_CONFIGURED : explain->offset;
	return alone_open(&explain->alone, job, explain->loop, run, err);
}

static void close_all(struct explain *explain)
{
	alone_close(&explain->alone);
	if (explain->decoder.state && explain->decoder.format->close)
		explain->decoder.format->close(explain->decoder.state);
	json_free(explain->decoder.json);
	intakes_free(&explain->intakes);
	if (explain->schemas)
		explain->schemas->ops->close(explain->schemas);
	if (explain->sink)
		explain->sink->ops->close(explain->sink);
	event_base_free(explain->loop);
	free(explain->topic);
	job_free(explain->job);
}

int explain_message(const struct run_options *options, const char *place)
{
	struct explain explain = { .loop = event_base_new() };
	struct bundle bundle = { 0 };
	struct error err = { .text = "" };
	int exit_code = 2;

	BUG_IF(!explain.loop);
	if (read_place(&explain, place, &err) == 0 && (explain.job = job_read(&bundle, options->job_path, &err)) && open_all(&explain, &err) == 0)
		exit_code = alone_read(&explain.alone);
	if (explain.message) {
		explain_it(&explain);
	} else if (exit_code) {
		fprintf(stderr, "streamlua: %s\n", err.text);
	} else {
		fprintf(stderr, "streamlua: there is no message %s:%d:%lld\n", explain.topic, explain.partition, (long long)explain.offset);
		exit_code = 1;
	}
	close_all(&explain);
	bundle_free(&bundle);
	return exit_code;
}
