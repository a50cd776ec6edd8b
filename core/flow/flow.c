#include "flow/flow_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "flow/json.h"

/* ---- what lanes tell ---- */

static void event_finished(void *ctx, struct event *event)
{
	flow_finish_event(ctx, event);
}

/* Its partition has a new owner, who will read it again: it is counted there. */
static void event_dropped(void *ctx, struct event *event)
{
	flow_drop_event(ctx, event);
}

void flow_drop_event(struct flow *flow, struct event *event)
{
	flow->read -= !event->was_done && event->op != OP_TIMER;
	event->outcome = OUTCOME_IGNORED; /* a reload, which comes back to its neighbours, passes it over */
	script_event_release(event);
	event->settled = true;
	intake_release(event->intake);
}

static void event_refused(void *ctx, struct event *event)
{
	flow_run_refused(ctx, event);
}

static void partition_fenced(void *ctx, struct partition *partition)
{
	struct flow *flow = ctx;
	struct error err;

	partition->revoked = true;
	flow->fenced |= !flow->over;
	error_set(&err, "another worker has taken over %.*s:%d; what this one had not committed is dropped, and it begins anew",
		  SLICE_ARG(partition->topic), partition->number);
	flow_fail(flow, false, err.text);
}

bool flow_is_fenced(const struct flow *flow)
{
	return flow->fenced;
}

static void partition_held(void *ctx, struct partition *partition)
{
	static struct log_gate gate;
	struct flow *flow = ctx;

	if (log_gate(&gate, 1, flow->mono_ms))
		log_info("%.*s:%d stands back: a unique value that it brings is still another row's", SLICE_ARG(partition->topic), partition->number);
}

void flow_stop_at(struct flow *flow, const struct event *event)
{
	struct error err;

	error_set(&err, "stopped at %.*s:%d offset %lld, table %.*s: %.*s", SLICE_ARG(event->message->topic), event->message->partition,
		  (long long)event->message->offset, SLICE_ARG(event->table), SLICE_ARG(event->error));
	flow_fail(flow, true, err.text);
}

void flow_count_dead(struct flow *flow, const struct event *event)
{
	enum { MINUTE_MS = 60000 };
	int64_t most = flow->options.dead_letters_most;
	struct error err;

	if (most < 0)
		return;
	if (!flow->dead_count || flow->mono_ms - flow->dead_since_ms >= MINUTE_MS) {
		flow->dead_since_ms = flow->mono_ms;
		flow->dead_count = 0;
	}
	if (flow->dead_count++ < most)
		return;
	error_set(&err,
		  "stopped: more than %lld dead letters within a minute (dead_letter_limit). What is beyond them is read again by the next run. The "
		  "one too many: %.*s:%d offset %lld, table %.*s: %.*s",
		  (long long)most, SLICE_ARG(event->message->topic), event->message->partition, (long long)event->message->offset,
		  SLICE_ARG(event->table), SLICE_ARG(event->error));
	flow_fail(flow, true, err.text);
}

static void event_dies(void *ctx, struct event *event)
{
	flow_count_dead(ctx, event);
}

static void event_stops(void *ctx, struct event *event)
{
	flow_stop_at(ctx, event);
}

static void sink_problem(void *ctx, const char *text)
{
	struct flow *flow = ctx;

	snprintf(flow->problem, sizeof flow->problem, "%s", text);
	if (*text)
		log_warn("the target does not take transactions, trying again: %s", text);
	else
		log_info("the target takes transactions again");
}

static void transaction_failed(void *ctx)
{
	struct flow *flow = ctx;

	flow->doubtful = true;
}

static void lanes_wake(void *ctx)
{
	struct flow *flow = ctx;

	flow->events.wake(flow->events.ctx);
}

/* ---- lifetime ---- */

struct flow *flow_new(const struct flow_options *options, const struct flow_events *events)
{
	struct flow *flow = calloc(1, sizeof *flow);
	struct lanes_events from_lanes = {
		.finished = event_finished,
		.dropped = event_dropped,
		.refused = event_refused,
		.fenced = partition_fenced,
		.held = partition_held,
		.stop = event_stops,
		.dead = event_dies,
		.problem = sink_problem,
		.failed = transaction_failed,
		.wake = lanes_wake,
		.ctx = flow,
	};

	BUG_IF(!flow);
	flow->options = *options;
	flow->events = *events;
	flow->host = options->host;
	flow->watermark = INT64_MIN;
	flow->messages = malloc(INTAKE_MESSAGES_MOST * sizeof(*flow->messages));
	BUG_IF(!flow->messages);
	flow->lanes = lanes_new(options->sink, options->sink->lanes, &flow->parking, &from_lanes);
	lanes_limit(flow->lanes, options->rate_taken_us, options->rows_per_second_most);
	flow->decoder = (struct decoder){ .format = options->format, .options = options->format_options, .shapes = options->shapes };
	flow->decoder.json = json_new();
	flow_run_init(flow);
	if (options->format && options->format->open)
		flow->decoder.state = options->format->open(&flow->decoder);
	return flow;
}

int flow_start(struct flow *flow, struct error *err)
{
	struct source_events events = flow_source_events;

	events.ctx = flow;
	return flow->options.source->ops->start(flow->options.source, &events, err);
}

