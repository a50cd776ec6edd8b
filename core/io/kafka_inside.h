/* What the parts of the Kafka source share: kafka.c (life and events), kafka_messages.c, kafka_conf.c and kafka_fetch.c (options), kafka_group.c,
 * kafka_gap.c and kafka_share.c (who owns which partition), kafka_offsets.c and kafka_mark.c (where a partition starts and ends), kafka_survey.c (all of it, from outside). Included by them alone. */
#ifndef IO_KAFKA_INSIDE_H
#define IO_KAFKA_INSIDE_H

#include <event2/event.h>
#include <librdkafka/rdkafka.h>

#include "base/log.h"
#include "flow/source.h"
#include "io/kafka_mark.h"

enum {
	KAFKA_BATCH = 512,          /* messages taken from librdkafka at once */
	KAFKA_TICK_MS = 1000,       /* how often librdkafka is served even where nobody polls */
	KAFKA_COMMIT_MS = 5000,     /* between two commits, and between a rebalance and a commit */
	KAFKA_ASK_MS = 1000,        /* the longest that the loop stands still for a question about offsets */
	KAFKA_RETRY_MS = 500,       /* until such a question is asked again */
	KAFKA_IDLE_AFTER_MS = 5000, /* a rebalance can give us nothing at first and partitions with its second round */
	KAFKA_CLOSE_MS = 5000,      /* for leaving the group; then it times out there */
	KAFKA_SAY_AGAIN_MS = 60000, /* the same trouble is logged once in this time */
};

enum kafka_point_kind { KAFKA_NOWHERE, KAFKA_EARLIEST, KAFKA_LATEST, KAFKA_TIME };

struct kafka_point {
	enum kafka_point_kind kind;
	int64_t ms; /* TIME */
};

/* ASKED: the flow was told, take() has not answered. TAKEN: it has, librdkafka does not know yet. RUNNING: it does. */
enum kafka_state { KAFKA_ASKED, KAFKA_TAKEN, KAFKA_RUNNING };

struct kafka_partition {
	uint32_t id;
	enum kafka_state state;
	rd_kafka_topic_t *topic; /* keeps the name; messages carry the same pointer */
	struct slice name;
	int32_t partition;
	bool paused;         /* by the flow */
	bool held;           /* paused in librdkafka too; goes on until the stash is delivered */
	bool ended, bounded; /* bounded: `bound` is known */
	bool uncommitted;    /* `committed` has not gone to Kafka yet */
	int64_t position;    /* next offset to deliver; what take() said until it is resolved */
	int64_t bound_ms;    /* wall clock where `bound` was asked for */
	int64_t bound;       /* nothing from here on is delivered; INT64_MAX: no bound */
	int64_t committed;
	int64_t delivered; /* behind the last message that the flow was given; 0: none yet */
	bool start_marked; /* Kafka keeps where we began, since nothing was committed before */
	bool end_told;     /* Kafka keeps that it is read to its end */
	int64_t parts_at;  /* of the message at this offset the first parts_done events are done */
	uint32_t parts_done;
	struct partition *owner;
	/* What librdkafka had already handed out when the flow paused: in order, from `stash_next` on. */
	rd_kafka_message_t **stash;
	size_t stash_next, stash_count, stash_cap;
};

/* Trouble that has been logged, so that it is not logged with every try. */
struct kafka_said {
	rd_kafka_resp_err_t code;
	char about[96];
	int64_t at_ms;
};

/* What kafka_gap.c knows. */
struct kafka_gap {
	int64_t look_ms;                 /* from when on to look; 0: somebody has every partition */
	int64_t since_ms;                /* some have been nobody's since; 0: not known */
	int64_t pause_ms, not_before_ms; /* between two times of leaving */
	int64_t retry_ms;                /* between two looks that failed */
	bool leaving;
};

struct kafka {
	struct source base; /* first: a source is a kafka */
	struct event_base *loop;
	struct source_events events;

	rd_kafka_conf_t *conf; /* until start */
	rd_kafka_topic_partition_list_t *topics, *rekeyed;
	struct kafka_point start, until;
	bool from, group_keeps_progress, sink_commits;
	bool alone, alone_given; /* kafka_alone.c */
	int64_t tail;
	char *only_topic;
	int32_t only_partition;

	rd_kafka_t *rk;
	rd_kafka_queue_t *control; /* rebalances, errors, logs: served whenever there is one */
	rd_kafka_queue_t *data;    /* messages: taken only by poll, so that a slow flow does not keep rebalances waiting */
	int wake_fd;
	struct event *wake, *tick;
	struct event *work; /* once all takes are in: resolve, assign, tell what ended */

