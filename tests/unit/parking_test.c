/* What is parked: its order, and what lanes make of rows that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/headers.h"
#include "flow/intake.h"
#include "flow/lane.h"
#include "flow/script.h"
#include "support/changes.h"

enum { PARK_MS = 1000 };

static const struct target_column columns[] = {
	{ .name = { "id", 2 }, .type = COLUMN_INTEGER, .exact = true },
	{ .name = { "paid", 4 }, .type = COLUMN_INTEGER, .nullable = true, .exact = true },
};

struct fixture {
	struct sink sink;
	struct tx *tx; /* on its way */
	struct lanes *lanes;
	struct parking parking;
	struct intakes intakes;
	struct intake *intake;
	struct partition *partition, *other;
	struct changes *changes; /* the arena of targets and values */
	struct target *orders;
	struct script script;
	int64_t next_offset, now_ms;
	char finished[300];
};

static void commit(struct sink *sink, struct tx *tx)
{
	((struct fixture *)sink)->tx = tx;
}

static void finished(void *ctx, struct event *event)
{
	static const char *const names[] = { [OUTCOME_WRITTEN] = "", [OUTCOME_DEAD] = "dead ", [OUTCOME_PARKED] = "parked " };
	struct fixture *f = ctx;
	size_t n = strlen(f->finished);

	snprintf(f->finished + n, sizeof f->finished - n, "%s%.*s;", names[event->outcome], SLICE_ARG(event->table));
	if (!event->parked)
		partition_finish(event->message->owner, event->ordinal);
}

static void ignore_event(void *ctx, struct event *event)
{
	(void)ctx, (void)event;
}

static void ignore_partition(void *ctx, struct partition *partition)
{
	(void)ctx, (void)partition;
}

static void ignore_text(void *ctx, const char *text)
{
	(void)ctx, (void)text;
}

static void ignore(void *ctx)
{
	(void)ctx;
}

static int set_up(void **state)
{
	static const struct sink_ops ops = { .name = "fake", .commit = commit };
	struct fixture *f = calloc(1, sizeof *f);
	struct lanes_events events = { .finished = finished,
				       .dropped = ignore_event,
				       .refused = ignore_event,
				       .fenced = ignore_partition,
				       .held = ignore_partition,
				       .stop = ignore_event,
				       .dead = ignore_event,
				       .problem = ignore_text,
				       .wake = ignore,
				       .ctx = f };

	f->sink = (struct sink){ .ops = &ops, .lanes = 1 };
	f->lanes = lanes_new(&f->sink, 1, &f->parking, &events);
	f->intake = intake_new(&f->intakes);
	f->partition = partition_new(SLICE("payments"), 0, 0, 1);
	f->other = partition_new(SLICE("orders"), 0, 1, 1);
	f->changes = changes_new();
	f->orders = changes_target(f->changes, "orders", 2, columns, 1);
	f->orders->parks = true;
	f->script = (struct script){ .on_error = ON_ERROR_DEAD_LETTER, .park_for_ms = PARK_MS };
	f->now_ms = 5000;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	lanes_free(f->lanes);
	parking_drop(&f->parking, f->partition);
	parking_drop(&f->parking, f->other);
	parking_free(&f->parking);
	intakes_free(&f->intakes);
	partition_unref(f->partition);
	partition_unref(f->other);
	changes_free(f->changes);
	free(f);
	return 0;
}

static struct event *event_of(struct fixture *f, const char *name, struct partition *partition, int64_t offset, enum change_op op, const char *id)
{
	struct message *message = arena_zalloc(&f->intake->arena, sizeof *message);
	struct event *event;
	struct change *change;

	f->changes->tx.count = 0;
	change = changes_add(f->changes, f->orders, op, ROW(id, op == CHANGE_DELETE ? "-" : "#1"));
	change->waits = op == CHANGE_UPDATE;
	change->key_hash = parking_hash(change);
	event = f->changes->events[0];
	*message = (struct message){ .topic = partition->topic, .owner = partition, .offset = offset, .position = offset };
	event_set_message(event, message);
	event->table = slice_of(name);
	event->script = &f->script;
	event->parks = true;
	event->lane_hashes = 1;
	intake_add(f->intake, event);
	return event;
}

