#include "flow/script_api.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/utf8.h"
#include "flow/path.h"
#include "flow/plan.h"
#include "flow/script_guard.h"
#include "flow/script_private.h"
#include "flow/source_place.h"
#include "flow/value_bytes.h"

_Static_assert(MEANING_DOUBLE == 3 && MEANING_BITS == 13 && MEANING_BIT_NUMBER == 14, "lua/streamlua/native.lua has these numbers");

const char *sl_layout(const uint32_t *sizes)
{
	static const struct {
		const char *name;
		size_t size;
	} expected[] = {
		{ "struct value", sizeof(struct value) },
		{ "struct image", sizeof(struct image) },
		{ "struct message", sizeof(struct message) },
		{ "struct change", sizeof(struct change) },
		{ "struct event", sizeof(struct event) },
		{ "the last of struct event's first run of flags", offsetof(struct event, settled) },
		{ "the last of struct event's second run of flags", offsetof(struct event, ended) },
		{ "the last member of struct state_entry that Lua knows", offsetof(struct state_entry, loaded) },
		{ "the last member of struct state_use", offsetof(struct state_use, old) },
	};

	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		if (sizes[i] != expected[i].size)
			return expected[i].name;
	return NULL;
}

const char *sl_error(struct script_host *host)
{
	return host->error.text;
}

int sl_number(const struct value *value, double *number)
{
	return value_to_double(value, number);
}

double sl_nearest(const struct value *value)
{
	return value_nearest(value);
}

int sl_bits(const struct value *value, const struct reading *reading, char *out)
{
	return value_is_bits(*reading) ? (int)value_bits(value, reading->length, out) : 0;
}

int sl_change_bits(const struct change *change, uint32_t column, char *out)
{
	const struct target_column *to = &change->target->columns[column];

	return to->type == COLUMN_BIT ? (int)value_bits(&change->values[column], (int32_t)to->length, out) : 0;
}

int sl_path(struct event *event, struct image *image, const char *path, size_t size, struct value *value)
{
	struct slice rest;
	int column = image->shape ? path_column(image->shape, (struct slice){ path, size }, &rest) : -1;

	if (column < 0)
		return 0;
	*value = path_value(event->script->host->json, &image->values[column], rest, &event->intake->arena);
	value->ready = true;
	return value->kind != VALUE_ABSENT;
}

void sl_source_place(struct event *event)
{
	source_place_find(event->script->host->json, event, &event->intake->arena);
}

int sl_read(struct event *event, struct image *image, uint32_t column)
{
	return plan_read(event, image, column, &event->script->host->error);
}

int sl_apply(struct event *event, struct change **row)
{
	return plan_apply(event, row, &event->script->host->error);
}

int sl_key_changed(struct event *event)
{
	return plan_key_changed(event, &event->script->host->error);
}

/* "scripts/orders.lua:4: what is wrong", of the script or of a module; "scripts/alerts.lua: what is wrong", of one that reads its stream. */
static bool has_place(struct slice text)
{
	static const char end[] = ".lua:";
	const char *line_end = memchr(text.p, '\n', text.n);
	size_t n = line_end ? (size_t)(line_end - text.p) : text.n;
	const char *at = memmem(text.p, n, end, sizeof end - 1);

	return at && at + sizeof end <= text.p + n && ((at[sizeof end - 1] >= '0' && at[sizeof end - 1] <= '9') || at[sizeof end - 1] == ' ');
}

static struct slice with_script(const struct event *event, struct slice text)
{
	const struct slice *path = event->script ? &event->script->path : NULL;
	char *p;

	if (!path || has_place(text))
		return text;
	p = arena_alloc(&event->intake->arena, path->n + 2 + text.n);
	memcpy(p, path->p, path->n);
	memcpy(p + path->n, ": ", 2);
	memcpy(p + path->n + 2, text.p, text.n);
	return (struct slice){ p, path->n + 2 + text.n };
}

void sl_fault(struct event *event, const char *text, size_t size)
{
	struct slice reason = { text, size };

	/* A timer that the sink refused before ran once more to be written off. */
	if (event->op == OP_TIMER && event->error.p)
		script_event_fault(event, STAGE_SINK, reason);
	else
		script_event_fault(event, STAGE_SCRIPT, with_script(event, reason));
}

