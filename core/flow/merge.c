#include "flow/merge.h"

#include <string.h>

#include "flow/number.h"

static const char *const names[] = { [MERGE_NONE] = "", [MERGE_SUM] = "sum", [MERGE_MAX] = "max", [MERGE_MIN] = "min", [MERGE_SET] = "set" };

const char *merge_name(enum merge_kind kind)
{
	return names[kind];
}

enum merge_kind merge_named(struct slice name)
{
	for (enum merge_kind kind = MERGE_SUM; kind <= MERGE_SET; kind++)
		if (slice_is(name, names[kind]))
			return kind;
	return MERGE_NONE;
}

/* ---- which columns ---- */

static bool is_number(const struct target_column *column)
{
	return column->type == COLUMN_UNKNOWN || column->type == COLUMN_INTEGER || column->type == COLUMN_DECIMAL || column->type == COLUMN_FLOAT ||
	       column->type == COLUMN_DOUBLE || column->type == COLUMN_YEAR;
}

static bool is_time(const struct target_column *column)
{
	return column->type == COLUMN_DATE || column->type == COLUMN_DATETIME || column->type == COLUMN_TIMESTAMP;
}

static bool is_text(const struct target_column *column)
{
	return column->type == COLUMN_TEXT || column->type == COLUMN_BINARY || column->type == COLUMN_BYTES;
}

const char *merge_misfit(enum merge_kind kind, const struct target_column *column)
{
	bool open = column->type == COLUMN_UNKNOWN && !column->sql_type.n;

	switch (kind) {
	case MERGE_SUM:
		if (!is_number(column) || column->type == COLUMN_YEAR)
			return "sum adds numbers, and it holds none";
		if (column->is_unsigned)
			return "sum takes back what an old row added, and may be below zero on the way: declare it without UNSIGNED";
		return NULL;
	case MERGE_SET:
		if (column->type != COLUMN_TEXT && !open)
			return "set keeps a text with commas";
		return column->exact ? NULL : "set tells texts apart by their bytes, and its collation does not: give it a _bin collation";
	default:
		if (!is_number(column) && !is_time(column) && !is_text(column))
			return "max and min compare numbers, dates, times with a date, texts and bytes";
		if (is_text(column) && !column->exact)
			return "max and min compare texts by their bytes, and its collation does not: give it a _bin collation";
		return NULL;
	}
}

/* ---- one value ---- */

static struct value absent(void)
{
	return (struct value){ .ready = true };
}

static struct value number_value(const char *text, size_t n)
{
	return (struct value){ .p = text, .n = (uint32_t)n, .kind = VALUE_NUMBER, .ready = true };
}

static bool is_plain_integer(const struct value *value)
{
	size_t at = value->n && *value->p == '-';

	if (value->kind != VALUE_NUMBER || value->n - at > 18 || value->n == at)
		return false;
	for (; at < value->n; at++)
		if (value->p[at] < '0' || value->p[at] > '9')
			return false;
	return true;
}

/* What a column would round depends on what it is added together with. */
static int check_scale(const struct value *value, const struct number *number, const struct target_column *column, struct arena *arena,
		       struct error *err)
{
	int32_t most = column->type == COLUMN_INTEGER ? 0 : column->type == COLUMN_DECIMAL ? column->scale : -1;
	struct slice shown;

	if (most < 0 || number_scale(number) <= (uint32_t)most)
		return 0;
	shown = value_show(value, arena);
	return error_set(err, "column %.*s: %.*s has more digits behind the point than the column, which a sum would round: round it in the script",
			 SLICE_ARG(column->name), SLICE_ARG(shown));
}

