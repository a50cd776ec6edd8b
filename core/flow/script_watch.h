/* What a script works on, in memory that outlives its process: a script that never ends, or that brings its worker down, is told
 * from all others by the message that it had. Who takes over runs scripts on that message with care (flow/script_guard.h). */
#ifndef FLOW_SCRIPT_WATCH_H
#define FLOW_SCRIPT_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	WATCH_OWNERS_MOST = 1024, /* partitions that one intake can have messages of */
	SUSPECTS_MOST = 256,
	FRUGAL_MESSAGES = 2000, /* after a worker was brought down */
	FRUGAL_INTAKE = 16,
	FRUGAL_SINGLY = 2 * FRUGAL_MESSAGES, /* above FRUGAL_MESSAGES: one by one */
};

/* The beginning is known to lua/streamlua/native.lua, which writes it before each event. */
struct script_watch {
	volatile double serial;     /* another one for each event; 0: no script is running */
	const void *volatile owner; /* of the message, */
	volatile int64_t position;  /* and its place in there */
	volatile uint32_t at;       /* the event's place in the work that Lua was given */
	_Atomic bool careful;       /* instructions are counted, which takes its time: it ends by itself */
	_Atomic uint32_t frugal;    /* so many messages are still to be taken a few at a time: the rest of an intake is soon done for good */
	uint32_t owner_count;
	uint64_t version; /* hash of the scripts' version */
	struct watch_owner {
		const void *owner; /* only compared */
		uint64_t topic;    /* hash of its name */
		int32_t partition;
	} owners[WATCH_OWNERS_MOST];
};

/* A message on which scripts of this version brought a worker down, or kept it. */
struct suspect {
	uint64_t topic, version;
	int64_t position;
	int32_t partition;
	_Atomic uint32_t times; /* 0: this place is empty or being written */
};

/* Written by the master alone; the oldest makes room. */
struct suspects {
	_Atomic uint32_t count; /* of all that were ever added */
	struct suspect items[SUSPECTS_MOST];
};

/* The message that the watch names is at fault once more. Returns how often it was, or 0 where the watch names none. */
uint32_t suspects_add(struct suspects *suspects, const struct script_watch *watch);

#endif
