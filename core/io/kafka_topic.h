/* Topics of our own, made where they are missing. */
#ifndef IO_KAFKA_TOPIC_H
#define IO_KAFKA_TOPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct kafka_topic_options {
	const char *brokers;
	const char *const *config; /* librdkafka's properties: name, value ... NULL */
	const char *const *source; /* topics and patterns, as a source has them */
	const char *name;
	int32_t partitions; /* 0: as many as the source's topic has that has most */
	int64_t retention_ms;
	bool empty; /* what it holds is deleted */
};

/* 1: it was made, with *partitions; 0: it was there; -1: it could not be (err->passing: it may be soon). Blocks for some seconds at most. */
int kafka_topic_make(const struct kafka_topic_options *options, int32_t *partitions, struct error *err);

#endif
