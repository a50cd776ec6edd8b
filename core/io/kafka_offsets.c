/* Where a partition starts and where it ends. Questions are asked for all partitions of an assignment at once: librdkafka can
 * only be asked so that one waits for the answer. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/kafka_inside.h"

static void add(rd_kafka_topic_partition_list_t *list, struct kafka_partition *p, int64_t offset)
{
	rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_add(list, p->name.p, p->partition);

	entry->offset = offset;
	entry->opaque = p;
}

static int answered(struct kafka *kafka, rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t *list)
{
	for (int i = 0; !code && i < list->cnt; i++)
		code = list->elems[i].err;
	if (!code)
		return 0;
	kafka_say(kafka, code, "offsets", "the brokers do not say where to start or to end; asking again");
	return -1;
}

int kafka_offsets_ask(struct kafka *kafka, rd_kafka_topic_partition_list_t *list, struct kafka_point point)
{
	/* The protocol has one question for all three: these two stand in place of a time. */
	int64_t asked = point.kind == KAFKA_EARLIEST ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
	rd_kafka_topic_partition_list_t *beyond;
	int result;

	if (list->cnt == 0)
		return 0;
	if (point.kind == KAFKA_TIME)
		asked = point.ms;
	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = asked;
	if (answered(kafka, rd_kafka_offsets_for_times(kafka->rk, list, KAFKA_ASK_MS), list) < 0)
		return -1;
	beyond = rd_kafka_topic_partition_list_new(list->cnt);
	for (int i = 0; i < list->cnt; i++) {
		if (list->elems[i].offset < 0)
			rd_kafka_topic_partition_list_add(beyond, list->elems[i].topic, list->elems[i].partition);
	}
	result = beyond->cnt && point.kind != KAFKA_TIME ? -1 : kafka_offsets_ask(kafka, beyond, (struct kafka_point){ .kind = KAFKA_LATEST });
	for (int i = 0; result == 0 && i < beyond->cnt; i++)
		rd_kafka_topic_partition_list_find(list, beyond->elems[i].topic, beyond->elems[i].partition)->offset = beyond->elems[i].offset;
	rd_kafka_topic_partition_list_destroy(beyond);
	return result;
}

int kafka_offsets_committed(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	return answered(kafka, rd_kafka_committed(kafka->rk, list, KAFKA_ASK_MS), list);
}

/* Takes out of the list what the group itself remembers; see kafka_options. Asked whatever `start` says: a run with another --from may
 * have ended before its first transaction. */
static int recall(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	if (list->cnt == 0 || (kafka->from && !kafka->from_ms) || kafka->alone)
		return 0;
	if (kafka_offsets_committed(kafka, list) < 0)
		return -1;
	for (int i = list->cnt - 1; i >= 0; i--) {
		rd_kafka_topic_partition_t *entry = &list->elems[i];
		struct kafka_partition *p = entry->opaque;
		struct kafka_mark mark = kafka_mark_of(entry);
		bool marked = mark.start;

		if (kafka->from_ms && mark.from_ms != kafka->from_ms)
			continue; /* of another run, from before this one went back, or on */
		if (entry->offset >= 0 && (kafka->group_keeps_progress || marked)) {
			p->position = entry->offset;
			p->start_marked = marked;
			p->parts_at = entry->offset;
			p->parts_done = mark.parts;
			rd_kafka_topic_partition_list_del_by_idx(list, i);
		}
	}
	return 0;
}

/* So that a worker that dies before its first transaction, and the one that follows it, begin at the same message. */
static void remember(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	if (list->cnt == 0 || kafka->alone || (kafka->start.kind == KAFKA_EARLIEST && (!kafka->from || kafka->from_ms)))
		return;
	for (int i = 0; i < list->cnt; i++) {
		kafka_mark_put(&list->elems[i], (struct kafka_mark){ .start = true, .from_ms = kafka->from_ms });
		((struct kafka_partition *)list->elems[i].opaque)->start_marked = true;
	}
	rd_kafka_commit(kafka->rk, list, !kafka->sink_commits); /* before what the sink commits, and not after it */
}

static int begin_at(struct kafka *kafka, rd_kafka_topic_partition_list_t *list, struct kafka_point point)
{
	if (kafka_offsets_ask(kafka, list, point) < 0)
		return -1;
	for (int i = 0; i < list->cnt; i++)
		((struct kafka_partition *)list->elems[i].opaque)->position = list->elems[i].offset;
	return 0;
}

