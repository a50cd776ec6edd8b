/* The Kafka source against librdkafka's mock cluster: real protocol, real sockets, no broker. A reader stands for the flow; what it
 * got is checked against what was written, by offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/kafka.h"

enum { PARTITIONS = 4, MOST = 60000, PATIENCE_MS = 30000 };

struct fixture {
	rd_kafka_t *producer;
	rd_kafka_mock_cluster_t *cluster;
	struct event_base *loop;
	int64_t written[PARTITIONS];
};

/* What several readers of one group share: where each partition goes on, as the sink's progress would. */
struct progress {
	int64_t next[PARTITIONS];
	int64_t got; /* messages in all */
};

struct reader {
	struct source *source;
	struct progress *progress;
	struct {
		bool assigned, taken, ended, paused;
		uint32_t id;
		struct slice topic;
	} partitions[PARTITIONS];
	int assigned, ended; /* how many are ours; how many have ended */
	int others;          /* partitions of topics more.*, of which nothing is expected */
	bool told;           /* assigned() was called, with partitions or without */
	bool woken, idle, failed;
	bool hold_takes; /* leave assigned() unanswered */
	bool configured; /* take(START_CONFIGURED) */
	bool fidget;     /* pause and resume at random, also from within a message */
	size_t most;     /* a poll */
	unsigned random;
	char reason[512];
	char topic[64]; /* of the last message */
};

