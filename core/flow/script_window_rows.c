/* The rows that a window writes: which column is what, and what stands in it. */
#include "flow/script_window.h"

#include "base/clock.h"
#include "flow/path.h"
#include "flow/plan.h"
#include "flow/script_api.h"
#include "flow/state_key.h"

/* ---- the columns of its rows ---- */

static struct output output_named(const struct script *script, struct slice name)
{
	const struct window *window = &script->window->window;
	struct output output = { .what = OUTPUT_NOTHING };

	if (slice_is(name, "window_start"))
		output.what = OUTPUT_START;
	else if (slice_is(name, "window_end"))
		output.what = OUTPUT_END;
	for (uint32_t i = 0; i < window->count; i++)
		if (slice_equal(window->aggregates[i].name, name))
			output = (struct output){ .what = OUTPUT_AGGREGATE, .index = i };
	for (uint32_t i = 0; i < script->key_by_count; i++)
		if (slice_equal(script->key_by_columns[i], name))
			output = (struct output){ .what = OUTPUT_KEY, .index = i };
	return output;
}

static void add_output(struct script *script, struct slice from, struct slice to)
{
	struct script_window *made = script->window;
	struct output *output = &made->outputs[made->output_count++];

	*output = output_named(script, from);
	output->name = to;
	output->column = script->target->open ? target_add(script->target, to) : target_find(script->target, to);
}

void window_bind(struct script *script)
{
	struct script_window *made = script->window;
	const struct window *window = &made->window;
	uint32_t most = script->copy_count + script->key_by_count + window->count + 2;

	if (window->in_lua)
		return;
	made->output_count = 0;
	made->outputs = arena_zalloc(&script->host->arena, most * sizeof *made->outputs);
	for (uint32_t i = 0; i < script->copy_count; i++)
		add_output(script, script->copies[i].from, script->copies[i].to);
	if (script->copies)
		return;
	for (uint32_t i = 0; i < script->key_by_count; i++)
		add_output(script, script->key_by_columns[i], script->key_by_columns[i]);
	add_output(script, SLICE("window_start"), SLICE("window_start"));
	add_output(script, SLICE("window_end"), SLICE("window_end"));
	for (uint32_t i = 0; i < window->count; i++)
		add_output(script, window->aggregates[i].name, window->aggregates[i].name);
}

struct image *window_image(struct event *event, bool old)
{
	return old ? &event->old : &event->row;
}

int window_value(struct event *event, struct image *image, struct slice name, int at, struct value **value)
{
	struct slice rest;

	*value = NULL;
	if (at >= 0) {
		if (plan_read(event, image, (uint32_t)at, &event->script->host->error) < 0)
			return -1;
		*value = &image->values[at];
	} else if (image->shape && (at = path_column(image->shape, name, &rest)) >= 0) {
		struct value *inner = arena_alloc(&event->intake->arena, sizeof *inner);

		*inner = path_value(event->script->host->json, &image->values[at], rest, &event->intake->arena);
		inner->ready = true;
		*value = inner;
	}
	if (*value && (*value)->kind <= VALUE_NULL)
		*value = NULL;
	return 0;
}

/* ---- the rows of panes ---- */

static struct value time_value(struct script_window *made, int which, int64_t ms, struct arena *arena)
{
	char *text = made->shown[which];
	struct slice copy;

	if (made->shown_ms[which] != ms) {
		size_t n = strlen(clock_format(ms, text));

		*strchr(text + 1, 'T') = ' '; /* not every year has four digits */
		text[n - 1] = 0;              /* Z */
		if (strcmp(text + n - 5, ".000") == 0)
			text[n - 5] = 0;
		made->shown_ms[which] = ms;
	}
	copy = arena_copy(arena, slice_of(text));
	return (struct value){ .p = copy.p, .n = (uint32_t)copy.n, .kind = VALUE_TEXT, .ready = true };
}

/* A column of the key: from the row, or where a timer has none, from the key's text. */
static int key_value(struct event *event, struct state_entry *entry, struct image *image, uint32_t index, struct value *value)
{
	struct value *found;

	if (event->op == OP_TIMER)
		return state_key_value(event->script->host->json, entry->key, index, &event->intake->arena, value, &event->script->host->error);
	if (window_value(event, image, event->script->key_by_columns[index],
			 image->shape ? shape_find(image->shape, event->script->key_by_columns[index]) : -1, &found) < 0)
		return -1;
	*value = found ? *found : (struct value){ .kind = VALUE_NULL, .ready = true };
	if (value->kind == VALUE_BYTES || value->kind == VALUE_JSON)
		value->kind = VALUE_TEXT; /* until its column says what it is */
	return 0;
}

/* pane: NULL where the row is none any more that had this start. */
static int write_row(struct event *event, struct state_entry *entry, struct image *image, int64_t start, const struct pane *pane)
{
	struct script *script = event->script;
	struct script_window *made = script->window;
	struct arena *arena = &event->intake->arena;
	bool erase = !pane || pane->n == 0;
	struct change *change = plan_change(event, script->target, erase ? CHANGE_DELETE : CHANGE_UPSERT, erase ? VALUE_ABSENT : VALUE_DEFAULT);

	for (uint32_t i = 0; i < made->output_count; i++) {
		const struct output *output = &made->outputs[i];
		struct value value = { .kind = VALUE_NULL, .ready = true };

		if (output->column < 0)
			return error_set(&script->host->error, "table %.*s has no column '%.*s'", SLICE_ARG(script->target->name),
					 SLICE_ARG(output->name));
		if (erase && !sl_target_is_key(script->host, script->target->id, (uint32_t)output->column))
			continue;
		switch (output->what) {
		case OUTPUT_KEY:
			if (key_value(event, entry, image, output->index, &value) < 0)
				return -1;
			break;
		case OUTPUT_AGGREGATE:
			if (pane)
				value = accumulator_result(&made->window.aggregates[output->index], &pane->accumulators[output->index], arena);
			break;
		case OUTPUT_START:
			value = time_value(made, 0, start, arena);
			break;
		case OUTPUT_END:
			value = time_value(made, 1, pane ? pane->end : start, arena);
			break;
		case OUTPUT_NOTHING:
			break;
		}
		if (script_set(event, change, (uint32_t)output->column, value) < 0)
			return -1;
	}
	return 0;
}

int sl_window_write(struct event *event, struct state_entry *entry, bool old)
{
	struct window *window = &event->script->window->window;
	struct image *image = window_image(event, old);

	for (size_t i = 0; (!window->final || event->op == OP_TIMER) && i < window->touched_count; i++) {
		const struct pane *pane = window->touched[i];

		if (event->op == OP_TIMER && !pane->n && !pane->written)
			continue;
		if (write_row(event, entry, image, pane->start, pane) < 0)
			return -1;
	}
	/* Of "final" windows only what was written already, because the input had ended, is taken back at once. */
	for (size_t i = 0; i < window->merged_count; i++) {
		const struct merged *merged = &window->merged[i];

		if (merged->written && merged->start != window->touched[0]->start && write_row(event, entry, image, merged->start, NULL) < 0)
			return -1;
	}
	return 0;
}