/* The next event from the source. */
static struct event *add(struct fixture *f, const char *name, struct partition *partition, enum change_op op, const char *id)
{
	struct event *event = event_of(f, name, partition, f->next_offset++, op, id);

	partition_enter(partition, event);
	lanes_add(f->lanes, event);
	return event;
}

/* What was parked comes back. */
static void back(struct fixture *f, const char *name, int64_t offset, enum change_op op, const char *id)
{
	struct event *event = event_of(f, name, f->partition, offset, op, id);

	event->parked = parking_find(f->partition, offset, 0);
	assert_non_null(event->parked);
	event->parked->state = PARKED_BACK;
	event->parked->event = event;
	lanes_add(f->lanes, event);
}

/* What is on its way. */
static const char *sent(struct fixture *f)
{
	static char names[200];

	lanes_turn(f->lanes, f->now_ms, "v");
	names[0] = 0;
	for (size_t i = 0; f->tx && i < f->tx->count; i++) {
		const struct event *event = f->tx->events[i];
		size_t n = strlen(names);

		snprintf(names + n, sizeof names - n, "%s%.*s;",
			 event->outcome == OUTCOME_PARKED ? "parked "
			 : event->outcome == OUTCOME_DEAD ? "dead "
							  : "",
			 SLICE_ARG(event->table));
	}
	return names;
}

static void answer(struct fixture *f, enum sink_result result)
{
	struct tx *tx = f->tx;
	struct error err;

	assert_non_null(tx);
	error_set(&err, "as the test says");
	f->tx = NULL;
	tx->done(tx, result, &err);
}

/* The rows of these events are not there. */
static void missed(struct fixture *f, const char *names)
{
	for (size_t i = 0; i < f->tx->count; i++) {
		struct event *event = f->tx->events[i];

		if (memchr(names, event->table.p[0], strlen(names)))
			event->missed = event->changes->missed = true;
	}
	answer(f, SINK_MISSED);
}

/* Parks these, each an update of row 1. */
static void park(struct fixture *f, const char *names)
{
	char one[2] = "";

	for (; *names; names++) {
		one[0] = *names;
		add(f, arena_copy(&f->intake->arena, slice_of(one)).p, f->partition, CHANGE_UPDATE, "#1");
	}
	sent(f);
	missed(f, "abcdef");
	sent(f);
	answer(f, SINK_COMMITTED);
	f->finished[0] = 0;
}

static void an_update_without_its_row_is_parked_and_the_others_are_written(void **state)
{
	struct fixture *f = *state;

	add(f, "a", f->partition, CHANGE_UPDATE, "#1");
	add(f, "b", f->partition, CHANGE_UPDATE, "#2");
	assert_string_equal(sent(f), "a;b;");
	missed(f, "a");
	assert_string_equal(sent(f), "parked a;b;");
	answer(f, SINK_COMMITTED);
	assert_string_equal(f->finished, "parked a;b;");
	assert_int_equal(partition_next_offset(f->partition), 2);
	assert_int_equal(f->parking.count, 1);
}

static void what_was_not_committed_is_not_parked(void **state)
{
	struct fixture *f = *state;

	add(f, "a", f->partition, CHANGE_UPDATE, "#1");
	sent(f);
	missed(f, "a");
	assert_string_equal(sent(f), "parked a;");
	answer(f, SINK_REFUSED);
	assert_int_equal(f->parking.count, 0);
	assert_string_equal(sent(f), "dead a;"); /* not even parked: what else is there */
}

static void a_later_update_of_the_row_stands_behind(void **state)
{
	struct fixture *f = *state;

	park(f, "a");
	add(f, "b", f->partition, CHANGE_UPDATE, "#1");
	add(f, "c", f->partition, CHANGE_UPDATE, "#2");
	add(f, "d", f->partition, CHANGE_DELETE, "#1");
	add(f, "e", f->partition, CHANGE_UPSERT, "#1");
	add(f, "f", f->other, CHANGE_UPDATE, "#1"); /* another partition: there is no order between them */
	/* e: a delete is parked before it, and whoever makes the row anew comes behind that. */
	assert_string_equal(sent(f), "parked b;c;parked d;parked e;f;");
}

