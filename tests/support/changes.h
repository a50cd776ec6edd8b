/* Targets, changes and transactions made by hand. Everything lives in one arena. */
#ifndef SUPPORT_CHANGES_H
#define SUPPORT_CHANGES_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "flow/sink.h"

enum { CHANGES_MOST = 10000 };

struct changes {
	struct arena arena;
	struct event *events[CHANGES_MOST];
	struct message message;
	struct tx tx;
};

static inline struct changes *changes_new(void)
{
	struct changes *made = calloc(1, sizeof *made);

	made->message = (struct message){ .topic = SLICE("shop.orders"), .partition = 3, .offset = 42, .key = SLICE("k"), .value = SLICE("v\xff") };
	made->tx = (struct tx){ .events = made->events, .script_version = "0123456789abcdef" };
	return made;
}

static inline void changes_free(struct changes *made)
{
	arena_free(&made->arena);
	free(made);
}

static inline void changes_clear(struct changes *made)
{
	arena_reset(&made->arena);
	made->tx.count = 0;
}

/* The first key_count columns are the primary key. */
static inline struct target *changes_target(struct changes *made, const char *name, uint32_t count, const struct target_column *columns,
					    uint32_t key_count)
{
	struct target *target = arena_zalloc(&made->arena, sizeof *target);

	target->name = slice_of(name);
	target->columns = arena_zalloc(&made->arena, count * sizeof *columns);
	memcpy(target->columns, columns, count * sizeof *columns);
	target->count = count;
	for (target->key_count = 0; target->key_count < key_count; target->key_count++)
		target->key[target->key_count] = target->key_count;
	target->has_primary_key = target->key_exact = target->exists = true;
	target->arena = &made->arena;
	return target;
}

/* What a literal of a test means: "-" absent, "~" NULL, "=" DEFAULT, "#12" a number, "?t" and "?f" booleans, "$ab" bytes, else text. */
static inline struct value changes_value(const char *text)
{
	struct value value = { .p = text, .n = (uint32_t)strlen(text), .kind = VALUE_TEXT, .ready = true };
	static const struct {
		char mark;
		uint8_t kind;
	} marks[] = { { '-', VALUE_ABSENT }, { '~', VALUE_NULL }, { '=', VALUE_DEFAULT }, { '#', VALUE_NUMBER }, { '$', VALUE_BYTES } };

	if (text[0] == '?')
		return (struct value){ .kind = text[1] == 't' ? VALUE_TRUE : VALUE_FALSE, .ready = true };
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (text[0] == marks[i].mark && (text[1] == 0 || marks[i].kind == VALUE_NUMBER || marks[i].kind == VALUE_BYTES))
			return (struct value){ .p = text + 1, .n = value.n - 1, .kind = marks[i].kind, .ready = true };
	return value;
}

/* An event with this one change at the end of the transaction: a value for each of the target's columns. */
static inline struct change *changes_add(struct changes *made, struct target *target, enum change_op op, const char *const *values)
{
	struct change *change = arena_zalloc(&made->arena, sizeof *change);
	struct event *event = arena_zalloc(&made->arena, sizeof *event);

	*change = (struct change){ .target = target, .count = target->count, .op = (uint8_t)op };
	change->values = arena_zalloc(&made->arena, target->count * sizeof *change->values);
	for (uint32_t i = 0; i < target->count; i++)
		change->values[i] = changes_value(values[i]);
	event->changes = change;
	event->changes_end = &change->next;
	event_set_message(event, &made->message);
	made->events[made->tx.count++] = event;
	return change;
}

#define ROW(...) ((const char *const[]){ __VA_ARGS__ })

#endif
