/* What came of a transaction: its events are finished, or one is at fault, or it is sent again. */
#include <stdio.h>
#include <string.h>

#include "flow/lane_private.h"

/* How long a partition stands back for a unique value: from 50 ms, doubling to this. */
enum { HOLD_MS_FIRST = 50, HOLD_MS_MOST = 5000 };

static void finish_events(struct lane *lane)
{
	struct lanes *all = lane->owner;
	struct tx *tx = &lane->tx;

	lane_remove(lane, tx->events, tx->count);
	for (size_t i = 0; i < tx->count; i++) {
		struct event *event = tx->events[i];

		lane_look_ahead(tx->events, i, tx->count);
		event->lane_state = LANE_DONE;
		if (event->lane_hashes == 2) {
			struct lane *other = lane_of(all, event, 1);

			if (other->waits_for == event)
				other->waits_for = NULL;
			lane_remove(other, &event, 1);
		}
		if (event->outcome == OUTCOME_PENDING)
			event->outcome = event->changes ? OUTCOME_WRITTEN : OUTCOME_FILTERED;
		all->waiting--;
		all->events.finished(all->events.ctx, event);
	}
}

static void committed(struct lane *lane)
{
	struct tx *tx = &lane->tx;
	size_t begin = 0;

	for (size_t p = 0; p < tx->progress_count; p++) {
		struct partition_lane *place = &lane->partitions[p]->lanes[lane->number];

		partition_committed(lane->partitions[p], &lane->rows[p]);
		if (lane->partition_ends[p] > begin) { /* a write of progress alone says nothing of the event that waits */
			place->held_tries = 0;
			place->held_since_ms = 0;
		}
		begin = lane->partition_ends[p];
	}
	lane_parked_committed(lane);
	lane->owner->counters.transactions++;
	lane->owner->counters.events += tx->count;
	lane->limit = lane->limit * 2 < LANE_EVENTS_MOST ? lane->limit * 2 : LANE_EVENTS_MOST;
	finish_events(lane);
}

static void set_problem(struct lanes *all, const char *text)
{
	if (strcmp(all->problem, text) == 0)
		return;
	snprintf(all->problem, sizeof all->problem, "%s", text);
	all->events.problem(all->events.ctx, all->problem);
}

/* The partition's events stand back in this lane. */
static void hold(struct lane *lane, struct event *event)
{
	struct lanes *all = lane->owner;
	struct partition_lane *place = lane_place(lane, event);
	int64_t wait = (int64_t)HOLD_MS_FIRST << (place->held_tries < 8 ? place->held_tries : 8);

	if (!place->held_since_ms)
		place->held_since_ms = lanes_patience_ms(all, all->now_ms);
	place->held_tries++;
	place->held_until_ms = all->now_ms + (wait < HOLD_MS_MOST ? wait : HOLD_MS_MOST);
	if (place->held_until_ms > all->held_until_ms)
		all->held_until_ms = place->held_until_ms;
	/* Next time with all that has come since: what gives the value up may be a later change of the very same row. */
	lane->limit = LANE_EVENTS_MOST;
	all->events.held(all->events.ctx, event->owner);
}

static void at_fault(struct lane *lane, struct event *event, const struct error *err)
{
	struct lanes *all = lane->owner;

	if (event->outcome == OUTCOME_DEAD) { /* not even as a dead letter: it waits, and says so, rather than be lost */
		struct error problem = *err;

		error_prefix(&problem, "the dead letter of %.*s:%d:%lld cannot be written", SLICE_ARG(event->message->topic),
			     event->message->partition, (long long)event->message->offset);
		set_problem(all, problem.text);
		hold(lane, event);
		return;
	}
	event->stage = STAGE_SINK;
	event->error = arena_copy(&event->intake->arena, slice_of(err->text));
	if (event->op == OP_TIMER) { /* it has to run once more to be written off: the owner sees to that */
		all->events.refused(all->events.ctx, event);
		return;
	}
	event->changes = NULL;
	event->changes_end = &event->changes;
	switch (event->script ? script_on_error(event->script) : ON_ERROR_DEAD_LETTER) {
	case ON_ERROR_STOP:
		all->hold = true;
		all->events.stop(all->events.ctx, event);
		break;
	case ON_ERROR_SKIP:
		event->outcome = OUTCOME_SKIPPED;
		break;
	case ON_ERROR_DEAD_LETTER:
		event->outcome = OUTCOME_DEAD;
		all->events.dead(all->events.ctx, event);
		break;
	}
	if (event->uses)
		all->events.refused(all->events.ctx, event);
}

