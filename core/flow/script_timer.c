/* What is due in streamlua_state, as an event: it goes through its script and lane like those that were read. */
#include "flow/script_private.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/progress.h"
#include "flow/script_api.h"

/* A place that no message has, and that the same timer has again: by it a script that never ends is found out (flow/script_watch.h). */
static int64_t make_place(const struct state_entry *entry, enum state_clock clock)
{
	uint64_t hash = XXH3_64bits_withSeed(entry->key.p, entry->key.n, (uint64_t)entry->at[clock] * STATE_CLOCKS + clock);

	return -2 - (int64_t)(hash >> 2);
}

static struct message *make_message(struct arena *arena, const struct state_entry *entry, enum state_clock clock)
{
	struct message *message = arena_zalloc(arena, sizeof *message);

	*message = (struct message){ .topic = arena_copy(arena, entry->partition->topic),
				     .partition = entry->partition->number,
				     .offset = -1,
				     .position = make_place(entry, clock),
				     .key = arena_copy(arena, entry->key),
				     .owner = entry->partition };
	return message;
}

struct event *script_host_timer(struct script *script, struct intake *intake, struct state_entry *entry, enum state_clock clock, int64_t at_ms,
				const char *refused)
{
	struct arena *arena = &intake->arena;
	struct event *event = arena_zalloc(arena, sizeof *event);

	event->op = OP_TIMER;
	event->message = make_message(arena, entry, clock);
	event->table = script->source_count && script->sources[0].n ? script->sources[0] : script->name;
	event->parts = 1;
	event->script = script;
	event->script_version = slice_of(script->host->options.bundle->version);
	event->changes_end = &event->changes;
	event->at_ms = entry->at[clock];
	event->clock_ms = at_ms;
	event->clocked = true;
	event->due_by = (uint8_t)clock;
	event->error = refused ? arena_copy(arena, slice_of(refused)) : (struct slice){ 0 };
	event->otherwise = arena_alloc(arena, sizeof *event->otherwise);
	*event->otherwise = (struct state_otherwise){ arena_copy(arena, entry->value),
						      arena_copy(arena, entry->timers),
						      { entry->at[STATE_EVENT_TIME], entry->at[STATE_WALL_TIME] },
						      entry->version };
	event->otherwise->at[clock] = STATE_NO_TIME;
	event->lane_hash[0] = state_lane_hash(event, entry->key);
	event->lane_hashes = 1;
	intake_add(intake, event);
	state_use(event, entry, false);
	state_take_due(entry, clock);
	return event;
}

void state_write_off(struct event *event)
{
	state_put(event, event->uses->entry, event->otherwise);
}

void sl_timer_otherwise(struct event *event, const char *value, size_t size, const char *timers, size_t timers_size, double due, double wake)
{
	struct arena *arena = &event->intake->arena;
	struct state_otherwise made = state_made(value, size, timers, timers_size, due, wake, event->otherwise->version);

	*event->otherwise = (struct state_otherwise){
		arena_copy(arena, made.value), arena_copy(arena, made.timers), { made.at[0], made.at[1] }, made.version
	};
}
