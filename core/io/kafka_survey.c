#include "io/kafka_survey.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/kafka_inside.h"

enum { ANSWER_MS = 5000, CONNECT_MS = 2000, AGES_MS = 5000 };

/* ---- brokers ---- */

static const char *keep(struct kafka_survey *survey, const char *text)
{
	return arena_copy(&survey->arena, slice_of(text)).p;
}

/* NULL: there is a connection. */
static const char *try_address(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), failure = 0;
	struct pollfd waits = { fd, POLLOUT, 0 };
	socklen_t size = sizeof failure;

	if (fd < 0)
		return strerror(errno);
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
		failure = errno;
	if (failure == EINPROGRESS) {
		if (poll(&waits, 1, CONNECT_MS) <= 0)
			failure = ETIMEDOUT;
		else
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
	}
	close(fd);
	return failure ? strerror(failure) : NULL;
}

static const char *try_broker(const char *host, int port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *addresses;
	const char *problem = NULL;
	char service[16];
	int code;

	snprintf(service, sizeof service, "%d", port);
	code = getaddrinfo(host, service, &hints, &addresses);
	if (code)
		return gai_strerror(code);
	for (const struct addrinfo *address = addresses; address; address = address->ai_next) {
		problem = try_address(address);
		if (!problem)
			break;
	}
	freeaddrinfo(addresses);
	return problem;
}

static void read_brokers(struct kafka_survey *survey, const struct rd_kafka_metadata *metadata)
{
	char address[300];

	survey->brokers = arena_zalloc(&survey->arena, (size_t)metadata->broker_cnt * sizeof *survey->brokers);
	for (int i = 0; i < metadata->broker_cnt; i++) {
		const struct rd_kafka_metadata_broker *broker = &metadata->brokers[i];
		const char *problem = try_broker(broker->host, broker->port);

		snprintf(address, sizeof address, "%s:%d", broker->host, broker->port);
		survey->brokers[survey->broker_count++] = (struct survey_broker){ broker->id, keep(survey, address),
										  problem ? keep(survey, problem) : NULL };
	}
}

/* ---- topics ---- */

/* What kafka_conf.c made of a pattern, as the job has it. */
static const char *as_written(struct kafka_survey *survey, const char *pattern)
{
	size_t n = strlen(pattern);

	if (n >= 4 && strncmp(pattern, "^(", 2) == 0 && strcmp(pattern + n - 2, ")$") == 0)
		return arena_copy(&survey->arena, (struct slice){ pattern + 2, n - 4 }).p;
	return keep(survey, pattern);
}

static void add_topic(struct kafka_survey *survey, const struct rd_kafka_metadata_topic *from)
{
	struct survey_topic *topic = &survey->topics[survey->topic_count++];

	*topic = (struct survey_topic){ .name = keep(survey, from->topic),
					.partitions = from->partition_cnt,
					.retention_ms = SURVEY_UNKNOWN,
					.retention_bytes = SURVEY_UNKNOWN,
					.message_bytes = SURVEY_UNKNOWN,
					.deletes = true };
	for (int i = 0; i < from->partition_cnt; i++) {
		const struct rd_kafka_metadata_partition *partition = &from->partitions[i];

		survey->partitions[survey->partition_count++] = (struct survey_partition){
			.topic = topic,
			.partition = partition->id,
			.problem = partition->leader < 0 ? "no broker leads it" : NULL,
			.low = -1,
			.high = -1,
			.committed = -1,
			.next = -1,
			.next_ms = -1,
		};
	}
}

static void read_topics(struct kafka_survey *survey, const struct rd_kafka_metadata *metadata)
{
	const struct kafka *kafka = (struct kafka *)survey->source;
	size_t partitions = 0;

	survey->patterns = arena_zalloc(&survey->arena, (size_t)kafka->topics->cnt * sizeof *survey->patterns);
	for (int i = 0; i < kafka->topics->cnt; i++)
		survey->patterns[survey->pattern_count++].text = as_written(survey, kafka->topics->elems[i].topic);
	for (int i = 0; i < metadata->topic_cnt; i++)
		partitions += (size_t)metadata->topics[i].partition_cnt;
	survey->topics = arena_zalloc(&survey->arena, (size_t)metadata->topic_cnt * sizeof *survey->topics);
	survey->partitions = arena_zalloc(&survey->arena, partitions * sizeof *survey->partitions);
	for (int i = 0; i < metadata->topic_cnt; i++) {
		bool meant = false;

		for (int k = 0; k < kafka->topics->cnt; k++) {
			bool matches = kafka_share_matches(kafka->topics->elems[k].topic, metadata->topics[i].topic);

			survey->patterns[k].matches += matches;
			meant |= matches;
		}
		if (meant)
			add_topic(survey, &metadata->topics[i]);
	}
}

