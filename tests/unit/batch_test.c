#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "flow/batch.h"
#include "support/changes.h"

static const struct target_column orders_columns[] = {
	{ .name = { "id", 2 }, .type = COLUMN_INTEGER, .exact = true },
	{ .name = { "sku", 3 }, .type = COLUMN_TEXT, .nullable = true, .exact = true },
	{ .name = { "amount", 6 }, .type = COLUMN_DECIMAL, .nullable = true, .scale = 2 },
};

struct fixture {
	struct changes *changes;
	struct target *orders;
	struct batch batch;
	struct buf text;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->changes = changes_new();
	f->orders = changes_target(f->changes, "orders", 3, orders_columns, 1);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	batch_free(&f->batch);
	buf_free(&f->text);
	changes_free(f->changes);
	free(f);
	return 0;
}

/* "U 1 a 5; D 2": what is left to be written, in its order. */
static const char *built(struct fixture *f)
{
	batch_build(&f->batch, &f->changes->tx);
	buf_clear(&f->text);
	for (size_t t = 0; t < f->batch.table_count; t++) {
		const struct batch_table *table = &f->batch.tables[t];

		buf_printf(&f->text, "%s%s", t ? " | " : "", ((const char *[]){ "merged", "unique", "ordered" })[table->mode]);
		for (size_t i = 0; i < table->count; i++) {
			const struct change *change = table->changes[i];

			buf_printf(&f->text, "; %s", ((const char *[]){ "upsert", "update", "delete" })[change->op]);
			for (uint32_t c = 0; c < change->count; c++)
				switch (change->values[c].kind) {
				case VALUE_ABSENT:
					if (change->op != CHANGE_DELETE)
						buf_text(&f->text, " -");
					break;
				case VALUE_NULL:
					buf_text(&f->text, " ~");
					break;
				default:
					buf_printf(&f->text, " %.*s", (int)change->values[c].n, change->values[c].p);
				}
			assert_int_equal(change->op == CHANGE_DELETE && table->mode != BATCH_ORDERED, i < table->deletes);
		}
	}
	return buf_cstr(&f->text);
}

#define UPSERT(...) changes_add(f->changes, f->orders, CHANGE_UPSERT, ROW(__VA_ARGS__))
#define UPDATE(...) changes_add(f->changes, f->orders, CHANGE_UPDATE, ROW(__VA_ARGS__))
#define DELETE(id) changes_add(f->changes, f->orders, CHANGE_DELETE, ROW(id, "-", "-"))

/* Whether the only row that is left waits for its row. */
static bool waits(struct fixture *f)
{
	batch_build(&f->batch, &f->changes->tx);
	assert_int_equal(f->batch.rows, 1);
	return f->batch.tables[0].changes[0]->waits;
}

static void what_is_merged_waits_where_one_of_it_does(void **state)
{
	struct fixture *f = *state;

	UPDATE("#1", "a", "-")->waits = true;
	UPDATE("#1", "b", "-");
	assert_true(waits(f));
	changes_clear(f->changes);
	f->orders = changes_target(f->changes, "orders", 3, orders_columns, 1);
	UPDATE("#1", "a", "-");
	UPDATE("#1", "-", "5")->waits = true;
	assert_true(waits(f));
	changes_clear(f->changes);
	f->orders = changes_target(f->changes, "orders", 3, orders_columns, 1);
	UPSERT("#1", "a", "-");
	UPDATE("#1", "b", "-")->waits = true;
	assert_false(waits(f)); /* it is made here */
}

static void what_is_not_to_be_written_is_left_out(void **state)
{
	struct fixture *f = *state;

	UPSERT("#1", "a", "1");
	for (int outcome = OUTCOME_PENDING + 1; outcome < OUTCOME_COUNT; outcome++) {
		UPSERT("#2", "b", "2");
		f->changes->events[f->changes->tx.count - 1]->outcome = (uint8_t)outcome;
	}
	assert_string_equal(built(f), "merged; upsert 1 a 1");
}

static void nothing_is_no_table(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(built(f), "");
	UPSERT("#1", "a", "#5");
	f->changes->events[0]->outcome = OUTCOME_DEAD;
	assert_string_equal(built(f), "");
	assert_int_equal(f->batch.rows, 0);
}

