/* Exactly once: the messages of a transaction and the offsets behind the events that they are made of are one transaction of Kafka's. The offsets are
 * the consumer group's own, so that Kafka refuses them where the partitions may be another member's by now. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "flow/progress.h"
#include "io/kafka.h"
#include "io/kafka_mark.h"
#include "io/kafka_sink_inside.h"

/* It is over, and was not committed: gathered anew, without what is no longer ours. */
static void give_back(struct kafka_sink *k, int64_t wait_ms)
{
	if (k->result == SINK_RETRY)
		k->result = SINK_FAILED; /* RETRY would be sent again as it is */
	kafka_sink_answer(k, k->result == SINK_FAILED ? wait_ms : 0);
}

static bool is_of_members(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
	case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
	case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
		return true;
	default:
		return false;
	}
}

static void fail(struct kafka_sink *k, enum sink_result result, const struct error *err)
{
	if (k->result != SINK_COMMITTED) /* an event is to blame, and that was noted before */
		return;
	k->result = result;
	k->err = *err;
	error_prefix(&k->err, "kafka sink: transaction %s", k->transactional_id);
}

static void on_answer(void *ctx, enum kafka_answer answer, rd_kafka_resp_err_t code, const struct error *err)
{
	struct kafka_sink *k = ctx;
	bool was_begun = k->begun;

	k->asked = k->begun = false;
	k->broken |= answer == KAFKA_BROKEN || answer == KAFKA_IN_DOUBT;
	if (!k->tx)
		return;
	if (answer == KAFKA_DONE && !was_begun) { /* initialised */
		kafka_sink_go_on(k);
		return;
	}
	if (answer == KAFKA_IN_DOUBT || code == RD_KAFKA_RESP_ERR__FENCED)
		fail(k, SINK_FENCED, err); /* who begins anew asks how far the group has come */
	else if (answer != KAFKA_DONE)
		fail(k, SINK_FAILED, err);
	if (k->result == SINK_FENCED)
		log_warn("%s", k->err.text);
	give_back(k, is_of_members(code) ? MEMBERS_MS : BACK_OFF_MS);
}

void kafka_sink_tx_init(struct kafka_sink *k)
{
	k->asked = true;
	kafka_transaction_ask(k->transaction, k->producer.rk, KAFKA_INIT, NULL, NULL);
}

void kafka_sink_tx_identify(struct kafka_sink *k)
{
	if (k->membership)
		rd_kafka_consumer_group_metadata_destroy(k->membership);
	k->membership = kafka_membership(k->source);
}

bool kafka_sink_tx_begin(struct kafka_sink *k)
{
	rd_kafka_error_t *error;
	struct error err;

	if (k->asked)
		return false;
	if (k->begun)
		return true;
	error = k->membership ? rd_kafka_begin_transaction(k->producer.rk) : NULL;
	if (k->membership && !error) {
		k->begun = true;
		return true;
	}
	k->broken |= error != NULL;
	error_set(&err, "%s", error ? rd_kafka_error_string(error) : "this worker is no member of its group now");
	if (error)
		rd_kafka_error_destroy(error);
	fail(k, SINK_FAILED, &err);
	give_back(k, BACK_OFF_MS);
	return false;
}

static rd_kafka_topic_partition_list_t *offsets_of(const struct tx *tx, int64_t from_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)tx->progress_count);

	for (size_t i = 0; i < tx->progress_count; i++) {
		const struct progress_row *row = &tx->progress[i];
		rd_kafka_topic_partition_t *entry;
		char topic[256]; /* Kafka's own limit is 249 */

		if (row->next_offset < 0)
			continue; /* nothing was read of it yet */
		snprintf(topic, sizeof topic, "%.*s", SLICE_ARG(row->topic));
		entry = rd_kafka_topic_partition_list_add(list, topic, row->partition);
		entry->offset = row->next_offset;
		kafka_mark_put(entry, (struct kafka_mark){ .parts = row->next_part, .from_ms = from_ms });
	}
	return list;
}

void kafka_sink_tx_end(struct kafka_sink *k)
{
	if (k->result == SINK_COMMITTED && !k->broken)
		kafka_sink_flush_letters(k);
	k->asked = true;
	if (k->result == SINK_COMMITTED) {
		kafka_transaction_ask(k->transaction, k->producer.rk, KAFKA_COMMIT, offsets_of(k->tx, kafka_from_ms(k->source)), k->membership);
		k->membership = NULL;
	} else {
		kafka_transaction_ask(k->transaction, k->producer.rk, KAFKA_ABORT, NULL, NULL);
	}
}

int kafka_sink_join(struct sink *sink, struct source *source, const char *transactional_id, struct error *err)
{
	struct kafka_sink *k = (struct kafka_sink *)sink;

	BUG_IF(!sink->ops->in_order || k->transaction);
	k->source = source;
	k->transactional_id = strdup(transactional_id);
	BUG_IF(!k->transactional_id);
	kafka_producer_stop(&k->producer);
	if (kafka_producer_start(&k->producer, transactional_id, err) < 0)
		return -1;
	k->transaction = kafka_transaction_new(k->loop, on_answer, k);
	kafka_sink_tx_init(k);
	return 0;
}

void kafka_sink_tx_free(struct kafka_sink *k)
{
	kafka_transaction_free(k->transaction);
	k->transaction = NULL;
	if (k->membership)
		rd_kafka_consumer_group_metadata_destroy(k->membership);
	k->membership = NULL;
}