static struct survey_topic *find_topic(struct kafka_survey *survey, const char *name)
{
	for (size_t i = 0; i < survey->topic_count; i++)
		if (strcmp(survey->topics[i].name, name) == 0)
			return &survey->topics[i];
	return NULL;
}

static void read_config(struct survey_topic *topic, const rd_kafka_ConfigResource_t *resource)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

	for (size_t i = 0; i < count; i++) {
		const char *name = rd_kafka_ConfigEntry_name(entries[i]), *value = rd_kafka_ConfigEntry_value(entries[i]);

		if (!value)
			continue;
		if (strcmp(name, "retention.ms") == 0)
			topic->retention_ms = atoll(value);
		else if (strcmp(name, "retention.bytes") == 0)
			topic->retention_bytes = atoll(value);
		else if (strcmp(name, "max.message.bytes") == 0)
			topic->message_bytes = atoll(value);
		else if (strcmp(name, "cleanup.policy") == 0)
			topic->deletes = strstr(value, "delete") != NULL;
	}
}

/* A user who may not ask is told nothing: then it is not known. */
static void ask_configs(struct kafka_survey *survey)
{
	rd_kafka_ConfigResource_t **resources = arena_zalloc(&survey->arena, survey->topic_count * sizeof(rd_kafka_ConfigResource_t *));
	rd_kafka_queue_t *queue = rd_kafka_queue_new(survey->rk);
	const rd_kafka_ConfigResource_t **answers;
	rd_kafka_event_t *event;
	size_t count = 0;

	for (size_t i = 0; i < survey->topic_count; i++)
		resources[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, survey->topics[i].name);
	rd_kafka_DescribeConfigs(survey->rk, resources, survey->topic_count, NULL, queue);
	event = rd_kafka_queue_poll(queue, ANSWER_MS);
	if (event && !rd_kafka_event_error(event)) {
		answers = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
		for (size_t i = 0; i < count; i++) {
			struct survey_topic *topic = find_topic(survey, rd_kafka_ConfigResource_name(answers[i]));

			if (topic && !rd_kafka_ConfigResource_error(answers[i]))
				read_config(topic, answers[i]);
		}
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_ConfigResource_destroy_array(resources, survey->topic_count);
}

/* ---- offsets ---- */

static rd_kafka_topic_partition_list_t *led(const struct kafka_survey *survey, int64_t offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)survey->partition_count);

	for (size_t i = 0; i < survey->partition_count; i++) {
		struct survey_partition *partition = &survey->partitions[i];
		rd_kafka_topic_partition_t *entry;

		if (partition->problem)
			continue;
		entry = rd_kafka_topic_partition_list_add(list, partition->topic->name, partition->partition);
		entry->offset = offset;
		entry->opaque = partition;
	}
	return list;
}

enum asked { ASKED_LOW, ASKED_HIGH, ASKED_COMMITTED };

static void ask_offsets(struct kafka_survey *survey, enum asked asked)
{
	rd_kafka_topic_partition_list_t *list = led(survey, asked == ASKED_LOW ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END);
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

	if (list->cnt)
		code = asked == ASKED_COMMITTED ? rd_kafka_committed(survey->rk, list, ANSWER_MS)
						: rd_kafka_offsets_for_times(survey->rk, list, ANSWER_MS);
	for (int i = 0; i < list->cnt; i++) {
		struct survey_partition *partition = list->elems[i].opaque;
		rd_kafka_resp_err_t reason = list->elems[i].err ? list->elems[i].err : code;

		if (reason)
			partition->problem = keep(survey, rd_kafka_err2str(reason));
		else if (asked == ASKED_COMMITTED)
			partition->committed = list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
		else
			*(asked == ASKED_LOW ? &partition->low : &partition->high) = list->elems[i].offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
}

static struct survey_partition *find_partition(struct kafka_survey *survey, const rd_kafka_message_t *message)
{
	for (size_t i = 0; message->rkt && i < survey->partition_count; i++)
		if (survey->partitions[i].partition == message->partition &&
		    strcmp(survey->partitions[i].topic->name, rd_kafka_topic_name(message->rkt)) == 0)
			return &survey->partitions[i];
	return NULL;
}

/* One message, or the end, of a partition is all that is wanted of it. */
static bool settle(struct kafka_survey *survey, rd_kafka_message_t *message)
{
	struct survey_partition *partition = find_partition(survey, message);
	rd_kafka_topic_partition_list_t *read;

	if (!partition || partition->next < 0 || (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF))
		return false;
	if (partition->next_ms >= 0)
		return false; /* it had been fetched with the first */
	partition->next_ms = message->err ? INT64_MAX : rd_kafka_message_timestamp(message, NULL);
	read = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(read, partition->topic->name, partition->partition);
	rd_kafka_pause_partitions(survey->rk, read);
	rd_kafka_topic_partition_list_destroy(read);
	return true;
}

void kafka_survey_ages(struct kafka_survey *survey)
{
	rd_kafka_topic_partition_list_t *list = led(survey, 0);
	int64_t until = clock_mono_ms() + AGES_MS, now;
	int left;

	for (int i = list->cnt - 1; i >= 0; i--) {
		const struct survey_partition *partition = list->elems[i].opaque;

		list->elems[i].offset = partition->next;
		if (partition->next < partition->low || partition->next >= partition->high)
			rd_kafka_topic_partition_list_del_by_idx(list, i);
	}
	left = list->cnt;
	if (left)
		rd_kafka_assign(survey->rk, list);
	while (left > 0 && (now = clock_mono_ms()) < until) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(survey->rk, (int)(until - now));

		if (!message)
			continue;
		left -= settle(survey, message);
		rd_kafka_message_destroy(message);
	}
	rd_kafka_assign(survey->rk, NULL);
	rd_kafka_topic_partition_list_destroy(list);
	for (size_t i = 0; i < survey->partition_count; i++)
		if (survey->partitions[i].next_ms == INT64_MAX) /* nothing but marks of transactions */
			survey->partitions[i].next_ms = -1;
}

