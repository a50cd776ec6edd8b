/* Intakes through their scripts, one after the other: none runs before the state that its events need is at hand, and none before
 * those that came earlier. What ran upon a state that never came to be runs again. */
#include "flow/flow_private.h"

#include "flow/state_memory.h"

void flow_run_init(struct flow *flow)
{
	flow->unrun_end = &flow->unrun;
	script_host_state(flow->host)->bytes_most = flow->options.state_bytes;
	if (!flow->options.sink->ops->load_state || !flow->options.sink->ops->transactional)
		flow->memory = state_memory_new();
}

void flow_run_deinit(struct flow *flow)
{
	arena_free(&flow->loading.arena);
	state_memory_free(flow->memory);
}

void flow_run_add(struct flow *flow, struct intake *intake)
{
	intake->unfinished++; /* it must not go back before it has run */
	intake->ran = intake->begun = intake->stalled = intake->looks = false;
	intake->next_to_run = NULL;
	*flow->unrun_end = intake;
	flow->unrun_end = &intake->next_to_run;
}

uint32_t flow_run_waiting(const struct flow *flow)
{
	uint32_t count = 0;

	for (const struct intake *intake = flow->unrun; intake; intake = intake->next_to_run)
		for (const struct event *event = intake->first; event; event = event->next)
			count += !event->settled && !event->was_done;
	return count;
}

/* ---- what state they need ---- */

static void on_row(struct state_load *load, const struct state_row *row)
{
	struct flow *flow = load->ctx;

	script_host_state_row(flow->host, row, flow_partitions_find(flow, row->topic, row->partition), false);
}

static void on_looked(struct state_load *load, const struct look *look, const struct value *cells)
{
	script_host_looked(((struct flow *)load->ctx)->host, look, cells);
}

void flow_run_loaded(struct state_load *load)
{
	struct flow *flow = load->ctx;

	script_host_loaded(flow->host);
	flow->loading.active = false;
	flow->events.wake(flow->events.ctx);
}

static void on_memory(struct state_load *load)
{
	(void)load;
}

/* What a sink does not keep is here; its other tables are its own to answer for. True: there is nothing to ask it. */
static bool ask_memory(struct flow *flow, struct state_load question)
{
	question.done = on_memory;
	question.ctx = flow;
	state_memory_load(flow->memory, &question);
	flow->loading.load.count = 0;
	return !question.look_count;
}

void flow_run_ask(struct flow *flow, struct state_load question)
{
	struct state_load *asked = &flow->loading.load;

	flow->loading.active = true;
	*asked = question;
	asked->ctx = flow;
	if (flow->memory && ask_memory(flow, question))
		asked->done(asked);
	else
		flow->options.sink->ops->load_state(flow->options.sink, asked);
}

/* Everything that is wanted, in one question. */
static void load(struct flow *flow)
{
	struct state_load question = { .row = on_row, .looked = on_looked, .done = flow_run_loaded };

	arena_reset(&flow->loading.arena);
	script_host_question(flow->host, &flow->loading.arena, &question);
	flow_run_ask(flow, question);
}

static void gone(void *ctx, const struct state_entry *entry)
{
	(void)ctx;
	for (int clock = 0; clock < STATE_CLOCKS; clock++)
		if (entry->place[clock])
			state_unreach(entry->owner, (enum state_clock)clock, entry->at[clock]);
}

/* ---- running ---- */

void flow_run_trim(struct flow *flow)
{
	state_trim(script_host_state(flow->host), gone, flow);
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
		/* What the sink said to skip was in its lane already, and what a script did may follow from what those in front of it there left; what
		 * was parked, and a timer, is taken out of its table by a transaction, whatever becomes of it. */
		if (event->outcome == OUTCOME_PENDING || event->outcome == OUTCOME_DEAD ||
		    (event->outcome == OUTCOME_SKIPPED && (event->stage == STAGE_SINK || event->uses)) || !event_has_place(event))
			lanes_add(flow->lanes, event);
		else
			flow_finish_event(flow, event);
	}
}

/* ---- their turn ---- */

