/* Writes one of the samples into a topic, or into files for a file source, and says on stdout what it wrote and what a target must hold
 * in the end, as one JSON object. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "events.h"
#include "nexmark.h"
#include "sample.h"

enum { FLUSH_MS = 60000, TOPIC_MS = 30000, POLL_MS = 100 };

enum kind { CHANGES, VIEWS, PAYMENTS, NEXMARK, KINDS };

static const char *const kinds[KINDS] = { "changes", "views", "payments", "nexmark" };

struct options {
	enum kind kind;
	struct sample_options sample;
	const char *brokers, *topic, *folder;
	int partitions;
};

/* Where a message goes: one of the two. */
struct sink {
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	FILE **files;
	int partitions;
	int64_t refused;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "generate: %s: %s\n", what, why);
	exit(1);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *ctx)
{
	struct sink *sink = ctx;

	(void)rk;
	if (message->err && sink->refused++ == 0)
		fprintf(stderr, "generate: %s\n", rd_kafka_err2str(message->err));
}

static void make_topic(struct sink *sink, const char *name)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(sink->rk);
	char why[256];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, sink->partitions, 1, why, sizeof why);
	const rd_kafka_topic_result_t **results;
	rd_kafka_event_t *answer;
	size_t count;

	if (!topic)
		die(name, why);
	rd_kafka_CreateTopics(sink->rk, &topic, 1, NULL, queue);
	answer = rd_kafka_queue_poll(queue, TOPIC_MS);
	if (!answer || rd_kafka_event_error(answer))
		die(name, answer ? rd_kafka_event_error_string(answer) : "the broker does not answer");
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count);
	if (rd_kafka_topic_result_error(results[0]))
		die(name, rd_kafka_topic_result_error_string(results[0]));
	rd_kafka_event_destroy(answer);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(topic);
}

static void open_topic(struct sink *sink, const struct options *options)
{
	static const char *const properties[][2] = {
		{ "enable.idempotence", "true" }, /* changes of one row stay in order */
		{ "log_level", "3" },             /* a broker that has just started is asked again, and says so */
		{ "linger.ms", "20" },
		{ "batch.num.messages", "2000" },
		{ "queue.buffering.max.messages", "200000" },
		{ "compression.codec", "none" }, /* Debezium's default; and nobody's decompressor is measured */
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256];

	if (rd_kafka_conf_set(conf, "bootstrap.servers", options->brokers, why, sizeof why) != RD_KAFKA_CONF_OK)
		die(options->brokers, why);
	for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
		if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], why, sizeof why) != RD_KAFKA_CONF_OK)
			die(properties[i][0], why);
	rd_kafka_conf_set_opaque(conf, sink);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	sink->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (!sink->rk)
		die(options->brokers, why);
	make_topic(sink, options->topic);
	sink->topic = rd_kafka_topic_new(sink->rk, options->topic, NULL);
	if (!sink->topic)
		die(options->topic, rd_kafka_err2str(rd_kafka_last_error()));
}

static void open_files(struct sink *sink, const char *folder)
{
	char path[4096];

	sink->files = calloc((size_t)sink->partitions, sizeof *sink->files);
	BUG_IF(!sink->files);
	for (int i = 0; i < sink->partitions; i++) {
		snprintf(path, sizeof path, "%s/sample-%d.tsv", folder, i);
		sink->files[i] = fopen(path, "w");
		if (!sink->files[i])
			die(path, strerror(errno));
	}
}

