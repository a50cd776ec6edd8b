/* What the files of the flow share: flow.c turns it, flow_partitions.c knows whose partitions are ours, flow_intake.c makes
 * events of messages. */
#ifndef FLOW_FLOW_PRIVATE_H
#define FLOW_FLOW_PRIVATE_H

#include "flow/flow.h"
#include "flow/intake.h"
#include "flow/lane.h"
#include "flow/letters.h"
#include "flow/progress.h"

enum {
	INTAKE_MESSAGES_MOST = 1000,
	HELD_EVENTS_MOST = 2 * LANE_ROWS_MOST, /* unfinished events of a partition that stands back */
	TICK_MS = 1000,                        /* how long filtered events may go without their progress being written */
};

struct taking;       /* flow_partitions.c */
struct recalling;    /* flow_parked.c */
struct state_memory; /* flow/state_memory.h */

/* What is due in streamlua_state (flow_timers.c). */
struct timers {
	bool all_ran;     /* nothing that is known of is due */
	size_t due_count; /* rows of the answer that is coming in */
	bool outdated;    /* which is not to be relied on: partitions have come since it was asked for */
	uint64_t fired, dead;
};

struct flow {
	struct flow_options options;
	struct flow_events events;
	struct script_host *host, *next_host; /* next_host: waits for the transactions on their way */
	struct decoder decoder;
	struct lanes *lanes;
	struct parking parking;
	struct recalling *recalling;
	int64_t given_due_ms;  /* when it is looked again what has been given back */
	int64_t parked_due_ms; /* when something of it is due, unless it is stirred */
	struct intakes intakes;
	struct intake *intake;             /* being filled, or full and waiting for what its format needs; NULL between turns otherwise */
	struct intake *unrun, **unrun_end; /* those whose events have not run, in the order in which they will */
	size_t event_bytes;                /* what each event of the intake that ran last took, with the state that it left */
	bool again;                        /* all events that are not settled run anew once nothing is on its way */
	struct {                           /* what the events of `unrun` wait for */
		struct state_load load;
		struct arena arena;
		bool active;
	} loading;
	struct timers timers;
	struct {
		int64_t holding_ms; /* what the watermark would be without those at rest */
		bool wanted;        /* something is due then */
	} clock;
	struct state_memory *memory; /* the state of a job whose sink keeps none; else NULL */
	struct message **messages;   /* of it; INTAKE_MESSAGES_MOST */
	size_t message_count;
	struct partition *partitions; /* ours, newest first */
	struct taking *takings;       /* requests to take partitions over that are not answered yet */
	int64_t mono_ms, wall_ms, tick_ms;
	int64_t watermark;                               /* the event time that all partitions have come to; INT64_MIN unknown */
	int64_t dead_since_ms, dead_count;               /* of the minute that is counted */
	bool parked_said;                                /* that nothing is left to do but to wait for what is parked */
	bool doubtful;                                   /* the target's schema may have changed */
	bool at_end;                                     /* nothing more will come: what waits for its time runs now */
	bool ready, stopping, idle, ended, fenced, over; /* over: finished or failed has been told */
	char problem[512];
	struct letters letters; /* since they were asked for */
	uint64_t read, messages_read, outcomes[OUTCOME_COUNT];
};

/* flow_partitions.c */
extern const struct source_events flow_source_events; /* ctx is the flow; message is flow_intake.c's */
void flow_partitions_tick(struct flow *flow);         /* writes progress that no event carries; tells the source what is committed */
void flow_partitions_pause(struct flow *flow);        /* those with too many unfinished events, and lets them go on that have room again */
bool flow_partitions_wait(const struct flow *flow);   /* one of them has too many */
/* NULL: not ours. */
struct partition *flow_partitions_find(const struct flow *flow, struct slice topic, int32_t number);
bool flow_partitions_done(const struct flow *flow); /* everything read is committed, and so is its progress */
void flow_partitions_free(struct flow *flow);