static void last_change_of_a_row_stays_and_rows_are_sorted_by_number(void **state)
{
	struct fixture *f = *state;

	UPSERT("#10", "a", "#1");
	UPSERT("#9", "a", "#1");
	UPSERT("#-3", "n", "#1");
	UPSERT("#-20", "n", "#1");
	UPSERT("#300", "x", "#1");
	UPSERT("#10", "b", "#2");
	DELETE("#300");
	DELETE("#7");
	UPSERT("#18446744073709551615", "big", "#1");
	assert_string_equal(built(f), "merged; delete 7; delete 300; upsert -20 n 1; upsert -3 n 1; upsert 9 a 1; upsert 10 b 2; "
				      "upsert 18446744073709551615 big 1");
	assert_int_equal(f->batch.rows, 7);
}

static void one_number_has_many_spellings(void **state)
{
	struct fixture *f = *state;

	UPSERT("#1", "a", "#1");
	UPSERT("#1.0", "b", "#1");
	UPSERT("1", "c", "#1");
	UPSERT("007", "d", "#1");
	UPSERT("#7e0", "e", "#1");
	UPSERT("#0", "f", "#1");
	UPSERT("#-0", "g", "#1");
	UPSERT("?t", "h", "#1");
	UPSERT("#1e20", "i", "#1");
	UPSERT("100000000000000000000", "j", "#1");
	assert_string_equal(built(f), "merged; upsert -0 g 1; upsert  h 1; upsert 7e0 e 1; upsert 100000000000000000000 j 1");
}

static void keys_that_only_the_database_can_tell_apart_stay_in_order(void **state)
{
	static const char *const doubtful[] = { "#1.5", "one", " 1", "~", "-", "=", "#1e999" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
		f->changes->tx.count = 0;
		UPSERT("#2", "a", "#1");
		UPSERT(doubtful[i], "b", "#1");
		DELETE("#2");
		batch_build(&f->batch, &f->changes->tx);
		assert_int_equal(f->batch.tables[0].mode, BATCH_ORDERED);
		assert_int_equal(f->batch.tables[0].count, 3);
	}
	f->changes->tx.count = 1;
	f->orders->key_exact = false;
	assert_string_equal(built(f), "ordered; upsert 2 a 1");
}

static void absent_columns_keep_what_came_before(void **state)
{
	struct fixture *f = *state;

	UPSERT("#1", "a", "#1");
	UPSERT("#1", "-", "#2");
	UPSERT("#2", "-", "#2");
	UPSERT("#2", "b", "-");
	UPSERT("#3", "-", "#3");
	UPDATE("#4", "-", "#4");
	UPDATE("#4", "u", "-");
	UPSERT("#5", "a", "#5");
	UPDATE("#5", "u", "-");
	assert_string_equal(built(f), "merged; upsert 1 a 2; upsert 2 b 2; upsert 5 u 5; upsert 3 - 3; update 4 u 4");
}

static void what_the_source_gave_is_not_written_to(void **state)
{
	struct fixture *f = *state;
	struct change *first = UPSERT("#1", "a", "#1");

	UPSERT("#1", "-", "#2");
	UPSERT("#1", "b", "-");
	assert_string_equal(built(f), "merged; upsert 1 b 2");
	assert_string_equal(first->values[1].p, "a");
	assert_string_equal(built(f), "merged; upsert 1 b 2");
}

static void a_row_made_anew_has_nothing_of_the_old_one(void **state)
{
	struct fixture *f = *state;

	DELETE("#1");
	UPSERT("#1", "a", "#1");
	DELETE("#2");
	UPSERT("#2", "b", "-");
	DELETE("#3");
	UPDATE("#3", "c", "#3");
	DELETE("#4");
	UPSERT("#4", "d", "-");
	UPSERT("#4", "-", "#4");
	assert_string_equal(built(f), "merged; delete 2; delete 3; upsert 1 a 1; upsert 4 d 4; upsert 2 b -");
}

static void an_upsert_over_an_update_that_it_does_not_cover_stays_in_order(void **state)
{
	struct fixture *f = *state;

	UPDATE("#1", "a", "-");
	UPSERT("#1", "-", "#1");
	assert_string_equal(built(f), "ordered; update 1 a -; upsert 1 - 1");
	f->changes->tx.count = 1;
	UPSERT("#1", "b", "#1");
	assert_string_equal(built(f), "merged; upsert 1 b 1");
}