static void produce(struct fixture *f, const char *topic, int32_t partition, int64_t count)
{
	char value[64];

	for (int64_t i = 0; i < count; i++) {
		int64_t offset = f->written[partition]++;
		rd_kafka_resp_err_t code;

		snprintf(value, sizeof value, "%d:%lld", partition, (long long)offset);
		do {
			code = rd_kafka_producev(f->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY("k", 1),
						 RD_KAFKA_V_VALUE(value, strlen(value)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
			if (code)
				rd_kafka_poll(f->producer, 10);
		} while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL);
		assert_int_equal(code, 0);
	}
}

static void flush(struct fixture *f)
{
	assert_int_equal(rd_kafka_flush(f->producer, PATIENCE_MS), 0);
}

static void on_assigned(void *ctx, const struct source_partition *given, size_t count)
{
	struct reader *r = ctx;

	r->told = true;
	for (size_t i = 0; i < count; i++) {
		int32_t p = given[i].partition;

		if (given[i].topic.n > 5 && memcmp(given[i].topic.p, "more.", 5) == 0) {
			r->others++;
			r->source->ops->take(r->source, given[i].id, 0, NULL);
			continue;
		}
		assert_true(p < PARTITIONS && !r->partitions[p].assigned);
		r->partitions[p].assigned = true;
		r->partitions[p].taken = false;
		r->partitions[p].paused = false;
		r->partitions[p].id = given[i].id;
		r->partitions[p].topic = given[i].topic;
		r->assigned++;
		if (r->hold_takes)
			continue;
		r->partitions[p].taken = true;
		r->source->ops->take(r->source, given[i].id, r->configured ? START_CONFIGURED : r->progress->next[p],
				     (struct partition *)&r->partitions[p]);
	}
}

static void on_revoked(void *ctx, const uint32_t *ids, size_t count)
{
	struct reader *r = ctx;

	for (size_t i = 0; i < count; i++) {
		for (int p = 0; p < PARTITIONS; p++) {
			if (r->partitions[p].assigned && r->partitions[p].id == ids[i]) {
				r->partitions[p].assigned = false;
				r->assigned--;
				r->ended -= r->partitions[p].ended; /* whoever gets it next comes to its end again */
				r->partitions[p].ended = false;
				break;
			}
		}
	}
}

static void on_ended(void *ctx, uint32_t id)
{
	struct reader *r = ctx;

	for (int p = 0; p < PARTITIONS; p++) {
		if (r->partitions[p].assigned && r->partitions[p].id == id) {
			assert_false(r->partitions[p].ended);
			r->partitions[p].ended = true;
			r->ended++;
		}
	}
}

static void on_idle(void *ctx)
{
	((struct reader *)ctx)->idle = true;
}

static void on_wake(void *ctx)
{
	((struct reader *)ctx)->woken = true;
}

static void on_failed(void *ctx, bool job, const char *reason)
{
	struct reader *r = ctx;

	(void)job;
	r->failed = true;
	snprintf(r->reason, sizeof r->reason, "%s", reason);
}

static void set_paused(struct reader *r, int p, bool paused)
{
	r->partitions[p].paused = paused;
	r->source->ops->pause(r->source, r->partitions[p].id, paused);
}

/* Every message must be the next one of its partition: none lost, none doubled, none out of order, none while paused. */
static void on_message(void *ctx, const struct message *m)
{
	struct reader *r = ctx;
	char value[64];

	assert_true(m->partition < PARTITIONS);
	assert_true(r->partitions[m->partition].assigned && r->partitions[m->partition].taken);
	assert_false(r->partitions[m->partition].paused);
	assert_ptr_equal(m->owner, &r->partitions[m->partition]);
	assert_true(slice_equal(m->topic, r->partitions[m->partition].topic));
	assert_int_equal(m->offset, m->position);
	if (r->progress->next[m->partition] >= 0)
		assert_int_equal(m->offset, r->progress->next[m->partition]);
	if (m->value.n && m->value.p[0] != '{') {
		snprintf(value, sizeof value, "%d:%lld", m->partition, (long long)m->offset);
		assert_true(slice_is(m->value, value));
	}
	r->progress->next[m->partition] = m->offset + 1;
	r->progress->got++;
	snprintf(r->topic, sizeof r->topic, "%.*s", SLICE_ARG(m->topic));
	if (r->fidget && rand_r(&r->random) % 64 == 0) {
		int p = rand_r(&r->random) % 2 ? m->partition : rand_r(&r->random) % PARTITIONS;

		if (r->partitions[p].assigned && r->partitions[p].taken)
			set_paused(r, p, !r->partitions[p].paused);
	}
}

static void begin_with(struct fixture *f, struct reader *r, struct progress *progress, struct kafka_options options)
{
	/* The mock holds a first join back for 3 s, a later one for a second less than the session. */
	static const char *const quick[] = {
		"session.timeout.ms", "4500", "heartbeat.interval.ms", "100", "topic.metadata.refresh.interval.ms", "300", NULL
	};
	const char *const all[] = { "t", NULL };
	struct error err = { .text = "" };

	if (!options.brokers)
		options.brokers = rd_kafka_mock_cluster_bootstraps(f->cluster);
	if (!options.topics)
		options.topics = all;
	if (!options.config)
		options.config = quick;
	options.run_started_ms = clock_wall_ms();
	options.memory_bytes = 8 << 20;
	r->progress = progress;
	if (!r->most)
		r->most = 1000;
	r->source = kafka_new(f->loop, &options, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(r->source->ops->start(r->source,
					       &(struct source_events){ .assigned = on_assigned,
									.revoked = on_revoked,
									.ended = on_ended,
									.idle = on_idle,
									.wake = on_wake,
									.failed = on_failed,
									.message = on_message,
									.ctx = r },
					       &err),
			 0);
}

static void begin(struct fixture *f, struct reader *r, struct progress *progress, const char *group)
{
	begin_with(f, r, progress, (struct kafka_options){ .group = group });
}

static void finish(struct reader *r)
{
	r->source->ops->close(r->source);
	r->source = NULL;
}

static void nothing(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

/* One turn of the loop: at most 10 ms, then everything that a woken reader can get. Polls only after a wake, so a wake that is
 * missing shows as a test that never ends. */
static void turn(struct fixture *f, struct reader **readers)
{
	struct event *limit = event_new(f->loop, -1, 0, nothing, NULL);

	event_add(limit, &(struct timeval){ .tv_usec = 10000 });
	event_base_loop(f->loop, EVLOOP_ONCE);
	event_free(limit);
	for (; *readers; readers++) {
		struct reader *r = *readers;

		if (r->fidget) {
			for (int p = 0; p < PARTITIONS; p++) {
				if (r->partitions[p].assigned && r->partitions[p].taken && r->partitions[p].paused && rand_r(&r->random) % 4 == 0)
					set_paused(r, p, false);
			}
		}
		if (r->woken && r->source) {
			r->woken = false;
			while (r->source->ops->poll(r->source, r->most)) {
			}
		}
	}
}

#define wait_for(f, readers, condition)                                                                                                              \
	do {                                                                                                                                         \
		int64_t patience = clock_mono_ms() + PATIENCE_MS;                                                                                    \
		while (!(condition) && clock_mono_ms() < patience)                                                                                   \
			turn(f, readers);                                                                                                            \
		assert_true(condition);                                                                                                              \
	} while (0)

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	assert_int_equal(rd_kafka_conf_set(conf, "test.mock.num.brokers", "3", NULL, 0), RD_KAFKA_CONF_OK);
	assert_int_equal(rd_kafka_conf_set(conf, "linger.ms", "5", NULL, 0), RD_KAFKA_CONF_OK);
	/* Small sets of messages: the mock answers a fetch with one of each partition, so partitions mix in every batch. */
	assert_int_equal(rd_kafka_conf_set(conf, "batch.num.messages", "50", NULL, 0), RD_KAFKA_CONF_OK);
	assert_int_equal(rd_kafka_conf_set(conf, "log_level", "2", NULL, 0), RD_KAFKA_CONF_OK);
	f->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
	f->cluster = rd_kafka_handle_mock_cluster(f->producer);
	f->loop = event_base_new();
	assert_int_equal(rd_kafka_mock_topic_create(f->cluster, "t", PARTITIONS, 1), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rd_kafka_destroy(f->producer);
	event_base_free(f->loop);
	free(f);
	return 0;
}

static int64_t sum(const int64_t *numbers)
{
	int64_t all = 0;

	for (int p = 0; p < PARTITIONS; p++)
		all += numbers[p];
	return all;
}

static void every_message_arrives_in_order(void **state)
{
	struct fixture *f = *state;
	struct progress progress = { 0 };
	struct reader r = { 0 };

	for (int32_t p = 0; p < PARTITIONS; p++)
		produce(f, "t", p, 3000);
	begin(f, &r, &progress, "order");
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 4 * 3000);
	for (int32_t p = 0; p < PARTITIONS; p++)
		produce(f, "t", p, 10);
	flush(f);
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 4 * 3010);
	assert_int_equal(r.source->ops->lag(r.source, r.partitions[0].id), 0);
	finish(&r);
}

static void reading_begins_at_the_offset_that_was_taken(void **state)
{
	struct fixture *f = *state;
	struct progress progress = { .next = { 100, 0, 499, 500 } };
	struct reader r = { 0 };

	for (int32_t p = 0; p < PARTITIONS; p++)
		produce(f, "t", p, 500);
	flush(f);
	begin(f, &r, &progress, "take");
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 400 + 500 + 1);
	produce(f, "t", 3, 1);
	flush(f);
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 400 + 500 + 1 + 1);
	finish(&r);
}