void flow_free(struct flow *flow)
{
	if (!flow)
		return;
	if (flow->decoder.format && flow->decoder.format->close)
		flow->decoder.format->close(flow->decoder.state);
	lanes_free(flow->lanes);
	flow_run_deinit(flow);
	flow_parked_free(flow);
	flow_partitions_free(flow);
	intakes_free(&flow->intakes);
	json_free(flow->decoder.json);
	letters_free(&flow->letters);
	free(flow->messages);
	free(flow);
}

/* ---- the turn ---- */

void flow_look_at_schema(struct flow *flow)
{
	bool misses = script_host_misses(flow->host);

	if (!(misses || flow->doubtful) || !flow->events.schema || flow->next_host || flow->over)
		return;
	flow->doubtful = false;
	flow->events.schema(flow->events.ctx, misses);
}

void flow_fail(struct flow *flow, bool stop, const char *reason)
{
	if (flow->over)
		return;
	flow->over = true;
	lanes_hold(flow->lanes, true);
	flow->events.failed(flow->events.ctx, stop, reason);
}

void flow_stop(struct flow *flow)
{
	if (flow->stopping)
		return;
	flow->stopping = true;
	flow->options.source->ops->stop(flow->options.source);
	flow->events.wake(flow->events.ctx);
}

void flow_swap(struct flow *flow, struct script_host *host)
{
	BUG_IF(flow->next_host);
	flow->next_host = host;
	lanes_hold(flow->lanes, true);
	flow->events.wake(flow->events.ctx);
}

static bool all_ended(const struct flow *flow)
{
	struct source *source = flow->options.source;

	if (flow->takings || !flow->ready || (!flow->partitions && !flow->idle))
		return false;
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if (!partition->ended)
			return false;
	return !source->ops->whole || source->ops->whole(source);
}

static bool is_draining(const struct flow *flow)
{
	return flow->stopping || all_ended(flow) || (flow->options.events_most && (int64_t)flow->messages_read >= flow->options.events_most);
}

/* What lanes may know of reading: a partition that has as much unfinished as it may waits for them, too. */
static enum lanes_press press(const struct flow *flow)
{
	if (is_draining(flow))
		return LANES_LAST;
	return flow_intake_has_room(flow) && !flow_partitions_wait(flow) ? LANES_MAY_REST : LANES_SHORT;
}

/* Nothing more is to be read: writes what progress is left, and tells when all is committed. True: another turn is due at once. */
static bool drain(struct flow *flow)
{
	/* With nothing on its way, what still waits stands back for a unique value: the event that frees it will not be read any more, so
	 * whoever stops leaves both to the next run. */
	if (lanes_in_flight(flow->lanes) || flow->takings || flow->unrun || ((lanes_waiting(flow->lanes) || flow->intake) && !flow->stopping))
		return false;
	/* What is parked has until its park_for is over, unless somebody stops the job: then it stays where it is. */
	if (flow->parking.count && !flow->stopping && !(flow->options.parked_once && flow_parked_tried(flow))) {
		if (!flow->parked_said && !flow->options.parked_once)
			log_info("all is read; %zu parked events wait for their rows (park_for says how long)", flow->parking.count);
		flow->parked_said = true;
		return false;
	}
	if (all_ended(flow) && !flow->stopping && (!flow->at_end || !flow->timers.all_ran)) {
		bool first = !flow->at_end;

		flow->at_end = true;
		return first;
	}
	flow_partitions_tick(flow);
	if (lanes_in_flight(flow->lanes) || !flow_partitions_done(flow))
		return false;
	if (flow->parking.count)
		log_info("stay parked in streamlua_parked, for the next run: %zu events", flow->parking.count);
	flow->over = true;
	flow->events.finished(flow->events.ctx);
	return false;
}

int64_t flow_turn(struct flow *flow, int64_t mono_ms, int64_t wall_ms)
{
	int64_t again, tick, parked = INT64_MAX, timers;
	size_t count = 0;

	if (flow->over)
		return TICK_MS;
	flow->mono_ms = mono_ms;
	flow->wall_ms = wall_ms;
	if ((flow->next_host || flow->again) && lanes_in_flight(flow->lanes) == 0 && !flow->loading.active)
		flow_run_restart(flow);
	flow_partitions_pause(flow);
	if (!flow->next_host && !flow->again) {
		parked = flow_parked_turn(flow);
		flow_run(flow);
		if (!flow->unrun && !flow->stopping && !flow->over)
			count = flow_intake_turn(flow);
		if (!flow->again)
			flow_run(flow);
	}
	flow_look_at_schema(flow);
	if (flow->over)
		return TICK_MS;
	lanes_press(flow->lanes, press(flow));
	again = lanes_turn(flow->lanes, mono_ms, script_host_version(flow->host));
	again = parked < again ? parked : again;
	if (mono_ms - flow->tick_ms >= TICK_MS) {
		flow->tick_ms = mono_ms;
		flow_clock_tick(flow);
		flow_partitions_tick(flow);
	}
	if (!flow->next_host && !flow->again && is_draining(flow) && count == 0 && drain(flow))
		return 0;
	if (count)
		return 0;
	tick = flow->tick_ms + TICK_MS - mono_ms;
	again = again == INT64_MAX ? tick : again - mono_ms;
	timers = flow_timers_next_ms(flow);
	if (timers != INT64_MAX && timers - wall_ms < again)
		again = timers > wall_ms ? timers - wall_ms : 0;
	return again < tick ? again : tick;
}
