/* What the MySQL-protocol sink says of tables, of a server that cannot be used, and of errors. */
#include "io/mysql_errors.h"
#include "support/mysql_fixture.h"

static struct mariadb db;

static char certificates[64]; /* a folder; "" where there is nothing to make them with */

/* A server with a certificate for "localhost", signed by an authority that only its own file knows. */
static int start_server(void **state)
{
	char text[1024];

	(void)state;
	snprintf(certificates, sizeof certificates, "/tmp/streamlua-tls-XXXXXX");
	assert_non_null(mkdtemp(certificates));
	snprintf(text, sizeof text,
		 "cd %s && { openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem && "
		 "openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem && "
		 "openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out cert.pem; } 2>/dev/null >&2",
		 certificates);
	if (system(text) == 0) {
		snprintf(text, sizeof text, "--ssl-ca=%s/ca.pem --ssl-cert=%s/cert.pem --ssl-key=%s/key.pem", certificates, certificates,
			 certificates);
		setenv("MARIADB_OPTIONS", text, 1);
	} else {
		assert_int_equal(rmdir(certificates), 0);
		certificates[0] = 0;
	}
	mariadb_start(&db);
	return 0;
}

static int stop_server(void **state)
{
	char text[128];

	(void)state;
	mariadb_remove(&db);
	snprintf(text, sizeof text, "rm -rf %s", certificates);
	return certificates[0] ? system(text) : 0;
}

static const struct target_column *column(const struct target *target, const char *name)
{
	int found = target_find(target, slice_of(name));

	assert_true(found >= 0);
	return &target->columns[found];
}

static void assert_column(const struct target *target, const char *name, enum column_type type, uint32_t length, int scale)
{
	const struct target_column *found = column(target, name);

	if (found->type != type || found->length != length || found->scale != scale)
		fail_msg("%s: type %d, length %u, scale %d", name, found->type, found->length, found->scale);
}

static void describe(struct fixture *f, struct target *target, const char *name)
{
	struct error err;

	*target = (struct target){ .name = slice_of(name), .id = 7, .arena = &f->arena };
	if (f->sink->ops->describe(f->sink, target, &err) < 0)
		fail_msg("%s", err.text);
}

static void columns_are_described_as_they_are(void **state)
{
	struct fixture f;
	const struct target *t = &f.target;

	(void)state;
	fixture_open(
		&f, &db, "described",
		"CREATE TABLE t (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, tiny TINYINT NOT NULL DEFAULT 5, small SMALLINT, medium MEDIUMINT, "
		"wide INT(10) UNSIGNED ZEROFILL, price DECIMAL(12,3), f FLOAT, d DOUBLE, flags BIT(12), c CHAR(3), v VARCHAR(20) DEFAULT 'NULL', l "
		"LONGTEXT, "
		"b BINARY(4), vb VARBINARY(9), bl MEDIUMBLOB, e ENUM('a','bcd'), s SET('x','y'), j JSON, day DATE, at DATETIME(3), ts TIMESTAMP(6) "
		"NULL, "
		"took TIME(2), y YEAR, place POINT, twice INT AS (tiny * 2) VIRTUAL, thrice INT AS (tiny * 3) STORED)");
	assert_true(t->exists && t->has_primary_key && t->key_exact && !t->other_unique && !t->open);
	assert_int_equal(t->count, 26);
	assert_int_equal(t->key_count, 1);
	assert_int_equal(t->key[0], 0);
	assert_column(t, "id", COLUMN_INTEGER, 64, 0);
	assert_true(column(t, "id")->is_unsigned && column(t, "id")->auto_increment && !column(t, "id")->nullable && column(t, "id")->exact);
	assert_true(slice_is(column(t, "id")->sql_type, "bigint(20) unsigned"));
	assert_column(t, "tiny", COLUMN_INTEGER, 8, 0);
	assert_true(column(t, "tiny")->has_default && !column(t, "tiny")->is_unsigned && !column(t, "tiny")->auto_increment);
	assert_column(t, "small", COLUMN_INTEGER, 16, 0);
	assert_true(column(t, "small")->nullable && !column(t, "small")->has_default);
	assert_column(t, "medium", COLUMN_INTEGER, 24, 0);
	assert_column(t, "wide", COLUMN_INTEGER, 32, 0);
	assert_true(column(t, "wide")->is_unsigned);
	assert_column(t, "price", COLUMN_DECIMAL, 12, 3);
	assert_column(t, "f", COLUMN_FLOAT, 0, 0);
	assert_column(t, "d", COLUMN_DOUBLE, 0, 0);
	assert_column(t, "flags", COLUMN_BIT, 12, 0);
	assert_column(t, "c", COLUMN_TEXT, 3, 0);
	assert_column(t, "v", COLUMN_TEXT, 20, 0);
	assert_true(column(t, "v")->has_default && !column(t, "v")->exact);
	assert_column(t, "l", COLUMN_TEXT, UINT32_MAX, 0);
	assert_column(t, "b", COLUMN_BINARY, 4, 0);
	assert_column(t, "vb", COLUMN_BYTES, 9, 0);
	assert_true(column(t, "vb")->exact && !column(t, "vb")->pads);
	assert_column(t, "bl", COLUMN_BYTES, 16777215, 0);
	assert_column(t, "e", COLUMN_ENUM, 3, 0);
	assert_column(t, "s", COLUMN_SET, 3, 0);
	assert_int_equal(column(t, "j")->type, COLUMN_JSON);
	assert_column(t, "day", COLUMN_DATE, 0, 0);
	assert_column(t, "at", COLUMN_DATETIME, 0, 3);
	assert_column(t, "ts", COLUMN_TIMESTAMP, 0, 6);
	assert_column(t, "took", COLUMN_TIME, 0, 2);
	assert_column(t, "y", COLUMN_YEAR, 0, 0);
	assert_column(t, "place", COLUMN_GEOMETRY, 0, 0);
	assert_true(column(t, "twice")->generated && column(t, "thrice")->generated && !column(t, "tiny")->generated);
	fixture_close(&f);
}

