/* How much lanes may send: the window and the rate, and what they learn from each answer; how long there was none. */
#include "flow/lane_private.h"

void lanes_limit(struct lanes *all, _Atomic int64_t *taken_us, double rows_per_second)
{
	rate_init(&all->rate, taken_us, rows_per_second);
}

/* Whether a row of state is in the transaction already: it is written once, as the last event leaves it. Whatever it was, it is from now on.
 * bytes: what the change adds to the transaction. */
static bool is_gathered(const struct lane *lane, const struct change *change, size_t *bytes)
{
	struct state_entry *entry = change->state;
	bool gathered = entry->gathered == lane->owner->gathered;
	uint32_t before = gathered ? entry->gathered_bytes : 0;

	entry->gathered = lane->owner->gathered;
	entry->gathered_bytes = change->state_bytes > before ? change->state_bytes : before;
	*bytes = entry->gathered_bytes - before;
	return gathered;
}

/* Whether a row that is added to (`merge`) is in the transaction already: all that comes for it is one. */
static bool is_added(const struct lane *lane, const struct change *change)
{
	struct lane_added *added = &lane->owner->added[change->key_hash % LANE_ADDED];
	bool there = added->gathered == lane->owner->gathered && added->key_hash == change->key_hash;

	*added = (struct lane_added){ change->key_hash, lane->owner->gathered };
	return there;
}

struct lane_load lane_load_of(const struct lane *lane, const struct event *event)
{
	struct lane_load load = { .bytes = event->bytes };
	size_t bytes;

	for (const struct change *change = event->changes; change; change = change->next) {
		if (!change->state || !event->uses) {
			load.rows += !change->target->merged || !is_added(lane, change);
			continue;
		}
		load.rows += !is_gathered(lane, change, &bytes);
		load.bytes = load.bytes + bytes - change->state_bytes;
	}
	if (!event->changes)
		load.rows = 1;
	return load;
}

bool lane_goes_along(const struct lane *lane, const struct event *event)
{
	if (!event->uses || event->outcome != OUTCOME_PENDING)
		return false;
	for (const struct state_use *used = event->uses; used; used = used->next)
		if (used->entry->gathered != lane->owner->gathered)
			return false;
	for (const struct change *change = event->changes; change; change = change->next)
		if (!change->state)
			return false;
	return event->changes != NULL;
}

bool lane_is_passed_over(const struct event *event)
{
	for (struct state_use *used = event->uses; used; used = used->next)
		used->entry->gathered = 0;
	return event->uses || !event->script || !(event->script->stateful || event->script->chain.kept);
}

uint32_t lanes_room(struct lanes *all)
{
	uint32_t rows = pace_room(&all->pace, all->rows_in_flight - all->rows_stuck);
	int64_t wait_us = 0;

	if (rows == 0)
		return 0;
	rows = rate_room(&all->rate, all->now_ms * 1000, rows, &wait_us);
	if (rows == 0 && all->now_ms + wait_us / 1000 + 1 < all->rate_again_ms)
		all->rate_again_ms = all->now_ms + wait_us / 1000 + 1;
	return rows;
}

void lanes_learn_pace(struct lanes *all)
{
	all->rows_stuck = 0;
	for (int32_t i = 0; i < all->count; i++) {
		struct lane *lane = &all->lanes[i];

		if (lane->busy && all->now_ms - lane->sent_ms >= pace_stuck_ms(&all->pace))
			all->rows_stuck += lane->tx_rows;
		if (lane->answered_rows) {
			pace_committed(&all->pace, all->now_ms, lane->answered_sent_ms, lane->answered_rows);
			histogram_count(&all->counters.histograms[HISTOGRAM_COMMIT_MS], HISTOGRAM_COMMIT_MS,
					(uint64_t)(all->now_ms - lane->answered_sent_ms));
			histogram_count(&all->counters.histograms[HISTOGRAM_ROWS], HISTOGRAM_ROWS, lane->answered_rows);
		}
		lane->answered_rows = 0;
	}
	if (all->slowed)
		pace_failed(&all->pace, all->now_ms);
	all->slowed = false;
	rate_hungry(&all->rate, all->now_ms * 1000, all->waiting > all->events_in_flight);
}

/* Whoever waits for a row asks the target every few seconds. Where it says nothing for longer it is away, busy or not. */
enum { AWAY_MS = 15000 };

void lanes_answered(struct lanes *all)
{
	if (all->answered_ms && all->now_ms - all->answered_ms > AWAY_MS)
		all->away_ms += all->now_ms - all->answered_ms;
	all->answered_ms = all->now_ms;
}

int64_t lanes_patience_ms(const struct lanes *all, int64_t now_ms)
{
	return now_ms - all->away_ms;
}

const struct pace *lanes_pace(const struct lanes *all)
{
	return &all->pace;
}
