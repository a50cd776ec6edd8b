/* Columns that are merged: one value, a batch, the words in SQL, and what SQLite makes of them. */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "flow/merge.h"
#include "sim/dice.h"
#include "support/statements.h"

static const struct target_column hits_columns[] = {
	{ .name = { "page", 4 }, .type = COLUMN_TEXT, .exact = true },
	{ .name = { "n", 1 }, .type = COLUMN_INTEGER, .merge = MERGE_SUM },
	{ .name = { "paid", 4 }, .type = COLUMN_DECIMAL, .merge = MERGE_SUM, .nullable = true, .scale = 2 },
	{ .name = { "last", 4 }, .type = COLUMN_DATETIME, .merge = MERGE_MAX, .nullable = true },
	{ .name = { "low", 3 }, .type = COLUMN_INTEGER, .merge = MERGE_MIN, .nullable = true },
	{ .name = { "tags", 4 }, .type = COLUMN_TEXT, .merge = MERGE_SET, .nullable = true, .exact = true },
	{ .name = { "note", 4 }, .type = COLUMN_TEXT, .nullable = true },
};
enum { PAGE, N, PAID, LAST, LOW, TAGS, NOTE, COLUMNS };

struct fixture {
	struct changes *changes;
	struct target *hits;
	struct statements made;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->changes = changes_new();
	f->hits = changes_target(f->changes, "hits", COLUMNS, hits_columns, 1);
	f->hits->merged = true;
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

/* page, n, paid, last, low, tags, note */
#define ADD(...) changes_add(f->changes, f->hits, CHANGE_UPSERT, ROW(__VA_ARGS__))

static const char *row_of(const struct change *change, struct buf *text)
{
	buf_clear(text);
	for (uint32_t i = 0; i < change->count; i++)
		buf_printf(text, "%s%.*s", i ? " " : "", VALUE_IS_SET(&change->values[i]) ? (int)change->values[i].n : 1,
			   VALUE_IS_SET(&change->values[i]) ? change->values[i].p : "-");
	return buf_cstr(text);
}

/* All of the transaction's changes of one row as one; NULL: they are not merged. */
static const char *merged(struct fixture *f)
{
	batch_build(&f->made.batch, &f->changes->tx);
	if (f->made.batch.tables[0].mode != BATCH_MERGED)
		return NULL;
	assert_int_equal(f->made.batch.rows, 1);
	return row_of(f->made.batch.tables[0].changes[0], &f->made.text);
}

#define rows_text(f, dialect) statements_of(&(f)->made, (f)->changes, dialect, SQL_ROWS)

static void a_hot_row_is_one_row_of_its_transaction(void **state)
{
	struct fixture *f = *state;

	ADD("a", "#1", "#0.10", "2024-01-02 00:00:00", "#7", "x", "first");
	ADD("a", "#1", "#0.20", "2024-01-01 00:00:00", "#9", "y,x", "second");
	ADD("a", "#-5", "-", "2024-01-02 00:00:00.5", "-", "-", "-");
	assert_string_equal(merged(f), "a -3 0.3 2024-01-02 00:00:00.5 7 x,y second");
}

static void sums_keep_every_digit(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++)
		ADD("a", "#999999999999999999", "#12345678901234567890123456789.05", "-", "-", "-", "-");
	assert_string_equal(merged(f), "a 9999999999999999990 123456789012345678901234567890.5 - - - -");
}

static void what_only_the_database_can_compare_is_left_to_it(void **state)
{
	struct fixture *f = *state;

	ADD("a", "#1", "-", "2024-01-02 00:00:00", "-", "-", "-");
	ADD("a", "#1", "-", "2024-01-02T00:00:00", "-", "-", "-");
	assert_null(merged(f));
	assert_int_equal(f->made.batch.rows, 2);
}

static void keys_of_many_spellings_are_merged_where_nothing_but_adds(void **state)
{
	struct fixture *f = *state;

	f->hits->key_exact = false;
	ADD("a", "#1", "-", "-", "-", "-", "-");
	ADD("a", "#2", "-", "-", "-", "-", "-");
	assert_string_equal(merged(f), "a 3 - - - - -");
	ADD("a", "#2", "-", "-", "-", "-", "a note"); /* whose turn comes last counts for this one */
	assert_null(merged(f));
}

