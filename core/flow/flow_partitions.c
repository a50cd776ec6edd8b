/* Whose partitions are ours: taking over, giving back, pausing, and the progress of those whose events all ended without
 * a transaction. */
#include "flow/flow_private.h"

#include <stdlib.h>

/* One request to take partitions over, from assigned() to the sink's answer. */
struct taking {
	struct taking *next; /* of the flow's */
	struct takeover takeover;
	struct flow *flow;
	struct source_partition_name *names;
	struct partition **partitions; /* referenced */
};

static void unlink_partition(struct flow *flow, struct partition *partition)
{
	struct partition **at = &flow->partitions;

	while (*at != partition)
		at = &(*at)->next_partition;
	*at = partition->next_partition;
}

static void free_taking(struct taking *taking)
{
	struct taking **at = &taking->flow->takings;

	while (*at != taking)
		at = &(*at)->next;
	*at = taking->next;
	for (size_t i = 0; i < taking->takeover.count; i++)
		partition_unref(taking->partitions[i]);
	free(taking->names);
	free(taking->partitions);
	free(taking);
}

static void became_ready(struct flow *flow)
{
	if (flow->ready || flow->takings)
		return;
	flow->ready = true;
	flow->events.ready(flow->events.ctx);
}

static void take(struct flow *flow, struct partition *partition)
{
	const struct source_ops *ops = flow->options.source->ops;

	partition->taken = true;
	ops->take(flow->options.source, partition->source_id, partition->next_offset < 0 ? START_CONFIGURED : partition->next_offset, partition);
}

static void taken_over(struct takeover *takeover, const struct progress_loaded *loaded, const struct error *err)
{
	struct taking *taking = takeover->ctx;
	struct flow *flow = taking->flow;
	struct error why;

	for (size_t i = 0; i < takeover->count; i++) {
		struct partition *partition = taking->partitions[i];

		if (loaded && !partition->revoked) {
			if (partition_load(partition, &loaded[i], &why) < 0)
				flow_fail(flow, true, why.text);
			else {
				flow_parked_load(flow, partition, &loaded[i]);
				flow_timers_forget(flow);
				take(flow, partition);
			}
		}
	}
	if (!loaded && err)
		flow_fail(flow, false, err->text);
	free_taking(taking);
	became_ready(flow);
	flow->events.wake(flow->events.ctx);
}

static void on_assigned(void *ctx, const struct source_partition *assigned, size_t count)
{
	struct flow *flow = ctx;
	struct taking *taking;

	flow->idle = false;
	if (count == 0) {
		became_ready(flow);
		return;
	}
	taking = calloc(1, sizeof *taking);
	BUG_IF(!taking);
	taking->flow = flow;
	taking->names = calloc(count, sizeof *taking->names);
	taking->partitions = calloc(count, sizeof *taking->partitions);
	BUG_IF(!taking->names || !taking->partitions);
	for (size_t i = 0; i < count; i++) {
		struct partition *partition = partition_new(assigned[i].topic, assigned[i].partition, assigned[i].id, flow->options.sink->lanes);

		partition->rekeyed = script_host_rekey(flow->host) == REKEY_IN && script_host_has_topic(flow->host, partition->topic);
		partition->next_partition = flow->partitions;
		flow->partitions = partition;
		partition_ref(partition);
		taking->partitions[i] = partition;
		taking->names[i] = (struct source_partition_name){ partition->topic, partition->number };
	}
	taking->takeover = (struct takeover){ taking->names, count, taken_over, taking };
	taking->next = flow->takings;
	flow->takings = taking;
	flow->options.sink->ops->take_over(flow->options.sink, &taking->takeover);
}

struct partition *flow_partitions_find(const struct flow *flow, struct slice topic, int32_t number)
{
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if (partition->number == number && slice_equal(partition->topic, topic))
			return partition;
	return NULL;
}

static struct partition *find(const struct flow *flow, uint32_t id)
{
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if (partition->source_id == id)
			return partition;
	return NULL;
}

