/* How much the target is asked to do at a time: a window of rows on their way to it, which follows how long its answers take.
 *
 * Once a round (about as long as an answer takes) it compares the mean time from BEGIN to the answer of COMMIT with a goal. Above it the
 * window shrinks in proportion; well below it, where the window was what held rows up, it grows by up to a quarter, or doubles where there
 * is time to spare. An error that asks for another try halves it. So rows queue here, where they cost nothing, and not in the target, and a
 * target that is well again has all of them within seconds.
 *
 * Where a smaller window twice did not make answers come sooner, it is not load that makes them late (a far-away target, a lock): the window gets its
 * size back, and the goal is raised to what it takes for a while.
 *
 * A value that its owner embeds; it is told the time, and owns nothing. */
#ifndef FLOW_PACE_H
#define FLOW_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PACE_GOAL_MS = 300,
	PACE_ROWS_LEAST = 20,     /* the window at its smallest */
	PACE_TX_ROWS_ENOUGH = 50, /* a smaller window means fewer transactions at a time, rather than smaller ones */
};

struct pace {
	uint32_t lanes, most;
	double window;
	int64_t goal_ms, goal_until_ms; /* raised until then */
	int64_t latency_ms;             /* the last round's mean */
	int64_t hoped_ms;               /* the last round cut the window: what the latency should be below now; 0: it did not */
	unsigned in_vain;               /* cuts in a row that did not help */
	double before_cut;              /* the window before the first of them */
	int64_t failed_ms;              /* when an error last halved it */
	int64_t counted_from_ms;        /* what was begun before tells nothing */
	/* this round */
	int64_t begin_ms;
	uint64_t rows, rows_ms; /* answered; times their latency */
	uint32_t peak;          /* rows on their way at most */
	bool limited;           /* something waited for the window */
};

/* lanes transactions of tx_rows rows at most. */
void pace_init(struct pace *pace, uint32_t lanes, uint32_t tx_rows);
/* How many rows the next transaction may have where so many are on their way, and so many lanes share the window; 0: it has to wait for one of
 * those on their way. */
uint32_t pace_room(struct pace *pace, uint32_t in_flight, uint32_t lanes);
/* A transaction would have had more rows. */
static inline void pace_short(struct pace *pace)
{
	pace->limited = true;
}

/* With what has just begun, so many are. */
void pace_sent(struct pace *pace, uint32_t in_flight);
/* A transaction of `rows` rows, begun at sent_ms, has been committed. */
void pace_committed(struct pace *pace, int64_t now_ms, int64_t sent_ms, uint32_t rows);
/* The target asked for another try. */
void pace_failed(struct pace *pace, int64_t now_ms);

/* A transaction that takes longer is stuck (in a lock, most of the time), and says nothing of the others: it is not counted as on its way. */
static inline int64_t pace_stuck_ms(const struct pace *pace)
{
	return pace->goal_ms * 2 > 1000 ? pace->goal_ms * 2 : 1000;
}

static inline uint32_t pace_window(const struct pace *pace)
{
	return (uint32_t)pace->window;
}

#endif
