/* Numbers drawn by chance, the same for the same seed. */
#ifndef BENCH_DRAW_H
#define BENCH_DRAW_H

#include <stdlib.h>

struct draw {
	unsigned short state[3];
};

static inline struct draw draw_from(long seed)
{
	return (struct draw){ { (unsigned short)seed, (unsigned short)(seed >> 16), 0x330e } };
}

/* 0 to most - 1. */
static inline int draw_below(struct draw *draw, int most)
{
	return (int)(nrand48(draw->state) % most);
}

/* 0 to 1, without 1. */
static inline double draw_part(struct draw *draw)
{
	return erand48(draw->state);
}

#endif
