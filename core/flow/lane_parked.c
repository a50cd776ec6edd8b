/* Order where rows may not be there yet: what may stand in one transaction, what has to wait in streamlua_parked, and what comes of both
 * when the transaction has ended. */
#include <stdlib.h>

#include "flow/lane_private.h"

/* What the events of a transaction do to a row, as far as they have been gathered. */
enum { SEEN_WAITS = 1, SEEN_DELETED = 2, SEEN_PARKED = 4 /* waited for */, SEEN_CARRIED = 8 /* parked along with another row */, SEEN_PART = 16 };

enum { SEEN_FIRST = 64 };

struct lane_seen {
	struct seen_row {
		uint64_t hash;
		uint8_t what; /* 0: the place is free */
	} * rows;
	size_t cap, count; /* cap: a power of two */
};

void lane_seen_free(struct lane *lane)
{
	if (lane->seen)
		free(lane->seen->rows);
	free(lane->seen);
	lane->seen = NULL;
}

void lane_seen_reset(struct lane *lane)
{
	if (!lane->seen || !lane->seen->count)
		return;
	memset(lane->seen->rows, 0, lane->seen->cap * sizeof *lane->seen->rows);
	lane->seen->count = 0;
}

static struct seen_row *seen_at(const struct lane_seen *seen, uint64_t hash)
{
	size_t at = hash >> 1 & (seen->cap - 1);

	while (seen->rows[at].what && seen->rows[at].hash != hash)
		at = (at + 1) & (seen->cap - 1);
	return &seen->rows[at];
}

static uint8_t seen(const struct lane *lane, uint64_t hash)
{
	return lane->seen && lane->seen->count ? seen_at(lane->seen, hash)->what : 0;
}

static void see(struct lane *lane, uint64_t hash, uint8_t what)
{
	struct lane_seen *all = lane->seen;
	struct seen_row *row;

	if (!all) {
		all = lane->seen = calloc(1, sizeof *all);
		BUG_IF(!all);
	}
	if (2 * all->count >= all->cap) {
		struct lane_seen wider = { .cap = all->cap ? all->cap * 2 : SEEN_FIRST, .count = all->count };

		wider.rows = calloc(wider.cap, sizeof *wider.rows);
		BUG_IF(!wider.rows);
		for (size_t i = 0; i < all->cap; i++)
			if (all->rows[i].what)
				*seen_at(&wider, all->rows[i].hash) = all->rows[i];
		free(all->rows);
		*all = wider;
	}
	row = seen_at(all, hash);
	all->count += row->what == 0;
	row->hash = hash;
	row->what |= what;
}

/* ---- before it is sent ---- */

/* Whether an older parked one will have gone by the time this one is written. */
static bool goes_along(void *ctx, const struct parked *older)
{
	const struct lane *lane = ctx;
	const struct event *event = older->event;

	return event && event->lane_state == LANE_SENT && event->outcome != OUTCOME_PARKED && lane_is_home(lane, event);
}

/* What is parked is parked in the order of its partition. */
static uint64_t of_partition(const struct event *event, uint64_t hash)
{
	return hash ^ (uint64_t)(uintptr_t)event->owner << 1;
}

static bool has_to_wait(const struct lane *lane, const struct event *event)
{
	const struct parking *parking = lane->owner->parking;

	if (event->parked)
		return parking_before(parking, event->parked, goes_along, (void *)lane) != NULL;
	for (const struct change *change = event->changes; change; change = change->next) {
		uint8_t what;

		if (!change->target->parks)
			continue;
		what = seen(lane, of_partition(event, change->key_hash));
		if ((what & SEEN_CARRIED) || ((what & SEEN_PARKED) && change->op != CHANGE_UPSERT) || parking_blocks(parking, event->owner, change))
			return true;
	}
	return false;
}

/* Two changes of a row that cannot stand in one transaction: merged, they would say whether the row is there, which only the database
 * knows. An update behind what deletes or may delete it, and a row that is made behind an update which waits for it. */
static bool stands_apart(const struct lane *lane, const struct event *event)
{
	for (const struct change *change = event->changes; change; change = change->next) {
		uint8_t what = change->target->parks ? seen(lane, change->key_hash) : 0;

		if ((change->waits && (what & SEEN_DELETED)) || (change->op == CHANGE_UPSERT && (what & SEEN_WAITS)))
			return true;
		/* What was a part of the row is settled by the upsert behind it in its partition. By another's it is let in. */
		if (change->op == CHANGE_UPSERT && (what & SEEN_PART) && !(seen(lane, of_partition(event, change->key_hash)) & SEEN_PART))
			return true;
	}
	return false;
}

static void see_event(struct lane *lane, const struct event *event)
{
	for (const struct change *change = event->changes; change; change = change->next) {
		if (!change->target->parks)
			continue;
		if (event->outcome == OUTCOME_PARKED)
			see(lane, of_partition(event, change->key_hash), change->waits && !change->partial ? SEEN_PARKED : SEEN_CARRIED);
		else if (change->partial)
			see(lane, change->key_hash, SEEN_PART), see(lane, of_partition(event, change->key_hash), SEEN_PART);
		else if (change->waits || change->op == CHANGE_DELETE || change->clears)
			see(lane, change->key_hash, change->waits ? SEEN_WAITS : SEEN_DELETED);
	}
}