static void sql_adds_to_what_is_there(void **state)
{
	struct fixture *f = *state;

	ADD("a", "#1", "#0.5", "2024-01-02 00:00:00", "#7", "x", "hello");
	assert_string_equal(rows_text(f, SQL_MYSQL),
			    "INSERT INTO `hits` (`page`, `n`, `paid`, `last`, `low`, `tags`, `note`) VALUES\n"
			    "('a',1,0.5,'2024-01-02 00:00:00',7,'x','hello')\n"
			    "ON DUPLICATE KEY UPDATE `n` = COALESCE(`n`, 0) + VALUES(`n`), `paid` = COALESCE(`paid`, 0) + VALUES(`paid`), "
			    "`last` = GREATEST(COALESCE(`last`, VALUES(`last`)), VALUES(`last`)), "
			    "`low` = LEAST(COALESCE(`low`, VALUES(`low`)), VALUES(`low`)), "
			    "`tags` = CONCAT_WS(',', NULLIF(`tags`, ''), IF(FIND_IN_SET(VALUES(`tags`), `tags`) > 0, NULL, VALUES(`tags`))), "
			    "`note` = VALUES(`note`);\n");
	assert_string_equal(rows_text(f, SQL_SQLITE),
			    "INSERT INTO `hits` (`page`, `n`, `paid`, `last`, `low`, `tags`, `note`) VALUES\n"
			    "('a',1,0.5,'2024-01-02 00:00:00',7,'x','hello')\n"
			    "ON CONFLICT DO UPDATE SET `n` = COALESCE(`n`, 0) + excluded.`n`, "
			    "`paid` = ROUND(COALESCE(`paid`, 0) + excluded.`paid`, 2), "
			    "`last` = MAX(COALESCE(`last`, excluded.`last`), excluded.`last`), "
			    "`low` = MIN(COALESCE(`low`, excluded.`low`), excluded.`low`), "
			    "`tags` = LTRIM(COALESCE(`tags`, '') || CASE WHEN instr(',' || COALESCE(`tags`, '') || ',', ',' || excluded.`tags` || "
			    "',') THEN '' ELSE ',' || excluded.`tags` END, ','), `note` = excluded.`note`;\n");
}

/* Its statement fails with the row that is to be made; so the row is made first, with nothing in its sums, and added to whoever made it. */
static void a_change_that_may_not_make_its_row_adds_to_it_last(void **state)
{
	struct fixture *f = *state;

	f->hits->columns[NOTE].nullable = false;
	ADD("a", "#-1", "-", "-", "-", "-", "-");
	assert_string_equal(rows_text(f, SQL_MYSQL), "INSERT INTO `hits` (`page`, `n`, `note`) SELECT 'a', 0, NULL FROM DUAL WHERE NOT EXISTS "
						     "(SELECT 1 FROM `hits` WHERE `page` = 'a');\n"
						     "UPDATE `hits` SET `n` = COALESCE(`n`, 0) + -1 WHERE `page` = 'a';\n");
}

static void several_members_are_a_statement_of_their_own(void **state)
{
	struct fixture *f = *state;

	ADD("a", "#1", "-", "-", "-", "x,y", "-");
	ADD("b", "#1", "-", "-", "-", "x", "-");
	ADD("c", "#1", "-", "-", "-", "y", "-");
	assert_string_equal(rows_text(f, SQL_MYSQL),
			    "INSERT INTO `hits` (`page`, `n`, `tags`) VALUES\n('a',1,'x,y')\n"
			    "ON DUPLICATE KEY UPDATE `n` = COALESCE(`n`, 0) + VALUES(`n`), `tags` = CONCAT_WS(',', NULLIF(`tags`, ''), "
			    "IF(FIND_IN_SET('x', `tags`) > 0, NULL, 'x'), IF(FIND_IN_SET('y', `tags`) > 0, NULL, 'y'));\n"
			    "INSERT INTO `hits` (`page`, `n`, `tags`) VALUES\n('b',1,'x'),\n('c',1,'y')\n"
			    "ON DUPLICATE KEY UPDATE `n` = COALESCE(`n`, 0) + VALUES(`n`), `tags` = CONCAT_WS(',', NULLIF(`tags`, ''), "
			    "IF(FIND_IN_SET(VALUES(`tags`), `tags`) > 0, NULL, VALUES(`tags`)));\n");
}

/* ---- one value ---- */

static const char *settled(struct fixture *f, const char *value, uint32_t column)
{
	struct value v = changes_value(value);
	struct error err;

	if (merge_settle(&v, &f->hits->columns[column], &f->changes->arena, &err) < 0)
		return arena_printf(&f->changes->arena, "! %s", err.text).p;
	return VALUE_IS_SET(&v) ? arena_printf(&f->changes->arena, "%.*s", (int)v.n, v.p).p : "-";
}

static void null_adds_nothing(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(settled(f, "~", PAID), "-");
	assert_string_equal(settled(f, "=", LAST), "-");
	assert_string_equal(settled(f, "~", TAGS), "-");
	assert_string_equal(settled(f, "", TAGS), "-");
	assert_string_equal(settled(f, " , ", TAGS), "-");
	assert_string_equal(settled(f, "~", N), "0"); /* which a new row needs */
}

