/* A sample as generate sees it: messages one after the other, and what they come to. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include "base/buf.h"

struct stream {
	void *self;
	/* The next message, lent until the next call. False when there are no more. */
	bool (*next)(void *self, struct slice *key, struct slice *value);
	/* What a target must hold after all messages: "name":number, separated by commas. */
	void (*outcome)(const void *self, struct buf *json);
	void (*free)(void *self);
};

#endif
