/* The rows of streamlua_state that a worker has at hand. An entry holds what its row will hold once every event that ran with it is
 * committed; the database holds what the committed ones made of it. An entry stays as long as an event that ran with it is not
 * settled; of the others the longest unused are given up when there is too much. So what is not here is in the database as it is. */
#ifndef FLOW_STATE_H
#define FLOW_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "base/buf.h"
#include "base/slice.h"

#define STATE_NO_TIME INT64_MAX

/* The two clocks that a row can be due by. */
enum state_clock { STATE_EVENT_TIME, STATE_WALL_TIME, STATE_CLOCKS };

struct partition; /* flow/progress.h */
struct panes;     /* flow/window.h */
struct state_entry;

/* Entries by when they are due, the earliest first. */
struct state_heap {
	struct state_entry **items;
	size_t count, cap;
};

/* How far it is known which rows are due, by one clock: those of the database up to this place are at hand. */
struct state_reach {
	bool begun; /* false: nothing is known */
	bool all;   /* there are no others */
	int64_t at;
	struct buf map, key;
};

/* Whose rows: a script. */
struct state_owner {
	uint32_t number;
	bool spans;     /* events of a key were seen to come from several partitions */
	size_t entries; /* at hand */
	struct state_heap due[STATE_CLOCKS];
	struct state_reach reach[STATE_CLOCKS];
};

struct state_entry {
	/* lua/streamlua/native.lua repeats these */
	double id;                /* never used twice in a cache */
	struct slice value;       /* JSON; n is 0 where there is no row */
	struct slice timers;      /* JSON; n is 0 where there are none */
	int64_t at[STATE_CLOCKS]; /* when it is due next, ms; STATE_NO_TIME: never */
	struct slice map, key;
	int32_t version; /* of the script's state */
	bool loaded;     /* false: nobody has asked the database yet */

	struct state_owner *owner;
	struct panes *panes;          /* what `value` says, of a window, taken apart; NULL: nobody has */
	struct partition *partition;  /* where its last event came from, whose progress guards it; NULL: not ours, and never due */
	bool met_end;                 /* the input has ended, and its windows were closed, or its timers looked at since: */
	int64_t end_ms[STATE_CLOCKS]; /* those until then run now */
	uint32_t stalled;             /* the host's pass in which an event stalled that ran with it (script_map.c) */
	uint64_t gathered;            /* the transaction that has its row (lane_pace.c), */
	uint32_t gathered_bytes;      /* and how large it is there */
	uint32_t users;               /* unsettled events that ran with it, or are about to */
	size_t value_cap, timers_cap;
	size_t place[STATE_CLOCKS];        /* in the heaps, from 1; 0: not in it */
	struct state_entry *older, *newer; /* by last use */
	UT_hash_handle hh;
};

struct state_cache {
	struct state_entry *entries;
	struct state_entry *oldest, *newest;
	size_t bytes, bytes_most;
	double next_id;
	struct state_entry **wanted; /* not loaded yet */
	size_t wanted_count, wanted_cap;
	char *name; /* a hash key being made */
	size_t name_cap;
};

/* The entry; where it is not at hand it is made, not loaded, and is wanted. */
struct state_entry *state_want(struct state_cache *cache, struct state_owner *owner, struct slice map, struct slice key);
/* NULL where it is not at hand. */
struct state_entry *state_find(struct state_cache *cache, const struct state_owner *owner, struct slice map, struct slice key);
/* What its row will be; copied, but for the partition. Neither value nor timers: there will be none. */
void state_set(struct state_cache *cache, struct state_entry *entry, struct partition *partition, struct slice value, struct slice timers,
	       const int64_t at[STATE_CLOCKS], int32_t version);
/* Panes that are the entry's from now on, in place of those that it had; NULL: none. Setting the entry lets them go. */
void state_hold_panes(struct state_cache *cache, struct state_entry *entry, struct panes *panes);
/* What was wanted and not found has no row. */
void state_loaded(struct state_cache *cache);
/* Gives up what was wanted by events that failed: nobody has asked for it. */
void state_unwant(struct state_cache *cache);
/* Gives up what nobody uses until the rest fits. `gone` is told of each before. */
void state_trim(struct state_cache *cache, void (*gone)(void *ctx, const struct state_entry *entry), void *ctx);
void state_forget(struct state_cache *cache, struct state_entry *entry);
void state_clear(struct state_cache *cache);

/* The one that is due first; NULL: none ever is. */
struct state_entry *state_first_due(const struct state_owner *owner, enum state_clock clock);
/* It is being worked on: due again only once it is set. */
void state_take_due(struct state_entry *entry, enum state_clock clock);
/* The database was asked for what is due beyond the reach; this is its last row (NULL: none came), and there are more or not. */
void state_reached(struct state_reach *reach, int64_t at, struct slice map, struct slice key, bool all);
/* What is due from then on has to be asked for again; INT64_MIN: everything. */
void state_unreach(struct state_owner *owner, enum state_clock clock, int64_t at);
void state_owner_deinit(struct state_owner *owner); /* after the cache is cleared */

#endif
