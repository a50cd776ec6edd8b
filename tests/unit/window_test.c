/* The panes of a key: which ones an event falls into, what is late, which close and are due, and that they come back from their text as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/state.h"
#include "flow/window.h"

#define NO_WATERMARK INT64_MIN

struct fixture {
	struct aggregate count;
	struct window window;
	struct panes *panes;
	struct arena arena;
	struct json *json;
	struct buf text;
	struct error err;
};

static struct panes *decode(struct fixture *f, const char *text)
{
	return panes_decode(&f->window, f->json, slice_of(text), &f->arena, &f->err);
}

/* size 0: sessions of this gap. */
static void begin(struct fixture *f, int64_t size, int64_t hop, int64_t gap, bool final)
{
	*f = (struct fixture){ .count = { .kind = AGGREGATE_COUNT, .name = SLICE("n"), .label = SLICE("\"n\":") }, .json = json_new() };
	f->window = (struct window){ .size = size, .hop = hop, .gap = gap, .final = final, .aggregates = &f->count, .count = 1 };
	f->panes = decode(f, "");
}

static void end(struct fixture *f)
{
	panes_free(f->panes);
	window_deinit(&f->window);
	arena_free(&f->arena);
	json_free(f->json);
	buf_free(&f->text);
}

static const char *text_of(struct fixture *f, bool otherwise)
{
	buf_clear(&f->text);
	panes_encode(&f->window, f->panes, otherwise, &f->text);
	return buf_cstr(&f->text);
}

/* The panes are these; and are those that their text makes. */
static void are(struct fixture *f, const char *text)
{
	struct panes *as_held = f->panes;

	assert_string_equal(text_of(f, false), text);
	f->panes = decode(f, text);
	assert_non_null(f->panes);
	assert_int_equal(f->panes->count, as_held->count);
	assert_string_equal(text_of(f, false), text);
	panes_free(f->panes);
	f->panes = as_held;
}

static int row(struct fixture *f, int64_t at_ms, int64_t watermark, int sign)
{
	static const struct value any = { .kind = VALUE_TRUE, .ready = true };
	int taken = panes_touch(&f->window, f->panes, at_ms, watermark, sign, &f->err);

	for (size_t i = 0; taken > 0 && i < f->window.touched_count; i++)
		assert_int_equal(accumulator_take(&f->count, &f->window.touched[i]->accumulators[0], &any, at_ms, sign, &f->err), 0);
	return taken;
}

static void a_row_falls_into_all_panes_around_its_time(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 20, 10, 0, false);
	assert_int_equal(row(&f, -1, NO_WATERMARK, 1), 1);
	assert_int_equal(f.window.touched_count, 2);
	assert_int_equal(f.window.touched[0]->start, -20);
	assert_int_equal(row(&f, 10, NO_WATERMARK, 1), 1);
	are(&f, "{\"-20\":{\"a\":{\"n\":1},\"e\":0,\"n\":1},\"-10\":{\"a\":{\"n\":1},\"e\":10,\"n\":1},\"0\":{\"a\":{\"n\":1},\"e\":20,\"n\":1},"
		"\"10\":{\"a\":{\"n\":1},\"e\":30,\"n\":1}}");
	assert_int_equal(panes_due(&f.window, f.panes, false), 30); /* all are forgotten with the last one */
	/* One of its two is closed: it is late for that alone. */
	assert_int_equal(row(&f, 5, 10, 1), 1);
	assert_int_equal(f.window.touched_count, 1);
	assert_int_equal(f.window.touched[0]->start, 0);
	assert_int_equal(row(&f, 5, 20, 1), 0);
	panes_close(f.panes, 10);
	are(&f, "{\"0\":{\"a\":{\"n\":2},\"e\":20,\"n\":2},\"10\":{\"a\":{\"n\":1},\"e\":30,\"n\":1}}");
	panes_close(f.panes, 30);
	are(&f, "");
	assert_int_equal(panes_due(&f.window, f.panes, false), STATE_NO_TIME);
	end(&f);
}

static void an_event_in_very_many_panes_keeps_them_in_order(void **state)
{
	enum { COUNT = 5000 };
	struct fixture f;

	(void)state;
	begin(&f, COUNT, 1, 0, false);
	for (int i = 0; i < 40; i++)
		assert_int_equal(row(&f, (i % 2 ? -i : i) * 100, NO_WATERMARK, 1), 1);
	for (size_t i = 1; i < f.panes->count; i++)
		assert_true(f.panes->list[i - 1]->start < f.panes->list[i]->start);
	assert_int_equal(f.panes->list[0]->start, -3900 - COUNT + 1);
	assert_int_equal(f.panes->list[f.panes->count - 1]->start, 3800);
	assert_int_equal(f.panes->count, 3800 + 3900 + COUNT);
	end(&f);
}

static void what_is_taken_back_leaves_nothing_unless_it_is_written(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 10, 10, 0, true);
	assert_int_equal(row(&f, 3, NO_WATERMARK, 1), 1);
	assert_int_equal(row(&f, 4, NO_WATERMARK, -1), 1);
	assert_int_equal(f.panes->count, 1); /* its row has to be deleted first */
	panes_settle(f.panes);
	are(&f, "");
	assert_int_equal(row(&f, 3, NO_WATERMARK, -1), -1);
	panes_free(f.panes);
	f.panes = decode(&f, "{\"0\":{\"a\":{\"n\":1},\"e\":10,\"f\":true,\"n\":1}}");
	assert_int_equal(row(&f, 4, NO_WATERMARK, -1), 1);
	panes_settle(f.panes);
	are(&f, "{\"0\":{\"a\":{\"n\":0},\"d\":true,\"e\":10,\"f\":true,\"n\":0}}");
	end(&f);
}

