/* What a sink that is no database has to say to those who asked: always from the loop, never from within the call. */
#ifndef IO_ANSWERS_H
#define IO_ANSWERS_H

#include <event2/event.h>

#include "flow/sink.h"

struct answer;

struct answers {
	struct event *due;
	struct answer *items; /* given and not yet said, in order */
	size_t count, cap;
};

void answers_init(struct answers *answers, struct event_base *loop);
/* What was not said by then never is. */
void answers_deinit(struct answers *answers);
/* Nothing is known of these partitions, as a sink that keeps no progress has to say. */
void answers_fresh(struct answers *answers, struct takeover *takeover);
/* This transaction's result, said after after_ms. err is copied, and may be NULL where the result is COMMITTED. */
void answers_result(struct answers *answers, struct tx *tx, enum sink_result result, const struct error *err, int64_t after_ms);

#endif