/* Keys, tombstones, empty values and headers come through as they are. */
static void on_special(void *ctx, const struct message *m)
{
	int64_t *seen = ctx;

	assert_true(m->time_ms > 0);
	switch ((*seen)++) {
	case 0: /* a tombstone with headers */
		assert_true(slice_is(m->key, "key") && !m->value.p);
		assert_int_equal(m->header_count, 3);
		assert_true(slice_is(m->headers[0].name, "a") && slice_is(m->headers[0].value, "1"));
		assert_true(slice_is(m->headers[1].name, "null") && !m->headers[1].value.p);
		assert_true(slice_is(m->headers[2].name, "a") && slice_is(m->headers[2].value, "2"));
		break;
	case 1: /* no key, a value of no bytes, no headers */
		assert_null(m->key.p);
		assert_true(m->value.p && m->value.n == 0);
		assert_int_equal(m->header_count, 0);
		break;
	}
}

struct special {
	int64_t seen; /* first: on_special's context */
	struct source *source;
	bool ended;
};

static void special_assigned(void *ctx, const struct source_partition *given, size_t count)
{
	struct special *s = ctx;

	for (size_t i = 0; i < count; i++)
		s->source->ops->take(s->source, given[i].id, START_CONFIGURED, NULL);
}

static void special_ended(void *ctx, uint32_t id)
{
	(void)id;
	((struct special *)ctx)->ended = true;
}