/* They have all of their state at hand, or of their maps what they have come to so far. False: it cannot go on, or waits. */
static bool run_now(struct flow *flow, struct intake *intake)
{
	bool ran;
	struct error err;

	if (script_host_rekey(flow->host) == REKEY_OUT) {
		script_host_rekeyed(flow->host, intake);
		intake->ran = true;
		return true;
	}
	ran = script_host_run(flow->host, intake, flow->wall_ms, flow_clock_others_ms(flow));
	/* What they could not do because the target is away, or because they have kept all memory, is no event's fault: a new worker reads the same again. */
	if (script_host_outage(flow->host)) {
		flow_fail(flow, false, script_host_outage(flow->host));
		return false;
	}
	if (script_host_exhausted(flow->host, &err)) {
		flow_fail(flow, false, err.text);
		return false;
	}
	if (!ran) {
		load(flow);
		return !flow->loading.active && run_now(flow, intake);
	}
	/* Before these events are on their way: they may bring the first values of a new column. */
	flow_look_at_schema(flow);
	intake->ran = true;
	if (intake->count)
		flow->event_bytes = intake->arena.bytes / intake->count;
	return true;
}

/* False: it waits for its state. */
static bool run(struct flow *flow, struct intake *intake)
{
	if (!intake->begun) {
		bool wanted;

		if (flow->loading.active)
			return false;
		flow_run_trim(flow);
		script_host_look(flow->host, flow->mono_ms, flow->options.state_bytes / 2);
		wanted = script_host_begin(flow->host, intake);
		if (!flow_check_spread(flow, intake))
			return false;
		if (wanted && script_host_rekey(flow->host) != REKEY_OUT)
			load(flow);
	}
	if (flow->loading.active || !run_now(flow, intake))
		return false;
	flow->unrun = intake->next_to_run;
	if (!flow->unrun)
		flow->unrun_end = &flow->unrun;
	send(flow, intake);
	intake_release(intake);
	return true;
}

bool flow_run_timers(struct flow *flow, struct intake *intake)
{
	script_host_begin(flow->host, intake);
	if (!run_now(flow, intake)) {
		if (intake->stalled && !flow->over) { /* before all others, once its rows are here */
			intake->next_to_run = flow->unrun;
			flow->unrun_end = flow->unrun ? flow->unrun_end : &intake->next_to_run;
			flow->unrun = intake;
		}
		return false;
	}
	send(flow, intake);
	intake_release(intake);
	return true;
}

void flow_run(struct flow *flow)
{
	while (!flow->over && !flow->again && !flow->next_host && (flow_timers_turn(flow) || (flow->unrun && run(flow, flow->unrun))))
		;
}

void flow_run_forget(struct flow *flow, const struct partition *partition)
{
	for (struct intake *intake = flow->unrun; intake; intake = intake->next_to_run) {
		for (struct event *event = intake->first; event; event = event->next)
			if (!event->settled && event->message->owner == partition)
				flow_drop_event(flow, event);
	}
}

/* ---- running again ---- */

void flow_run_again(struct flow *flow)
{
	if (!script_host_is_stateful(flow->host))
		return;
	flow->again = true;
	lanes_hold(flow->lanes, true);
	flow->events.wake(flow->events.ctx);
}

/* Where nobody else ran with its state, it is enough to read that anew. */
void flow_run_refused(struct flow *flow, struct event *event)
{
	bool alone = true;

	if (event->op == OP_TIMER) {
		script_host_timer_refused(event);
		flow_run_again(flow);
		return;
	}
	for (const struct state_use *used = event->uses; used; used = used->next)
		alone &= used->entry->users == 1;
	if (!alone) {
		flow_run_again(flow);
		return;
	}
	for (const struct state_use *used = event->uses; used; used = used->next) {
		for (int clock = 0; clock < STATE_CLOCKS; clock++) /* when its row is due only the database knows now */
			state_unreach(used->entry->owner, (enum state_clock)clock, INT64_MIN);
		state_forget(script_host_state(flow->host), used->entry);
	}
	event->uses = NULL;
}

void flow_run_keep(struct flow *flow, const struct event *event)
{
	if (script_host_rekey(flow->host) == REKEY_OUT)
		return;
	if (event->outcome == OUTCOME_WRITTEN || event->op == OP_TIMER)
		script_host_changed(flow->host, event);
	if (flow->memory && script_host_is_stateful(flow->host) && (event->outcome == OUTCOME_WRITTEN || event->op == OP_TIMER))
		for (const struct change *change = event->changes; change; change = change->next)
			state_memory_apply(flow->memory, change);
}

