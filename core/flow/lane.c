#include "flow/lane.h"

#include <stdlib.h>

#include "flow/lane_private.h"

enum { QUEUE_FIRST = 64 };

struct lanes *lanes_new(struct sink *sink, int32_t count, struct parking *parking, const struct lanes_events *events)
{
	struct lanes *all = calloc(1, sizeof *all);

	BUG_IF(!all || count < 1);
	all->sink = sink;
	all->parking = parking;
	all->events = *events;
	all->count = count;
	/* No statements to be read, and one transaction at a time: what each waits for is shared by many. */
	pace_init(&all->pace, (uint32_t)count, sink->ops->in_order ? LANE_EVENTS_MOST : LANE_ROWS_MOST);
	rate_init(&all->rate, NULL, 0);
	all->lanes = calloc((size_t)count, sizeof *all->lanes);
	BUG_IF(!all->lanes);
	for (int32_t i = 0; i < count; i++) {
		struct lane *lane = &all->lanes[i];

		lane->owner = all;
		lane->number = i;
		lane->limit = LANE_EVENTS_MOST;
		lane->events = malloc(LANE_EVENTS_MOST * sizeof(*lane->events));
		lane->by_partition = malloc(LANE_EVENTS_MOST * sizeof(*lane->by_partition));
		BUG_IF(!lane->events || !lane->by_partition);
		lane->tx = (struct tx){ .lane = i, .events = lane->events, .done = lane_tx_done, .ctx = lane };
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
		free(lane->queue);
		free(lane->events);
		free(lane->by_partition);
		free(lane->partitions);
		free(lane->partition_ends);
		free(lane->rows);
		lane_seen_free(lane);
		arena_free(&lane->arena);
	}
	free(all->lanes);
	free(all);
}

