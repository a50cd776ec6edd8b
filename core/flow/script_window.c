/* The window of a script: what it keeps of a key, event by event, and the rows that it writes. Where the script accumulates in Lua (add, sub,
 * merge, result), panes are found here all the same, and lua/streamlua/windowed.lua asks for their texts. */
#include "flow/script_window.h"

#include <math.h>
#include <stdlib.h>

#include "flow/script_api.h"

/* Of one row of streamlua_state; what is larger belongs into tables. */
enum { STATE_BYTES_MOST = 1024 * 1024 };

/* ---- what the script says ---- */

static double number_field(lua_State *lua, const char *name)
{
	double number;

	lua_getfield(lua, -1, name);
	number = lua_tonumber(lua, -1);
	lua_pop(lua, 1);
	return number;
}

static struct slice text_field(struct script_host *host, const char *name)
{
	struct slice text = { 0 };
	size_t n;

	lua_getfield(host->lua, -1, name);
	if (lua_isstring(host->lua, -1)) {
		const char *p = lua_tolstring(host->lua, -1, &n);

		text = arena_copy(&host->arena, (struct slice){ p, n });
	}
	lua_pop(host->lua, 1);
	return text;
}

static int by_name(const void *a, const void *b)
{
	return slice_compare(((const struct aggregate *)a)->name, ((const struct aggregate *)b)->name);
}

/* A list of { name =, aggregate = { name =, column = } } at the top of the stack. */
static void read_aggregates(struct script_host *host, struct window *window)
{
	struct buf label = BUF_INIT;

	window->count = (uint32_t)lua_objlen(host->lua, -1);
	window->aggregates = arena_zalloc(&host->arena, (window->count + 1) * sizeof *window->aggregates);
	for (uint32_t i = 0; i < window->count; i++) {
		struct aggregate *aggregate = &window->aggregates[i];

		lua_rawgeti(host->lua, -1, (int)i + 1);
		aggregate->name = text_field(host, "name");
		buf_clear(&label);
		buf_json_string(&label, aggregate->name);
		buf_char(&label, ':');
		aggregate->label = arena_copy(&host->arena, buf_view(&label));
		lua_getfield(host->lua, -1, "aggregate");
		aggregate->kind = aggregate_named(text_field(host, "name"));
		BUG_IF(aggregate->kind == AGGREGATE_KINDS);
		aggregate->column = text_field(host, "column");
		aggregate->place = i;
		lua_getfield(host->lua, -1, "call");
		aggregate->given = lua_isfunction(host->lua, -1);
		lua_pop(host->lua, 3);
	}
	buf_free(&label);
	qsort(window->aggregates, window->count, sizeof *window->aggregates, by_name);
}

void window_load(struct script_host *host, struct script *script)
{
	struct script_window *made = arena_zalloc(&host->arena, sizeof *made);

	script->window = made;
	made->window.final = script->closes;
	made->shown_ms[0] = made->shown_ms[1] = INT64_MIN;
	lua_getfield(host->lua, -1, "window");
	made->window.size = (int64_t)number_field(host->lua, "size");
	made->window.hop = (int64_t)number_field(host->lua, "hop");
	made->window.gap = (int64_t)number_field(host->lua, "gap");
	lua_pop(host->lua, 1);
	lua_getfield(host->lua, -1, "aggregates");
	made->window.in_lua = !lua_istable(host->lua, -1);
	if (!made->window.in_lua)
		read_aggregates(host, &made->window);
	lua_pop(host->lua, 1);
	made->columns = arena_zalloc(&host->arena, (made->window.count + 1) * sizeof *made->columns);
}

void window_free(struct script *script)
{
	if (!script->window)
		return;
	window_deinit(&script->window->window);
	buf_free(&script->window->text);
	buf_free(&script->window->text_old);
}

/* ---- panes of an entry ---- */

static struct panes *open_panes(struct event *event, struct state_entry *entry)
{
	struct script_host *host = event->script->host;