/* What is no row, or could not be decoded, stays so (what a script's route found wrong is that script's to say anew); so does what failed and
 * has no place among the changes of its key, and what the sink refused, as long as the scripts are the same. */
static bool stays(const struct event *event, bool same_host)
{
	if (event->outcome != OUTCOME_DEAD && event->outcome != OUTCOME_SKIPPED)
		return event->outcome == OUTCOME_IGNORED;
	return (event->stage == STAGE_DECODE && !event->script) || (event->stage == STAGE_SCRIPT && event->keyless && event_has_place(event)) ||
	       (event->stage == STAGE_SINK && same_host);
}

static void begin_anew(struct event *event, bool same_host)
{
	struct image *images[] = { &event->row, &event->old, &event->key };
	bool same = event->settled || stays(event, same_host);

	event->lane_state = LANE_WAITING;
	if (!same_host) { /* what is of a host that may be gone at the next reload */
		event->script = NULL;
		event->script_version = same ? arena_copy(&event->intake->arena, event->script_version) : (struct slice){ 0 };
	}
	if (same)
		return;
	if (event->script)
		event->script->counters.outcomes[OUTCOME_PENDING]--;
	event->script = NULL; /* it is routed once more */
	event->outcome = OUTCOME_PENDING;
	event->changes = NULL;
	event->changes_end = &event->changes;
	event->looked = NULL;
	event->twin = NULL;
	event->error = (struct slice){ 0 };
	event->bytes = 0;
	event->finished = event->parks = event->missed = event->stalled = false;
	event->stalls = 0;
	for (size_t i = 0; i < 3; i++)
		images[i]->readings = NULL;
}

static bool is_among(const struct intake *intake, const struct intake *list)
{
	while (list && list != intake)
		list = list->next_to_run;
	return list != NULL;
}

void flow_run_restart(struct flow *flow)
{
	struct script_host *old = flow->host;

	flow_timers_forget(flow);
	state_clear(script_host_state(old));
	script_host_look_anew(old);
	if (flow->next_host)
		flow->host = flow->next_host;
	script_host_state(flow->host)->bytes_most = flow->options.state_bytes;
	lanes_hold(flow->lanes, false);
	lanes_clear(flow->lanes);
	if (flow->next_host)
		flow_parked_new_scripts(flow);
	/* The event that stood back may go another way now, or none: its partition would be paused for ever. */
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		for (int32_t i = 0; i < partition->lane_count; i++)
			partition->lanes[i].held_until_ms = partition->lanes[i].held_since_ms = partition->lanes[i].held_tries = 0;
	for (struct intake *intake = flow->unrun; intake; intake = intake->next_to_run)
		intake->unfinished--; /* it is added once more */
	for (struct intake *intake = flow->intakes.oldest, *waits = flow->unrun; intake; intake = intake->next)
		intake->ran |= is_among(intake, waits);
	flow->unrun = NULL;
	flow->unrun_end = &flow->unrun;
	/* What is being filled, or read back, has no events yet. */
	for (struct intake *intake = flow->intakes.oldest, *next; intake; intake = next) {
		next = intake->next;
		if (!intake->ran)
			continue;
		intake->unfinished++; /* it stays while it is gone through */
		intake->stamp = NULL; /* of a host that may be gone */
		for (struct event *event = intake->first; event; event = event->next) {
			event->uses = NULL; /* they are gone already */
			if (event->op != OP_TIMER) {
				begin_anew(event, flow->host == old);
				continue;
			}
			if (!event->settled)
				flow_drop_event(flow, event); /* it is found due once more */
			event->script = NULL; /* of a host that may be gone: it stood before an event of its key, and stays in the intake */
		}
		intake->again = true;
		if (intake->unfinished > 1)
			flow_run_add(flow, intake);
		intake_release(intake);
	}
	flow->again = false;
	flow->next_host = NULL;
	if (flow->host != old)
		flow->events.swapped(flow->events.ctx, old);
}
