/* What the files of the lanes share: lane.c chooses what goes next, lane_pace.c how much of it, lane_outcome.c does what
 * came of it. */
#ifndef FLOW_LANE_PRIVATE_H
#define FLOW_LANE_PRIVATE_H

#include "flow/intake.h"
#include "flow/lane.h"
#include "flow/rate.h"
#include "flow/script.h"

struct lane {
	struct lanes *owner;
	int32_t number;
	/* All events that are not finished, in order: queue[first] up to queue[end], those of the transaction on its way among them. An array and
	 * no list, so that memory can be asked for ahead: by the time that an event's turn comes the caches have long lost it. */
	struct event **queue;
	size_t first, end, queue_cap;
	struct event *waits_for; /* an event at home in another lane: stand still until it is finished */
	size_t limit;            /* events in the next transaction */
	int64_t held_until_ms;   /* when the first of those that gather() passed over may go; INT64_MAX none */
	bool busy;               /* a transaction is on its way */
	bool again;              /* it is to be sent once more, as it is */
	bool retried;            /* it was: the time it took says nothing */
	uint32_t tx_rows;        /* rows of it */
	int64_t sent_ms;
	int64_t rests_from_ms, rests_until_ms; /* lane_rests */
	uint32_t answered_rows;                /* of a transaction that was committed since the last turn, which learns then what time it is */
	int64_t answered_sent_ms;

	struct tx tx;
	struct event **events;         /* of tx; LANE_EVENTS_MOST */
	struct partition **partitions; /* of tx, each referenced once; beside tx.progress */
	struct event **by_partition;   /* events of tx, partition after partition */
	size_t *partition_ends;        /* where each partition's end in by_partition */
	struct progress_row *rows;
	size_t partition_cap;
	struct lane_seen *seen; /* rows of targets that park, in the transaction that is gathered (lane_parked.c) */
	struct arena arena;     /* what tx points to beside the events */
};

enum { LANE_ADDED = 4096 }; /* a transaction has 2,000 rows */

struct lanes {
	struct sink *sink;
	struct parking *parking;
	struct lanes_events events;
	struct lane *lanes;
	int32_t count;
	bool hold;
	enum lanes_press press;
	int64_t held_until_ms; /* no partition stands back for longer, in any lane */
	bool moved;            /* in this turn: other lanes may go on now */
	int64_t now_ms;        /* as of the last turn */
	const char *script_version;
	int32_t first;       /* whose turn it is to begin: where the window is small, the others find it used */
	int64_t answered_ms; /* when the target last said anything; 0: it did not yet */
	int64_t away_ms;     /* how long it could not be reached so far */
	uint64_t gathered;   /* how many transactions were */
	struct lane_added {
		uint64_t key_hash, gathered; /* the transaction that has this row */
	} added[LANE_ADDED];                 /* rows that are added to (`merge`), each where its hash says; who comes later takes the place */
	uint32_t in_flight, waiting;
	uint32_t rows_in_flight, events_in_flight;
	uint32_t rows_stuck; /* of rows_in_flight, as of this turn */
	struct pace pace;
	struct rate rate;
	bool slowed; /* since the last turn the target has asked for another try */
	int64_t rate_again_ms;
	struct lane_counters counters;
	char problem[512];
};

/* Whose list the event stands in: its home, and where it is a guest (which = 1). */
static inline struct lane *lane_of(const struct lanes *all, const struct event *event, int which)
{
	return &all->lanes[event->lane_hash[which] % (uint64_t)all->count];
}

static inline bool lane_is_home(const struct lane *lane, const struct event *event)
{
	return lane_of(lane->owner, event, 0) == lane;
}

static inline struct partition_lane *lane_place(const struct lane *lane, const struct event *event)
{
	return &event->owner->lanes[lane->number];
}

enum { LANE_AHEAD = 32 }; /* how many events ahead memory is asked for */

/* Asks for what a lane looks at of events[i + LANE_AHEAD]. */
static inline void lane_look_ahead(struct event *const *events, size_t i, size_t end)
{
	if (i + LANE_AHEAD < end) {
		__builtin_prefetch(events[i + LANE_AHEAD]);
		__builtin_prefetch(&events[i + LANE_AHEAD]->bytes);
	}
}

/* And for the first change of the one half as far, whose place is known by then. */
static inline void lane_look_at_changes_ahead(struct event *const *events, size_t i, size_t end)
{
	if (i + LANE_AHEAD / 2 < end)
		__builtin_prefetch(events[i + LANE_AHEAD / 2]->changes);
}

static inline bool lane_is_empty(const struct lane *lane)
{
	return lane->first == lane->end;
}

/* Takes these events, which are in the queue, in this order and near its head, out of it. */
void lane_remove(struct lane *lane, struct event *const *events, size_t count);
/* Gives back what waits of partitions that are no longer ours. */
void lanes_drop_revoked(struct lanes *lanes);
/* lane_pace.c: what the event adds to the transaction that is gathered; a dead letter is a row too. No row: it only changes rows of state that
 * events before it change. From then on its own are there. */
struct lane_load {
	uint32_t rows;
	size_t bytes;
};
struct lane_load lane_load_of(const struct lane *lane, const struct event *event);
/* The event adds no row to the transaction that is gathered, and nothing that it follows from was passed over. */
bool lane_goes_along(const struct lane *lane, const struct event *event);
/* The event stays for a later transaction. What changes the same rows of state does not go along any more; false: nothing may go before it. */
bool lane_is_passed_over(const struct event *event);
/* How many rows of this lane may go now; 0: none, before one of those on their way has ended, or time has passed. */
uint32_t lane_room(struct lane *lane);
/* It has events, and is better left to gather more: until rests_until_ms, or until reading waits. */
bool lane_rests(const struct lane *lane);
/* What was answered since the last turn, now that the time is known. */
void lanes_learn_pace(struct lanes *lanes);
/* lane_parked.c: whether the event may join the transaction that is gathered; where it has to stand behind what is parked, it becomes
 * PARKED. */
bool lane_admits(struct lane *lane, struct event *event);
void lane_seen_reset(struct lane *lane);
void lane_seen_free(struct lane *lane);
/* What is parked, after the lane's transaction is committed. */
void lane_parked_committed(struct lane *lane);
/* A row that the event waits for is not there: it becomes PARKED, or (false) it has waited long enough, and err says for what. */
bool lane_parked_missed(struct lane *lane, struct event *event, struct error *err);

/* For struct tx. */
void lane_tx_done(struct tx *tx, enum sink_result result, const struct error *err);

#endif
