/* Reading beside the group: whoever looks at messages must not move the partitions of those who work on them. */
#include <inttypes.h>

#include "io/kafka_inside.h"

/* True where this partition is to be read. */
static bool is_wanted(const struct kafka *kafka, const char *topic, int32_t partition)
{
	if (kafka->only_topic)
		return strcmp(kafka->only_topic, topic) == 0 && kafka->only_partition == partition;
	return kafka_share_means(kafka, topic);
}

void kafka_alone_give(struct kafka *kafka)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t code = rd_kafka_metadata(kafka->rk, 1, NULL, &metadata, KAFKA_ASK_MS);
	struct error reason;

	if (code) {
		kafka_say(kafka, code, "topics", "the brokers do not say which there are");
		return;
	}
	list = rd_kafka_topic_partition_list_new(8);
	for (int i = 0; i < metadata->topic_cnt; i++)
		for (int k = 0; k < metadata->topics[i].partition_cnt; k++)
			if (is_wanted(kafka, metadata->topics[i].topic, metadata->topics[i].partitions[k].id))
				rd_kafka_topic_partition_list_add(list, metadata->topics[i].topic, metadata->topics[i].partitions[k].id);
	rd_kafka_metadata_destroy(metadata);
	kafka->alone_given = true;
	if (list->cnt) {
		kafka_group_on_assign(kafka, list);
	} else {
		if (kafka->only_topic)
			error_set(&reason, "there is no topic %s with a partition %" PRId32, kafka->only_topic, kafka->only_partition);
		else
			error_set(&reason, "none of the job's topics is there");
		kafka_fail(kafka, true, reason.text);
	}
	rd_kafka_topic_partition_list_destroy(list);
}