static int settle_number(struct value *value, const struct target_column *column, struct arena *arena, struct error *err)
{
	struct number number;
	struct slice shown;

	if (value->kind == VALUE_TRUE || value->kind == VALUE_FALSE)
		*value = number_value(value->kind == VALUE_TRUE ? "1" : "0", 1);
	if (is_plain_integer(value))
		return 0;
	if ((value->kind == VALUE_NUMBER || value->kind == VALUE_TEXT) && number_parse(&number, (struct slice){ value->p, value->n })) {
		if (column->merge == MERGE_SUM && check_scale(value, &number, column, arena, err) < 0)
			return -1;
		value->kind = VALUE_NUMBER;
		return 0;
	}
	shown = value_show(value, arena);
	return error_set(err, "column %.*s: %s needs a number, not %.*s", SLICE_ARG(column->name), names[column->merge], SLICE_ARG(shown));
}

bool merge_member(struct slice *rest, struct slice *member)
{
	while (rest->n) {
		const char *comma = memchr(rest->p, ',', rest->n);
		size_t n = comma ? (size_t)(comma - rest->p) : rest->n;

		*member = (struct slice){ rest->p, n };
		n += comma != NULL;
		rest->p += n;
		rest->n -= n;
		while (member->n && *member->p == ' ')
			member->p++, member->n--;
		while (member->n && member->p[member->n - 1] == ' ')
			member->n--;
		if (member->n)
			return true;
	}
	return false;
}

static bool has_member(struct slice set, struct slice wanted)
{
	struct slice member;

	while (merge_member(&set, &member))
		if (slice_equal(member, wanted))
			return true;
	return false;
}

/* Both, each member once; `a` has none twice. */
static struct value join_sets(struct slice a, struct slice b, struct arena *arena)
{
	char *made = arena_alloc(arena, a.n + b.n + 2);
	struct slice member;
	size_t n = a.n;

	if (n)
		memcpy(made, a.p, n);
	while (merge_member(&b, &member)) {
		if (has_member((struct slice){ made, n }, member))
			continue;
		if (n)
			made[n++] = ',';
		memcpy(made + n, member.p, member.n);
		n += member.n;
	}
	return n ? (struct value){ .p = made, .n = (uint32_t)n, .kind = VALUE_TEXT, .ready = true } : absent();
}

static int settle_set(struct value *value, const struct target_column *column, struct arena *arena, struct error *err)
{
	struct slice shown;

	if (value->kind == VALUE_NUMBER)
		value->kind = VALUE_TEXT;
	if (value->kind != VALUE_TEXT) {
		shown = value_show(value, arena);
		return error_set(err, "column %.*s: set needs a text, or several with commas between them, not %.*s", SLICE_ARG(column->name),
				 SLICE_ARG(shown));
	}
	if (memchr(value->p, ',', value->n) || (value->n && (*value->p == ' ' || value->p[value->n - 1] == ' ')) || !value->n)
		*value = join_sets(SLICE(""), (struct slice){ value->p, value->n }, arena);
	return 0;
}

int merge_settle(struct value *value, const struct target_column *column, struct arena *arena, struct error *err)
{
	bool required = !column->nullable && !column->has_default && !column->auto_increment;

	if (value->kind == VALUE_ABSENT || value->kind == VALUE_NULL || value->kind == VALUE_DEFAULT) {
		*value = column->merge == MERGE_SUM && required ? number_value("0", 1) : absent();
		return 0;
	}
	if (column->merge == MERGE_SET)
		return settle_set(value, column, arena, err);
	if (column->merge == MERGE_SUM || (is_number(column) && column->type != COLUMN_UNKNOWN))
		return settle_number(value, column, arena, err);
	return 0;
}

/* ---- two values ---- */

static bool join_sums(struct value *into, const struct value *more, int sign, struct arena *arena)
{
	struct number a, b;
	struct buf text = BUF_INIT;
	struct slice made;
	int64_t x, y;
	char digits[24];

	if (is_plain_integer(into) && is_plain_integer(more) && value_is_integer(into, &x) && value_is_integer(more, &y)) {
		made = arena_copy(arena, (struct slice){ digits, int_text(x + sign * y, digits) });
		*into = number_value(made.p, made.n);
		return true;
	}
	if (!number_parse(&a, (struct slice){ into->p, into->n }) || !number_parse(&b, (struct slice){ more->p, more->n }) ||
	    !number_add(&a, &a, &b, sign))
		return false;
	number_plain(&text, &a);
	made = arena_copy(arena, buf_view(&text));
	buf_free(&text);
	*into = number_value(made.p, made.n);
	return true;
}

