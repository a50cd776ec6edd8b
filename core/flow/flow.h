/* The chain from source to sink: reads what there is room for, decodes, runs scripts, hands events to lanes, and keeps count. It is
 * turned by its owner, who tells it the time; it never waits. */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include "base/buf.h"
#include "flow/format.h"
#include "flow/script.h"
#include "flow/sink.h"
#include "flow/source.h"

enum on_control { ON_CONTROL_IGNORE, ON_CONTROL_STOP, ON_CONTROL_DEAD_LETTER };

struct flow_options {
	struct source *source;       /* borrowed; not started */
	struct sink *sink;           /* borrowed; open */
	struct shapes *shapes;       /* borrowed */
	struct script_host *host;    /* borrowed; bound to the sink. Ready when it is swapped for another */
	const struct format *format; /* NULL: the host's own (sl.format) */
	struct format_options format_options;
	enum on_control on_ddl, on_truncate;
	size_t memory_bytes;            /* events in memory; reading stops there. Twice that where scripts keep state */
	size_t state_bytes;             /* of streamlua_state in memory, beyond what events on their way need */
	int32_t workers;                /* that share the source's partitions out among themselves; 0 or 1: this one alone */
	double rows_per_second_most;    /* 0: no limit */
	_Atomic int64_t *rate_taken_us; /* shared by all that it limits together; borrowed; may be NULL where there is no limit */
	int64_t events_most;            /* --max-events; 0: no limit */
	int64_t dead_letters_most;      /* within a minute, after which the flow stops; -1: no limit */
	bool parked_once;               /* ends when what is parked was tried once, and leaves the rest where it is */
};

struct flow_events {
	void (*wake)(void *ctx);     /* flow_turn is due */
	void (*ready)(void *ctx);    /* the first partitions are taken over, or there are none */
	void (*finished)(void *ctx); /* stopped, or a bounded source is at its end: all is committed. Once */
	/* It cannot go on. `stop`: a person has to act (on_error = "stop", ...); otherwise a new worker may do better. Once */
	void (*failed)(void *ctx, bool stop, const char *reason);
	/* The target's schema may have changed: the owner looks, and does flow_swap to scripts that are bound to it anew. at_once: the rows
	 * of this turn bring columns that it did not have. May be NULL */
	void (*schema)(void *ctx, bool at_once);
	void (*swapped)(void *ctx, struct script_host *old); /* the new host is in use; the old one is the caller's */
	void *ctx;
};

struct flow;

struct flow *flow_new(const struct flow_options *options, const struct flow_events *events);
int flow_start(struct flow *flow, struct error *err);
/* Does what there is to do, but not for long. Returns the milliseconds until the next turn is due anyway (0: at once). */
int64_t flow_turn(struct flow *flow, int64_t mono_ms, int64_t wall_ms);
/* Reads no more; finished() follows when what was read is committed. */
void flow_stop(struct flow *flow);
/* Uses this host from the next event on, between two transactions: events that are not written yet are processed anew by it. */
void flow_swap(struct flow *flow, struct script_host *host);
/* Whether it failed because partitions of it are another's now: what it had not committed is that one's to do. */
bool flow_is_fenced(const struct flow *flow);
/* After the source is closed. */
void flow_free(struct flow *flow);

/* The members of worker.h's STATS that are the flow's, without braces. */
void flow_stats(const struct flow *flow, struct buf *json);
/* Dead letters since the last time, the first few, a line of JSON each (flow/letters.h). */
void flow_letters(struct flow *flow, struct buf *lines);

#endif