/* How many of the last messages of each of so many partitions: all that are wanted may be in one of them, but a thousand partitions are not read
 * for that. */
static int64_t tail_of_each(const struct kafka *kafka, int partitions)
{
	enum { TIMES_MOST = 20 };
	int64_t each = partitions <= TIMES_MOST ? kafka->tail : kafka->tail * TIMES_MOST / partitions;

	return each > 0 ? each : 1;
}

static int begin_before_the_end(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	int64_t each = tail_of_each(kafka, list->cnt);

	if (begin_at(kafka, list, (struct kafka_point){ .kind = KAFKA_LATEST }) < 0)
		return -1;
	for (int i = 0; i < list->cnt; i++)
		((struct kafka_partition *)list->elems[i].opaque)->position -= each;
	if (kafka_offsets_ask(kafka, list, (struct kafka_point){ .kind = KAFKA_EARLIEST }) < 0)
		return -1;
	for (int i = 0; i < list->cnt; i++) {
		struct kafka_partition *p = list->elems[i].opaque;

		p->position = p->position < list->elems[i].offset ? list->elems[i].offset : p->position;
	}
	return 0;
}

/* Those of topics that we made: all that is in them is meant. */
static rd_kafka_topic_partition_list_t *take_rekeyed(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_list_t *rekeyed = rd_kafka_topic_partition_list_new(8);

	for (int i = list->cnt - 1; i >= 0; i--) {
		if (!rd_kafka_topic_partition_list_find(kafka->rekeyed, list->elems[i].topic, RD_KAFKA_PARTITION_UA))
			continue;
		add(rekeyed, list->elems[i].opaque, 0);
		rd_kafka_topic_partition_list_del_by_idx(list, i);
	}
	return rekeyed;
}

static int resolve_starts(struct kafka *kafka)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8), *rekeyed;
	int result;

	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (p && p->state == KAFKA_TAKEN && p->position == START_CONFIGURED)
			add(list, p, 0);
	}
	result = recall(kafka, list);
	rekeyed = take_rekeyed(kafka, list);
	if (result == 0)
		result = begin_at(kafka, rekeyed, (struct kafka_point){ .kind = KAFKA_EARLIEST });
	if (result == 0)
		result = kafka->tail ? begin_before_the_end(kafka, list) : begin_at(kafka, list, kafka->start);
	if (result == 0)
		remember(kafka, list);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_topic_partition_list_destroy(rekeyed);
	return result;
}

static int resolve_bounds(struct kafka *kafka)
{
	rd_kafka_topic_partition_list_t *list;
	int64_t now = clock_wall_ms();
	int result;

	/* A time that is still to come has no offset yet: the tick asks again. */
	if (kafka->until.kind == KAFKA_NOWHERE || (kafka->until.kind == KAFKA_TIME && kafka->until.ms > now))
		return 0;
	list = rd_kafka_topic_partition_list_new(8);
	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (p && p->state != KAFKA_ASKED && !p->bounded)
			add(list, p, 0);
	}
	result = kafka_offsets_ask(kafka, list, kafka->until);
	for (int i = 0; result == 0 && i < list->cnt; i++) {
		struct kafka_partition *p = list->elems[i].opaque;

		p->bound = list->elems[i].offset;
		p->bound_ms = now;
		p->bounded = true;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return result;
}

int kafka_offsets_resolve(struct kafka *kafka)
{
	return resolve_starts(kafka) < 0 || resolve_bounds(kafka) < 0 ? -1 : 0;
}

void kafka_offsets_gone(struct kafka *kafka, const struct kafka_partition *p, struct error *reason)
{
	static const char remedy[] = "start with --from earliest, latest or a time";
	int64_t low = -1, high = -1;

	if (rd_kafka_query_watermark_offsets(kafka->rk, p->name.p, p->partition, &low, &high, KAFKA_ASK_MS))
		error_set(reason, "offset %" PRId64 " is gone from the broker; %s", p->position, remedy);
	else if (p->position > high)
		error_set(reason,
			  "offset %" PRId64 " is beyond the end: the broker keeps %" PRId64 "..%" PRId64
			  ", so the topic was made anew or has lost messages; %s",
			  p->position, low, high, remedy);
	else
		error_set(reason, "offset %" PRId64 " is gone: the broker keeps %" PRId64 "..%" PRId64 "; %s", p->position, low, high, remedy);
	error_prefix(reason, "topic %s partition %" PRId32, p->name.p, p->partition);
}