static void refused(struct lane *lane, const struct error *err)
{
	lane->owner->counters.refused++;
	if (lane->tx.count > 1)
		lane->limit = lane->tx.count / 2;
	else if (lane->tx.count == 1)
		at_fault(lane, lane->tx.events[0], err);
}

static void taken(struct lane *lane, const struct error *err)
{
	struct event *event = lane->tx.events[0];
	struct partition_lane *place;

	if (lane->tx.count != 1) {
		refused(lane, err);
		return;
	}
	place = lane_place(lane, event);
	if (place->held_since_ms &&
	    lanes_patience_ms(lane->owner, lane->owner->now_ms) - place->held_since_ms >= (event->script ? script_park_for(event->script) : 0)) {
		place->held_since_ms = 0;
		place->held_tries = 0;
		at_fault(lane, event, err);
	} else {
		hold(lane, event);
	}
}

/* Sent again with those events parked that wait for a row which is not there. */
static void missed(struct lane *lane)
{
	struct error err;

	for (size_t i = 0; i < lane->tx.count; i++)
		if (lane->tx.events[i]->missed && !lane_parked_missed(lane, lane->tx.events[i], &err))
			at_fault(lane, lane->tx.events[i], &err);
}

void lane_tx_done(struct tx *tx, enum sink_result result, const struct error *err)
{
	struct lane *lane = tx->ctx;
	struct lanes *all = lane->owner;
	bool revoked = false;

	if (result == SINK_RETRY) {
		/* The very same is sent again, and nothing more: what was cut off on its way may arrive late, and then this one's seq
		 * tells that it is committed. It would not be true of events that only the second one had. */
		lane->again = lane->retried = true;
		all->slowed = true;
		all->counters.retries++;
		set_problem(all, err->text);
		all->events.wake(all->events.ctx);
		return;
	}
	lane->busy = false;
	all->in_flight--;
	all->rows_in_flight -= lane->tx_rows;
	all->events_in_flight -= (uint32_t)tx->count;
	if (result == SINK_COMMITTED && !lane->retried) {
		lane->answered_rows = lane->tx_rows;
		lane->answered_sent_ms = lane->sent_ms;
	}
	for (size_t p = 0; p < tx->progress_count; p++)
		revoked |= lane->partitions[p]->revoked;
	if (result != SINK_COMMITTED)
		for (size_t i = 0; i < tx->count; i++)
			tx->events[i]->lane_state = LANE_WAITING;
	if (result == SINK_COMMITTED || result == SINK_REFUSED || result == SINK_TAKEN || result == SINK_MISSED) {
		lanes_answered(all);
		set_problem(all, "");
	}
	switch (result) {
	case SINK_COMMITTED:
		committed(lane);
		break;
	case SINK_REFUSED:
		refused(lane, err);
		break;
	case SINK_TAKEN:
		taken(lane, err);
		break;
	case SINK_MISSED:
		missed(lane);
		break;
	case SINK_RETRY: /* above */
	case SINK_FAILED:
		all->counters.retries++;
		if (all->events.failed)
			all->events.failed(all->events.ctx);
		set_problem(all, err->text);
		break;
	case SINK_FENCED:
		/* A partition that was taken from us is reason enough: the others may still be ours, and are written without it. */
		for (size_t p = 0; p < tx->progress_count && !revoked; p++)
			all->events.fenced(all->events.ctx, lane->partitions[p]);
		break;
	}
	for (size_t p = 0; p < tx->progress_count; p++)
		revoked |= lane->partitions[p]->revoked; /* by fencing too */
	if (revoked)                                     /* while the partition is still there, which may be this transaction's alone by now */
		lanes_drop_revoked(all);
	for (size_t p = 0; p < tx->progress_count; p++) {
		lane->partitions[p]->lanes[lane->number].tx_place = 0;
		partition_unref(lane->partitions[p]);
	}
	tx->count = tx->progress_count = 0;
	all->events.wake(all->events.ctx);
}
