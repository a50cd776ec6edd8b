/* The last step of an event before its lane: are its keys whole, what do `write` and `owns` make of its changes, which lane. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/parking.h"
#include "flow/plan.h"
#include "flow/progress.h"
#include "flow/script_api.h"

/* ---- lanes ---- */

static uint64_t hash_value(const struct value *value, uint64_t seed)
{
	size_t n = value->n;

	/* What may be one key to the database has one hash, sharing a lane does no harm: a number and the text of its digits (a message's key
	 * is often text where its row has a number), and where a collation pads, 'a' and 'a '. */
	if (value->kind == VALUE_TEXT)
		while (n && value->p[n - 1] == ' ')
			n--;
	return XXH3_64bits_withSeed(value->p, n, seed);
}

static uint64_t hash_table(const struct event *event)
{
	return XXH3_64bits_withSeed("table", 5, event->script->target->id);
}

static uint64_t hash_target_key(const struct change *change)
{
	const struct target *target = change->target;
	uint64_t hash = target->id;

	for (uint32_t k = 0; k < target->key_count; k++)
		if (target->key[k] < change->count)
			hash = hash_value(&change->values[target->key[k]], hash);
	return hash;
}

/* By the source's own key, for scripts whose target key is made in Lua. */
static int hash_source_key(struct event *event, uint64_t hashes[2], struct error *err)
{
	const struct shape *key = event->key.shape;
	uint64_t before = event->script->target->id, after = before;

	for (uint32_t i = 0; i < key->count; i++) {
		int at = shape_find(event->row.shape, key->columns[i].name);

		if (plan_read(event, &event->key, i, err) < 0)
			return -1;
		before = hash_value(&event->key.values[i], before);
		if (at >= 0 && event->row.values[at].kind != VALUE_ABSENT) {
			if (plan_read(event, &event->row, (uint32_t)at, err) < 0)
				return -1;
			after = hash_value(&event->row.values[at], after);
		} else {
			after = hash_value(&event->key.values[i], after);
		}
	}
	hashes[0] = after;
	hashes[1] = before;
	return after == before ? 1 : 2;
}

static int hash_columns_of(struct event *event, struct image *image, uint64_t *hash, struct error *err)
{
	const struct script *script = event->script;

	*hash = script->target->id;
	for (uint32_t i = 0; i < script->key_by_count; i++) {
		int at = shape_find(image->shape, script->key_by_columns[i]);

		if (at < 0 || image->values[at].kind == VALUE_ABSENT)
			return 1;
		if (plan_read(event, image, (uint32_t)at, err) < 0)
			return -1;
		*hash = hash_value(&image->values[at], *hash);
	}
	return 0;
}

static int hash_columns(struct event *event, uint64_t hashes[2], struct error *err)
{
	int missing = hash_columns_of(event, &event->row, &hashes[0], err);

	if (missing > 0)
		return error_set(err, "a column of key_by is not in this message (a delete that has only its key?): use key_by = \"table\", or send "
				      "whole old images");
	if (missing < 0)
		return -1;
	if (event->op == OP_UPDATE && event->old.state != IMAGE_ABSENT && hash_columns_of(event, &event->old, &hashes[1], err) == 0 &&
	    hashes[0] != hashes[1])
		return 2;
	return 1;
}

/* By the keys of what it writes to the script's own target: one of them, or the old and the new. */
static int hash_changes(const struct event *event, uint64_t hashes[2], struct error *err)
{
	int count = 0;

	for (const struct change *change = event->changes; change; change = change->next) {
		uint64_t hash;

		if (change->target != event->script->target)
			continue;
		hash = hash_target_key(change);
		if (count > 0 && (hash == hashes[0] || (count == 2 && hash == hashes[1])))
			continue;
		if (count == 2)
			return error_set(err,
					 "more than two rows of %.*s are written for one event, which key_by = \"row\" cannot keep in order: use "
					 "key_by = \"table\"",
					 SLICE_ARG(event->script->target->name));
		hashes[count++] = hash;
	}
	return count;
}

bool plan_source_keyed(const struct script *script)
{
	const struct reading_settings *settings = script_host_readings(script->host);

	return !settings->plain || settings->capture != CAPTURE_NONE;
}

/* A key that Lua makes follows from the source's own; where that is not told, what stays in order is the table. */
static int hash_row(struct event *event, uint64_t hashes[2], struct error *err)
{
	if (event->script->key_copied || event->script->merges)
		return hash_changes(event, hashes, err);
	if (event->key.state == IMAGE_ABSENT || !plan_source_keyed(event->script))
		return 0;
	return hash_source_key(event, hashes, err);
}

static int choose_lanes(struct event *event, struct error *err)
{
	struct script *script = event->script;
	int count = 0;

	if (script->stateful || script->chain.kept)
		return 0; /* chosen with the key of its state, or its readers' */

	switch (script->key_by) {
	case KEY_BY_FUNCTION:
		return 0; /* chosen in Lua (sl_lane_key) */
	case KEY_BY_COLUMNS:
		count = hash_columns(event, event->lane_hash, err);
		break;
	case KEY_BY_ROW:
		count = hash_row(event, event->lane_hash, err);
		break;
	case KEY_BY_TABLE:
	case KEY_BY_DEFAULT:
		break;
	}
	if (count < 0)
		return -1;
	if (count == 0) {
		event->lane_hash[0] = hash_table(event);
		count = 1;
	}
	event->lane_hashes = (uint8_t)count;
	return 0;
}

