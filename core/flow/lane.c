#include "flow/lane.h"

#include <stdio.h>
#include <stdlib.h>

#include "flow/intake.h"
#include "flow/script.h"

/* How long a partition stands back for a unique value: from 50 ms, doubling to this. */
enum { HOLD_MS_FIRST = 50, HOLD_MS_MOST = 5000 };

struct lane {
	struct lanes *owner;
	int32_t number;
	struct event *first, **end; /* all events not finished, in order; those of the transaction on its way among them */
	struct event *waits_for;    /* an event at home in another lane: stand still until it is finished */
	size_t limit;               /* events in the next transaction */
	int64_t held_until_ms;      /* when the first of those that gather() passed over may go; INT64_MAX none */
	bool busy;                  /* a transaction is on its way */

	struct tx tx;
	struct event **events; /* of tx; LANE_EVENTS_MOST */
	struct partition **partitions; /* of tx, each referenced once; beside tx.progress */
	struct event **by_partition;   /* events of tx, partition after partition */
	size_t *partition_ends;        /* where each partition's end in by_partition */
	struct progress_row *rows;
	size_t partition_cap;
	struct arena arena; /* what tx points to beside the events */
};

struct lanes {
	struct sink *sink;
	struct lanes_events events;
	struct lane *lanes;
	int32_t count;
	bool hold;
	int64_t now_ms; /* as of the last turn */
	const char *script_version;
	uint32_t in_flight, waiting;
	struct lane_counters counters;
	char problem[512];
};

static void tx_done(struct tx *tx, enum sink_result result, const struct error *err);

struct lanes *lanes_new(struct sink *sink, int32_t count, const struct lanes_events *events)
{
	struct lanes *all = calloc(1, sizeof *all);

	BUG_IF(!all || count < 1);
	all->sink = sink;
	all->events = *events;
	all->count = count;
	all->lanes = calloc((size_t)count, sizeof *all->lanes);
	BUG_IF(!all->lanes);
	for (int32_t i = 0; i < count; i++) {
		struct lane *lane = &all->lanes[i];

		lane->owner = all;
		lane->number = i;
		lane->end = &lane->first;
		lane->limit = LANE_EVENTS_MOST;
		lane->events = malloc(LANE_EVENTS_MOST * sizeof(*lane->events));
		lane->by_partition = malloc(LANE_EVENTS_MOST * sizeof(*lane->by_partition));
		BUG_IF(!lane->events || !lane->by_partition);
		lane->tx = (struct tx){ .lane = i, .events = lane->events, .done = tx_done, .ctx = lane };
	}
	return all;
}

void lanes_free(struct lanes *all)
{
	if (!all)
		return;
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];

		if (lane->busy)
			for (size_t p = 0; p < lane->tx.progress_count; p++)
				partition_unref(lane->partitions[p]);
		free(lane->events);
		free(lane->by_partition);
		free(lane->partitions);
		free(lane->partition_ends);
		free(lane->rows);
		arena_free(&lane->arena);
	}
	free(all->lanes);
	free(all);
}

static struct lane *lane_of(const struct lanes *all, const struct event *event, int which)
{
	return &all->lanes[event->lane_hash[which] % (uint64_t)all->count];
}

/* Which of the event's two links belongs to this lane's list. */
static struct event **link_of(const struct lane *lane, struct event *event)
{
	return &event->lane_next[event->lane_hashes == 2 && lane_of(lane->owner, event, 1) == lane];
}

static bool is_home(const struct lane *lane, const struct event *event)
{
	return lane_of(lane->owner, event, 0) == lane;
}

static void append(struct lane *lane, struct event *event)
{
	*link_of(lane, event) = NULL;
	*lane->end = event;
	lane->end = link_of(lane, event);
}

