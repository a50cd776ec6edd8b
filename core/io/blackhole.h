/* Nowhere, after all the work that comes before a database: for measuring, and for trying scripts out. */
#ifndef IO_BLACKHOLE_H
#define IO_BLACKHOLE_H

#include <event2/event.h>

#include "flow/sink.h"

struct blackhole_counts {
	uint64_t transactions, events, rows; /* rows: what is left of the changes after merging */
};

/* Strings are copied. lanes: as many as the database has that it stands for. NULL with err. */
struct sink *blackhole_new(struct event_base *loop, int32_t lanes, const char *dead_letters_path, const char *job, struct error *err);
struct blackhole_counts blackhole_counts(const struct sink *sink);

#endif
