/* From messages to events in lanes: one intake a turn. */
#include "flow/flow_private.h"

#include "base/log.h"
#include "flow/decode.h"

/* How many events may wait in lanes: two full transactions for each. More would only be memory. */
enum { WAITING_FACTOR = 2 };

void flow_on_message(void *ctx, const struct message *message)
{
	struct flow *flow = ctx;

	flow->messages[flow->message_count++] = intake_copy(flow->intake, message);
}

void flow_intake_forget(struct flow *flow, const struct partition *partition)
{
	size_t kept = 0;

	if (!flow->intake)
		return;
	for (size_t i = 0; i < flow->message_count; i++)
		if (flow->messages[i]->owner != partition)
			flow->messages[kept++] = flow->messages[i];
	flow->message_count = kept;
}

/* ---- what is no row ---- */

static void by_rule(struct flow *flow, struct event *event, enum on_control rule, const char *what)
{
	switch (rule) {
	case ON_CONTROL_IGNORE:
		event->outcome = OUTCOME_IGNORED;
		break;
	case ON_CONTROL_STOP:
		/* At fault, so that no script is asked for the row that it has not. */
		script_event_fault(event, STAGE_DECODE, arena_printf(&event->intake->arena, "%s, and the job says to stop there", what));
		event->must_stop = true;
		event->outcome = OUTCOME_IGNORED; /* no script is to see it */
		break;
	case ON_CONTROL_DEAD_LETTER:
		script_event_fault(event, STAGE_DECODE, slice_of(what));
		break;
	}
	(void)flow;
}

static void settle_control(struct flow *flow, struct intake *intake)
{
	for (struct event *event = intake->first; event; event = event->next) {
		if (event->outcome != OUTCOME_PENDING)
			continue;
		if (event->op == OP_CONTROL)
			event->outcome = OUTCOME_IGNORED;
		else if (event->op == OP_DDL)
			by_rule(flow, event, flow->options.on_ddl, "schema change");
		else if (event->op == OP_TRUNCATE)
			by_rule(flow, event, flow->options.on_truncate, "TRUNCATE");
	}
}

/* ---- endings ---- */

static void log_fault(struct flow *flow, const struct event *event)
{
	static const char *const stages[] = { "decode", "script", "sink" };
	static struct log_gate gate;
	struct arena *arena = &event->intake->arena;
	const struct message *message = event->message;

	if (!log_gate(&gate, 5, flow->mono_ms))
		return;
	log_write(LOG_WARN,
		  (const char *[]){ "topic", arena_copy(arena, message->topic).p, "partition", arena_printf(arena, "%d", message->partition).p,
				    "offset", arena_printf(arena, "%lld", (long long)message->offset).p, "table", arena_copy(arena, event->table).p,
				    "stage", stages[event->stage], NULL },
		  "%s: %.*s", event->outcome == OUTCOME_DEAD ? "dead letter" : "skipped", SLICE_ARG(event->error));
}

void flow_finish_event(struct flow *flow, struct event *event)
{
	struct partition *partition = event->message->owner;

	BUG_IF(event->outcome == OUTCOME_PENDING);
	if (!event->was_done && event->outcome != OUTCOME_PARKED) {
		flow->outcomes[event->outcome]++;
		if (event->script)
			event->script->counters.outcomes[event->outcome]++;
		if (event->outcome == OUTCOME_DEAD || event->outcome == OUTCOME_SKIPPED)
			log_fault(flow, event);
	}
	if (event->outcome == OUTCOME_PARKED && partition->revoked)
		flow->read--; /* whose it is now counts it */
	if (!partition->revoked && !event->was_done && !event->parked) {
		if (event->lane_state == LANE_DONE) /* its lane's progress has it */
			partition_finish(partition, event->ordinal);
		else
			partition_finish_unwritten(partition, event);
	}
	event->settled = true;
	intake_release(event->intake);
}

/* Sends the events of an intake where they go: into lanes, or to their end. */
static void send(struct flow *flow, struct intake *intake)
{
	for (struct event *event = intake->first, *next; event; event = next) {
		next = event->next; /* finishing the last event gives the intake back; `next` is NULL then */
		if (event->settled)
			continue;
		if (event->must_stop || (event->outcome == OUTCOME_DEAD && event->script && script_on_error(event->script) == ON_ERROR_STOP)) {
			flow_stop_at(flow, event);
			return;
		}
		if (event->outcome == OUTCOME_DEAD) {
			flow_count_dead(flow, event);
			if (flow->over)
				return;
		}
		/* What was parked is taken out there by a transaction, whatever becomes of it. */
		if (event->outcome == OUTCOME_PENDING || event->outcome == OUTCOME_DEAD || event->parked)
			lanes_add(flow->lanes, event);
		else
			flow_finish_event(flow, event);
	}
}

