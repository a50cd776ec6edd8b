/* What a transaction writes of rows of streamlua_state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "flow/script_state.h"
#include "flow/state_change.h"

static const struct state_stamp stamp = {
	.version = 3, .partition = 1, .job = { "j", 1 }, .name = { "s", 1 }, .topic = { "t", 1 }, .updated = { "now", 3 }
};

/* "upsert j s m k ..." of each that is left; NULL is "~". */
static void expect(const struct change *const *changes, size_t count, const char *text)
{
	const struct change *last[8];
	struct arena arena = ARENA_INIT;
	struct buf shown = BUF_INIT;

	count = state_changes_last(changes, count, last, &arena);
	for (size_t i = 0; i < count; i++) {
		buf_text(&shown, last[i]->op == CHANGE_DELETE ? "delete" : "upsert");
		for (int c = 0; c < STATE_COLUMNS; c++) {
			const struct value *value = &last[i]->values[c];

			if (value->kind == VALUE_NULL)
				buf_text(&shown, " ~");
			else if (VALUE_IS_SET(value))
				buf_printf(&shown, " %.*s", (int)value->n, value->p);
		}
		buf_char(&shown, '\n');
	}
	assert_string_equal(buf_cstr(&shown), text);
	buf_free(&shown);
	arena_free(&arena);
}

static struct state_change made(struct state_entry *entry, const char *key, const char *value)
{
	return (struct state_change){ .change = { .op = CHANGE_UPSERT, .count = STATE_COLUMNS, .state = entry },
				      .stamp = &stamp,
				      .map = SLICE("m"),
				      .key = slice_of(key),
				      .value = slice_of(value),
				      .timers = SLICE(""),
				      .at = { STATE_NO_TIME, STATE_NO_TIME } };
}

static void the_last_change_of_each_row_is_written_in_order(void **state)
{
	struct state_entry entries[2] = { 0 };
	struct state_change changes[] = { made(&entries[0], "a", "1"), made(&entries[1], "b", "2"), made(&entries[0], "a", "3"),
					  made(&entries[1], "b", "4"), made(&entries[0], "a", "5") };
	const struct change *list[5];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		list[i] = &changes[i].change;
	expect(list, 5, "upsert j s m b 4 ~ ~ ~ 3 t 1 now\nupsert j s m a 5 ~ ~ ~ 3 t 1 now\n");
}

/* What is not there is NULL: a row that is due at no time is not looked for. */
static void a_row_has_what_is_due_by_which_clock(void **state)
{
	struct state_entry entries[3] = { 0 };
	struct state_change event_time = made(&entries[0], "a", ""), wall_time = made(&entries[1], "b", "1"), gone = made(&entries[2], "c", "");
	const struct change *list[] = { &event_time.change, &wall_time.change, &gone.change };

	(void)state;
	event_time.timers = SLICE("[7]");
	event_time.at[STATE_EVENT_TIME] = 7;
	wall_time.at[STATE_WALL_TIME] = 8;
	gone.change.op = CHANGE_DELETE;
	expect(list, 3, "upsert j s m a {} [7] 7 ~ 3 t 1 now\nupsert j s m b 1 ~ ~ 8 3 t 1 now\ndelete j s m c\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_change_of_each_row_is_written_in_order),
		cmocka_unit_test(a_row_has_what_is_due_by_which_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
