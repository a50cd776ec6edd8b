/* How much librdkafka fetches ahead: little, and yet the queue is not found dry.
 *
 * Its broker threads stop fetching where the queue is full, and before librdkafka 2.2 look at it again only a second later, or when
 * anything happens on their connection (its #2879; fetch.queue.backoff.ms came with 2.2). At 100 MB/s a queue that bridges a second is all
 * the memory that we want to use. So a queue that ran dry with messages left to fetch makes something happen: the partitions' leaders are
 * asked for the end of their logs, whose answers nobody waits for. */
#include "base/clock.h"
#include "io/kafka.h"
#include "io/kafka_inside.h"

enum {
	FETCH_BACKOFF_MS = 20,
	NUDGE_MS = 30, /* no more often than this */
	/* Of a partition in one response: librdkafka's own. Small responses leave the flow waiting for the next. */
	PARTITION_BYTES = 1 << 20,
	/* With that a response holds few partitions, those it asks for first get ahead by minutes of event time where there is much to catch up with, and
	 * windows stay open for the last of them. */
	PARTITION_BYTES_EVENLY = 128 << 10,
};

int kafka_fetch_configure(struct kafka *kafka, const struct kafka_options *options, struct error *err)
{
	const size_t bytes = options->memory_bytes;
	const size_t least = 1 << 20, most_response = 50 << 20;
	size_t response = bytes / 4 < least ? least : bytes / 4 > most_response ? most_response : bytes / 4;
	size_t kbytes = bytes / 1024 < 1024 ? 1024 : bytes / 1024 > 2097151 ? 2097151 : bytes / 1024;
	const struct {
		const char *name;
		size_t value;
		bool *missing; /* set where this librdkafka does not know it; NULL: all do */
	} limits[] = {
		{ "queued.min.messages", 10000000, NULL }, /* bounded by bytes alone */
		{ "queued.max.messages.kbytes", kbytes, NULL },
		{ "fetch.max.bytes", response, NULL },
		{ "max.partition.fetch.bytes", options->evenly ? PARTITION_BYTES_EVENLY : PARTITION_BYTES, NULL },
		{ "fetch.queue.backoff.ms", FETCH_BACKOFF_MS, &kafka->nudges },
	};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		char text[32], reason[512];
		rd_kafka_conf_res_t result;

		snprintf(text, sizeof text, "%zu", limits[i].value);
		result = rd_kafka_conf_set(kafka->conf, limits[i].name, text, reason, sizeof reason);
		if (result == RD_KAFKA_CONF_UNKNOWN && limits[i].missing)
			*limits[i].missing = true;
		else if (result != RD_KAFKA_CONF_OK)
			return error_set(err, "source: config[\"%s\"]: %s", limits[i].name, reason);
	}
	return 0;
}

static rd_kafka_topic_partition_list_t *behind(const struct kafka *kafka)
{
	rd_kafka_topic_partition_list_t *list = NULL;

	for (size_t i = 0; i < kafka->partition_slots; i++) {
		const struct kafka_partition *p = kafka->partitions[i];
		int64_t low, high;

		if (!p || p->state != KAFKA_RUNNING || p->held || p->ended ||
		    rd_kafka_get_watermark_offsets(kafka->rk, p->name.p, p->partition, &low, &high) || high <= p->position)
			continue;
		if (!list)
			list = rd_kafka_topic_partition_list_new(8);
		rd_kafka_topic_partition_list_add(list, p->name.p, p->partition)->offset = RD_KAFKA_OFFSET_END;
	}
	return list;
}

void kafka_fetch_dry(struct kafka *kafka)
{
	rd_kafka_topic_partition_list_t *list;
	int64_t now = clock_mono_ms();

	if (!kafka->nudges || now - kafka->nudged_ms < NUDGE_MS)
		return;
	kafka->nudged_ms = now;
	list = behind(kafka);
	if (!list)
		return;
	rd_kafka_offsets_for_times(kafka->rk, list, 0);
	rd_kafka_topic_partition_list_destroy(list);
}