static void another_unique_key_takes_whole_rows_only(void **state)
{
	struct fixture *f = *state;

	f->orders->other_unique = true;
	UPSERT("#2", "b", "#2");
	UPSERT("#1", "a", "#1");
	DELETE("#3");
	UPDATE("#1", "-", "#9");
	assert_string_equal(built(f), "unique; delete 3; upsert 1 a 9; upsert 2 b 2");
	UPSERT("#4", "-", "#4");
	assert_string_equal(built(f), "ordered; upsert 2 b 2; upsert 1 a 1; delete 3; update 1 - 9; upsert 4 - 4");
	f->changes->tx.count = 3;
	UPDATE("#5", "a", "#9");
	batch_build(&f->batch, &f->changes->tx);
	assert_int_equal(f->batch.tables[0].mode, BATCH_ORDERED);
	f->changes->tx.count = 3;
	f->orders->other_unique = f->orders->has_primary_key = false;
	assert_string_equal(built(f), "unique; delete 3; upsert 1 a 1; upsert 2 b 2");
}

static void generated_columns_are_not_missed(void **state)
{
	struct fixture *f = *state;

	f->orders->columns[2].generated = true;
	f->orders->other_unique = true;
	UPSERT("#1", "a", "-");
	assert_string_equal(built(f), "unique; upsert 1 a -");
}

static void tables_stand_in_the_order_of_their_ids(void **state)
{
	struct fixture *f = *state;
	struct target *late = changes_target(f->changes, "late", 3, orders_columns, 1),
		      *early = changes_target(f->changes, "early", 3, orders_columns, 1);

	late->id = 70;
	f->orders->id = 9;
	changes_add(f->changes, late, CHANGE_UPSERT, ROW("#1", "l", "#1"));
	UPSERT("#1", "o", "#1");
	changes_add(f->changes, early, CHANGE_UPSERT, ROW("#1", "e", "#1"));
	UPSERT("#2", "o", "#1");
	assert_string_equal(built(f), "merged; upsert 1 e 1 | merged; upsert 1 o 1; upsert 2 o 1 | merged; upsert 1 l 1");
}

/* Builds a batch of two changes with these keys and says how they ended. */
static const char *two_keys(struct fixture *f, const struct target_column *columns, uint32_t key_count, const char *const *a, const char *const *b)
{
	struct target *target = changes_target(f->changes, "t", key_count, columns, key_count);

	f->changes->tx.count = 0;
	changes_add(f->changes, target, CHANGE_UPSERT, a);
	changes_add(f->changes, target, CHANGE_UPSERT, b);
	batch_build(&f->batch, &f->changes->tx);
	return f->batch.tables[0].mode == BATCH_ORDERED ? "?" : f->batch.rows == 1 ? "same" : "differ";
}

