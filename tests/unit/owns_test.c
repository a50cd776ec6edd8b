/* Two scripts own columns of one row: the words in SQL, and what SQLite makes of random changes of both sides, held against their outer join. */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sim/dice.h"
#include "support/statements.h"

static const struct target_column people_columns[] = {
	{ .name = { "id", 2 }, .type = COLUMN_INTEGER, .exact = true },
	{ .name = { "name", 4 }, .type = COLUMN_TEXT, .nullable = true },
	{ .name = { "city", 4 }, .type = COLUMN_TEXT, .nullable = true },
	{ .name = { "score", 5 }, .type = COLUMN_INTEGER, .nullable = true },
	{ .name = { "at", 2 }, .type = COLUMN_TEXT, .nullable = true, .has_default = true, .default_sql = { "'now'", 5 } },
};
enum { ID, NAME, CITY, SCORE, AT, COLUMNS };

struct fixture {
	struct changes *changes;
	struct target *people;
	struct statements made;
};

static void new_table(struct fixture *f)
{
	changes_clear(f->changes);
	f->people = changes_target(f->changes, "people", COLUMNS, people_columns, 1);
	f->people->sweeps = true;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->changes = changes_new();
	new_table(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	statements_free(&f->made);
	changes_free(f->changes);
	free(f);
	return 0;
}

/* id, name, city, score, at */
#define PUT(...) changes_add(f->changes, f->people, CHANGE_UPSERT, ROW(__VA_ARGS__))
#define CLEAR(...) changes_add(f->changes, f->people, CHANGE_UPDATE, ROW(__VA_ARGS__))->clears = true

#define rows_text(f, dialect) statements_of(&(f)->made, (f)->changes, dialect, SQL_ROWS)

static void a_side_that_goes_clears_its_columns_and_takes_the_row_where_nothing_else_is(void **state)
{
	struct fixture *f = *state;

	CLEAR("#1", "=", "=", "-", "-");
	CLEAR("#2", "=", "=", "-", "-");
	CLEAR("#3", "-", "-", "=", "-");
	assert_string_equal(rows_text(f, SQL_MYSQL), "DELETE FROM `people` WHERE `id` IN (1,2) AND `score` IS NULL;\n"
						     "UPDATE `people` SET `name` = DEFAULT, `city` = DEFAULT WHERE `id` IN (1,2);\n"
						     "DELETE FROM `people` WHERE `id` = 3 AND `name` IS NULL AND `city` IS NULL;\n"
						     "UPDATE `people` SET `score` = DEFAULT WHERE `id` = 3;\n");
	f->people->sweeps = false;
	assert_string_equal(rows_text(f, SQL_SQLITE), "UPDATE `people` SET `name` = NULL, `city` = NULL WHERE `id` IN (1,2);\n"
						      "UPDATE `people` SET `score` = NULL WHERE `id` = 3;\n");
}

static void what_else_is_there_is_known_of_rows_that_the_transaction_makes(void **state)
{
	struct fixture *f = *state;

	PUT("#1", "-", "-", "#5", "-");
	CLEAR("#1", "=", "=", "-", "-");
	assert_string_equal(rows_text(f, SQL_MYSQL),
			    "INSERT INTO `people` (`id`, `name`, `city`, `score`) VALUES\n(1,DEFAULT,DEFAULT,5)\n"
			    "ON DUPLICATE KEY UPDATE `name` = VALUES(`name`), `city` = VALUES(`city`), `score` = VALUES(`score`);\n");
	new_table(f);
	PUT("#1", "Ann", "Bonn", "-", "-");
	CLEAR("#1", "=", "=", "-", "-");
	assert_non_null(strstr(rows_text(f, SQL_MYSQL), "DELETE FROM `people` WHERE `id` = 1 AND `score` IS NULL;\n"));
	new_table(f);
	CLEAR("#1", "=", "=", "-", "-"); /* and its row comes back */
	PUT("#1", "Ann", "~", "-", "-");
	assert_null(strstr(rows_text(f, SQL_MYSQL), "DELETE"));
}

/* ---- against the outer join ---- */

enum { IDS = 6, EVENTS = 400 };

struct model {
	int name, city, score; /* 0: that side has no row; of a city: NULL */
};

static void add_random(struct fixture *f, struct dice *dice, struct model *models)
{
	struct arena *arena = &f->changes->arena;
	unsigned id = dice_below(dice, IDS);
	const char *key = arena_printf(arena, "#%u", id).p;
	struct model *model = &models[id];

	switch (dice_below(dice, 4)) {
	case 0:
		model->name = 1 + (int)dice_below(dice, 9);
		model->city = (int)dice_below(dice, 3);
		PUT(key, arena_printf(arena, "n%d", model->name).p, model->city ? arena_printf(arena, "c%d", model->city).p : "~", "-", "-");
		break;
	case 1:
		model->score = 1 + (int)dice_below(dice, 9);
		PUT(key, "-", "-", arena_printf(arena, "#%d", model->score).p, "-");
		break;
	case 2: /* also of a row that is not there: two of them say that it is gone */
		model->name = model->city = 0;
		CLEAR(key, "=", "=", "-", "-");
		break;
	default:
		model->score = 0;
		CLEAR(key, "-", "-", "=", "-");
	}
}

static void compare(sqlite3 *db, const struct model *models, uint64_t seed)
{
	for (int id = 0; id < IDS; id++) {
		const struct model *model = &models[id];
		bool exists = model->name || model->score, same;
		sqlite3_stmt *select;
		char text[300];

		snprintf(text, sizeof text, "SELECT name IS %s%d%s AND city IS %s%d%s AND score IS %s%d%s FROM people WHERE id = %d",
			 model->name ? "'n" : "NULLIF(", model->name, model->name ? "'" : ", 0)", model->city ? "'c" : "NULLIF(", model->city,
			 model->city ? "'" : ", 0)", "NULLIF(", model->score, ", 0)", id);
		assert_int_equal(sqlite3_prepare_v2(db, text, -1, &select, NULL), SQLITE_OK);
		same = sqlite3_step(select) == SQLITE_ROW ? exists && sqlite3_column_int(select, 0) : !exists;
		if (!same)
			fail_msg("seed %llu: row %d is not that of the outer join (%d, %d, %d)", (unsigned long long)seed, id, model->name,
				 model->city, model->score);
		sqlite3_finalize(select);
	}
}

static void in_any_order_and_any_transactions_it_is_the_outer_join(void **state)
{
	struct fixture *f = *state;

	for (uint64_t seed = 1; seed <= 120; seed++) {
		struct model models[IDS] = { 0 };
		struct dice dice = { seed };
		sqlite3 *db;

		new_table(f);
		f->people->key_exact = seed % 3 > 0;
		f->people->other_unique = seed % 5 == 0;
		assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
		assert_int_equal(
			sqlite3_exec(db, "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, city TEXT, score INTEGER, at TEXT DEFAULT 'now')",
				     NULL, NULL, NULL),
			SQLITE_OK);
		for (int i = 0; i < EVENTS; i++) {
			add_random(f, &dice, models);
			if (dice_below(&dice, 20) < seed % 11) {
				statements_run(&f->made, f->changes, db);
				compare(db, models, seed);
			}
		}
		statements_run(&f->made, f->changes, db);
		compare(db, models, seed);
		sqlite3_close(db);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_side_that_goes_clears_its_columns_and_takes_the_row_where_nothing_else_is),
		TEST(what_else_is_there_is_known_of_rows_that_the_transaction_makes),
		TEST(in_any_order_and_any_transactions_it_is_the_outer_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
