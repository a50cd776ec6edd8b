#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/progress.h"

enum { LANES = 3 };

static struct event *event_at(int64_t offset, uint32_t part)
{
	struct message *message = calloc(1, sizeof *message);
	struct event *event = calloc(1, sizeof *event);

	message->position = offset;
	event_set_message(event, message);
	event->part = part;
	return event;
}

static void event_free(struct event *event)
{
	free((struct message *)event->message);
	free(event);
}

static void next_offset_is_that_of_the_oldest_unfinished(void **state)
{
	struct partition *p = partition_new(SLICE("t"), 0, 0, LANES);
	struct event *events[5];

	(void)state;
	for (int i = 0; i < 5; i++) {
		events[i] = event_at(100 + 10 * i, 0);
		assert_false(partition_enter(p, events[i]));
	}
	assert_int_equal(partition_next_offset(p), 100);
	partition_finish(p, events[1]->ordinal);
	partition_finish(p, events[2]->ordinal);
	assert_int_equal(partition_next_offset(p), 100);
	partition_finish(p, events[0]->ordinal);
	assert_int_equal(partition_next_offset(p), 130);
	partition_finish(p, events[3]->ordinal);
	partition_finish(p, events[4]->ordinal);
	assert_int_equal(partition_next_offset(p), 141);
	assert_int_equal(partition_unfinished(p), 0);
	for (int i = 0; i < 5; i++)
		event_free(events[i]);
	partition_unref(p);
}

static void a_message_is_done_when_all_its_parts_are(void **state)
{
	struct partition *p = partition_new(SLICE("t"), 0, 0, LANES);
	struct event *a = event_at(7, 0), *b = event_at(7, 1);

	(void)state;
	partition_enter(p, a);
	partition_enter(p, b);
	partition_finish(p, a->ordinal);
	assert_int_equal(partition_next_offset(p), 7);
	partition_finish(p, b->ordinal);
	assert_int_equal(partition_next_offset(p), 8);
	event_free(a);
	event_free(b);
	partition_unref(p);
}

static void the_window_grows_past_its_first_size(void **state)
{
	struct partition *p = partition_new(SLICE("t"), 0, 0, LANES);
	struct event *event = event_at(0, 0);
	uint32_t first = 0;

	(void)state;
	for (int64_t i = 0; i < 5000; i++) {
		event->owner_position = i;
		partition_enter(p, event);
		if (i == 0)
			first = event->ordinal;
		else
			partition_finish(p, event->ordinal);
	}
	assert_int_equal(partition_next_offset(p), 0);
	partition_finish(p, first);
	assert_int_equal(partition_next_offset(p), 5000);
	event_free(event);
	partition_unref(p);
}

static void encoded_lists_read_back(void **state)
{
	struct done items[] = { { 100, 0 }, { 100, 3 }, { 101, 0 }, { 5000000000, 70000 }, { INT64_MAX - 1, 0 } };
	struct done_list list = { 0 };
	struct buf bytes = BUF_INIT;
	struct error err;

	(void)state;
	progress_encode(&bytes, 100, items, 5);
	assert_int_equal(progress_decode(buf_view(&bytes), 100, &list, &err), 0);
	assert_int_equal(list.count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(list.items[i].offset, items[i].offset);
		assert_int_equal(list.items[i].part, items[i].part);
	}
	for (size_t n = 0; n < bytes.n; n++) { /* a cut list is an error or a shorter list, never another one */
		struct done_list cut = { 0 };

		if (progress_decode((struct slice){ bytes.p, n }, 100, &cut, &err) == 0)
			for (size_t i = 0; i < cut.count; i++)
				assert_int_equal(cut.items[i].offset, items[i].offset);
		done_list_free(&cut);
	}
	buf_free(&bytes);
	done_list_free(&list);
}

/* Random lanes commit in random order; at a random moment everything is lost but the committed rows. What a new owner skips
 * must be exactly what was committed. */
