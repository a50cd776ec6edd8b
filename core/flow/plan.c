#include "flow/format.h"
#include "flow/path.h"
#include "flow/plan.h"

#include <stdlib.h>

#include "flow/sanitised.h"

/* ---- making a plan ---- */

/* The shape's column of this name, which its messages may spell otherwise. */
static int find_source(const struct script *script, const struct shape *shape, struct slice name)
{
	int found = shape_find(shape, name);

	return found < 0 && script_host_readings(script->host)->sanitised ? sanitised_source(shape, name) : found;
}

static int find_target(const struct script *script, struct slice source)
{
	int found = target_find(script->target, source);

	return found < 0 && script_host_readings(script->host)->sanitised ? sanitised_target(script->target, source) : found;
}

static int target_column_for(const struct script *script, const struct shape *shape, uint32_t column)
{
	struct slice source = shape->columns[column].name;

	for (uint32_t i = 0; i < script->copy_count; i++)
		if (find_source(script, shape, script->copies[i].from) == (int)column)
			return script->copies[i].column;
	if (script->copies_all && script->target->open)
		return target_add(script->target, source);
	/* Not copied, but its type says how a script is to see it. */
	return find_target(script, source);
}

static void add_copy(struct plan *plan, const struct script *script, uint32_t from, int32_t to)
{
	if (to < 0 || script->target->columns[to].generated)
		return;
	plan->copies[plan->copy_count++] = (struct plan_copy){ from, (uint32_t)to };
}

/* A column that cannot be NULL keeps what it has: it is the target's own. */
static void add_null(struct plan *plan, const struct script *script, int32_t column)
{
	const struct target_column *to = column >= 0 ? &script->target->columns[column] : NULL;

	if (!to || !to->nullable || to->generated)
		return;
	for (uint32_t i = 0; i < plan->copy_count; i++)
		if (plan->copies[i].to == (uint32_t)column)
			return;
	plan->nulls[plan->null_count++] = (uint32_t)column;
}

/* What this script copies, and this shape does not have. */
static void add_nulls(struct plan *plan, const struct script *script)
{
	uint32_t count = script->copies_all ? script->target->count : script->copy_count;

	plan->nulls = calloc(count + 1, sizeof *plan->nulls);
	BUG_IF(!plan->nulls);
	for (uint32_t i = 0; i < count; i++)
		add_null(plan, script, script->copies_all ? (int32_t)i : script->copies[i].column);
}

/* "a.b" of a script's columns is what lies within the column a, where the shape has no column of that name. */
static void add_path(struct plan *plan, const struct script *script, const struct shape *shape, const struct copy *copy,
		     const struct reading_settings *settings)
{
	const struct target_column *to = copy->column >= 0 ? &script->target->columns[copy->column] : NULL;
	struct column inner = { .name = copy->from };
	struct slice path;
	int from = path_column(shape, copy->from, &path);

	if (from < 0 || !to || to->generated)
		return;
	plan->paths[plan->path_count++] = (struct plan_path){
		.path = path,
		.reading = reading_resolve(&inner, to, settings),
		.from = (uint32_t)from,
		.to = (uint32_t)copy->column,
	};
}

static struct plan *plan_new(struct script *script, const struct shape *shape)
{
	struct reading_settings settings = *script_host_readings(script->host);
	struct plan *plan = calloc(1, sizeof *plan);
	bool nameless = shape->count == 1 && shape->columns[0].name.n == 0; /* a bare key: the target's only key column */

	BUG_IF(!plan);
	plan->shape_id = shape->id;
	plan->readings = calloc(shape->count + 1, sizeof *plan->readings);
	plan->copies = calloc(shape->count + script->copy_count + 1, sizeof *plan->copies);
	plan->paths = calloc(script->copy_count + 1, sizeof *plan->paths);
	BUG_IF(!plan->readings || !plan->copies || !plan->paths);
	if (shape->origin)
		format_set_readings(shape->origin, &settings);
	for (uint32_t i = 0; i < shape->count; i++) {
		int to = nameless && script->target->key_count == 1 ? (int)script->target->key[0] : target_column_for(script, shape, i);

		if (to < 0 && script->copies_all)
			script_host_note_missing(script->host, script->target, shape->columns[i].name);
		plan->readings[i] = reading_resolve(&shape->columns[i], to >= 0 ? &script->target->columns[to] : NULL, &settings);
		if (script->copies_all || nameless)
			add_copy(plan, script, i, to);
	}
	if (!script->copies_all && !nameless) {
		for (uint32_t i = 0; i < script->copy_count; i++) {
			int from = find_source(script, shape, script->copies[i].from);

			if (from >= 0)
				add_copy(plan, script, (uint32_t)from, script->copies[i].column);
			else
				add_path(plan, script, shape, &script->copies[i], &settings);
		}
	}
	if (settings.absent_is_null && !script->target->open)
		add_nulls(plan, script);
	for (uint32_t k = 0; k < script->target->key_count; k++) {
		plan->key_from[k] = plan->key_path[k] = -1;
		for (uint32_t i = 0; i < plan->copy_count; i++)
			if (plan->copies[i].to == script->target->key[k])
				plan->key_from[k] = (int32_t)plan->copies[i].from;
		for (uint32_t i = 0; i < plan->path_count; i++)
			if (plan->paths[i].to == script->target->key[k])
				plan->key_path[k] = (int32_t)i;
	}
	return plan;
}

