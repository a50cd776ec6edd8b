#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "flow/progress.h"
#include "flow/rekey.h"

/* A message as a topic of `repartition` holds it. */
struct sent {
	struct buf text;
	struct header headers[3];
	struct message message;
};

static void send(struct sent *sent, const struct message *original, enum rekey_side side, const char *parts, struct partition *owner)
{
	uint32_t count = 0;

	sent->text = (struct buf)BUF_INIT;
	rekey_put(&sent->text, original, side);
	buf_text(&sent->text, parts);
	sent->headers[count++] = (struct header){ SLICE("mine"), SLICE("x") };
	if (original->key.p)
		sent->headers[count++] = (struct header){ SLICE(REKEY_KEY), original->key };
	sent->headers[count++] = (struct header){ SLICE(REKEY_FROM), buf_view(&sent->text) };
	sent->message = (struct message){ .topic = SLICE("through"),
					  .partition = 1,
					  .offset = 5,
					  .position = 5,
					  .key = SLICE("[7]"),
					  .value = original->value,
					  .headers = sent->headers,
					  .header_count = count,
					  .owner = owner };
}

static const struct message original = { .topic = { "shop.orders", 11 },
					 .partition = 3,
					 .offset = 1234567890123,
					 .time_ms = 1700000000000,
					 .time_is_brokers = true,
					 .key = { "{\"id\":1}", 8 },
					 .value = { "v", 1 } };

static void a_message_is_what_it_was(void **state)
{
	struct message without_key = original;
	struct sent sent;

	(void)state;
	send(&sent, &original, REKEY_WHOLE, "0", NULL);
	rekey_open(&sent.message);
	assert_null(sent.message.flaw);
	assert_true(slice_is(sent.message.topic, "shop.orders"));
	assert_int_equal(sent.message.partition, 3);
	assert_int_equal(sent.message.offset, 1234567890123);
	assert_int_equal(sent.message.time_ms, 1700000000000);
	assert_true(sent.message.time_is_brokers);
	assert_true(slice_is(sent.message.key, "{\"id\":1}"));
	assert_int_equal(sent.message.position, 5); /* its place in what was read */
	buf_free(&sent.text);
	without_key.key = (struct slice){ 0 };
	send(&sent, &without_key, REKEY_WHOLE, "0", NULL);
	rekey_open(&sent.message);
	assert_null(sent.message.key.p);
	buf_free(&sent.text);
}

static void what_does_not_say_where_it_comes_from_has_a_flaw(void **state)
{
	static const char *const bad[] = { "", "3", "3 4 5 p", "3 4 5 p w", "3 4 5 p w topic", "x 4 5 p w topic 0", "3 4 5 p w  0" };
	struct message message;

	(void)state;
	for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
		struct header header = { SLICE(REKEY_FROM), i ? slice_of(bad[i - 1]) : (struct slice){ 0 } };

		message = (struct message){ .topic = SLICE("through"), .headers = &header, .header_count = i > 0 };
		rekey_open(&message);
		assert_non_null(message.flaw);
	}
}

/* Of five events of a message those that are named; the halves of an update. */
static void those_that_are_meant_are_kept(void **state)
{
	struct intakes all = { 0 };
	struct intake *intake = intake_new(&all);
	struct partition *through = partition_new(SLICE("through"), 1, 0, 1);
	struct sent sent[3];
	struct event events[7] = { 0 };

	(void)state;
	through->rekeyed = true;
	send(&sent[0], &original, REKEY_WHOLE, "1,3,12", through);
	send(&sent[1], &original, REKEY_OLD, "0", through);
	send(&sent[2], &original, REKEY_NEW, "0", through);
	for (uint32_t i = 0; i < 7; i++) {
		events[i].message = &sent[i < 5 ? 0 : i - 4].message;
		events[i].part = i < 5 ? i : 0;
		events[i].op = OP_UPDATE;
		events[i].row = (struct image){ .state = IMAGE_WHOLE };
		events[i].old = (struct image){ .state = IMAGE_PARTIAL };
		intake_add(intake, &events[i]);
	}
	rekey_choose(intake);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(events[i].outcome, i == 1 || i == 3 ? OUTCOME_PENDING : OUTCOME_IGNORED);
		assert_int_equal(events[i].op, OP_UPDATE);
	}
	assert_int_equal(events[5].op, OP_DELETE);
	assert_int_equal(events[5].row.state, IMAGE_PARTIAL); /* what was there before */
	assert_int_equal(events[5].old.state, IMAGE_ABSENT);
	assert_int_equal(events[6].op, OP_INSERT);
	assert_int_equal(events[6].row.state, IMAGE_WHOLE);
	assert_int_equal(events[6].old.state, IMAGE_ABSENT);
	for (size_t i = 0; i < 3; i++)
		buf_free(&sent[i].text);
	for (uint32_t i = 0; i < 8; i++)
		intake_release(intake);
	intakes_free(&all);
	partition_unref(through);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_what_it_was),
		cmocka_unit_test(what_does_not_say_where_it_comes_from_has_a_flaw),
		cmocka_unit_test(those_that_are_meant_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