static void after_a_crash_exactly_the_committed_is_skipped(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		enum { EVENTS = 400 };
		struct partition *p = partition_new(SLICE("t"), 0, 0, LANES), *again = partition_new(SLICE("t"), 0, 0, seed % 2 ? 5 : 2);
		struct progress_row rows[LANES] = { 0 };
		struct progress_lane lanes[LANES];
		struct progress_loaded loaded = { .epoch = 2, .next_offset = -1, .lane_count = LANES, .lanes = lanes, .watermark = INT64_MIN };
		struct event *events[EVENTS];
		struct arena arena = ARENA_INIT;
		bool committed[EVENTS] = { false };
		int lane_of[EVENTS], entered = 0, last = -1, steps;
		struct error err;

		srand(seed);
		steps = rand() % 300;
		for (int i = 0; i < EVENTS; i++) {
			events[i] = event_at(10 + i / 2 * 3, (uint32_t)(i % 2));
			lane_of[i] = rand() % LANES;
		}
		for (int step = 0; step < steps; step++) {
			int lane = rand() % LANES, count = 0, most = 1 + rand() % 20;
			struct event *batch[EVENTS];

			for (int n = rand() % 10 * 2; n > 0 && entered < EVENTS; n--)
				partition_enter(p, events[entered++]);
			for (int i = 0; i < entered && count < most; i++)
				if (lane_of[i] == lane && !committed[i]) {
					batch[count++] = events[i];
					committed[i] = true;
				}
			rows[lane] = partition_row(p, lane, batch, (size_t)count, &arena);
			partition_committed(p, &rows[lane]);
			for (int i = 0; i < count; i++)
				partition_finish(p, batch[i]->ordinal);
		}
		for (int lane = 0; lane < LANES; lane++) {
			lanes[lane] = (struct progress_lane){ lane, rows[lane].seq ? rows[lane].next_offset : -1, rows[lane].seq, rows[lane].done };
			if (lanes[lane].next_offset > loaded.next_offset)
				loaded.next_offset = lanes[lane].next_offset;
		}
		loaded.fresh = loaded.next_offset < 0;
		assert_int_equal(partition_load(again, &loaded, &err), 0);
		for (int i = 0; i < EVENTS; i++)
			if (committed[i])
				last = i;
		for (int i = 0; i < EVENTS; i++) {
			bool below = events[i]->message->position < again->next_offset;

			if (i % 2 == 0 && below) { /* a message below next_offset is not read again, so all of it must be done */
				assert_true(committed[i] && committed[i + 1]);
				i++;
				continue;
			}
			assert_int_equal(partition_enter(again, events[i]), committed[i]);
			assert_int_equal(partition_skips(again), i < last);
		}
		for (int i = 0; i < EVENTS; i++)
			event_free(events[i]);
		arena_free(&arena);
		partition_unref(p);
		partition_unref(again);
	}
}

/* Lanes that are in order keep one place: behind all that is done, of the transaction too, and never beyond what is not. */
static void in_order_one_place_says_all(void **state)
{
	struct partition *p = partition_new(SLICE("t"), 0, 0, 1);
	struct event *events[6] = { event_at(7, 0), event_at(7, 1), event_at(7, 2), event_at(9, 0), event_at(10, 0), event_at(10, 1) };
	struct progress_row row;

	(void)state;
	row = partition_row_in_order(p, 0, NULL, 0);
	assert_int_equal(row.next_offset, -1); /* nothing was read yet */
	for (size_t i = 0; i < 6; i++)
		partition_enter(p, events[i]);
	partition_finish_unwritten(p, events[1]); /* filtered, while the one before is on its way */
	row = partition_row_in_order(p, 0, events, 1);
	assert_int_equal(row.next_offset, 7);
	assert_int_equal(row.next_part, 2);
	assert_int_equal(row.event_count, 0);
	partition_committed(p, &row);
	partition_finish(p, events[0]->ordinal);
	row = partition_row_in_order(p, 0, events + 2, 2);
	assert_int_equal(row.next_offset, 10);
	assert_int_equal(row.next_part, 0);
	assert_int_equal(row.seq, 2);
	partition_committed(p, &row);
	partition_finish(p, events[2]->ordinal);
	partition_finish(p, events[3]->ordinal);
	assert_int_equal(p->written_offset, partition_next_offset(p));
	row = partition_row_in_order(p, 0, events + 4, 2);
	assert_int_equal(row.next_offset, 11);
	assert_int_equal(row.next_part, 0);
	row = partition_row_in_order(p, 0, NULL, 0); /* progress alone */
	assert_int_equal(row.next_offset, 10);
	for (size_t i = 0; i < 6; i++)
		event_free(events[i]);
	partition_unref(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_offset_is_that_of_the_oldest_unfinished),   cmocka_unit_test(a_message_is_done_when_all_its_parts_are),
		cmocka_unit_test(the_window_grows_past_its_first_size),           cmocka_unit_test(encoded_lists_read_back),
		cmocka_unit_test(after_a_crash_exactly_the_committed_is_skipped), cmocka_unit_test(in_order_one_place_says_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
