/* From messages to events in lanes: one intake a turn. */
#include "flow/flow_private.h"

#include "base/log.h"
#include "flow/decode.h"
#include "flow/rekey.h"

/* How many events may wait in lanes: two full transactions for each. More would only be memory. */
enum { WAITING_FACTOR = 2 };

void flow_on_message(void *ctx, const struct message *message)
{
	struct flow *flow = ctx;
	struct message original;

	if (message->owner->rekeyed) {
		original = *message;
		rekey_open(&original);
		message = &original;
		flow->intake->rekeyed = true;
	}
	message->owner->read_ms = message->time_ms;
	flow->messages[flow->message_count++] = intake_copy(flow->intake, message);
}

void flow_intake_forget(struct flow *flow, const struct partition *partition)
{
	size_t kept = 0;

	flow_run_forget(flow, partition);
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
		else if (event->op == OP_DDL) {
			flow->doubtful = true; /* whoever changes the source's schema changes the target's too */
			by_rule(flow, event, flow->options.on_ddl, "schema change");
		} else if (event->op == OP_TRUNCATE)
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

/* It is at fault, and this is its end. */
static void note_fault(struct flow *flow, const struct event *event)
{
	log_fault(flow, event);
	if (event->outcome == OUTCOME_DEAD)
		letters_note(&flow->letters, event, flow->wall_ms, script_host_version(flow->host));
}

void flow_finish_event(struct flow *flow, struct event *event)
{
	struct partition *partition = event->owner;

	BUG_IF(event->outcome == OUTCOME_PENDING);
	if (event->op == OP_TIMER) {
		flow_timers_count(flow, event);
		if (event->outcome == OUTCOME_DEAD || event->outcome == OUTCOME_SKIPPED)
			note_fault(flow, event);
	} else if (!event->was_done && event->outcome != OUTCOME_PARKED) {
		flow->outcomes[event->outcome]++;
		if (event->script)
			event->script->counters.outcomes[event->outcome]++;
		if (event->outcome == OUTCOME_DEAD || event->outcome == OUTCOME_SKIPPED)
			note_fault(flow, event);
	}
	if (event->outcome == OUTCOME_PARKED && partition->revoked)
		flow->read--; /* whose it is now counts it */
	if (!partition->revoked && event_has_place(event)) {
		if (event->lane_state == LANE_DONE || event->was_done) /* a lane's progress has it */
			partition_finish(partition, event->ordinal);
		else
			partition_finish_unwritten(partition, event);
	}
	flow_run_keep(flow, event);
	script_event_release(event);
	event->settled = true;
	intake_release(event->intake);
}

static void enter(struct flow *flow)
{
	for (struct event *event = flow->intake->first; event; event = event->next) {
		struct partition *partition = event->owner;

		event->was_done = partition_enter(partition, event) || event->part < event->message->parts_done;
		if (event->was_done)
			event->outcome = OUTCOME_IGNORED;
		else
			flow->read++;
	}
}

/* ---- the turn ---- */

/* The more events of a key there are, the fewer times its row of state is written. */
size_t flow_intake_memory_most(const struct flow *flow)
{
	return script_host_is_stateful(flow->host) ? flow->options.memory_bytes * 2 : flow->options.memory_bytes;
}

bool flow_intake_has_room(const struct flow *flow)
{
	bool many = flow->options.sink->ops->in_order || script_host_is_stateful(flow->host) || script_host_adds(flow->host);
	size_t tx_most = many ? LANE_EVENTS_MOST : LANE_ROWS_MOST;
	size_t waiting_most = (size_t)flow->options.sink->lanes * tx_most * WAITING_FACTOR;

	return lanes_waiting(flow->lanes) < waiting_most && intakes_bytes(&flow->intakes) < flow_intake_memory_most(flow);
}

static size_t room(const struct flow *flow)
{
	size_t careful = script_host_intake_most(flow->host), most = careful < INTAKE_MESSAGES_MOST ? careful : INTAKE_MESSAGES_MOST;
	size_t fitting = flow->event_bytes ? flow_intake_memory_most(flow) / flow->event_bytes : most;

	if (!flow_intake_has_room(flow))
		return 0;
	if (fitting < most) /* large rows, or each leaves a large state */
		most = fitting ? fitting : 1;
	if (flow->options.events_most) {
		int64_t left = flow->options.events_most - (int64_t)flow->messages_read;

		most = left <= 0 ? 0 : (size_t)left < most ? (size_t)left : most;
	}
	return most;
}

void flow_intake_process(struct flow *flow, struct intake *intake)
{
	settle_control(flow, intake);
	flow_run_add(flow, intake);
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
		if (intake->rekeyed)
			rekey_choose(intake);
		enter(flow);
		flow_intake_process(flow, intake);
	}
	flow->intake = NULL;
	intake_release(intake);
	return count;
}
