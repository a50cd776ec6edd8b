/* What is parked: events whose row was not there, and those behind them, by the keys that they touch. The events themselves lie in
 * streamlua_parked, whole; in memory there is only what order needs: where each came from, since when, and hashes of its keys.
 * Whoever owns a partition holds what is parked of it, so it alone decides when an event comes back, and nothing of the key
 * overtakes it. */
#ifndef FLOW_PARKING_H
#define FLOW_PARKING_H

#include "base/buf.h"
#include "flow/event.h"
#include "flow/target.h"

/* Parked events of a worker: from here on partitions that have some are paused. About 100 bytes each. */
enum { PARKED_MOST = 1 << 16 };

enum parked_state {
	PARKED_IDLE,  /* in the table alone */
	PARKED_ASKED, /* the sink is reading it */
	PARKED_BACK,  /* an event again, in a lane */
};

/* A row that the event touches. Awaited: an update waits for whoever makes it; otherwise what comes behind it in its partition stays behind it. */
struct parked_key {
	uint64_t hash;
	bool awaited;
	struct parked *parked;
	struct parked_key *next; /* in the bucket */
};

struct parked {
	struct partition *partition; /* borrowed */
	int64_t offset;              /* in the partition's progress (message.position) */
	uint32_t part;
	int64_t since_ms; /* lanes_patience_ms when it came to this worker; -1: it was there before, and is dated when it is first read */
	int64_t age_ms;   /* that it had then */
	int64_t next_try_ms;
	uint32_t tries, bytes;          /* bytes: of the message */
	uint8_t state;                  /* enum parked_state */
	bool woken;                     /* its row came while it was not IDLE: it is tried again at once */
	bool counted;                   /* by the script that is in use */
	struct event *event;            /* BACK */
	struct parked *next, *previous; /* of the partition, by offset and part */
	uint32_t key_count;
	struct parked_key keys[];
};

struct parking {
	struct parked_key **buckets;
	size_t bucket_count, key_count; /* bucket_count: a power of two, or 0 */
	size_t count;
	bool stirred; /* something may be due that was not: whoever waits for what is due looks again */
};

/* The hash of the row that the change is of. Rows that the database may take for one have one: numbers and the text of their digits,
 * letters in another case. It is kept in the database, so it may never change. */
uint64_t parking_hash(const struct change *change);

/* The keys of an event's changes as they are kept in the table: 8 bytes each, the lowest bit of the last says whether it is awaited. */
void parking_pack(struct buf *out, const struct event *event);

/* keys as packed. One that is there already is replaced. */
struct parked *parking_add(struct parking *parking, struct partition *partition, int64_t offset, uint32_t part, struct slice keys, uint32_t bytes,
			   int64_t since_ms);
struct parked *parking_find(const struct partition *partition, int64_t offset, uint32_t part); /* NULL: there is none */
void parking_remove(struct parking *parking, struct parked *parked);
size_t parking_back(const struct partition *partition); /* how many of it are in lanes */
/* The partition is no longer ours. */
void parking_drop(struct parking *parking, struct partition *partition);
void parking_free(struct parking *parking); /* after its partitions have been dropped */

/* Whether a live change of this partition has to stand behind what is parked. A row that somebody makes does not: it is waited for. */
bool parking_blocks(const struct parking *parking, const struct partition *partition, const struct change *change);
/* An older one that touches one of its rows, or NULL; `passes` says which do not count. */
const struct parked *parking_before(const struct parking *parking, const struct parked *parked, bool (*passes)(void *ctx, const struct parked *older),
				    void *ctx);
/* The row is there now, or what stood before has gone: try what waits for it at once. */
void parking_wake(struct parking *parking, uint64_t hash);
/* It comes back unwritten: later, and ever later. Those of its rows that stand before it come with it: some are settled by what stands behind. */
void parking_again(struct parking *parking, struct parked *parked, int64_t now_ms);

#endif
