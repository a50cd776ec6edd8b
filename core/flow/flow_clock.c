/* How far event time has come. Each partition has a clock, the largest event time that ran; a worker's watermark follows the slowest of its
 * partitions, but for those that are idle or at their end.
 *
 * An idle partition follows the others: its clock is moved to theirs, and that is written to its progress before anything runs because
 * of it. So what it brings later is late to whoever has it by then, and no window is written twice. Where all are idle nothing moves. */
#include "flow/flow_private.h"

/* Its events keep no state: they have no times. What was done before a restart and was not read again may have had some. */
static bool has_no_times(const struct partition *partition)
{
	return partition->clock_ms == INT64_MIN && partition->next != 0 && partition_unfinished(partition) == 0 && !partition_skips(partition);
}

static bool is_at_rest(const struct partition *partition)
{
	return partition->rest.idle || partition->ended;
}

static int64_t idle_after_ms(const struct flow *flow)
{
	int64_t least_ms = INT64_MAX;

	for (uint32_t i = 0; i < script_host_count(flow->host); i++) {
		const struct script *script = script_host_script(flow->host, i);

		if (script->stateful && script->idle_after_ms < least_ms)
			least_ms = script->idle_after_ms;
	}
	return least_ms;
}

/* It is quiet as long as no event brings a time, and it is not for us that none does: what is there to be read is being read. */
static void look(struct flow *flow, struct partition *partition, int64_t idle_after)
{
	uint32_t source_id = partition->source_id;
	bool moved = partition->clocked != partition->rest.clocked || partition->rest.quiet_since_ms < 0;
	bool read = partition->next != partition->rest.next;

	if (moved || partition_unfinished(partition) || (!read && flow->options.source->ops->lag(flow->options.source, source_id) > 0))
		partition->rest.quiet_since_ms = flow->mono_ms;
	partition->rest.clocked = partition->clocked;
	partition->rest.next = partition->next;
	partition->rest.idle = flow->mono_ms - partition->rest.quiet_since_ms >= idle_after;
}

/* What others may run by: where it was moved, not before that is written; and not by events that are to run once more, which find the clock
 * that they found before. */
static int64_t known_ms(const struct partition *partition)
{
	int64_t known_ms = partition->moved_ms > partition->saved_ms ? partition->saved_ms : partition->clock_ms;

	return partition->again_ms < known_ms ? partition->again_ms : known_ms;
}

/* They wait in front of all others. */
static void find_again(struct flow *flow)
{
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		partition->again_ms = INT64_MAX;
	for (const struct intake *intake = flow->unrun; intake && intake->again; intake = intake->next_to_run)
		for (const struct event *event = intake->first; event; event = event->next)
			if (!event->settled && event->clocked && event->message->owner && event->clock_ms < event->message->owner->again_ms)
				event->message->owner->again_ms = event->clock_ms;
}

/* Moves those at rest along with the others. */
static void lift(struct flow *flow)
{
	int64_t clock_ms = flow->clock.holding_ms;

	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition) {
		if (!partition->taken || !is_at_rest(partition) || has_no_times(partition) || partition_unfinished(partition) ||
		    known_ms(partition) >= clock_ms)
			continue;
		if (partition->clock_ms < clock_ms)
			partition->clock_ms = partition->watermark = partition->moved_ms = clock_ms;
		if (!flow->options.sink->ops->transactional)
			partition->saved_ms = clock_ms;
		else if (!lanes_write_progress(flow->lanes, partition, script_host_version(flow->host)))
			break; /* all lanes are busy: the next tick will do */
	}
}

void flow_clock_tick(struct flow *flow)
{
	int64_t idle_after = idle_after_ms(flow);

	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if (partition->taken)
			look(flow, partition, idle_after);
	if (flow->clock.wanted)
		lift(flow);
	flow->clock.wanted = false;
}

void flow_clock_turn(struct flow *flow)
{
	int64_t holding_ms = INT64_MAX, resting_ms = INT64_MAX, furthest_ms = INT64_MIN;

	find_again(flow);
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition) {
		int64_t *least_ms = is_at_rest(partition) ? &resting_ms : &holding_ms;

		if (!partition->taken || has_no_times(partition))
			continue;
		if (known_ms(partition) < *least_ms)
			*least_ms = known_ms(partition);
		if (partition->clock_ms > furthest_ms)
			furthest_ms = partition->clock_ms;
	}
	flow->clock.holding_ms = holding_ms == INT64_MAX ? furthest_ms : holding_ms;
	flow->watermark = flow->clock.holding_ms < resting_ms ? flow->clock.holding_ms : resting_ms;
}

int64_t flow_clock_others_ms(const struct flow *flow)
{
	uint32_t count = 0;

	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		count += partition->taken && !has_no_times(partition);
	return count < 2 ? INT64_MAX : flow->watermark;
}