static void special_wake(void *ctx)
{
	struct special *s = ctx;

	while (s->source->ops->poll(s->source, 1)) {
	}
}

static void messages_come_as_they_are(void **state)
{
	struct fixture *f = *state;
	const char *const topics[] = { "special", NULL };
	struct kafka_options options = { .topics = topics, .group = "special", .until = "latest" };
	struct source_events events = { special_assigned, NULL, special_ended, NULL, special_wake, NULL, on_special, NULL };
	struct special s = { 0 };
	struct error err = { .text = "" };
	int64_t patience = clock_mono_ms() + PATIENCE_MS;

	assert_int_equal(rd_kafka_mock_topic_create(f->cluster, "special", 1, 1), 0);
	assert_int_equal(rd_kafka_producev(f->producer, RD_KAFKA_V_TOPIC("special"), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY("key", 3),
					   RD_KAFKA_V_VALUE(NULL, 0), RD_KAFKA_V_HEADER("a", "1", 1), RD_KAFKA_V_HEADER("null", NULL, 0),
					   RD_KAFKA_V_HEADER("a", "2", 1), RD_KAFKA_V_END),
			 0);
	assert_int_equal(
		rd_kafka_producev(f->producer, RD_KAFKA_V_TOPIC("special"), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_VALUE("", 0), RD_KAFKA_V_END), 0);
	flush(f);
	options.brokers = rd_kafka_mock_cluster_bootstraps(f->cluster);
	s.source = kafka_new(f->loop, &options, &err);
	assert_non_null(s.source);
	events.ctx = &s;
	assert_int_equal(s.source->ops->start(s.source, &events, &err), 0);
	while (!s.ended && clock_mono_ms() < patience)
		event_base_loop(f->loop, EVLOOP_ONCE);
	assert_int_equal(s.seen, 2);
	s.source->ops->close(s.source);
}

static void until_latest_ends_every_partition_at_its_bound(void **state)
{
	struct fixture *f = *state;
	struct progress progress = { .next = { 0, 0, 0, 50 } }; /* 2 is empty; 3 is taken at its end */
	struct reader r = { .hold_takes = true };

	produce(f, "t", 0, 700);
	produce(f, "t", 1, 1);
	produce(f, "t", 3, 50);
	flush(f);
	begin_with(f, &r, &progress, (struct kafka_options){ .group = "until", .until = "latest" });
	wait_for(f, ((struct reader *[]){ &r, NULL }), r.assigned == PARTITIONS);
	for (int p = 0; p < PARTITIONS; p++) {
		r.partitions[p].taken = true;
		r.source->ops->take(r.source, r.partitions[p].id, progress.next[p], (struct partition *)&r.partitions[p]);
	}
	wait_for(f, ((struct reader *[]){ &r, NULL }), r.ended >= 2); /* the two that have nothing end before anything is read */
	for (int32_t p = 0; p < PARTITIONS; p++)
		produce(f, "t", p, 100); /* beyond the bounds */
	flush(f);
	wait_for(f, ((struct reader *[]){ &r, NULL }), r.ended == PARTITIONS);
	assert_int_equal(progress.got, 701);
	assert_int_equal(progress.next[0], 700);
	finish(&r);
}

static void a_bounded_reader_without_partitions_is_idle(void **state)
{
	struct fixture *f = *state;
	const char *const topics[] = { "one", NULL };
	struct progress progress = { 0 };
	struct reader a = { 0 }, b = { 0 };
	struct reader *both[] = { &a, &b, NULL };

	assert_int_equal(rd_kafka_mock_topic_create(f->cluster, "one", 1, 1), 0);
	begin_with(f, &a, &progress, (struct kafka_options){ .group = "idle", .topics = topics, .until = "latest" });
	begin_with(f, &b, &progress, (struct kafka_options){ .group = "idle", .topics = topics, .until = "latest" });
	wait_for(f, both, a.ended + b.ended == 1 && (a.idle || b.idle));
	assert_true(a.idle != b.idle);
	assert_int_equal(a.idle ? a.assigned : b.assigned, 0);
	assert_true(a.told && b.told);
	finish(&a);
	finish(&b);
}

