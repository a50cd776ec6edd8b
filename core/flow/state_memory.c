#include "flow/state_memory.h"

#include <stdlib.h>

#include "base/buf.h"
#include "flow/state_change.h"

struct kept {
	UT_hash_handle hh;
	struct state_row row; /* its texts stand behind it, its name first: script, map and key with a zero byte between them */
};

struct state_memory {
	struct kept *rows;
	struct buf name;
};

struct state_memory *state_memory_new(void)
{
	struct state_memory *memory = calloc(1, sizeof *memory);

	BUG_IF(!memory);
	return memory;
}

static void forget(struct state_memory *memory, struct kept *kept)
{
	if (!kept)
		return;
	HASH_DEL(memory->rows, kept);
	free(kept);
}

void state_memory_free(struct state_memory *memory)
{
	if (!memory)
		return;
	while (memory->rows)
		forget(memory, memory->rows);
	buf_free(&memory->name);
	free(memory);
}

static struct kept *find(struct state_memory *memory, struct slice script, struct slice map, struct slice key)
{
	struct kept *kept;

	buf_clear(&memory->name);
	buf_slice(&memory->name, script);
	buf_char(&memory->name, 0);
	buf_slice(&memory->name, map);
	buf_char(&memory->name, 0);
	buf_slice(&memory->name, key);
	HASH_FIND(hh, memory->rows, memory->name.p, memory->name.n, kept);
	return kept;
}

static struct slice put(char **at, struct slice text)
{
	char *p = *at;

	if (text.n)
		memcpy(p, text.p, text.n);
	*at += text.n;
	return (struct slice){ p, text.n };
}

void state_memory_put(struct state_memory *memory, const struct state_row *row)
{
	struct kept *kept;
	char *at, *name;

	forget(memory, find(memory, row->script, row->map, row->key));
	kept = calloc(1, sizeof *kept + memory->name.n + row->value.n + row->timers.n + row->topic.n);
	BUG_IF(!kept);
	kept->row = *row;
	at = name = (char *)(kept + 1);
	put(&at, buf_view(&memory->name));
	kept->row.script = (struct slice){ name, row->script.n };
	kept->row.map = (struct slice){ name + row->script.n + 1, row->map.n };
	kept->row.key = (struct slice){ name + row->script.n + 1 + row->map.n + 1, row->key.n };
	kept->row.value = put(&at, row->value);
	kept->row.timers = put(&at, row->timers);
	kept->row.topic = put(&at, row->topic);
	HASH_ADD_KEYPTR(hh, memory->rows, name, memory->name.n, kept);
}

void state_memory_apply(struct state_memory *memory, const struct change *change)
{
	struct state_row row;

	if (!change_is_state(change))
		return;
	row = state_change_row(change);
	if (change->op == CHANGE_DELETE)
		forget(memory, find(memory, row.script, row.map, row.key));
	else
		state_memory_put(memory, &row);
}

/* ---- what is due ---- */

static int compare_rows(const struct state_row *a, const struct state_row *b, enum state_clock clock)
{
	int order;

	if (a->at[clock] != b->at[clock])
		return a->at[clock] < b->at[clock] ? -1 : 1;
	return (order = slice_compare(a->map, b->map)) ? order : slice_compare(a->key, b->key);
}

static int by_event_time(const void *a, const void *b)
{
	return compare_rows(*(const struct state_row *const *)a, *(const struct state_row *const *)b, STATE_EVENT_TIME);
}

static int by_wall_time(const void *a, const void *b)
{
	return compare_rows(*(const struct state_row *const *)a, *(const struct state_row *const *)b, STATE_WALL_TIME);
}

static bool is_asked(const struct state_due *due, const struct state_row *row)
{
	if (!slice_equal(row->script, due->script) || row->at[due->clock] == STATE_NO_TIME || compare_rows(row, &due->after, due->clock) <= 0)
		return false;
	for (size_t i = 0; i < due->partition_count; i++)
		if (due->partitions[i].partition == row->partition && slice_equal(due->partitions[i].topic, row->topic))
			return true;
	return false;
}

static void load_due(struct state_memory *memory, struct state_load *load)
{
	const struct state_row **rows = malloc((HASH_COUNT(memory->rows) + 1) * sizeof(*rows));
	size_t count = 0;

	BUG_IF(!rows);
	for (struct kept *kept = memory->rows; kept; kept = kept->hh.next)
		if (is_asked(&load->due, &kept->row))
			rows[count++] = &kept->row;
	qsort(rows, count, sizeof(*rows), load->due.clock == STATE_EVENT_TIME ? by_event_time : by_wall_time);
	for (size_t i = 0; i < count && i < load->due.most; i++)
		load->row(load, rows[i]);
	free(rows);
}

void state_memory_load(struct state_memory *memory, struct state_load *load)
{
	for (size_t i = 0; i < load->count; i++) {
		struct kept *kept = find(memory, load->keys[i].script, load->keys[i].map, load->keys[i].key);

		if (kept)
			load->row(load, &kept->row);
	}
	if (!load->count)
		load_due(memory, load);
	load->done(load);
}
