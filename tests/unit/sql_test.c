#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/statements.h"

static const struct target_column orders_columns[] = {
	{ .name = { "id", 2 }, .type = COLUMN_INTEGER, .exact = true },
	{ .name = { "sku", 3 }, .type = COLUMN_TEXT, .nullable = true, .exact = true },
	{ .name = { "a`b", 3 }, .type = COLUMN_DECIMAL, .nullable = true, .scale = 2 },
};

struct fixture {
	struct changes *changes;
	struct target *orders;
	struct statements made;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->changes = changes_new();
	f->orders = changes_target(f->changes, "dw.orders", 3, orders_columns, 1);
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

#define UPSERT(...) changes_add(f->changes, f->orders, CHANGE_UPSERT, ROW(__VA_ARGS__))
#define UPDATE(...) changes_add(f->changes, f->orders, CHANGE_UPDATE, ROW(__VA_ARGS__))
#define DELETE(id) changes_add(f->changes, f->orders, CHANGE_DELETE, ROW(id, "-", "-"))
#define assert_rows(dialect, text) assert_string_equal(statements_of(&f->made, f->changes, dialect, SQL_ROWS), text)

static void literals_keep_every_digit_and_byte(void **state)
{
	static const struct {
		const char *value;
		uint8_t type;
		const char *mysql, *sqlite;
	} cases[] = {
		{ "~", COLUMN_TEXT, "NULL", "NULL" },
		{ "=", COLUMN_TEXT, "DEFAULT", "NULL" },
		{ "#18446744073709551615", COLUMN_INTEGER, "18446744073709551615", "18446744073709551615" },
		{ "42", COLUMN_INTEGER, "42", "42" },
		{ "4x2", COLUMN_INTEGER, "'4x2'", "'4x2'" },
		{ "1 OR 1", COLUMN_INTEGER, "'1 OR 1'", "'1 OR 1'" },
		{ "007", COLUMN_INTEGER, "'007'", "'007'" },
		{ "", COLUMN_INTEGER, "''", "''" },
		{ "#12.50", COLUMN_DECIMAL, "12.50", "12.5" },
		{ "12.50", COLUMN_DECIMAL, "12.50", "12.5" },
		{ "-0.5", COLUMN_DECIMAL, "-0.5", "-0.5" },
		{ "00.5", COLUMN_DECIMAL, "'00.5'", "'00.5'" },
		{ ".5", COLUMN_DECIMAL, "'.5'", "'.5'" },
		{ "5.", COLUMN_DECIMAL, "'5.'", "'5.'" },
		{ "1.2.3", COLUMN_DECIMAL, "'1.2.3'", "'1.2.3'" },
		{ "-.1", COLUMN_INTEGER, "'-.1'", "'-.1'" },
		{ "1.5x", COLUMN_BIT, "'1.5x'", "'1.5x'" },
		{ "1.5", COLUMN_DOUBLE, "1.5e0", "1.5e0" },
		{ "1234567890123456789012345678.90", COLUMN_DECIMAL, "1234567890123456789012345678.9", NULL },
		{ "#1.5e3", COLUMN_DECIMAL, "1500", "1500" },
		{ "#-15E-4", COLUMN_DECIMAL, "-0.0015", "-0.0015" },
		{ "#1e90", COLUMN_DECIMAL, "'1e90'", "'1e90'" },
		{ "#0.1", COLUMN_DOUBLE, "0.1e0", "0.1e0" },
		{ "#1e-7", COLUMN_DOUBLE, "1e-7", "(7555786372591432*1.0/4503599627370496/16777216)" },
		{ "#3.4028235e38", COLUMN_FLOAT, "3.4028234663852886e+38", NULL },
		{ "#-340282350000000000000000000000000000000", COLUMN_FLOAT, "-3.4028234663852886e+38", NULL },
		{ "#3.5e38", COLUMN_FLOAT, "3.5e38", NULL },
		{ "#5", COLUMN_TEXT, "'5'", "'5'" },
		{ "#5", COLUMN_ENUM, "5", "5" },
		{ "5", COLUMN_ENUM, "'5'", "'5'" },
		{ "?t", COLUMN_BIT, "1", "1" },
		{ "?f", COLUMN_INTEGER, "0", "0" },
		{ "?t", COLUMN_TEXT, "'true'", "'true'" },
		{ "#7", COLUMN_BIT, "7", "7" },
		{ "$\x01\xff", COLUMN_BIT, "x'01ff'", "x'01ff'" },
		{ "$", COLUMN_BYTES, "x''", "x''" },
		{ "it's", COLUMN_TEXT, "'it\\'s'", "'it''s'" },
		{ "a\\b", COLUMN_TEXT, "'a\\\\b'", "'a\\b'" },
		{ "'0123456789abcdef0123456789abcde'\\", COLUMN_TEXT, "'\\'0123456789abcdef0123456789abcde\\'\\\\'",
		  "'''0123456789abcdef0123456789abcde''\\'" },
		{ "0123456789abcde\\0123456789abcdef0123", COLUMN_TEXT, "'0123456789abcde\\\\0123456789abcdef0123'",
		  "'0123456789abcde\\0123456789abcdef0123'" },
		{ "2024-01-31", COLUMN_DATE, "'2024-01-31'", "'2024-01-31'" },
		{ "#5", COLUMN_JSON, "'5'", "'5'" },
		{ "#5", COLUMN_UNKNOWN, "5", "5" },
		{ "#12345678901234567890", COLUMN_UNKNOWN, "'12345678901234567890'", "'12345678901234567890'" },
	};
	struct buf out = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct target_column column = { .type = cases[i].type };
		struct value value = changes_value(cases[i].value);

		buf_clear(&out);
		sql_value(&out, SQL_MYSQL, &value, &column);
		assert_string_equal(buf_cstr(&out), cases[i].mysql);
		buf_clear(&out);
		sql_value(&out, SQL_SQLITE, &value, &column);
		if (cases[i].sqlite) /* how it writes its doubles has a test of its own */
			assert_string_equal(buf_cstr(&out), cases[i].sqlite);
	}
	buf_free(&out);
}

