/* Memory with one lifetime: many small allocations, one release. One arena holds a batch of events; what a transaction
 * needs of an event lives there until it is committed. Nothing in it has a destructor. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	char *next, *end;           /* free room in the newest chunk */
	size_t bytes;               /* held from malloc, for the memory bound */
};

#define ARENA_INIT ((struct arena){ 0 })

/* Slow path of arena_alloc: takes a new chunk. Aborts where the system has no memory. */
void *arena_grow(struct arena *a, size_t size);

/* Room for size bytes, aligned to 16, not cleared. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
	char *p = a->next;

	size = (size + 15) & ~(size_t)15;
	if (__builtin_expect((size_t)(a->end - p) < size || !p, 0))
		return arena_grow(a, size);
	a->next = p + size;
	return p;
}

/* The same, all bytes zero. */
void *arena_zalloc(struct arena *a, size_t size);
/* What is allocated next begins a line of memory (64 bytes), unless it begins a chunk. */
static inline void arena_to_line(struct arena *a)
{
	size_t skipped = -(uintptr_t)a->next & 63;

	if ((size_t)(a->end - a->next) >= skipped)
		a->next += skipped;
}
/* Of p, which was allocated last, only these bytes are kept. Those behind stay readable, whatever they become. */
static inline void arena_shorten(struct arena *a, void *p, size_t size)
{
	a->next = (char *)p + ((size + 15) & ~(size_t)15);
}
/* A copy of the bytes that lives as long as the arena. A NUL follows it. */
struct slice arena_copy(struct arena *a, struct slice bytes);
/* printf into the arena. */
struct slice arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Gives everything back but one chunk. What is given back is kept for whoever grows next, so that a batch after a batch costs no malloc. */
void arena_reset(struct arena *a);
/* Gives everything back. Harmless on one never used. */
void arena_free(struct arena *a);

#endif
