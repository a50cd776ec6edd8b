/* The source and the sink that job.lua names, made from its fields. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/sides.h"
#include "io/blackhole.h"
#include "io/file.h"
#include "io/jsonl.h"
#include "io/kafka.h"
#include "io/kafka_sink.h"
#include "io/kafka_topic.h"
#include "io/mysql.h"
#include "io/registry.h"
#include "io/sqlite.h"
#include "run/job_private.h"

/* Lanes of sinks that are no server: they stand for one. */
enum { BLACKHOLE_LANES = 8 };

/* A NULL-terminated list of texts, each owned. */
struct texts {
	char **items;
	size_t count;
};

static void texts_add(struct texts *texts, const char *text)
{
	texts->items = realloc(texts->items, (texts->count + 2) * sizeof(*texts->items));
	BUG_IF(!texts->items);
	texts->items[texts->count++] = strdup(text);
	texts->items[texts->count] = NULL;
}

static void texts_free(struct texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->items[i]);
	free(texts->items);
}

bool job_keeps_progress(const struct job *job)
{
	return strcmp(job->sink_name, "jsonl") != 0 && strcmp(job->sink_name, "kafka") != 0 && strcmp(job->sink_name, "blackhole") != 0;
}

bool job_stays_in_kafka(struct job *job)
{
	const char *from = job_text(job, "source.brokers"), *into = job_text(job, "sink.brokers");
	lua_State *lua = script_host_lua(job->host);
	bool alone;

	job_push(job, "side_names");
	alone = !lua_istable(lua, -1) || lua_objlen(lua, -1) == 0;
	lua_pop(lua, 1);
	return alone && !job->bounded && strcmp(job->sink_name, "kafka") == 0 && from && into && strcmp(from, into) == 0;
}

static void add_text(void *ctx, const char *text)
{
	texts_add(ctx, text);
}

static void read_list(struct job *job, const char *path, struct texts *texts)
{
	job_each(job, path, add_text, texts);
}

static void read_pairs(struct job *job, const char *path, struct texts *texts)
{
	lua_State *lua = script_host_lua(job->host);

	job_push(job, path);
	if (lua_istable(lua, -1)) {
		lua_pushnil(lua);
		while (lua_next(lua, -2)) {
			texts_add(texts, lua_tostring(lua, -2));
			texts_add(texts, lua_tostring(lua, -1));
			lua_pop(lua, 1);
		}
	}
	lua_pop(lua, 1);
}

void job_resolve(const struct job *job, const char *path, char *out)
{
	bool as_is = path[0] == '/' || strcmp(path, "-") == 0;

	snprintf(out, PATH_MAX, "%s%s%s", as_is ? "" : job->bundle->folder, as_is ? "" : "/", path);
}

const char *job_group(struct job *job, enum rekey rekey, char out[300])
{
	snprintf(out, 300, "%.250s%s", job_text(job, "source.group"), rekey == REKEY_OUT ? "-repartition" : "");
	return out;
}

bool job_rekeys(const struct job *job)
{
	for (uint32_t i = 0; !job->bounded && i < script_host_count(job->host); i++)
		if (script_host_script(job->host, i)->repartition.n)
			return true;
	return false;
}

/* Each once. */
static void add_rekeyed(const struct job *job, struct texts *texts)
{
	for (uint32_t i = 0; i < script_host_count(job->host); i++) {
		struct slice topic = script_host_script(job->host, i)->repartition;
		bool known = topic.n == 0;

		for (size_t k = 0; k < texts->count; k++)
			known |= slice_is(topic, texts->items[k]);
		if (!known)
			texts_add(texts, topic.p);
	}
}

/* Who of several scripts says most of a topic that they share. */
static int make_topic(struct job *job, struct kafka_topic_options *options, struct error *err)
{
	int32_t partitions = 0;
	int made;

	options->partitions = 0;
	options->retention_ms = 0;
	for (uint32_t i = 0; i < script_host_count(job->host); i++) {
		const struct script *script = script_host_script(job->host, i);

		if (!slice_is(script->repartition, options->name))
			continue;
		if (script->repartition_partitions > options->partitions)
			options->partitions = script->repartition_partitions;
		if (script->repartition_retention_ms > options->retention_ms)
			options->retention_ms = script->repartition_retention_ms;
	}
	made = kafka_topic_make(options, &partitions, err);
	if (made > 0)
		log_info("topic %s is made for repartition: %d partitions, %lld hours of retention", options->name, (int)partitions,
			 (long long)options->retention_ms / 3600000);
	return made;
}

