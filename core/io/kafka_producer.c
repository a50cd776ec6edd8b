#include "io/kafka_producer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { ANSWER_MS = 5000 };

static void add_config(struct kafka_producer *p, size_t *count, const char *name, const char *value)
{
	p->config = realloc(p->config, (*count + 3) * sizeof(*p->config));
	BUG_IF(!p->config);
	p->config[(*count)++] = strdup(name);
	p->config[(*count)++] = strdup(value);
	p->config[*count] = NULL;
	BUG_IF(!p->config[*count - 1] || !p->config[*count - 2]);
}

static rd_kafka_conf_t *configure(const struct kafka_producer *p, const char *transactional_id, struct error *err)
{
	/* What a worker leaves that dies, and whose place nobody takes, keeps readers waiting for so long; one that the brokers do not hear of for so
	 * long begins anew. The job's own properties may say otherwise. */
	static const char transaction_timeout_ms[] = "10000";
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char reason[512];

	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	if (transactional_id) {
		rd_kafka_conf_set(conf, "transaction.timeout.ms", transaction_timeout_ms, NULL, 0);
		rd_kafka_conf_set(conf, "transactional.id", transactional_id, NULL, 0);
	}
	for (char **pair = p->config; pair[0]; pair += 2) {
		if (rd_kafka_conf_set(conf, pair[0], pair[1], reason, sizeof reason) == RD_KAFKA_CONF_OK)
			continue;
		error_set(err, "sink: config[\"%s\"]: %s", pair[0], reason); /* not the value: it may be a password */
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	return conf;
}

int kafka_producer_init(struct kafka_producer *p, const char *brokers, const char *const *config, struct error *err)
{
	rd_kafka_conf_t *conf;
	size_t count = 0;

	p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	BUG_IF(p->wake_fd < 0);
	add_config(p, &count, "client.id", "streamlua");
	add_config(p, &count, "enable.idempotence", "true"); /* librdkafka's own retries neither repeat nor reorder */
	add_config(p, &count, "linger.ms", "5");
	add_config(p, &count, "bootstrap.servers", brokers);
	for (const char *const *pair = config; pair && pair[0]; pair += 2)
		add_config(p, &count, pair[0], pair[1]);
	conf = configure(p, NULL, err);
	if (!conf)
		return -1;
	rd_kafka_conf_destroy(conf);
	return 0;
}

int kafka_producer_start(struct kafka_producer *p, const char *transactional_id, struct error *err)
{
	static const uint64_t one = 1;
	rd_kafka_conf_t *conf = configure(p, transactional_id, err);
	char reason[512];

	if (!conf)
		return -1;
	p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	if (!p->rk) {
		rd_kafka_conf_destroy(conf);
		return error_set(err, "sink: %s", reason);
	}
	p->told = rd_kafka_queue_get_main(p->rk);
	rd_kafka_queue_io_event_enable(p->told, p->wake_fd, &one, sizeof one);
	return 0;
}

int32_t kafka_producer_partitions(struct kafka_producer *p, const char *name, struct error *err)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t code = rd_kafka_metadata(p->rk, 1, NULL, &metadata, ANSWER_MS); /* to ask for one may make it */
	int32_t count = 0;

	if (code)
		return error_set(err, "the brokers do not answer: %s", rd_kafka_err2str(code));
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (strcmp(metadata->topics[i].topic, name) == 0)
			count = metadata->topics[i].partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	return count;
}

int32_t kafka_producer_await_partitions(struct kafka_producer *p, const char *name, struct error *err)
{
	static const struct timespec pause = { .tv_nsec = 50000000 };
	int64_t until_ms = clock_mono_ms() + ANSWER_MS;
	int32_t count;

	while ((count = kafka_producer_partitions(p, name, err)) == 0 && clock_mono_ms() < until_ms)
		nanosleep(&pause, NULL);
	return count;
}

static void tell(struct kafka_producer *p, rd_kafka_event_t *event)
{
	const rd_kafka_message_t *message;

	if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
		while ((message = rd_kafka_event_message_next(event)))
			p->on_delivered(message, p->ctx);
	else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
		p->on_error(p->rk, rd_kafka_event_error(event), rd_kafka_event_error_string(event), p->ctx);
	rd_kafka_event_destroy(event);
}

void kafka_producer_serve(struct kafka_producer *p, int wait_ms)
{
	rd_kafka_event_t *event;

	for (; p->rk && (event = rd_kafka_queue_poll(p->told, wait_ms)); wait_ms = 0)
		tell(p, event);
}

void kafka_producer_stop(struct kafka_producer *p)
{
	if (!p->rk)
		return;
	rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_queue_io_event_enable(p->told, -1, NULL, 0);
	rd_kafka_queue_destroy(p->told);
	rd_kafka_destroy(p->rk);
	p->rk = NULL;
}

int kafka_producer_check_topic(struct kafka_producer *p, const char *name, struct error *err)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(p->rk, name, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t code;

	if (!topic)
		return error_set(err, "sink: topic \"%s\": %s", name, rd_kafka_err2str(rd_kafka_last_error()));
	code = rd_kafka_metadata(p->rk, 0, topic, &metadata, ANSWER_MS);
	rd_kafka_topic_destroy(topic);
	if (code)
		return error_set(err, "sink: the brokers do not answer: %s", rd_kafka_err2str(code));
	code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	rd_kafka_metadata_destroy(metadata);
	if (code && code != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) /* just made */
		return error_set(err, "sink: topic %s: %s", name, rd_kafka_err2str(code));
	return 0;
}

void kafka_producer_deinit(struct kafka_producer *p)
{
	kafka_producer_stop(p);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	for (char **text = p->config; text && *text; text++)
		free(*text);
	free(p->config);
}
