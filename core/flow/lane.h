/* Lanes: events with one key, in order, one transaction at a time.
 *
 * An event belongs to one lane, or to two when it moves a row from one key to another. It is then written by the first of
 * them (its home), when the other has come to it and stands still: never half in one transaction and half in another, and
 * never overtaking what either lane had before. Lanes get events in one common order, so they cannot wait for each other in a
 * circle.
 *
 * A transaction that the sink refuses is tried again with half as many events, down to the one at fault, which becomes a
 * dead letter; the next ones grow again. One whose unique value is still another row's (SINK_TAKEN) makes its partition stand
 * back in this lane, so that the partition which will free the value is not held up. One with updates whose rows are not there
 * (SINK_MISSED) is sent again with those events PARKED; they come back through their lane (core/README.md, "Parked").
 *
 * How many rows are on their way at a time follows the target (pace.h), and how many go a second may be limited (rate.h). */
#ifndef FLOW_LANE_H
#define FLOW_LANE_H

#include "flow/histogram.h"
#include "flow/pace.h"
#include "flow/parking.h"
#include "flow/progress.h"
#include "flow/sink.h"

/* A transaction holds at most this. 2,000 rows of a few hundred bytes are where MariaDB and TiDB no longer gain. Events may be more where they
 * change the same rows of streamlua_state: all of them together write each once. */
enum { LANE_ROWS_MOST = 2000, LANE_EVENTS_MOST = 16384, LANE_BYTES_MOST = 2 << 20 };
/* Of lanes whose events share rows about so many are busy at a time (lanes_press), and share the window. */
enum { LANES_SHARING = 2 };

struct lanes;

/* What lanes tell their owner. */
struct lanes_events {
	/* The event is committed (outcome WRITTEN, DEAD with its dead letter, or PARKED), or was SKIPPED. */
	void (*finished)(void *ctx, struct event *event);
	/* Taken out unwritten because its partition is no longer ours. */
	void (*dropped)(void *ctx, struct event *event);
	/* The sink refused it after it ran: it is a dead letter now, or skipped; a timer is neither yet, and nothing more of its lane is to go
	 * (lanes_hold). */
	void (*refused)(void *ctx, struct event *event);
	/* Another worker has this partition: the owner answers with `partition->revoked = true`, or lanes_drop. */
	void (*fenced)(void *ctx, struct partition *partition);
	/* This partition's events stand back in a lane. */
	void (*held)(void *ctx, struct partition *partition);
	/* on_error = "stop": this event must stop the job. */
	void (*stop)(void *ctx, struct event *event);
	/* This event is to be written as a dead letter. */
	void (*dead)(void *ctx, struct event *event);
	/* A transaction failed for what only a person changes: the job, or the target's schema. */
	void (*failed)(void *ctx);
	/* What keeps transactions from being committed, for /readyz; "" when all is well again. */
	void (*problem)(void *ctx, const char *text);
	/* A transaction has ended: lanes_turn is due. */
	void (*wake)(void *ctx);
	void *ctx;
};

struct lane_counters {
	uint64_t transactions, events, refused, retries;
	struct histogram
		histograms[HISTOGRAM_KINDS]; /* of transactions that had rows and were committed: what they took, from BEGIN on; their rows */
};

/* What is parked is borrowed: kept by the lanes as transactions end. */
struct lanes *lanes_new(struct sink *sink, int32_t count, struct parking *parking, const struct lanes_events *events);
/* No more rows a second than that, together with all others that share taken_us (rate.h). Before the first turn. */
void lanes_limit(struct lanes *lanes, _Atomic int64_t *taken_us, double rows_per_second);
void lanes_free(struct lanes *lanes);

/* Puts the event behind its lane_hashes' lanes. It is not written before the next lanes_turn. */
void lanes_add(struct lanes *lanes, struct event *event);
/* Begins what can begin: call after adding, and again at the time that it returns (INT64_MAX: when something happens). */
int64_t lanes_turn(struct lanes *lanes, int64_t now_ms, const char *script_version);
/* The partition is no longer ours: gives back what waits of it, now; what is on its way when its transaction ends. */
void lanes_drop(struct lanes *lanes, struct partition *partition);
/* Takes everything that waits out of the lanes, as new; only when nothing is on its way. */
void lanes_clear(struct lanes *lanes);
/* Writes this partition's progress where no event carries it: on a lane that is free. False: none is. */
bool lanes_write_progress(struct lanes *lanes, struct partition *partition, const char *script_version);

uint32_t lanes_in_flight(const struct lanes *lanes); /* transactions on their way */
/* The target has answered, whatever it said. */
void lanes_answered(struct lanes *lanes);
/* What time it is, in milliseconds, for what waits as long as park_for says: it stands still while the target cannot be reached. */
int64_t lanes_patience_ms(const struct lanes *lanes, int64_t now_ms);
uint32_t lanes_waiting(const struct lanes *lanes); /* events added and not finished, on their way included */
const struct lane_counters *lanes_counters(const struct lanes *lanes);
const struct pace *lanes_pace(const struct lanes *lanes);
/* A row of streamlua_state, or one that is added to (`merge`), is written once a transaction, however many events changed it. So a lane whose
 * events share such rows rests after each transaction, for as long as that took and longer: what gathers meanwhile costs the target nothing
 * more. Why lanes do not rest as long as they may: */
enum lanes_press {
	LANES_MAY_REST,
	LANES_SHORT, /* reading waits for what events take: the one that has rested longest goes, as long as less than half of it is on its way */
	LANES_LAST,  /* nothing more is to come: none rests */
};
void lanes_press(struct lanes *lanes, enum lanes_press press);
/* While stopped no transaction begins: for a reload, which swaps between two. */
void lanes_hold(struct lanes *lanes, bool hold);

#endif
