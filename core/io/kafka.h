/* A Kafka consumer group as a source. Brokers that are away, topics that do not exist yet and refused logins are said and
 * tried again (where `first` does not say otherwise); only an offset that is gone, data that cannot be read and librdkafka's fatal errors end in failed(). */
#ifndef IO_KAFKA_H
#define IO_KAFKA_H

#include <event2/event.h>

#include "base/error.h"
#include "flow/source.h"

/* Everything is borrowed for the length of kafka_new. */
struct kafka_options {
	const char *brokers; /* "host:port,host:port" */
	/* Names and patterns, up to a NULL. "^..." is a POSIX extended regular expression; a name with any of its special characters
	 * but '.' is one too, for the whole name: "shop.*". */
	const char *const *topics;
	const char *const *rekeyed; /* of `topics` those that we made: they are read from their beginning, whatever `start` says. NULL: none */
	const char *group;
	const char *start;         /* "earliest", "latest", or a time as clock_time reads it: for partitions without progress. NULL: "earliest" */
	const char *until;         /* NULL: without end; "latest": what a partition holds when it is assigned; or a time: what is before it */
	int64_t run_started_ms;    /* "now" of start and until */
	const char *const *config; /* librdkafka's properties: name, value, name, value ... NULL; may be NULL. They override ours */
	const char *instance;      /* group.instance.id: a restart within the session's timeout costs no rebalance. May be NULL */
	size_t memory_bytes;       /* most that is fetched ahead; one response more may be on its way from each broker */
	bool evenly;               /* no partition is to get far ahead of others: events wait for each other's time */
	/* What START_CONFIGURED makes of the group's own offsets in Kafka. `from`: they are not asked, `start` is meant (--from).
	 * `group_keeps_progress`: they go before `start`, for sinks that keep no progress. Neither: only what an earlier start of this
	 * group resolved "latest" or a time to, if nothing was committed since: a crash before the first transaction must not move it. */
	bool from, group_keeps_progress;
	/* The sink commits the group's offsets with what it writes (kafka_membership); only beginnings and ends are said by the source. */
	bool sink_commits;
	/* With it: --from, also where a worker was started again in the run that was given it. Offsets that this run has not committed count for nothing. */
	bool from_of_run;
	bool first; /* nothing has run yet: a login or a certificate that is refused is the job's fault, and not tried again */
	/* No member of the group: all partitions of the topics, or this one, are read beside whoever owns them, from `start` on. Nothing is ever
	 * committed. The topics have to be there; what is added to them later is not seen. */
	bool alone;
	const char *only_topic; /* NULL: all partitions */
	int32_t only_partition;
	int64_t tail; /* with `alone`: not from `start` on, but about so many of the last messages of all partitions together. 0: as `start` says */
};

/* NULL where the job is wrong: an unknown property, a pattern that is none, a time that is none. The loop is borrowed. */
struct source *kafka_new(struct event_base *loop, const struct kafka_options *options, struct error *err);

/* What `from_ms` is in the marks of offsets that a sink commits (io/kafka_mark.h). */
int64_t kafka_from_ms(const struct source *source);

/* Who this consumer is in its group: what is committed in this name is refused once partitions may have gone to others. As it is now, so it has to be taken
 * while all partitions concerned are ours; to be destroyed. NULL: it is no member at present. */
struct rd_kafka_consumer_group_metadata_s;
struct rd_kafka_consumer_group_metadata_s *kafka_membership(struct source *source);

#endif