void sl_no_memory(struct script_host *host)
{
	guard_no_memory(host);
}

void sl_again(struct event *event)
{
	event->changes = NULL;
	event->changes_end = &event->changes;
	event->outcome = OUTCOME_PENDING;
	event->row_matches = true;
	event->bytes = 0;
	chain_undo(event);
	window_forget(event);
	maps_release(event); /* they are found anew */
}

void sl_lane_key(struct event *event, uint32_t which, const char *text, size_t size)
{
	event->lane_hash[which] = XXH3_64bits_withSeed(text, size, event->script->target->id);
	event->lane_hashes = which == 1 && event->lane_hash[0] != event->lane_hash[1] ? 2 : 1;
}

/* ---- targets ---- */

int32_t sl_sink(struct script_host *host, const char *name, size_t size)
{
	return script_host_side(host, (struct slice){ name, size }, &host->error);
}

int32_t sl_target(struct script_host *host, const char *name, size_t size)
{
	struct target *target = script_host_target(host, (struct slice){ name, size }, &host->error);

	return target ? (int32_t)target->id : -1;
}

int32_t sl_target_column(struct script_host *host, uint32_t id, const char *name, size_t size)
{
	struct target *target = host->targets[id];
	struct slice wanted = { name, size };

	return target->open ? target_add(target, wanted) : target_find(target, wanted);
}

int sl_target_is_key(struct script_host *host, uint32_t id, uint32_t column)
{
	return target_is_key(host->targets[id], column) || (host->targets[id]->open && !host->targets[id]->key_count);
}

bool sl_target_is_merged(struct script_host *host, uint32_t id)
{
	return host->targets[id]->merged;
}

int sl_target_makes_key(struct script_host *host, uint32_t id)
{
	const struct target *target = host->targets[id];

	for (uint32_t k = 0; k < target->key_count; k++)
		if (target->columns[target->key[k]].auto_increment)
			return (int)target->key[k];
	return -1;
}

bool sl_target_is_open(struct script_host *host, uint32_t id)
{
	return host->targets[id]->open;
}

uint32_t sl_target_column_about(struct script_host *host, uint32_t id, uint32_t column)
{
	const struct target_column *of = &host->targets[id]->columns[column];

	return (of->generated ? 1 : 0) + (of->nullable ? 2 : 0) + (of->has_default ? 4 : 0) + (of->auto_increment ? 8 : 0);
}

uint32_t sl_target_count(struct script_host *host, uint32_t id)
{
	return host->targets[id]->count;
}

const struct slice *sl_target_column_name(struct script_host *host, uint32_t id, uint32_t column)
{
	return &host->targets[id]->columns[column].name;
}

const struct slice *sl_target_name(struct script_host *host, uint32_t id)
{
	return &host->targets[id]->name;
}

int32_t sl_event_script(const struct event *event)
{
	return event->script ? (int32_t)event->script->index : -1;
}

int32_t sl_target_of(const struct change *change)
{
	return (int32_t)change->target->id;
}

/* ---- changes ---- */

struct change *sl_change(struct event *event, uint32_t id, uint32_t op, uint32_t fill)
{
	struct script_host *host = event->script->host;

	host->filled_event = event;
	return host->filled = plan_change(event, host->targets[id], (enum change_op)op, (enum value_kind)fill);
}

struct change *sl_merge_copy(struct event *event, bool old, bool take_back)
{
	struct script_host *host = event->script->host;

	host->filled_event = event;
	return host->filled = plan_merge_copy(event, old, take_back, &host->error);
}

struct change *sl_take_change(struct event *event, uint32_t id)
{
	for (struct change **at = &event->changes; *at; at = &(*at)->next) {
		struct change *change = *at;

		if (change->target->id != id)
			continue;
		*at = change->next;
		if (!change->next)
			event->changes_end = at;
		return change;
	}
	return NULL;
}

void sl_disown(struct event *event, struct change *change)
{
	const struct script *script = event->script;

	for (uint32_t i = 0; i < change->count; i++)
		if (!script->owned[i] && !target_is_key(change->target, i))
			change->values[i] = (struct value){ 0 };
}