bool lane_admits(struct lane *lane, struct event *event)
{
	if (event->outcome == OUTCOME_PENDING && has_to_wait(lane, event))
		event->outcome = OUTCOME_PARKED;
	if (event->outcome == OUTCOME_PENDING && stands_apart(lane, event))
		return false;
	if (event->outcome == OUTCOME_PENDING || event->outcome == OUTCOME_PARKED)
		see_event(lane, event);
	return true;
}

/* ---- afterwards ---- */

/* As many rows as its message has events, whose keys are not known yet, take the place of the one that stood for them all. */
static void split(struct lane *lane, struct event *event)
{
	const struct message *message = event->message;

	for (uint32_t part = 0; part < event->reparks; part++)
		parking_add(lane->owner->parking, message->owner, message->position, part, SLICE(""), (uint32_t)(message->key.n + message->value.n),
			    lanes_patience_ms(lane->owner, lane->owner->now_ms));
}

static void park(struct lane *lane, struct event *event)
{
	struct lanes *all = lane->owner;
	const struct message *message = event->message;
	struct parked *parked;
	struct buf keys = BUF_INIT;

	parking_pack(&keys, event);
	parked = parking_add(all->parking, message->owner, message->position, event->part == PART_WHOLE ? 0 : event->part, buf_view(&keys),
			     (uint32_t)(message->key.n + message->value.n), lanes_patience_ms(all, all->now_ms));
	parked->counted = true;
	parking_again(all->parking, parked, all->now_ms);
	buf_free(&keys);
}

/* A delete takes those along that wait for the row which it removes, and so does an upsert those that held a part of it (both stand behind
 * them); a row that is made lets them in. */
static void wake_others(struct lane *lane, const struct event *event)
{
	if (event->parked && event->outcome == OUTCOME_PARKED)
		return; /* they had their try with it */
	for (const struct change *change = event->changes; change; change = change->next)
		if (change->target->parks && (event->outcome == OUTCOME_PARKED ? change->op != CHANGE_UPDATE : change->op == CHANGE_UPSERT))
			parking_wake(lane->owner->parking, change->key_hash);
}

static void settle(struct lane *lane, struct parked *parked)
{
	struct parking *parking = lane->owner->parking;

	for (uint32_t i = 0; i < parked->key_count; i++)
		parking_wake(parking, parked->keys[i].hash);
	parking_remove(parking, parked);
}

void lane_parked_committed(struct lane *lane)
{
	const struct tx *tx = &lane->tx;

	for (size_t i = 0; i < tx->count; i++) {
		struct event *event = tx->events[i];

		if (event->outcome != OUTCOME_PARKED || event->owner->revoked)
			continue; /* revoked: whoever has it now has read the table */
		if (event->parked && !event->reparks) {
			parking_again(lane->owner->parking, event->parked, lane->owner->now_ms);
			continue;
		}
		if (event->parked)
			parking_remove(lane->owner->parking, event->parked);
		if (event->reparks > 1)
			split(lane, event);
		else
			park(lane, event);
	}
	for (size_t i = 0; i < tx->count; i++)
		if (tx->events[i]->parked && tx->events[i]->outcome != OUTCOME_PARKED && !tx->events[i]->owner->revoked)
			settle(lane, tx->events[i]->parked);
	for (size_t i = 0; i < tx->count; i++)
		if (tx->events[i]->parks)
			wake_others(lane, tx->events[i]);
}

/* "orders has no row with id = 5 (an update waited for it)" */
static void say_missing(const struct event *event, struct error *err)
{
	const struct change *change = event->changes;
	const struct target *target;
	struct buf text = BUF_INIT;

	while (!change->missed)
		change = change->next;
	target = change->target;
	buf_printf(&text, "%.*s has no row with ", SLICE_ARG(target->name));
	for (uint32_t k = 0; k < target->key_count; k++) {
		const struct value *value = &change->values[target->key[k]];

		buf_printf(&text, "%s%.*s = ", k ? ", " : "", SLICE_ARG(target->columns[target->key[k]].name));
		if (value->kind == VALUE_BYTES)
			buf_hex(&text, (struct slice){ value->p, value->n });
		else
			buf_printf(&text, "%.*s", (int)(value->n < 200 ? value->n : 200), value->p);
	}
	error_set(err, "%s, which an update waited for (%s) as long as park_for says", buf_cstr(&text),
		  change->partial ? "its message has only a part of the row" : "write = \"update\"");
	buf_free(&text);
}

/* What the table says of its age counts, but half of park_for is always left to who takes it over: while nobody ran, or the target was away, nobody
 * could bring its row. */
static int64_t waited_ms(const struct lane *lane, const struct parked *parked, int64_t park_for)
{
	int64_t before = parked->age_ms < park_for / 2 ? parked->age_ms : park_for / 2;

	return before + lanes_patience_ms(lane->owner, lane->owner->now_ms) - parked->since_ms;
}

bool lane_parked_missed(struct lane *lane, struct event *event, struct error *err)
{
	int64_t park_for = event->script ? script_park_for(event->script) : 0;
	int64_t waited;

	event->missed = false;
	if (event->outcome != OUTCOME_PENDING || event->owner->revoked)
		return true; /* revoked: it is dropped, and what is known of it as parked is gone already */
	waited = event->parked ? waited_ms(lane, event->parked, park_for) : 0;
	if (waited < park_for) {
		event->outcome = OUTCOME_PARKED;
		return true;
	}
	say_missing(event, err);
	return false;
}
