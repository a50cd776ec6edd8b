/* Messages between master and worker over a socket pair: a verb, a length, bytes. In order, none lost; the end of the
 * channel means that the other process is gone. Runs on the owner's event loop. */
#ifndef RUN_CHANNEL_H
#define RUN_CHANNEL_H

#include <event2/event.h>

#include "base/slice.h"

/* To the worker: PREPARE (a packed bundle), SWAP, FORGET (what was prepared), STOP (drain and end), ASK (for STATS).
 * To the master: READY (its first partitions are taken over, or it has none), PREPARED, REFUSED (reason), SWAPPED, LETTERS (flow/letters.h, before STATS
 * where there are some), STATS (JSON, see worker.h),
 * FINISHED (bounded: all is done; a last STATS came before). */
enum channel_verb {
	CHANNEL_PREPARE = 1,
	CHANNEL_SWAP,
	CHANNEL_FORGET,
	CHANNEL_STOP,
	CHANNEL_ASK,
	CHANNEL_READY,
	CHANNEL_PREPARED,
	CHANNEL_REFUSED,
	CHANNEL_SWAPPED,
	CHANNEL_STATS,
	CHANNEL_LETTERS,
	CHANNEL_FINISHED,
};

struct channel;

/* on_message: the bytes are lent. on_end: once, the other side is gone; the channel may be freed within. */
struct channel *channel_new(struct event_base *loop, int fd, void (*on_message)(void *ctx, enum channel_verb verb, struct slice bytes),
			    void (*on_end)(void *ctx), void *ctx);
void channel_send(struct channel *channel, enum channel_verb verb, struct slice bytes);
/* Waits until everything sent is in the socket, for the last words of a process. */
void channel_flush(struct channel *channel);
void channel_free(struct channel *channel); /* closes fd */

#endif
