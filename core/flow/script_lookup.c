/* Look-ups: rows of other tables of the target, at hand for the events of a script (flow/lookup.h). Which ones they need follows from their rows, so all
 * of an intake are asked for at once, before it runs. */
#include "flow/script_private.h"

#include <stdlib.h>
#include <string.h>

#include "flow/plan.h"
#include "flow/script_api.h"

/* ---- as declared ---- */

static struct slice text_at(struct script_host *host, const char *name)
{
	struct slice text = { 0 };
	size_t n;

	lua_getfield(host->lua, -1, name);
	text.p = lua_tolstring(host->lua, -1, &n);
	if (text.p)
		text = arena_copy(&host->arena, (struct slice){ text.p, n });
	lua_pop(host->lua, 1);
	return text;
}

static void read_one(struct script_host *host, struct lookup *lookup)
{
	lookup->number = host->lookup_count++;
	lookup->name = text_at(host, "name");
	lookup->table_name = text_at(host, "table");
	lua_getfield(host->lua, -1, "ttl");
	lookup->ttl_ms = (int64_t)lua_tonumber(host->lua, -1);
	lua_pop(host->lua, 1);

	lua_getfield(host->lua, -1, "key");
	lookup->by_count = (uint32_t)lua_objlen(host->lua, -1);
	lookup->by = arena_zalloc(&host->arena, (lookup->by_count + 1) * sizeof *lookup->by);
	for (uint32_t i = 0; i < lookup->by_count; i++) {
		lua_rawgeti(host->lua, -1, (int)i + 1);
		lookup->by[i] = (struct lookup_by){ text_at(host, "target"), text_at(host, "source") };
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);

	lua_getfield(host->lua, -1, "columns");
	lookup->column_count = (uint32_t)lua_objlen(host->lua, -1);
	lookup->names = arena_zalloc(&host->arena, (lookup->column_count + 1) * sizeof *lookup->names);
	for (uint32_t i = 0; i < lookup->column_count; i++) {
		lua_rawgeti(host->lua, -1, (int)i + 1);
		lookup->names[i] = arena_copy(&host->arena, slice_of(lua_tostring(host->lua, -1)));
		lua_pop(host->lua, 1);
	}
	lua_pop(host->lua, 1);
}

void lookups_load(struct script_host *host, struct script *script)
{
	lua_getfield(host->lua, -1, "lookups");
	if (lua_istable(host->lua, -1)) {
		script->lookup_count = (uint32_t)lua_objlen(host->lua, -1);
		script->lookups = arena_zalloc(&host->arena, (script->lookup_count + 1) * sizeof *script->lookups);
		for (uint32_t i = 0; i < script->lookup_count; i++) {
			lua_rawgeti(host->lua, -1, (int)i + 1);
			read_one(host, &script->lookups[i]);
			lua_pop(host->lua, 1);
		}
	}
	lua_pop(host->lua, 1);
}

/* ---- and the schema ---- */

/* "scripts/orders.lua:4: lookup: customer: ..." */
static int place(const struct script *script, const struct lookup *lookup, struct slice word, struct error *err)
{
	error_prefix(err, "%.*s", SLICE_ARG(lookup->name));
	return script_blame(script->host, script, "lookup", word, err);
}

static int find_column(struct script *script, const struct lookup *lookup, struct slice name, struct error *err)
{
	struct buf what = BUF_INIT;
	int column;

	buf_printf(&what, "%.*s: ", SLICE_ARG(lookup->name));
	column = script_find_column(script->host, script, lookup->table, name, "lookup", buf_cstr(&what), err);
	buf_free(&what);
	return column;
}

/* Whose equal values have equal forms, also as the database prints them. */
static bool can_be_listed(const struct target_column *column)
{
	return column->type == COLUMN_INTEGER || column->type == COLUMN_DECIMAL || (column->type == COLUMN_TEXT && column->exact);
}

static int bind_one(struct script *script, struct lookup *lookup, struct error *err)
{
	struct script_host *host = script->host;
	struct target *table = script_host_target(host, lookup->table_name, err), *keyed = &lookup->keyed;

	if (!table)
		return place(script, lookup, lookup->table_name, err);
	if (table->open && host->sink && host->sink->ops->describe) {
		error_set(err, "%.*s is no table of the target's database", SLICE_ARG(table->name));
		return place(script, lookup, lookup->table_name, err);
	}
	lookup->table = table;
	table->looked_up = true;
	lookup->columns = arena_zalloc(&host->arena, (lookup->column_count + 1) * sizeof *lookup->columns);
	for (uint32_t i = 0; i < lookup->column_count; i++) {
		int column = find_column(script, lookup, lookup->names[i], err);

		if (column < 0)
			return -1;
		lookup->columns[i] = (uint32_t)column;
	}
	keyed->columns = arena_zalloc(&host->arena, (lookup->by_count + 1) * sizeof *keyed->columns);
	keyed->key_count = keyed->count = lookup->by_count;
	lookup->listed = true;
	for (uint32_t i = 0; i < lookup->by_count; i++) {
		int column = find_column(script, lookup, lookup->by[i].to, err);

		if (column < 0)
			return -1;
		lookup->by_at[i] = (uint32_t)column;
		keyed->key[i] = i;
	}
	lookup->is_key = table->key_count == lookup->by_count;
	for (uint32_t i = 0; i < lookup->by_count; i++) { /* an open table's columns have moved as they were added */
		keyed->columns[i] = table->columns[lookup->by_at[i]];
		lookup->listed &= table->open || can_be_listed(&keyed->columns[i]);
		lookup->is_key &= target_is_key(table, lookup->by_at[i]);
	}
	return 0;
}