static void what_cannot_be_added_is_refused_by_name(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(settled(f, "x", N), "! column n: sum needs a number, not \"x\"");
	assert_string_equal(settled(f, "#1.5", N),
			    "! column n: 1.5 has more digits behind the point than the column, which a sum would round: round it in the script");
	assert_string_equal(settled(f, "#1.50", PAID), "1.50");
	assert_non_null(strstr(settled(f, "#1.505", PAID), "column paid: 1.505 has more digits"));
	assert_string_equal(settled(f, "?t", N), "1");
	assert_string_equal(settled(f, "12", PAID), "12");
	assert_string_equal(settled(f, " b, a ,b", TAGS), "b,a");
	assert_non_null(strstr(settled(f, "$\xff", TAGS), "column tags: set needs a text"));
}

static const char *replaced(struct fixture *f, const char *now, const char *old, uint32_t column)
{
	struct value v = changes_value(now), was = changes_value(old);
	struct error err;

	if (merge_replace(&v, &was, &f->hits->columns[column], &f->changes->arena, &err) < 0)
		return arena_printf(&f->changes->arena, "! %s", err.text).p;
	return VALUE_IS_SET(&v) ? arena_printf(&f->changes->arena, "%.*s", (int)v.n, v.p).p : "-";
}

static void sums_are_taken_back_and_others_only_covered(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(replaced(f, "#5", "#3", N), "2");
	assert_string_equal(replaced(f, "-", "#3", N), "-3");
	assert_string_equal(replaced(f, "#0.1", "#0.30", PAID), "-0.2");
	assert_string_equal(replaced(f, "2024-01-03", "2024-01-02", LAST), "2024-01-03");
	assert_string_equal(replaced(f, "2024-01-02", "2024-01-02", LAST), "2024-01-02");
	assert_non_null(
		strstr(replaced(f, "2024-01-01", "2024-01-02", LAST), "! column last: what an old row brought to a max cannot be taken back"));
	assert_non_null(strstr(replaced(f, "-", "2024-01-02", LAST), "an update may only raise it"));
	assert_string_equal(replaced(f, "#6", "#7", LOW), "6");
	assert_non_null(strstr(replaced(f, "#8", "#7", LOW), "an update may only lower it"));
	assert_string_equal(replaced(f, "x", "x", TAGS), "x");
	assert_string_equal(replaced(f, "x", "-", TAGS), "x");
	assert_non_null(strstr(replaced(f, "x", "y", TAGS), "an update may only keep it"));
}

