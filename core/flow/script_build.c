/* Events made from Lua tables, for sl.format functions and for the examples of scripts. */
#include "flow/script_private.h"

#include <stdlib.h>

#include "flow/progress.h"
#include "flow/script_api.h"
#include "flow/script_guard.h"

void build_begin(struct script_host *host, struct intake *intake)
{
	host->building = intake;
	host->built_in = &intake->arena;
	host->built_message = NULL;
	host->column_count = 0;
}

void build_end(struct script_host *host)
{
	host->building = NULL;
}

bool sl_is_example(struct script_host *host)
{
	return host->building != NULL;
}

uint32_t sl_built(struct script_host *host, const struct message *message)
{
	return host->built_message == message ? host->built_parts : 0;
}

struct event *sl_build_event(struct script_host *host, const struct message *message, uint32_t op)
{
	struct event *event = event_of_message(&host->building->arena, message);

	if (host->built_message != message) {
		host->built_message = message;
		host->built_parts = 0;
	}
	event->op = (uint8_t)op;
	event->part = host->built_parts++;
	event->changes_end = &event->changes;
	host->column_count = 0;
	intake_add(host->building, event);
	return event;
}

void sl_build_names(struct script_host *host, struct event *event, const char *database, size_t database_size, const char *table, size_t table_size)
{
	struct arena *arena = host->built_in;

	if (database)
		event->database = arena_copy(arena, (struct slice){ database, database_size });
	if (table)
		event->table = arena_copy(arena, (struct slice){ table, table_size });
}

static void add_column(struct script_host *host, struct slice name, struct value value)
{
	if (host->column_count == host->column_cap) {
		host->column_cap = host->column_cap ? host->column_cap * 2 : 64;
		host->columns = realloc(host->columns, host->column_cap * sizeof *host->columns);
		host->values = realloc(host->values, host->column_cap * sizeof *host->values);
		BUG_IF(!host->columns || !host->values);
	}
	host->columns[host->column_count] = (struct column){ .name = arena_copy(host->built_in, name) };
	host->values[host->column_count++] = value;
}

void sl_build_column(struct script_host *host, const char *name, size_t name_size, uint32_t kind, const char *text, size_t size)
{
	struct value value = { .kind = (uint8_t)kind };

	if (text) {
		struct slice copy = arena_copy(host->built_in, (struct slice){ text, size });

		value.p = copy.p;
		value.n = (uint32_t)copy.n;
	}
	add_column(host, (struct slice){ name, name_size }, value);
}

void sl_build_number(struct script_host *host, const char *name, size_t name_size, double number)
{
	char digits[40];
	size_t n = number_text(number, digits);

	BUG_IF(n == 0); /* NaN and the infinities come no further than lua/streamlua/build.lua */
	sl_build_column(host, name, name_size, VALUE_NUMBER, digits, n);
}

int sl_build_image(struct script_host *host, struct event *event, uint32_t which, uint32_t state)
{
	struct image *images[] = { &event->row, &event->old, &event->key };
	size_t size = host->column_count * sizeof *host->values;
	struct image *image = images[which];

	image->shape = shapes_intern(host->shapes, host->columns, host->column_count, &host->error);
	if (!image->shape)
		return -1;
	image->values = arena_alloc(host->built_in, size + 1);
	if (size)
		memcpy(image->values, host->values, size);
	image->state = (uint8_t)state;
	host->column_count = 0;
	return 0;
}

/* The message becomes one dead letter; what had been built of it is withdrawn. */
void sl_build_fault(struct script_host *host, const struct message *message, const char *text, size_t size)
{
	struct event *event = NULL;

	for (struct event *e = host->building->first; e; e = e->next) {
		if (e->message != message)
			continue;
		if (!event)
			event = e;
		else
			e->outcome = OUTCOME_IGNORED;
	}
	if (!event)
		event = sl_build_event(host, message, OP_CONTROL);
	event->whole = true;
	script_event_fault(event, STAGE_DECODE, (struct slice){ text, size });
}

/* One entry of Lua for all of them. Where its loop itself fails (there is no memory), it goes on behind the message that it was at. */
static void decode_some(struct script_host *host, struct message **messages, size_t count)
{
	struct error err;

	for (size_t at = 0; at < count; at += host->watch->at + 1) {
		host->watch->at = 0;
		host_push_engine(host, "decode");
		lua_pushlightuserdata(host->lua, messages + at);
		lua_pushnumber(host->lua, (double)(count - at));
		if (host_call(host, 2, 0, &err) == 0)
			return;
		guard_failed(host, &err);
		sl_build_fault(host, messages[at + host->watch->at], err.text, strlen(err.text));
	}
}