int job_make_topics(struct job *job, bool empty, struct error *err)
{
	struct texts topics = { 0 }, config = { 0 }, rekeyed = { 0 };
	struct kafka_topic_options options = { .brokers = job_text(job, "source.brokers"), .empty = empty };
	int result = 0;

	if (!job_rekeys(job))
		return 0;
	read_list(job, "source.topics", &topics);
	read_pairs(job, "source.config", &config);
	add_rekeyed(job, &rekeyed);
	options.source = (const char *const *)topics.items;
	options.config = (const char *const *)config.items;
	for (size_t i = 0; result == 0 && i < config.count; i += 2)
		if (strcmp(config.items[i], "isolation.level") == 0 && strcmp(config.items[i + 1], "read_committed") != 0)
			result = error_set(err, "repartition: source: config[\"isolation.level\"]: what is not committed would be read too");
	for (size_t i = 0; result == 0 && i < rekeyed.count; i++) {
		options.name = rekeyed.items[i];
		result = make_topic(job, &options, err) < 0 ? -1 : 0;
	}
	texts_free(&topics);
	texts_free(&config);
	texts_free(&rekeyed);
	return result;
}

static bool keeps_state(const struct job *job)
{
	for (uint32_t i = 0; i < script_host_count(job->host); i++)
		if (script_host_script(job->host, i)->stateful)
			return true;
	return false;
}

static struct source *kafka_source(struct job *job, struct event_base *loop, const struct job_run *run, struct error *err)
{
	struct texts topics = { 0 }, config = { 0 }, rekeyed = { 0 };
	/* A new --from is meant once: a worker that takes a dead one's place goes on from its progress. */
	const char *from = run->restarted ? NULL : run->options->from;
	struct kafka_options options = {
		.brokers = job_text(job, "source.brokers"),
		.group = job_text(job, "source.group"),
		.start = run->options->from ? run->options->from : job_text(job, "source.start"),
		.until = run->options->until,
		.run_started_ms = run->run_started_ms,
		.instance = run->instance,
		/* Half of what the worker may use is for events on their way, a quarter for what is fetched ahead: librdkafka 2.0 looks at a full
		 * queue again only once a second, so less than a second's worth holds the stream up. */
		.memory_bytes = (size_t)job_number(job, "memory", 256 << 20) / 16,
		.evenly = keeps_state(job),
		.from = from != NULL,
		.from_of_run = run->options->from != NULL,
		.first = !run->restarted,
	};
	char other_group[300];
	struct source *source;

	if (run->options->dry_run) { /* a group of its own: the job's partitions are not to move because somebody looks */
		snprintf(other_group, sizeof other_group, "%s-dry-run-%ld", options.group, (long)getppid());
		options.group = other_group;
	}
	if (run->rekey == REKEY_OUT)
		options.group = job_group(job, run->rekey, other_group);
	options.group_keeps_progress = run->rekey == REKEY_OUT || !job_keeps_progress(job);
	options.sink_commits = run->rekey == REKEY_OUT || (job_stays_in_kafka(job) && !run->options->dry_run && !run->alone);
	options.alone = run->alone;
	options.only_topic = run->only_topic;
	options.only_partition = run->only_partition;
	options.tail = run->tail;
	read_list(job, "source.topics", &topics);
	read_pairs(job, "source.config", &config);
	if (run->rekey == REKEY_IN) {
		add_rekeyed(job, &rekeyed);
		for (size_t i = 0; i < rekeyed.count; i++)
			texts_add(&topics, rekeyed.items[i]);
	}
	options.rekeyed = (const char *const *)rekeyed.items;
	options.topics = (const char *const *)topics.items;
	options.config = (const char *const *)config.items;
	source = kafka_new(loop, &options, err);
	texts_free(&topics);
	texts_free(&rekeyed);
	texts_free(&config);
	return source;
}