static void a_row_that_is_made_is_not_held_up_and_wakes_what_waits(void **state)
{
	struct fixture *f = *state;

	park(f, "a");
	assert_true(f->partition->parked_first->next_try_ms > f->now_ms);
	add(f, "m", f->other, CHANGE_UPSERT, "#1");
	add(f, "n", f->partition, CHANGE_UPSERT, "#1");
	assert_string_equal(sent(f), "m;n;");
	answer(f, SINK_COMMITTED);
	assert_int_equal(f->partition->parked_first->next_try_ms, 0);
}

static void a_row_that_is_made_while_it_is_tried_wakes_it_too(void **state)
{
	struct fixture *f = *state;

	park(f, "a");
	back(f, "a", 0, CHANGE_UPDATE, "#1");
	sent(f);
	parking_wake(&f->parking, f->partition->parked_first->keys[0].hash); /* another lane's */
	missed(f, "a");
	sent(f);
	answer(f, SINK_COMMITTED);
	assert_int_equal(f->partition->parked_first->next_try_ms, 0);
}

static void in_one_transaction_too(void **state)
{
	struct fixture *f = *state;

	add(f, "a", f->partition, CHANGE_UPDATE, "#1");
	add(f, "b", f->partition, CHANGE_UPDATE, "#1");
	sent(f);
	missed(f, "a"); /* the row has come just before it was asked for b */
	assert_string_equal(sent(f), "parked a;parked b;");
}

static void what_comes_back_keeps_its_order(void **state)
{
	struct fixture *f = *state;

	park(f, "ab");
	back(f, "b", 1, CHANGE_UPDATE, "#1");
	assert_string_equal(sent(f), "parked b;"); /* a is not with it */
	answer(f, SINK_COMMITTED);
	back(f, "a", 0, CHANGE_UPDATE, "#1");
	back(f, "b", 1, CHANGE_UPDATE, "#1");
	add(f, "c", f->partition, CHANGE_UPDATE, "#1");
	assert_string_equal(sent(f), "a;b;parked c;");
	answer(f, SINK_COMMITTED);
	assert_int_equal(f->parking.count, 1);
	assert_int_equal(f->partition->parked_first->offset, 2);
	assert_int_equal(f->partition->parked_first->next_try_ms, 0);
	back(f, "c", 2, CHANGE_UPDATE, "#1");
	add(f, "d", f->partition, CHANGE_UPDATE, "#1");
	assert_string_equal(sent(f), "c;parked d;");
	answer(f, SINK_COMMITTED);
	assert_string_equal(f->finished, "parked b;a;b;parked c;c;parked d;");
}

static void a_delete_takes_along_what_waits_for_the_row(void **state)
{
	struct fixture *f = *state;

	park(f, "a");
	add(f, "d", f->partition, CHANGE_DELETE, "#1");
	assert_string_equal(sent(f), "parked d;");
	answer(f, SINK_COMMITTED);
	assert_int_equal(f->partition->parked_first->next_try_ms, 0); /* both at once */
	assert_int_equal(f->partition->parked_last->next_try_ms, 0);
	back(f, "a", 0, CHANGE_UPDATE, "#1");
	back(f, "d", 1, CHANGE_DELETE, "#1");
	assert_string_equal(sent(f), "a;d;"); /* one transaction: merged, they are a delete, which misses nothing */
	answer(f, SINK_COMMITTED);
	assert_int_equal(f->parking.count, 0);
}

static void what_only_the_database_can_tell_is_not_merged(void **state)
{
	struct fixture *f = *state;

	add(f, "d", f->partition, CHANGE_DELETE, "#1");
	add(f, "a", f->partition, CHANGE_UPDATE, "#1");
	add(f, "m", f->other, CHANGE_UPSERT, "#1");
	assert_string_equal(sent(f), "d;");
	answer(f, SINK_COMMITTED);
	assert_string_equal(sent(f), "a;");
	missed(f, "a");
	assert_string_equal(sent(f), "parked a;m;"); /* parked, it waits for just that */
}