static void keys_and_collations_decide_what_can_be_merged(void **state)
{
	struct fixture f;
	struct target t;

	(void)state;
	fixture_open(
		&f, &db, "collated",
		"CREATE TABLE t (b INT, a VARCHAR(9) COLLATE utf8mb4_bin, n INT UNIQUE, PRIMARY KEY (a, b)) CHARSET utf8mb4; "
		"CREATE TABLE folds (a VARCHAR(9) PRIMARY KEY) COLLATE utf8mb4_general_ci; "
		"CREATE TABLE nopad (a VARCHAR(9) COLLATE utf8mb4_nopad_bin, c CHAR(9) COLLATE utf8mb4_nopad_bin, l VARCHAR(9) COLLATE latin1_bin, "
		"PRIMARY KEY (a, c, l)) CHARSET utf8mb4; "
		"CREATE TABLE prefix (a BLOB, PRIMARY KEY (a(3))); "
		"CREATE TABLE keyless (a INT); "
		"CREATE TABLE Keyless (x INT, y INT, z INT, PRIMARY KEY (y))");
	assert_int_equal(f.target.key_count, 2);
	assert_int_equal(f.target.key[0], 1);
	assert_int_equal(f.target.key[1], 0);
	assert_true(f.target.key_exact && f.target.other_unique && column(&f.target, "a")->pads && !column(&f.target, "b")->pads);
	describe(&f, &t, "folds");
	assert_true(t.has_primary_key && !t.key_exact && !t.other_unique);
	assert_int_equal(t.id, 7);
	describe(&f, &t, "nopad");
	assert_true(t.key_exact && !column(&t, "a")->pads && column(&t, "c")->pads && column(&t, "l")->pads);
	describe(&f, &t, "prefix");
	assert_true(t.has_primary_key && !t.key_exact);
	describe(&f, &t, "keyless");
	assert_true(t.exists && !t.has_primary_key && !t.key_exact && t.key_count == 0);
	assert_int_equal(t.count, 1);
	describe(&f, &t, "Keyless");
	assert_true(t.count == 3 && t.key_count == 1 && t.key[0] == 1);
	describe(&f, &t, "missing");
	assert_false(t.exists);
	describe(&f, &t, "T");
	assert_false(t.exists);
	describe(&f, &t, "collated.folds");
	assert_true(t.exists);
	describe(&f, &t, "elsewhere.folds");
	assert_false(t.exists);
	fixture_close(&f);
}

static void each_round_of_describing_sees_the_schema_of_its_time(void **state)
{
	struct fixture f;
	struct target t;

	(void)state;
	fixture_open(&f, &db, "altered", "CREATE TABLE t (id INT PRIMARY KEY)");
	mariadb_run(&db, "ALTER TABLE t ADD COLUMN name TEXT");
	describe(&f, &t, "t");
	assert_int_equal(t.count, 1); /* the same round: one answer for all tables */
	event_base_loop(f.loop, EVLOOP_ONCE);
	describe(&f, &t, "t");
	assert_int_equal(t.count, 2);
	fixture_close(&f);
}

struct asked {
	struct fixture *f;
	int times;
	bool read;
	uint32_t columns;
};

static void on_schema(void *ctx, bool read)
{
	struct asked *asked = ctx;
	struct target t;

	asked->times++;
	asked->read = read;
	if (!read)
		return;
	mariadb_run(&db, "ALTER TABLE t ADD COLUMN later TEXT"); /* nothing is asked now: the answer is of before */
	describe(asked->f, &t, "t");
	asked->columns = t.count;
}

