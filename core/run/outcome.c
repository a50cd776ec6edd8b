#include "run/outcome.h"

#include <string.h>
#include <uthash.h>

#include "base/buf.h"

struct made_row {
	UT_hash_handle hh;
	struct slice name; /* "orders id = 7" */
	bool deleted;
	struct slice *columns, *values; /* values[i].p is NULL: not written */
	uint32_t count;
};

static struct made_row *row_named(struct outcome_of *made, struct slice name, uint32_t columns)
{
	struct made_row *row;

	HASH_FIND(hh, made->rows, name.p, name.n, row);
	if (!row) {
		row = arena_zalloc(&made->arena, sizeof *row);
		row->name = arena_copy(&made->arena, name);
		HASH_ADD_KEYPTR(hh, made->rows, row->name.p, row->name.n, row);
	}
	if (row->count < columns) { /* a table without a schema gets columns as they are named */
		struct slice *names = arena_zalloc(&made->arena, columns * sizeof *names),
			     *values = arena_zalloc(&made->arena, columns * sizeof *values);

		for (uint32_t i = 0; i < row->count; i++) {
			names[i] = row->columns[i];
			values[i] = row->values[i];
		}
		row->columns = names;
		row->values = values;
		row->count = columns;
	}
	return row;
}

/* Rows that others are added to, and those of which no key is known, are told apart by the event that they come of. */
static void put_name(struct buf *name, const struct change *change, const struct event *event, uint32_t number, struct arena *arena)
{
	const struct target *target = change->target;
	const char *comma = " ";

	buf_clear(name);
	buf_slice(name, target->name);
	for (uint32_t k = 0; k < target->key_count; k++) {
		uint32_t column = target->key[k];

		if (column >= change->count)
			continue;
		buf_printf(name, "%s%.*s = %.*s", comma, SLICE_ARG(target->columns[column].name),
			   SLICE_ARG(value_show(&change->values[column], arena)));
		comma = ", ";
	}
	if (target->merged || target->key_count == 0)
		buf_printf(name, " of %.*s:%d:%lld (%u)", SLICE_ARG(event->message->topic), (int)event->message->partition,
			   (long long)event->message->offset, number);
}

static void add_change(struct outcome_of *made, const struct event *event, const struct change *change, uint32_t number)
{
	struct arena scratch = ARENA_INIT;
	struct buf name = BUF_INIT;
	struct made_row *row;

	put_name(&name, change, event, number, &scratch);
	row = row_named(made, buf_view(&name), change->count);
	row->deleted = change->op == CHANGE_DELETE;
	if (row->deleted)
		memset(row->values, 0, row->count * sizeof *row->values);
	for (uint32_t i = 0; i < change->count && !row->deleted; i++) {
		if (!VALUE_IS_SET(&change->values[i]))
			continue;
		row->columns[i] = arena_copy(&made->arena, change->target->columns[i].name);
		row->values[i] = arena_copy(&made->arena, value_show(&change->values[i], &made->arena));
	}
	buf_free(&name);
	arena_free(&scratch);
}

static void add_fault(struct outcome_of *made, const struct event *event)
{
	const char *end = event->error.n ? memchr(event->error.p, '\n', event->error.n) : NULL;
	struct buf name = BUF_INIT;
	struct made_row *row;

	buf_printf(&name, "%s of %.*s:%d:%lld", event->outcome == OUTCOME_DEAD ? "dead letter" : "skipped", SLICE_ARG(event->message->topic),
		   (int)event->message->partition, (long long)event->message->offset);
	row = row_named(made, buf_view(&name), 1);
	row->columns[0] = SLICE("error");
	row->values[0] = arena_copy(&made->arena, (struct slice){ event->error.p, end ? (size_t)(end - event->error.p) : event->error.n });
	buf_free(&name);
}

