/* The source itself: its life, its events on the loop, and what the flow calls. Two queues of librdkafka are read, both wake the
 * loop: `control` is served at once, whoever is busy; `data` only by poll, so that what the flow cannot take yet stays where it
 * is bounded. */
#include "io/kafka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/kafka_inside.h"

void kafka_say(struct kafka *kafka, rd_kafka_resp_err_t code, const char *about, const char *reason)
{
	int64_t now = clock_mono_ms();
	struct kafka_said *said = NULL;

	for (size_t i = 0; i < sizeof kafka->said / sizeof *kafka->said && !said; i++) {
		if (kafka->said[i].code == code && strncmp(kafka->said[i].about, about, sizeof said->about - 1) == 0)
			said = &kafka->said[i];
	}
	if (said && now - said->at_ms < KAFKA_SAY_AGAIN_MS)
		return;
	if (!said)
		said = &kafka->said[kafka->said_next++ % (sizeof kafka->said / sizeof *kafka->said)];
	said->code = code;
	said->at_ms = now;
	snprintf(said->about, sizeof said->about, "%s", about);
	log_warn("kafka: %s: %s (%s); trying again", about, reason, rd_kafka_err2name(code));
}

void kafka_fail(struct kafka *kafka, bool job, const char *reason)
{
	kafka->stopped = true;
	if (kafka->failed)
		return;
	kafka->failed = true;
	kafka->events.failed(kafka->events.ctx, job, reason);
}

/* Rebalances, errors and logs. Also tells the group that we are alive, however long the flow cannot take messages. */
static void serve(struct kafka *kafka)
{
	rd_kafka_message_t *batch[16];
	ssize_t count;

	do {
		count = rd_kafka_consume_batch_queue(kafka->control, 0, batch, sizeof batch / sizeof *batch);
		for (ssize_t i = 0; i < count; i++) {
			if (batch[i]->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && kafka->until.kind != KAFKA_NOWHERE &&
			    kafka->partition_count == 0 && !kafka->idle_at)
				kafka->idle_at = clock_mono_ms() + KAFKA_IDLE_AFTER_MS;
			kafka_messages_receive(kafka, batch[i]);
		}
	} while (count > 0);
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	struct kafka *kafka = ctx;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
		BUG_IF(errno != EINTR);
	serve(kafka);
	kafka->events.wake(kafka->events.ctx);
}

/* Bounded partitions that have nothing to deliver end before their first message. */
static void end_reached(struct kafka *kafka)
{
	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (p && p->state == KAFKA_RUNNING && !p->ended && !p->stash_count && p->position >= p->bound)
			kafka_messages_end(kafka, p);
	}
}

static void on_work(evutil_socket_t fd, short what, void *ctx)
{
	struct kafka *kafka = ctx;

	(void)fd;
	(void)what;
	if (kafka_group_answer(kafka) < 0) {
		event_add(kafka->work, &(struct timeval){ .tv_usec = KAFKA_RETRY_MS * 1000 });
		return;
	}
	if (!kafka->stopped)
		end_reached(kafka);
	kafka->events.wake(kafka->events.ctx);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct kafka *kafka = ctx;

	(void)fd;
	(void)what;
	serve(kafka);
	kafka_group_commit(kafka, false);
	if (!kafka->alone && !kafka->stopped)
		kafka_gap_tick(kafka);
	if (kafka->alone && !kafka->alone_given && !kafka->stopped)
		kafka_alone_give(kafka);
	if (kafka->stopped || kafka->assigning)
		return;
	if (kafka->until.kind == KAFKA_TIME && kafka_offsets_resolve(kafka) == 0)
		end_reached(kafka);
	if (kafka->idle_at && kafka->partition_count == 0 && !kafka->idle_told && clock_mono_ms() >= kafka->idle_at) {
		kafka->idle_told = true;
		kafka->events.idle(kafka->events.ctx);
	}
}