int plan_failed(struct event *event)
{
	const struct script *script = event->script;
	struct error err;
	int result;

	if (script->chain.kept && !script->stateful && !event->lane_hashes && sl_chain_lanes(event) < 0)
		return -1;
	if (script->stateful || script->chain.kept || script->key_by == KEY_BY_FUNCTION)
		return event->lane_hashes ? 0 : -1;
	if (script->merges && !script->key_copied)
		return -1; /* sums need no order */
	result = script->key_by == KEY_BY_ROW && script->key_copied ? plan_apply_keys(event, &err) : 0;
	plan_merge_shard(event);
	result = result < 0 ? -1 : choose_lanes(event, &err);
	event->changes = NULL;
	event->changes_end = &event->changes;
	return result;
}

/* ---- the last step ---- */

static int check_key(const struct change *change, struct error *err)
{
	const struct target *target = change->target;

	for (uint32_t k = 0; k < target->key_count; k++) {
		const struct target_column *column = &target->columns[target->key[k]];
		const struct value *value = target->key[k] < change->count ? &change->values[target->key[k]] : NULL;
		bool made_by_database = column->auto_increment && change->op == CHANGE_UPSERT && !target->merged;

		if (!value || value->kind == VALUE_ABSENT || value->kind == VALUE_DEFAULT) {
			if (made_by_database || (value && value->kind == VALUE_DEFAULT && column->has_default && change->op != CHANGE_DELETE))
				continue;
			return error_set(
				err,
				"%s %.*s: key column %.*s has no value: it tells the table's rows apart, so the message or the script must give it",
				change->op == CHANGE_DELETE ? "delete from" : "row for", SLICE_ARG(target->name), SLICE_ARG(column->name));
		}
		if (value->kind == VALUE_NULL && !(made_by_database && !column->nullable))
			return error_set(err, "%s %.*s: key column %.*s is NULL", change->op == CHANGE_DELETE ? "delete from" : "row for",
					 SLICE_ARG(target->name), SLICE_ARG(column->name));
	}
	return 0;
}

/* A script that owns some columns takes back only those: the row itself is another's. */
static void clear_owned(struct script *script, struct change *change)
{
	change->op = CHANGE_UPDATE;
	change->clears = true;
	for (uint32_t i = 0; i < change->count; i++)
		if (script->owned[i] && !target_is_key(change->target, i))
			change->values[i] = (struct value){ .kind = VALUE_DEFAULT, .ready = true };
}

/* A message with only a part of its row cannot make that row: it changes one that is there, and waits for one that is not. Where rows are no
 * captured changes (json, sl.format), a part is all that anybody has; a target without a schema has no rows to look for. */
static bool is_part(const struct event *event)
{
	const struct script *script = event->script;

	return event->op == OP_UPDATE && event->row.state == IMAGE_PARTIAL && plan_source_keyed(script) && !script->stateful && !script->owned &&
	       !script->merges && !script->updates && !script->target->open;
}

/* map makes whole rows, where it does not ask for what the message does not have. */
static bool leaves_out(const struct change *change)
{
	for (uint32_t i = 0; i < change->target->count; i++)
		if (!change->target->columns[i].generated && (i >= change->count || !VALUE_IS_SET(&change->values[i])))
			return true;
	return false;
}

static int wait_for_row(const struct event *event, struct change *change, struct error *err)
{
	for (const struct change *other = event->changes; other != change; other = other->next)
		if (other->target == change->target && other->op == CHANGE_DELETE)
			return error_set(err,
					 "an update gives its row another key, and holds only a part of it: the rest would be lost with the old row");
	change->target->parks = true;
	change->op = CHANGE_UPDATE;
	change->waits = change->partial = true;
	return 0;
}

/* Rows of its target are parked, whether or not anything has waited by these scripts: perhaps since before a restart or a reload. */
static void remember_parked(const struct event *event)
{
	const struct partition *partition = event->message->owner;
	struct target *target = event->script->target;

	if (partition && partition->parked_keys && !target->open && !event->script->stateful)
		target->parks = true;
}

int plan_finish(struct event *event, struct error *err)
{
	struct script *script = event->script;
	bool part = is_part(event), merged = false;

	remember_parked(event);
	for (struct change *change = event->changes; change && !merged; change = change->next)
		merged = change->target->merged && !(change->target == script->target && script->owned);
	if (merged && plan_merge_finish(event, err) < 0)
		return -1;
	for (struct change *change = event->changes; change; change = change->next) {
		if (change->target == script->target) {
			if (script->owned && change->op == CHANGE_DELETE)
				clear_owned(script, change);
			else if (script->updates && change->op == CHANGE_UPSERT) {
				change->op = CHANGE_UPDATE;
				change->waits = change->target->parks;
			} else if (part && change->op == CHANGE_UPSERT && (!script->lua_makes_rows || leaves_out(change)) &&
				   wait_for_row(event, change, err) < 0) {
				return -1;
			}
		}
		if (check_key(change, err) < 0)
			return -1;
		if (change->target->parks) {
			change->key_hash = parking_hash(change);
			event->parks = true;
		} else if (change->target->merged) {
			change->key_hash = hash_target_key(change);
		}
		event->bytes += 16 * change->count;
		for (uint32_t i = 0; i < change->count; i++)
			event->bytes += change->values[i].n;
	}
	return choose_lanes(event, err);
}
