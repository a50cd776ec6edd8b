#include "sim/worker.h"

#include <stdlib.h>
#include <string.h>

#include "flow/flow_private.h"
#include "flow/sides.h"
#include "sim/aside.h"
#include "sim/scripts.h"
#include "sim/sink.h"
#include "sim/trace.h"

static void on_wake(void *ctx)
{
	struct worker *worker = ctx;

	worker->due_ms = worker->world->now_ms;
}

static void on_ready(void *ctx)
{
	struct worker *worker = ctx;

	trace_line("worker %u is ready", worker->number);
}

static void on_finished(void *ctx)
{
	struct worker *worker = ctx;

	trace_line("worker %u has finished", worker->number);
	if (!worker->stopping && !worker->world->db.timed.ending)
		trace_fail("worker %u finished, and nobody stopped it", worker->number);
	worker->finished = true;
}

/* All that may end a worker here: another one has its partition, or what it is to read is deleted. */
static void on_failed(void *ctx, bool stop, const char *reason)
{
	struct worker *worker = ctx;

	trace_line("worker %u fails: %s", worker->number, reason);
	if (stop || (!strstr(reason, "another worker has taken over") && !strstr(reason, " is gone: the broker keeps ")))
		trace_fail("worker %u: %s", worker->number, reason);
	worker->failed = true;
}

static void on_swapped(void *ctx, struct script_host *old)
{
	struct worker *worker = ctx;

	if (old != worker->host)
		trace_fail("worker %u gives back a host that it did not use", worker->number);
	trace_line("worker %u has swapped", worker->number);
	scripts_free(worker->host, worker->world->fresh_hosts);
	worker->host = worker->next_host;
	worker->next_host = NULL;
}

static struct script_host *some_host(struct world *world)
{
	return scripts_host(dice_below(&world->dice, SCRIPTS_VERSIONS), world->history.json, world->history.chained, world->fresh_hosts);
}

/* Often there is hardly any, so that reading stops and goes on. Not where rows wait for a unique value: what frees it may be what is not read, and
 * then they wait until park_for is over. */
static size_t some_memory(struct world *world)
{
	for (uint32_t i = 0; i < world->history.log_count; i++)
		if (world->history.logs[i].table == TABLE_NAMES || world->history.logs[i].table == TABLE_STUCK)
			return SIZE_MAX;
	return dice_percent(&world->dice, 50) ? SIZE_MAX : 2000 + dice_below(&world->dice, 30000);
}

struct worker *worker_new(struct world *world)
{
	static const struct reading_settings plain = { .plain = true };
	struct worker *worker = calloc(1, sizeof *worker);
	int32_t lanes = 1 + (int32_t)dice_below(&world->dice, 5);
	struct flow_events events = {
		.wake = on_wake,
		.ready = on_ready,
		.finished = on_finished,
		.failed = on_failed,
		.swapped = on_swapped,
		.ctx = worker,
	};
	struct flow_options options;
	struct error err;

	BUG_IF(!worker);
	worker->world = world;
	worker->number = world->worker_next++;
	worker->due_ms = world->now_ms;
	worker->sink = worker->server = sim_sink_new(world, worker->number, lanes);
	if (world->db.aside.on) {
		worker->aside = aside_new(world, worker->number);
		worker->sink = sides_new(worker->server, &(struct side_sink){ "aside", worker->aside }, 1);
	}
	worker->source = broker_source_new(world, worker->number);
	worker->host = some_host(world);
	worker->memory = some_memory(world);
	options = (struct flow_options){
		.source = worker->source,
		.sink = worker->sink,
		.shapes = scripts_shapes(),
		.host = worker->host,
		.format = world->history.json ? &format_json : &format_debezium,
		.memory_bytes = worker->memory,
		.dead_letters_most = -1,
		.state_bytes = dice_percent(&world->dice, 50) ? 0 : 10000,
	};
	if (world->history.json)
		options.format_options.readings = plain;
	worker->flow = flow_new(&options, &events);
	if (flow_start(worker->flow, &err) < 0)
		trace_fail("worker %u does not start: %s", worker->number, err.text);
	trace_line("worker %u begins with %d lanes", worker->number, lanes);
	return worker;
}

