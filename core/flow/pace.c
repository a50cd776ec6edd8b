#include "flow/pace.h"

enum {
	GOAL_MOST_MS = 10000,
	GOAL_RAISED_MS = 10000,
	FAILED_AGAIN_MS = 100, /* errors of one moment count once */
	IN_VAIN_MOST = 2,      /* once it may be that the target has become slower meanwhile */
	ROUND_GOALS_MOST = 2,  /* a round with few rows ends after so many times the goal */
};

/* Of what a smaller window should have taken off the latency this part has to be seen, or it was not the reason. */
static const double HELPED = 0.5;
static const double CUT_MOST = 0.25, CUT_LEAST = 0.85, GROW_MOST = 1.25, GROW_FAST = 2;
/* Within this part of the goal the window stays as it is; growing aims at its middle. */
static const double NEAR = 0.8, AIM = 0.9;

void pace_init(struct pace *pace, uint32_t lanes, uint32_t tx_rows)
{
	*pace = (struct pace){ .lanes = lanes, .most = lanes * tx_rows, .window = lanes * tx_rows, .goal_ms = PACE_GOAL_MS };
}

static void set_window(struct pace *pace, double rows)
{
	pace->window = rows < PACE_ROWS_LEAST ? PACE_ROWS_LEAST : rows > pace->most ? pace->most : rows;
}

static void begin_round(struct pace *pace, int64_t now_ms)
{
	pace->begin_ms = now_ms;
	pace->rows = pace->rows_ms = 0;
	pace->peak = 0;
	pace->limited = false;
}

uint32_t pace_room(struct pace *pace, uint32_t in_flight, uint32_t lanes)
{
	uint32_t window = pace_window(pace), share = window / lanes, room;

	if (share < PACE_TX_ROWS_ENOUGH)
		share = window < PACE_TX_ROWS_ENOUGH ? window : PACE_TX_ROWS_ENOUGH;
	room = in_flight >= window ? 0 : window - in_flight;
	/* A remainder is not worth a transaction of its own. */
	if (in_flight > 0 && room < share && room < PACE_TX_ROWS_ENOUGH)
		room = 0;
	if (room < share)
		pace->limited = true;
	return room < share ? room : share;
}

void pace_sent(struct pace *pace, uint32_t in_flight)
{
	if (in_flight > pace->peak)
		pace->peak = in_flight;
}

/* The window as far as it was used: a part of what nobody uses changes nothing. */
static double used_window(const struct pace *pace)
{
	double used = pace->peak > PACE_TX_ROWS_ENOUGH ? pace->peak : PACE_TX_ROWS_ENOUGH;

	return used < pace->window ? used : pace->window;
}

/* What is on its way now tells nothing of a smaller window, and is not counted. */
static void cut(struct pace *pace, int64_t now_ms, double part)
{
	set_window(pace, used_window(pace) * part);
	pace->counted_from_ms = now_ms;
}

static void too_late(struct pace *pace, int64_t now_ms)
{
	double part = (double)pace->goal_ms / (double)pace->latency_ms;

	pace->in_vain = pace->hoped_ms && pace->latency_ms > pace->hoped_ms ? pace->in_vain + 1 : 0;
	if (pace->in_vain >= IN_VAIN_MOST) {
		set_window(pace, pace->before_cut);
		pace->goal_ms = pace->latency_ms * 2 < GOAL_MOST_MS ? pace->latency_ms * 2 : GOAL_MOST_MS;
		pace->goal_until_ms = now_ms + GOAL_RAISED_MS;
		pace->hoped_ms = 0;
		pace->in_vain = 0;
		return;
	}
	part = part < CUT_MOST ? CUT_MOST : part > CUT_LEAST ? CUT_LEAST : part;
	pace->hoped_ms = (int64_t)((double)pace->latency_ms * (1 - HELPED * (1 - part)));
	if (pace->in_vain == 0)
		pace->before_cut = pace->window;
	cut(pace, now_ms, part);
}

static void in_time(struct pace *pace)
{
	double part = (double)pace->latency_ms / (double)pace->goal_ms, grow = AIM / part;

	pace->hoped_ms = 0;
	if (part > NEAR || !(pace->limited || pace->peak + pace_window(pace) / pace->lanes >= pace_window(pace)))
		return;
	set_window(pace, pace->window * (part < 0.5 ? GROW_FAST : grow < GROW_MOST ? grow : GROW_MOST));
}

void pace_committed(struct pace *pace, int64_t now_ms, int64_t sent_ms, uint32_t rows)
{
	bool enough;

	if (sent_ms < pace->counted_from_ms || rows == 0)
		return;
	pace->rows += rows;
	pace->rows_ms += rows * (uint64_t)(now_ms - sent_ms);
	enough = (double)pace->rows * 2 >= pace->window;
	if (!enough && now_ms - pace->begin_ms < ROUND_GOALS_MOST * pace->goal_ms)
		return;
	pace->latency_ms = (int64_t)(pace->rows_ms / pace->rows);
	if (pace->goal_until_ms && now_ms >= pace->goal_until_ms) {
		pace->goal_ms = PACE_GOAL_MS;
		pace->goal_until_ms = 0;
	}
	if (pace->latency_ms > pace->goal_ms)
		too_late(pace, now_ms);
	else
		in_time(pace);
	begin_round(pace, now_ms);
}

void pace_failed(struct pace *pace, int64_t now_ms)
{
	if (pace->failed_ms && now_ms - pace->failed_ms < FAILED_AGAIN_MS)
		return;
	pace->failed_ms = now_ms;
	pace->hoped_ms = 0;
	cut(pace, now_ms, 0.5);
	begin_round(pace, now_ms);
}