static void literals_of_odd_bytes(void **state)
{
	const struct target_column text = { .type = COLUMN_TEXT, .default_sql = SLICE("1 + 1") }, binary = { .type = COLUMN_BINARY, .length = 4 };
	struct value nul = { .p = "a\0b", .n = 3, .kind = VALUE_TEXT }, ab = { .p = "ab", .n = 2, .kind = VALUE_BYTES };
	struct value standard = { .kind = VALUE_DEFAULT };
	struct buf out = BUF_INIT;

	(void)state;
	sql_value(&out, SQL_MYSQL, &nul, &text);
	sql_value(&out, SQL_SQLITE, &nul, &text);
	sql_value(&out, SQL_MYSQL, &ab, &binary);
	ab.kind = VALUE_TEXT;
	sql_value(&out, SQL_MYSQL, &ab, &binary);
	sql_value(&out, SQL_SQLITE, &standard, &text);
	assert_string_equal(buf_cstr(&out), "'a\\0b'CAST(x'610062' AS TEXT)x'61620000'x'61620000'(1 + 1)");
	buf_clear(&out);
	nul.p = "\\'\\", nul.n = 3;
	sql_value(&out, SQL_MYSQL_NO_BACKSLASH, &nul, &text);
	assert_string_equal(buf_cstr(&out), "'\\''\\'");
	buf_free(&out);
}

