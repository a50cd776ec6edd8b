/* Windows: for each key, event time is cut into panes, and each pane accumulates its rows. All open panes of a key are one row of
 * streamlua_state: { "<start in ms>": { "a": accumulators, "e": end, "n": rows } }, with "f": true where its row is written although it is not
 * closed, and "d": true where it changed since. A pane is closed once the watermark, which is the largest event time of the partition
 * less out_of_order, has passed its end: what comes for it then is late. */
#ifndef FLOW_WINDOW_H
#define FLOW_WINDOW_H

#include "flow/accumulator.h"

struct window {
	int64_t size, hop;            /* ms; tumbling: equal */
	int64_t gap;                  /* of a session, ms; otherwise 0 */
	bool final;                   /* a row is written once, when it closes: until then what is closed stays */
	bool in_lua;                  /* add, sub, merge and result: what they accumulate is a text here */
	struct aggregate *aggregates; /* ordered by name */
	uint32_t count;

	/* what the event at hand does */
	struct pane **touched;
	size_t touched_count, touched_cap;
	struct merged {
		int64_t start;
		bool written;    /* there is a row of it */
		struct buf made; /* in_lua: what it accumulated */
	} * merged;              /* sessions that are one with the touched one from now on */
	size_t merged_count, merged_cap;
};

struct pane {
	int64_t start, end; /* ms */
	int64_t n;          /* rows */
	bool written, changed;
	bool closing, firing; /* while it is due: forgotten then; its row is written then */
	struct buf made;      /* in_lua: JSON, or nothing yet */
	uint32_t count;
	struct accumulator accumulators[];
};

/* The panes of a key. */
struct panes {
	struct pane **list; /* ordered by start */
	size_t count, cap;
	size_t bytes; /* that the cache counts */
};

/* What a row holds: `text` is an entry's value (n is 0: none). NULL: it is no text of such a window. */
struct panes *panes_decode(const struct window *window, struct json *json, struct slice text, struct arena *arena, struct error *err);
void panes_free(struct panes *panes);
size_t panes_bytes(const struct panes *panes);

/* Appends the text of the panes, nothing where there are none. otherwise: as they are where those that are due cannot be written. */
void panes_encode(const struct window *window, const struct panes *panes, bool otherwise, struct buf *out);
/* When the row is due, ms. final: when the first pane closes, which is then written; else all are forgotten with the last one. STATE_NO_TIME: never. */
int64_t panes_due(const struct window *window, const struct panes *panes, bool otherwise);

/* Asks for the memory of the pane that most rows fall into, the last one. */
static inline void panes_warm(const struct panes *panes)
{
	if (panes->count)
		__builtin_prefetch(panes->list[panes->count - 1]);
}

/* Forgets what both watermarks have passed: nothing can come for it that is not late. */
void panes_close(struct panes *panes, int64_t watermark);
/* Finds the panes that a row of this time falls into, making those that are new (window->touched), and counts it there; sessions that it joins become
 * one (window->merged). 0: it is late; -1: it cannot be taken back (sign -1). */
int panes_touch(struct window *window, struct panes *panes, int64_t at_ms, int64_t watermark, int sign, struct error *err);
/* Forgets those that nothing is left of, once their rows are written. */
void panes_settle(struct panes *panes);
/* The panes whose rows are due, by end (window->touched): closed by then, or all where the input has ended. */
void panes_fire(struct window *window, struct panes *panes, int64_t at_ms, bool ended);
/* They are written. */
void panes_fired(struct panes *panes);

void window_deinit(struct window *window);

#endif