static void append(struct lane *lane, struct event *event)
{
	size_t count = lane->end - lane->first;

	if (lane->end == lane->queue_cap) {
		if (count <= lane->queue_cap / 2) { /* more room before than needed: move to the front instead of growing */
			if (count)
				memmove(lane->queue, lane->queue + lane->first, count * sizeof(*lane->queue));
			lane->first = 0;
			lane->end = count;
		}
		if (lane->end == lane->queue_cap || !lane->queue) {
			lane->queue_cap = lane->queue_cap ? lane->queue_cap * 2 : QUEUE_FIRST;
			lane->queue = realloc(lane->queue, lane->queue_cap * sizeof(*lane->queue));
			BUG_IF(!lane->queue);
		}
	}
	lane->queue[lane->end++] = event;
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

static bool is_held(const struct lane *lane, const struct event *event)
{
	return lane_place(lane, event)->held_until_ms > lane->owner->now_ms;
}

void lane_remove(struct lane *lane, struct event *const *events, size_t count)
{
	size_t behind = lane->first, kept;

	for (size_t found = 0; found < count && behind < lane->end; behind++)
		found += lane->queue[behind] == events[found];
	/* What stays moves up to what comes after it. */
	kept = behind;
	for (size_t i = behind; i-- > lane->first;) {
		if (count && lane->queue[i] == events[count - 1])
			count--;
		else
			lane->queue[--kept] = lane->queue[i];
	}
	lane->first = kept;
}

/* Stands still for an event that another lane is to write. */
static void wait_for(struct lane *lane, struct event *event)
{
	lane->waits_for = event;
	event->lanes_waited--;
	lane->owner->moved = true; /* its home may go on now */
}

static void wait_no_more(struct lane *lane)
{
	lane->waits_for->lanes_waited++;
	lane->waits_for = NULL;
	lane->owner->moved = true;
}

/* Where an event's other lane lets its partition stand back, this one does too: to stand still here would hold up other partitions, the one
 * that frees the unique value perhaps among them. Lanes that already stand still for this one are told. */
static bool is_held_there(struct lane *lane, const struct event *event)
{
	struct lanes *all = lane->owner;
	int64_t until_ms;

	if (event->lane_hashes < 2)
		return false;
	until_ms = lane_place(lane_of(all, event, lane_is_home(lane, event)), event)->held_until_ms;
	if (until_ms <= all->now_ms)
		return false;
	lane_place(lane, event)->held_until_ms = until_ms;
	for (int32_t i = 0; i < all->count; i++) {
		const struct event *awaited = all->lanes[i].waits_for;

		if (awaited && awaited->lane_state == LANE_WAITING && awaited->owner == event->owner && lane_is_home(lane, awaited))
			wait_no_more(&all->lanes[i]);
	}
	return true;
}

/* Chooses the events of the next transaction; stands still where another lane's event comes first. Returns how many. Once there is no room for
 * further rows, those go along that only change rows of state which are in it: that costs the target nothing, and so a row of state is written
 * once for all that waits for it. */
static size_t gather(struct lane *lane, uint32_t rows_most)
{
	size_t count = 0, bytes = 0;
	struct lane_load load;
	bool any_held = lane->owner->held_until_ms > lane->owner->now_ms;
	bool kept = false; /* what stands back has seen state: nothing that may have seen what it left goes before it */
	bool full = false;

	lane->tx_rows = 0;
	lane->owner->gathered++;
	lane_seen_reset(lane);
	for (size_t i = lane->first; i < lane->end && count < lane->limit; i++) {
		struct event *event = lane->queue[i];

		lane_look_ahead(lane->queue, i, lane->end);
		lane_look_at_changes_ahead(lane->queue, i, lane->end);
		/* What was parked comes before all that stands back now, and may be what frees the value. */
		if (any_held && !event->parked && (is_held(lane, event) || is_held_there(lane, event))) {
			if (lane_place(lane, event)->held_until_ms < lane->held_until_ms)
				lane->held_until_ms = lane_place(lane, event)->held_until_ms;
			kept |= event->uses != NULL;
			continue;
		}
		if (kept && event->uses)
			continue;
		if (!lane_is_home(lane, event)) {
			if (count == 0)
				wait_for(lane, event);
			break;
		}
		if (event->lane_hashes == 2 && event->lanes_waited > 0)
			break;
		if (full && !lane_goes_along(lane, event)) {
			if (!lane_is_passed_over(event))
				break;
			continue;
		}
		load = lane_load_of(lane, event);
		if (count && bytes + load.bytes > LANE_BYTES_MOST)
			break;
		if (count && lane->tx_rows + load.rows > rows_most) {
			pace_short(&lane->owner->pace);
			full = true;
			if (!lane_is_passed_over(event))
				break;
			continue;
		}
		if ((event->parks || event->parked) && !lane_admits(lane, event))
			break;
		lane->events[count++] = event;
		event->lane_state = LANE_SENT;
		bytes += load.bytes;
		lane->tx_rows += load.rows;
	}
	return count;
}

static size_t find_partition(struct lane *lane, struct partition *partition)
{
	struct tx *tx = &lane->tx;
	uint32_t *place = &partition->lanes[lane->number].tx_place;

	if (*place)
		return *place - 1;
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
	*place = (uint32_t)++tx->progress_count;
	return *place - 1;
}

/* Lays the events out partition after partition (a counting sort) and works out each one's progress row. */
static void add_progress(struct lane *lane)
{
	struct tx *tx = &lane->tx;
	size_t begin = 0;

	for (size_t i = 0; i < tx->count; i++) {
		size_t p = find_partition(lane, tx->events[i]->owner); /* may move the arrays */

		lane->partition_ends[p] += event_has_place(tx->events[i]);
	}
	for (size_t p = 0; p < tx->progress_count; p++) {
		size_t size = lane->partition_ends[p];

		lane->partition_ends[p] = begin;
		begin += size;
	}
	/* What was parked has been done with once, where its partition's progress is concerned; a timer was never read from there. */
	for (size_t i = 0; i < tx->count; i++)
		if (event_has_place(tx->events[i]))
			lane->by_partition[lane->partition_ends[find_partition(lane, tx->events[i]->owner)]++] = tx->events[i];
	begin = 0;
	for (size_t p = 0; p < tx->progress_count; p++) {
		struct event *const *events = lane->by_partition + begin;
		size_t count = lane->partition_ends[p] - begin;

		lane->rows[p] = lane->owner->sink->ops->in_order ? partition_row_in_order(lane->partitions[p], lane->number, events, count)
								 : partition_row(lane->partitions[p], lane->number, events, count, &lane->arena);
		begin = lane->partition_ends[p];
	}
	tx->progress = lane->rows;
}

static void send(struct lane *lane)
{
	lane->tx.script_version = lane->owner->script_version;
	lane->busy = true;
	lane->retried = false;
	lane->sent_ms = lane->owner->now_ms;
	lane->owner->moved = true;
	lane->owner->in_flight++;
	lane->owner->rows_in_flight += lane->tx_rows;
	pace_sent(&lane->owner->pace, lane->owner->rows_in_flight);
	lane->owner->events_in_flight += (uint32_t)lane->tx.count;
	lane->owner->sink->ops->commit(lane->owner->sink, &lane->tx);
}

static void reset_tx(struct lane *lane)
{
	arena_reset(&lane->arena);
	lane->tx.count = lane->tx.progress_count = 0;
	lane->tx_rows = 0;
}

static void lane_turn(struct lane *lane)
{
	uint32_t rows;

	if (lane->busy || lane->waits_for || lane_is_empty(lane) || lane_rests(lane))
		return;
	lane->held_until_ms = INT64_MAX;
	rows = lane_room(lane);
	if (rows == 0)
		return;
	reset_tx(lane);
	lane->tx.count = gather(lane, rows);
	if (lane->tx.count == 0)
		return;
	rate_take(&lane->owner->rate, lane->owner->now_ms * 1000, lane->tx_rows);
	add_progress(lane);
	send(lane);
}

/* What is sent again is sent also while others are held: nothing can be swapped before it has ended. */
static void send_again(struct lanes *all)
{
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];

		if (!lane->again)
			continue;
		lane->again = false;
		all->sink->ops->commit(all->sink, &lane->tx);
	}
}

