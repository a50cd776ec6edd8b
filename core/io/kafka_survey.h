/* What a job's brokers say of its topics and its group, asked once by somebody who is no member of it and commits nothing. */
#ifndef IO_KAFKA_SURVEY_H
#define IO_KAFKA_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "flow/source.h"

enum { SURVEY_UNKNOWN = -2 }; /* of a number that the brokers did not tell; -1 is Kafka's "without limit" */

struct survey_broker {
	int32_t id;
	const char *address; /* as it names itself to clients: "host:port" */
	const char *problem; /* why it cannot be connected to from here; NULL: it can */
};

/* A name or a pattern of the job's `topics`, as it is written there. */
struct survey_pattern {
	const char *text;
	size_t matches; /* topics */
};

struct survey_topic {
	const char *name;
	int32_t partitions;
	int64_t retention_ms, retention_bytes, message_bytes; /* of its configuration; SURVEY_UNKNOWN */
	bool deletes;                                         /* by age or size: cleanup.policy is not "compact" alone */
};

struct survey_partition {
	const struct survey_topic *topic;
	int32_t partition;
	const char *problem; /* why nothing is known of its offsets; NULL */
	int64_t low, high;   /* what the broker keeps: low <= offset < high */
	int64_t committed;   /* by the group; -1: nothing */
	int64_t next;        /* to be set by the caller before kafka_survey_ages: what is to be read next; -1: nothing is asked */
	int64_t next_ms;     /* the time of the first message from there on; -1: not known */
};

struct survey_member {
	const char *client, *host;
};

struct kafka_survey {
	struct survey_broker *brokers;
	struct survey_pattern *patterns;
	struct survey_topic *topics; /* those that the job means */
	struct survey_partition *partitions;
	struct survey_member *members; /* of the group */
	size_t broker_count, pattern_count, topic_count, partition_count, member_count;
	const char *group, *group_state; /* group_state is "" where the brokers do not say */
	size_t ownerless;                /* partitions that no member has, in a group that has members and is stable */
	struct arena arena;              /* holds all of the above */
	struct source *source;
	struct rd_kafka_s *rk;
};

/* Asks. source: a Kafka source (io/kafka.h) that was not started, which it takes over in any case. Blocks for some seconds a question. -1: no broker answers,
 * err says why. To be closed in any case. */
int kafka_survey_open(struct kafka_survey *survey, struct source *source, struct error *err);
/* Finds next_ms of the partitions with a `next` that is kept. Blocks until it has them, for some seconds at most. */
void kafka_survey_ages(struct kafka_survey *survey);
void kafka_survey_close(struct kafka_survey *survey);

#endif