static void merged_rows_are_deletes_then_upserts_of_the_same_columns(void **state)
{
	struct fixture *f = *state;

	UPSERT("#2", "b", "#2");
	UPSERT("#1", "a", "=");
	UPSERT("#3", "-", "#3");
	DELETE("#5");
	DELETE("#4");
	UPDATE("#6", "u", "-");
	UPDATE("#7", "-", "-");
	assert_rows(SQL_MYSQL, "DELETE FROM `dw`.`orders` WHERE `id` IN (4,5);\n"
			       "INSERT INTO `dw`.`orders` (`id`, `sku`, `a``b`) VALUES\n(1,'a',DEFAULT),\n(2,'b',2)\n"
			       "ON DUPLICATE KEY UPDATE `sku` = VALUES(`sku`), `a``b` = VALUES(`a``b`);\n"
			       "INSERT INTO `dw`.`orders` (`id`, `a``b`) VALUES\n(3,3)\nON DUPLICATE KEY UPDATE `a``b` = VALUES(`a``b`);\n"
			       "UPDATE `dw`.`orders` SET `sku` = 'u' WHERE `id` = 6;\n");
	assert_rows(SQL_SQLITE, "DELETE FROM `dw`.`orders` WHERE `id` IN (4,5);\n"
				"INSERT INTO `dw`.`orders` (`id`, `sku`, `a``b`) VALUES\n(1,'a',NULL),\n(2,'b',2)\n"
				"ON CONFLICT DO UPDATE SET `sku` = excluded.`sku`, `a``b` = excluded.`a``b`;\n"
				"INSERT INTO `dw`.`orders` (`id`, `a``b`) VALUES\n(3,3)\nON CONFLICT DO UPDATE SET `a``b` = excluded.`a``b`;\n"
				"UPDATE `dw`.`orders` SET `sku` = 'u' WHERE `id` = 6;\n");
}

static void a_table_of_key_columns_alone(void **state)
{
	struct fixture *f = *state;

	f->orders->count = 2;
	f->orders->key_count = 2;
	f->orders->key[1] = 1;
	UPSERT("#1", "a");
	changes_add(f->changes, f->orders, CHANGE_DELETE, ROW("#2", "b"));
	changes_add(f->changes, f->orders, CHANGE_DELETE, ROW("#2", "c"));
	assert_rows(SQL_MYSQL, "DELETE FROM `dw`.`orders` WHERE `id` = 2 AND `sku` IN ('b','c');\n"
			       "INSERT INTO `dw`.`orders` (`id`, `sku`) VALUES\n(1,'a')\nON DUPLICATE KEY UPDATE `id` = VALUES(`id`);\n");
	changes_add(f->changes, f->orders, CHANGE_DELETE, ROW("#3", "c"));
	assert_rows(SQL_MYSQL, "DELETE FROM `dw`.`orders` WHERE (`id`, `sku`) IN ((2,'b'),(2,'c'),(3,'c'));\n"
			       "INSERT INTO `dw`.`orders` (`id`, `sku`) VALUES\n(1,'a')\nON DUPLICATE KEY UPDATE `id` = VALUES(`id`);\n");
	assert_rows(SQL_SQLITE, "DELETE FROM `dw`.`orders` WHERE (`id`, `sku`) IN (VALUES (2,'b'),(2,'c'),(3,'c'));\n"
				"INSERT INTO `dw`.`orders` (`id`, `sku`) VALUES\n(1,'a')\nON CONFLICT DO NOTHING;\n");
	f->changes->events[0]->outcome = f->changes->events[1]->outcome = f->changes->events[3]->outcome = OUTCOME_DEAD;
	assert_rows(SQL_MYSQL, "DELETE FROM `dw`.`orders` WHERE `id` = 2 AND `sku` = 'c';\n");
	assert_rows(SQL_SQLITE, "DELETE FROM `dw`.`orders` WHERE `id` = 2 AND `sku` = 'c';\n");
	f->orders->has_primary_key = false;
	changes_add(f->changes, f->orders, CHANGE_DELETE, ROW("#2", "~"));
	f->changes->events[1]->outcome = OUTCOME_PENDING;
	assert_rows(SQL_MYSQL, "DELETE FROM `dw`.`orders` WHERE `id` = 2 AND `sku` IN ('b','c');\n"
			       "DELETE FROM `dw`.`orders` WHERE `id` = 2 AND `sku` <=> NULL;\n");
	assert_rows(SQL_SQLITE, "DELETE FROM `dw`.`orders` WHERE `id` = 2 AND `sku` IN ('b','c');\n"
				"DELETE FROM `dw`.`orders` WHERE `id` = 2 AND `sku` IS NULL;\n");
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)); text++)
		count++;
	return count;
}

static void a_statement_names_no_more_keys_than_it_should(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < SQL_STATEMENT_ROWS_MOST + 1; i++)
		DELETE(arena_printf(&f->changes->arena, "#%d", i).p);
	assert_int_equal(count_of(statements_of(&f->made, f->changes, SQL_MYSQL, SQL_ROWS), "DELETE"), 2);
}