void script_host_decode(struct script_host *host, struct intake *intake, struct message **messages, size_t count)
{
	build_begin(host, intake);
	guard_forget(host);
	for (size_t i = 0; i < count; i++)
		guard_enter(host, messages[i]);
	for (size_t from = 0, n; from < count; from += n) {
		uint32_t times = guard_times(host, messages[from]);

		for (n = 1; !times && from + n < count && !guard_times(host, messages[from + n]); n++) {
		}
		if (times == 1)
			guard_begin(host, GUARD_EVENT_MILLIONS);
		if (times < 2)
			decode_some(host, messages + from, n);
		else
			sl_build_fault(host, messages[from], guard_given_up, strlen(guard_given_up));
		if (times == 1)
			guard_end(host);
	}
	build_end(host);
}

/* ---- examples ---- */

struct example {
	uint32_t script;
	int number;              /* from 1 */
	struct slice label;      /* "example 1" */
	bool of_steps;           /* they run in a VM of their own (flow/harness.h) */
	struct slice difference; /* what is not as expected; p is NULL: nothing */
};

static void push_example(struct script_host *host, const char *function, const struct example *example)
{
	host_push_engine(host, function);
	lua_pushinteger(host->lua, (lua_Integer)example->script + 1);
	lua_pushinteger(host->lua, example->number);
}

/* The text at the top of the stack; without one there is none. */
static struct slice pop_text(struct script_host *host)
{
	struct slice text = { 0 };

	if (lua_isstring(host->lua, -1))
		text = arena_copy(&host->arena, slice_of(lua_tostring(host->lua, -1)));
	lua_pop(host->lua, 1);
	return text;
}

/* 0: there is no such example. */
static int build_example(struct script_host *host, struct example *example, struct intake *intake, struct error *err)
{
	struct message *message = arena_zalloc(&intake->arena, sizeof *message);

	message->topic = SLICE("example");
	build_begin(host, intake);
	push_example(host, "build_example", example);
	lua_pushlightuserdata(host->lua, message);
	if (host_call(host, 3, 2, err) < 0)
		return -1;
	example->of_steps = lua_toboolean(host->lua, -1);
	lua_pop(host->lua, 1);
	example->label = pop_text(host);
	return example->label.p != NULL;
}

static int check_steps(struct script_host *host, struct example *example, struct error *err)
{
	push_example(host, "check_steps", example);
	if (guard_load(host, host->scripts[example->script].path.p, 2, 1, err) < 0)
		return -1;
	example->difference = pop_text(host);
	return 0;
}

static int check_event(struct script_host *host, struct example *example, struct intake *intake, struct error *err)
{
	guard_begin(host, GUARD_LOAD_MILLIONS);
	while (!script_host_run(host, intake, 0, INT64_MAX)) {
	} /* none of the rows that it wants exists */
	guard_end(host);
	push_example(host, "check_example", example);
	lua_pushlightuserdata(host->lua, intake->first);
	if (host_call(host, 3, 1, err) < 0)
		return -1;
	example->difference = pop_text(host);
	return 0;
}

/* 1: it ran; 0: there is no such example. */
static int run_example(struct script_host *host, struct example *example, struct intakes *intakes, struct error *err)
{
	struct intake *intake = intake_new(intakes);
	int result = build_example(host, example, intake, err);

	if (result > 0 && (example->of_steps ? check_steps(host, example, err) : check_event(host, example, intake, err)) < 0)
		result = -1;
	build_end(host);
	for (struct event *event = intake->first; event; event = event->next)
		script_event_release(event);
	state_clear(&host->state);
	lookup_clear(&host->lookups);
	while (intake->unfinished > 1)
		intake_release(intake);
	intake_release(intake);
	return result;
}

/* "scripts/orders.lua:14" */
static struct slice place_of(struct script_host *host, const struct example *example)
{
	struct error err;

	push_example(host, "example_place", example);
	return host_call(host, 2, 1, &err) < 0 ? host->scripts[example->script].path : pop_text(host);
}

int script_host_examples(struct script_host *host, void (*report)(void *ctx, const char *line), void *ctx, uint32_t *passed, uint32_t *failed,
			 struct error *err)
{
	struct intakes intakes = { 0 };
	int result = 0;

	for (uint32_t i = 0; i < host->script_count && result >= 0; i++) {
		for (int n = 1;; n++) {
			struct example example = { .script = i, .number = n };

			result = run_example(host, &example, &intakes, err);
			if (result < 0)
				error_prefix(err, "%.*s: example %d", SLICE_ARG(place_of(host, &example)), n);
			if (result <= 0)
				break;
			++*(example.difference.p ? failed : passed);
			if (example.difference.p && report)
				report(ctx, arena_printf(&host->arena, "%.*s: %.*s: %.*s", SLICE_ARG(place_of(host, &example)),
							 SLICE_ARG(example.label), SLICE_ARG(example.difference))
						    .p);
		}
	}
	intakes_free(&intakes);
	return result < 0 ? -1 : 0;
}
