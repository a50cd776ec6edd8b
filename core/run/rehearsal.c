#include "run/rehearsal.h"

#include "base/clock.h"
#include "flow/json.h"

static void on_wake(void *ctx)
{
	event_base_loopbreak(((struct rehearsal *)ctx)->loop);
}

static void on_state_row(struct state_load *load, const struct state_row *row)
{
	(void)load, (void)row;
}

static void on_looked(struct state_load *load, const struct look *look, const struct value *cells)
{
	script_host_looked(((struct rehearsal *)load->ctx)->job->host, look, cells);
}

static void on_loaded(struct state_load *load)
{
	struct rehearsal *rehearsal = load->ctx;

	script_host_loaded(rehearsal->job->host);
	rehearsal->loading = false;
	on_wake(rehearsal);
}

/* What its scripts look up; of their state nothing is wanted. */
static void look_up(struct rehearsal *rehearsal)
{
	rehearsal->load = (struct state_load){ .row = on_state_row, .looked = on_looked, .done = on_loaded, .ctx = rehearsal };
	script_host_question(rehearsal->job->host, &rehearsal->intake->arena, &rehearsal->load);
	rehearsal->load.count = 0;
	if (!rehearsal->load.look_count || !rehearsal->sink)
		return;
	rehearsal->loading = true;
	rehearsal->sink->ops->load_state(rehearsal->sink, &rehearsal->load);
	while (rehearsal->loading)
		event_base_dispatch(rehearsal->loop);
}

static void run(struct rehearsal *rehearsal)
{
	struct script_host *host = rehearsal->job->host;
	struct intake *intake = rehearsal->intake;

	/* The registry is asked for schemas, and wakes us. */
	while (!decode_ready(&rehearsal->decoder, rehearsal->messages, rehearsal->count))
		event_base_dispatch(rehearsal->loop);
	decode_messages(&rehearsal->decoder, host, intake, rehearsal->messages, rehearsal->count);
	for (struct event *event = intake->first; event; event = event->next)
		if (event->outcome == OUTCOME_PENDING && event->op >= OP_TRUNCATE)
			event->outcome = OUTCOME_IGNORED;
	script_host_look(host, clock_mono_ms(), SIZE_MAX);
	if (script_host_begin(host, intake))
		look_up(rehearsal);
	while (!script_host_run(host, intake, clock_wall_ms(), INT64_MAX))
		look_up(rehearsal);
}

static int open_all(struct rehearsal *rehearsal, bool sink, struct error *err)
{
	struct job *job = rehearsal->job;

	if (sink) {
		rehearsal->sink = job_sink(job, rehearsal->loop, err);
		if (!rehearsal->sink || rehearsal->sink->ops->look(rehearsal->sink, err) < 0)
			return -1;
	}
	if (script_host_bind(job->host, rehearsal->sink, job->shapes, &job->readings, NULL, NULL, err) < 0 ||
	    job_schemas(job, rehearsal->loop, on_wake, rehearsal, &rehearsal->schemas, err) < 0)
		return -1;
	rehearsal->decoder = (struct decoder){ .format = job->format, .options = job->format_options, .shapes = job->shapes };
	rehearsal->decoder.options.schemas = rehearsal->schemas;
	rehearsal->decoder.json = json_new();
	if (job->format && job->format->open)
		rehearsal->decoder.state = job->format->open(&rehearsal->decoder);
	return 0;
}

int rehearsal_run(struct rehearsal *rehearsal, struct job *job, bool sink, struct message *const *messages, size_t count, struct error *err)
{
	*rehearsal = (struct rehearsal){ .loop = event_base_new(), .job = job, .count = count };
	BUG_IF(!rehearsal->loop);
	if (open_all(rehearsal, sink, err) < 0)
		return -1;
	rehearsal->intake = intake_new(&rehearsal->intakes);
	rehearsal->messages = arena_alloc(&rehearsal->intake->arena, (count + 1) * sizeof *rehearsal->messages);
	for (size_t i = 0; i < count; i++)
		rehearsal->messages[i] = intake_copy(rehearsal->intake, messages[i]);
	run(rehearsal);
	return 0;
}

void rehearsal_close(struct rehearsal *rehearsal)
{
	if (rehearsal->decoder.state && rehearsal->decoder.format->close)
		rehearsal->decoder.format->close(rehearsal->decoder.state);
	if (rehearsal->decoder.json)
		json_free(rehearsal->decoder.json);
	for (struct event *event = rehearsal->intake ? rehearsal->intake->first : NULL; event; event = event->next)
		script_event_release(event);
	intakes_free(&rehearsal->intakes);
	if (rehearsal->schemas)
		rehearsal->schemas->ops->close(rehearsal->schemas);
	if (rehearsal->sink)
		rehearsal->sink->ops->close(rehearsal->sink);
	if (rehearsal->loop)
		event_base_free(rehearsal->loop);
}
