/* The first stage of `repartition`: of its events only the keys are made, which is done before any event runs. */
#include "flow/script_private.h"

/* Values are read by what the script's target says of them. */
static struct image image_for_another(struct arena *arena, const struct image *image)
{
	struct image copy = *image;
	size_t size = image->shape ? image->shape->count * sizeof *copy.values : 0;

	if (size)
		copy.values = memcpy(arena_alloc(arena, size), image->values, size);
	copy.readings = NULL;
	return copy;
}

static struct event *twin_of(const struct event *event, struct script *script)
{
	struct arena *arena = &event->intake->arena;
	struct event *twin = arena_zalloc(arena, sizeof *twin);

	event_set_message(twin, event->message);
	twin->op = event->op;
	twin->part = event->part;
	twin->parts = event->parts;
	twin->intake = event->intake;
	twin->script = script;
	twin->changes_end = &twin->changes;
	twin->row = image_for_another(arena, &event->row);
	twin->old = image_for_another(arena, &event->old);
	twin->key = image_for_another(arena, &event->key);
	script_event_readings(twin);
	return twin;
}

void rekey_begin(struct script_host *host, struct intake *intake)
{
	for (struct event *event = intake->first; event; event = event->next) {
		struct event **twin = &event->twin;
		struct script *const *scripts;
		uint32_t count;

		event->twin = NULL;
		if (event->outcome != OUTCOME_PENDING || !event->script)
			continue;
		count = script_host_rekeyed_scripts(host, event->database, event->table, &scripts);
		for (uint32_t i = 0; i < count; i++) {
			if (scripts[i] == event->script)
				continue;
			*twin = twin_of(event, scripts[i]);
			twin = &(*twin)->twin;
		}
	}
	for (struct event *event = intake->first; event; event = event->next)
		for (struct event *twin = event->twin; twin; twin = twin->twin)
			state_begin(host, twin->script, &twin, 1);
}

/* What the lane and its transaction are given: the sink makes a message of the event itself. */
static struct target forwarded_to = { .own = true };
static struct change forwarded = { .target = &forwarded_to, .op = CHANGE_UPSERT };

void script_host_rekeyed(struct script_host *host, struct intake *intake)
{
	state_unwant(&host->state);
	for (struct event *event = intake->first; event; event = event->next) {
		if (event->settled || event->was_done)
			continue;
		if (!event->script) {
			event->outcome = OUTCOME_IGNORED;
			continue;
		}
		/* Where its key cannot be made, or its row is missing: whose it is says so once more, and makes the dead letter. */
		event->outcome = OUTCOME_PENDING;
		event->changes = &forwarded;
		event->lane_hashes = 1;
		event->lane_hash[0] = 0;
		event->bytes = (uint32_t)(event->message->key.n + event->message->value.n);
	}
}