int lookups_bind(struct script *script, struct error *err)
{
	const struct sink *sink = script->host->sink;

	if (script->lookup_count && sink && !sink->ops->load_state) {
		error_set(err, "the sink %s has no tables that could be asked: look-ups need a database", sink->ops->name);
		return place(script, &script->lookups[0], script->lookups[0].table_name, err);
	}
	for (uint32_t i = 0; i < script->lookup_count; i++)
		if (bind_one(script, &script->lookups[i], err) < 0)
			return -1;
	return 0;
}

/* ---- what events need ---- */

static void find_shape(struct lookup *lookup, const struct shape *shape)
{
	lookup->shape = shape;
	for (uint32_t i = 0; i < lookup->by_count; i++)
		lookup->from[i] = shape_find(shape, lookup->by[i].from);
}

/* 1: it has a key; else 0, and `none` stands for what it has. */
static int read_key(struct event *event, struct lookup *lookup, struct image *image, struct value *key, struct looked **none)
{
	struct error err;

	if (lookup->shape != image->shape)
		find_shape(lookup, image->shape);
	for (uint32_t i = 0; i < lookup->by_count; i++) {
		int at = lookup->from[i];

		if (at < 0 || image->values[at].kind == VALUE_ABSENT) {
			*none = lookup_none(LOOKUP_ABSENT);
			return 0;
		}
		if (!image->values[at].ready && plan_read(event, image, (uint32_t)at, &err) < 0) {
			*none = lookup_none(LOOKUP_FAULT);
			return 0;
		}
		key[i] = image->values[at];
		if (key[i].kind == VALUE_NULL) {
			*none = lookup_none(LOOKUP_FOUND);
			return 0;
		}
	}
	return 1;
}

static bool same_key(const struct lookup *lookup, const struct value *a, const struct value *b)
{
	for (uint32_t i = 0; i < lookup->by_count; i++)
		if (a[i].kind != b[i].kind || a[i].n != b[i].n || (a[i].n && memcmp(a[i].p, b[i].p, a[i].n) != 0))
			return false;
	return true;
}

/* The key that an update's row had before. */
static struct looked *look_old(struct event *event, struct lookup *lookup, const struct value *key)
{
	struct looked *of_row = event->looked[lookup - event->script->lookups], *none;
	struct value old[TARGET_KEY_MOST];
	struct lookup_key name;

	if (event->op != OP_UPDATE || !event->old.shape)
		return of_row;
	if (!read_key(event, lookup, &event->old, old, &none))
		return none;
	if (key && same_key(lookup, key, old))
		return of_row;
	name = lookup_name(&event->script->host->lookups, lookup, old);
	return lookup_want(&event->script->host->lookups, lookup, &name, old, &event->intake->arena);
}

enum { SOME = 32 };

/* Of some events; of a hundred thousand rows at hand nearly each has to come from memory, and so they come together. */
static void look_some(struct script *script, struct lookup *lookup, struct event *const *events, size_t count)
{
	struct lookups *lookups = &script->host->lookups;
	uint32_t at = (uint32_t)(lookup - script->lookups);
	struct value keys[SOME][TARGET_KEY_MOST];
	struct lookup_key names[SOME];
	bool has_key[SOME];

	lookup_names_begin(lookups);
	for (size_t i = 0; i < count; i++) {
		has_key[i] = read_key(events[i], lookup, &events[i]->row, keys[i], &events[i]->looked[at]) != 0;
		if (has_key[i])
			names[i] = lookup_name(lookups, lookup, keys[i]);
	}
	for (size_t i = 0; i < count; i++)
		if (has_key[i])
			lookup_hint_entry(lookups, names[i].hash);
	for (size_t i = 0; i < count; i++) {
		if (has_key[i])
			events[i]->looked[at] = lookup_want(lookups, lookup, &names[i], keys[i], &events[i]->intake->arena);
		events[i]->looked[script->lookup_count + at] = look_old(events[i], lookup, has_key[i] ? keys[i] : NULL);
	}
}

