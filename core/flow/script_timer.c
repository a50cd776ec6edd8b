/* What is due in streamlua_state, as an event: it goes through its script and lane like those that were read. */
#include "flow/script_private.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/progress.h"
#include "flow/script_api.h"
#include "flow/state_key.h"

/* What the sink said of a timer that has to run once more, to be written off. */
struct refused_timer {
	struct refused_timer *next;
	const struct script *script;
	char *key, *why;
	int64_t at_ms;
};

static char *copy_of(struct slice text)
{
	char *copy = strndup(text.p ? text.p : "", text.n);

	BUG_IF(!copy);
	return copy;
}

void script_host_timer_refused(const struct event *event)
{
	struct script_host *host = event->script->host;
	struct refused_timer *refused = malloc(sizeof *refused);

	BUG_IF(!refused);
	*refused = (struct refused_timer){ .next = host->refused_timers,
					   .script = event->script,
					   .key = copy_of(event->message->key),
					   .why = copy_of(event->error),
					   .at_ms = event->at_ms };
	host->refused_timers = refused;
}

static void forget(struct refused_timer **at)
{
	struct refused_timer *refused = *at;

	*at = refused->next;
	free(refused->key);
	free(refused->why);
	free(refused);
}

void timers_free(struct script_host *host)
{
	while (host->refused_timers)
		forget(&host->refused_timers);
}

/* Why the sink refused it the last time; none where it did not. */
static struct slice take_refused(const struct script *script, const struct state_entry *entry, enum state_clock clock, struct arena *arena)
{
	struct refused_timer **at = &script->host->refused_timers;
	struct slice why = { 0 };

	while (*at && !((*at)->script == script && (*at)->at_ms == entry->at[clock] && slice_is(entry->key, (*at)->key)))
		at = &(*at)->next;
	if (*at) {
		why = arena_copy(arena, slice_of((*at)->why));
		forget(at);
	}
	return why;
}

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

/* All rows of a key go through one lane. */
static struct slice owner_of(struct script_host *host, const struct state_entry *entry)
{
	if (!entry->map.n)
		return entry->key;
	state_key_of_entry(&host->key, entry->key);
	return buf_view(&host->key);
}

struct event *script_host_timer(struct script *script, struct intake *intake, struct state_entry *entry, enum state_clock clock, int64_t at_ms,
				bool ended)
{
	struct arena *arena = &intake->arena;
	struct event *event = event_of_message(arena, make_message(arena, entry, clock));

	event->op = OP_TIMER;
	event->table = script->source_count && script->sources[0].n ? script->sources[0] : script->name;
	event->parts = 1;
	event->script = script;
	event->script_version = slice_of(script->host->options.bundle->version);
	event->changes_end = &event->changes;
	event->at_ms = entry->at[clock];
	event->clock_ms = at_ms;
	event->clocked = true;
	event->due_by = (uint8_t)clock;
	event->error = take_refused(script, entry, clock, arena);
	event->otherwise = arena_alloc(arena, sizeof *event->otherwise);
	*event->otherwise = (struct state_otherwise){ arena_copy(arena, entry->value),
						      arena_copy(arena, entry->timers),
						      { entry->at[STATE_EVENT_TIME], entry->at[STATE_WALL_TIME] },
						      entry->version };
	event->otherwise->at[clock] = STATE_NO_TIME;
	event->lane_hash[0] = state_lane_hash(event, owner_of(script->host, entry));
	event->lane_hashes = 1;
	intake_add(intake, event);
	state_use(event, entry, false);
	state_take_due(entry, clock);
	event->ended = ended;
	entry->met_end |= script->closes && ended; /* all of its windows in one */
	return event;
}

int64_t script_host_last_timer(struct script *script, const struct state_entry *entry, enum state_clock clock)
{
	static const char *const names[STATE_CLOCKS] = { [STATE_EVENT_TIME] = "event", [STATE_WALL_TIME] = "processing" };
	struct script_host *host = script->host;
	const struct json_node *nodes, *of;
	char *padded;
	int64_t last_ms = INT64_MIN, at_ms;
	struct error err;

	if (!entry->timers.n)
		return last_ms;
	arena_reset(&host->decoding);
	padded = arena_zalloc(&host->decoding, entry->timers.n + JSON_PADDING);
	memcpy(padded, entry->timers.p, entry->timers.n);
	if (json_read(host->json, (struct slice){ padded, entry->timers.n }, 1, NULL, &host->decoding, &nodes, &err) < 0)
		return last_ms;
	of = json_member(nodes, nodes, names[clock]);
	for (const struct json_node *node = of ? of + 1 : NULL; node && node < nodes + of->end; node = nodes + node->end)
		if (value_is_integer(&node->value, &at_ms) && at_ms > last_ms)
			last_ms = at_ms;
	return last_ms;
}

/* At the end of the input: whether it is one of those that were to come: windows that are open, timers that were set before the end was met. What
 * is set meanwhile stays for the next run. */
static bool is_due_at_end(struct script *script, struct state_entry *entry, enum state_clock clock)
{
	if (script->closes)
		return !entry->met_end;
	if (!entry->met_end) {
		entry->met_end = true;
		for (int c = 0; c < STATE_CLOCKS; c++)
			entry->end_ms[c] = script_host_last_timer(script, entry, (enum state_clock)c);
	}
	return entry->at[clock] <= entry->end_ms[clock];
}

struct state_entry *script_host_first_due(struct script *script, enum state_clock clock, int64_t until_ms, bool at_end)
{
	struct state_entry *entry;

	while ((entry = state_first_due(&script->state, clock)) != NULL && entry->at[clock] > until_ms) {
		if (!at_end)
			return NULL;
		if (is_due_at_end(script, entry, clock))
			break;
		state_take_due(entry, clock);
	}
	return entry;
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