static void enter(struct flow *flow)
{
	for (struct event *event = flow->intake->first; event; event = event->next) {
		struct partition *partition = event->message->owner;

		event->was_done = partition_enter(partition, event);
		if (event->was_done)
			event->outcome = OUTCOME_IGNORED;
		else
			flow->read++;
	}
}

/* ---- the turn ---- */

bool flow_intake_has_room(const struct flow *flow)
{
	size_t waiting_most = (size_t)flow->options.sink->lanes * LANE_EVENTS_MOST * WAITING_FACTOR;

	return lanes_waiting(flow->lanes) < waiting_most && intakes_bytes(&flow->intakes) < flow->options.memory_bytes;
}

static size_t room(const struct flow *flow)
{
	size_t most = INTAKE_MESSAGES_MOST;

	if (!flow_intake_has_room(flow))
		return 0;
	if (flow->options.events_most) {
		int64_t left = flow->options.events_most - (int64_t)flow->messages_read;

		most = left <= 0 ? 0 : (size_t)left < most ? (size_t)left : most;
	}
	return most;
}

/* Runs the scripts. What they could not do because the target is away is no event's fault: a new worker reads the same again. */
static void run_scripts(struct flow *flow, struct intake *intake)
{
	script_host_run(flow->host, intake, flow->wall_ms, flow->watermark);
	if (script_host_outage(flow->host))
		flow_fail(flow, false, script_host_outage(flow->host));
	else
		send(flow, intake);
}

void flow_intake_process(struct flow *flow, struct intake *intake)
{
	settle_control(flow, intake);
	run_scripts(flow, intake);
}

static void read_messages(struct flow *flow, size_t most)
{
	flow->intake = intake_new(&flow->intakes);
	flow->message_count = 0;
	flow->options.source->ops->poll(flow->options.source, most);
	flow->messages_read += flow->message_count;
}

size_t flow_intake_turn(struct flow *flow)
{
	size_t most, count;
	struct intake *intake;

	if (!flow->intake) {
		most = room(flow);
		if (most == 0)
			return 0;
		read_messages(flow, most);
	}
	intake = flow->intake;
	count = flow->message_count;
	if (count && !flow->over && !decode_ready(&flow->decoder, flow->messages, count))
		return 0;
	if (count && !flow->over) {
		decode_messages(&flow->decoder, flow->host, intake, flow->messages, count);
		enter(flow);
		flow_intake_process(flow, intake);
	}
	flow->intake = NULL;
	intake_release(intake);
	return count;
}

/* Nothing is on its way, so every unsettled event waits in a lane: it starts from what was decoded. */
void flow_intakes_again(struct flow *flow)
{
	lanes_clear(flow->lanes);
	flow_parked_new_scripts(flow);
	/* The event that stood back may go another way now, or none: its partition would be paused for ever. */
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		for (int32_t i = 0; i < partition->lane_count; i++)
			partition->lanes[i].held_until_ms = partition->lanes[i].held_since_ms = partition->lanes[i].held_tries = 0;
	for (struct intake *intake = flow->intakes.oldest, *next; intake; intake = next) {
		intake->unfinished++; /* it must not go back while it is walked */
		for (struct event *event = intake->first; event; event = event->next) {
			struct image *images[] = { &event->row, &event->old, &event->key };

			if (event->settled) {
				event->script = NULL; /* of a host that may be gone at the next reload */
				continue;
			}
			/* What could not be decoded stays so; what a script's route found wrong is that script's to say anew. */
			if (event->outcome == OUTCOME_DEAD && event->stage == STAGE_DECODE && !event->script)
				continue;
			event->outcome = OUTCOME_PENDING;
			event->changes = NULL;
			event->changes_end = &event->changes;
			event->error = (struct slice){ 0 };
			event->bytes = 0;
			event->parks = event->missed = false;
			event->lane_state = LANE_WAITING;
			for (size_t i = 0; i < 3; i++)
				images[i]->readings = NULL;
		}
		run_scripts(flow, intake);
		next = intake->next;
		intake_release(intake);
	}
}