void lookups_begin(struct script *script, struct event *const *events, size_t count)
{
	struct event *some[SOME];

	for (size_t at = 0; at < count;) {
		size_t n = 0;

		for (; at < count && n < SOME; at++) {
			struct event *event = events[at];

			if (event->looked || event->op == OP_TIMER || !event->row.shape)
				continue;
			event->looked = arena_alloc(&event->intake->arena, 2 * script->lookup_count * sizeof(*event->looked));
			some[n++] = event;
		}
		for (uint32_t i = 0; i < script->lookup_count; i++)
			look_some(script, &script->lookups[i], some, n);
	}
}

void script_host_looked(struct script_host *host, const struct look *asked, const struct value *cells)
{
	lookup_found(&host->lookups, asked, cells);
}

void script_host_loaded(struct script_host *host)
{
	state_loaded(&host->state);
	lookup_loaded(&host->lookups);
}

void script_host_look(struct script_host *host, int64_t now_ms, size_t bytes_most)
{
	host->lookups.now_ms = now_ms;
	host->lookups.intake++;
	host->lookups.bytes_most = bytes_most;
	lookup_trim(&host->lookups);
}

void script_host_look_anew(struct script_host *host)
{
	lookup_clear(&host->lookups);
}

void script_host_changed(struct script_host *host, const struct event *event)
{
	if (!host->lookup_count)
		return;
	for (const struct change *change = event->changes; change; change = change->next)
		for (uint32_t i = 0; change->target->looked_up && i < host->script_count; i++)
			for (uint32_t n = 0; n < host->scripts[i].lookup_count; n++)
				if (host->scripts[i].lookups[n].table == change->target)
					lookup_changed(&host->lookups, &host->scripts[i].lookups[n], change);
}

/* ---- for Lua ---- */

int sl_look_copy(struct event *event, struct change *change, uint32_t column, uint32_t lookup, uint32_t of)
{
	const struct looked *looked = event->looked[lookup];
	struct value value = looked->values ? looked->values[of] : (struct value){ .kind = VALUE_NULL, .ready = true };

	if (looked->lacks == LOOKUP_FAULT)
		return error_set(&event->script->host->error, "row.%.*s: the columns of its key cannot be read",
				 SLICE_ARG(event->script->lookups[lookup].name));
	/* A part of a row without the key says nothing of what it leads to. */
	if (looked->lacks == LOOKUP_ABSENT && event->op == OP_UPDATE && event->row.state == IMAGE_PARTIAL)
		return 0;
	if (value.n)
		value.p = arena_copy(&event->intake->arena, (struct slice){ value.p, value.n }).p;
	return script_set(event, change, column, value);
}

/* Examples bring their own. */
static struct lookup *by_name(const struct script *script, struct slice name)
{
	for (uint32_t i = 0; i < script->lookup_count; i++)
		if (slice_equal(script->lookups[i].name, name))
			return &script->lookups[i];
	return NULL;
}

static int give_column(struct script_host *host, const struct lookup *lookup, struct value *values, uint32_t built)
{
	for (uint32_t i = 0; i < lookup->column_count; i++) {
		if (slice_equal(lookup->names[i], host->columns[built].name)) {
			values[i] = host->values[built];
			values[i].ready = true;
			return 0;
		}
	}
	return error_set(&host->error, "lookup: %.*s has no column '%.*s' among its `columns`", SLICE_ARG(lookup->name),
			 SLICE_ARG(host->columns[built].name));
}

int sl_look_given(struct script_host *host, struct event *event, uint32_t number, const char *name, size_t size, bool found)
{
	const struct script *script = &host->scripts[number];
	struct looked *looked = arena_zalloc(&event->intake->arena, sizeof *looked);
	struct lookup *lookup = by_name(script, (struct slice){ name, size });
	uint32_t columns = host->column_count;
	size_t at;

	host->column_count = 0;
	if (!lookup)
		return error_set(&host->error, "lookup: this script has no look-up '%.*s'", (int)size, name);
	if (!event->looked) {
		event->looked = arena_alloc(&event->intake->arena, 2 * script->lookup_count * sizeof(*event->looked));
		for (uint32_t i = 0; i < 2 * script->lookup_count; i++)
			event->looked[i] = lookup_none(LOOKUP_FOUND);
	}
	if (found)
		looked->values = arena_zalloc(&event->intake->arena, (lookup->column_count + 1) * sizeof *looked->values);
	for (uint32_t i = 0; i < lookup->column_count && found; i++)
		looked->values[i] = (struct value){ .kind = VALUE_NULL, .ready = true };
	for (uint32_t i = 0; i < columns; i++)
		if (give_column(host, lookup, looked->values, i) < 0)
			return -1;
	at = (size_t)(lookup - script->lookups);
	event->looked[at] = event->looked[script->lookup_count + at] = looked;
	return 0;
}
