/* Where the job reads: brokers, topics, its group, and whether what it has to read next is still there, and for how long. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "flow/sql_kept.h"
#include "io/kafka_survey.h"
#include "run/doctor_private.h"

/* ---- files ---- */

static void look_at_file(void *ctx, const char *name)
{
	struct doctor *doctor = ctx;
	char path[PATH_MAX];

	job_resolve(doctor->job, name, path);
	if (strcmp(name, "-") == 0)
		doctor_say(doctor, DOCTOR_OK, "file", name, NULL, "standard input");
	else if (access(path, R_OK) == 0)
		doctor_say(doctor, DOCTOR_OK, "file", name, NULL, "can be read");
	else
		doctor_say(doctor, DOCTOR_FAIL, "file", name, "mend `path` of the job's source", "%s", strerror(errno));
}

/* ---- brokers and topics ---- */

static void say_brokers(struct doctor *doctor, const struct kafka_survey *survey)
{
	char about[400];

	for (size_t i = 0; i < survey->broker_count; i++) {
		const struct survey_broker *broker = &survey->brokers[i];

		snprintf(about, sizeof about, "%" PRId32 " at %s", broker->id, broker->address);
		if (broker->problem)
			doctor_say(doctor, DOCTOR_FAIL, "brokers", about,
				   "make that address reachable from here, or set the broker's advertised.listeners to one that is", "%s",
				   broker->problem);
		else
			doctor_say(doctor, DOCTOR_OK, "brokers", about, NULL, "reachable");
	}
	doctor->brokers = survey->broker_count;
}

static bool is_made_by_run(const struct doctor *doctor, const char *topic)
{
	return job_rekeys(doctor->job) && script_host_has_topic(doctor->job->host, slice_of(topic));
}

static void say_topics(struct doctor *doctor, const struct kafka_survey *survey)
{
	for (size_t i = 0; i < survey->pattern_count; i++) {
		const struct survey_pattern *pattern = &survey->patterns[i];

		if (pattern->matches)
			doctor_say(doctor, DOCTOR_OK, "topics", pattern->text, NULL, "%zu topic%s", pattern->matches,
				   pattern->matches == 1 ? "" : "s");
		else if (is_made_by_run(doctor, pattern->text))
			doctor_say(doctor, DOCTOR_OK, "topics", pattern->text, NULL, "is made by the first run");
		else
			doctor_say(doctor, DOCTOR_FAIL, "topics", pattern->text,
				   "mend `topics` of the job's source, or begin to produce; a run waits for it", "there is no such topic");
	}
	for (size_t i = 0; i < survey->topic_count; i++) {
		const struct survey_topic *topic = &survey->topics[i];

		if (doctor->options->workers > topic->partitions)
			doctor_say(doctor, DOCTOR_WARN, "topics", topic->name, "give the topic more partitions, or the job fewer workers",
				   "%" PRId32 " partitions for %" PRId32 " workers: some have nothing to do", topic->partitions,
				   doctor->options->workers);
		else
			doctor_say(doctor, DOCTOR_OK, "topics", topic->name, NULL, "%" PRId32 " partition%s", topic->partitions,
				   topic->partitions == 1 ? "" : "s");
		if (topic->message_bytes > doctor->message_bytes)
			doctor->message_bytes = topic->message_bytes;
	}
}

/* ---- progress ---- */

static void take_progress(void *ctx, const struct slice *cells, unsigned count)
{
	struct kafka_survey *survey = ctx;

	BUG_IF(count != 3);
	for (size_t i = 0; i < survey->partition_count; i++) {
		struct survey_partition *partition = &survey->partitions[i];
		int64_t next = doctor_number(cells[2]);

		if (next >= 0 && slice_is(cells[0], partition->topic->name) && doctor_number(cells[1]) == partition->partition)
			partition->next = next;
	}
}

/* Partitions without progress begin where `start` says. */
static void begin(struct doctor *doctor, struct kafka_survey *survey)
{
	const char *start = job_text(doctor->job, "source.start");

	for (size_t i = 0; (!start || strcmp(start, "earliest") == 0) && i < survey->partition_count; i++)
		if (survey->partitions[i].next < 0)
			survey->partitions[i].next = survey->partitions[i].low;
}