/* Who stands still for what is a matter of one turn: a partition that stood back may go on by now, and what a lane had passed over comes
 * before what it stood still for. Lanes that saw it differently would wait for each other for ever. */
static void reconsider(struct lanes *all)
{
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];

		if (lane->waits_for && lane->waits_for->lane_state == LANE_WAITING)
			wait_no_more(lane);
	}
}

int64_t lanes_turn(struct lanes *all, int64_t now_ms, const char *script_version)
{
	int64_t again = INT64_MAX;

	all->now_ms = now_ms;
	all->script_version = script_version;
	all->rate_again_ms = INT64_MAX;
	lanes_learn_pace(all);
	send_again(all);
	if (all->hold)
		return again;
	reconsider(all);
	do {
		all->moved = false;
		for (int32_t i = 0; i < all->count; i++)
			lane_turn(&all->lanes[(all->first + i) % all->count]);
	} while (all->moved);
	all->first = (all->first + 1) % all->count;
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];
		bool idle = !lane->busy && !(lane->waits_for && lane->waits_for->lane_state == LANE_SENT);

		if (idle && !lane_is_empty(lane) && lane->held_until_ms < again)
			again = lane->held_until_ms;
		if (idle && !lane_is_empty(lane) && lane->rests_until_ms < again && lane_rests(lane))
			again = lane->rests_until_ms;
	}
	return all->rate_again_ms < again ? all->rate_again_ms : again;
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

static bool is_dropped(const struct event *event)
{
	return event->owner->revoked && event->lane_state == LANE_WAITING;
}

/* First out of the lists where an event is a guest, then where it is at home and is given back. */
void lanes_drop_revoked(struct lanes *all)
{
	for (int home = 0; home < 2; home++) {
		for (int32_t i = 0; i < all->count; i++) {
			struct lane *lane = &all->lanes[i];
			size_t kept = lane->first;

			if (lane->waits_for && is_dropped(lane->waits_for))
				lane->waits_for = NULL;
			for (size_t e = lane->first; e < lane->end; e++) {
				struct event *event = lane->queue[e];

				if (!is_dropped(event) || lane_is_home(lane, event) != home) {
					lane->queue[kept++] = event;
				} else if (home) {
					all->waiting--;
					all->events.dropped(all->events.ctx, event);
				}
			}
			lane->end = kept;
		}
	}
}

/* ---- the owner's hand ---- */

void lanes_drop(struct lanes *all, struct partition *partition)
{
	partition->revoked = true;
	lanes_drop_revoked(all);
}

void lanes_clear(struct lanes *all)
{
	BUG_IF(all->in_flight);
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];

		lane->waits_for = NULL;
		lane->first = lane->end = 0;
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