/* The pauses come between messages and from within them, while librdkafka has fetched far ahead and the batch in hand holds more. */
static void pausing_loses_and_doubles_nothing(void **state)
{
	struct fixture *f = *state;
	struct progress progress = { 0 };
	struct reader r = { .fidget = true, .random = 7 };

	for (int32_t p = 0; p < PARTITIONS; p++)
		produce(f, "t", p, 3000);
	flush(f);
	begin(f, &r, &progress, "pause");
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 4 * 3000);
	finish(&r);
}

static void a_paused_partition_lets_the_others_go_on(void **state)
{
	struct fixture *f = *state;
	struct progress progress = { 0 };
	struct reader r = { .hold_takes = true };

	for (int32_t p = 0; p < PARTITIONS; p++)
		produce(f, "t", p, 500);
	flush(f);
	begin(f, &r, &progress, "others");
	wait_for(f, ((struct reader *[]){ &r, NULL }), r.assigned == PARTITIONS);
	set_paused(&r, 2, true); /* even before it is taken */
	for (int p = 0; p < PARTITIONS; p++) {
		r.partitions[p].taken = true;
		r.source->ops->take(r.source, r.partitions[p].id, 0, (struct partition *)&r.partitions[p]);
	}
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 3 * 500);
	set_paused(&r, 2, false);
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 4 * 500);
	finish(&r);
}

/* Under load a second reader joins, then the first leaves. Each partition goes on exactly where its last owner was. */
static void rebalance(struct fixture *f, const char *group, const char *strategy)
{
	const char *const config[] = {
		"session.timeout.ms", "4500", "heartbeat.interval.ms", "100", "partition.assignment.strategy", strategy, NULL
	};
	struct progress progress = { 0 };
	struct reader a = { .most = 100 }, b = { .most = 100 };
	struct reader *both[] = { &a, &b, NULL }, *first[] = { &a, NULL }, *second[] = { &b, NULL };
	int64_t limit = clock_mono_ms() + PATIENCE_MS, before;

	produce(f, "t", 0, 1);
	begin_with(f, &a, &progress, (struct kafka_options){ .group = group, .config = config });
	wait_for(f, first, a.assigned == PARTITIONS && progress.got == 1);
	begin_with(f, &b, &progress, (struct kafka_options){ .group = group, .config = config });
	while ((b.assigned != 2 || a.assigned != 2) && clock_mono_ms() < limit) {
		for (int32_t p = 0; p < PARTITIONS; p++) {
			if (f->written[p] < MOST)
				produce(f, "t", p, 200);
		}
		rd_kafka_poll(f->producer, 0);
		turn(f, both);
	}
	assert_true(b.assigned == 2 && a.assigned == 2);
	before = progress.got;
	for (int32_t p = 0; p < PARTITIONS; p++)
		produce(f, "t", p, 2000);
	wait_for(f, both, progress.got > before);
	finish(&a);
	flush(f);
	wait_for(f, second, b.assigned == PARTITIONS && progress.got == sum(f->written));
	finish(&b);
}

static void a_cooperative_rebalance_loses_and_doubles_nothing(void **state)
{
	rebalance(*state, "cooperative", "cooperative-sticky");
}

static void an_eager_rebalance_loses_and_doubles_nothing(void **state)
{
	rebalance(*state, "eager", "range,roundrobin");
}

/* At every rebalance librdkafka drops what it had fetched of the partitions that stay, even what it is just handing out: a race, so
 * several groups go through several rebalances, each time a topic appears. */
