#include "io/kafka_transaction.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	WAIT_MS = 1000, /* a call; then the same is asked again, which resumes it */
	PAUSE_MS = 100, /* before the next where it was refused for now */
};

struct kafka_transaction {
	void (*answered)(void *ctx, enum kafka_answer answer, rd_kafka_resp_err_t code, const struct error *err);
	void *ctx;
	struct event *readable;
	pthread_t thread;
	int ask_fd, answer_fd;
	_Atomic bool over;

	/* The loop's until it has written to ask_fd, the thread's until that has written to answer_fd. */
	rd_kafka_t *producer;
	enum kafka_step step;
	rd_kafka_topic_partition_list_t *offsets;
	rd_kafka_consumer_group_metadata_t *membership;
	enum kafka_answer answer;
	rd_kafka_resp_err_t code;
	struct error err;
};

static void forget(struct kafka_transaction *t)
{
	if (t->offsets)
		rd_kafka_topic_partition_list_destroy(t->offsets);
	if (t->membership)
		rd_kafka_consumer_group_metadata_destroy(t->membership);
	t->offsets = NULL;
	t->membership = NULL;
}

/* ---- the thread ---- */

static rd_kafka_error_t *init(struct kafka_transaction *t)
{
	return rd_kafka_init_transactions(t->producer, WAIT_MS);
}

static rd_kafka_error_t *send_offsets(struct kafka_transaction *t)
{
	return t->offsets->cnt ? rd_kafka_send_offsets_to_transaction(t->producer, t->offsets, t->membership, WAIT_MS) : NULL;
}

static rd_kafka_error_t *commit(struct kafka_transaction *t)
{
	return rd_kafka_commit_transaction(t->producer, WAIT_MS);
}

static rd_kafka_error_t *roll_back(struct kafka_transaction *t)
{
	return rd_kafka_abort_transaction(t->producer, WAIT_MS);
}

/* Until it is done, or trying again is of no use. NULL: done. */
static rd_kafka_error_t *insist(struct kafka_transaction *t, rd_kafka_error_t *(*call)(struct kafka_transaction *t))
{
	rd_kafka_error_t *error;

	while ((error = call(t)) && !atomic_load(&t->over)) {
		bool in_time = rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT;

		if (rd_kafka_error_is_fatal(error) || rd_kafka_error_txn_requires_abort(error) || !rd_kafka_error_is_retriable(error))
			break;
		rd_kafka_error_destroy(error);
		if (in_time)
			usleep(PAUSE_MS * 1000);
	}
	return error;
}

static void note(struct kafka_transaction *t, enum kafka_answer answer, rd_kafka_error_t *error)
{
	t->answer = answer;
	t->code = rd_kafka_error_code(error);
	error_set(&t->err, "%s", rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
}

/* Rolls back for what is noted already, or because it was asked to (DONE). */
static void abort_it(struct kafka_transaction *t)
{
	rd_kafka_error_t *error = insist(t, roll_back);

	if (error && t->answer == KAFKA_DONE)
		note(t, KAFKA_BROKEN, error);
	else if (error) {
		t->answer = KAFKA_BROKEN;
		rd_kafka_error_destroy(error);
	}
}

static void commit_it(struct kafka_transaction *t)
{
	rd_kafka_error_t *error = insist(t, send_offsets);
	enum kafka_answer otherwise = KAFKA_BROKEN;

	if (!error) {
		error = insist(t, commit);
		otherwise = KAFKA_IN_DOUBT;
	}
	if (!error)
		return;
	if (!rd_kafka_error_txn_requires_abort(error)) {
		note(t, otherwise, error);
		return;
	}
	note(t, KAFKA_ROLLED_BACK, error);
	abort_it(t);
}

static void take_step(struct kafka_transaction *t)
{
	rd_kafka_error_t *error;

	t->answer = KAFKA_DONE;
	t->code = RD_KAFKA_RESP_ERR_NO_ERROR;
	t->err.text[0] = 0;
	if (t->step == KAFKA_COMMIT) {
		commit_it(t);
	} else if (t->step == KAFKA_ABORT) {
		abort_it(t);
	} else {
		error = insist(t, init);
		if (error)
			note(t, KAFKA_BROKEN, error);
	}
}

static void wait_for_turn(int fd)
{
	uint64_t count;
	ssize_t n;

	do
		n = read(fd, &count, sizeof count);
	while (n < 0);
}

static void give_turn(int fd)
{
	static const uint64_t one = 1;

	BUG_IF(write(fd, &one, sizeof one) != sizeof one);
}

static void *work(void *ctx)
{
	struct kafka_transaction *t = ctx;

	for (;;) {
		wait_for_turn(t->ask_fd);
		if (atomic_load(&t->over))
			return NULL;
		take_step(t);
		give_turn(t->answer_fd);
	}
}

/* ---- the loop ---- */

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct kafka_transaction *t = ctx;
	struct error err;

	(void)what;
	wait_for_turn(fd);
	forget(t);
	err = t->err; /* who is told asks for the next step */
	t->answered(t->ctx, t->answer, t->code, &err);
}

struct kafka_transaction *kafka_transaction_new(
	struct event_base *loop, void (*answered)(void *ctx, enum kafka_answer answer, rd_kafka_resp_err_t code, const struct error *err), void *ctx)
{
	struct kafka_transaction *t = calloc(1, sizeof *t);

	BUG_IF(!t);
	t->answered = answered;
	t->ctx = ctx;
	t->ask_fd = eventfd(0, EFD_CLOEXEC);
	t->answer_fd = eventfd(0, EFD_CLOEXEC);
	BUG_IF(t->ask_fd < 0 || t->answer_fd < 0);
	t->readable = event_new(loop, t->answer_fd, EV_READ | EV_PERSIST, on_readable, t);
	BUG_IF(!t->readable || event_add(t->readable, NULL) < 0);
	BUG_IF(pthread_create(&t->thread, NULL, work, t) != 0);
	return t;
}

void kafka_transaction_ask(struct kafka_transaction *t, rd_kafka_t *producer, enum kafka_step step, rd_kafka_topic_partition_list_t *offsets,
			   rd_kafka_consumer_group_metadata_t *membership)
{
	t->producer = producer;
	t->step = step;
	t->offsets = offsets;
	t->membership = membership;
	give_turn(t->ask_fd);
}

void kafka_transaction_free(struct kafka_transaction *t)
{
	if (!t)
		return;
	atomic_store(&t->over, true);
	give_turn(t->ask_fd);
	pthread_join(t->thread, NULL);
	forget(t);
	event_free(t->readable);
	close(t->ask_fd);
	close(t->answer_fd);
	free(t);
}