void lanes_add(struct lanes *all, struct event *event)
{
	/* Two keys in one lane are in order by themselves. */
	if (event->lane_hashes == 2 && lane_of(all, event, 0) == lane_of(all, event, 1))
		event->lane_hashes = 1;
	event->lanes_waited = event->lane_hashes - 1;
	for (int i = 0; i < event->lane_hashes; i++)
		append(lane_of(all, event, i), event);
	all->waiting++;
}

static struct partition_lane *place_of(const struct lane *lane, const struct event *event)
{
	return &event->message->owner->lanes[lane->number];
}

static bool is_held(const struct lane *lane, const struct event *event)
{
	return place_of(lane, event)->held_until_ms > lane->owner->now_ms;
}

/* Takes the events out of the list that are done; they stand near its head. `count` of them are in it. */
static void unlink_done(struct lane *lane, size_t count)
{
	struct event **at = &lane->first;

	while (count && *at) {
		struct event *event = *at;

		if (event->lane_state == LANE_DONE) {
			*at = *link_of(lane, event);
			count--;
		} else {
			at = link_of(lane, event);
		}
	}
	if (!*at)
		lane->end = at;
}

/* An event that another lane is to write: stand still for it, unless that lane lets its partition stand back. */
static bool wait_for(struct lane *lane, struct event *event)
{
	struct partition_lane *there = place_of(lane_of(lane->owner, event, 0), event);

	if (there->held_until_ms > lane->owner->now_ms) {
		place_of(lane, event)->held_until_ms = there->held_until_ms;
		return false;
	}
	lane->waits_for = event;
	event->lanes_waited--;
	return true;
}

/* Chooses the events of the next transaction; stands still where another lane's event comes first. Returns how many. */
static size_t gather(struct lane *lane)
{
	size_t count = 0, bytes = 0;

	lane->held_until_ms = INT64_MAX;
	for (struct event *event = lane->first; event && count < lane->limit; event = *link_of(lane, event)) {
		bool elsewhere = event->lane_hashes == 2 && !is_home(lane, event);

		if (is_held(lane, event) || (elsewhere && count == 0 && !wait_for(lane, event))) {
			if (place_of(lane, event)->held_until_ms < lane->held_until_ms)
				lane->held_until_ms = place_of(lane, event)->held_until_ms;
			continue;
		}
		if (elsewhere)
			break;
		if (event->lane_hashes == 2 && event->lanes_waited > 0)
			break;
		if (count && bytes + event->bytes > LANE_BYTES_MOST)
			break;
		lane->events[count++] = event;
		event->lane_state = LANE_SENT;
		bytes += event->bytes;
	}
	return count;
}

static size_t find_partition(struct lane *lane, struct partition *partition)
{
	struct tx *tx = &lane->tx;

	/* Usually the one before: events come in stretches of one partition. */
	for (size_t i = tx->progress_count; i-- > 0;)
		if (lane->partitions[i] == partition)
			return i;
	if (tx->progress_count == lane->partition_cap) {
		lane->partition_cap = lane->partition_cap ? lane->partition_cap * 2 : 16;
		lane->partitions = realloc(lane->partitions, lane->partition_cap * sizeof(*lane->partitions));
		lane->partition_ends = realloc(lane->partition_ends, lane->partition_cap * sizeof(*lane->partition_ends));
		lane->rows = realloc(lane->rows, lane->partition_cap * sizeof(*lane->rows));
		BUG_IF(!lane->partitions || !lane->partition_ends || !lane->rows);
	}
	lane->partitions[tx->progress_count] = partition;
	lane->partition_ends[tx->progress_count] = 0;
	partition_ref(partition);
	return tx->progress_count++;
}