/* Where the plan of this shape stands, or would stand. Ids are given one after the other: they spread by themselves. */
static struct plan **place_of(const struct script *script, uint32_t shape_id)
{
	uint32_t at = shape_id & (script->plan_cap - 1);

	while (script->plans[at] && script->plans[at]->shape_id != shape_id)
		at = (at + 1) & (script->plan_cap - 1);
	return &script->plans[at];
}

static void widen(struct script *script)
{
	struct plan **before = script->plans;
	uint32_t cap = script->plan_cap;

	script->plan_cap = cap ? cap * 2 : 16;
	script->plans = calloc(script->plan_cap, sizeof(*script->plans));
	BUG_IF(!script->plans);
	for (uint32_t i = 0; i < cap; i++)
		if (before[i])
			*place_of(script, before[i]->shape_id) = before[i];
	free(before);
}

const struct plan *plan_for(struct script *script, const struct shape *shape)
{
	struct plan **place = script->plan_cap ? place_of(script, shape->id) : NULL;

	if (__builtin_expect(place && *place, 1))
		return *place;
	if ((script->plan_count + 1) * 2 > script->plan_cap)
		widen(script);
	place = place_of(script, shape->id);
	*place = plan_new(script, shape);
	script->plan_count++;
	return *place;
}

void plans_free(struct script *script)
{
	for (uint32_t i = 0; i < script->plan_cap; i++) {
		if (!script->plans[i])
			continue;
		free(script->plans[i]->readings);
		free(script->plans[i]->copies);
		free(script->plans[i]->paths);
		free(script->plans[i]->nulls);
		free(script->plans[i]);
	}
	free(script->plans);
	script->plans = NULL;
	script->plan_count = script->plan_cap = 0;
}

/* ---- using it ---- */

static inline int read_column(struct event *event, struct image *image, uint32_t column, struct error *err)
{
	struct reading reading = image->readings ? image->readings[column] : image->shape->columns[column].declared;
	struct value *value = &image->values[column];

	if (value->ready || value_stands(value, reading)) {
		value->ready = true;
		return 0;
	}
	if (value_read(value, reading, &event->intake->arena, err) < 0)
		return error_prefix(err, "column %.*s", SLICE_ARG(image->shape->columns[column].name));
	return 0;
}

int plan_read(struct event *event, struct image *image, uint32_t column, struct error *err)
{
	return read_column(event, image, column, err);
}

struct change *plan_change(struct event *event, struct target *target, enum change_op op, enum value_kind fill)
{
	struct arena *arena = &event->intake->arena;
	struct change *change = arena_alloc(arena, sizeof *change);

	*change = (struct change){ .target = target, .count = target->count, .op = op };
	change->values = arena_zalloc(arena, (target->count + 1) * sizeof *change->values);
	if (fill != VALUE_ABSENT)
		for (uint32_t i = 0; i < target->count; i++)
			if (!target->columns[i].generated)
				change->values[i] = (struct value){ .kind = fill, .ready = true };
	event_add_change(event, change);
	return change;
}

/* 1: what lies there, read; 0: nothing does. */
static int read_path(struct event *event, struct image *image, const struct plan_path *path, struct value *value, struct error *err)
{
	struct arena *arena = &event->intake->arena;

	*value = path_value(script_host_json(event->script->host), &image->values[path->from], path->path, arena);
	if (value->kind == VALUE_ABSENT)
		return 0;
	if (value_read(value, path->reading, arena, err) < 0)
		return error_prefix(err, "column %.*s.%.*s", SLICE_ARG(image->shape->columns[path->from].name), SLICE_ARG(path->path));
	return 1;
}

static int copy_paths(struct event *event, struct image *image, const struct plan *plan, bool only_key, struct change *change, struct error *err)
{
	for (uint32_t i = 0; i < plan->path_count; i++) {
		const struct plan_path *path = &plan->paths[i];
		struct value value;
		int found;

		if (only_key && !target_is_key(change->target, path->to))
			continue;
		found = read_path(event, image, path, &value, err);
		if (found < 0)
			return -1;
		if (found)
			change->values[path->to] = value;
	}
	return 0;
}

static int copy_values(struct event *event, struct image *image, const struct plan *plan, bool only_key, struct change *change, struct error *err)
{
	const struct target *target = change->target;

	for (uint32_t i = 0; i < plan->copy_count; i++) {
		struct plan_copy copy = plan->copies[i];

		if (image->values[copy.from].kind == VALUE_ABSENT || (only_key && !target_is_key(target, copy.to)))
			continue;
		if (read_column(event, image, copy.from, err) < 0)
			return -1;
		change->values[copy.to] = image->values[copy.from];
	}
	return plan->path_count ? copy_paths(event, image, plan, only_key, change, err) : 0;
}

