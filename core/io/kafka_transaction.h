/* The steps of a producer's transactions for which librdkafka waits. A thread takes one at a time while the loop turns: of the calls that it makes some
 * cannot be asked in portions (rd_kafka_send_offsets_to_transaction of 2.0 waits for its answer, whatever it was told), and each lasts as long as a broker
 * is away. It shares nothing with the loop but the step that it was asked for, and each says through a descriptor that it is the other's turn. */
#ifndef IO_KAFKA_TRANSACTION_H
#define IO_KAFKA_TRANSACTION_H

#include <event2/event.h>
#include <librdkafka/rdkafka.h>

#include "base/error.h"

enum kafka_step {
	KAFKA_INIT,   /* waits for what an earlier producer of the same id has left, which is rolled back, and shuts that one out */
	KAFKA_COMMIT, /* with the offsets; all messages of it are produced, but not all of them need to be delivered */
	KAFKA_ABORT,
};

enum kafka_answer {
	KAFKA_DONE,
	KAFKA_ROLLED_BACK, /* instead of committed; another transaction can begin */
	KAFKA_BROKEN,      /* rolled back, or never begun; this producer is of no more use */
	KAFKA_IN_DOUBT,    /* as BROKEN, but it may have been committed: whoever initialises the same id next, and then asks for the offsets, knows */
};

struct kafka_transaction;

/* answered: from the loop, once for each step that was asked for. code: librdkafka's; err says why, and both mean nothing where all is DONE. */
struct kafka_transaction *kafka_transaction_new(
	struct event_base *loop, void (*answered)(void *ctx, enum kafka_answer answer, rd_kafka_resp_err_t code, const struct error *err), void *ctx);

/* One at a time. The producer is lent until the answer, and must be served meanwhile where messages of it are not delivered yet. offsets and
 * membership are of a COMMIT alone, and taken; offsets may be empty. */
void kafka_transaction_ask(struct kafka_transaction *transaction, rd_kafka_t *producer, enum kafka_step step,
			   rd_kafka_topic_partition_list_t *offsets, rd_kafka_consumer_group_metadata_t *membership);

/* A step that lasts is given up, within a second; its answer does not come. */
void kafka_transaction_free(struct kafka_transaction *transaction);

#endif