static void it_ends_as_a_dead_letter_after_park_for(void **state)
{
	struct fixture *f = *state;
	int64_t began_ms = f->now_ms;

	park(f, "a");
	for (;;) {
		f->now_ms = f->partition->parked_first->next_try_ms;
		back(f, "a", 0, CHANGE_UPDATE, "#1");
		assert_string_equal(sent(f), "a;");
		missed(f, "a");
		if (strcmp(sent(f), "parked a;") != 0)
			break;
		answer(f, SINK_COMMITTED);
		assert_in_range(f->now_ms, began_ms, began_ms + PARK_MS);
	}
	assert_true(f->now_ms >= began_ms + PARK_MS);
	assert_string_equal(sent(f), "dead a;");
	assert_non_null(strstr(arena_copy(&f->intake->arena, f->tx->events[0]->error).p, "orders has no row with id = 1"));
	answer(f, SINK_COMMITTED);
	assert_int_equal(f->parking.count, 0);
	assert_int_equal(partition_next_offset(f->partition), 1);
}

/* Its row may be what stands right behind. */
static void time_in_which_the_target_is_away_does_not_count(void **state)
{
	struct fixture *f = *state;

	park(f, "a");
	f->now_ms += 1000;
	back(f, "a", 0, CHANGE_UPDATE, "#1");
	assert_string_equal(sent(f), "a;");
	f->now_ms += 3600 * 1000 + PARK_MS;
	sent(f);
	missed(f, "a");
	assert_string_equal(sent(f), "parked a;");
	answer(f, SINK_COMMITTED);
	for (int64_t began_ms = f->now_ms; f->now_ms < began_ms + PARK_MS; f->now_ms += 1000)
		lanes_turn(f->lanes, f->now_ms, "v"), lanes_answered(f->lanes);
	back(f, "a", 0, CHANGE_UPDATE, "#1");
	sent(f);
	missed(f, "a");
	assert_string_equal(sent(f), "dead a;");
	answer(f, SINK_COMMITTED);
}

static void half_of_park_for_is_left_to_who_takes_it_over(void **state)
{
	struct fixture *f = *state;

	park(f, "a");
	f->partition->parked_first->age_ms = 1000 * PARK_MS;
	for (int half = 0; half < 2; half++) {
		back(f, "a", 0, CHANGE_UPDATE, "#1");
		assert_string_equal(sent(f), "a;");
		missed(f, "a");
		assert_string_equal(sent(f), half ? "dead a;" : "parked a;");
		answer(f, SINK_COMMITTED);
		for (int64_t began_ms = f->now_ms; f->now_ms < began_ms + PARK_MS / 2; f->now_ms += 1000)
			lanes_turn(f->lanes, f->now_ms, "v"), lanes_answered(f->lanes);
	}
}

static void it_stays_parked_where_its_partition_is_taken_away(void **state)
{
	struct fixture *f = *state;

	park(f, "a");
	back(f, "a", 0, CHANGE_UPDATE, "#1");
	sent(f);
	lanes_drop(f->lanes, f->partition);
	parking_drop(&f->parking, f->partition);
	answer(f, SINK_COMMITTED); /* it won the race; nothing of ours is touched any more */
	assert_int_equal(f->parking.count, 0);
}

static void keys_are_the_same_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct event *update = event_of(f, "a", f->partition, 7, CHANGE_UPDATE, "#12");
	struct buf keys = BUF_INIT;
	struct change *later;

	parking_pack(&keys, update);
	parking_add(&f->parking, f->partition, 7, 0, buf_view(&keys), 1, 0);
	buf_free(&keys);
	later = event_of(f, "b", f->partition, 8, CHANGE_UPDATE, "12")->changes; /* the text of its digits */
	assert_true(parking_blocks(&f->parking, f->partition, later));
	assert_false(parking_blocks(&f->parking, f->other, later));
	later->op = CHANGE_UPSERT;
	assert_false(parking_blocks(&f->parking, f->partition, later));
	/* What is in databases by now. Whoever changes how it is made leaves those rows without their order. */
	assert_int_equal(later->key_hash, 0xeef49a657f264d5a);
}