/* A row's messages go to one partition, chosen as Java's clients choose it. */
static void put(struct sink *sink, struct slice key, struct slice value)
{
	int32_t partition = rd_kafka_msg_partitioner_murmur2(sink->topic, key.p, key.n, sink->partitions, NULL, NULL);

	if (sink->files) {
		FILE *file = sink->files[partition];

		/* JSON has no bare tabs and newlines. */
		if (fprintf(file, "%.*s\t%.*s\n", SLICE_ARG(key), SLICE_ARG(value)) < 0)
			die("write", strerror(errno));
		return;
	}
	while (rd_kafka_produce(sink->topic, partition, RD_KAFKA_MSG_F_COPY, (void *)value.p, value.n, key.p, key.n, NULL)) {
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("produce", rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_poll(sink->rk, POLL_MS);
	}
	rd_kafka_poll(sink->rk, 0);
}

static void finish(struct sink *sink)
{
	for (int i = 0; sink->files && i < sink->partitions; i++)
		if (fclose(sink->files[i]))
			die("write", strerror(errno));
	free(sink->files);
	if (!sink->rk)
		return;
	if (rd_kafka_flush(sink->rk, FLUSH_MS) || sink->refused)
		die("produce", "the broker did not take all messages");
	rd_kafka_topic_destroy(sink->topic);
	rd_kafka_destroy(sink->rk);
}

static void usage(void)
{
	fprintf(stderr, "usage: generate (--brokers HOST:PORT --topic NAME | --files FOLDER) [--sample changes|views|payments|nexmark]\n"
			"                [--messages N] [--seed N] [--partitions N] [--schemas]\n"
			"The topic is made, and must not be there. Files are sample-0.tsv ...: key, tab, value. --schemas is for changes.\n");
	exit(2);
}

static enum kind read_kind(const char *name)
{
	enum kind kind = 0;

	while (kind < KINDS && strcmp(kinds[kind], name) != 0)
		kind++;
	if (kind == KINDS)
		usage();
	return kind;
}

static struct options read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "brokers", required_argument, NULL, 'b' }, { "topic", required_argument, NULL, 't' },
		{ "files", required_argument, NULL, 'f' },   { "messages", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },    { "partitions", required_argument, NULL, 'p' },
		{ "schemas", no_argument, NULL, 'e' },       { "sample", required_argument, NULL, 'k' },
		{ 0 },
	};
	struct options options = { .sample = { .seed = 1, .changes = 1000000 }, .partitions = 8 };
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'b':
			options.brokers = optarg;
			break;
		case 't':
			options.topic = optarg;
			break;
		case 'f':
			options.folder = optarg;
			break;
		case 'n':
			options.sample.changes = atoll(optarg);
			break;
		case 's':
			options.sample.seed = atol(optarg);
			break;
		case 'p':
			options.partitions = atoi(optarg);
			break;
		case 'e':
			options.sample.schemas = true;
			break;
		case 'k':
			options.kind = read_kind(optarg);
			break;
		default:
			usage();
		}
	}
	if (optind != argc || options.sample.changes < 1 || options.partitions < 1 || !options.folder == !(options.brokers && options.topic))
		usage();
	return options;
}

static bool next_change(void *self, struct slice *key, struct slice *value)
{
	return sample_next(self, key, value);
}

static void changes_outcome(const void *self, struct buf *json)
{
	struct sample_outcome outcome = sample_outcome(self);

	buf_printf(json, "\"rows\":%" PRId64 ",\"quantity\":%" PRId64 ",\"cents\":%" PRId64, outcome.rows, outcome.quantity, outcome.cents);
	buf_printf(json, ",\"all_rows\":%" PRId64 ",\"all_quantity\":%" PRId64 ",\"all_cents\":%" PRId64, outcome.all_rows, outcome.all_quantity,
		   outcome.all_cents);
}

static void free_changes(void *self)
{
	sample_free(self);
}

static struct stream open_stream(enum kind kind, const struct sample_options *options)
{
	switch (kind) {
	case VIEWS:
		return events_stream(EVENTS_VIEWS, options->seed, options->changes);
	case PAYMENTS:
		return events_stream(EVENTS_PAYMENTS, options->seed, options->changes);
	case NEXMARK:
		return nexmark_stream(options->seed, options->changes);
	default:
		return (struct stream){ .self = sample_new(options), .next = next_change, .outcome = changes_outcome, .free = free_changes };
	}
}

int main(int argc, char **argv)
{
	struct options options = read_options(argc, argv);
	struct sink sink = { .partitions = options.partitions };
	struct stream stream = open_stream(options.kind, &options.sample);
	struct buf outcome = BUF_INIT;
	struct slice key, value;
	int64_t bytes = 0;

	if (options.folder)
		open_files(&sink, options.folder);
	else
		open_topic(&sink, &options);
	while (stream.next(stream.self, &key, &value)) {
		put(&sink, key, value);
		bytes += (int64_t)(key.n + value.n);
	}
	stream.outcome(stream.self, &outcome);
	finish(&sink);
	printf("{%s,\"messages\":%" PRId64 ",\"bytes\":%" PRId64 "}\n", buf_cstr(&outcome), options.sample.changes, bytes);
	buf_free(&outcome);
	stream.free(stream.self);
	return 0;
}