void outcome_collect(struct outcome_of *made, const struct intake *intake)
{
	*made = (struct outcome_of){ 0 };
	for (const struct event *event = intake->first; event; event = event->next) {
		uint32_t number = 0;

		if (event->outcome == OUTCOME_DEAD || event->outcome == OUTCOME_SKIPPED)
			add_fault(made, event);
		else if (event->outcome == OUTCOME_PENDING)
			for (const struct change *change = event->changes; change; change = change->next)
				if (!change->target->own) /* what scripts keep */
					add_change(made, event, change, number++);
	}
}

static void put_all(struct buf *text, const struct made_row *row)
{
	const char *comma = ": ";

	buf_slice(text, row->name);
	if (row->deleted)
		buf_text(text, ": deleted");
	for (uint32_t i = 0; i < row->count; i++) {
		if (!row->values[i].p)
			continue;
		buf_printf(text, "%s%.*s = %.*s", comma, SLICE_ARG(row->columns[i]), SLICE_ARG(row->values[i]));
		comma = ", ";
	}
}

static bool same_value(struct slice a, struct slice b)
{
	return (a.p != NULL) == (b.p != NULL) && slice_equal(a, b);
}

static struct slice value_of(const struct made_row *row, struct slice column)
{
	for (uint32_t i = 0; i < row->count; i++)
		if (row->values[i].p && slice_equal(row->columns[i], column))
			return row->values[i];
	return (struct slice){ 0 };
}

static void put_step(struct buf *text, const char **comma, struct slice column, struct slice a, struct slice b)
{
	if (same_value(a, b))
		return;
	buf_printf(text, "%s%.*s %.*s -> %.*s", *comma, SLICE_ARG(column), SLICE_ARG(a.p ? a : SLICE("(none)")),
		   SLICE_ARG(b.p ? b : SLICE("(none)")));
	*comma = ", ";
}

/* "orders id = 7: amount 19.90 -> 20.90"; false: they are the same. */
static bool put_difference(struct buf *text, const struct made_row *a, const struct made_row *b)
{
	const char *comma = ": ";
	size_t bare;

	buf_slice(text, b->name);
	bare = text->n;
	if (a->deleted != b->deleted) {
		buf_printf(text, ": %s", b->deleted ? "written -> deleted" : "deleted -> written");
		comma = ", ";
	}
	for (uint32_t i = 0; i < a->count; i++)
		if (a->values[i].p)
			put_step(text, &comma, a->columns[i], a->values[i], value_of(b, a->columns[i]));
	for (uint32_t i = 0; i < b->count; i++)
		if (b->values[i].p && !value_of(a, b->columns[i]).p)
			put_step(text, &comma, b->columns[i], (struct slice){ 0 }, b->values[i]);
	return text->n > bare;
}

struct outcome_counts outcome_compare(struct outcome_of *before, struct outcome_of *after, size_t most,
				      void (*line)(void *ctx, char sign, struct slice text), void *ctx)
{
	struct outcome_counts counts = { 0 };
	struct made_row *row, *next, *other;
	struct buf text = BUF_INIT;

	HASH_ITER(hh, after->rows, row, next)
	{
		buf_clear(&text);
		HASH_FIND(hh, before->rows, row->name.p, row->name.n, other);
		if (other && !put_difference(&text, other, row)) {
			counts.same++;
			continue;
		}
		if (!other)
			put_all(&text, row);
		if (counts.differing++ < most)
			line(ctx, other ? '~' : '+', buf_view(&text));
	}
	HASH_ITER(hh, before->rows, row, next)
	{
		HASH_FIND(hh, after->rows, row->name.p, row->name.n, other);
		if (other)
			continue;
		buf_clear(&text);
		put_all(&text, row);
		if (counts.differing++ < most)
			line(ctx, '-', buf_view(&text));
	}
	buf_free(&text);
	return counts;
}

void outcome_free(struct outcome_of *made)
{
	HASH_CLEAR(hh, made->rows);
	arena_free(&made->arena);
}
