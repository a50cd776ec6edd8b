/* The first stage of `repartition`: each event goes as the message that it is of into the topic that its script names, into the partition of its
 * key. The key decides by itself which that is, in every worker and every version of this program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/rekey.h"
#include "flow/script.h"
#include "io/kafka_sink_inside.h"

void kafka_sink_rekey_init(struct kafka_sink *k, const char *const *topics)
{
	size_t count = 0;

	while (topics[count])
		count++;
	k->rekeyed = calloc(count + 1, sizeof(*k->rekeyed));
	BUG_IF(!k->rekeyed);
	for (size_t i = 0; i < count; i++) {
		k->rekeyed[i].name = strdup(topics[i]);
		BUG_IF(!k->rekeyed[i].name);
	}
}

void kafka_sink_rekey_free(struct kafka_sink *k)
{
	for (struct kafka_rekeyed *topic = k->rekeyed; topic && topic->name; topic++)
		free(topic->name);
	free(k->rekeyed);
}

int kafka_sink_rekey_open(struct kafka_sink *k, struct error *err)
{
	for (struct kafka_rekeyed *topic = k->rekeyed; topic->name; topic++) {
		topic->partitions = kafka_producer_await_partitions(&k->producer, topic->name, err);
		if (topic->partitions == 0)
			error_set(err, "there is no such topic any more");
		if (topic->partitions <= 0)
			return error_prefix(err, "repartition: topic %s", topic->name);
	}
	return 0;
}

static const struct kafka_rekeyed *topic_of(const struct kafka_sink *k, const struct event *event)
{
	const struct kafka_rekeyed *topic = k->rekeyed;

	while (!slice_is(event->script->repartition, topic->name))
		topic++;
	return topic;
}

/* The event as one of its keys has it; p of `key` is NULL where that is not known. */
struct half {
	const struct kafka_rekeyed *topic;
	enum rekey_side side;
	struct slice key;
	int32_t partition;
};

enum { HALVES_MOST = 2 * REKEYED_MOST };

/* 2: an update that changes its key, which each of them has a half of. */
static unsigned halves_of_one(const struct kafka_sink *k, const struct event *event, struct half halves[2])
{
	const struct state_use *use = event->uses;
	bool moves = use && use->next && use->next->old;

	for (unsigned i = 0; i < 1u + moves; i++) {
		struct half *half = &halves[i];

		*half = (struct half){ .topic = topic_of(k, event), .side = !moves ? REKEY_WHOLE : i == 0 ? REKEY_OLD : REKEY_NEW };
		if (use)
			half->key = moves && i == 0 ? use->next->entry->key : use->entry->key;
		half->partition = half->key.p ? (int32_t)(XXH3_64bits(half->key.p, half->key.n) % (uint64_t)half->topic->partitions)
					      : event->message->partition % half->topic->partitions;
	}
	return 1u + moves;
}

/* Of all scripts that it is for. */
static unsigned halves_of(const struct kafka_sink *k, const struct event *event, struct half halves[HALVES_MOST])
{
	unsigned count = 0;

	for (; event; event = event->twin)
		count += halves_of_one(k, event, halves + count);
	return count;
}

static bool go_together(const struct half *a, const struct half *b)
{
	return a->topic == b->topic && a->side == b->side && a->partition == b->partition && !a->key.p == !b->key.p;
}

/* All events of the message in this transaction that go where this one goes, in one message. False: it has gone with one before it. */
static bool list_parts(const struct kafka_sink *k, const struct half *half, struct buf *out)
{
	struct event *const *events = k->tx->events;
	const struct message *message = events[k->at]->message;
	struct half halves[HALVES_MOST];

	for (size_t i = k->at; i-- > 0 && events[i]->message == message;)
		for (unsigned h = halves_of(k, events[i], halves); h-- > 0;)
			if (go_together(&halves[h], half))
				return false;
	buf_printf(out, "%u", events[k->at]->part);
	for (size_t i = k->at + 1; i < k->tx->count && events[i]->message == message; i++)
		for (unsigned h = halves_of(k, events[i], halves); h-- > 0;)
			if (go_together(&halves[h], half))
				buf_printf(out, ",%u", events[i]->part);
	return true;
}

static rd_kafka_resp_err_t produce(struct kafka_sink *k, const struct message *message, const struct half *half)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count + 2);
	rd_kafka_resp_err_t code;

	for (uint32_t i = 0; i < message->header_count; i++)
		rd_kafka_header_add(headers, message->headers[i].name.p, (ssize_t)message->headers[i].name.n, message->headers[i].value.p,
				    (ssize_t)message->headers[i].value.n);
	if (message->key.p)
		rd_kafka_header_add(headers, REKEY_KEY, -1, message->key.p, (ssize_t)message->key.n);
	rd_kafka_header_add(headers, REKEY_FROM, -1, k->value.p, (ssize_t)k->value.n);
	code = rd_kafka_producev(k->producer.rk, RD_KAFKA_V_TOPIC(half->topic->name), RD_KAFKA_V_PARTITION(half->partition),
				 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY((void *)half->key.p, half->key.n),
				 RD_KAFKA_V_VALUE((void *)message->value.p, message->value.n), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	if (code)
		rd_kafka_headers_destroy(headers);
	else
		k->pending++;
	return code;
}

bool kafka_sink_rekey_produce(struct kafka_sink *k)
{
	for (; k->at < k->tx->count; k->at++, k->number = 0) {
		const struct event *event = k->tx->events[k->at];
		struct half halves[HALVES_MOST];
		unsigned count = event->outcome == OUTCOME_DEAD ? 0 : halves_of(k, event, halves);

		for (; k->number < count; k->number++) {
			rd_kafka_resp_err_t code;

			buf_clear(&k->value);
			rekey_put(&k->value, event->message, halves[k->number].side);
			if (!list_parts(k, &halves[k->number], &k->value))
				continue;
			code = produce(k, event->message, &halves[k->number]);
			if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
				return false;
			if (code)
				kafka_sink_note(k, halves[k->number].topic->name, code);
			if (k->result != SINK_COMMITTED) {
				k->at = k->tx->count;
				return true;
			}
		}
	}
	return true;
}
