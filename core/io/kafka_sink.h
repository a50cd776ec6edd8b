/* Changes as Kafka messages: the value is the line that the sink jsonl writes, the key the target's key as JSON. Headers say of which
 * message it was made, so that a reader can drop what comes twice. Written at least once, or exactly once: in Kafka's own transactions. */
#ifndef IO_KAFKA_SINK_H
#define IO_KAFKA_SINK_H

#include <event2/event.h>

#include "flow/sink.h"

struct kafka_sink_options {
	const char *brokers;
	const char *topic;      /* NULL: each target is a topic of its name */
	const char *const *key; /* columns that make the messages' keys where scripts name none, TARGET_KEY_MOST at most; NULL-terminated, or NULL */
	const char *const *config; /* librdkafka's properties: name, value ... NULL. They override ours */
	const char *dead_letters;  /* a file's path */
	const char *job;
	/* The sink keeps the progress, in the offsets of the source's consumer group: kafka_sink_join says which. Needs a source on these very
	 * brokers. Dead letters are in a file, which is no part of it. */
	bool exactly_once;
	/* Each event is written as the message that it is of, keyed anew, into the topic that its script's `repartition` names: one of these, up to a
	 * NULL. `topic` is none then. NULL: changes are written. */
	const char *const *rekeyed;
};

/* Strings are copied. NULL where the job is wrong: an unknown property ... */
struct sink *kafka_sink_new(struct event_base *loop, const struct kafka_sink_options *options, struct error *err);

/* Before the first take_over of a sink that is to write exactly once: whose group it is, borrowed. Begins to shut out, and to roll back, what
 * an earlier producer of the same transactional id has left: it should be that of a worker that may have died in this one's place. */
struct source;
int kafka_sink_join(struct sink *sink, struct source *source, const char *transactional_id, struct error *err);

#endif