/* An open target gets columns while a change is being filled. */
static struct value *value_at(struct event *event, struct change *change, uint32_t column)
{
	if (column >= change->count) {
		uint32_t count = change->target->count;
		struct value *wider = arena_zalloc(&event->intake->arena, (count + 1) * sizeof *wider);

		memcpy(wider, change->values, change->count * sizeof *wider);
		change->values = wider;
		change->count = count;
	}
	return &change->values[column];
}

/* A Lua string is bytes; its column says whether it is to be text. */
static int text_kind(const struct target_column *column, struct slice text, struct error *err)
{
	switch (column->type) {
	case COLUMN_BINARY:
	case COLUMN_BYTES:
	case COLUMN_BIT:
	case COLUMN_GEOMETRY:
		return VALUE_BYTES;
	default:
		if (utf8_valid(text))
			return VALUE_TEXT;
		if (column->type == COLUMN_UNKNOWN)
			return VALUE_BYTES;
		return error_set(err, "column %.*s is text, and this value is not valid UTF-8", SLICE_ARG(column->name));
	}
}

int script_set(struct event *event, struct change *change, uint32_t column, struct value value)
{
	struct error *err = &event->script->host->error;
	struct target_column *to = &change->target->columns[column];

	if (to->generated)
		return error_set(err, "column %.*s is generated by the database and cannot be written", SLICE_ARG(to->name));
	if (value.kind == VALUE_TEXT) {
		int is = text_kind(to, (struct slice){ value.p, value.n }, err);

		if (is < 0)
			return -1;
		value.kind = (uint8_t)is;
		if (to->type == COLUMN_BIT && value_bytes_number(&value, &event->intake->arena, err) < 0)
			return error_prefix(err, "column %.*s", SLICE_ARG(to->name));
	}
	*value_at(event, change, column) = value;
	return 0;
}

int sl_set(struct event *event, struct change *change, uint32_t column, uint32_t kind, const char *text, size_t size)
{
	struct slice copy = text ? arena_copy(&event->intake->arena, (struct slice){ text, size }) : (struct slice){ 0 };

	return script_set(event, change, column, (struct value){ .p = copy.p, .n = (uint32_t)copy.n, .kind = (uint8_t)kind, .ready = true });
}

int sl_set_number(struct event *event, struct change *change, uint32_t column, double number)
{
	char digits[40];
	size_t n = number_text(number, digits);

	if (n == 0)
		return error_set(&event->script->host->error, "column %.*s: %s cannot be written", SLICE_ARG(change->target->columns[column].name),
				 isnan(number) ? "NaN (not a number)" : "an infinite number");
	return sl_set(event, change, column, VALUE_NUMBER, digits, n);
}

/* A number of at most 4 decimals and 15 digits, without printf's cost: the division is rounded to the nearest double, as reading the
 * digits is, so where it gives the number back the digits do too. 0: it is none. */
static size_t short_decimal(double number, char *out)
{
	enum { SCALE = 10000 };
	double scaled = number * SCALE;
	int64_t rounded;
	unsigned fraction;
	char *p = out;

	if (!(fabs(scaled) < 1e15))
		return 0;
	rounded = llrint(scaled);
	if ((double)rounded / SCALE != number)
		return 0;
	if (rounded < 0)
		*p++ = '-';
	rounded = llabs(rounded);
	p += int_text(rounded / SCALE, p);
	*p++ = '.';
	for (fraction = (unsigned)(rounded % SCALE); fraction; fraction = fraction * 10 % SCALE)
		*p++ = (char)('0' + fraction * 10 / SCALE);
	return (size_t)(p - out);
}

size_t number_text(double number, char *out)
{
	size_t n;

	if (!isfinite(number))
		return 0;
	if (number == floor(number) && fabs(number) < 9007199254740992.0)
		return int_text((int64_t)number, out);
	n = short_decimal(number, out);
	if (n)
		return n;
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(out, 40, "%.*g", precision, number);
		if (strtod(out, NULL) == number)
			break;
	}
	return strlen(out);
}