static struct source *file_source(struct job *job, struct event_base *loop, const struct job_run *run, struct error *err)
{
	struct texts names = { 0 }, paths = { 0 };
	struct file_options options = {
		.topic = job_text(job, "source.topic"),
		.key_separator = job_text(job, "source.key_separator"),
		.kcat = job_text(job, "source.envelope") != NULL,
		.progress_bar = !run->alone,
		.worker = run->worker,
		.workers = run->workers,
	};
	struct source *source;

	read_list(job, "source.paths", &names);
	for (size_t i = 0; i < names.count; i++) {
		char path[PATH_MAX];

		job_resolve(job, names.items[i], path);
		texts_add(&paths, path);
	}
	options.names = (const char *const *)names.items;
	options.paths = (const char *const *)paths.items;
	options.path_count = paths.count;
	source = file_new(loop, &options, err);
	texts_free(&names);
	texts_free(&paths);
	return source;
}

struct source *job_source(struct job *job, struct event_base *loop, const struct job_run *run, struct error *err)
{
	return job->bounded ? file_source(job, loop, run, err) : kafka_source(job, loop, run, err);
}

/* A field of one of the job's sinks; `at` is where it stands in the job: "sink", "sinks.alerts". */
static const char *sink_text(struct job *job, const char *at, const char *field)
{
	char path[200];

	snprintf(path, sizeof path, "%s.%s", at, field);
	return job_text(job, path);
}

static struct sink *server_sink(struct job *job, struct event_base *loop, struct error *err)
{
	struct mysql_options options = {
		.flavour = job->sink_name,
		.host = job_text(job, "sink.host"),
		.port = (int32_t)job_number(job, "sink.port", 0),
		.socket = job_text(job, "sink.socket"),
		.user = job_text(job, "sink.user"),
		.password = job_text(job, "sink.password"),
		.database = job_text(job, "sink.database"),
		.lanes = (int32_t)job_number(job, "sink.lanes", 0),
		.tls_ca = job_text(job, "sink.tls.ca"),
		.tls_cert = job_text(job, "sink.tls.cert"),
		.tls_key = job_text(job, "sink.tls.key"),
		.connect_timeout_ms = (int32_t)job_number(job, "sink.connect_timeout", 0),
		.read_timeout_ms = (int32_t)job_number(job, "sink.read_timeout", 0),
	};

	options.tls = job_flag(job, "sink.tls");
	options.tls_unverified = options.tls && !job_flag(job, "sink.tls.verify");
	return mysql_new(loop, &options, job->name, err);
}

static struct sink *broker_sink(struct job *job, const char *at, struct event_base *loop, const char *dead_letters, struct error *err)
{
	struct texts config = { 0 }, key = { 0 };
	struct kafka_sink_options options = {
		.brokers = sink_text(job, at, "brokers"),
		.topic = sink_text(job, at, "topic"),
		.dead_letters = dead_letters,
		.job = job->name,
		.exactly_once = strcmp(at, "sink") == 0 && job_stays_in_kafka(job),
	};
	char path[200];
	struct sink *sink;

	snprintf(path, sizeof path, "%s.config", at);
	read_pairs(job, path, &config);
	snprintf(path, sizeof path, "%s.key", at);
	read_list(job, path, &key);
	options.config = (const char *const *)config.items;
	options.key = (const char *const *)key.items;
	sink = kafka_sink_new(loop, &options, err);
	texts_free(&key);
	texts_free(&config);
	return sink;
}

static struct sink *lines_sink(struct job *job, const char *at, struct event_base *loop, const char *dead_letters, struct error *err)
{
	char path[PATH_MAX], identity[200];
	struct jsonl_options options = { .path = path, .dead_letters = dead_letters, .job = job->name };

	job_resolve(job, sink_text(job, at, "path"), path);
	snprintf(identity, sizeof identity, "%s.identity", at);
	options.origins = job_flag(job, identity);
	return jsonl_new(loop, &options, err);
}

