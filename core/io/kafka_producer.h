/* librdkafka's producer with its options, made anew where it has come to an end. What it has to tell is told when it is served, and
 * never by another thread. */
#ifndef IO_KAFKA_PRODUCER_H
#define IO_KAFKA_PRODUCER_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"

struct kafka_producer {
	rd_kafka_t *rk; /* NULL: not started */
	rd_kafka_queue_t *told;
	int wake_fd;   /* readable where kafka_producer_serve has something to tell */
	char **config; /* name, value ... NULL */
	void (*on_delivered)(const rd_kafka_message_t *message, void *ctx);
	void (*on_error)(rd_kafka_t *rk, int code, const char *reason, void *ctx);
	void *ctx;
};

/* The callbacks and ctx are set. config: properties that override ours; may be NULL. -1: one of them is wrong; deinit it all the same. */
int kafka_producer_init(struct kafka_producer *producer, const char *brokers, const char *const *config, struct error *err);
/* transactional_id: NULL where it is to have no transactions. */
int kafka_producer_start(struct kafka_producer *producer, const char *transactional_id, struct error *err);
/* The brokers answer, and the topic is there or can be made. Blocks for some seconds at most. */
int kafka_producer_check_topic(struct kafka_producer *producer, const char *name, struct error *err);
/* How many partitions a topic has; 0: there is none, -1: the brokers do not say. Blocks likewise. */
int32_t kafka_producer_partitions(struct kafka_producer *producer, const char *name, struct error *err);
/* Of a topic that may just have been made, which brokers hear of one after the other. */
int32_t kafka_producer_await_partitions(struct kafka_producer *producer, const char *name, struct error *err);
/* Calls on_delivered and on_error; waits for the first of them for at most wait_ms. */
void kafka_producer_serve(struct kafka_producer *producer, int wait_ms);
/* What is on its way is given up. Harmless where it is not started. */
void kafka_producer_stop(struct kafka_producer *producer);
void kafka_producer_deinit(struct kafka_producer *producer);

#endif