static void a_schema_that_was_asked_for_is_described_without_asking(void **state)
{
	struct fixture f;
	struct target t;
	struct asked asked = { .f = &f };

	(void)state;
	fixture_open(&f, &db, "asked", "CREATE TABLE t (id INT PRIMARY KEY)");
	mariadb_run(&db, "ALTER TABLE t ADD COLUMN name TEXT");
	f.sink->ops->ask_schema(f.sink, on_schema, &asked);
	assert_int_equal(asked.times, 0);
	while (!asked.times)
		event_base_loop(f.loop, EVLOOP_ONCE);
	assert_true(asked.read);
	assert_int_equal(asked.columns, 2);
	describe(&f, &t, "t");
	assert_int_equal(t.count, 3);

	mariadb_run(&db, "DROP DATABASE asked");
	f.sink->ops->ask_schema(f.sink, on_schema, &asked);
	while (asked.times == 1)
		event_base_loop(f.loop, EVLOOP_ONCE);
	assert_false(asked.read);
	fixture_close(&f);
}

/* Opens a sink with these options, which must fail with each of the words in its message. */
static void assert_cannot_open(struct fixture *f, const struct mysql_options *options, const char *const *words)
{
	struct error err;
	struct sink *sink = mysql_new(f->loop, options, "shop", &err);

	assert_non_null(sink);
	assert_int_equal(sink->ops->open(sink, &err), -1);
	for (; *words; words++)
		if (!strstr(err.text, *words))
			fail_msg("no \"%s\" in: %s", *words, err.text);
	assert_null(strstr(err.text, "wrong-password"));
	sink->ops->close(sink);
}

static void opening_says_what_is_wrong_for_whom_and_where(void **state)
{
	struct mysql_options wrong;
	struct fixture f;
	char port[16];

	(void)state;
	fixture_open(&f, &db, "opened",
		     "CREATE TABLE t (id INT PRIMARY KEY); CREATE OR REPLACE USER poor@'127.0.0.1' IDENTIFIED BY 'secret'; CREATE "
		     "DATABASE IF NOT EXISTS empty; GRANT SELECT ON empty.* TO poor@'127.0.0.1'");
	snprintf(port, sizeof port, "%d", db.port);
	wrong = f.options;
	wrong.password = "wrong-password";
	assert_cannot_open(&f, &wrong, (const char *const[]){ "1045", "'streamlua'", port, "check user and password", NULL });
	wrong = f.options;
	wrong.database = "nowhere";
	assert_cannot_open(&f, &wrong, (const char *const[]){ "1049", "nowhere", "create the database", NULL });
	wrong = f.options;
	wrong.port = 1;
	assert_cannot_open(&f, &wrong, (const char *const[]){ "127.0.0.1:1", "check host and port", NULL });
	wrong = f.options;
	wrong.user = "poor";
	wrong.password = "secret";
	wrong.database = "empty";
	assert_cannot_open(&f, &wrong, (const char *const[]){ "'poor'", "empty", "streamlua_progress", "GRANT", NULL });
	wrong = f.options;
	wrong.socket = "/nowhere.sock";
	assert_cannot_open(&f, &wrong, (const char *const[]){ "/nowhere.sock", NULL });
	fixture_close(&f);
}

static void a_socket_serves_as_well(void **state)
{
	struct fixture f;
	struct sink *sink;
	struct error err;
	char path[128];

	(void)state;
	fixture_open(&f, &db, "local", "CREATE TABLE t (id INT PRIMARY KEY)");
	snprintf(path, sizeof path, "%s/data/mariadb.sock", db.dir);
	f.options.socket = path;
	f.options.user = "root";
	f.options.password = NULL;
	sink = mysql_new(f.loop, &f.options, "shop", &err);
	if (sink->ops->open(sink, &err) < 0)
		fail_msg("%s", err.text);
	sink->ops->close(sink);
	fixture_close(&f);
}

