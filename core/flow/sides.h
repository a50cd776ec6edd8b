/* The sinks of a job as one: rows go to its sink, or to one of its side sinks by name ("alerts:orders").
 *
 * A transaction's changes for side sinks are written first; when all of them are acknowledged, it is committed to the job's sink with all that was
 * promised there. So what goes aside is there at least once, and never of an event that is lost: who dies in between writes it again, with the
 * same origin (io/origin.h). A side sink that is away holds the transaction back. What is acknowledged is remembered in the change (`told`): a
 * transaction that is tried again, or halved, does not write it again. Lanes that wait for a side sink go into its next transaction
 * together. */
#ifndef FLOW_SIDES_H
#define FLOW_SIDES_H

#include "flow/sink.h"

enum { SIDES_MOST = 32 };

struct side_sink {
	const char *name; /* copied */
	struct sink *sink;
};

/* Owns the sinks from now on. count: SIDES_MOST at most. Side sinks have no tables, so that they describe targets as open. */
struct sink *sides_new(struct sink *main, const struct side_sink *sides, size_t count);

#endif
