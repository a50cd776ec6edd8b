#include "run/replay.h"

#include <stdlib.h>

#include "base/clock.h"

/* A source that has these partitions and nothing in them. */
struct nothing {
	struct source source;
	const struct source_partition_name *partitions;
	size_t count;
	struct source_events events;
	struct event *due;
	bool told;
};

static struct nothing *self(struct source *source)
{
	return (struct nothing *)source;
}

static void on_due(evutil_socket_t fd, short what, void *ctx)
{
	struct nothing *own = ctx;
	struct source_partition *assigned = calloc(own->count + 1, sizeof *assigned);

	(void)fd, (void)what;
	BUG_IF(!assigned);
	for (size_t i = 0; i < own->count; i++)
		assigned[i] = (struct source_partition){ (uint32_t)i, own->partitions[i].topic, own->partitions[i].partition };
	own->events.assigned(own->events.ctx, assigned, own->count);
	for (size_t i = 0; i < own->count; i++)
		own->events.ended(own->events.ctx, (uint32_t)i);
	free(assigned);
}

static int nothing_start(struct source *source, const struct source_events *events, struct error *err)
{
	(void)err;
	self(source)->events = *events;
	event_active(self(source)->due, EV_TIMEOUT, 0);
	return 0;
}

static size_t nothing_poll(struct source *source, size_t most)
{
	(void)source, (void)most;
	return 0;
}

static void nothing_take(struct source *source, uint32_t id, int64_t offset, struct partition *owner)
{
	(void)source, (void)id, (void)offset, (void)owner;
}

static void nothing_pause(struct source *source, uint32_t id, bool paused)
{
	(void)source, (void)id, (void)paused;
}

static void nothing_committed(struct source *source, uint32_t id, int64_t offset)
{
	(void)source, (void)id, (void)offset;
}

static int64_t nothing_lag(struct source *source, uint32_t id)
{
	(void)source, (void)id;
	return -1;
}

static void nothing_stop(struct source *source)
{
	(void)source;
}

static void nothing_close(struct source *source)
{
	event_free(self(source)->due);
}

static const struct source_ops nothing_ops = {
	.name = "nothing",
	.start = nothing_start,
	.poll = nothing_poll,
	.take = nothing_take,
	.pause = nothing_pause,
	.committed = nothing_committed,
	.lag = nothing_lag,
	.stop = nothing_stop,
	.close = nothing_close,
};

/* ---- the flow ---- */

struct replay {
	struct event_base *loop;
	struct flow *flow;
	struct event *turn;
	bool failed;
	struct error *err;
};

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct replay *replay = ctx;
	int64_t wait = flow_turn(replay->flow, clock_mono_ms(), clock_wall_ms());
	struct timeval delay = { wait / 1000, wait % 1000 * 1000 };

	(void)fd, (void)what;
	event_add(replay->turn, &delay);
}

static void on_wake(void *ctx)
{
	event_add(((struct replay *)ctx)->turn, &(struct timeval){ 0, 0 });
}

static void on_ready(void *ctx)
{
	(void)ctx;
}

static void on_finished(void *ctx)
{
	event_base_loopbreak(((struct replay *)ctx)->loop);
}

static void on_failed(void *ctx, bool stop, const char *reason)
{
	struct replay *replay = ctx;

	(void)stop;
	replay->failed = true;
	error_set(replay->err, "%s", reason);
	event_base_loopbreak(replay->loop);
}

static void on_swapped(void *ctx, struct script_host *old)
{
	(void)ctx, (void)old;
	BUG_IF("nobody reloads here");
}

int replay_run(struct job *job, struct event_base *loop, struct sink *sink, const struct source_partition_name *partitions, size_t count,
	       struct error *err)
{
	struct nothing source = { .source = { .ops = &nothing_ops }, .partitions = partitions, .count = count };
	struct replay replay = { .loop = loop, .err = err };
	struct shapes *shapes = shapes_new();
	struct flow_options options = {
		.source = &source.source,
		.sink = sink,
		.shapes = shapes,
		.host = job->host,
		.format = job->format,
		.format_options = job->format_options,
		.on_ddl = job_control(job, "on_ddl"),
		.on_truncate = job_control(job, "on_truncate"),
		.memory_bytes = (size_t)job_number(job, "memory", 256 << 20) / 5,
		.dead_letters_most = -1,
		.parked_once = true,
	};
	struct flow_events events = {
		.wake = on_wake, .ready = on_ready, .finished = on_finished, .failed = on_failed, .swapped = on_swapped, .ctx = &replay
	};
	struct schemas *schemas = NULL;
	int result = script_host_bind(job->host, sink, shapes, &job->readings, NULL, NULL, err);

	if (job_rekeys(job))
		script_host_set_rekey(job->host, REKEY_IN);
	if (result == 0)
		result = job_schemas(job, loop, on_wake, &replay, &schemas, err);
	if (result == 0) {
		options.format_options.schemas = schemas;
		source.due = event_new(loop, -1, 0, on_due, &source);
		replay.turn = event_new(loop, -1, 0, on_turn, &replay);
		BUG_IF(!source.due || !replay.turn);
		replay.flow = flow_new(&options, &events);
		result = flow_start(replay.flow, err);
		on_wake(&replay);
		if (result == 0)
			event_base_dispatch(loop);
		source.source.ops->close(&source.source);
		result = result < 0 || replay.failed ? -1 : 0;
	}
	/* The flow borrows the sink's answers: what is left of it is the caller's to free when the sink is closed. */
	flow_free(replay.flow);
	if (schemas)
		schemas->ops->close(schemas);
	if (replay.turn)
		event_free(replay.turn);
	shapes_free(shapes);
	return result;
}