static void nor_more_bytes_of_them(void **state)
{
	struct fixture *f = *state;

	f->orders->key[0] = 1;
	for (int i = 0; i < 3; i++) {
		char *key = arena_alloc(&f->changes->arena, SQL_STATEMENT_BYTES_MOST / 2 + 2);

		memset(key, 'a' + i, SQL_STATEMENT_BYTES_MOST / 2 + 1);
		key[SQL_STATEMENT_BYTES_MOST / 2 + 1] = 0;
		changes_add(f->changes, f->orders, CHANGE_DELETE, ROW("-", key, "-"));
	}
	assert_int_equal(count_of(statements_of(&f->made, f->changes, SQL_MYSQL, SQL_ROWS), "DELETE"), 2);
}

/* In the order in which they came, since the database alone can tell whether they are one. */
static void a_key_with_a_null_is_no_part_of_a_list(void **state)
{
	struct fixture *f = *state;

	f->orders->key_exact = false;
	f->orders->key[0] = 1;
	changes_add(f->changes, f->orders, CHANGE_DELETE, ROW("-", "~", "-"));
	changes_add(f->changes, f->orders, CHANGE_DELETE, ROW("-", "a", "-"));
	changes_add(f->changes, f->orders, CHANGE_DELETE, ROW("-", "b", "-"));
	assert_rows(SQL_MYSQL, "DELETE FROM `dw`.`orders` WHERE `sku` <=> NULL;\nDELETE FROM `dw`.`orders` WHERE `sku` IN ('a','b');\n");
}

static void generated_columns_are_never_written(void **state)
{
	struct fixture *f = *state;

	f->orders->columns[2].generated = true;
	UPSERT("#1", "a", "#5");
	UPDATE("#2", "b", "#5");
	assert_rows(SQL_MYSQL, "INSERT INTO `dw`.`orders` (`id`, `sku`) VALUES\n(1,'a')\nON DUPLICATE KEY UPDATE `sku` = VALUES(`sku`);\n"
			       "UPDATE `dw`.`orders` SET `sku` = 'b' WHERE `id` = 2;\n");
}

static void whole_rows_beside_another_unique_key_are_deleted_and_inserted(void **state)
{
	struct fixture *f = *state;

	f->orders->other_unique = true;
	UPSERT("#2", "b", "#2");
	DELETE("#3");
	UPSERT("#1", "a", "#1");
	assert_rows(SQL_MYSQL, "DELETE FROM `dw`.`orders` WHERE `id` IN (3,1,2);\n"
			       "INSERT INTO `dw`.`orders` (`id`, `sku`, `a``b`) VALUES\n(1,'a',1),\n(2,'b',2);\n");
}

static void parts_of_rows_beside_another_unique_key_meet_their_own_row_only(void **state)
{
	struct fixture *f = *state;

	f->orders->other_unique = true;
	UPSERT("#2", "b", "-");
	UPSERT("#3", "=", "#3");
	assert_rows(SQL_MYSQL, "UPDATE `dw`.`orders` SET `sku` = 'b' WHERE `id` = 2;\n"
			       "INSERT INTO `dw`.`orders` (`id`, `sku`) SELECT 2, 'b' FROM DUAL WHERE NOT EXISTS "
			       "(SELECT 1 FROM `dw`.`orders` WHERE `id` = 2);\n"
			       "UPDATE `dw`.`orders` SET `sku` = DEFAULT, `a``b` = 3 WHERE `id` = 3;\n"
			       "INSERT INTO `dw`.`orders` (`id`, `a``b`) SELECT 3, 3 FROM DUAL WHERE NOT EXISTS "
			       "(SELECT 1 FROM `dw`.`orders` WHERE `id` = 3);\n");
}

