#include "flow/state_change.h"

#include "flow/number.h"
#include "flow/script_state.h"

static const struct state_change *whole(const struct change *change)
{
	return (const struct state_change *)change;
}

struct state_row state_change_row(const struct change *change)
{
	const struct state_change *made = whole(change);
	const struct state_stamp *stamp = made->stamp;

	return (struct state_row){
		.script = stamp->name,
		.map = made->map,
		.key = made->key,
		.value = made->value,
		.timers = made->timers,
		.at = { made->at[0], made->at[1] },
		.version = stamp->version,
		.topic = stamp->topic,
		.partition = stamp->partition,
	};
}

/* ---- values ---- */

static struct value text_value(struct slice text)
{
	return (struct value){ .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_TEXT, .ready = true };
}

static struct value number_value(struct arena *arena, int64_t number)
{
	char *digits = arena_alloc(arena, 24);

	return (struct value){ .p = digits, .n = (uint32_t)int_text(number, digits), .kind = VALUE_NUMBER, .ready = true };
}

static struct value time_value(struct arena *arena, int64_t at)
{
	return at == STATE_NO_TIME ? (struct value){ .kind = VALUE_NULL, .ready = true } : number_value(arena, at);
}

static const struct change *with_values(const struct change *change, struct arena *arena)
{
	const struct state_change *made = whole(change);
	const struct state_stamp *stamp = made->stamp;
	struct change *copy = arena_alloc(arena, sizeof *copy);
	struct value *values = arena_zalloc(arena, STATE_COLUMNS * sizeof *values);

	*copy = *change;
	copy->values = values;
	values[STATE_JOB] = text_value(stamp->job);
	values[STATE_SCRIPT] = text_value(stamp->name);
	values[STATE_MAP] = text_value(made->map);
	values[STATE_KEY] = text_value(made->key);
	if (change->op == CHANGE_DELETE)
		return copy;
	values[STATE_VALUE] = text_value(made->value.n ? made->value : SLICE("{}"));
	values[STATE_TIMERS] = made->timers.n ? text_value(made->timers) : (struct value){ .kind = VALUE_NULL, .ready = true };
	values[STATE_DUE] = time_value(arena, made->at[STATE_EVENT_TIME]);
	values[STATE_WAKE] = time_value(arena, made->at[STATE_WALL_TIME]);
	values[STATE_VERSION] = number_value(arena, stamp->version);
	values[STATE_TOPIC] = text_value(stamp->topic);
	values[STATE_PARTITION] = number_value(arena, stamp->partition);
	values[STATE_UPDATED] = text_value(stamp->updated);
	return copy;
}

/* ---- the last one of each row ---- */

/* All events of a transaction have their rows at hand as long as it lasts: a row is one entry. */
static bool is_seen(const struct state_entry **slots, size_t mask, const struct state_entry *entry)
{
	size_t at = ((uintptr_t)entry * 0x9e3779b97f4a7c15u) >> 20 & mask;

	for (; slots[at]; at = (at + 1) & mask)
		if (slots[at] == entry)
			return true;
	slots[at] = entry;
	return false;
}

size_t state_changes_last(const struct change *const *changes, size_t count, const struct change **last, struct arena *arena)
{
	const struct state_entry **slots;
	size_t cap = 16, from = count;

	while (cap < count * 2)
		cap *= 2;
	slots = arena_zalloc(arena, cap * sizeof(*slots));
	for (size_t i = count; i-- > 0;)
		if (!is_seen(slots, cap - 1, changes[i]->state))
			last[--from] = with_values(changes[i], arena);
	memmove(last, last + from, (count - from) * sizeof(*last));
	return count - from;
}
