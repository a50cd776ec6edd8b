#include "io/kafka_topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io/kafka.h"
#include "io/kafka_inside.h"
#include "io/kafka_producer.h"

enum { ANSWER_MS = 10000 };

/* Whatever its source's topics hold fits, with where it comes from beside it. */
static const char message_bytes_most[] = "104857600";

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *ctx)
{
	(void)rk, (void)code, (void)reason, (void)ctx; /* what comes of it is told by the calls that wait for it */
}

/* The partitions of the topic; of the source's, the most that one has. -1: the brokers do not say. */
static int look(struct kafka_producer *producer, const struct kafka_topic_options *options, int32_t *there, int32_t *most, struct error *err)
{
	struct kafka_options of_source = { .brokers = options->brokers, .topics = options->source, .group = options->name };
	const struct rd_kafka_metadata *metadata;
	struct source *source = kafka_new(NULL, &of_source, err);
	rd_kafka_resp_err_t code;

	if (!source)
		return -1;
	if (kafka_share_means((struct kafka *)source, options->name)) {
		source->ops->close(source);
		return error_set(err, "the source's `topics` mean it too, so that what goes through it would come twice: give it another name");
	}
	code = rd_kafka_metadata(producer->rk, 1, NULL, &metadata, ANSWER_MS);
	if (code) {
		source->ops->close(source);
		error_set(err, "the brokers do not answer: %s", rd_kafka_err2str(code));
		err->passing = true;
		return -1;
	}
	*there = *most = 0;
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];

		if (strcmp(topic->topic, options->name) == 0)
			*there = topic->partition_cnt;
		else if (kafka_share_means((struct kafka *)source, topic->topic) && topic->partition_cnt > *most)
			*most = topic->partition_cnt;
	}
	rd_kafka_metadata_destroy(metadata);
	source->ops->close(source);
	return 0;
}

/* The answer to the one topic that was asked for. */
static int understand(rd_kafka_event_t *answer, struct error *err)
{
	const rd_kafka_topic_result_t **results;
	size_t count = 0;

	if (!answer)
		return error_set(err, "the brokers do not answer");
	if (rd_kafka_event_error(answer))
		return error_set(err, "%s", rd_kafka_event_error_string(answer));
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count);
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);

		if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) /* another machine was first */
			return 0;
		if (code)
			return error_set(err, "it cannot be made: %s",
					 rd_kafka_topic_result_error_string(results[i]) ? rd_kafka_topic_result_error_string(results[i])
											: rd_kafka_err2str(code));
	}
	return 1;
}

static int make(struct kafka_producer *producer, const struct kafka_topic_options *options, int32_t partitions, struct error *err)
{
	char reason[512], retention[32];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(options->name, partitions, -1, reason, sizeof reason); /* replicas: the broker's default */
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *answer;
	int result;

	if (!topic)
		return error_set(err, "%s", reason);
	snprintf(retention, sizeof retention, "%" PRId64, options->retention_ms);
	rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "delete");
	rd_kafka_NewTopic_set_config(topic, "retention.ms", retention);
	rd_kafka_NewTopic_set_config(topic, "retention.bytes", "-1");
	rd_kafka_NewTopic_set_config(topic, "max.message.bytes", message_bytes_most);
	queue = rd_kafka_queue_new(producer->rk);
	rd_kafka_CreateTopics(producer->rk, &topic, 1, NULL, queue);
	answer = rd_kafka_queue_poll(queue, ANSWER_MS);
	result = understand(answer, err);
	if (answer)
		rd_kafka_event_destroy(answer);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(topic);
	return result;
}

static int empty(struct kafka_producer *producer, const char *name, int32_t partitions, struct error *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
	rd_kafka_DeleteRecords_t *records;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(producer->rk);
	rd_kafka_event_t *answer;
	int result = 0;

	for (int32_t i = 0; i < partitions; i++)
		rd_kafka_topic_partition_list_add(list, name, i)->offset = RD_KAFKA_OFFSET_END;
	records = rd_kafka_DeleteRecords_new(list);
	rd_kafka_DeleteRecords(producer->rk, &records, 1, NULL, queue);
	answer = rd_kafka_queue_poll(queue, ANSWER_MS);
	if (!answer)
		result = error_set(err, "what it holds cannot be deleted: the brokers do not answer");
	else if (rd_kafka_event_error(answer))
		result = error_set(err, "what it holds cannot be deleted: %s", rd_kafka_event_error_string(answer));
	for (int i = 0; result == 0 && i < partitions; i++) {
		const rd_kafka_topic_partition_list_t *done = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer));

		if (i < done->cnt && done->elems[i].err)
			result = error_set(err, "what it holds cannot be deleted: %s", rd_kafka_err2str(done->elems[i].err));
	}
	if (answer)
		rd_kafka_event_destroy(answer);
	rd_kafka_DeleteRecords_destroy(records);
	rd_kafka_queue_destroy(queue);
	rd_kafka_topic_partition_list_destroy(list);
	return result;
}

static int look_and_make(struct kafka_producer *producer, const struct kafka_topic_options *options, int32_t *partitions, struct error *err)
{
	int32_t most = 0;

	if (look(producer, options, partitions, &most, err) < 0)
		return -1;
	if (*partitions)
		return options->empty ? empty(producer, options->name, *partitions, err) : 0;
	if (!options->partitions && !most) {
		error_set(err, "none of the source's topics is there yet, which would say how many partitions it gets");
		err->passing = true;
		return -1;
	}
	*partitions = options->partitions ? options->partitions : most;
	return make(producer, options, *partitions, err);
}

int kafka_topic_make(const struct kafka_topic_options *options, int32_t *partitions, struct error *err)
{
	struct kafka_producer producer = { .on_error = on_error, .wake_fd = -1 };
	int result = kafka_producer_init(&producer, options->brokers, options->config, err);

	if (result == 0)
		result = kafka_producer_start(&producer, NULL, err);
	if (result == 0)
		result = look_and_make(&producer, options, partitions, err);
	kafka_producer_deinit(&producer);
	if (result < 0)
		error_prefix(err, "repartition: topic %s", options->name);
	return result;
}
