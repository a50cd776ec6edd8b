#include "sim/kept.h"

#include <stdlib.h>
#include <string.h>

#include "flow/script_state.h"

static void release(struct kept_row *row)
{
	const char *texts[] = { row->script, row->map, row->key, row->value, row->timers, row->topic };

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		free((char *)texts[i]);
}

void kept_free(struct kept *kept)
{
	for (size_t i = 0; i < kept->count; i++)
		release(&kept->rows[i]);
	free(kept->rows);
	*kept = (struct kept){ 0 };
}

static const char *text_of(const struct change *change, int column, struct arena *arena)
{
	const struct value *value = &change->values[column];

	return value->kind == VALUE_TEXT ? arena_copy(arena, (struct slice){ value->p, value->n }).p : "";
}

static int64_t number_of(const struct change *change, int column, int64_t otherwise)
{
	int64_t number;

	return value_is_integer(&change->values[column], &number) ? number : otherwise;
}

struct kept_row kept_of_change(const struct change *change, struct arena *arena)
{
	struct kept_row row = { .deleted = change->op == CHANGE_DELETE,
				.script = text_of(change, STATE_SCRIPT, arena),
				.map = text_of(change, STATE_MAP, arena),
				.key = text_of(change, STATE_KEY, arena) };

	if (row.deleted)
		return row;
	row.value = text_of(change, STATE_VALUE, arena);
	row.timers = text_of(change, STATE_TIMERS, arena);
	row.topic = text_of(change, STATE_TOPIC, arena);
	row.partition = (int32_t)number_of(change, STATE_PARTITION, -1);
	row.version = (int32_t)number_of(change, STATE_VERSION, -1);
	row.at[STATE_EVENT_TIME] = number_of(change, STATE_DUE, STATE_NO_TIME);
	row.at[STATE_WALL_TIME] = number_of(change, STATE_WAKE, STATE_NO_TIME);
	return row;
}

static struct kept_row *find(const struct kept *kept, const char *script, const char *map, const char *key)
{
	for (size_t i = 0; i < kept->count; i++) {
		struct kept_row *row = &kept->rows[i];

		if (strcmp(row->key, key) == 0 && strcmp(row->script, script) == 0 && strcmp(row->map, map) == 0)
			return row;
	}
	return NULL;
}

const struct kept_row *kept_find(const struct kept *kept, const char *script, const char *map, const char *key)
{
	return find(kept, script, map, key);
}

static struct kept_row *add(struct kept *kept)
{
	if (kept->count == kept->cap) {
		kept->cap = kept->cap ? kept->cap * 2 : 32;
		kept->rows = realloc(kept->rows, kept->cap * sizeof *kept->rows);
		BUG_IF(!kept->rows);
	}
	return &kept->rows[kept->count++];
}

void kept_write(struct kept *kept, const struct kept_row *row)
{
	struct kept_row *at = find(kept, row->script, row->map, row->key);

	if (at)
		release(at);
	if (row->deleted && at)
		*at = kept->rows[--kept->count];
	if (row->deleted)
		return;
	at = at ? at : add(kept);
	*at = *row;
	at->script = strdup(row->script);
	at->map = strdup(row->map);
	at->key = strdup(row->key);
	at->value = strdup(row->value);
	at->timers = strdup(row->timers);
	at->topic = strdup(row->topic);
}

/* ---- questions ---- */

static struct state_row to_tell(const struct kept_row *row)
{
	return (struct state_row){ .script = slice_of(row->script),
				   .map = slice_of(row->map),
				   .key = slice_of(row->key),
				   .value = slice_of(row->value),
				   .timers = slice_of(row->timers),
				   .at = { row->at[0], row->at[1] },
				   .version = row->version,
				   .topic = slice_of(row->topic),
				   .partition = row->partition };
}

/* By when they are due, then map, then key. */
static int compare(const struct state_row *a, const struct state_row *b, enum state_clock clock)
{
	int order;

	if (a->at[clock] != b->at[clock])
		return a->at[clock] < b->at[clock] ? -1 : 1;
	order = slice_compare(a->map, b->map);
	return order ? order : slice_compare(a->key, b->key);
}

static bool is_of(const struct state_due *due, const struct state_row *row)
{
	for (size_t i = 0; i < due->partition_count; i++)
		if (due->partitions[i].partition == row->partition && slice_equal(due->partitions[i].topic, row->topic))
			return true;
	return false;
}

/* The first that is due behind this one. */
static bool next_due(const struct kept *kept, const struct state_due *due, const struct state_row *after, struct state_row *next)
{
	bool any = false;

	for (size_t i = 0; i < kept->count; i++) {
		struct state_row row = to_tell(&kept->rows[i]);

		if (row.at[due->clock] == STATE_NO_TIME || !slice_equal(row.script, due->script) || !is_of(due, &row) ||
		    compare(&row, after, due->clock) <= 0 || (any && compare(&row, next, due->clock) >= 0))
			continue;
		*next = row;
		any = true;
	}
	return any;
}

static void tell_due(const struct kept *kept, struct state_load *load)
{
	struct state_row after = load->due.after, next;

	for (uint32_t told = 0; told < load->due.most && next_due(kept, &load->due, &after, &next); told++) {
		load->row(load, &next);
		after = next;
	}
}

void kept_tell(const struct kept *kept, struct state_load *load)
{
	if (!load->count)
		tell_due(kept, load);
	for (size_t i = 0; i < load->count; i++) {
		/* Texts that are asked for end with their slices, which need no zero. */
		for (size_t k = 0; k < kept->count; k++) {
			struct state_row row = to_tell(&kept->rows[k]);

			if (slice_equal(row.key, load->keys[i].key) && slice_equal(row.script, load->keys[i].script) &&
			    slice_equal(row.map, load->keys[i].map))
				load->row(load, &row);
		}
	}
}
