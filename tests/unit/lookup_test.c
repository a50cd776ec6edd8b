/* What is known of the rows that scripts look up: which are asked for, in how many questions, and for how long an answer counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow/lookup.h"
#include "flow/sql.h"

enum { ID, CODE, NAME, COLUMNS };

struct fixture {
	struct lookups lookups;
	struct arena arena;
	struct target table;
	struct lookup by_id, by_code;
	struct target_column columns[COLUMNS];
	uint32_t name_column;
	const struct look *looks;
	size_t count;
	struct buf text;
};

static void bind(struct fixture *f, struct lookup *lookup, uint32_t number, uint32_t column, bool listed, bool is_key)
{
	lookup->number = number;
	lookup->by_count = lookup->column_count = 1;
	lookup->ttl_ms = 1000;
	lookup->table = &f->table;
	lookup->columns = &f->name_column;
	lookup->by_at[0] = column;
	lookup->keyed = (struct target){ .columns = &f->columns[column], .count = 1, .key_count = 1 };
	lookup->listed = listed;
	lookup->is_key = is_key;
}

static int setup(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){ .lookups = { .bytes_most = SIZE_MAX, .now_ms = 100 }, .name_column = NAME };
	fixture.columns[ID] = (struct target_column){ .name = SLICE("id"), .type = COLUMN_INTEGER, .exact = true };
	fixture.columns[CODE] = (struct target_column){ .name = SLICE("code"), .type = COLUMN_TEXT };
	fixture.columns[NAME] = (struct target_column){ .name = SLICE("name"), .type = COLUMN_TEXT };
	fixture.table = (struct target){ .name = SLICE("customers"), .columns = fixture.columns, .count = COLUMNS, .key = { ID }, .key_count = 1 };
	bind(&fixture, &fixture.by_id, 0, ID, true, true);
	bind(&fixture, &fixture.by_code, 1, CODE, false, false);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lookup_clear(&f->lookups);
	arena_free(&f->arena);
	buf_free(&f->text);
	return 0;
}

static struct value value(enum value_kind kind, const char *text)
{
	return (struct value){ .p = text, .n = (uint32_t)strlen(text), .kind = (uint8_t)kind, .ready = true };
}

static const struct value *key(struct fixture *f, enum value_kind kind, const char *text)
{
	struct value *made = arena_alloc(&f->arena, sizeof *made);

	*made = value(kind, arena_copy(&f->arena, slice_of(text)).p);
	return made;
}

static struct looked *want_by(struct fixture *f, struct lookup *lookup, const struct value *values)
{
	struct lookup_key name;

	lookup_names_begin(&f->lookups);
	name = lookup_name(&f->lookups, lookup, values);
	return lookup_want(&f->lookups, lookup, &name, values, &f->arena);
}

static struct looked *want(struct fixture *f, const char *id)
{
	return want_by(f, &f->by_id, key(f, VALUE_NUMBER, id));
}

static const char *ask(struct fixture *f)
{
	struct state_load load = { 0 };

	f->count = lookup_questions(&f->lookups, &f->arena, &f->looks);
	load.looks = f->looks;
	load.look_count = f->count;
	buf_clear(&f->text);
	sql_look_select(&f->text, SQL_MYSQL, &load);
	return buf_cstr(&f->text);
}

static void answer(struct fixture *f, size_t look, enum value_kind kind, const char *id, const char *name)
{
	struct value cells[] = { value(kind, id), value(VALUE_TEXT, name) };

	lookup_found(&f->lookups, &f->looks[look], cells);
}

static void shows(const struct looked *looked, const char *name)
{
	assert_non_null(looked->values);
	assert_memory_equal(looked->values[0].p, name, strlen(name));
	assert_int_equal(looked->values[0].n, strlen(name));
}

static void equal_keys_are_one_and_all_are_one_question(void **state)
{
	struct fixture *f = *state;
	struct looked *seven = want(f, "7"), *eight = want(f, "8"), *nine = want(f, "9");

	assert_ptr_equal(want(f, "7.0"), seven);
	assert_ptr_equal(want(f, "70e-1"), seven);
	assert_string_equal(ask(f), "SELECT `id`, `name` FROM `customers` WHERE `id` IN (7,8,9);\n");
	answer(f, 0, VALUE_NUMBER, "8", "Bob");
	answer(f, 0, VALUE_NUMBER, "07", "Ada");
	answer(f, 0, VALUE_NUMBER, "10", "nobody asked");
	lookup_loaded(&f->lookups);
	shows(seven, "Ada");
	shows(eight, "Bob");
	assert_null(nine->values);
	want(f, "7");
	want(f, "9");
	assert_int_equal(f->lookups.wanted_count, 0);
}

static struct change *written(struct fixture *f, const char *id)
{
	struct change *change = arena_zalloc(&f->arena, sizeof *change);

	change->target = &f->table;
	change->count = COLUMNS;
	change->values = arena_zalloc(&f->arena, COLUMNS * sizeof *change->values);
	change->values[ID] = value(VALUE_NUMBER, id);
	return change;
}

/* 'a' and 'A' may be one to the database, and 1.5 is rounded to some INTEGER: nobody else can tell which row is whose. */
static void what_only_the_database_can_compare_is_asked_for_by_itself(void **state)
{
	struct fixture *f = *state;
	struct looked *small = want_by(f, &f->by_code, key(f, VALUE_TEXT, "a'b"));
	struct looked *large = want_by(f, &f->by_code, key(f, VALUE_TEXT, "A'B"));
	struct looked *half = want(f, "1.5");

	assert_ptr_not_equal(small, large);
	assert_string_equal(ask(f), "SELECT `id`, `name` FROM `customers` WHERE `id` = 1.5 LIMIT 1;\n"
				    "SELECT `code`, `name` FROM `customers` WHERE `code` = 'a\\'b' LIMIT 1;\n"
				    "SELECT `code`, `name` FROM `customers` WHERE `code` = 'A\\'B' LIMIT 1;\n");
	answer(f, 0, VALUE_NUMBER, "2", "two");
	answer(f, 1, VALUE_TEXT, "A'B", "Ada");
	answer(f, 2, VALUE_TEXT, "A'B", "Ada");
	lookup_loaded(&f->lookups);
	shows(half, "two");
	shows(small, "Ada");
	shows(large, "Ada");
	assert_ptr_not_equal(want_by(f, &f->by_code, key(f, VALUE_NUMBER, "1.5")), half);
	assert_ptr_not_equal(want_by(f, &f->by_code, key(f, VALUE_NUMBER, "1.5")), want_by(f, &f->by_code, key(f, VALUE_TEXT, "1.5")));
	/* Which row that is may be the one that is written. */
	lookup_changed(&f->lookups, &f->by_id, written(f, "2"));
	ask(f);
	lookup_loaded(&f->lookups);
	want(f, "1.5");
	assert_int_equal(f->lookups.wanted_count, 1);
}

