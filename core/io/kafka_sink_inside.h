/* What the parts of the Kafka sink share: kafka_sink.c (the sink, and messages made of changes) and kafka_sink_tx.c (where they are written exactly
 * once). Included by them alone. */
#ifndef IO_KAFKA_SINK_INSIDE_H
#define IO_KAFKA_SINK_INSIDE_H

#include "io/answers.h"
#include "io/dead_letter_file.h"
#include "io/kafka_producer.h"
#include "io/kafka_sink.h"
#include "io/kafka_transaction.h"

enum {
	BACK_OFF_MS = 1000,
	LATE_MS = 3000,  /* what is on its way for so long is a problem */
	FLUSH_MS = 2000, /* for what is on its way when the sink is closed; it is written again by the next run */
	TOPIC_NAME_MOST = 249,
	FULL_MS = 20,    /* until a full queue is tried again */
	MEMBERS_MS = 50, /* until what is not committed because the group's members changed is written anew */
};

struct kafka_sink {
	struct sink sink;
	struct sink_ops ops; /* exactly once or at least once */
	struct event_base *loop;
	char *topic; /* NULL: that of a change's target */
	char *key_columns[TARGET_KEY_MOST + 1];
	struct kafka_rekeyed { /* kafka_sink_rekey.c: a topic of `repartition`; name is NULL behind the last */
		char *name;
		int32_t partitions;
	} * rekeyed; /* NULL: changes are written */
	struct dead_letter_file dead_letters;
	struct answers answers;

	struct kafka_producer producer;
	struct event *wake, *full;
	bool broken; /* librdkafka's fatal error: it needs another producer */

	/* Exactly once: what is produced and the offsets of the group are one transaction of Kafka's. */
	struct kafka_transaction *transaction; /* NULL: at least once */
	struct source *source;
	char *transactional_id;
	bool begun, asked;                              /* asked: a step is the thread's, nothing else is to happen */
	rd_kafka_consumer_group_metadata_t *membership; /* as it was when tx was given to us */

	struct tx *tx; /* being written; NULL: none */
	size_t at;     /* of its events: the next to produce */
	const struct change *change;
	uint32_t number;  /* of that change among those of its event that are written here */
	uint64_t pending; /* messages that are not answered yet */
	int64_t since_ms;
	enum sink_result result; /* of those that are answered */
	struct error err;
	struct buf key, value;
	char problem[400];
};

/* kafka_sink.c: produces what is left of the transaction, and answers once every message of it is. */
void kafka_sink_go_on(struct kafka_sink *k);
/* As k->result says, after wait_ms. */
void kafka_sink_answer(struct kafka_sink *k, int64_t wait_ms);
/* The dead letters of the transaction into their file; what goes wrong is the result. */
void kafka_sink_flush_letters(struct kafka_sink *k);

/* kafka_sink_rekey.c: which topics there are; how many partitions they have (asks the brokers); an event as the message that it is of, as k->at and
 * k->number say: false where librdkafka takes no more for now. */
void kafka_sink_rekey_init(struct kafka_sink *k, const char *const *topics);
int kafka_sink_rekey_open(struct kafka_sink *k, struct error *err);
bool kafka_sink_rekey_produce(struct kafka_sink *k);
void kafka_sink_rekey_free(struct kafka_sink *k);
/* Why a message was not taken. */
void kafka_sink_note(struct kafka_sink *k, const char *topic, rd_kafka_resp_err_t code);

/* kafka_sink_tx.c. True: messages can be produced. */
bool kafka_sink_tx_begin(struct kafka_sink *k);
/* All messages are produced, or one could not be (k->result). */
void kafka_sink_tx_end(struct kafka_sink *k);
/* A new producer has taken the place of a broken one, or is the first. */
void kafka_sink_tx_init(struct kafka_sink *k);
/* Takes note of who we are in the group: before the loop turns again, so that all partitions of the transaction are ours. */
void kafka_sink_tx_identify(struct kafka_sink *k);
void kafka_sink_tx_free(struct kafka_sink *k);

#endif