static struct sink *one_sink(struct job *job, const char *at, struct event_base *loop, struct error *err)
{
	const char *kind = sink_text(job, at, "kind");
	char path[PATH_MAX], dead_letters[PATH_MAX];

	job_resolve(job, job_text(job, "dead_letters"), dead_letters);
	if (strcmp(kind, "sqlite") == 0) {
		job_resolve(job, sink_text(job, at, "path"), path);
		return sqlite_new(loop, path, job->name, err);
	}
	if (strcmp(kind, "jsonl") == 0)
		return lines_sink(job, at, loop, dead_letters, err);
	if (strcmp(kind, "kafka") == 0)
		return broker_sink(job, at, loop, dead_letters, err);
	if (strcmp(kind, "blackhole") == 0)
		return blackhole_new(loop, BLACKHOLE_LANES, dead_letters, job->name, err);
	return server_sink(job, loop, err);
}

struct sink *job_sink_alone(struct job *job, struct event_base *loop, struct error *err)
{
	return one_sink(job, "sink", loop, err);
}

struct sink *job_sink(struct job *job, struct event_base *loop, struct error *err)
{
	struct texts names = { 0 };
	struct side_sink sides[SIDES_MOST];
	struct sink *sink = job_sink_alone(job, loop, err);
	size_t count = 0;
	char at[200];

	read_list(job, "side_names", &names);
	for (; sink && count < names.count; count++) {
		snprintf(at, sizeof at, "sinks.%s", names.items[count]);
		sides[count] = (struct side_sink){ names.items[count], one_sink(job, at, loop, err) };
		if (sides[count].sink)
			continue;
		error_prefix(err, "%s", at);
		while (count--)
			sides[count].sink->ops->close(sides[count].sink);
		sink->ops->close(sink);
		sink = NULL;
		break;
	}
	if (sink && count)
		sink = sides_new(sink, sides, count);
	texts_free(&names);
	return sink;
}

struct sink *job_rekey_sink(struct job *job, struct event_base *loop, struct error *err)
{
	struct texts config = { 0 }, rekeyed = { 0 };
	char dead_letters[PATH_MAX];
	struct kafka_sink_options options = {
		.brokers = job_text(job, "source.brokers"),
		.dead_letters = dead_letters,
		.job = job->name,
		.exactly_once = true,
	};
	struct sink *sink;

	job_resolve(job, job_text(job, "dead_letters"), dead_letters);
	texts_add(&config, "message.max.bytes");
	texts_add(&config, "104857600"); /* whatever its topics take */
	read_pairs(job, "source.config", &config);
	add_rekeyed(job, &rekeyed);
	options.config = (const char *const *)config.items;
	options.rekeyed = (const char *const *)rekeyed.items;
	sink = kafka_sink_new(loop, &options, err);
	texts_free(&config);
	texts_free(&rekeyed);
	return sink;
}

int job_join(struct job *job, const struct job_run *run, struct sink *sink, struct source *source, struct error *err)
{
	char id[300];

	if (run->options->dry_run || (run->rekey != REKEY_OUT && !job_stays_in_kafka(job)))
		return 0;
	if (run->instance)
		snprintf(id, sizeof id, "%s", run->instance);
	else /* nobody takes its place by name: what it leaves, the brokers roll back when its time is over */
		snprintf(id, sizeof id, "%.200s-%ld-%lld", job_text(job, "source.group"), (long)getpid(), (long long)clock_wall_ms());
	return kafka_sink_join(sink, source, id, err);
}

int job_schemas(struct job *job, struct event_base *loop, void (*wake)(void *ctx), void *ctx, struct schemas **schemas, struct error *err)
{
	struct registry_options options = {
		.url = job_text(job, "source.format.registry"),
		.user = job_text(job, "source.format.user"),
		.password = job_text(job, "source.format.password"),
	};
	const char *ca_name = job_text(job, "source.format.ca");
	char ca[PATH_MAX];

	*schemas = NULL;
	if (!options.url)
		return 0;
	if (ca_name) {
		job_resolve(job, ca_name, ca);
		options.ca = ca;
	}
	*schemas = registry_new(loop, &options, wake, ctx, err);
	return *schemas ? 0 : -1;
}
