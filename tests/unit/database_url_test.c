/* Addresses of databases: what they say, and what is said of those that are none, never with the password in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/database_url.h"
#include "run/from_db.h"

static struct database_url url;
static struct error err;

static int parse(const char *text)
{
	err.text[0] = 0;
	return database_url_parse(&url, text, &err);
}

static void a_server_is_named_with_all_its_parts(void **state)
{
	(void)state;
	assert_int_equal(parse("mysql://sync:se:cr@t@db.example:3307/shop"), 0);
	assert_string_equal(url.kind, "mysql");
	assert_string_equal(url.user, "sync");
	assert_string_equal(url.password, "se:cr@t");
	assert_true(url.has_password);
	assert_string_equal(url.host, "db.example");
	assert_int_equal(url.port, 3307);
	assert_string_equal(url.database, "shop");
}

static void what_is_left_out_has_its_default(void **state)
{
	(void)state;
	assert_int_equal(parse("TiDB://root@10.0.0.1/dw"), 0);
	assert_string_equal(url.kind, "tidb");
	assert_int_equal(url.port, 4000);
	assert_false(url.has_password);
	assert_int_equal(parse("mariadb://root:@h/dw"), 0);
	assert_int_equal(url.port, 3306);
	assert_true(url.has_password);
	assert_string_equal(url.password, "");
	assert_int_equal(parse("mysql://u@[::1]:3308/dw"), 0);
	assert_string_equal(url.host, "::1");
	assert_int_equal(url.port, 3308);
	assert_int_equal(parse("mysql://u@[::1]/dw"), 0);
	assert_int_equal(url.port, 3306);
}

static void bytes_may_be_written_in_hexadecimal(void **state)
{
	(void)state;
	assert_int_equal(parse("mysql://a%40b:p%2Fq%25@h/sh%6fp%2D1"), 0);
	assert_string_equal(url.user, "a@b");
	assert_string_equal(url.password, "p/q%");
	assert_string_equal(url.database, "shop-1");
}

static void a_file_of_sqlite_is_a_path(void **state)
{
	(void)state;
	assert_int_equal(parse("sqlite:dir/target.db"), 0);
	assert_string_equal(url.kind, "sqlite");
	assert_string_equal(url.database, "dir/target.db");
	assert_int_equal(parse("sqlite:///tmp/target.db"), 0);
	assert_string_equal(url.database, "/tmp/target.db");
}

static void what_is_wrong_is_said_without_the_password(void **state)
{
	static const struct {
		const char *text, *says;
	} wrong[] = {
		{ "", "no database's address" },
		{ "postgres://u:secret@h/d", "no database's address" },
		{ "mysql:u:secret@h/d", "no database's address" },
		{ "mysql://h/d", "the user is missing" },
		{ "mysql://:secret@h/d", "the user is missing" },
		{ "mysql://u:secret@/d", "the host is missing" },
		{ "mysql://u:secret@:3306/d", "the host is missing" },
		{ "mysql://u:secret@h", "the database is missing" },
		{ "mysql://u:secret@h/", "the database is missing" },
		{ "mysql://u:secret@h:0/d", "the port" },
		{ "mysql://u:secret@h:65536/d", "the port" },
		{ "mysql://u:secret@h:secret/d", "the port" },
		{ "mysql://u:secret@[::1/d", "has no ]" },
		{ "mysql://u:secret@[::1]x/d", "has no ]" },
		{ "mysql://u:secret@h/d?tls=true", "nothing follows" },
		{ "mysql://u:secret@h/d/e", "nothing follows" },
		{ "mysql://u:secret%@h/d", "the password has a %" },
		{ "mysql://u:secret%00@h/d", "the password has a %" },
		{ "sqlite:", "path" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(parse(wrong[i].text), -1);
		if (!strstr(err.text, wrong[i].says) || strstr(err.text, "secret"))
			fail_msg("%s: %s", wrong[i].text, err.text);
	}
}

static void no_part_is_longer_than_its_place(void **state)
{
	char text[9000] = "sqlite:";

	(void)state;
	memset(text + 7, 'a', 5000);
	assert_int_equal(parse(text), -1);
	memcpy(text, "mysql://", 8);
	strcpy(text + 5000, "@h/d");
	assert_int_equal(parse(text), -1);
	assert_non_null(strstr(err.text, "the user is too long"));
}

/* What `ps` shows of the process. */
static void the_password_is_gone_from_the_word(void **state)
{
	char with[] = "mysql://sync:secret@h/shop", without[] = "mysql://sync@h:3306/shop", wrong[] = "mysql://sync:secret@h";

	(void)state;
	assert_int_equal(from_db_open(&url, with, &err), 0);
	assert_string_equal(with, "mysql://sync:xxxxxx@h/shop");
	assert_string_equal(url.password, "secret");
	from_db_open(&url, wrong, &err);
	assert_string_equal(wrong, "mysql://sync:xxxxxx@h");
	setenv(FROM_DB_PASSWORD, "of the environment", 1);
	assert_int_equal(from_db_open(&url, without, &err), 0);
	assert_string_equal(without, "mysql://sync@h:3306/shop");
	assert_string_equal(url.password, "of the environment");
	unsetenv(FROM_DB_PASSWORD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_named_with_all_its_parts),       cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(bytes_may_be_written_in_hexadecimal),        cmocka_unit_test(a_file_of_sqlite_is_a_path),
		cmocka_unit_test(what_is_wrong_is_said_without_the_password), cmocka_unit_test(no_part_is_longer_than_its_place),
		cmocka_unit_test(the_password_is_gone_from_the_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
