#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/block.h"
#include "base/error.h"
#include "base/sanitizer.h"

/* 64 KiB: a batch of a thousand small events takes about ten chunks; an idle lane's single event wastes little. */
enum { CHUNK_BYTES = 64 * 1024 };

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* usable bytes after this header */
	char data[] __attribute__((aligned(16)));
};

/* Of an arena's first chunk, and of further ones, which are pieces of blocks: most arenas never need a second, and are better off with pages as
 * small as they. */
enum { USABLE = CHUNK_BYTES - sizeof(struct arena_chunk), PIECE_USABLE = BLOCK_PIECE - sizeof(struct arena_chunk) };

/* First chunks that no arena uses now. An arena takes what the one before it gave back (as with pieces of blocks), and its first bytes are still
 * in a cache. All arenas are one thread's. */
enum { SPARE_MOST = ADDRESS_SANITIZER ? 0 : 64 };

static struct arena_chunk *spare;
static unsigned spare_count;

static struct arena_chunk *chunk_new(size_t size, bool is_first)
{
	struct arena_chunk *chunk = spare;

	if (!is_first && size <= PIECE_USABLE) {
		chunk = block_take();
		chunk->size = PIECE_USABLE;
		return chunk;
	}
	if (size <= USABLE && chunk) {
		spare = chunk->older;
		spare_count--;
		return chunk;
	}
	if (size < USABLE)
		size = USABLE;
	chunk = malloc(sizeof *chunk + size);
	BUG_IF(!chunk);
	chunk->size = size;
	return chunk;
}

/* An outsized chunk held one huge message; keeping it would make the memory bound a ratchet. */
static void chunk_free(struct arena_chunk *chunk)
{
	if (chunk->size == PIECE_USABLE) {
		block_give(chunk);
		return;
	}
	if (chunk->size != USABLE || spare_count == SPARE_MOST) {
		free(chunk);
		return;
	}
	chunk->older = spare;
	spare = chunk;
	spare_count++;
}

void *arena_grow(struct arena *a, size_t size)
{
	struct arena_chunk *chunk = chunk_new(size, !a->chunks);

	chunk->older = a->chunks;
	a->chunks = chunk;
	a->bytes += sizeof *chunk + chunk->size;
	a->next = chunk->data + size;
	a->end = chunk->data + chunk->size;
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
	while (keep && keep->size > USABLE) {
		struct arena_chunk *older = keep->older;

		chunk_free(keep);
		keep = older;
	}
	while (keep && keep->older) {
		struct arena_chunk *gone = keep->older;

		keep->older = gone->older;
		chunk_free(gone);
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

		chunk_free(a->chunks);
		a->chunks = older;
	}
	*a = ARENA_INIT;
}