static void changes_in_order_share_statements_only_while_the_order_allows(void **state)
{
	struct fixture *f = *state;

	f->orders->key_exact = f->orders->columns[0].exact = false;
	UPSERT("#2", "b", "#2");
	UPSERT("#1", "a", "#1");
	UPSERT("#2", "c", "#2");
	DELETE("#9");
	DELETE("#8");
	UPSERT("#9", "d", "#9");
	assert_rows(SQL_MYSQL, "INSERT INTO `dw`.`orders` (`id`, `sku`, `a``b`) VALUES\n(2,'b',2),\n(1,'a',1),\n(2,'c',2)\n"
			       "ON DUPLICATE KEY UPDATE `id` = VALUES(`id`), `sku` = VALUES(`sku`), `a``b` = VALUES(`a``b`);\n"
			       "DELETE FROM `dw`.`orders` WHERE `id` IN (9,8);\n"
			       "INSERT INTO `dw`.`orders` (`id`, `sku`, `a``b`) VALUES\n(9,'d',9)\n"
			       "ON DUPLICATE KEY UPDATE `id` = VALUES(`id`), `sku` = VALUES(`sku`), `a``b` = VALUES(`a``b`);\n");
}

static void a_row_that_lacks_a_required_column_is_updated_first(void **state)
{
	struct fixture *f = *state;

	f->orders->columns[1].nullable = false;
	UPSERT("#1", "-", "#1");
	assert_rows(SQL_MYSQL, "UPDATE `dw`.`orders` SET `a``b` = 1 WHERE `id` = 1;\n"
			       "INSERT INTO `dw`.`orders` (`id`, `sku`, `a``b`) SELECT 1, NULL, 1 FROM DUAL WHERE NOT EXISTS "
			       "(SELECT 1 FROM `dw`.`orders` WHERE `id` = 1);\n");
}

static void statements_have_a_size(void **state)
{
	struct fixture *f = *state;
	char(*ids)[16] = calloc(5000, sizeof *ids), *wide = calloc(1, 400001);
	size_t from = 0, rows = 0;

	for (int i = 0; i < 5000; i++) {
		snprintf(ids[i], sizeof ids[i], "#%d", i);
		UPSERT(ids[i], "a", "#1");
	}
	statements_build(&f->made, f->changes, SQL_MYSQL);
	assert_int_equal(f->made.sql.count, 5);
	f->changes->tx.count = 0;
	memset(wide, 'w', 400000);
	for (int i = 0; i < 10; i++)
		UPSERT(ids[i], wide, "#1");
	statements_build(&f->made, f->changes, SQL_MYSQL);
	for (size_t i = 0; i < f->made.sql.count; from = f->made.sql.ends[i++]) {
		assert_true(f->made.sql.ends[i] - from < SQL_STATEMENT_BYTES_MOST + 500000);
		assert_memory_equal(f->made.sql.text.p + f->made.sql.ends[i] - 2, ";\n", 2);
		rows += f->made.sql.parts[i] == SQL_ROWS;
	}
	assert_int_equal(rows, 4);
	free(ids);
	free(wide);
}

static void progress_stands_first_and_is_guarded(void **state)
{
	const struct progress_row rows[] = {
		{ .topic = SLICE("it's"),
		  .partition = 3,
		  .lane = 1,
		  .next_offset = 40,
		  .done = SLICE("\x01\x02"),
		  .epoch = 7,
		  .seq = 9,
		  .watermark = INT64_MIN },
		{ .topic = SLICE("b"), .partition = 4, .lane = 1, .next_offset = 50, .done = { NULL, 0 }, .epoch = 8, .seq = 2, .watermark = 12 },
	};
	struct fixture *f = *state;

	f->changes->tx.progress = rows;
	f->changes->tx.progress_count = 2;
	assert_string_equal(
		statements_of(&f->made, f->changes, SQL_MYSQL, SQL_PROGRESS),
		"INSERT INTO streamlua_progress (job, topic, `partition`, lane, next_offset, done, epoch, seq, watermark, script_version) VALUES\n"
		"('shop', 'it\\'s', 3, 1, 40, x'0102', 7, 9, NULL, '0123456789abcdef'),\n"
		"('shop', 'b', 4, 1, 50, x'', 8, 2, 12, '0123456789abcdef')\n"
		"ON DUPLICATE KEY UPDATE epoch = IF(epoch = VALUES(epoch) AND seq = VALUES(seq) - 1, VALUES(epoch), NULL), seq = VALUES(seq), "
		"next_offset = VALUES(next_offset), done = VALUES(done), watermark = VALUES(watermark), script_version = VALUES(script_version);\n"
		"UPDATE streamlua_progress SET epoch = IF(ROW_COUNT() = 4, epoch, NULL) "
		"WHERE job = 'shop' AND topic = 'it\\'s' AND `partition` = 3 AND lane = 1;\n");
	assert_int_equal(f->made.sql.parts[0], SQL_BEGIN);
	assert_int_equal(f->made.sql.parts[1], SQL_PROGRESS);
	assert_int_equal(f->made.sql.parts[f->made.sql.count - 1], SQL_COMMIT);
	statements_build(&f->made, f->changes, SQL_SQLITE);
	assert_int_equal(f->made.sql.count, 4);
}

