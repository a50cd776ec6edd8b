#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

/* 64 KiB: a batch of a thousand small events takes about ten chunks; an idle lane's single event wastes little. */
enum { CHUNK_BYTES = 64 * 1024 };

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* usable bytes after this header */
	char data[] __attribute__((aligned(16)));
};

void *arena_grow(struct arena *a, size_t size)
{
	size_t usable = CHUNK_BYTES - sizeof(struct arena_chunk);
	struct arena_chunk *chunk;

	if (size > usable)
		usable = size;
	chunk = malloc(sizeof *chunk + usable);
	BUG_IF(!chunk);
	chunk->size = usable;
	chunk->older = a->chunks;
	a->chunks = chunk;
	a->bytes += sizeof *chunk + usable;
	a->next = chunk->data + size;
	a->end = chunk->data + usable;
	return chunk->data;
}

void *arena_zalloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

struct slice arena_copy(struct arena *a, struct slice bytes)
{
	char *p = arena_alloc(a, bytes.n + 1);

	if (bytes.n)
		memcpy(p, bytes.p, bytes.n);
	p[bytes.n] = 0;
	return (struct slice){ p, bytes.n };
}

struct slice arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;
	struct slice made;
	char *p;

	va_start(args, format);
	va_copy(again, args);
	made.n = (size_t)vsnprintf(NULL, 0, format, args);
	p = arena_alloc(a, made.n + 1);
	vsnprintf(p, made.n + 1, format, again);
	va_end(again);
	va_end(args);
	made.p = p;
	return made;
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *keep = a->chunks;

	if (!keep)
		return;
	/* An outsized chunk held one huge message; keeping it would make the bound a ratchet. */
	while (keep && keep->size > CHUNK_BYTES) {
		struct arena_chunk *older = keep->older;

		free(keep);
		keep = older;
	}
	while (keep && keep->older) {
		struct arena_chunk *gone = keep->older;

		keep->older = gone->older;
		free(gone);
	}
	a->chunks = keep;
	a->next = keep ? keep->data : NULL;
	a->end = keep ? keep->data + keep->size : NULL;
	a->bytes = keep ? sizeof *keep + keep->size : 0;
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *older = a->chunks->older;

		free(a->chunks);
		a->chunks = older;
	}
	*a = ARENA_INIT;
}
