/* Whether all there is of the topics is read. A bounded run must not take its own share for the whole: the others' partitions are read
 * once their owners say so, or come to us where an owner leaves before that. */
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>

#include "base/clock.h"
#include "io/kafka_inside.h"

enum { ASK_EVERY_MS = 500, SLACK_MS = 1000, SAY_FIRST_MS = 5000, SAY_AGAIN_MS = 30000 };

bool kafka_share_matches(const char *pattern, const char *topic)
{
	regex_t regex;
	bool matches;

	if (pattern[0] != '^')
		return strcmp(pattern, topic) == 0;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) /* kafka_conf.c has compiled it before */
		return false;
	matches = regexec(&regex, topic, 0, NULL, 0) == 0;
	regfree(&regex);
	return matches;
}

bool kafka_share_means(const struct kafka *kafka, const char *topic)
{
	for (int i = 0; i < kafka->topics->cnt; i++)
		if (kafka_share_matches(kafka->topics->elems[i].topic, topic))
			return true;
	return false;
}

rd_kafka_topic_partition_list_t *kafka_share_all(struct kafka *kafka)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_partition_list_t *list;

	if (rd_kafka_metadata(kafka->rk, 1, NULL, &metadata, KAFKA_ASK_MS))
		return NULL;
	list = rd_kafka_topic_partition_list_new(16);
	for (int i = 0; i < metadata->topic_cnt; i++)
		for (int k = 0; kafka_share_means(kafka, metadata->topics[i].topic) && k < metadata->topics[i].partition_cnt; k++)
			rd_kafka_topic_partition_list_add(list, metadata->topics[i].topic, metadata->topics[i].partitions[k].id);
	rd_kafka_metadata_destroy(metadata);
	return list;
}

static int64_t session_timeout_ms(struct kafka *kafka)
{
	char text[32] = "";
	size_t size = sizeof text;

	rd_kafka_conf_get(rd_kafka_conf(kafka->rk), "session.timeout.ms", text, &size);
	return atoll(text);
}

/* Where each of the others' partitions ends, as it was when we first asked: kept, so that a topic that is written to comes to an end. A
 * partition that holds nothing ends at 0. -1: ask again. */
static int find_ends(struct kafka *kafka, const rd_kafka_topic_partition_list_t *others)
{
	rd_kafka_topic_partition_list_t *begins = rd_kafka_topic_partition_list_new(others->cnt), *ends;
	int result;

	if (!kafka->others)
		kafka->others = rd_kafka_topic_partition_list_new(others->cnt);
	for (int i = 0; i < others->cnt; i++)
		if (!rd_kafka_topic_partition_list_find(kafka->others, others->elems[i].topic, others->elems[i].partition))
			rd_kafka_topic_partition_list_add(begins, others->elems[i].topic, others->elems[i].partition);
	ends = rd_kafka_topic_partition_list_copy(begins);
	result = kafka_offsets_ask(kafka, begins, (struct kafka_point){ .kind = KAFKA_EARLIEST });
	if (result == 0)
		result = kafka_offsets_ask(kafka, ends, kafka->until);
	for (int i = 0; result == 0 && i < ends->cnt; i++)
		rd_kafka_topic_partition_list_add(kafka->others, ends->elems[i].topic, ends->elems[i].partition)->offset =
			begins->elems[i].offset >= ends->elems[i].offset ? 0 : ends->elems[i].offset;
	rd_kafka_topic_partition_list_destroy(begins);
	rd_kafka_topic_partition_list_destroy(ends);
	return result;
}

/* What the group has committed of a partition (an entry of rd_kafka_committed), to where it is to be read. */
static bool is_read(struct kafka *kafka, const rd_kafka_topic_partition_t *entry, int64_t end, bool quiet)
{
	struct kafka_mark mark = kafka_mark_of(entry);
	int64_t until_ms = kafka->until.kind == KAFKA_TIME ? kafka->until.ms : kafka->run_started_ms;

	/* Of two runs that wait for each other, the one that was begun first waits no longer. */
	if (end == 0 || (mark.ended_ms >= kafka->run_started_ms && mark.until_ms >= until_ms))
		return true;
	/* Its owner has no end: what it commits counts, once what was there before is known to be overwritten. */
	return quiet && entry->offset >= end;
}

static void say(struct kafka *kafka, const rd_kafka_topic_partition_t *entry, int64_t end, int64_t now)
{
	if (kafka->waits_said_ms == 0)
		kafka->waits_said_ms = now + SAY_FIRST_MS;
	if (now < kafka->waits_said_ms)
		return;
	kafka->waits_said_ms = now + SAY_AGAIN_MS;
	log_info("this worker's partitions are read; the run ends once those of the group's other members are: topic %s partition %" PRId32
		 " is at offset %" PRId64 " of %" PRId64,
		 entry->topic, entry->partition, entry->offset < 0 ? 0 : entry->offset, end);
}

static bool others_are_read(struct kafka *kafka, rd_kafka_topic_partition_list_t *others, int64_t now)
{
	/* By then the dead are out of the group, and who has a partition has begun with it. */
	bool quiet = now - kafka->rebalanced_ms > session_timeout_ms(kafka) + SLACK_MS;

	if (find_ends(kafka, others) < 0 || kafka_offsets_committed(kafka, others) < 0)
		return false;
	for (int i = 0; i < others->cnt; i++) {
		const rd_kafka_topic_partition_t *entry = &others->elems[i];
		int64_t end = rd_kafka_topic_partition_list_find(kafka->others, entry->topic, entry->partition)->offset;

		if (!is_read(kafka, entry, end, quiet)) {
			say(kafka, entry, end, now);
			return false;
		}
	}
	return true;
}

bool kafka_share_is_whole(struct kafka *kafka)
{
	int64_t now = clock_mono_ms();
	rd_kafka_topic_partition_list_t *others;

	if (kafka->alone || kafka->whole)
		return true;
	if (now - kafka->share_asked_ms < ASK_EVERY_MS)
		return false;
	kafka->share_asked_ms = now;
	others = kafka_share_all(kafka);
	if (!others)
		return false;
	for (int i = others->cnt - 1; i >= 0; i--)
		if (kafka_group_find(kafka, &others->elems[i]))
			rd_kafka_topic_partition_list_del_by_idx(others, i);
	kafka->whole = others->cnt == 0 || others_are_read(kafka, others, now);
	rd_kafka_topic_partition_list_destroy(others);
	return kafka->whole;
}
