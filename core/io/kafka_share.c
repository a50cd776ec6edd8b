/* Whether all there is of the topics is ours. A bounded run must not take its own share for the whole: the group may still hold the
 * partitions of members that died, until their sessions time out. */
#include <regex.h>
#include <stdlib.h>

#include "base/clock.h"
#include "io/kafka_inside.h"

enum { ASK_EVERY_MS = 500, SLACK_MS = 1000 };

bool kafka_share_means(const struct kafka *kafka, const char *topic)
{
	for (int i = 0; i < kafka->topics->cnt; i++) {
		const char *name = kafka->topics->elems[i].topic;
		regex_t regex;
		bool meant;

		if (name[0] != '^') {
			meant = strcmp(name, topic) == 0;
		} else {
			if (regcomp(&regex, name, REG_EXTENDED | REG_NOSUB) != 0) /* kafka_conf.c has compiled it before */
				continue;
			meant = regexec(&regex, topic, 0, NULL, 0) == 0;
			regfree(&regex);
		}
		if (meant)
			return true;
	}
	return false;
}

static bool has_all(struct kafka *kafka)
{
	const struct rd_kafka_metadata *metadata;
	size_t there = 0;

	if (rd_kafka_metadata(kafka->rk, 1, NULL, &metadata, KAFKA_ASK_MS))
		return false;
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (kafka_share_means(kafka, metadata->topics[i].topic))
			there += (size_t)metadata->topics[i].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	return kafka->partition_count >= there;
}

static int64_t session_timeout_ms(struct kafka *kafka)
{
	char text[32] = "";
	size_t size = sizeof text;

	rd_kafka_conf_get(rd_kafka_conf(kafka->rk), "session.timeout.ms", text, &size);
	return atoll(text);
}

bool kafka_share_is_whole(struct kafka *kafka)
{
	int64_t now = clock_mono_ms();

	/* By then the dead are out of the group and their partitions are given away: what is not ours is a living member's. */
	if (kafka->alone || kafka->whole || now - kafka->rebalanced_ms > session_timeout_ms(kafka) + SLACK_MS)
		return true;
	if (now - kafka->share_asked_ms < ASK_EVERY_MS)
		return false;
	kafka->share_asked_ms = now;
	kafka->whole = has_all(kafka);
	return kafka->whole;
}
