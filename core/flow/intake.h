/* One turn's messages: copied into one arena together with all that is made of them. It is given back when the last of
 * its events is done, so a batch costs a handful of allocations however many events it has. */
#ifndef FLOW_INTAKE_H
#define FLOW_INTAKE_H

#include "flow/event.h"

struct state_stamp; /* flow/state_change.h */

struct intake {
	struct arena arena;
	struct slice topic;         /* of the last message, which is nearly always the next one's too */
	struct state_stamp *stamp;  /* of the last row of state; NULL: there was none yet */
	struct event *first, **end; /* all events in order of arrival */
	uint32_t count;             /* of events */
	uint32_t unfinished;        /* not yet done, plus one while it is being filled, plus one until its events have run */
	bool looks;                 /* its events have found what their scripts look up, and have not run */
	bool rekeyed;               /* some of its messages went through a topic of `repartition` */
	bool stalled;               /* some of its events have to run again */
	bool begun;                 /* its events are routed, and the state they need is asked for */
	bool ran;                   /* its events went through their scripts */
	bool again;                 /* and are to go once more */
	struct intake *next_to_run;
	struct intakes *owner;
	struct intake *next, *previous; /* in use, oldest first; or free */
};

struct intakes {
	struct intake *oldest, *newest, *free;
	uint32_t free_count;
};

struct intake *intake_new(struct intakes *intakes);
/* A copy of the message that lives as long as the intake; key and value are followed by JSON_PADDING readable bytes. */
struct message *intake_copy(struct intake *intake, const struct message *message);
/* An event of this message, all else of it zero. Whoever makes it puts it into its intake. */
struct event *event_of_message(struct arena *arena, const struct message *message);
void intake_add(struct intake *intake, struct event *event);
/* One of its events is done (or it has been filled): with the last one it goes back to its owner. */
void intake_release(struct intake *intake);
/* Bytes held by intakes in use. */
size_t intakes_bytes(const struct intakes *intakes);
void intakes_free(struct intakes *intakes);

#endif
