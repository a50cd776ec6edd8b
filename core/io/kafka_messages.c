/* Messages on their way from librdkafka to the flow: what is not wanted now (paused, ended, fetched twice) stops here. */
#include <inttypes.h>
#include <stdlib.h>

#include "io/kafka_inside.h"

void kafka_messages_hold(struct kafka *kafka, struct kafka_partition *p, bool held)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, p->name.p, p->partition);
	if (held)
		rd_kafka_pause_partitions(kafka->rk, list);
	else
		rd_kafka_resume_partitions(kafka->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	p->held = held;
}

void kafka_messages_end(struct kafka *kafka, struct kafka_partition *p)
{
	p->ended = true;
	if (!p->held)
		kafka_messages_hold(kafka, p, true); /* nothing of it is wanted any more: do not fetch it */
	kafka->events.ended(kafka->events.ctx, p->id);
}

static struct kafka_partition *find(struct kafka *kafka, const rd_kafka_message_t *m)
{
	if (kafka->last && kafka->last->topic == m->rkt && kafka->last->partition == m->partition)
		return kafka->last;
	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (p && p->topic == m->rkt && p->partition == m->partition)
			return kafka->last = p;
	}
	return NULL;
}

static void take_headers(struct kafka *kafka, const rd_kafka_message_t *m, struct message *message)
{
	rd_kafka_headers_t *headers;
	size_t count;

	if (rd_kafka_message_headers(m, &headers))
		return; /* most often: there are none */
	count = rd_kafka_header_cnt(headers);
	if (count > kafka->header_cap) {
		kafka->headers = realloc(kafka->headers, count * sizeof *kafka->headers);
		BUG_IF(!kafka->headers);
		kafka->header_cap = count;
	}
	for (size_t i = 0; i < count; i++) {
		const char *name;
		const void *value;
		size_t size;

		BUG_IF(rd_kafka_header_get_all(headers, i, &name, &value, &size));
		kafka->headers[i] = (struct header){ slice_of(name), { value, size } };
	}
	message->headers = kafka->headers;
	message->header_count = (uint32_t)count;
}

static void deliver(struct kafka *kafka, struct kafka_partition *p, const rd_kafka_message_t *m)
{
	rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
	int64_t time_ms = rd_kafka_message_timestamp(m, &kind);
	struct message message = {
		.topic = p->name,
		.partition = p->partition,
		.offset = m->offset,
		.time_ms = time_ms < 0 ? 0 : time_ms,
		.time_is_brokers = kind == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME,
		.key = { m->key, m->key_len },
		.value = { m->payload, m->len },
		.owner = p->owner,
		.position = m->offset,
		.parts_done = m->offset == p->parts_at ? p->parts_done : 0,
	};

	take_headers(kafka, m, &message);
	p->position = p->delivered = m->offset + 1;
	kafka->events.message(kafka->events.ctx, &message);
}

static void on_partition_error(struct kafka *kafka, struct kafka_partition *p, const rd_kafka_message_t *m)
{
	struct error reason;

	switch (m->err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		if (m->offset > p->position)
			p->position = m->offset; /* the last offsets are transaction marks, or compacted away */
		break;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		kafka_offsets_gone(kafka, p, &reason);
		kafka_fail(kafka, false, reason.text);
		break;
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
	case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
		/* librdkafka goes on behind what it cannot read; that would lose messages. */
		error_set(&reason, "topic %s partition %" PRId32 ": what follows offset %" PRId64 " cannot be read: %s", p->name.p, p->partition,
			  p->position, rd_kafka_message_errstr(m));
		kafka_fail(kafka, false, reason.text);
		break;
	default:
		kafka_say(kafka, m->err, p->name.p, rd_kafka_message_errstr(m));
	}
}

/* One message of a running partition that is not paused. Returns how many were delivered. */
static size_t pass(struct kafka *kafka, struct kafka_partition *p, const rd_kafka_message_t *m)
{
	size_t delivered = 0;

	if (kafka->stopped || p->ended)
		return 0;
	if (m->err) {
		on_partition_error(kafka, p, m);
	} else if (m->offset >= p->bound) {
		p->position = p->bound;
	} else if (m->offset >= p->position) { /* else fetched a second time after a seek */
		deliver(kafka, p, m);
		delivered = 1;
	}
	if (p->position >= p->bound && !kafka->stopped)
		kafka_messages_end(kafka, p);
	return delivered;
}

static void stash(struct kafka *kafka, struct kafka_partition *p, rd_kafka_message_t *m)
{
	if (p->stash_count == p->stash_cap) {
		p->stash_cap = p->stash_cap ? p->stash_cap * 2 : 64;
		p->stash = realloc(p->stash, p->stash_cap * sizeof *p->stash);
		BUG_IF(!p->stash);
	}
	p->stash[p->stash_count++] = m;
	kafka->stashed++;
}

/* From here on librdkafka refuses everything, as when another took our place in the group: somebody new has to begin. A consumer hears of it
 * here, and not through the error callback. */
static void fatal(struct kafka *kafka)
{
	char reason[512];

	rd_kafka_fatal_error(kafka->rk, reason, sizeof reason);
	if (!kafka->closing)
		kafka_fail(kafka, false, reason);
}

size_t kafka_messages_receive(struct kafka *kafka, rd_kafka_message_t *m)
{
	struct kafka_partition *p = m->rkt ? find(kafka, m) : NULL;
	size_t delivered = 0;

	if (p && p->state == KAFKA_RUNNING && (p->paused || p->stash_count)) {
		stash(kafka, p, m);
		return 0;
	}
	if (m->err == RD_KAFKA_RESP_ERR__FATAL)
		fatal(kafka);
	else if (p && p->state == KAFKA_RUNNING)
		delivered = pass(kafka, p, m);
	else if (m->err)
		kafka_say(kafka, m->err, m->rkt ? rd_kafka_topic_name(m->rkt) : "group", rd_kafka_message_errstr(m));
	rd_kafka_message_destroy(m);
	return delivered;
}

static size_t deliver_stash(struct kafka *kafka, struct kafka_partition *p, size_t most)
{
	size_t delivered = 0;

	while (p->stash_next < p->stash_count && delivered < most && !p->paused) {
		rd_kafka_message_t *m = p->stash[p->stash_next++];

		kafka->stashed--;
		delivered += pass(kafka, p, m);
		rd_kafka_message_destroy(m);
	}
	if (p->stash_next == p->stash_count) {
		p->stash_next = p->stash_count = 0;
		if (!p->paused && p->held && !p->ended)
			kafka_messages_hold(kafka, p, false);
	}
	return delivered;
}

size_t kafka_messages_poll(struct kafka *kafka, size_t most)
{
	size_t delivered = 0;

	for (size_t i = 0; kafka->stashed && i < kafka->partition_slots && delivered < most; i++) {
		if (kafka->partitions[i] && kafka->partitions[i]->stash_count)
			delivered += deliver_stash(kafka, kafka->partitions[i], most - delivered);
	}
	while (delivered < most && !kafka->stopped) {
		size_t want = most - delivered < KAFKA_BATCH ? most - delivered : KAFKA_BATCH;
		ssize_t count = rd_kafka_consume_batch_queue(kafka->data, 0, kafka->batch, want);

		for (ssize_t i = 0; i < count; i++)
			delivered += kafka_messages_receive(kafka, kafka->batch[i]);
		if (count <= 0 || ((size_t)count < want && delivered))
			break;
	}
	if (!delivered)
		kafka_fetch_dry(kafka);
	return delivered;
}