/* A login that is wrong, or a certificate on either side; not a connection that ends while it is made. */
static bool is_refusal(int code, const char *reason)
{
	return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || (code == RD_KAFKA_RESP_ERR__SSL && strstr(reason, "certificate"));
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct kafka *kafka = opaque;

	(void)rk;

	if (kafka->first && is_refusal(code, reason)) {
		struct error err;

		error_set(&err, "kafka: %s (%s); check security.protocol, ssl.* and sasl.* in `config` of the job's source", reason,
			  rd_kafka_err2name(code));
		if (!kafka->closing)
			kafka_fail(kafka, true, err.text);
		return;
	}
	kafka_say(kafka, code, "broker", reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	struct kafka *kafka = rd_kafka_opaque(rk);
	/* syslog's levels: 0 to 3 are errors, 4 is a warning, 7 is debug. */
	enum log_level to = level <= 3 ? LOG_ERROR : level == 4 ? LOG_WARN : level < 7 ? LOG_INFO : LOG_DEBUG;

	if (log_gate(&kafka->log, 5, clock_wall_ms()))
		log_write(to, NULL, "kafka: %s: %s", facility, text);
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
	struct kafka *kafka = opaque;

	(void)rk;
	if (!code || code == RD_KAFKA_RESP_ERR__NO_OFFSET)
		return;
	kafka_say(kafka, code, "commit", rd_kafka_err2str(code));
	/* Others may wait for the word that a partition is read. */
	for (int i = 0; offsets && i < offsets->cnt; i++) {
		struct kafka_partition *p = kafka_group_find(kafka, &offsets->elems[i]);

		if (p)
			p->end_told = false;
	}
}

static int kafka_start(struct source *source, const struct source_events *events, struct error *err)
{
	struct kafka *kafka = (struct kafka *)source;
	const uint64_t one = 1;
	rd_kafka_resp_err_t code;
	char reason[512];

	kafka->events = *events;
	rd_kafka_conf_set_opaque(kafka->conf, kafka);
	rd_kafka_conf_set_rebalance_cb(kafka->conf, kafka_group_on_rebalance);
	rd_kafka_conf_set_offset_commit_cb(kafka->conf, on_commit);
	rd_kafka_conf_set_error_cb(kafka->conf, on_error);
	rd_kafka_conf_set_log_cb(kafka->conf, on_log);
	kafka->rk = rd_kafka_new(RD_KAFKA_CONSUMER, kafka->conf, reason, sizeof reason);
	if (!kafka->rk)
		return error_set(err, "source: %s", reason);
	kafka->conf = NULL;
	rd_kafka_set_log_queue(kafka->rk, NULL);
	rd_kafka_poll_set_consumer(kafka->rk);

	kafka->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	BUG_IF(kafka->wake_fd < 0);
	kafka->wake = event_new(kafka->loop, kafka->wake_fd, EV_READ | EV_PERSIST, on_wake, kafka);
	kafka->work = event_new(kafka->loop, -1, 0, on_work, kafka);
	kafka->tick = event_new(kafka->loop, -1, EV_PERSIST, on_tick, kafka);
	BUG_IF(!kafka->wake || !kafka->work || !kafka->tick);
	event_add(kafka->wake, NULL);
	event_add(kafka->tick, &(struct timeval){ .tv_sec = KAFKA_TICK_MS / 1000 });

	kafka->control = rd_kafka_queue_get_consumer(kafka->rk);
	kafka->data = rd_kafka_queue_new(kafka->rk);
	rd_kafka_queue_io_event_enable(kafka->control, kafka->wake_fd, &one, sizeof one);
	rd_kafka_queue_io_event_enable(kafka->data, kafka->wake_fd, &one, sizeof one);
	if (kafka->alone) {
		event_active(kafka->tick, EV_TIMEOUT, 0);
		return 0;
	}
	code = rd_kafka_subscribe(kafka->rk, kafka->topics);
	if (code)
		return error_set(err, "source: topics: %s", rd_kafka_err2str(code));
	return 0;
}

static size_t kafka_poll(struct source *source, size_t most)
{
	return kafka_messages_poll((struct kafka *)source, most);
}

static struct kafka_partition *partition_of(struct kafka *kafka, uint32_t id)
{
	BUG_IF(id >= kafka->partition_slots || !kafka->partitions[id]);
	return kafka->partitions[id];
}

static void kafka_take(struct source *source, uint32_t id, int64_t offset, struct partition *owner)
{
	struct kafka *kafka = (struct kafka *)source;
	struct kafka_partition *p = partition_of(kafka, id);

	BUG_IF(p->state != KAFKA_ASKED || (offset < 0 && offset != START_CONFIGURED));
	p->state = KAFKA_TAKEN;
	p->position = offset;
	p->owner = owner;
	event_active(kafka->work, EV_TIMEOUT, 0);
}

static void kafka_pause(struct source *source, uint32_t id, bool paused)
{
	struct kafka *kafka = (struct kafka *)source;
	struct kafka_partition *p = partition_of(kafka, id);

	p->paused = paused;
	if (p->state != KAFKA_RUNNING || p->ended)
		return;
	if (paused && !p->held)
		kafka_messages_hold(kafka, p, true);
	else if (!paused && p->held && !p->stash_count)
		kafka_messages_hold(kafka, p, false);
	else if (!paused)
		event_active(kafka->work, EV_TIMEOUT, 0); /* wakes the flow: the stash is delivered by poll */
}

static void kafka_committed(struct source *source, uint32_t id, int64_t offset)
{
	struct kafka_partition *p = partition_of((struct kafka *)source, id);

	p->uncommitted |= offset != p->committed;
	p->committed = offset;
}

static int64_t kafka_lag(struct source *source, uint32_t id)
{
	struct kafka *kafka = (struct kafka *)source;
	struct kafka_partition *p = partition_of(kafka, id);
	int64_t low, high;

	if (p->state != KAFKA_RUNNING || rd_kafka_get_watermark_offsets(kafka->rk, p->name.p, p->partition, &low, &high) || high < 0)
		return -1;
	return high > p->position ? high - p->position : 0;
}

static bool kafka_whole(struct source *source)
{
	return kafka_share_is_whole((struct kafka *)source);
}

static void kafka_stop(struct source *source)
{
	((struct kafka *)source)->stopped = true;
}

static void kafka_close(struct source *source)
{
	struct kafka *kafka = (struct kafka *)source;

	if (kafka->rk) {
		kafka_group_leave(kafka);
		kafka_group_release_all(kafka);
		rd_kafka_queue_io_event_enable(kafka->control, -1, NULL, 0);
		rd_kafka_queue_io_event_enable(kafka->data, -1, NULL, 0);
		rd_kafka_queue_destroy(kafka->data);
		rd_kafka_queue_destroy(kafka->control);
		/* librdkafka before 2.3 aborts where it is destroyed after joining a group and before its first assignment (its #4312): then it
		 * is left to the end of the process, which is near. */
		if (kafka->alone || kafka->rebalanced_ms || rd_kafka_version() >= 0x02030000)
			rd_kafka_destroy_flags(kafka->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
		event_free(kafka->wake);
		event_free(kafka->work);
		event_free(kafka->tick);
		close(kafka->wake_fd);
	}
	if (kafka->conf)
		rd_kafka_conf_destroy(kafka->conf);
	if (kafka->topics)
		rd_kafka_topic_partition_list_destroy(kafka->topics);
	if (kafka->rekeyed)
		rd_kafka_topic_partition_list_destroy(kafka->rekeyed);
	if (kafka->others)
		rd_kafka_topic_partition_list_destroy(kafka->others);
	free(kafka->partitions);
	free(kafka->headers);
	free(kafka->only_topic);
	free(kafka);
}

struct source *kafka_new(struct event_base *loop, const struct kafka_options *options, struct error *err)
{
	static const struct source_ops ops = {
		.name = "kafka",
		.start = kafka_start,
		.poll = kafka_poll,
		.take = kafka_take,
		.pause = kafka_pause,
		.committed = kafka_committed,
		.lag = kafka_lag,
		.whole = kafka_whole,
		.stop = kafka_stop,
		.close = kafka_close,
	};
	struct kafka *kafka = calloc(1, sizeof *kafka);

	BUG_IF(!kafka);
	kafka->base.ops = &ops;
	kafka->loop = loop;
	if (kafka_conf_read(kafka, options, err) < 0) {
		kafka_close(&kafka->base);
		return NULL;
	}
	return &kafka->base;
}