static void a_dead_letter_has_the_message_as_bytes(void **state)
{
	const struct header headers[] = { { SLICE("a"), SLICE("1") }, { SLICE("b"), { NULL, 0 } } };
	struct fixture *f = *state;
	struct event *event;

	UPSERT("#1", "a", "#1");
	event = f->changes->events[0];
	event->outcome = OUTCOME_DEAD;
	event->stage = STAGE_SCRIPT;
	event->error = SLICE("bad \xff 'x'");
	event->database = SLICE("shop");
	event->table = SLICE("orders");
	event->script_version = SLICE("v7");
	f->changes->message.headers = headers;
	f->changes->message.header_count = 2;
	assert_string_equal(
		statements_of(&f->made, f->changes, SQL_MYSQL, SQL_DEAD_LETTERS),
		"INSERT INTO streamlua_dead_letters (job, topic, `partition`, `offset`, source_table, stage, error, script_version, `key`, `value`, "
		"headers, part, time_ms, progress_topic, progress_partition, progress_offset) VALUES\n('shop', 'shop.orders', 3, 42, 'shop.orders', "
		"'script', 'bad ? \\'x\\'', 'v7', x'6b', x'76ff', "
		"'[\"a\",\"1\",\"b\",null]', 0, 0, NULL, NULL, NULL);\n");
	assert_rows(SQL_MYSQL, "");
}

static void keep_line(void *ctx, struct slice text)
{
	buf_slice(ctx, text);
	buf_char(ctx, '\n');
}

static void people_see_statements_without_bytes(void **state)
{
	const struct progress_row row = { .topic = SLICE("t"), .lane = 1, .next_offset = 40, .done = SLICE("\x01"), .seq = 1 };
	struct fixture *f = *state;

	f->changes->tx.progress = &row;
	f->changes->tx.progress_count = 1;
	DELETE("#1");
	DELETE("#2");
	f->changes->events[1]->outcome = OUTCOME_DEAD;
	f->changes->events[1]->error = SLICE("two\nlines");
	statements_build(&f->made, f->changes, SQL_MYSQL);
	buf_clear(&f->made.text);
	sql_show(&f->made.sql, &f->changes->tx, keep_line, &f->made.text);
	assert_string_equal(buf_cstr(&f->made.text),
			    "BEGIN;\n-- progress of t:0, lane 1: everything below 40 is done\n"
			    "DELETE FROM `dw`.`orders` WHERE `id` = 1;\n-- dead letter shop.orders:3:42: two lines\nCOMMIT;\n");
}

#define NULLS "SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
#define GUARD "INSERT INTO streamlua_parked (job, topic, `partition`, `offset`, part, `keys`, time_ms, script_version) " NULLS

