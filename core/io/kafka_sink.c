#include "io/kafka_sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "flow/target.h"
#include "io/change_text.h"
#include "io/kafka_sink_inside.h"
#include "io/origin.h"

static struct kafka_sink *self(struct sink *sink)
{
	return (struct kafka_sink *)sink;
}

/* ---- the producer ---- */

static enum sink_result kind_of(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
		return SINK_REFUSED;
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		return SINK_FAILED;
	default:
		return SINK_RETRY;
	}
}

/* The first failure is told; but one that only a person can mend, or that an event is to blame for, goes before those that pass. */
void kafka_sink_note(struct kafka_sink *k, const char *topic, rd_kafka_resp_err_t code)
{
	enum sink_result kind = kind_of(code);

	if (k->result != SINK_COMMITTED && (k->result != SINK_RETRY || kind == SINK_RETRY))
		return;
	k->result = kind;
	error_set(&k->err, "%s", rd_kafka_err2str(code));
	if (topic)
		error_prefix(&k->err, "topic %s", topic);
}

static bool is_purged(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

static void on_delivered(const rd_kafka_message_t *message, void *ctx)
{
	struct kafka_sink *k = ctx;

	k->pending--;
	if (k->transaction && is_purged(message->err))
		return; /* it is rolled back, and why is told elsewhere */
	if (message->err)
		kafka_sink_note(k, rd_kafka_topic_name(message->rkt), message->err);
	else
		k->problem[0] = 0;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	static struct log_gate gate;
	struct kafka_sink *k = opaque;
	char fatal[300];

	if (code == RD_KAFKA_RESP_ERR__FATAL) {
		rd_kafka_fatal_error(rk, fatal, sizeof fatal);
		k->broken = true;
		reason = fatal;
	}
	snprintf(k->problem, sizeof k->problem, "kafka sink: %s", reason);
	if (log_gate(&gate, 1, clock_mono_ms()))
		log_warn("kafka sink: %s (%s)", reason, rd_kafka_err2name((rd_kafka_resp_err_t)code));
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	struct kafka_sink *k = ctx;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof count) < 0)
		BUG_IF(errno != EAGAIN && errno != EINTR);
	kafka_producer_serve(&k->producer, 0);
	kafka_sink_go_on(k);
}

static void on_full(evutil_socket_t fd, short what, void *ctx)
{
	struct kafka_sink *k = ctx;

	(void)fd, (void)what;
	kafka_producer_serve(&k->producer, 0);
	kafka_sink_go_on(k);
}

static int kafka_sink_open(struct sink *sink, struct error *err)
{
	struct kafka_sink *k = self(sink);

	if (kafka_producer_start(&k->producer, NULL, err) < 0 || (k->topic && kafka_producer_check_topic(&k->producer, k->topic, err) < 0) ||
	    (k->rekeyed && kafka_sink_rekey_open(k, err) < 0))
		return -1;
	event_add(k->wake, NULL);
	return 0;
}

/* ---- a transaction ---- */

static rd_kafka_headers_t *identity(const char *job, const struct event *event, uint32_t number)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(ORIGIN_FIELDS);
	struct origin origin;

	origin_of(&origin, job, event, number);
	for (unsigned i = 0; i < origin.count; i++)
		rd_kafka_header_add(headers, origin.fields[i].name, -1, origin.fields[i].text.p, (ssize_t)origin.fields[i].text.n);
	return headers;
}

static const char *topic_of(const struct kafka_sink *k, const struct target *target)
{
	return k->topic ? k->topic : target_table(target).p;
}