static void rebalances_under_load_lose_and_double_nothing(void **state)
{
	enum { GROUPS = 4, ROUNDS = 6 };
	struct fixture *f = *state;
	const char *const config[] = {
		"session.timeout.ms", "3600", "heartbeat.interval.ms", "100", "topic.metadata.refresh.interval.ms", "100", NULL
	};
	const char *const topics[] = { "t", "more.*", NULL };
	struct progress progress[GROUPS] = { 0 };
	struct reader r[GROUPS] = { 0 }, *readers[GROUPS + 1] = { NULL };
	int64_t limit = clock_mono_ms() + 2 * PATIENCE_MS;
	char name[32];

	for (int i = 0; i < GROUPS; i++) {
		snprintf(name, sizeof name, "load %d", i);
		readers[i] = &r[i];
		r[i].most = 512;
		begin_with(f, &r[i], &progress[i], (struct kafka_options){ .group = name, .topics = topics, .config = config });
	}
	for (int round = 0; round <= ROUNDS; round++) {
		bool all = false;

		while (!all && clock_mono_ms() < limit) {
			int64_t least = INT64_MAX;

			all = true;
			for (int i = 0; i < GROUPS; i++) {
				all &= r[i].assigned == PARTITIONS && r[i].others >= round && progress[i].got > round;
				least = progress[i].got < least ? progress[i].got : least;
				assert_false(r[i].failed);
			}
			for (int32_t p = 0; p < PARTITIONS && sum(f->written) - least < 40000; p++)
				produce(f, "t", p, 500);
			rd_kafka_poll(f->producer, 0);
			turn(f, readers);
		}
		assert_true(all);
		snprintf(name, sizeof name, "more.%d", round);
		assert_int_equal(rd_kafka_mock_topic_create(f->cluster, name, 1, 1), 0);
	}
	flush(f);
	for (int i = 0; i < GROUPS; i++) {
		wait_for(f, readers, progress[i].got == sum(f->written));
		assert_true(r[i].others >= ROUNDS);
	}
	for (int i = 0; i < GROUPS; i++)
		finish(&r[i]);
}

/* The flow may be slow to take (its target is away): the group must not wait for it to leave, nor to die. */
static void never_take(struct fixture *f, const char *group, const char *strategy)
{
	const char *const config[] = {
		"session.timeout.ms", "4500", "heartbeat.interval.ms", "100", "partition.assignment.strategy", strategy, NULL
	};
	struct progress progress = { 0 };
	struct reader a = { .hold_takes = true }, b = { 0 };
	int64_t began;

	produce(f, "t", 1, 20);
	flush(f);
	begin_with(f, &a, &progress, (struct kafka_options){ .group = group, .config = config });
	wait_for(f, ((struct reader *[]){ &a, NULL }), a.assigned == PARTITIONS);
	a.source->ops->take(a.source, a.partitions[0].id, 0, NULL); /* one of four */
	turn(f, (struct reader *[]){ &a, NULL });
	began = clock_mono_ms();
	finish(&a);
	assert_true(clock_mono_ms() - began < 4000);
	begin_with(f, &b, &progress, (struct kafka_options){ .group = group, .config = config });
	wait_for(f, ((struct reader *[]){ &b, NULL }), progress.got == 20);
	finish(&b);
}

static void takes_that_never_come_do_not_keep_a_cooperative_source(void **state)
{
	never_take(*state, "pending", "cooperative-sticky");
}

static void takes_that_never_come_do_not_keep_an_eager_source(void **state)
{
	never_take(*state, "pending", "range");
}

static void an_offset_that_is_gone_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct progress beyond = { .next = { 0, 1000, 0, 0 } }, below = { .next = { 0 } };
	struct reader r = { 0 }, s = { 0 };
	char *large = calloc(1, 900000);

	produce(f, "t", 1, 10);
	flush(f);
	begin(f, &r, &beyond, "beyond");
	wait_for(f, ((struct reader *[]){ &r, NULL }), r.failed);
	assert_non_null(strstr(r.reason, "topic t partition 1: offset 1000 is beyond the end: the broker keeps 0..10"));
	assert_int_equal(beyond.got, 0);
	finish(&r);

	large[0] = '{';
	for (int i = 0; i < 10; i++) { /* the mock keeps 5 MiB of a partition */
		assert_int_equal(rd_kafka_producev(f->producer, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_PARTITION(2), RD_KAFKA_V_VALUE(large, 900000),
						   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
				 0);
		flush(f);
	}
	free(large);
	begin(f, &s, &below, "below");
	wait_for(f, ((struct reader *[]){ &s, NULL }), s.failed);
	assert_non_null(strstr(s.reason, "topic t partition 2: offset 0 is gone: the broker keeps "));
	assert_non_null(strstr(s.reason, "..10; start with --from"));
	assert_int_equal(below.next[2], 0);
	finish(&s);
}