static void on_revoked(void *ctx, const uint32_t *ids, size_t count)
{
	struct flow *flow = ctx;

	for (size_t i = 0; i < count; i++) {
		struct partition *partition = find(flow, ids[i]);

		if (!partition)
			continue;
		flow_intake_forget(flow, partition);
		lanes_drop(flow->lanes, partition);
		flow_parked_forget(flow, partition);
		unlink_partition(flow, partition);
		partition_unref(partition);
	}
	flow_run_again(flow); /* their state is another's from now on */
}

static void on_ended(void *ctx, uint32_t id)
{
	struct flow *flow = ctx;
	struct partition *partition = find(flow, id);

	if (partition)
		partition->ended = true;
	flow->events.wake(flow->events.ctx);
}

static void on_idle(void *ctx)
{
	struct flow *flow = ctx;

	flow->idle = true;
	became_ready(flow);
	flow->events.wake(flow->events.ctx);
}

static void on_wake(void *ctx)
{
	struct flow *flow = ctx;

	flow->events.wake(flow->events.ctx);
}

static void on_failed(void *ctx, bool job, const char *reason)
{
	flow_fail(ctx, job, reason);
}

const struct source_events flow_source_events = {
	.assigned = on_assigned,
	.revoked = on_revoked,
	.ended = on_ended,
	.idle = on_idle,
	.wake = on_wake,
	.failed = on_failed,
	.message = flow_on_message,
};

static void set_paused(struct flow *flow, struct partition *partition, bool paused)
{
	if (partition->paused == paused || !partition->taken)
		return;
	partition->paused = paused;
	flow->options.source->ops->pause(flow->options.source, partition->source_id, paused);
}

/* Too much is parked: partitions that have none of it go on, what the others wait for may be theirs. */
static bool is_full(const struct flow *flow, const struct partition *partition)
{
	return partition->parked_count && flow->parking.count >= PARKED_MOST;
}

static bool is_held(const struct flow *flow, const struct partition *partition)
{
	for (int32_t i = 0; i < partition->lane_count; i++)
		if (partition->lanes[i].held_until_ms > flow->mono_ms || partition->lanes[i].held_tries)
			return true;
	return false;
}

/* One that stands back is read on for a while: the change that frees it may be its own. */
static uint32_t unfinished_most(const struct flow *flow, const struct partition *partition)
{
	return is_held(flow, partition) ? HELD_EVENTS_MOST : PROGRESS_WINDOW_MOST;
}

void flow_partitions_pause(struct flow *flow)
{
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition) {
		uint32_t unfinished = partition_unfinished(partition);

		if (is_full(flow, partition))
			set_paused(flow, partition, true);
		else if (!partition->paused && unfinished >= HELD_EVENTS_MOST)
			set_paused(flow, partition, unfinished >= unfinished_most(flow, partition));
		else if (partition->paused)
			set_paused(flow, partition, unfinished >= unfinished_most(flow, partition) / 2);
	}
}

bool flow_partitions_wait(const struct flow *flow)
{
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if (partition->paused)
			return true;
	return false;
}

void flow_partitions_tick(struct flow *flow)
{
	struct source *source = flow->options.source;

	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition) {
		int64_t offset = partition_next_offset(partition);

		if (!partition->taken || offset < 0)
			continue;
		if (!flow->options.sink->ops->transactional)
			partition->written_offset = offset;
		if (offset > partition->written_offset && !lanes_write_progress(flow->lanes, partition, script_host_version(flow->host)))
			break; /* all lanes are busy: the next tick will do, or their own transactions */
	}
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if (partition->taken && partition->written_offset >= 0 && partition->written_offset != partition->told_offset) {
			partition->told_offset = partition->written_offset;
			source->ops->committed(source, partition->source_id, partition->written_offset);
		}
}

bool flow_partitions_done(const struct flow *flow)
{
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if ((partition_unfinished(partition) && !flow->stopping) || partition_next_offset(partition) > partition->written_offset)
			return false;
	return true;
}

void flow_partitions_free(struct flow *flow)
{
	while (flow->takings) /* the sink is closed, and answers them no more */
		free_taking(flow->takings);
	while (flow->partitions) {
		struct partition *partition = flow->partitions;

		flow->partitions = partition->next_partition;
		partition_unref(partition);
	}
}
