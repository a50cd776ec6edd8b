/* A Kafka broker for trying things out: librdkafka's mock cluster, with a producer that writes to it. It speaks the real protocol on a
 * port of this machine and keeps everything in memory. It brings threads into the process that makes it. */
#ifndef IO_MOCK_BROKER_H
#define IO_MOCK_BROKER_H

#include "base/error.h"
#include "base/slice.h"

struct mock_broker;

struct mock_broker *mock_broker_new(struct error *err);            /* NULL with err */
const char *mock_broker_address(const struct mock_broker *broker); /* HOST:PORT */
int mock_broker_add_topic(struct mock_broker *broker, const char *topic, int partitions, struct error *err);
/* Hands a message over; its key picks the partition as Kafka's own producer does. value.p is NULL for a tombstone. */
int mock_broker_send(struct mock_broker *broker, const char *topic, struct slice key, struct slice value, struct error *err);
/* Waits until everything handed over is in its topic. */
int mock_broker_flush(struct mock_broker *broker, struct error *err);
void mock_broker_free(struct mock_broker *broker); /* NULL is harmless */

#endif