static void sessions_that_touch_become_one(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0, 0, 10, false);
	assert_int_equal(row(&f, 0, NO_WATERMARK, 1), 1);
	assert_int_equal(row(&f, 11, NO_WATERMARK, 1), 1);
	assert_int_equal(row(&f, 40, NO_WATERMARK, 1), 1);
	are(&f, "{\"0\":{\"a\":{\"n\":1},\"e\":10,\"n\":1},\"11\":{\"a\":{\"n\":1},\"e\":21,\"n\":1},\"40\":{\"a\":{\"n\":1},\"e\":50,\"n\":1}}");
	assert_int_equal(row(&f, 10, NO_WATERMARK, 1), 1); /* ends and begins where they do */
	assert_int_equal(f.window.merged_count, 2);
	assert_true(f.window.merged[0].start == 0 && f.window.merged[1].start == 11 && f.window.merged[1].written);
	are(&f, "{\"0\":{\"a\":{\"n\":3},\"e\":21,\"n\":3},\"40\":{\"a\":{\"n\":1},\"e\":50,\"n\":1}}");
	assert_int_equal(row(&f, 20, 30, 1), 0);
	assert_int_equal(row(&f, 21, 21, 1), 1); /* what is closed is not gone on with */
	are(&f, "{\"0\":{\"a\":{\"n\":3},\"e\":21,\"n\":3},\"21\":{\"a\":{\"n\":1},\"e\":31,\"n\":1},\"40\":{\"a\":{\"n\":1},\"e\":50,\"n\":1}}");
	assert_int_equal(row(&f, 40, 21, -1), -1);
	end(&f);
}

static void final_panes_are_written_once_by_their_ends(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 10, 10, 0, true);
	for (int64_t at = 25; at > 0; at -= 10)
		assert_int_equal(row(&f, at, NO_WATERMARK, 1), 1);
	assert_int_equal(panes_due(&f.window, f.panes, false), 10);
	panes_fire(&f.window, f.panes, 20, false);
	assert_int_equal(f.window.touched_count, 2);
	assert_true(f.window.touched[0]->end == 10 && f.window.touched[1]->end == 20);
	/* Where they cannot be written they are gone all the same. */
	assert_string_equal(text_of(&f, true), "{\"20\":{\"a\":{\"n\":1},\"e\":30,\"n\":1}}");
	assert_int_equal(panes_due(&f.window, f.panes, true), 30);
	panes_fired(f.panes);
	are(&f, "{\"20\":{\"a\":{\"n\":1},\"e\":30,\"n\":1}}");
	/* The input ends: written, and kept. */
	panes_fire(&f.window, f.panes, 20, true);
	assert_int_equal(f.window.touched_count, 1);
	assert_string_equal(text_of(&f, true), "{\"20\":{\"a\":{\"n\":1},\"e\":30,\"f\":true,\"n\":1}}");
	panes_fired(f.panes);
	are(&f, "{\"20\":{\"a\":{\"n\":1},\"e\":30,\"f\":true,\"n\":1}}");
	panes_fire(&f.window, f.panes, 20, true);
	assert_int_equal(f.window.touched_count, 0);
	panes_fired(f.panes);
	assert_int_equal(row(&f, 21, 20, 1), 1);
	are(&f, "{\"20\":{\"a\":{\"n\":2},\"d\":true,\"e\":30,\"f\":true,\"n\":2}}");
	panes_fire(&f.window, f.panes, 30, false);
	assert_int_equal(f.window.touched_count, 1); /* it changed since */
	panes_fired(f.panes);
	are(&f, "");
	end(&f);
}

static void a_text_of_something_else_is_refused(void **state)
{
	static const char *const texts[] = {
		"[]",
		"1",
		"{\"x\":{\"a\":{},\"e\":1,\"n\":1}}",
		"{\"1\":{\"a\":1,\"e\":1,\"n\":1}}",
		"{\"1\":{\"a\":{},\"n\":1}}",
		"{\"1\":{\"a\":{},\"e\":1.5,\"n\":1}}",
		"{\"1\":{\"a\":{\"n\":\"x\"},\"e\":1,\"n\":1}}",
		"{\"1\":7}",
		"{",
	};
	struct fixture f;

	(void)state;
	begin(&f, 10, 10, 0, false);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_null(decode(&f, texts[i]));
	f.count.kind = AGGREGATE_SUM;
	assert_null(decode(&f, "{\"1\":{\"a\":{\"n\":[1,0]},\"e\":2,\"n\":1}}")); /* of no values */
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_falls_into_all_panes_around_its_time),
		cmocka_unit_test(an_event_in_very_many_panes_keeps_them_in_order),
		cmocka_unit_test(what_is_taken_back_leaves_nothing_unless_it_is_written),
		cmocka_unit_test(sessions_that_touch_become_one),
		cmocka_unit_test(final_panes_are_written_once_by_their_ends),
		cmocka_unit_test(a_text_of_something_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