/* A worker that dies before its first transaction is followed by one that begins at the same place, not at the latest of then. */
static void a_resolved_start_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	struct progress progress = { .next = { -1, -1, -1, -1 } };
	struct reader r = { .configured = true }, again = { .configured = true }, from = { .configured = true };

	produce(f, "t", 0, 100);
	flush(f);
	begin_with(f, &r, &progress, (struct kafka_options){ .group = "start", .start = "latest" });
	wait_for(f, ((struct reader *[]){ &r, NULL }), r.assigned == PARTITIONS);
	wait_for(f, ((struct reader *[]){ &r, NULL }), r.source->ops->lag(r.source, r.partitions[0].id) == 0);
	produce(f, "t", 0, 5);
	flush(f);
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 5);
	assert_int_equal(progress.next[0], 105);
	finish(&r);

	progress.got = 0;
	progress.next[0] = 100;
	begin_with(f, &again, &progress, (struct kafka_options){ .group = "start", .start = "latest" });
	wait_for(f, ((struct reader *[]){ &again, NULL }), progress.got == 5);
	finish(&again);

	/* --from means what it says */
	progress.got = 0;
	progress.next[0] = 0;
	begin_with(f, &from, &progress, (struct kafka_options){ .group = "start", .start = "earliest", .from = true });
	wait_for(f, ((struct reader *[]){ &from, NULL }), progress.got == 105);
	finish(&from);
}

static void what_was_committed_is_told_to_the_group(void **state)
{
	struct fixture *f = *state;
	struct progress progress = { 0 };
	struct reader r = { 0 }, again = { .configured = true };

	produce(f, "t", 3, 30);
	flush(f);
	begin(f, &r, &progress, "committed");
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 30);
	r.source->ops->committed(r.source, r.partitions[3].id, 20);
	finish(&r); /* the last of it goes out with the farewell */

	progress = (struct progress){ .next = { 0, 0, 0, 20 } };
	begin_with(f, &again, &progress, (struct kafka_options){ .group = "committed", .group_keeps_progress = true });
	wait_for(f, ((struct reader *[]){ &again, NULL }), progress.got == 10);
	finish(&again);
}

static void brokers_that_are_away_are_waited_for(void **state)
{
	struct fixture *f = *state;
	const char *const config[] = { "reconnect.backoff.max.ms", "200", "session.timeout.ms", "4500", NULL };
	struct progress progress = { 0 };
	struct reader r = { 0 };

	produce(f, "t", 0, 10);
	flush(f);
	assert_int_equal(rd_kafka_mock_broker_set_down(f->cluster, -1), 0);
	begin_with(f, &r, &progress, (struct kafka_options){ .group = "away", .config = config });
	for (int i = 0; i < 50; i++)
		turn(f, (struct reader *[]){ &r, NULL });
	assert_false(r.failed);
	assert_int_equal(rd_kafka_mock_broker_set_up(f->cluster, -1), 0);
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 10);
	assert_int_equal(rd_kafka_mock_broker_set_down(f->cluster, -1), 0);
	finish(&r); /* bounded in time though nobody answers */
	assert_int_equal(rd_kafka_mock_broker_set_up(f->cluster, -1), 0);
}

static void a_pattern_finds_topics_that_come_later(void **state)
{
	struct fixture *f = *state;
	const char *const topics[] = { "shop.*", "exact.name", NULL };
	struct progress progress = { 0 };
	struct reader r = { 0 };

	assert_int_equal(rd_kafka_mock_topic_create(f->cluster, "workshop", 1, 1), 0); /* the pattern is for the whole name */
	assert_int_equal(rd_kafka_mock_topic_create(f->cluster, "exact-name", 1, 1), 0);
	produce(f, "workshop", 0, 3);
	produce(f, "exact-name", 0, 3);
	f->written[0] = 0;
	begin_with(f, &r, &progress, (struct kafka_options){ .group = "pattern", .topics = topics });
	for (int i = 0; i < 20; i++)
		turn(f, (struct reader *[]){ &r, NULL });
	assert_int_equal(rd_kafka_mock_topic_create(f->cluster, "shop.orders", 1, 1), 0);
	produce(f, "shop.orders", 0, 7);
	wait_for(f, ((struct reader *[]){ &r, NULL }), progress.got == 7);
	assert_string_equal(r.topic, "shop.orders");
	assert_int_equal(r.assigned, 1);
	finish(&r);
}