static void columns_that_cannot_be_merged_are_known(void **state)
{
	static const struct {
		enum merge_kind kind;
		struct target_column column;
		const char *misfit;
	} cases[] = {
		{ MERGE_SUM, { .type = COLUMN_DOUBLE }, NULL },
		{ MERGE_SUM, { .type = COLUMN_TEXT, .exact = true }, "sum adds numbers, and it holds none" },
		{ MERGE_SUM, { .type = COLUMN_INTEGER, .is_unsigned = true }, "declare it without UNSIGNED" },
		{ MERGE_SUM, { .type = COLUMN_YEAR }, "sum adds numbers" },
		{ MERGE_MAX, { .type = COLUMN_INTEGER, .is_unsigned = true }, NULL },
		{ MERGE_MAX, { .type = COLUMN_TIMESTAMP }, NULL },
		{ MERGE_MAX, { .type = COLUMN_TIME }, "max and min compare numbers, dates" },
		{ MERGE_MIN, { .type = COLUMN_TEXT }, "give it a _bin collation" },
		{ MERGE_MIN, { .type = COLUMN_TEXT, .exact = true }, NULL },
		{ MERGE_MIN, { .type = COLUMN_JSON, .exact = true }, "max and min compare" },
		{ MERGE_SET, { .type = COLUMN_TEXT }, "give it a _bin collation" },
		{ MERGE_SET, { .type = COLUMN_SET, .sql_type = SLICE("set('a')"), .exact = true }, "set keeps a text with commas" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *misfit = merge_misfit(cases[i].kind, &cases[i].column);

		if (cases[i].misfit)
			assert_non_null(misfit ? strstr(misfit, cases[i].misfit) : NULL);
		else
			assert_null(misfit);
	}
}

/* ---- however it is cut into transactions, SQLite comes to the same ---- */

enum { PAGES = 3, MEMBERS = 5, EVENTS = 300 };

struct model {
	bool exists, has_low;
	int64_t n, cents, low;
	char last[24];
	unsigned members;
};

static void add_random(struct fixture *f, struct dice *dice, struct model *models)
{
	struct arena *arena = &f->changes->arena;
	unsigned page = dice_below(dice, PAGES), members = dice_below(dice, 1 << MEMBERS) & dice_below(dice, 1 << MEMBERS);
	int n = (int)dice_below(dice, 10) - 3, cents = (int)dice_below(dice, 1000) - 300, low = (int)dice_below(dice, 1000);
	struct model *model = &models[page];
	const char *tags = "~", *last = arena_printf(arena, "2024-01-%02u 0%u:00:00", 1 + dice_below(dice, 28), dice_below(dice, 10)).p;

	for (int i = 0; i < MEMBERS; i++)
		if (members >> i & 1)
			tags = *tags == '~' ? arena_printf(arena, "m%d", i).p : arena_printf(arena, "%s,m%d", tags, i).p;
	ADD(arena_printf(arena, "p%u", page).p, arena_printf(arena, "#%d", n).p,
	    arena_printf(arena, "#%s%d.%02d", cents < 0 ? "-" : "", abs(cents) / 100, abs(cents) % 100).p, last,
	    dice_below(dice, 3) ? arena_printf(arena, "#%d", low).p : "-", *tags == '~' ? "-" : tags, "-");
	if (VALUE_IS_SET(&f->changes->events[f->changes->tx.count - 1]->changes->values[LOW])) {
		model->low = model->has_low && model->low < low ? model->low : low;
		model->has_low = true;
	}
	model->exists = true;
	model->n += n;
	model->cents += cents;
	model->members |= members;
	if (strcmp(last, model->last) > 0)
		snprintf(model->last, sizeof model->last, "%s", last);
}

static void compare(sqlite3 *db, const struct model *models, uint64_t seed)
{
	for (unsigned page = 0; page < PAGES; page++) {
		const struct model *model = &models[page];
		sqlite3_stmt *select;
		char text[200];
		unsigned members = 0;

		snprintf(text, sizeof text,
			 "SELECT n, CAST(ROUND(paid * 100) AS INTEGER), last, low, tags, paid = %lld / 100.0 FROM hits WHERE page = 'p%u'",
			 (long long)model->cents, page);
		assert_int_equal(sqlite3_prepare_v2(db, text, -1, &select, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(select) == SQLITE_ROW, model->exists);
		if (model->exists) {
			struct slice rest = { (const char *)sqlite3_column_text(select, 4), (size_t)sqlite3_column_bytes(select, 4) }, member;

			if (sqlite3_column_int64(select, 0) != model->n || sqlite3_column_int64(select, 1) != model->cents)
				fail_msg("seed %llu: page %u has n %lld and not %lld", (unsigned long long)seed, page,
					 (long long)sqlite3_column_int64(select, 0), (long long)model->n);
			assert_int_equal(sqlite3_column_int(select, 5), 1); /* the very double */
			assert_string_equal((const char *)sqlite3_column_text(select, 2), model->last);
			assert_int_equal(sqlite3_column_type(select, 3) != SQLITE_NULL, model->has_low);
			assert_int_equal(sqlite3_column_int64(select, 3), model->low);
			while (merge_member(&rest, &member)) {
				unsigned bit = 1u << (member.p[1] - '0');

				assert_int_equal(members & bit, 0); /* each once */
				members |= bit;
			}
			assert_int_equal(members, model->members);
		}
		sqlite3_finalize(select);
	}
}

static void it_does_not_matter_how_it_is_cut_into_transactions(void **state)
{
	struct fixture *f = *state;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct model models[PAGES] = { 0 };
		struct dice dice = { seed };
		sqlite3 *db;

		changes_clear(f->changes);
		f->hits = changes_target(f->changes, "hits", COLUMNS, hits_columns, 1);
		f->hits->merged = true;
		f->hits->key_exact = seed % 3 > 0;
		assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db,
					      "CREATE TABLE hits (page TEXT PRIMARY KEY, n INTEGER NOT NULL, paid DECIMAL(20,2), last DATETIME, "
					      "low INTEGER, tags TEXT, note TEXT)",
					      NULL, NULL, NULL),
				 SQLITE_OK);
		for (int i = 0; i < EVENTS; i++) {
			add_random(f, &dice, models);
			if (dice_below(&dice, 20) < seed % 7)
				statements_run(&f->made, f->changes, db);
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
		TEST(a_hot_row_is_one_row_of_its_transaction),
		TEST(sums_keep_every_digit),
		TEST(what_only_the_database_can_compare_is_left_to_it),
		TEST(keys_of_many_spellings_are_merged_where_nothing_but_adds),
		TEST(sql_adds_to_what_is_there),
		TEST(a_change_that_may_not_make_its_row_adds_to_it_last),
		TEST(several_members_are_a_statement_of_their_own),
		TEST(null_adds_nothing),
		TEST(what_cannot_be_added_is_refused_by_name),
		TEST(sums_are_taken_back_and_others_only_covered),
		TEST(columns_that_cannot_be_merged_are_known),
		TEST(it_does_not_matter_how_it_is_cut_into_transactions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
