/* What is due in streamlua_state runs: rows whose event time the watermark has passed, and those whose hour has come. Each is an event
 * between those that were read; its transaction moves its row on, and is fenced by the progress of the partition that the row came
 * from. So it runs once, whoever has the partition by then, and needs no place in the progress of its own. */
#include "flow/flow_private.h"

/* Rows that are asked for at once, in the order in which they are due. */
enum { DUE_MOST = 1000 };

void flow_timers_count(struct flow *flow, const struct event *event)
{
	flow->timers.fired++;
	flow->timers.dead += event->outcome == OUTCOME_DEAD;
}

/* ---- what the database has ---- */

void flow_timers_forget(struct flow *flow)
{
	flow->timers.outdated = true; /* the answer that may be coming in is of other partitions */
	for (uint32_t i = 0; i < script_host_count(flow->host); i++)
		for (int clock = 0; clock < STATE_CLOCKS; clock++)
			state_unreach(&script_host_script(flow->host, i)->state, (enum state_clock)clock, INT64_MIN);
}

static struct state_reach *reach_of(struct flow *flow, const struct state_due *due)
{
	for (uint32_t i = 0; i < script_host_count(flow->host); i++) {
		struct script *script = script_host_script(flow->host, i);

		if (slice_equal(script->name, due->script))
			return &script->state.reach[due->clock];
	}
	return NULL;
}

static void on_row(struct state_load *load, const struct state_row *row)
{
	struct flow *flow = load->ctx;
	const struct state_due *due = &load->due;

	script_host_state_row(flow->host, row, flow_partitions_find(flow, row->topic, row->partition), true);
	flow->timers.due_count++;
	state_reached(reach_of(flow, due), row->at[due->clock], row->map, row->key, false);
}

static void on_done(struct state_load *load)
{
	struct flow *flow = load->ctx;
	struct state_reach *reach = reach_of(flow, &load->due);

	reach->begun = !flow->timers.outdated;
	reach->all = flow->timers.due_count < load->due.most;
	flow_run_loaded(load);
}

static void ask(struct flow *flow, const struct script *script, enum state_clock clock)
{
	const struct state_reach *reach = &script->state.reach[clock];
	struct arena *arena = &flow->loading.arena;
	struct state_load question = { .row = on_row, .done = on_done };
	struct state_due *due = &question.due;
	struct source_partition_name *names;
	size_t count = 0;

	flow_run_trim(flow);
	arena_reset(arena);
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		count++;
	names = arena_alloc(arena, (count + 1) * sizeof *names);
	/* One that is still being taken over holds nothing up yet, so nothing of it may run. */
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if (partition->taken)
			names[due->partition_count++] = (struct source_partition_name){ arena_copy(arena, partition->topic), partition->number };
	due->script = script->name;
	due->clock = clock;
	due->partitions = names;
	due->after.at[clock] = INT64_MIN / 2; /* what every database reads as a whole number */
	if (reach->begun) {
		due->after.at[clock] = reach->at;
		due->after.map = arena_copy(arena, buf_view(&reach->map));
		due->after.key = arena_copy(arena, buf_view(&reach->key));
	}
	due->most = DUE_MOST;
	flow->timers.due_count = 0;
	flow->timers.outdated = false;
	flow_run_ask(flow, question);
}

/* ---- what is due ---- */

/* What is due until then, by this script's clock. */
static int64_t due_until(const struct flow *flow, const struct script *script, enum state_clock clock)
{
	if (clock == STATE_WALL_TIME)
		return flow->wall_ms;
	return flow->watermark == INT64_MIN ? INT64_MIN : flow->watermark - script->out_of_order_ms;
}

static bool fire(struct flow *flow, struct script *script, enum state_clock clock, int64_t until_ms)
{
	struct state_entry *entry = script_host_first_due(script, clock, until_ms, flow->at_end);
	struct intake *intake;

	if (!entry)
		return false;
	intake = intake_new(&flow->intakes);
	for (; entry && intake->count < INTAKE_MESSAGES_MOST; entry = script_host_first_due(script, clock, until_ms, flow->at_end))
		script_host_timer(script, intake, entry, clock, flow->watermark, entry->at[clock] > until_ms);
	return flow_run_timers(flow, intake) || flow->loading.active; /* it came to an entry of a map that is not at hand */
}

/* Whether something is due that only partitions without events hold up. */
static bool waits_for_idle(const struct flow *flow, const struct script *script)
{
	const struct state_entry *first = state_first_due(&script->state, STATE_EVENT_TIME);
	int64_t until_ms = flow->clock.holding_ms == INT64_MIN ? INT64_MIN : flow->clock.holding_ms - script->out_of_order_ms;

	return until_ms != INT64_MIN && ((first && first->at[STATE_EVENT_TIME] <= until_ms) || !script->state.reach[STATE_EVENT_TIME].begun);
}

/* Whether it went on: something ran, or was asked for. */
static bool turn(struct flow *flow, struct script *script, enum state_clock clock)
{
	const struct state_reach *reach = &script->state.reach[clock];
	int64_t until_ms = due_until(flow, script, clock);
	bool wants_more = reach->at <= until_ms || (flow->at_end && script->ends && !script_host_first_due(script, clock, until_ms, true));

	if (until_ms == INT64_MIN && !flow->at_end)
		return false;
	if (!reach->begun || (!reach->all && wants_more)) {
		ask(flow, script, clock);
		return true;
	}
	return fire(flow, script, clock, until_ms);
}

static bool has_taken_any(const struct flow *flow)
{
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		if (partition->taken)
			return true;
	return false;
}

bool flow_timers_turn(struct flow *flow)
{
	flow->timers.all_ran = script_host_rekey(flow->host) == REKEY_OUT; /* of what it keeps, none is run here */
	if (flow->timers.all_ran)
		return false;
	if (flow->loading.active || (flow->unrun && flow->unrun->begun) || !flow->ready || !flow_intake_has_room(flow))
		return false;
	flow_clock_turn(flow);
	for (uint32_t i = 0; i < script_host_count(flow->host) && has_taken_any(flow); i++) {
		struct script *script = script_host_ranked(flow->host, i);

		for (int clock = 0; clock < STATE_CLOCKS && script->stateful; clock++)
			if (turn(flow, script, (enum state_clock)clock) || flow->over)
				return !flow->loading.active;
		flow->clock.wanted |= script->stateful && waits_for_idle(flow, script);
	}
	flow->timers.all_ran = true;
	return false;
}

int64_t flow_timers_next_ms(const struct flow *flow)
{
	int64_t next_ms = INT64_MAX;

	for (uint32_t i = 0; i < script_host_count(flow->host); i++) {
		const struct state_entry *entry = state_first_due(&script_host_script(flow->host, i)->state, STATE_WALL_TIME);

		if (entry && entry->at[STATE_WALL_TIME] < next_ms)
			next_ms = entry->at[STATE_WALL_TIME];
	}
	return next_ms;
}