static void assert_refused(struct kafka_options options, const char *reason)
{
	const char *const topics[] = { "t", NULL };
	struct error err = { .text = "" };

	if (!options.topics)
		options.topics = topics;
	options.brokers = "127.0.0.1:1";
	options.group = "g";
	assert_null(kafka_new(NULL, &options, &err));
	if (!strstr(err.text, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, err.text);
}

static void wrong_jobs_are_refused_with_a_reason(void **state)
{
	(void)state;
	assert_refused((struct kafka_options){ .config = (const char *const[]){ "no.such.thing", "1", NULL } },
		       "config[\"no.such.thing\"]: No such configuration property: \"no.such.thing\"");
	assert_refused((struct kafka_options){ .config = (const char *const[]){ "session.timeout.ms", "soon", NULL } }, "session.timeout.ms");
	assert_refused((struct kafka_options){ .topics = (const char *const[]){ "shop[", NULL } }, "\"shop[\" is no pattern");
	assert_refused((struct kafka_options){ .topics = (const char *const[]){ "a,b", NULL } }, "\"a,b\" can be no topic's name");
	assert_refused((struct kafka_options){ .topics = (const char *const[]){ NULL } }, "no topics are named");
	assert_refused((struct kafka_options){ .start = "yesterday" }, "start (\"earliest\", \"latest\" or a time)");
	assert_refused((struct kafka_options){ .until = "earliest" }, "would read nothing");
}

#define SHOWS(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	cmocka_unit_test(wrong_jobs_are_refused_with_a_reason),
	SHOWS(every_message_arrives_in_order),
	SHOWS(messages_come_as_they_are),
	SHOWS(reading_begins_at_the_offset_that_was_taken),
	SHOWS(until_latest_ends_every_partition_at_its_bound),
	SHOWS(a_bounded_reader_without_partitions_is_idle),
	SHOWS(pausing_loses_and_doubles_nothing),
	SHOWS(a_paused_partition_lets_the_others_go_on),
	SHOWS(a_cooperative_rebalance_loses_and_doubles_nothing),
	SHOWS(an_eager_rebalance_loses_and_doubles_nothing),
	SHOWS(rebalances_under_load_lose_and_double_nothing),
	SHOWS(takes_that_never_come_do_not_keep_a_cooperative_source),
	SHOWS(takes_that_never_come_do_not_keep_an_eager_source),
	SHOWS(an_offset_that_is_gone_is_an_error),
	SHOWS(a_resolved_start_survives_a_restart),
	SHOWS(what_was_committed_is_told_to_the_group),
	SHOWS(brokers_that_are_away_are_waited_for),
	SHOWS(a_pattern_finds_topics_that_come_later),
};

enum { TESTS = sizeof tests / sizeof *tests };

/* Each test has a cluster of its own and mostly waits for its group's timers: they run at once, a process each. A name as argument
 * runs that test alone. */
int main(int count, char **arguments)
{
	FILE *outputs[TESTS];
	pid_t children[TESTS];
	int failures = 0;

	log_setup(false, LOG_ERROR, "test");
	if (count > 1) {
		cmocka_set_test_filter(arguments[1]);
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	for (int i = 0; i < TESTS; i++) {
		outputs[i] = tmpfile();
		fflush(NULL);
		children[i] = fork();
		if (children[i] == 0) {
			dup2(fileno(outputs[i]), STDOUT_FILENO);
			dup2(fileno(outputs[i]), STDERR_FILENO);
			cmocka_set_test_filter(tests[i].name);
			exit(cmocka_run_group_tests(tests, NULL, NULL));
		}
	}
	for (int i = 0; i < TESTS; i++) {
		int status = -1, c;

		waitpid(children[i], &status, 0);
		failures += status != 0;
		rewind(outputs[i]);
		while ((c = getc(outputs[i])) != EOF)
			putchar(c);
		fclose(outputs[i]);
	}
	return failures;
}