static int find_progress(struct doctor *doctor, struct kafka_survey *survey)
{
	struct buf text = BUF_INIT;
	struct error err;
	int result = 0;

	if (!job_keeps_progress(doctor->job)) {
		for (size_t i = 0; i < survey->partition_count; i++)
			survey->partitions[i].next = survey->partitions[i].committed;
	} else if (!doctor->sink) {
		result = -1; /* that is said already */
	} else if (doctor_has_table(doctor, "streamlua_progress")) {
		sql_kept_progress(&text, doctor->dialect, job_name(doctor->job));
		result = doctor_ask(doctor, &text, take_progress, survey, &err);
		if (result < 0)
			doctor_say(doctor, DOCTOR_FAIL, "progress", "streamlua_progress", "GRANT SELECT on it", "%s", err.text);
	}
	buf_free(&text);
	begin(doctor, survey);
	return result;
}

/* ---- what is to be read next ---- */

/* What of a topic is said in one line. */
struct backlog {
	int64_t lag; /* messages */
	const struct survey_partition *oldest;
};

/* False: it is said that it cannot go on. */
static bool check_place(struct doctor *doctor, const struct survey_partition *partition)
{
	static const char restart[] = "run once with --from earliest, latest or a time (and --reset-state where scripts keep state)";
	char about[300];

	snprintf(about, sizeof about, "%s:%" PRId32, partition->topic->name, partition->partition);
	if (partition->problem) {
		doctor_say(doctor, DOCTOR_FAIL, "retention", about, NULL, "%s", partition->problem);
		return false;
	}
	if (partition->next >= 0 && partition->next < partition->low) {
		doctor_say(doctor, DOCTOR_FAIL, "retention", about, restart,
			   "offset %" PRId64 " is to be read next, and is deleted: the broker keeps %" PRId64 "..%" PRId64, partition->next,
			   partition->low, partition->high);
		return false;
	}
	if (partition->next > partition->high) {
		doctor_say(doctor, DOCTOR_FAIL, "retention", about, restart,
			   "offset %" PRId64 " is to be read next, and the end is %" PRId64 ": the topic was made anew, or has lost messages",
			   partition->next, partition->high);
		return false;
	}
	return true;
}

/* What was done beyond next_offset the group is told within seconds. */
static int64_t done(const struct survey_partition *partition)
{
	int64_t from = partition->next >= 0 ? partition->next : partition->low;

	return partition->committed > from && partition->committed <= partition->high ? partition->committed : from;
}

static void say_age(struct doctor *doctor, const struct survey_topic *topic, const struct backlog *backlog)
{
	const struct survey_partition *oldest = backlog->oldest;
	int64_t left = oldest->next_ms + topic->retention_ms - clock_wall_ms();
	char kept[32], remains[32];

	doctor_span(topic->retention_ms, kept);
	if (left <= 0)
		doctor_say(doctor, DOCTOR_WARN, "retention", topic->name, "raise retention.ms of the topic now, and let the job catch up",
			   "%" PRId64 " messages to read; offset %" PRId64 " of partition %" PRId32
			   " is past its retention of %s and may be deleted at any moment",
			   backlog->lag, oldest->next, oldest->partition, kept);
	else if (left < topic->retention_ms / 4)
		doctor_say(doctor, DOCTOR_WARN, "retention", topic->name, "raise retention.ms of the topic, or let the job catch up",
			   "%" PRId64 " messages to read; offset %" PRId64 " of partition %" PRId32 " is deleted from %s on (retention %s)",
			   backlog->lag, oldest->next, oldest->partition, doctor_span(left, remains), kept);
	else
		doctor_say(doctor, DOCTOR_OK, "retention", topic->name, NULL, "%" PRId64 " messages to read, kept for %s more (retention %s)",
			   backlog->lag, doctor_span(left, remains), kept);
}