static void keys_compare_as_their_columns_do(void **state)
{
	static const struct {
		struct target_column column;
		const char *a, *b, *end;
	} cases[] = {
		{ { .type = COLUMN_TEXT }, "a", "a ", "differ" },
		{ { .type = COLUMN_TEXT, .pads = true }, "a", "a ", "same" },
		{ { .type = COLUMN_TEXT }, "1", "#1", "same" },
		{ { .type = COLUMN_TEXT }, "1", "1.0", "differ" },
		{ { .type = COLUMN_TEXT }, "a", "$a", "?" },
		{ { .type = COLUMN_BINARY, .length = 4 }, "$ab", "$ab", "same" },
		{ { .type = COLUMN_BYTES }, "$a", "$b", "differ" },
		{ { .type = COLUMN_DECIMAL, .scale = 2 }, "#1.50", "1.5", "same" },
		{ { .type = COLUMN_DECIMAL, .scale = 2 }, "#-1.5", "#1.5", "differ" },
		{ { .type = COLUMN_DECIMAL, .scale = 2 }, "#1.501", "#1.5", "?" },
		{ { .type = COLUMN_DATETIME, .scale = 0 }, "2024-01-31 00:00:00", "2024-01-31 00:00:01", "differ" },
		{ { .type = COLUMN_DATETIME, .scale = 3 }, "2024-01-31 00:00:00", "2024-01-31 00:00:00.000", "?" },
		{ { .type = COLUMN_DATETIME, .scale = 3 }, "2024-01-31 00:00:00.001", "2024-01-31 00:00:00.001", "same" },
		{ { .type = COLUMN_DATETIME, .scale = 3 }, "2024-01-31 00:00:00.0001", "2024-01-31 00:00:00.0002", "?" },
		{ { .type = COLUMN_DATETIME, .scale = 0 }, "2024-01-31T00:00:00", "2024-01-31 00:00:01", "?" },
		{ { .type = COLUMN_DATE }, "2024-01-31", "2024-01-30", "differ" },
		{ { .type = COLUMN_DATE }, "2024-1-31", "2024-01-30", "?" },
		{ { .type = COLUMN_TIME }, "-00:00:00", "00:00:00", "?" },
		{ { .type = COLUMN_YEAR }, "#24", "#2024", "?" },
		{ { .type = COLUMN_YEAR }, "2024", "#2024", "same" },
		{ { .type = COLUMN_BIT }, "#5", "#5", "same" },
		{ { .type = COLUMN_DOUBLE }, "#5", "#6", "?" },
		{ { .type = COLUMN_SET }, "a,b", "b,a", "?" },
		{ { .type = COLUMN_ENUM }, "a", "#1", "?" },
		{ { .type = COLUMN_UNKNOWN }, "#1", "#1.0", "same" },
		{ { .type = COLUMN_UNKNOWN }, "#1", "1", "?" },
		{ { .type = COLUMN_UNKNOWN }, "a", "b", "differ" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *end = two_keys(f, &cases[i].column, 1, ROW(cases[i].a), ROW(cases[i].b));

		if (strcmp(end, cases[i].end) != 0)
			fail_msg("%s and %s in a column of type %d: %s, not %s", cases[i].a, cases[i].b, cases[i].column.type, end, cases[i].end);
	}
}

static void columns_of_a_key_do_not_run_together(void **state)
{
	static const struct target_column texts[] = { { .type = COLUMN_TEXT }, { .type = COLUMN_TEXT } };
	static const struct target_column numbers[] = { { .type = COLUMN_DECIMAL, .scale = 9 }, { .type = COLUMN_INTEGER } };
	struct fixture *f = *state;

	assert_string_equal(two_keys(f, texts, 2, ROW("ab", "c"), ROW("a", "bc")), "differ");
	assert_string_equal(two_keys(f, texts, 2, ROW("ab", ""), ROW("a", "b")), "differ");
	assert_string_equal(two_keys(f, texts, 2, ROW("ab", "c"), ROW("ab", "c")), "same");
	assert_string_equal(two_keys(f, numbers, 2, ROW("#1", "#12"), ROW("#11", "#2")), "differ");
	assert_string_equal(two_keys(f, numbers, 2, ROW("#1.1", "#12"), ROW("#1.11", "#2")), "differ");
	assert_string_equal(two_keys(f, numbers, 2, ROW("#1.10", "#12"), ROW("#1.1", "12")), "same");
}

static void a_large_batch_is_merged_and_sorted(void **state)
{
	struct fixture *f = *state;
	char(*ids)[16] = calloc(CHANGES_MOST, sizeof *ids);
	const struct batch_table *table;

	for (int i = 0; i < CHANGES_MOST; i++) {
		snprintf(ids[i], sizeof ids[i], "#%d", (int)(i * 7919LL % 5000) - 2500);
		if (i % 3)
			UPSERT(ids[i], "a", "#1");
		else
			DELETE(ids[i]);
	}
	batch_build(&f->batch, &f->changes->tx);
	table = &f->batch.tables[0];
	assert_int_equal(table->count, 5000);
	for (size_t i = 1; i < table->count; i++)
		if (i != table->deletes)
			assert_true(atoi(table->changes[i]->values[0].p) > atoi(table->changes[i - 1]->values[0].p));
	free(ids);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_no_table),
		TEST(last_change_of_a_row_stays_and_rows_are_sorted_by_number),
		TEST(one_number_has_many_spellings),
		TEST(keys_that_only_the_database_can_tell_apart_stay_in_order),
		TEST(absent_columns_keep_what_came_before),
		TEST(what_the_source_gave_is_not_written_to),
		TEST(a_row_made_anew_has_nothing_of_the_old_one),
		TEST(an_upsert_over_an_update_that_it_does_not_cover_stays_in_order),
		TEST(another_unique_key_takes_whole_rows_only),
		TEST(generated_columns_are_not_missed),
		TEST(tables_stand_in_the_order_of_their_ids),
		TEST(keys_compare_as_their_columns_do),
		TEST(columns_of_a_key_do_not_run_together),
		TEST(a_large_batch_is_merged_and_sorted),
		TEST(what_is_merged_waits_where_one_of_it_does),
		TEST(what_is_not_to_be_written_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
