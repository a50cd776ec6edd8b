#include "base/block.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/sanitizer.h"

enum { BLOCK_BYTES = 2 << 20, HEAD_BYTES = 2048, PIECES = (BLOCK_BYTES - HEAD_BYTES) / BLOCK_PIECE };
enum { UNUSED_MOST = 8 }; /* 16 MiB: what several full transactions give back that end together */

struct piece {
	struct piece *next;
};

/* At the begin of its memory. */
struct block {
	struct piece *free; /* given back, the last first */
	unsigned cut;       /* pieces that were ever taken: those behind are not touched yet */
	unsigned used;
	struct block *previous, *next; /* among those with a piece to take */
};

_Static_assert(sizeof(struct block) <= HEAD_BYTES && HEAD_BYTES + PIECES * BLOCK_PIECE == BLOCK_BYTES, "pieces fill a block");

static struct block *first; /* of those with a piece to take: where one was given back last */
static unsigned unused;     /* blocks of which no piece is taken */

static void link_first(struct block *block)
{
	block->previous = NULL;
	block->next = first;
	if (first)
		first->previous = block;
	first = block;
}

static void unlink_block(struct block *block)
{
	*(block->previous ? &block->previous->next : &first) = block->next;
	if (block->next)
		block->next->previous = block->previous;
}

/* Aligned to its size, as huge pages are: twice as much is asked for, and what stands over given back. */
static struct block *block_new(void)
{
	char *p = mmap(NULL, 2 * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	BUG_IF(p == MAP_FAILED);
	before = -(uintptr_t)p & (BLOCK_BYTES - 1);
	if (before)
		munmap(p, before);
	p += before;
	munmap(p + BLOCK_BYTES, BLOCK_BYTES - before);
	madvise(p, BLOCK_BYTES, MADV_HUGEPAGE); /* where there are none, small ones do */
	link_first((struct block *)p);
	unused++;
	return (struct block *)p;
}

static bool is_full(const struct block *block)
{
	return !block->free && block->cut == PIECES;
}

void *block_take(void)
{
	struct block *block;
	void *piece;

	if (ADDRESS_SANITIZER) { /* which then sees who uses a piece that was given back */
		piece = malloc(BLOCK_PIECE);
		BUG_IF(!piece);
		return piece;
	}
	block = first ? first : block_new();
	piece = block->free;
	if (piece)
		block->free = block->free->next;
	else
		piece = (char *)block + HEAD_BYTES + (size_t)block->cut++ * BLOCK_PIECE;
	if (block->used++ == 0)
		unused--;
	if (is_full(block))
		unlink_block(block);
	return piece;
}

void block_give(void *given)
{
	struct block *block = (struct block *)((uintptr_t)given & ~(uintptr_t)(BLOCK_BYTES - 1));
	struct piece *piece = given;

	if (ADDRESS_SANITIZER) {
		free(given);
		return;
	}
	if (!is_full(block))
		unlink_block(block);
	link_first(block);
	piece->next = block->free;
	block->free = piece;
	if (--block->used > 0)
		return;
	if (unused == UNUSED_MOST) {
		unlink_block(block);
		munmap(block, BLOCK_BYTES);
		return;
	}
	unused++;
}