static void a_long_key_is_found_again(void **state)
{
	struct fixture *f = *state;
	char code[5000];
	struct looked *first;

	memset(code, 'x', sizeof code);
	code[sizeof code - 1] = 0;
	first = want_by(f, &f->by_code, key(f, VALUE_TEXT, code));
	assert_ptr_equal(want_by(f, &f->by_code, key(f, VALUE_TEXT, code)), first);
}

static void an_answer_counts_until_its_time_is_over_and_the_next_may_be_none(void **state)
{
	struct fixture *f = *state;
	struct looked *seven = want(f, "7");

	ask(f);
	answer(f, 0, VALUE_NUMBER, "7", "Ada");
	lookup_loaded(&f->lookups);
	f->lookups.now_ms = 1099;
	want(f, "7");
	assert_int_equal(f->lookups.wanted_count, 0);
	f->lookups.now_ms = 1100;
	assert_ptr_equal(want(f, "7"), seven);
	want(f, "7");
	assert_int_equal(f->lookups.wanted_count, 1);
	ask(f);
	lookup_loaded(&f->lookups);
	assert_null(seven->values);
}

static void what_this_worker_writes_is_asked_for_anew(void **state)
{
	struct fixture *f = *state;

	want(f, "7");
	want(f, "8");
	want_by(f, &f->by_code, key(f, VALUE_TEXT, "a"));
	ask(f);
	lookup_changed(&f->lookups, &f->by_id, written(f, "8")); /* while it is on its way */
	lookup_loaded(&f->lookups);
	want(f, "7");
	assert_int_equal(f->lookups.wanted_count, 0);
	want(f, "8");
	assert_int_equal(f->lookups.wanted_count, 1);
	ask(f);
	lookup_loaded(&f->lookups);
	lookup_changed(&f->lookups, &f->by_id, written(f, "7.0"));
	want(f, "8");
	assert_int_equal(f->lookups.wanted_count, 0);
	want(f, "7");
	assert_int_equal(f->lookups.wanted_count, 1);
	ask(f);
	lookup_loaded(&f->lookups);
	/* Which code the row had before, and whether 'A' is 'a', is not known here: all of them. */
	lookup_changed(&f->lookups, &f->by_code, written(f, "7"));
	want_by(f, &f->by_code, key(f, VALUE_TEXT, "a"));
	want(f, "7");
	assert_int_equal(f->lookups.wanted_count, 1);
}

static void want_some(struct fixture *f, int from, int to)
{
	char id[16];

	for (int i = from; i < to; i++) {
		snprintf(id, sizeof id, "%d", i);
		want(f, id);
	}
}

static void what_was_not_used_for_long_is_given_up_first(void **state)
{
	struct fixture *f = *state;

	want_some(f, 0, 3000);
	ask(f);
	assert_int_equal(f->count, 3);
	assert_int_equal(f->looks[2].key_count, 1000);
	lookup_loaded(&f->lookups);
	f->lookups.bytes_most = f->lookups.bytes - 1;
	f->lookups.busy = 1;
	lookup_trim(&f->lookups);
	assert_int_equal(f->lookups.count, 3000);
	f->lookups.busy = 0;
	lookup_trim(&f->lookups); /* all were used: each has had its second chance but the first */
	assert_int_equal(f->lookups.count, 2999);
	want_some(f, 1000, 2000);
	assert_int_equal(f->lookups.wanted_count, 0);
	f->lookups.bytes_most = f->lookups.bytes * 2 / 3;
	lookup_trim(&f->lookups);
	assert_in_range(f->lookups.count, 1000, 2200);
	want_some(f, 1000, 2000);
	assert_int_equal(f->lookups.wanted_count, 0);
	want_some(f, 0, 1);
	assert_int_equal(f->lookups.wanted_count, 1);
	f->lookups.bytes_most = 0;
	ask(f);
	lookup_loaded(&f->lookups);
	lookup_trim(&f->lookups);
	assert_int_equal(f->lookups.count, 0);
	assert_null(f->lookups.oldest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(equal_keys_are_one_and_all_are_one_question),
		TEST(what_only_the_database_can_compare_is_asked_for_by_itself),
		TEST(a_long_key_is_found_again),
		TEST(an_answer_counts_until_its_time_is_over_and_the_next_may_be_none),
		TEST(what_this_worker_writes_is_asked_for_anew),
		TEST(what_was_not_used_for_long_is_given_up_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