/* "2024-01-31" or "2024-01-31 23:59:59.5": of such the bytes have the order of the times. */
static bool is_plain_time(const struct value *value)
{
	static const char form[] = "dddd-dd-dd dd:dd:dd.";

	if (value->kind != VALUE_TEXT || (value->n != 10 && value->n < 19))
		return false;
	for (uint32_t i = 0; i < value->n; i++) {
		char wanted = i < sizeof form - 1 ? form[i] : 'd';

		if (wanted == 'd' ? value->p[i] < '0' || value->p[i] > '9' : value->p[i] != wanted)
			return false;
	}
	return true;
}

/* False: one ends where the other has a character before the space, and the table may pad what it compares. */
static bool compare_bytes(const struct value *a, const struct value *b, bool may_pad, int *order)
{
	uint32_t least = a->n < b->n ? a->n : b->n;

	*order = least ? memcmp(a->p, b->p, least) : 0;
	if (*order || a->n == b->n)
		return true;
	*order = a->n < b->n ? -1 : 1;
	return !may_pad || (unsigned char)(a->n > least ? a->p : b->p)[least] >= ' ';
}

/* False: it is not known here how the table compares them. */
static bool compare(const struct value *a, const struct value *b, const struct target_column *column, int *order)
{
	struct number x, y;

	if (a->kind != b->kind)
		return false;
	if (is_text(column) && (a->kind == VALUE_TEXT || a->kind == VALUE_BYTES))
		return compare_bytes(a, b, column->type == COLUMN_TEXT, order);
	if (is_time(column) && is_plain_time(a) && is_plain_time(b))
		return compare_bytes(a, b, false, order);
	if (a->kind != VALUE_NUMBER || !is_number(column) || !number_parse(&x, (struct slice){ a->p, a->n }) ||
	    !number_parse(&y, (struct slice){ b->p, b->n }))
		return false;
	*order = number_compare(&x, &y);
	return true;
}

bool merge_join(struct value *into, const struct value *more, const struct target_column *column, struct arena *arena)
{
	int order;

	if (!VALUE_IS_SET(more))
		return true;
	if (!VALUE_IS_SET(into)) {
		*into = *more;
		return true;
	}
	switch (column->merge) {
	case MERGE_SUM:
		return join_sums(into, more, 1, arena);
	case MERGE_SET:
		if (!slice_equal((struct slice){ into->p, into->n }, (struct slice){ more->p, more->n }))
			*into = join_sets((struct slice){ into->p, into->n }, (struct slice){ more->p, more->n }, arena);
		return true;
	default:
		if (!compare(into, more, column, &order))
			return false;
		if (column->merge == MERGE_MAX ? order < 0 : order > 0)
			*into = *more;
		return true;
	}
}

static bool same(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

int merge_replace(struct value *now, const struct value *old, const struct target_column *column, struct arena *arena, struct error *err)
{
	struct value none = number_value("0", 1);
	int order;

	if (!VALUE_IS_SET(old))
		return 0;
	if (column->merge == MERGE_SUM) {
		if (!VALUE_IS_SET(now))
			*now = none;
		if (join_sums(now, old, -1, arena))
			return 0;
		return error_set(err, "column %.*s: a number with so many digits cannot be taken back", SLICE_ARG(column->name));
	}
	/* What it was is covered by what it is. */
	if (same(now, old))
		return 0;
	if (VALUE_IS_SET(now) && column->merge != MERGE_SET && compare(now, old, column, &order) &&
	    (column->merge == MERGE_MAX ? order > 0 : order < 0))
		return 0;
	return error_set(err,
			 "column %.*s: what an old row brought to a %s cannot be taken back: an update may only %s it, and a delete, or an update to "
			 "another key, has to be filtered out",
			 SLICE_ARG(column->name), names[column->merge],
			 column->merge == MERGE_MAX   ? "raise"
			 : column->merge == MERGE_MIN ? "lower"
						      : "keep");
}