static void tls_is_verified_unless_told_otherwise(void **state)
{
	struct mysql_options options;
	struct fixture f;
	struct written w;
	struct taken t;
	struct sink *sink;
	struct error err;
	char ca[80], connections[64];

	(void)state;
	if (!certificates[0])
		skip();
	fixture_open(&f, &db, "tls", "CREATE TABLE t (id INT PRIMARY KEY)");
	mariadb_run(&db, "CREATE OR REPLACE USER careful@'127.0.0.1' REQUIRE SSL; GRANT ALL ON tls.* TO careful@'127.0.0.1'");
	snprintf(ca, sizeof ca, "%s/ca.pem", certificates);
	options = f.options;
	options.host = "localhost";
	options.user = "careful";
	options.password = NULL;
	options.tls = true;
	assert_cannot_open(&f, &options, (const char *const[]){ "certificate", "`tls`", NULL }); /* of an authority that nobody knows */
	options.tls_ca = ca;
	options.host = "127.0.0.1";
	assert_cannot_open(&f, &options, (const char *const[]){ "certificate", NULL }); /* of another host */
	options.tls_unverified = true;
	sink = mysql_new(f.loop, &options, "shop", &err);
	assert_int_equal(sink->ops->open(sink, &err), 0);
	sink->ops->close(sink);
	options.tls_unverified = false;
	options.host = "localhost";
	sink = mysql_new(f.loop, &options, "shop", &err);
	assert_int_equal(sink->ops->open(sink, &err), 0);
	written_init(&w, 0, take(&f, sink, &t), 1);
	UPSERT(&f, &w, "1");
	assert_int_equal(written_commit(&f, sink, &w), SINK_COMMITTED);
	snprintf(connections, sizeof connections, "%s", mariadb_ask(&db, "SHOW GLOBAL STATUS LIKE 'Connections'"));
	w.progress.seq = 2;
	assert_int_equal(written_commit(&f, sink, &w), SINK_COMMITTED);
	assert_string_equal(mariadb_ask(&db, "SHOW GLOBAL STATUS LIKE 'Connections'"), connections); /* the same one served */
	sink->ops->close(sink);
	fixture_close(&f);
}

static void options_that_cannot_be_are_refused(void **state)
{
	struct mysql_options options = { .flavour = "oracle", .user = "u", .database = "d" };
	struct event_base *loop = event_base_new();
	struct error err;

	(void)state;
	assert_null(mysql_new(loop, &options, "shop", &err));
	options.flavour = "tidb";
	options.database = NULL;
	assert_null(mysql_new(loop, &options, "shop", &err));
	assert_non_null(strstr(err.text, "`database`"));
	options.database = "d";
	options.lanes = 1000;
	assert_null(mysql_new(loop, &options, "shop", &err));
	options.lanes = 0;
	options.tls_cert = "c.pem";
	assert_null(mysql_new(loop, &options, "shop", &err));
	event_base_free(loop);
}

static enum mysql_kind kind(unsigned number, const char *sqlstate, const char *text)
{
	struct mysql_failure failure = { .number = number };

	snprintf(failure.sqlstate, sizeof failure.sqlstate, "%s", sqlstate);
	snprintf(failure.text, sizeof failure.text, "%s", text);
	return mysql_errors_kind(&failure);
}

static void errors_have_their_kinds(void **state)
{
	static const unsigned busy[] = { 1205, 1213, 8002, 8005, 8022, 8027, 8028, 8245, 9001, 9002, 9003, 9004, 9005, 9007 };
	static const unsigned elsewhere[] = { 1040, 1053, 1158, 1161, 1290, 1836, 1927, 4031 };
	static const unsigned refused[] = { 1048, 1153, 1264, 1265, 1292, 1364, 1366, 1406, 3140, 3819, 4025, 8004 };
	static const unsigned failed[] = { 1044, 1045, 1049, 1054, 1142, 1143, 1146, 1227 };

	(void)state;
	for (size_t i = 0; i < sizeof busy / sizeof *busy; i++)
		assert_int_equal(kind(busy[i], "HY000", ""), MYSQL_BUSY);
	for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
		assert_int_equal(kind(elsewhere[i], "HY000", ""), MYSQL_ELSEWHERE);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		assert_int_equal(kind(refused[i], "HY000", ""), MYSQL_REFUSED);
	for (size_t i = 0; i < sizeof failed / sizeof *failed; i++)
		assert_int_equal(kind(failed[i], "HY000", ""), MYSQL_FAILED);
	assert_int_equal(kind(1062, "23000", ""), MYSQL_DUPLICATE);
	assert_int_equal(kind(1105, "HY000", "Information schema is out of date."), MYSQL_BUSY);
	assert_int_equal(kind(1105, "HY000", "something else"), MYSQL_UNKNOWN);
	assert_int_equal(kind(7777, "22ABC", ""), MYSQL_REFUSED);
	assert_int_equal(kind(7777, "23ABC", ""), MYSQL_REFUSED);
	assert_int_equal(kind(7777, "40001", ""), MYSQL_BUSY);
	assert_int_equal(kind(7777, "HY000", ""), MYSQL_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_described_as_they_are),
		cmocka_unit_test(keys_and_collations_decide_what_can_be_merged),
		cmocka_unit_test(each_round_of_describing_sees_the_schema_of_its_time),
		cmocka_unit_test(a_schema_that_was_asked_for_is_described_without_asking),
		cmocka_unit_test(opening_says_what_is_wrong_for_whom_and_where),
		cmocka_unit_test(a_socket_serves_as_well),
		cmocka_unit_test(tls_is_verified_unless_told_otherwise),
		cmocka_unit_test(options_that_cannot_be_are_refused),
		cmocka_unit_test(errors_have_their_kinds),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
