/* What stands beside the offsets of a group in Kafka: how much they mean to whoever comes next. */
#ifndef IO_KAFKA_MARK_H
#define IO_KAFKA_MARK_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

struct kafka_mark {
	bool start; /* the offset is what `start` was resolved to, and nothing was written since */
	/* Everything is read and settled that was there at ended_ms (the wall clock where a run found the end), and is from before until_ms. 0:
	 * not said. */
	int64_t ended_ms, until_ms;
	int64_t from_ms; /* written by a run with --from that was begun then; 0: by another */
	uint32_t parts;  /* of the message at the offset so many events are done */
};

void kafka_mark_put(rd_kafka_topic_partition_t *entry, struct kafka_mark mark);
struct kafka_mark kafka_mark_of(const rd_kafka_topic_partition_t *entry);

#endif