/* Lays the events out partition after partition (a counting sort) and works out each one's progress row. */
static void add_progress(struct lane *lane)
{
	struct tx *tx = &lane->tx;
	size_t begin = 0;

	for (size_t i = 0; i < tx->count; i++) {
		size_t p = find_partition(lane, tx->events[i]->message->owner); /* may move the arrays */

		lane->partition_ends[p]++;
	}
	for (size_t p = 0; p < tx->progress_count; p++) {
		size_t size = lane->partition_ends[p];

		lane->partition_ends[p] = begin;
		begin += size;
	}
	for (size_t i = 0; i < tx->count; i++)
		lane->by_partition[lane->partition_ends[find_partition(lane, tx->events[i]->message->owner)]++] = tx->events[i];
	begin = 0;
	for (size_t p = 0; p < tx->progress_count; p++) {
		lane->rows[p] = partition_row(lane->partitions[p], lane->number, lane->by_partition + begin, lane->partition_ends[p] - begin,
					      &lane->arena);
		begin = lane->partition_ends[p];
	}
	tx->progress = lane->rows;
}

static void send(struct lane *lane)
{
	lane->tx.script_version = lane->owner->script_version;
	lane->busy = true;
	lane->owner->in_flight++;
	lane->owner->sink->ops->commit(lane->owner->sink, &lane->tx);
}

static void reset_tx(struct lane *lane)
{
	arena_reset(&lane->arena);
	lane->tx.count = lane->tx.progress_count = 0;
}

static bool lane_turn(struct lane *lane)
{
	if (lane->busy || lane->waits_for || !lane->first)
		return false;
	reset_tx(lane);
	lane->tx.count = gather(lane);
	if (lane->tx.count == 0)
		return lane->waits_for != NULL; /* its home may go on now */
	add_progress(lane);
	send(lane);
	return true;
}

int64_t lanes_turn(struct lanes *all, int64_t now_ms, const char *script_version)
{
	int64_t again = INT64_MAX;
	bool moved;

	all->now_ms = now_ms;
	all->script_version = script_version;
	if (all->hold)
		return again;
	do {
		moved = false;
		for (int32_t i = 0; i < all->count; i++)
			moved |= lane_turn(&all->lanes[i]);
	} while (moved);
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];

		if (!lane->busy && lane->first && lane->held_until_ms < again)
			again = lane->held_until_ms;
	}
	return again;
}

bool lanes_write_progress(struct lanes *all, struct partition *partition, const char *script_version)
{
	if (all->hold)
		return false;
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];

		if (lane->busy || lane->waits_for)
			continue;
		reset_tx(lane);
		all->script_version = script_version;
		find_partition(lane, partition);
		add_progress(lane);
		send(lane);
		return true;
	}
	return false;
}

/* ---- what comes back ---- */

static void finish_events(struct lane *lane)
{
	struct lanes *all = lane->owner;
	struct tx *tx = &lane->tx;

	for (size_t i = 0; i < tx->count; i++) {
		struct event *event = tx->events[i];

		event->lane_state = LANE_DONE;
		if (event->lane_hashes == 2) {
			struct lane *other = lane_of(all, event, 1);

			if (other->waits_for == event)
				other->waits_for = NULL;
			unlink_done(other, 1);
		}
	}
	unlink_done(lane, tx->count);
	for (size_t i = 0; i < tx->count; i++) {
		if (tx->events[i]->outcome == OUTCOME_PENDING)
			tx->events[i]->outcome = OUTCOME_WRITTEN;
		all->waiting--;
		all->events.finished(all->events.ctx, tx->events[i]);
	}
}

