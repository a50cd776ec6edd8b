/* Pieces of memory of one size, cut from blocks that the system is asked to back by a huge page each. What flows is met again and again in an
 * order of its own, by then long out of the caches, and with pages of 4 kB each meeting first waits for where the page is. */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

enum { BLOCK_PIECE = 65472 }; /* bytes of one: 32 of them and 2 kB of the block's own fill 2 MB */

/* A piece, aligned to 64, not cleared: the one that was given back last, where its block has one. One thread's. Aborts where the system has no
 * memory. */
void *block_take(void);
/* Gives back what block_take gave. A block all of whose pieces are back goes to the system, but for a few. */
void block_give(void *piece);

#endif
