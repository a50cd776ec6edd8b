/* Changes as Kafka messages: the value is the line that the sink jsonl writes, the key the target's key as JSON. Headers say of which
 * message it was made, so that a reader can drop what comes twice: it is written at least once. */
#ifndef IO_KAFKA_SINK_H
#define IO_KAFKA_SINK_H

#include <event2/event.h>

#include "flow/sink.h"

struct kafka_sink_options {
	const char *brokers;
	const char *topic;         /* NULL: each target is a topic of its name */
	const char *const *config; /* librdkafka's properties: name, value ... NULL. They override ours */
	const char *dead_letters;  /* a file's path */
	const char *job;
};

/* Strings are copied. NULL where the job is wrong: an unknown property ... */
struct sink *kafka_sink_new(struct event_base *loop, const struct kafka_sink_options *options, struct error *err);

#endif