/* Hands one change over. The code of librdkafka where it does not take it. */
static rd_kafka_resp_err_t produce(struct kafka_sink *k, const struct event *event, const struct change *change)
{
	rd_kafka_headers_t *headers = identity(k->dead_letters.job, event, k->number);
	rd_kafka_resp_err_t code;
	bool has_key;

	buf_clear(&k->key);
	buf_clear(&k->value);
	has_key = change_put_key(&k->key, change);
	change_put(&k->value, change, NULL);
	code = rd_kafka_producev(k->producer.rk, RD_KAFKA_V_TOPIC(topic_of(k, change->target)), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				 RD_KAFKA_V_KEY(has_key ? k->key.p : NULL, has_key ? k->key.n : 0), RD_KAFKA_V_VALUE(k->value.p, k->value.n),
				 RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	if (code)
		rd_kafka_headers_destroy(headers);
	else
		k->pending++;
	return code;
}

/* False: librdkafka takes no more for now. */
static bool produce_all(struct kafka_sink *k)
{
	if (k->rekeyed)
		return kafka_sink_rekey_produce(k);
	for (; k->at < k->tx->count; k->at++, k->change = NULL, k->number = 0) {
		const struct event *event = k->tx->events[k->at];

		if (event->outcome == OUTCOME_DEAD)
			continue;
		if (!k->change)
			k->change = event->changes;
		for (; k->change; k->change = k->change->next) {
			rd_kafka_resp_err_t code;

			if (!tx_takes(k->tx, k->change))
				continue;
			code = produce(k, event, k->change);
			if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
				return false;
			if (code)
				kafka_sink_note(k, topic_of(k, k->change->target), code);
			if (k->result != SINK_COMMITTED) { /* nothing more of it: it is to be written again */
				k->at = k->tx->count;
				return true;
			}
			k->number++;
		}
	}
	return true;
}

void kafka_sink_flush_letters(struct kafka_sink *k)
{
	enum line_writer_result written = dead_letter_file_flush(&k->dead_letters, &k->err);

	if (written != LINES_WRITTEN)
		k->result = written == LINES_NO_ROOM ? SINK_RETRY : SINK_FAILED;
}

void kafka_sink_answer(struct kafka_sink *k, int64_t wait_ms)
{
	struct tx *tx = k->tx;

	line_writer_drop(&k->dead_letters.out);
	k->tx = NULL;
	answers_result(&k->answers, tx, k->result, &k->err, wait_ms);
}

static void answer(struct kafka_sink *k)
{
	if (k->result == SINK_COMMITTED)
		kafka_sink_flush_letters(k);
	kafka_sink_answer(k, k->result == SINK_RETRY || k->result == SINK_FAILED ? BACK_OFF_MS : 0);
}

void kafka_sink_go_on(struct kafka_sink *k)
{
	if (!k->tx || (k->transaction && !kafka_sink_tx_begin(k)))
		return;
	if (k->broken && k->pending)
		rd_kafka_purge(k->producer.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT); /* their reports follow */
	if (k->at < k->tx->count && !k->broken && !produce_all(k)) {
		event_add(k->full, &(struct timeval){ .tv_usec = FULL_MS * 1000 });
		return;
	}
	if (k->transaction) {
		kafka_sink_tx_end(k);
		return;
	}
	if (k->pending)
		return;
	if (k->broken && k->result == SINK_COMMITTED && k->at < k->tx->count)
		kafka_sink_note(k, NULL, RD_KAFKA_RESP_ERR__FATAL);
	answer(k);
}

static void kafka_sink_commit(struct sink *sink, struct tx *tx)
{
	struct kafka_sink *k = self(sink);

	BUG_IF(k->tx);
	k->tx = tx;
	k->at = 0;
	k->change = NULL;
	k->number = 0;
	k->since_ms = clock_mono_ms();
	k->result = SINK_COMMITTED;
	k->err.text[0] = 0;
	if (k->broken && !k->asked) {
		kafka_producer_stop(&k->producer);
		k->pending = 0;
		k->broken = kafka_producer_start(&k->producer, k->transactional_id, &k->err) < 0;
		if (k->broken) {
			k->result = SINK_RETRY;
			answer(k);
			return;
		}
		if (k->transaction)
			kafka_sink_tx_init(k);
	}
	if (k->transaction)
		kafka_sink_tx_identify(k);
	dead_letter_file_add(&k->dead_letters, tx);
	kafka_sink_go_on(k);
}

static const char *kafka_sink_problem(struct sink *sink)
{
	struct kafka_sink *k = self(sink);

	if (!k->tx || !(k->pending || k->asked) || clock_mono_ms() - k->since_ms < LATE_MS)
		return NULL;
	return k->problem[0] ? k->problem : "kafka sink: the brokers do not answer";
}

/* ---- the rest ---- */

static bool can_be_topic(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", name.p[i]) || !name.p[i])
			return false;
	return name.n > 0 && name.n <= TOPIC_NAME_MOST;
}

static int kafka_sink_describe(struct sink *sink, struct target *target, struct error *err)
{
	if (!self(sink)->topic && !can_be_topic(target_table(target)))
		return error_set(err, "'%.*s' can be no topic's name", SLICE_ARG(target_table(target)));
	target->open = true;
	target->exists = true;
	target->key_exact = true;
	for (char *const *column = self(sink)->key_columns; *column; column++)
		target->key[target->key_count++] = (uint32_t)target_add(target, slice_of(*column));
	return 0;
}

static void kafka_sink_take_over(struct sink *sink, struct takeover *takeover)
{
	answers_fresh(&self(sink)->answers, takeover);
}

static void kafka_sink_show(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	change_show(tx, &(struct change_form){ .job = self(sink)->dead_letters.job, .keyed = true }, line, ctx);
}

/* There is nothing to look at. */
static int nothing(struct sink *sink, struct error *err)
{
	(void)sink, (void)err;
	return 0;
}

static void kafka_sink_close(struct sink *sink)
{
	struct kafka_sink *k = self(sink);

	k->tx = NULL;
	kafka_sink_tx_free(k);
	for (int64_t until_ms = clock_mono_ms() + FLUSH_MS; k->producer.rk && !k->transactional_id && k->pending && !k->broken;) {
		int64_t left_ms = until_ms - clock_mono_ms();

		if (left_ms <= 0)
			break;
		kafka_producer_serve(&k->producer, (int)left_ms);
	}
	if (k->wake)
		event_free(k->wake);
	if (k->full)
		event_free(k->full);
	kafka_producer_deinit(&k->producer);
	answers_deinit(&k->answers);
	dead_letter_file_deinit(&k->dead_letters);
	buf_free(&k->key);
	buf_free(&k->value);
	kafka_sink_rekey_free(k);
	free(k->topic);
	for (char **column = k->key_columns; *column; column++)
		free(*column);
	free(k->transactional_id);
	free(k);
}

struct sink *kafka_sink_new(struct event_base *loop, const struct kafka_sink_options *options, struct error *err)
{
	static const struct sink_ops ops = {
		.name = "kafka",
		.open = kafka_sink_open,
		.look = nothing,
		.describe = kafka_sink_describe,
		.take_over = kafka_sink_take_over,
		.commit = kafka_sink_commit,
		.problem = kafka_sink_problem,
		.show = kafka_sink_show,
		.close = kafka_sink_close,
	};
	struct kafka_sink *k = calloc(1, sizeof *k);
	bool wrong;

	BUG_IF(!k);
	/* One lane: what comes from one partition goes out in its order. */
	k->sink = (struct sink){ .ops = &k->ops, .lanes = 1 };
	k->ops = ops;
	k->ops.transactional = k->ops.in_order = options->exactly_once;
	k->loop = loop;
	if (options->rekeyed)
		kafka_sink_rekey_init(k, options->rekeyed);
	if (options->topic) {
		k->topic = strdup(options->topic);
		BUG_IF(!k->topic);
	}
	for (size_t i = 0; options->key && options->key[i]; i++) {
		BUG_IF(i == TARGET_KEY_MOST);
		k->key_columns[i] = strdup(options->key[i]);
		BUG_IF(!k->key_columns[i]);
	}
	k->producer = (struct kafka_producer){ .on_delivered = on_delivered, .on_error = on_error, .ctx = k };
	wrong = kafka_producer_init(&k->producer, options->brokers, options->config, err) < 0;
	k->wake = event_new(loop, k->producer.wake_fd, EV_READ | EV_PERSIST, on_wake, k);
	k->full = event_new(loop, -1, 0, on_full, k);
	BUG_IF(!k->wake || !k->full);
	dead_letter_file_init(&k->dead_letters, options->dead_letters, options->job);
	answers_init(&k->answers, loop);
	if (wrong) {
		kafka_sink_close(&k->sink);
		return NULL;
	}
	return &k->sink;
}