int plan_copy(struct event *event, struct image *image, struct change *change, struct error *err)
{
	return copy_values(event, image, plan_for(event->script, image->shape), false, change, err);
}

/* 1: the target's k-th key column as this image has it, read; 0: it does not have it. */
static int read_key(struct event *event, struct image *image, uint32_t k, struct value *value, struct error *err)
{
	const struct plan *plan = plan_for(event->script, image->shape);
	int32_t from = plan->key_from[k];

	if (from < 0)
		return plan->key_path[k] < 0 ? 0 : read_path(event, image, &plan->paths[plan->key_path[k]], value, err);
	if (image->values[from].kind == VALUE_ABSENT)
		return 0;
	if (plan_read(event, image, (uint32_t)from, err) < 0)
		return -1;
	*value = image->values[from];
	return 1;
}

/* The image that holds the key the row had before this event, for a script that copies its key. `*before` is NULL: the message has none. */
static int old_key_image(struct event *event, struct image **before, struct error *err)
{
	struct image *images[] = { &event->old, &event->key };

	*before = NULL;
	for (size_t i = 0; i < 2 && !*before; i++) {
		int found = images[i]->state != IMAGE_ABSENT;
		struct value value;

		for (uint32_t k = 0; k < event->script->target->key_count && found > 0; k++)
			found = read_key(event, images[i], k, &value, err);
		if (found < 0)
			return -1;
		if (found)
			*before = images[i];
	}
	return 0;
}

static bool same_value(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

/* 1: the target's key differs between the two images; 0: it does not. */
static int key_differs(struct event *event, struct image *before, struct image *after, struct error *err)
{
	for (uint32_t k = 0; k < event->script->target->key_count; k++) {
		struct value a, b;
		int has_old = read_key(event, before, k, &a, err), has_new = has_old > 0 ? read_key(event, after, k, &b, err) : 0;

		if (has_old < 0 || has_new < 0)
			return -1;
		if (has_old && has_new && !same_value(&a, &b))
			return 1;
	}
	return 0;
}

/* A delete of the key that the row had, where an update gave it another. */
static int delete_old(struct event *event, struct error *err)
{
	struct script *script = event->script;
	struct change *change;
	struct image *before;
	int differs;

	if (event->op != OP_UPDATE || !script->target->key_count)
		return 0;
	if (old_key_image(event, &before, err) < 0)
		return -1;
	differs = before ? key_differs(event, before, &event->row, err) : 0;
	if (differs <= 0)
		return differs;
	change = plan_change(event, script->target, CHANGE_DELETE, VALUE_ABSENT);
	return copy_values(event, before, plan_for(script, before->shape), true, change, err);
}

int plan_apply(struct event *event, struct change **row, struct error *err)
{
	struct script *script = event->script;
	const struct plan *plan = plan_for(script, event->row.shape);
	bool deletes = event->op == OP_DELETE || !event->row_matches;
	struct change *change;

	if (row)
		*row = NULL;
	if (script->merges)
		return plan_merge_apply(event, err);
	if (delete_old(event, err) < 0)
		return -1;
	if (!event->row_matches && event->op == OP_INSERT)
		return 0; /* it was never there */
	change = plan_change(event, script->target, deletes ? CHANGE_DELETE : CHANGE_UPSERT, VALUE_ABSENT);
	if (row && !deletes)
		*row = change;
	for (uint32_t i = 0; !deletes && event->row.state == IMAGE_WHOLE && i < plan->null_count; i++)
		change->values[plan->nulls[i]] = (struct value){ .kind = VALUE_NULL, .ready = true };
	return copy_values(event, &event->row, plan, deletes && script->target->key_count > 0, change, err);
}

int plan_apply_keys(struct event *event, struct error *err)
{
	struct change *change;

	if (delete_old(event, err) < 0)
		return -1;
	change = plan_change(event, event->script->target, CHANGE_DELETE, VALUE_ABSENT);
	return copy_values(event, &event->row, plan_for(event->script, event->row.shape), true, change, err);
}

int plan_key_changed(struct event *event, struct error *err)
{
	const struct shape *key = event->key.shape;

	if (event->op != OP_UPDATE)
		return 0;
	if (event->key.state == IMAGE_ABSENT)
		return event->old.state == IMAGE_ABSENT ? 0 : -1;
	for (uint32_t i = 0; i < key->count; i++) {
		int at = shape_find(event->row.shape, key->columns[i].name);

		if (at < 0 || event->row.values[at].kind == VALUE_ABSENT)
			continue;
		if (plan_read(event, &event->key, i, err) < 0 || plan_read(event, &event->row, (uint32_t)at, err) < 0)
			return -2;
		if (!same_value(&event->key.values[i], &event->row.values[at]))
			return 1;
	}
	return 0;
}
