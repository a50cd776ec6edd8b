/* The channel between master and worker: whole messages in order, whatever their size, and an end that is told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "run/channel.h"

struct side {
	struct channel *channel;
	struct buf got; /* of each message: the verb, its size and a ':' */
	struct buf bytes;
	unsigned ends;
	bool free_on_message, free_on_end;
};

struct fixture {
	struct event_base *loop;
	struct side a, b;
};

static void on_message(void *ctx, enum channel_verb verb, struct slice bytes)
{
	struct side *side = ctx;

	buf_printf(&side->got, "%d/%zu:", (int)verb, bytes.n);
	buf_slice(&side->bytes, bytes);
	if (side->free_on_message) {
		channel_free(side->channel);
		side->channel = NULL;
	}
}

static void on_end(void *ctx)
{
	struct side *side = ctx;

	side->ends++;
	if (side->free_on_end) {
		channel_free(side->channel);
		side->channel = NULL;
	}
}

static int start(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	int ends[2];

	fixture->loop = event_base_new();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return -1;
	fixture->a.channel = channel_new(fixture->loop, ends[0], on_message, on_end, &fixture->a);
	fixture->b.channel = channel_new(fixture->loop, ends[1], on_message, on_end, &fixture->b);
	*state = fixture;
	return 0;
}

static int stop(void **state)
{
	struct fixture *fixture = *state;

	channel_free(fixture->a.channel);
	channel_free(fixture->b.channel);
	buf_free(&fixture->a.got);
	buf_free(&fixture->a.bytes);
	buf_free(&fixture->b.got);
	buf_free(&fixture->b.bytes);
	event_base_free(fixture->loop);
	free(fixture);
	return 0;
}

static void messages_arrive_whole_and_in_order(void **state)
{
	struct fixture *fixture = *state;

	channel_send(fixture->a.channel, CHANNEL_PREPARE, SLICE("bundle"));
	channel_send(fixture->a.channel, CHANNEL_SWAP, SLICE(""));
	channel_send(fixture->b.channel, CHANNEL_READY, SLICE("r"));
	channel_send(fixture->a.channel, CHANNEL_STOP, SLICE("x"));
	while (fixture->b.got.n < strlen("1/6:2/0:4/1:") || fixture->a.got.n == 0)
		event_base_loop(fixture->loop, EVLOOP_ONCE);
	assert_string_equal(buf_cstr(&fixture->b.got), "1/6:2/0:4/1:");
	assert_string_equal(buf_cstr(&fixture->b.bytes), "bundlex");
	assert_string_equal(buf_cstr(&fixture->a.got), "6/1:");
}

static void a_message_larger_than_the_socket_arrives(void **state)
{
	struct fixture *fixture = *state;
	size_t size = 5 * 1000 * 1000 + 7;
	char *large = malloc(size);

	for (size_t i = 0; i < size; i++)
		large[i] = (char)(i * 31 % 251);
	channel_send(fixture->a.channel, CHANNEL_PREPARE, (struct slice){ large, size });
	channel_send(fixture->a.channel, CHANNEL_SWAP, SLICE(""));
	while (fixture->b.got.n < strlen("1/5000007:2/0:"))
		event_base_loop(fixture->loop, EVLOOP_ONCE);
	assert_string_equal(buf_cstr(&fixture->b.got), "1/5000007:2/0:");
	assert_memory_equal(fixture->b.bytes.p, large, size);
	free(large);
}

/* What was sent before an end is read before it, even where the reader's own words find nobody any more. */
static void last_words_come_before_the_end_which_comes_once(void **state)
{
	struct fixture *fixture = *state;

	channel_send(fixture->b.channel, CHANNEL_REFUSED, SLICE("a reason"));
	channel_flush(fixture->b.channel);
	channel_free(fixture->b.channel);
	fixture->b.channel = NULL;
	channel_send(fixture->a.channel, CHANNEL_ASK, SLICE(""));
	channel_flush(fixture->a.channel);
	while (fixture->a.ends == 0)
		event_base_loop(fixture->loop, EVLOOP_ONCE);
	for (int i = 0; i < 5; i++)
		event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
	assert_string_equal(buf_cstr(&fixture->a.got), "8/8:");
	assert_string_equal(buf_cstr(&fixture->a.bytes), "a reason");
	assert_int_equal(fixture->a.ends, 1);
}

static void flush_waits_for_a_reader_that_is_slow(void **state)
{
	struct fixture *fixture = *state;
	size_t size = 3 * 1000 * 1000;
	char *large = calloc(1, size);
	pid_t child = fork();
	int status;

	if (child == 0) {
		event_reinit(fixture->loop);
		channel_free(fixture->a.channel);
		channel_send(fixture->b.channel, CHANNEL_STATS, (struct slice){ large, size });
		channel_flush(fixture->b.channel);
		_exit(0);
	}
	channel_free(fixture->b.channel);
	fixture->b.channel = NULL;
	while (fixture->a.ends == 0)
		event_base_loop(fixture->loop, EVLOOP_ONCE);
	assert_string_equal(buf_cstr(&fixture->a.got), "10/3000000:");
	assert_int_equal(waitpid(child, &status, 0), child);
	free(large);
}

static void it_may_be_freed_within_its_callbacks(void **state)
{
	struct fixture *fixture = *state;

	fixture->b.free_on_message = true;
	fixture->a.free_on_end = true;
	channel_send(fixture->a.channel, CHANNEL_PREPARE, SLICE("one"));
	channel_send(fixture->a.channel, CHANNEL_PREPARE, SLICE("two"));
	while (fixture->a.ends == 0)
		event_base_loop(fixture->loop, EVLOOP_ONCE);
	assert_string_equal(buf_cstr(&fixture->b.got), "1/3:"); /* nothing is delivered to who has gone */
	assert_null(fixture->a.channel);
	assert_null(fixture->b.channel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_arrive_whole_and_in_order, start, stop),
		cmocka_unit_test_setup_teardown(a_message_larger_than_the_socket_arrives, start, stop),
		cmocka_unit_test_setup_teardown(last_words_come_before_the_end_which_comes_once, start, stop),
		cmocka_unit_test_setup_teardown(flush_waits_for_a_reader_that_is_slow, start, stop),
		cmocka_unit_test_setup_teardown(it_may_be_freed_within_its_callbacks, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