void worker_free(struct worker *worker)
{
	for (int i = 0; i < OUTCOME_COUNT; i++)
		worker->world->counted[i] += worker->flow->outcomes[i];
	worker->source->ops->close(worker->source);
	worker->sink->ops->close(worker->sink);
	flow_free(worker->flow);
	scripts_free(worker->host, worker->world->fresh_hosts);
	scripts_free(worker->next_host, worker->world->fresh_hosts);
	free(worker);
}

struct worker *worker_find(struct world *world, uint32_t number)
{
	for (uint32_t i = 0; i < WORKERS_MOST; i++)
		if (world->workers[i] && world->workers[i]->number == number)
			return world->workers[i];
	return NULL;
}

/* They were not read. */
static uint32_t timers_waiting(const struct flow *flow)
{
	uint32_t count = 0;

	for (const struct intake *intake = flow->intakes.oldest; intake; intake = intake->next)
		for (const struct event *event = intake->first; event; event = event->next)
			count += event->op == OP_TIMER && !event->settled;
	return count;
}

/* What was read is somewhere: ended, in a lane, or parked. */
static void check_counters(const struct worker *worker)
{
	size_t parked = worker->flow->parking.count;
	uint64_t ended = 0;

	for (int i = 0; i < OUTCOME_COUNT; i++)
		ended += worker->flow->outcomes[i];
	for (const struct partition *partition = worker->flow->partitions; partition; partition = partition->next_partition)
		parked -= parking_back(partition);
	if (worker->flow->read + timers_waiting(worker->flow) != ended + parked + lanes_waiting(worker->flow->lanes) + flow_run_waiting(worker->flow))
		trace_fail("worker %u has read %llu events; %llu have ended, %u wait, %zu are parked, %u have not run", worker->number,
			   (unsigned long long)worker->flow->read, (unsigned long long)ended, lanes_waiting(worker->flow->lanes), parked,
			   flow_run_waiting(worker->flow));
}

/* It was below its bound when it read. */
static void check_memory(const struct worker *worker)
{
	const struct intakes *intakes = &worker->flow->intakes;
	size_t before = intakes->newest ? intakes_bytes(intakes) - intakes->newest->arena.bytes : 0;

	if (before >= worker->memory)
		trace_fail("worker %u reads, and its events took %zu bytes of %zu", worker->number, before, worker->memory);
}

void worker_turn(struct worker *worker)
{
	struct world *world = worker->world;
	uint64_t before = worker->flow->messages_read;
	int64_t wait;

	worker->due_ms = INT64_MAX;
	wait = flow_turn(worker->flow, world->now_ms, world->now_ms);
	if (wait < 0)
		trace_fail("worker %u: its next turn is due %lld ms ago", worker->number, (long long)-wait);
	if (world->now_ms + wait < worker->due_ms)
		worker->due_ms = world->now_ms + wait;
	if (worker->flow->messages_read > before)
		check_memory(worker);
	if (worker->flow->messages_read > before)
		trace_line("worker %u reads %llu messages, %u events wait", worker->number,
			   (unsigned long long)(worker->flow->messages_read - before), lanes_waiting(worker->flow->lanes));
	if (!worker->failed)
		check_counters(worker);
}

void worker_reload(struct worker *worker)
{
	if (worker->next_host || worker->stopping)
		return;
	worker->next_host = some_host(worker->world);
	trace_line("worker %u is to swap", worker->number);
	flow_swap(worker->flow, worker->next_host);
}

void worker_stop(struct worker *worker)
{
	if (worker->stopping)
		return;
	trace_line("worker %u is to stop", worker->number);
	worker->stopping = true;
	flow_stop(worker->flow);
}