static void say_backlog(struct doctor *doctor, const struct survey_topic *topic, const struct backlog *backlog)
{
	char kept[32];

	if (backlog->oldest && topic->deletes && topic->retention_ms >= 0)
		say_age(doctor, topic, backlog);
	else if (topic->retention_ms == SURVEY_UNKNOWN)
		doctor_say(doctor, DOCTOR_WARN, "retention", topic->name, "let the job's user describe the topic's configuration (DescribeConfigs)",
			   "%" PRId64 " messages to read; how long they are kept is not told", backlog->lag);
	else if (!topic->deletes || topic->retention_ms < 0)
		doctor_say(doctor, DOCTOR_OK, "retention", topic->name, NULL, "%" PRId64 " messages to read, which no age deletes", backlog->lag);
	else
		doctor_say(doctor, DOCTOR_OK, "retention", topic->name, NULL, "%" PRId64 " messages to read (retention %s)", backlog->lag,
			   doctor_span(topic->retention_ms, kept));
	if (topic->deletes && topic->retention_bytes >= 0)
		doctor_say(doctor, DOCTOR_WARN, "retention", topic->name,
			   "set retention.bytes to -1, or be sure that it holds as much as a stop may last",
			   "retention.bytes is %" PRId64 " a partition: what is not read yet may be deleted long before its age says so",
			   topic->retention_bytes);
}

static void say_retention(struct doctor *doctor, struct kafka_survey *survey)
{
	for (size_t i = 0; i < survey->topic_count; i++) {
		const struct survey_topic *topic = &survey->topics[i];
		struct backlog backlog = { 0 };
		bool fine = true;

		for (size_t k = 0; k < survey->partition_count; k++) {
			const struct survey_partition *partition = &survey->partitions[k];

			if (partition->topic != topic)
				continue;
			if (!check_place(doctor, partition)) {
				fine = false;
				continue;
			}
			backlog.lag += partition->high - done(partition);
			if (partition->next_ms >= 0 && (!backlog.oldest || partition->next_ms < backlog.oldest->next_ms))
				backlog.oldest = partition;
		}
		if (fine)
			say_backlog(doctor, topic, &backlog);
	}
}

/* ---- the group ---- */

static void say_group(struct doctor *doctor, const struct kafka_survey *survey)
{
	struct buf members = BUF_INIT;

	for (size_t i = 0; i < survey->member_count; i++)
		buf_printf(&members, "%s%s at %s", i ? ", " : "", survey->members[i].client, survey->members[i].host);
	if (!*survey->group_state)
		doctor_say(doctor, DOCTOR_WARN, "group", survey->group, "let the job's user describe the group",
			   "the brokers do not tell its members");
	else if (survey->ownerless)
		doctor_say(doctor, DOCTOR_WARN, "group", survey->group, "wait for some seconds; if it stays so, end members that are not this job's",
			   "%zu members (%s), and %zu partitions that none of them has", survey->member_count, buf_cstr(&members), survey->ownerless);
	else if (survey->member_count)
		doctor_say(doctor, DOCTOR_OK, "group", survey->group, NULL, "%s, %zu member%s: %s", survey->group_state, survey->member_count,
			   survey->member_count == 1 ? "" : "s", buf_cstr(&members));
	else
		doctor_say(doctor, DOCTOR_OK, "group", survey->group, NULL, "no members: the job does not run");
	buf_free(&members);
}

/* ---- all of it ---- */

static void look_at_brokers(struct doctor *doctor, struct source *source)
{
	struct kafka_survey survey;
	struct error err = { .text = "" };

	if (kafka_survey_open(&survey, source, &err) < 0) {
		doctor_say(doctor, DOCTOR_FAIL, "brokers", job_text(doctor->job, "source.brokers"),
			   "mend `brokers` of the job's source, security.protocol, ssl.* and sasl.* of its `config`, or start the broker", "%s",
			   err.text);
		kafka_survey_close(&survey);
		return;
	}
	say_brokers(doctor, &survey);
	say_topics(doctor, &survey);
	if (find_progress(doctor, &survey) == 0) {
		kafka_survey_ages(&survey);
		say_retention(doctor, &survey);
	}
	say_group(doctor, &survey);
	kafka_survey_close(&survey);
}

void doctor_source(struct doctor *doctor)
{
	struct job_run run = {
		.options = doctor->options,
		.workers = 1,
		.alone = true,
		.rekey = job_rekeys(doctor->job) ? REKEY_IN : REKEY_AS_IT_COMES,
		.run_started_ms = clock_wall_ms(),
	};
	struct error err = { .text = "" };
	struct source *source;

	if (doctor->job->bounded) {
		job_each(doctor->job, "source.paths", look_at_file, doctor);
		return;
	}
	source = job_source(doctor->job, doctor->loop, &run, &err);
	if (source)
		look_at_brokers(doctor, source);
	else
		doctor_say(doctor, DOCTOR_FAIL, "source", NULL, "mend the job's source", "%s", err.text);
}