static void committed(struct lane *lane)
{
	struct tx *tx = &lane->tx;
	size_t begin = 0;

	for (size_t p = 0; p < tx->progress_count; p++) {
		struct partition_lane *place = &lane->partitions[p]->lanes[lane->number];

		partition_committed(lane->partitions[p], &lane->rows[p], lane->by_partition + begin, lane->partition_ends[p] - begin);
		begin = lane->partition_ends[p];
		place->held_tries = 0;
		place->held_since_ms = 0;
	}
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

/* The partition's events stand back in this lane, and so do other lanes that stand still for one of them. */
static void hold(struct lane *lane, struct event *event)
{
	struct lanes *all = lane->owner;
	struct partition_lane *place = place_of(lane, event);
	int64_t wait = (int64_t)HOLD_MS_FIRST << (place->held_tries < 8 ? place->held_tries : 8);

	if (!place->held_since_ms)
		place->held_since_ms = all->now_ms;
	place->held_tries++;
	place->held_until_ms = all->now_ms + (wait < HOLD_MS_MOST ? wait : HOLD_MS_MOST);
	all->events.held(all->events.ctx, event->message->owner);
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *other = &all->lanes[i];
		struct event *awaited = other->waits_for;

		if (awaited && awaited->message->owner == event->message->owner && is_home(lane, awaited)) {
			awaited->lanes_waited++;
			other->waits_for = NULL;
		}
	}
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
		break;
	}
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
	place = place_of(lane, event);
	if (place->held_since_ms && lane->owner->now_ms - place->held_since_ms >= (event->script ? script_park_for(event->script) : 0)) {
		place->held_since_ms = 0;
		place->held_tries = 0;
		at_fault(lane, event, err);
	} else {
		hold(lane, event);
	}
}

static bool is_dropped(const struct event *event)
{
	return event->message->owner->revoked && event->lane_state == LANE_WAITING;
}

/* First out of the lists where an event is a guest, then where it is at home and is given back. */
static void drop_revoked(struct lanes *all)
{
	for (int home = 0; home < 2; home++) {
		for (int32_t i = 0; i < all->count; i++) {
			struct lane *lane = &all->lanes[i];
			struct event **at = &lane->first;

			if (lane->waits_for && is_dropped(lane->waits_for))
				lane->waits_for = NULL;
			while (*at) {
				struct event *event = *at;

				if (!is_dropped(event) || is_home(lane, event) != home) {
					at = link_of(lane, event);
					continue;
				}
				*at = *link_of(lane, event);
				if (home) {
					all->waiting--;
					all->events.dropped(all->events.ctx, event);
				}
			}
			lane->end = at;
		}
	}
}

static void tx_done(struct tx *tx, enum sink_result result, const struct error *err)
{
	struct lane *lane = tx->ctx;
	struct lanes *all = lane->owner;
	bool revoked = false;

	lane->busy = false;
	all->in_flight--;
	if (result != SINK_COMMITTED)
		for (size_t i = 0; i < tx->count; i++)
			tx->events[i]->lane_state = LANE_WAITING;
	if (result == SINK_COMMITTED || result == SINK_REFUSED || result == SINK_TAKEN)
		set_problem(all, "");
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
	case SINK_RETRY:
	case SINK_FAILED:
		all->counters.retries++;
		set_problem(all, err->text);
		break;
	case SINK_FENCED:
		for (size_t p = 0; p < tx->progress_count; p++)
			if (!lane->partitions[p]->revoked)
				all->events.fenced(all->events.ctx, lane->partitions[p]);
		break;
	}
	for (size_t p = 0; p < tx->progress_count; p++) {
		revoked |= lane->partitions[p]->revoked;
		partition_unref(lane->partitions[p]);
	}
	tx->count = tx->progress_count = 0;
	if (revoked)
		drop_revoked(all);
	all->events.wake(all->events.ctx);
}

/* ---- the owner's hand ---- */

void lanes_drop(struct lanes *all, struct partition *partition)
{
	partition->revoked = true;
	drop_revoked(all);
}

void lanes_clear(struct lanes *all)
{
	BUG_IF(all->in_flight);
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];

		lane->first = lane->waits_for = NULL;
		lane->end = &lane->first;
		lane->limit = LANE_EVENTS_MOST;
	}
	all->waiting = 0;
}

void lanes_hold(struct lanes *all, bool held)
{
	all->hold = held;
}

uint32_t lanes_in_flight(const struct lanes *all)
{
	return all->in_flight;
}

uint32_t lanes_waiting(const struct lanes *all)
{
	return all->waiting;
}

const struct lane_counters *lanes_counters(const struct lanes *all)
{
	return &all->counters;
}