	if (!entry->panes) {
		arena_reset(&host->decoding);
		state_hold_panes(&host->state, entry,
				 panes_decode(&event->script->window->window, host->json, entry->value, &host->decoding, &host->error));
	}
	return entry->panes;
}

bool sl_window_is_open(const struct state_entry *entry)
{
	return entry->panes != NULL;
}

int sl_window_open(struct event *event, struct state_entry *entry, const char *text, size_t size)
{
	struct script_host *host = event->script->host;

	arena_reset(&host->decoding);
	state_hold_panes(&host->state, entry,
			 panes_decode(&event->script->window->window, host->json, (struct slice){ text, size }, &host->decoding, &host->error));
	return entry->panes ? 0 : -1;
}

void window_forget(struct event *event)
{
	for (struct state_use *used = event->uses; used; used = used->next)
		state_hold_panes(&event->script->host->state, used->entry, NULL);
}

/* ---- an event into its panes ---- */

static void find_columns(struct script_window *made, const struct shape *shape)
{
	made->shape = shape;
	for (uint32_t i = 0; i < made->window.count; i++)
		made->columns[i] = (uint32_t)shape_find(shape, made->window.aggregates[i].column);
}

/* A value into all the panes that the event touches. */
static int take_value(struct event *event, uint32_t i, const struct value *value, int64_t at_ms, int sign)
{
	struct window *window = &event->script->window->window;

	for (size_t p = 0; p < window->touched_count; p++)
		if (accumulator_take(&window->aggregates[i], &window->touched[p]->accumulators[i], value, at_ms, sign, &event->script->host->error) <
		    0)
			return -1;
	return 0;
}

static int accumulate(struct event *event, struct image *image, int64_t at_ms, int sign)
{
	static const struct value row = { .kind = VALUE_TRUE, .ready = true };
	struct script_window *made = event->script->window;

	if (image->shape && image->shape != made->shape)
		find_columns(made, image->shape);
	for (uint32_t i = 0; i < made->window.count; i++) {
		const struct aggregate *aggregate = &made->window.aggregates[i];
		struct value *value = NULL;

		if (aggregate->given)
			continue;
		if (aggregate->column.n && window_value(event, image, aggregate->column, image->shape ? (int)made->columns[i] : -1, &value) < 0)
			return -1;
		if ((value || !aggregate->column.n) && take_value(event, i, value ? value : &row, at_ms, sign) < 0)
			return -1;
	}
	return 0;
}

static uint32_t aggregate_at(const struct window *window, uint32_t place)
{
	uint32_t i = 0;

	while (window->aggregates[i].place != place)
		i++;
	return i;
}

int sl_window_give(struct event *event, uint32_t place, double at_ms, int sign, uint32_t kind, const char *text, size_t size)
{
	struct value value = { .p = text, .n = (uint32_t)size, .kind = (uint8_t)kind, .ready = true };

	return take_value(event, aggregate_at(&event->script->window->window, place), &value, (int64_t)at_ms, sign);
}

int sl_window_give_number(struct event *event, uint32_t place, double at_ms, int sign, double number)
{
	char digits[40];
	size_t n = number_text(number, digits);
	const struct window *window = &event->script->window->window;

	if (n == 0)
		return error_set(&event->script->host->error, "%s: %s is no value",
				 aggregate_name(window->aggregates[aggregate_at(window, place)].kind),
				 isnan(number) ? "NaN (not a number)" : "an infinite number");
	return sl_window_give(event, place, at_ms, sign, VALUE_NUMBER, digits, n);
}

/* NaN and what lies beyond all times. */
static int64_t ms_of(double ms)
{
	return isnan(ms) || ms < -0x1p62 ? INT64_MIN : ms > 0x1p62 ? INT64_MAX : (int64_t)ms;
}

