#include "flow/intake.h"

#include <stdlib.h>

#include "flow/json.h"

/* Idle intakes kept for the next turn; each holds one arena chunk. */
enum { FREE_MOST = 16 };

struct intake *intake_new(struct intakes *all)
{
	struct intake *intake = all->free;

	if (intake) {
		all->free = intake->next;
		all->free_count--;
	} else {
		intake = calloc(1, sizeof *intake);
		BUG_IF(!intake);
	}
	intake->owner = all;
	intake->first = NULL;
	intake->end = &intake->first;
	intake->topic = (struct slice){ 0 };
	intake->stamp = NULL;
	intake->count = 0;
	intake->rekeyed = intake->stalled = intake->begun = intake->ran = intake->again = false;
	intake->unfinished = 1;
	intake->next = NULL;
	intake->previous = all->newest;
	*(all->newest ? &all->newest->next : &all->oldest) = intake;
	all->newest = intake;
	return intake;
}

/* Key and value, one behind the other: what follows pads them. */
static void copy_padded(struct arena *arena, struct slice *key, struct slice *value)
{
	char *p = arena_alloc(arena, key->n + value->n + JSON_PADDING);

	memset(p + key->n + value->n, 0, JSON_PADDING);
	arena_shorten(arena, p, key->n + value->n + 1);
	if (key->n)
		memcpy(p, key->p, key->n);
	if (key->p)
		key->p = p;
	p += key->n;
	if (value->n)
		memcpy(p, value->p, value->n);
	if (value->p)
		value->p = p;
}

struct message *intake_copy(struct intake *intake, const struct message *message)
{
	struct arena *arena = &intake->arena;
	struct message *copy = arena_alloc(arena, sizeof *copy);

	*copy = *message;
	/* A name of its own: a partition that is taken away is gone before the events of its neighbours. */
	if (!slice_equal(message->topic, intake->topic))
		intake->topic = arena_copy(arena, message->topic);
	copy->topic = intake->topic;
	copy_padded(arena, &copy->key, &copy->value);
	if (message->header_count) {
		struct header *headers = arena_alloc(arena, message->header_count * sizeof *headers);

		for (uint32_t i = 0; i < message->header_count; i++) {
			headers[i].name = arena_copy(arena, message->headers[i].name);
			headers[i].value = message->headers[i].value;
			if (headers[i].value.p)
				headers[i].value = arena_copy(arena, headers[i].value);
		}
		copy->headers = headers;
	}
	return copy;
}

struct event *event_of_message(struct arena *arena, const struct message *message)
{
	struct event *event;

	arena_to_line(arena);
	event = arena_zalloc(arena, sizeof *event);
	event_set_message(event, message);
	return event;
}

void intake_add(struct intake *intake, struct event *event)
{
	event->intake = intake;
	event->next = NULL;
	*intake->end = event;
	intake->end = &event->next;
	intake->count++;
	intake->unfinished++;
}

void intake_release(struct intake *intake)
{
	struct intakes *all = intake->owner;

	BUG_IF(intake->unfinished == 0);
	if (--intake->unfinished > 0)
		return;
	*(intake->previous ? &intake->previous->next : &all->oldest) = intake->next;
	*(intake->next ? &intake->next->previous : &all->newest) = intake->previous;
	if (all->free_count == FREE_MOST) {
		arena_free(&intake->arena);
		free(intake);
		return;
	}
	arena_reset(&intake->arena);
	intake->next = all->free;
	all->free = intake;
	all->free_count++;
}

size_t intakes_bytes(const struct intakes *all)
{
	size_t bytes = 0;

	for (const struct intake *intake = all->oldest; intake; intake = intake->next)
		bytes += intake->arena.bytes;
	return bytes;
}

void intakes_free(struct intakes *all)
{
	struct intake *lists[] = { all->oldest, all->free };

	for (size_t i = 0; i < 2; i++) {
		for (struct intake *intake = lists[i], *next; intake; intake = next) {
			next = intake->next;
			arena_free(&intake->arena);
			free(intake);
		}
	}
	*all = (struct intakes){ 0 };
}