static void rows_that_updates_wait_for_are_guarded(void **state)
{
	struct fixture *f = *state;

	f->orders->parks = true;
	UPSERT("#1", "a", "1");
	assert_string_equal(statements_of(&f->made, f->changes, SQL_MYSQL, SQL_GUARD), "");
	UPDATE("#3", "c", "-")->waits = true;
	UPDATE("#2", "b", "-")->waits = true;
	UPDATE("#4", "d", "-");
	assert_string_equal(statements_of(&f->made, f->changes, SQL_MYSQL, SQL_GUARD),
			    GUARD " FROM DUAL WHERE (SELECT COUNT(*) FROM `dw`.`orders` WHERE `id` IN (2,3)) <> 2;\n");
	assert_string_equal(statements_of(&f->made, f->changes, SQL_SQLITE, SQL_GUARD),
			    GUARD " WHERE (SELECT COUNT(*) FROM `dw`.`orders` WHERE `id` IN (2,3)) <> 2;\n");
	f->orders->key_count = 2;
	f->orders->key[1] = 1;
	assert_string_equal(statements_of(&f->made, f->changes, SQL_MYSQL, SQL_GUARD),
			    GUARD " FROM DUAL WHERE (SELECT COUNT(*) FROM `dw`.`orders` WHERE (`id`, `sku`) IN ((2,'b'),(3,'c'))) <> 2;\n");
	assert_string_equal(statements_of(&f->made, f->changes, SQL_SQLITE, SQL_GUARD),
			    GUARD " WHERE (SELECT COUNT(*) FROM `dw`.`orders` WHERE (`id`, `sku`) IN (VALUES (2,'b'),(3,'c'))) <> 2;\n");
	f->changes->events[1]->outcome = OUTCOME_DEAD;
	assert_string_equal(statements_of(&f->made, f->changes, SQL_MYSQL, SQL_GUARD),
			    GUARD " FROM DUAL WHERE (SELECT COUNT(*) FROM `dw`.`orders` WHERE `id` = 2 AND `sku` = 'b') <> 1;\n");
}

static void changes_in_order_are_guarded_one_by_one(void **state)
{
	struct fixture *f = *state;

	f->orders->parks = true;
	f->orders->key_exact = false;
	UPDATE("#1", "a", "-")->waits = true;
	UPDATE("#2", "b", "-")->waits = true;
	DELETE("#1"); /* takes the first along */
	assert_string_equal(statements_of(&f->made, f->changes, SQL_MYSQL, SQL_GUARD),
			    GUARD " FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `dw`.`orders` WHERE `id` = 2);\n");
}

static void what_is_missing_is_asked_and_marked_by_the_question(void **state)
{
	struct fixture *f = *state;

	UPDATE("#1", "a", "-")->waits = true;
	UPDATE("#2", "b", "-");
	UPDATE("#3", "c", "-")->waits = true;
	f->changes->events[2]->outcome = OUTCOME_DEAD;
	UPDATE("#4", "d", "-")->waits = true;
	buf_clear(&f->made.text);
	assert_int_equal(sql_parked_probe(&f->made.text, SQL_MYSQL, &f->changes->tx), 2);
	assert_string_equal(buf_cstr(&f->made.text), "SELECT 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `dw`.`orders` WHERE `id` = 1);\n"
						     "SELECT 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM `dw`.`orders` WHERE `id` = 4);\n");
	sql_parked_missed(&f->changes->tx, 1);
	assert_false(f->changes->events[0]->missed);
	assert_true(f->changes->events[3]->missed && f->changes->events[3]->changes->missed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(literals_keep_every_digit_and_byte),
		TEST(literals_of_odd_bytes),
		TEST(merged_rows_are_deletes_then_upserts_of_the_same_columns),
		TEST(a_table_of_key_columns_alone),
		TEST(a_statement_names_no_more_keys_than_it_should),
		TEST(nor_more_bytes_of_them),
		TEST(a_key_with_a_null_is_no_part_of_a_list),
		TEST(generated_columns_are_never_written),
		TEST(whole_rows_beside_another_unique_key_are_deleted_and_inserted),
		TEST(parts_of_rows_beside_another_unique_key_meet_their_own_row_only),
		TEST(changes_in_order_share_statements_only_while_the_order_allows),
		TEST(a_row_that_lacks_a_required_column_is_updated_first),
		TEST(statements_have_a_size),
		TEST(rows_that_updates_wait_for_are_guarded),
		TEST(changes_in_order_are_guarded_one_by_one),
		TEST(what_is_missing_is_asked_and_marked_by_the_question),
		TEST(progress_stands_first_and_is_guarded),
		TEST(a_dead_letter_has_the_message_as_bytes),
		TEST(people_see_statements_without_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
