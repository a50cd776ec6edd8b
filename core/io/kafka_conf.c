/* From options to librdkafka's configuration: our defaults, over them the job's properties, over these the few that the
 * source cannot work without. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "io/kafka.h"
#include "io/kafka_inside.h"

#define BOUNDED_WAIT_MS "20"

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
	char reason[512];

	/* The value is not repeated in the message: it may be a password. */
	if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
		return error_set(err, "source: config[\"%s\"]: %s", name, reason);
	return 0;
}

static int set_defaults(struct kafka *kafka, const struct kafka_options *options, struct error *err)
{
	rd_kafka_conf_t *conf = kafka->conf;
	static const char *const defaults[][2] = {
		{ "client.id", "streamlua" },
		{ "partition.assignment.strategy", "cooperative-sticky" },
		{ "session.timeout.ms", "10000" },
		{ "heartbeat.interval.ms", "1000" }, /* how soon a rebalance is noticed */
		{ "enable.auto.commit", "false" },
		{ "auto.offset.reset", "error" }, /* an offset that is gone is never jumped over silently */
		{ "isolation.level", "read_committed" },
		{ "check.crcs", "true" },
		{ "ssl.endpoint.identification.algorithm", "https" }, /* a library before 2.0 checks no host's name by itself */
		{ "topic.metadata.refresh.interval.ms", "30000" },    /* how soon a new topic that matches a pattern is found */
	};

	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		if (set(conf, defaults[i][0], defaults[i][1], err) < 0)
			return -1;
	}
	/* A broker answers what comes behind a fetch only after that, and a fetch at the end of all there is waits for more to come: whoever ends
	 * there has something to ask, and would stand still for half a second. */
	if (kafka->until.kind != KAFKA_NOWHERE && set(conf, "fetch.wait.max.ms", BOUNDED_WAIT_MS, err) < 0)
		return -1;
	if (options->memory_bytes && kafka_fetch_configure(kafka, options, err) < 0)
		return -1;
	if (options->brokers && *options->brokers && set(conf, "bootstrap.servers", options->brokers, err) < 0)
		return -1;
	if (options->instance && *options->instance && set(conf, "group.instance.id", options->instance, err) < 0)
		return -1;
	return set(conf, "group.id", options->group, err);
}

static int set_ours(rd_kafka_conf_t *conf, bool bounded, struct error *err)
{
	if (set(conf, "enable.auto.offset.store", "false", err) < 0 || set(conf, "log.queue", "true", err) < 0)
		return -1;
	/* The last offsets of a partition can be transaction marks, or compacted away: only this tells that its end is reached. */
	return bounded ? set(conf, "enable.partition.eof", "true", err) : 0;
}

static int add_topic(rd_kafka_topic_partition_list_t *topics, const char *name, struct error *err)
{
	struct buf pattern = BUF_INIT;
	regex_t regex;
	int code;

	if (!strpbrk(name, "^$*+?()[]{}|\\")) {
		if (!*name || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")])
			return error_set(err, "source: topics: \"%s\" can be no topic's name, and is no pattern", name);
		buf_text(&pattern, name);
	} else if (*name == '^') {
		buf_text(&pattern, name);
	} else {
		buf_printf(&pattern, "^(%s)$", name);
	}
	if (*buf_cstr(&pattern) == '^') {
		code = regcomp(&regex, buf_cstr(&pattern), REG_EXTENDED | REG_NOSUB);
		if (code) {
			char reason[128];

			regerror(code, &regex, reason, sizeof reason);
			buf_free(&pattern);
			return error_set(err, "source: topics: \"%s\" is no pattern: %s", name, reason);
		}
		regfree(&regex);
	}
	if (!rd_kafka_topic_partition_list_find(topics, buf_cstr(&pattern), RD_KAFKA_PARTITION_UA))
		rd_kafka_topic_partition_list_add(topics, buf_cstr(&pattern), RD_KAFKA_PARTITION_UA);
	buf_free(&pattern);
	return 0;
}

static int read_point(struct kafka_point *point, const char *what, const char *text, int64_t now_ms, struct error *err)
{
	if (strcmp(text, "earliest") == 0) {
		point->kind = KAFKA_EARLIEST;
		return 0;
	}
	if (strcmp(text, "latest") == 0) {
		point->kind = KAFKA_LATEST;
		return 0;
	}
	point->kind = KAFKA_TIME;
	if (clock_time(slice_of(text), now_ms, &point->ms, err) < 0)
		return error_prefix(err, "source: %s (\"earliest\", \"latest\" or a time)", what);
	if (point->ms < 0)
		point->ms = 0; /* below, Kafka's protocol has other meanings */
	return 0;
}

int kafka_conf_read(struct kafka *kafka, const struct kafka_options *options, struct error *err)
{
	size_t brokers = 0; /* length of their list, with its NUL */

	kafka->from = options->from;
	kafka->run_started_ms = options->run_started_ms;
	kafka->first = options->first;
	kafka->group_keeps_progress = options->group_keeps_progress;
	kafka->sink_commits = options->sink_commits;
	kafka->from_ms = options->sink_commits && options->from_of_run ? options->run_started_ms : 0;
	kafka->alone = options->alone;
	kafka->tail = options->tail;
	kafka->only_topic = options->only_topic ? strdup(options->only_topic) : NULL;
	kafka->only_partition = options->only_partition;
	if (!options->group || !*options->group)
		return error_set(err, "source: the consumer group has no name");
	if (read_point(&kafka->start, "start", options->start ? options->start : "earliest", options->run_started_ms, err) < 0)
		return -1;
	if (options->until && read_point(&kafka->until, "until", options->until, options->run_started_ms, err) < 0)
		return -1;
	if (kafka->until.kind == KAFKA_EARLIEST)
		return error_set(err, "source: until \"earliest\" would read nothing: write \"latest\" or a time");

	kafka->topics = rd_kafka_topic_partition_list_new(4);
	for (const char *const *topic = options->topics; topic && *topic; topic++) {
		if (add_topic(kafka->topics, *topic, err) < 0)
			return -1;
	}
	kafka->rekeyed = rd_kafka_topic_partition_list_new(1);
	for (const char *const *topic = options->rekeyed; topic && *topic; topic++)
		rd_kafka_topic_partition_list_add(kafka->rekeyed, *topic, RD_KAFKA_PARTITION_UA);
	if (kafka->topics->cnt == 0)
		return error_set(err, "source: no topics are named");

	kafka->conf = rd_kafka_conf_new();
	if (set_defaults(kafka, options, err) < 0)
		return -1;
	for (const char *const *pair = options->config; pair && pair[0]; pair += 2) {
		if (set(kafka->conf, pair[0], pair[1], err) < 0)
			return -1;
	}
	if (set_ours(kafka->conf, kafka->until.kind != KAFKA_NOWHERE, err) < 0)
		return -1;
	if (rd_kafka_conf_get(kafka->conf, "bootstrap.servers", NULL, &brokers) != RD_KAFKA_CONF_OK || brokers <= 1)
		return error_set(err, "source: no brokers are named");
	return 0;
}
