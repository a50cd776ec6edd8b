/* How much lanes may send: the window and the rate, and what they learn from each answer; how long there was none. */
#include "flow/lane_private.h"

void lanes_limit(struct lanes *all, _Atomic int64_t *taken_us, double rows_per_second)
{
	rate_init(&all->rate, taken_us, rows_per_second);
}

/* How many of an event's rows of state are in the transaction already, and from now on all are. */
static uint32_t states_met(const struct lane *lane, const struct event *event)
{
	uint32_t met = 0;

	for (const struct state_use *used = event->uses; used; used = used->next) {
		met += used->entry->gathered == lane->owner->gathered;
		used->entry->gathered = lane->owner->gathered;
	}
	return met;
}

uint32_t lane_rows_of(const struct lane *lane, const struct event *event)
{
	uint32_t rows = 0, states = 0, met = states_met(lane, event);

	for (const struct change *change = event->changes; change; change = change->next) {
		rows++;
		states += met && change->target->own;
	}
	return rows ? rows - (states < met ? states : met) : 1;
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
		if (lane->answered_rows)
			pace_committed(&all->pace, all->now_ms, lane->answered_sent_ms, lane->answered_rows);
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