int sl_window_take(struct event *event, struct state_entry *entry, bool old, double at_ms, double watermark_ms, double others_ms, int sign)
{
	struct error *err = &event->script->host->error;
	struct window *window = &event->script->window->window;
	struct panes *panes = open_panes(event, entry);
	int64_t watermark = ms_of(watermark_ms), others = ms_of(others_ms);
	int taken;

	if (!panes)
		return -1;
	if (!window->final)
		panes_close(panes, watermark < others ? watermark : others);
	taken = panes_touch(window, panes, (int64_t)at_ms, watermark, sign, err);
	if (taken > 0 && accumulate(event, window_image(event, old), (int64_t)at_ms, sign) < 0)
		return -1;
	return taken > 0 ? (int)window->touched_count : taken;
}

/* ---- what it keeps ---- */

static int encode(struct event *event, struct panes *panes, struct buf *out)
{
	buf_clear(out);
	panes_encode(&event->script->window->window, panes, false, out);
	if (out->n > STATE_BYTES_MOST)
		return error_set(&event->script->host->error,
				 "the window takes %zu bytes, and a row of streamlua_state holds %d: keep many things in ctx:map", out->n,
				 STATE_BYTES_MOST);
	return 0;
}

static void put(struct event *event, struct state_entry *entry, const struct buf *text)
{
	struct script *script = event->script;
	struct panes *panes = entry->panes;
	struct state_otherwise made = {
		.value = buf_view(text),
		.at = { panes_due(&script->window->window, panes, false), STATE_NO_TIME },
		.version = script->state_version,
	};

	entry->panes = NULL; /* they are what is put: setting the entry's text would let them go */
	state_put(event, entry, &made);
	entry->panes = panes;
	state_hold_panes(&script->host->state, entry, panes);
}

int sl_window_put(struct event *event, struct state_entry *entry, struct state_entry *old)
{
	struct script_window *made = event->script->window;

	panes_fired(entry->panes);
	panes_settle(entry->panes);
	if (encode(event, entry->panes, &made->text) < 0)
		return -1;
	if (old != entry) {
		panes_settle(old->panes);
		if (encode(event, old->panes, &made->text_old) < 0)
			return -1;
	}
	if (sl_finish(event) < 0)
		return -1;
	put(event, entry, &made->text);
	if (old != entry)
		put(event, old, &made->text_old);
	return 0;
}

int sl_window_fire(struct event *event, struct state_entry *entry)
{
	struct script_host *host = event->script->host;
	struct script_window *made = event->script->window;
	struct panes *panes = open_panes(event, entry);

	if (!panes)
		return -1;
	panes_fire(&made->window, panes, event->at_ms, event->ended);
	buf_clear(&made->text);
	panes_encode(&made->window, panes, true, &made->text);
	event->otherwise->value = arena_copy(&event->intake->arena, buf_view(&made->text));
	event->otherwise->timers = SLICE("");
	event->otherwise->at[STATE_EVENT_TIME] = panes_due(&made->window, panes, true);
	event->otherwise->at[STATE_WALL_TIME] = STATE_NO_TIME;
	if (event->error.p)
		return error_set(&host->error, "%.*s", SLICE_ARG(event->error));
	return (int)made->window.touched_count;
}

/* ---- for what is accumulated in Lua ---- */

void sl_window_pane(struct event *event, uint32_t i, struct sl_pane *view)
{
	const struct pane *pane = event->script->window->window.touched[i];

	*view = (struct sl_pane){ (double)pane->start, (double)pane->end, (double)pane->n, buf_view(&pane->made), pane->written };
}

int sl_window_merged(struct event *event, uint32_t i, struct sl_pane *view)
{
	const struct window *window = &event->script->window->window;
	const struct merged *merged = &window->merged[i];

	if (i >= window->merged_count)
		return 0;
	*view = (struct sl_pane){ .start = (double)merged->start,
				  .made = buf_view(&merged->made),
				  .written = merged->written && merged->start != window->touched[0]->start };
	return 1;
}

void sl_window_made(struct event *event, uint32_t i, const char *text, size_t size)
{
	struct buf *made = &event->script->window->window.touched[i]->made;

	buf_clear(made);
	buf_append(made, text, size);
}