/* flow_intake.c */
void flow_on_message(void *ctx, const struct message *message);
/* Reads at most one intake and sends its events on their way. Returns how many messages. */
size_t flow_intake_turn(struct flow *flow);
/* A partition is taken away in the middle of a poll: what was read of it is not ours any more. */
void flow_intake_forget(struct flow *flow, const struct partition *partition);
/* The intake's events go through their scripts and on their way. */
void flow_intake_process(struct flow *flow, struct intake *intake);
bool flow_intake_has_room(const struct flow *flow);
/* What intakes may hold; reading stops there. */
size_t flow_intake_memory_most(const struct flow *flow);
/* Tells the owner where there is doubt about the target's schema. */
void flow_look_at_schema(struct flow *flow);
/* The event has ended: counts it and gives its memory back. */
void flow_finish_event(struct flow *flow, struct event *event);

/* flow_parked.c */
void flow_parked_load(struct flow *flow, struct partition *partition, const struct progress_loaded *loaded);
void flow_parked_forget(struct flow *flow, struct partition *partition); /* it is no longer ours */
void flow_parked_new_scripts(struct flow *flow);
bool flow_parked_tried(const struct flow *flow); /* all of it, once */
/* Brings back what is due. Returns when the next turn is. */
int64_t flow_parked_turn(struct flow *flow);
void flow_parked_free(struct flow *flow); /* before the partitions */

/* flow_clock.c: the event time that all partitions have come to, into flow->watermark */
void flow_clock_turn(struct flow *flow);
/* Which partitions are idle; moves those that something waits for. */
void flow_clock_tick(struct flow *flow);
/* The watermark, for who has events in several partitions; INT64_MAX: there is but one. */
int64_t flow_clock_others_ms(const struct flow *flow);

/* flow_timers.c */
/* Runs some of what is due in streamlua_state. False: nothing is, or it has to be asked for first. */
bool flow_timers_turn(struct flow *flow);
/* When the next row is due by the wall clock; INT64_MAX: none is known. */
int64_t flow_timers_next_ms(const struct flow *flow);
void flow_timers_count(struct flow *flow, const struct event *event);
/* Partitions have come, or all begins anew: what is due is asked for once more. */
void flow_timers_forget(struct flow *flow);

/* flow_run.c */
void flow_run_add(struct flow *flow, struct intake *intake);
/* These timers run before whatever waits: what they need is at hand. False: the flow is over. */
bool flow_run_timers(struct flow *flow, struct intake *intake);
/* Gives up state that nobody needs, where there is too much; not while it is being asked for. */
void flow_run_trim(struct flow *flow);
/* Asks the sink for rows of streamlua_state: one question at a time (flow->loading). `done` ends with flow_run_loaded. */
void flow_run_ask(struct flow *flow, struct state_load question);
/* False: with several workers a state would be in several of them, and the run fails. */
bool flow_check_spread(struct flow *flow, const struct intake *intake);
void flow_run_loaded(struct state_load *load);
/* Runs what can run: up to the first intake whose state is not at hand. */
void flow_run(struct flow *flow);
/* This partition's events that wait to run are not ours any more. */
void flow_run_forget(struct flow *flow, const struct partition *partition);
/* An event's state never came to be, or may be another worker's by now: as soon as nothing is on its way, all that is not settled runs anew. */
void flow_run_again(struct flow *flow);
/* Nothing is on its way: everything that waits begins anew, with the next host where there is one. */
void flow_run_restart(struct flow *flow);
/* The event has become a dead letter, or is skipped, after it ran. */
void flow_run_refused(struct flow *flow, struct event *event);
/* It is committed: where the sink keeps no state, this does. */
void flow_run_keep(struct flow *flow, const struct event *event);
uint32_t flow_run_waiting(const struct flow *flow); /* events that are read and have not run */
void flow_run_init(struct flow *flow);
void flow_run_deinit(struct flow *flow);
/* Not ours any more, before anything came of it. */
void flow_drop_event(struct flow *flow, struct event *event);

void flow_fail(struct flow *flow, bool stop, const char *reason);
/* The job says to stop at this event: event->error says why. */
void flow_stop_at(struct flow *flow, const struct event *event);
/* The event is to be a dead letter: stops where that is one too many. */
void flow_count_dead(struct flow *flow, const struct event *event);

#endif