static void keys_that_differ_in_case_are_one_where_the_database_may_say_so(void **state)
{
	static const struct target_column names[] = { { .name = { "name", 4 }, .type = COLUMN_TEXT } };
	struct fixture *f = *state;
	struct target *users = changes_target(f->changes, "users", 1, names, 1);
	uint64_t lower = parking_hash(changes_add(f->changes, users, CHANGE_UPDATE, ROW("ann")));

	assert_true(lower == parking_hash(changes_add(f->changes, users, CHANGE_UPDATE, ROW("ANN "))));
	assert_false(lower == parking_hash(changes_add(f->changes, users, CHANGE_UPDATE, ROW("bob"))));
	users->columns[0].exact = true;
	assert_false(parking_hash(changes_add(f->changes, users, CHANGE_UPDATE, ROW("ann"))) ==
		     parking_hash(changes_add(f->changes, users, CHANGE_UPDATE, ROW("ANN"))));
}

static void many_are_found_and_forgotten(void **state)
{
	struct fixture *f = *state;
	char digits[8];

	for (int i = 0; i < 3000; i++) {
		struct buf keys = BUF_INIT;

		snprintf(digits, sizeof digits, "#%d", i % 1000);
		parking_pack(&keys, event_of(f, "a", f->partition, i, CHANGE_UPDATE, digits));
		parking_add(&f->parking, f->partition, i, 0, buf_view(&keys), 1, 0);
		buf_free(&keys);
	}
	assert_int_equal(f->parking.count, 3000);
	for (int i = 0; i < 3000; i += 2)
		parking_remove(&f->parking, parking_find(f->partition, i, 0));
	assert_null(parking_find(f->partition, 100, 0));
	assert_non_null(parking_find(f->partition, 101, 0));
	assert_false(parking_blocks(&f->parking, f->partition, event_of(f, "a", f->partition, 1, CHANGE_UPDATE, "#0")->changes));
	assert_true(parking_blocks(&f->parking, f->partition, event_of(f, "a", f->partition, 1, CHANGE_UPDATE, "#1")->changes));
	assert_int_equal(f->parking.count, 1500);
}

static void headers_are_read_as_they_were_written(void **state)
{
	static const struct header given[] = {
		{ SLICE("a"), SLICE("b\"\n") }, { SLICE("none"), { 0 } }, { SLICE("raw"), SLICE("\xff\x00z") }, { SLICE(""), SLICE("") }
	};
	struct fixture *f = *state;
	struct message message = { .headers = given, .header_count = 4 }, read = { 0 };
	struct json *json = json_new();
	struct buf text = BUF_INIT;
	struct error err;

	headers_write(&text, &message);
	assert_int_equal(headers_read(json, buf_view(&text), &f->intake->arena, &read, &err), 0);
	assert_int_equal(read.header_count, 4);
	for (int i = 0; i < 4; i++) {
		assert_true(slice_equal(read.headers[i].name, given[i].name));
		assert_true(slice_equal(read.headers[i].value, given[i].value));
		assert_int_equal(read.headers[i].value.p == NULL, given[i].value.p == NULL);
	}
	assert_int_equal(headers_read(json, SLICE("[\"a\"]"), &f->intake->arena, &read, &err), -1);
	assert_int_equal(headers_read(json, SLICE("[\"a\",5]"), &f->intake->arena, &read, &err), -1);
	assert_int_equal(headers_read(json, SLICE("[\"a\",{\"base64\":\"!\"}]"), &f->intake->arena, &read, &err), -1);
	buf_free(&text);
	json_free(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_update_without_its_row_is_parked_and_the_others_are_written),
		TEST(what_was_not_committed_is_not_parked),
		TEST(a_later_update_of_the_row_stands_behind),
		TEST(a_row_that_is_made_is_not_held_up_and_wakes_what_waits),
		TEST(a_row_that_is_made_while_it_is_tried_wakes_it_too),
		TEST(in_one_transaction_too),
		TEST(what_comes_back_keeps_its_order),
		TEST(a_delete_takes_along_what_waits_for_the_row),
		TEST(what_only_the_database_can_tell_is_not_merged),
		TEST(it_ends_as_a_dead_letter_after_park_for),
		TEST(time_in_which_the_target_is_away_does_not_count),
		TEST(half_of_park_for_is_left_to_who_takes_it_over),
		TEST(it_stays_parked_where_its_partition_is_taken_away),
		TEST(keys_are_the_same_after_a_restart),
		TEST(keys_that_differ_in_case_are_one_where_the_database_may_say_so),
		TEST(many_are_found_and_forgotten),
		TEST(headers_are_read_as_they_were_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