	struct kafka_partition **partitions; /* by id; NULL where an id is free */
	size_t partition_slots, partition_count;
	struct kafka_partition *last; /* of the message before: messages come in runs */
	size_t stashed;               /* messages in all stashes */
	bool assigning;               /* librdkafka waits for our answer to an assignment */
	bool stopped, failed, closing, idle_told;
	bool first;      /* no broker has answered yet, and who refuses us is not asked again */
	int64_t idle_at; /* mono ms; 0: not waiting */
	bool whole;      /* all partitions of the topics are read (kafka_share.c) */
	int64_t from_ms; /* of all marks; 0: this is no run with --from, or none that its sink commits for */
	int64_t run_started_ms, rebalanced_ms, committed_ms, share_asked_ms, waits_said_ms;
	rd_kafka_topic_partition_list_t *others; /* partitions of others, and where they end */
	struct kafka_gap gap;

	rd_kafka_message_t *batch[KAFKA_BATCH];
	struct header *headers;
	size_t header_cap;
	struct kafka_said said[16];
	size_t said_next;
	struct log_gate log; /* of librdkafka's own lines */

	bool nudges; /* kafka_fetch.c */
	int64_t nudged_ms;
};

/* kafka_conf.c: fills conf, topics, start and until. */
struct kafka_options;
int kafka_conf_read(struct kafka *kafka, const struct kafka_options *options, struct error *err);

/* kafka_fetch.c: sets how much is fetched ahead, before the job's own properties; and is told where poll found nothing. */
int kafka_fetch_configure(struct kafka *kafka, const struct kafka_options *options, struct error *err);
void kafka_fetch_dry(struct kafka *kafka);

/* kafka_alone.c: gives itself the partitions that it is to read; asks the brokers, and with the tick again until they answer. */
void kafka_alone_give(struct kafka *kafka);

/* kafka_group.c */
void kafka_group_on_assign(struct kafka *kafka, rd_kafka_topic_partition_list_t *list);
void kafka_group_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque);
/* Assigns in librdkafka what is TAKEN, if all is: -1 where offsets could not be resolved yet. */
int kafka_group_answer(struct kafka *kafka);
/* Sends what committed() said since the last time. Unless `now`: if it is time to. */
void kafka_group_commit(struct kafka *kafka, bool now);
/* Ours; NULL: it is not. */
struct kafka_partition *kafka_group_find(struct kafka *kafka, const rd_kafka_topic_partition_t *entry);
void kafka_group_release(struct kafka *kafka, struct kafka_partition *partition);
void kafka_group_release_all(struct kafka *kafka);
/* Leaves the group, at most KAFKA_CLOSE_MS. */
void kafka_group_leave(struct kafka *kafka);

/* kafka_offsets.c: turns START_CONFIGURED into offsets and finds bounds, for all partitions that lack them. Blocks for
 * KAFKA_ASK_MS a question. -1 (said in the log): ask again. */
int kafka_offsets_resolve(struct kafka *kafka);
/* Replaces the offset of each entry by the one that the point means: the first message at or after a time, else the end. -1 as above. */
int kafka_offsets_ask(struct kafka *kafka, rd_kafka_topic_partition_list_t *list, struct kafka_point point);
/* Replaces it by what the group has committed, with its mark. -1 as above. */
int kafka_offsets_committed(struct kafka *kafka, rd_kafka_topic_partition_list_t *list);
/* The reason for failed() where the broker refuses an offset. */
void kafka_offsets_gone(struct kafka *kafka, const struct kafka_partition *partition, struct error *reason);

/* kafka_gap.c: told of each rebalance, and with the tick. */
void kafka_gap_rebalanced(struct kafka *kafka);
void kafka_gap_tick(struct kafka *kafka);
/* Takes out of the list what a member of the group has. */
void kafka_gap_take_out(rd_kafka_topic_partition_list_t *list, const struct rd_kafka_group_info *group);

/* kafka_share.c: all partitions of the topics are read to their ends, by us or by others. May ask the brokers. */
bool kafka_share_is_whole(struct kafka *kafka);
/* All partitions of the topics that the job means; NULL: the brokers do not say. Blocks; to be destroyed. */
rd_kafka_topic_partition_list_t *kafka_share_all(struct kafka *kafka);
/* Whether the job means this topic. */
bool kafka_share_means(const struct kafka *kafka, const char *topic);
/* Whether one of its names and patterns does, as kafka_conf.c has made them. */
bool kafka_share_matches(const char *pattern, const char *topic);

/* kafka_messages.c */
size_t kafka_messages_poll(struct kafka *kafka, size_t most);
/* One message or error from librdkafka, which is taken: how many messages were delivered. */
size_t kafka_messages_receive(struct kafka *kafka, rd_kafka_message_t *message);
/* The bound is reached: nothing more of it. */
void kafka_messages_end(struct kafka *kafka, struct kafka_partition *partition);
/* Stops or goes on fetching in librdkafka, which forgets what it had fetched ahead. */
void kafka_messages_hold(struct kafka *kafka, struct kafka_partition *partition, bool held);

/* kafka.c */
/* Logs trouble of the outside, but the same one only once a minute. */
void kafka_say(struct kafka *kafka, rd_kafka_resp_err_t code, const char *about, const char *reason);
void kafka_fail(struct kafka *kafka, bool job, const char *reason);

#endif
