/* The parts of `streamlua doctor`: doctor_source.c, doctor_target.c, doctor_tables.c, doctor_limits.c. */
#ifndef RUN_DOCTOR_PRIVATE_H
#define RUN_DOCTOR_PRIVATE_H

#include "flow/sql.h"
#include "run/job_private.h"

enum finding { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_FINDINGS };

struct doctor {
	struct job *job;
	const struct run_options *options;
	struct event_base *loop;
	struct sink *sink; /* looked at; NULL: it could not be */
	enum sql_dialect dialect;
	bool json;
	unsigned counts[DOCTOR_FINDINGS];
	/* What one part finds out for another. */
	int64_t message_bytes; /* the largest message that a topic takes; 0: not known */
	size_t brokers;
	int64_t packet_bytes; /* max_allowed_packet; 0: not known, or without limit */
};

/* Prints a finding. check: which of the checks it is of ("retention"); about: the topic, table or broker, NULL: it is about the whole; change: what would mend it,
 * NULL where nothing is to be done. */
void doctor_say(struct doctor *doctor, enum finding finding, const char *check, const char *about, const char *change, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* "3 days", "12 hours", "5 minutes", "0 seconds" into out, which is returned. */
char *doctor_span(int64_t ms, char out[32]);
int64_t doctor_number(struct slice cell);
/* Asks the target; -1 with err. row may be NULL. */
int doctor_ask(struct doctor *doctor, struct buf *statements, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx,
	       struct error *err);
/* Whether the target has a table of this name. */
bool doctor_has_table(struct doctor *doctor, const char *name);

void doctor_target(struct doctor *doctor); /* the server; sets sink */
void doctor_tables(struct doctor *doctor); /* streamlua's tables and those of scripts: there, usable, and in which order */
void doctor_source(struct doctor *doctor); /* after the target: progress is there */
void doctor_limits(struct doctor *doctor); /* last */

#endif