/* ---- the group ---- */

static void read_group(struct kafka_survey *survey, const struct rd_kafka_group_info *group)
{
	rd_kafka_topic_partition_list_t *list;

	survey->group_state = keep(survey, group->state);
	survey->members = arena_zalloc(&survey->arena, (size_t)group->member_cnt * sizeof *survey->members);
	for (int i = 0; i < group->member_cnt; i++)
		survey->members[survey->member_count++] = (struct survey_member){ keep(survey, group->members[i].client_id),
										  keep(survey, group->members[i].client_host) };
	if (!survey->member_count || strcmp(survey->group_state, "Stable") != 0)
		return;
	list = led(survey, 0);
	kafka_gap_take_out(list, group);
	survey->ownerless = (size_t)list->cnt;
	rd_kafka_topic_partition_list_destroy(list);
}

static void ask_group(struct kafka_survey *survey)
{
	const struct rd_kafka_group_list *groups = NULL;
	char name[512] = "";
	size_t size = sizeof name;

	rd_kafka_conf_get(rd_kafka_conf(survey->rk), "group.id", name, &size);
	survey->group = keep(survey, name);
	survey->group_state = "";
	if (rd_kafka_list_groups(survey->rk, name, &groups, ANSWER_MS) && !groups)
		return;
	survey->group_state = "Empty";
	for (int i = 0; i < groups->group_cnt; i++)
		if (strcmp(groups->groups[i].group, name) == 0 && !groups->groups[i].err)
			read_group(survey, &groups->groups[i]);
	rd_kafka_group_list_destroy(groups);
}

/* ---- all of it ---- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	char *last = opaque;

	(void)rk;
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !*last)
		snprintf(last, 512, "%s", reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk, (void)level, (void)facility, (void)text; /* what comes of it is told by the answers */
}

int kafka_survey_open(struct kafka_survey *survey, struct source *source, struct error *err)
{
	struct kafka *kafka = (struct kafka *)source;
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t code;
	char reason[512], *last;

	*survey = (struct kafka_survey){ .source = source };
	last = arena_zalloc(&survey->arena, sizeof reason);
	rd_kafka_conf_set_opaque(kafka->conf, last);
	rd_kafka_conf_set_error_cb(kafka->conf, on_error);
	rd_kafka_conf_set_log_cb(kafka->conf, on_log);
	rd_kafka_conf_set(kafka->conf, "enable.partition.eof", "true", NULL, 0);
	rd_kafka_conf_set(kafka->conf, "log.queue", "false", NULL, 0);
	survey->rk = rd_kafka_new(RD_KAFKA_CONSUMER, kafka->conf, reason, sizeof reason);
	if (!survey->rk)
		return error_set(err, "%s", reason);
	kafka->conf = NULL;
	code = rd_kafka_metadata(survey->rk, 1, NULL, &metadata, ANSWER_MS);
	if (code) {
		rd_kafka_poll(survey->rk, 0);
		return error_set(err, "%s%s%s", rd_kafka_err2str(code), *last ? ": " : "", last);
	}
	read_brokers(survey, metadata);
	read_topics(survey, metadata);
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_poll_set_consumer(survey->rk);
	ask_configs(survey);
	ask_offsets(survey, ASKED_LOW);
	ask_offsets(survey, ASKED_HIGH);
	ask_offsets(survey, ASKED_COMMITTED);
	ask_group(survey);
	return 0;
}

void kafka_survey_close(struct kafka_survey *survey)
{
	if (survey->rk)
		rd_kafka_destroy_flags(survey->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	survey->source->ops->close(survey->source);
	arena_free(&survey->arena);
	*survey = (struct kafka_survey){ 0 };
}
