#include "io/mock_broker.h"

#include <stdbool.h>
#include <stdlib.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

enum { FLUSH_MS = 10000 };

struct mock_broker {
	rd_kafka_t *producer; /* the cluster is its, and ends with it */
	rd_kafka_mock_cluster_t *cluster;
	bool refused; /* a message was not taken */
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct mock_broker *broker = opaque;

	(void)rk;
	broker->refused |= message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* What the cluster logs of its own life means nothing to those who only use it; failures are returned. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk, (void)level, (void)facility, (void)text;
}

static rd_kafka_conf_t *configure(struct mock_broker *broker, struct error *err)
{
	static const char *const properties[][2] = {
		{ "test.mock.num.brokers", "1" },
		{ "client.id", "mock" },
		{ "partitioner", "murmur2_random" },
		{ "linger.ms", "0" },
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char reason[512];

	for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
		if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], reason, sizeof reason) != RD_KAFKA_CONF_OK) {
			error_set(err, "%s", reason);
			rd_kafka_conf_destroy(conf);
			return NULL;
		}
	}
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_opaque(conf, broker);
	return conf;
}

struct mock_broker *mock_broker_new(struct error *err)
{
	struct mock_broker *broker = calloc(1, sizeof *broker);
	rd_kafka_conf_t *conf;
	char reason[512];

	BUG_IF(!broker);
	conf = configure(broker, err);
	if (!conf)
		goto fail;
	broker->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	if (!broker->producer) {
		rd_kafka_conf_destroy(conf);
		error_set(err, "%s", reason);
		goto fail;
	}
	broker->cluster = rd_kafka_handle_mock_cluster(broker->producer);
	if (broker->cluster)
		return broker;
	error_set(err, "this librdkafka has no mock cluster");
fail:
	mock_broker_free(broker);
	return NULL;
}

const char *mock_broker_address(const struct mock_broker *broker)
{
	return rd_kafka_mock_cluster_bootstraps(broker->cluster);
}

int mock_broker_add_topic(struct mock_broker *broker, const char *topic, int partitions, struct error *err)
{
	rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(broker->cluster, topic, partitions, 1);

	return code ? error_set(err, "topic %s: %s", topic, rd_kafka_err2str(code)) : 0;
}

int mock_broker_send(struct mock_broker *broker, const char *topic, struct slice key, struct slice value, struct error *err)
{
	rd_kafka_resp_err_t code = rd_kafka_producev(broker->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key.p, key.n),
						     RD_KAFKA_V_VALUE((void *)value.p, value.n), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
						     RD_KAFKA_V_END);

	return code ? error_set(err, "topic %s: %s", topic, rd_kafka_err2str(code)) : 0;
}

int mock_broker_flush(struct mock_broker *broker, struct error *err)
{
	rd_kafka_resp_err_t code = rd_kafka_flush(broker->producer, FLUSH_MS);

	if (code)
		return error_set(err, "%s", rd_kafka_err2str(code));
	return broker->refused ? error_set(err, "a message was refused") : 0;
}

void mock_broker_free(struct mock_broker *broker)
{
	if (!broker)
		return;
	if (broker->producer)
		rd_kafka_destroy(broker->producer);
	free(broker);
}
