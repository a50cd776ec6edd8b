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

/* ---- rest ---- */

enum {
	REST_FACTOR = 4,     /* A lane is busy for a fifth of the time: what it writes then has gathered for five times as long */
	REST_MS_MOST = 1000, /* as long as Flink's jobs commonly are between two checkpoints */
};

/* What it writes is written once for those behind it, too. */
static bool shares_rows(const struct event *event)
{
	return event->uses || (event->changes && event->changes->target->merged);
}

void lanes_press(struct lanes *all, enum lanes_press press)
{
	all->press = press;
}

static void begin_rest(struct lane *lane, int64_t now_ms, int64_t took_ms)
{
	int64_t rest_ms = took_ms * REST_FACTOR;

	lane->rests_from_ms = now_ms;
	lane->rests_until_ms = now_ms + (rest_ms < REST_MS_MOST ? rest_ms : REST_MS_MOST);
}

/* Of those that could go. */
static bool has_rested_longest(const struct lane *lane)
{
	const struct lanes *all = lane->owner;

	for (int32_t i = 0; i < all->count; i++) {
		const struct lane *other = &all->lanes[i];

		if (!other->busy && !other->waits_for && !lane_is_empty(other) && other->rests_from_ms < lane->rests_from_ms)
			return false;
	}
	return true;
}

static bool is_waited_for(const struct lane *lane)
{
	for (int32_t i = 0; i < lane->owner->count; i++)
		if (lane->owner->lanes[i].waits_for && lane_is_home(lane, lane->owner->lanes[i].waits_for))
			return true;
	return false;
}

bool lane_rests(const struct lane *lane)
{
	const struct lanes *all = lane->owner;

	/* One that looks for the event at fault, or has as much as a transaction holds, has nothing to gather. */
	if (all->now_ms >= lane->rests_until_ms || all->press == LANES_LAST || lane->limit < LANE_EVENTS_MOST ||
	    lane->end - lane->first >= LANE_EVENTS_MOST || !shares_rows(lane->queue[lane->first]) || is_waited_for(lane))
		return false;
	return all->press != LANES_SHORT || all->events_in_flight * 2 > all->waiting || !has_rested_longest(lane);
}

uint32_t lane_room(struct lane *lane)
{
	struct lanes *all = lane->owner;
	bool shares = all->count > LANES_SHARING && shares_rows(lane->queue[lane->first]);
	uint32_t rows = pace_room(&all->pace, all->rows_in_flight - all->rows_stuck, shares ? LANES_SHARING : (uint32_t)all->count);
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
			begin_rest(lane, all->now_ms, all->now_ms - lane->answered_sent_ms);
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
