/* Scripts that add to rows (`merge`) or own some of a table's columns (`owns`): what an event becomes, and what is refused before it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/format.h"
#include "flow/json.h"
#include "flow/progress.h"
#include "flow/script_private.h"
#include "support/intakes.h"

struct fixture {
	struct sink sink;
	struct shapes *shapes;
	struct decoder decoder;
	struct reading_settings readings;
	struct bundle bundle;
	struct script_host *host;
	struct intakes intakes;
	struct intake *intake;
	struct buf shown, warned;
	struct error err;
};

static struct target_column *add_column(struct target *target, const char *name, enum column_type type)
{
	target->columns[target->count] = (struct target_column){ .name = slice_of(name),
								 .sql_type = slice_of(type == COLUMN_TEXT ? "text" : "int"),
								 .type = (uint8_t)type,
								 .nullable = target->count > 0,
								 .length = 64,
								 .scale = 2,
								 .exact = true };
	return &target->columns[target->count++];
}

/* hits (page, n, paid, last, tags, title), spread (page, shard, n), people (id, name, city, score, at: has a default), unique, heap: no key. */
static int describe(struct sink *sink, struct target *target, struct error *err)
{
	(void)sink;
	(void)err;
	target->columns = arena_zalloc(target->arena, 8 * sizeof *target->columns);
	target->exists = target->has_primary_key = target->key_exact = true;
	target->key_count = 1;
	add_column(target, slice_is(target->name, "people") ? "id" : "page", slice_is(target->name, "people") ? COLUMN_INTEGER : COLUMN_TEXT);
	if (slice_is(target->name, "spread")) {
		add_column(target, "shard", COLUMN_INTEGER)->nullable = false;
		target->key[target->key_count++] = 1;
		add_column(target, "n", COLUMN_INTEGER);
	} else if (slice_is(target->name, "people")) {
		add_column(target, "name", COLUMN_TEXT);
		add_column(target, "city", COLUMN_TEXT);
		add_column(target, "score", COLUMN_INTEGER);
		*add_column(target, "at", COLUMN_TIMESTAMP) = (struct target_column){
			.name = SLICE("at"), .sql_type = SLICE("timestamp"), .type = COLUMN_TIMESTAMP, .has_default = true
		};
	} else {
		add_column(target, "n", COLUMN_INTEGER);
		add_column(target, "paid", COLUMN_DECIMAL);
		add_column(target, "last", COLUMN_DATETIME);
		add_column(target, "tags", COLUMN_TEXT);
		add_column(target, "title", COLUMN_TEXT);
		target->other_unique = slice_is(target->name, "unique");
		target->has_primary_key = !slice_is(target->name, "heap");
		target->key_count = target->has_primary_key;
	}
	return 0;
}

static void keep_warning(void *ctx, const char *line)
{
	struct fixture *f = ctx;

	buf_text(&f->warned, line);
	buf_char(&f->warned, '\n');
}

static void close_host(struct fixture *f)
{
	intake_forget(&f->intake);
	script_host_free(f->host);
	bundle_free(&f->bundle);
	f->host = NULL;
	buf_clear(&f->warned);
}

/* One script or two: scripts/a.lua and scripts/b.lua. */
static int load(struct fixture *f, const char *a, const char *b)
{
	close_host(f);
	bundle_add(&f->bundle, "scripts/a.lua", a, strlen(a));
	if (b)
		bundle_add(&f->bundle, "scripts/b.lua", b, strlen(b));
	bundle_seal(&f->bundle);
	f->host = script_host_new(&(struct host_options){ .bundle = &f->bundle }, &f->err);
	if (!f->host || script_host_load(f->host, "scripts/a.lua", NULL, &f->err) < 0 ||
	    (b && script_host_load(f->host, "scripts/b.lua", NULL, &f->err) < 0))
		return -1;
	return script_host_bind(f->host, f->sink.ops ? &f->sink : NULL, f->shapes, &f->readings, keep_warning, f, &f->err);
}

static void scripts(struct fixture *f, const char *a, const char *b)
{
	if (load(f, a, b) < 0)
		fail_msg("%s", f->err.text);
}

static void refused(struct fixture *f, const char *a, const char *b, const char *part)
{
	assert_int_equal(load(f, a, b), -1);
	if (!strstr(f->err.text, part))
		fail_msg("\"%s\" is not in: %s", part, f->err.text);
}

static void show(struct fixture *f, const struct event *event)
{
	static const char *const ops[] = { "upsert", "update", "delete" };

	for (const struct change *change = event->changes; change; change = change->next) {
		buf_printf(&f->shown, "%s%s", change == event->changes ? "" : ", ", ops[change->op]);
		for (uint32_t i = 0; i < change->count; i++) {
			const struct value *value = &change->values[i];

			if (VALUE_IS_SET(value))
				buf_printf(&f->shown, " %.*s=%.*s", SLICE_ARG(change->target->columns[i].name),
					   value->kind == VALUE_NULL      ? 4
					   : value->kind == VALUE_DEFAULT ? 1
									  : (int)value->n,
					   value->kind == VALUE_NULL      ? "NULL"
					   : value->kind == VALUE_DEFAULT ? "?"
									  : value->p);
		}
	}
}

/* One Debezium message of table a (or b), partition 3. */
static const char *change_of(struct fixture *f, const char *table, const char *key, const char *op, const char *before, const char *after)
{
	struct buf text = BUF_INIT;
	struct message lent = { .topic = SLICE("s.shop"), .partition = 3, .key = slice_of(key) };
	struct message *message;

	buf_printf(&text, "{\"before\":%s,\"after\":%s,\"source\":{\"db\":\"shop\",\"table\":\"%s\"},\"op\":\"%s\"}", before, after, table, op);
	lent.value = buf_view(&text);
	intake_forget(&f->intake);
	f->intake = intake_new(&f->intakes);
	message = intake_copy(f->intake, &lent);
	buf_free(&text);
	intake_decode(f->intake, &f->decoder, message);
	script_host_run(f->host, f->intake, 1700000000000, INT64_MAX);
	buf_clear(&f->shown);
	buf_text(&f->shown, f->intake->first->outcome == OUTCOME_FILTERED ? "filtered" : "");
	if (f->intake->first->error.p)
		buf_printf(&f->shown, "dead: %.*s", SLICE_ARG(f->intake->first->error));
	show(f, f->intake->first);
	return buf_cstr(&f->shown);
}

#define INSERT(after) change_of(f, "a", "{\"id\":1}", "c", "null", after)
#define UPDATE(before, after) change_of(f, "a", "{\"id\":1}", "u", before, after)
#define DELETE(before) change_of(f, "a", "{\"id\":1}", "d", before, "null")

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

static int open_fixture(void **state)
{
	static const struct sink_ops ops = { .name = "schema", .describe = describe };
	struct fixture *f = calloc(1, sizeof *f);

	f->sink = (struct sink){ .ops = &ops, .lanes = 1 };
	f->shapes = shapes_new();
	f->decoder = (struct decoder){ .shapes = f->shapes, .json = json_new(), .format = &format_debezium };
	f->decoder.state = format_debezium.open(&f->decoder);
	*state = f;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *f = *state;

	close_host(f);
	f->decoder.format->close(f->decoder.state);
	json_free(f->decoder.json);
	intakes_free(&f->intakes);
	shapes_free(f->shapes);
	buf_free(&f->shown);
	buf_free(&f->warned);
	free(f);
	return 0;
}

/* ---- merge ---- */

#define COUNTS "return { target = 'hits', merge = { n = 'sum', paid = 'sum' }, columns = { page = 'page', n = 'n', paid = 'paid' } }"

static void sums_add_the_new_row_and_take_the_old_one_back(void **state)
{
	struct fixture *f = *state;

	scripts(f, COUNTS, NULL);
	assert_string_equal(INSERT("{\"id\":1,\"page\":\"p\",\"n\":2,\"paid\":0.50}"), "upsert page=p n=2 paid=0.50");
	assert_string_equal(UPDATE("{\"id\":1,\"page\":\"p\",\"n\":2,\"paid\":0.50}", "{\"id\":1,\"page\":\"p\",\"n\":5,\"paid\":0.20}"),
			    "upsert page=p n=3 paid=-0.3");
	assert_string_equal(UPDATE("{\"id\":1,\"page\":\"p\",\"n\":2,\"paid\":0.50}", "{\"id\":1,\"page\":\"q\",\"n\":5,\"paid\":0.20}"),
			    "upsert page=p n=-2 paid=-0.5, upsert page=q n=5 paid=0.20");
	assert_int_equal(f->intake->first->lane_hashes, 2); /* in order for each of the rows */
	assert_string_equal(DELETE("{\"id\":1,\"page\":\"p\",\"n\":2,\"paid\":0.50}"), "upsert page=p n=-2 paid=-0.5");
	assert_string_equal(DELETE("{\"id\":1,\"page\":\"p\",\"n\":null,\"paid\":null}"), "");
	assert_string_equal(UPDATE("{\"id\":1,\"page\":\"p\",\"n\":2,\"paid\":null}", "{\"id\":1,\"page\":\"p\",\"n\":2,\"paid\":null}"),
			    "upsert page=p n=0");
}

static void what_the_old_row_was_has_to_be_known(void **state)
{
	struct fixture *f = *state;

	scripts(f, COUNTS, NULL);
	contains(UPDATE("null", "{\"id\":1,\"page\":\"p\",\"n\":2,\"paid\":0.50}"), "dead: an update without its old row");
	contains(change_of(f, "a", "{\"page\":\"p\"}", "d", "{\"page\":\"p\",\"n\":\"__debezium_unavailable_value\",\"paid\":1}", "null"),
		 "dead: column n: the message does not have all of its old row");
	scripts(f, "return { target = 'hits', merge = { n = 'sum' }, columns = { page = 'page', n = function(row) return row.m end } }", NULL);
	contains(change_of(f, "a", "{\"page\":\"p\"}", "d", "{\"page\":\"p\",\"m\":\"__debezium_unavailable_value\"}", "null"),
		 "the script asks for a column that the message does not have of its old row");
	contains(UPDATE("null", "{\"id\":1,\"page\":\"p\",\"m\":2}"), "dead: scripts/a.lua: an update without its old row");
}

static void functions_and_map_run_on_both_rows(void **state)
{
	struct fixture *f = *state;
	static const char *const ways[] = {
		"return { target = 'hits', merge = { n = 'sum', paid = 'sum' }, where = function(row) return row.ok end,\n"
		"  columns = { page = 'page', paid = 'm', n = function() return 1 end } }",
		"return { target = 'hits', merge = { n = 'sum', paid = 'sum' }, where = function(row) return row.ok end,\n"
		"  map = function(row) return { page = row.page, paid = row.m, n = 1 } end }",
	};

	for (int i = 0; i < 2; i++) {
		scripts(f, ways[i], NULL);
		assert_string_equal(INSERT("{\"id\":1,\"page\":\"p\",\"m\":2,\"ok\":true}"), "upsert page=p n=1 paid=2");
		assert_string_equal(INSERT("{\"id\":1,\"page\":\"p\",\"m\":2,\"ok\":false}"), "filtered");
		assert_string_equal(UPDATE("{\"id\":1,\"page\":\"p\",\"m\":2,\"ok\":true}", "{\"id\":1,\"page\":\"p\",\"m\":3,\"ok\":true}"),
				    "upsert page=p n=0 paid=1");
		assert_string_equal(UPDATE("{\"id\":1,\"page\":\"p\",\"m\":2,\"ok\":false}", "{\"id\":1,\"page\":\"p\",\"m\":3,\"ok\":true}"),
				    "upsert page=p n=1 paid=3");
		assert_string_equal(UPDATE("{\"id\":1,\"page\":\"p\",\"m\":2,\"ok\":true}", "{\"id\":1,\"page\":\"q\",\"m\":3,\"ok\":false}"),
				    "upsert page=p n=-1 paid=-2");
		assert_string_equal(DELETE("{\"id\":1,\"page\":\"p\",\"m\":2,\"ok\":true}"), "upsert page=p n=-1 paid=-2");
		assert_string_equal(DELETE("{\"id\":1,\"page\":\"p\",\"m\":2,\"ok\":false}"), "filtered");
	}
}

static void other_columns_are_overwritten_and_never_taken_back(void **state)
{
	struct fixture *f = *state;

	scripts(f, "return { target = 'hits', merge = { n = 'sum' }, columns = { 'page', 'n', 'title' } }", NULL);
	assert_string_equal(UPDATE("{\"page\":\"p\",\"n\":2,\"title\":\"a\"}", "{\"page\":\"p\",\"n\":3,\"title\":\"b\"}"),
			    "upsert page=p n=1 title=b");
	assert_string_equal(DELETE("{\"page\":\"p\",\"n\":2,\"title\":\"a\"}"), "upsert page=p n=-2");
}

static void a_maximum_is_only_raised(void **state)
{
	struct fixture *f = *state;

	scripts(f, "return { target = 'hits', merge = { last = 'max', tags = 'set' }, columns = { 'page', 'last', 'tags' } }", NULL);
	assert_string_equal(INSERT("{\"page\":\"p\",\"last\":\"2024-01-02 00:00:00\",\"tags\":\"b, a\"}"),
			    "upsert page=p last=2024-01-02 00:00:00 tags=b,a");
	assert_string_equal(UPDATE("{\"page\":\"p\",\"last\":\"2024-01-02 00:00:00\",\"tags\":\"a\"}",
				   "{\"page\":\"p\",\"last\":\"2024-01-03 00:00:00\",\"tags\":\"a\"}"),
			    "upsert page=p last=2024-01-03 00:00:00 tags=a");
	contains(UPDATE("{\"page\":\"p\",\"last\":\"2024-01-02 00:00:00\",\"tags\":\"a\"}",
			"{\"page\":\"p\",\"last\":\"2024-01-01 00:00:00\",\"tags\":\"a\"}"),
		 "dead: column last: what an old row brought to a max cannot be taken back");
	contains(DELETE("{\"page\":\"p\",\"last\":\"2024-01-02 00:00:00\",\"tags\":null}"), "dead: column last");
	contains(DELETE("{\"page\":\"p\",\"last\":null,\"tags\":\"a\"}"), "dead: column tags");
	assert_string_equal(DELETE("{\"page\":\"p\",\"last\":null,\"tags\":null}"), "");
}

static void a_shard_follows_from_the_partition(void **state)
{
	struct fixture *f = *state;
	uint64_t lane;

	scripts(f, "return { target = 'spread', merge = { n = 'sum' }, shard = { column = 'shard', count = 4 }, columns = { 'page', 'n' } }", NULL);
	contains(INSERT("{\"id\":1,\"page\":\"p\",\"n\":2}"), "upsert page=p shard=");
	lane = f->intake->first->lane_hash[0];
	contains(UPDATE("{\"id\":1,\"page\":\"p\",\"n\":2}", "{\"id\":1,\"page\":\"p\",\"n\":5}"), "n=3");
	assert_true(f->intake->first->lane_hash[0] == lane);
	assert_null(f->intake->first->changes->next);
}

static void rows_go_to_the_lane_of_what_they_add_to(void **state)
{
	struct fixture *f = *state;
	uint64_t lane;

	f->readings.plain = true; /* whose rows have no key: map's rows would go by table */
	scripts(f, "return { target = 'hits', merge = { n = 'sum' }, map = function(row) return { page = row.page, n = 1 } end }", NULL);
	assert_int_equal(script_host_script(f->host, 0)->key_by, KEY_BY_ROW);
	INSERT("{\"id\":1,\"page\":\"p\"}");
	lane = f->intake->first->lane_hash[0];
	change_of(f, "a", "{\"id\":2}", "c", "null", "{\"id\":2,\"page\":\"p\"}");
	assert_true(f->intake->first->lane_hash[0] == lane);
	INSERT("{\"id\":1,\"page\":\"q\"}");
	assert_true(f->intake->first->lane_hash[0] != lane);
}

static void what_is_emitted_adds_too(void **state)
{
	struct fixture *f = *state;

	scripts(f, COUNTS,
		"return { target = 'people', map = function(row, ctx)\n"
		"  ctx:emit('hits', { page = row.city, n = 1 })\n"
		"  if row.bad then ctx:delete('hits', { page = 'p' }) end\n"
		"end }");
	contains(change_of(f, "b", "{\"id\":1}", "c", "null", "{\"id\":1,\"city\":\"p\"}"), "upsert page=p n=1");
	assert_string_equal(change_of(f, "b", "{\"id\":1}", "d", "{\"id\":1,\"city\":\"p\"}", "null"), "upsert page=p n=-1");
	contains(change_of(f, "b", "{\"id\":1}", "c", "null", "{\"id\":1,\"city\":\"p\",\"bad\":1}"), "rows of hits are added up");
}

static void an_event_that_cannot_be_added_is_a_dead_letter(void **state)
{
	struct fixture *f = *state;

	scripts(f, COUNTS, NULL);
	contains(INSERT("{\"id\":1,\"page\":\"p\",\"n\":\"many\",\"paid\":1}"), "dead: column n: sum needs a number, not \"many\"");
	contains(INSERT("{\"id\":1,\"page\":\"p\",\"n\":1,\"paid\":1.005}"), "dead: column paid: 1.005 has more digits");
	assert_int_equal(f->intake->first->lane_hashes, 1);
}

static void wrong_merges_are_refused_with_file_line_and_name(void **state)
{
	struct fixture *f = *state;

	refused(f, "return {\n  target = 'hits',\n  merge = { title = 'sum' },\n}", NULL,
		"scripts/a.lua:3: merge: title = \"sum\": column title of hits is text; sum adds numbers");
	refused(f, "local M = { target = 'hits' }\nM.merge = { m = 'sum' }\nreturn M", NULL,
		"scripts/a.lua:2: merge: table hits has no column m (it has page, n");
	refused(f, "return { target = 'hits', merge = { page = 'max' } }", NULL, "scripts/a.lua:1: merge: column page is part of the key of hits");
	refused(f, "return { target = 'unique', merge = { n = 'sum' } }", NULL, "table unique has another unique index");
	refused(f, "return { target = 'heap', key = { 'page' }, merge = { n = 'sum' } }", NULL, "table heap has no primary key");
	refused(f, "return { target = 'hits', merge = { n = 'sum' }, shard = { column = 'title', count = 4 } }", NULL,
		"shard: column title is to be one of several in the primary key of hits");
	refused(f,
		"return { target = 'hits', merge = { n = 'sum' }, window = require 'streamlua'.tumbling '1m', aggregate = {}, key_by = { 'page' } }",
		NULL, "scripts/a.lua");
	refused(f, "return { target = 'hits', merge = { n = 'sum' }, columns = { 'page' } }", NULL, "merge: columns does not give n");
}

static void a_column_is_one_script_s(void **state)
{
	struct fixture *f = *state;

	refused(f, "return { target = 'people', owns = { 'name', 'city' }, columns = { 'id', 'name', 'city' } }",
		"return {\n  target = 'people',\n  owns = { 'city', 'score' }, columns = { 'id', 'city', 'score' } }",
		"scripts/b.lua:3: owns: column city of people is in owns of scripts/a.lua too: a column is one script's");
	refused(f, COUNTS, "return { target = 'hits', merge = { n = 'max' }, columns = { 'page', 'n' } }",
		"scripts/b.lua:1: merge: column n of hits is in merge of scripts/a.lua too");
	refused(f, COUNTS, "return { target = 'hits', owns = { 'n' }, columns = { 'page', 'n' } }",
		"owns: column n of hits is in merge of scripts/a.lua");
	refused(f, COUNTS, "return { target = 'hits', columns = { 'page', 'title' } }",
		"scripts/a.lua:1: merge: scripts/b.lua writes whole rows of hits, and would take the place of what is added up in n");
	scripts(f, COUNTS, COUNTS); /* two sources of one sum */
	scripts(f, COUNTS, "return { target = 'hits', owns = { 'title' }, columns = { 'page', 'title' } }");
	refused(f, COUNTS, "return { target = 'hits', write = 'update', columns = { 'page', 'title' } }", "take the place");
	refused(f, COUNTS, "return { target = 'hits', write = 'update', columns = { 'page', 'n' } }", "take the place");
}

static void the_row_goes_with_the_last_side_where_that_can_be_told(void **state)
{
	struct fixture *f = *state;
	static const char names[] = "return { target = 'people', owns = { 'name', 'city' }, columns = { 'id', 'name', 'city' } }";
	static const char scores[] = "return { target = 'people', owns = { 'score' }, columns = { 'id', 'score' } }";

	scripts(f, names, scores);
	assert_true(script_host_script(f->host, 0)->target->sweeps); /* `at` is a clock's */
	assert_string_equal(DELETE("{\"id\":1,\"name\":\"x\"}"), "update id=1 name=? city=?");
	assert_true(f->intake->first->changes->clears);
	assert_string_equal(buf_cstr(&f->warned), "");

	scripts(f, names, "return { target = 'people', columns = { 'id', 'score' } }");
	assert_false(script_host_script(f->host, 0)->target->sweeps);
	contains(buf_cstr(&f->warned), "scripts/a.lua: owns: rows of people stay when all that is in them is gone: scripts/b.lua writes whole rows");

	scripts(f, names, "return { target = 'people', owns = { 'at' }, columns = { 'id', 'at' } }");
	assert_false(script_host_script(f->host, 0)->target->sweeps);
	contains(buf_cstr(&f->warned), "none of the columns of scripts/b.lua is NULL without its row");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
	const struct CMUnitTest tests[] = {
		TEST(sums_add_the_new_row_and_take_the_old_one_back),
		TEST(what_the_old_row_was_has_to_be_known),
		TEST(functions_and_map_run_on_both_rows),
		TEST(other_columns_are_overwritten_and_never_taken_back),
		TEST(a_maximum_is_only_raised),
		TEST(a_shard_follows_from_the_partition),
		TEST(rows_go_to_the_lane_of_what_they_add_to),
		TEST(what_is_emitted_adds_too),
		TEST(an_event_that_cannot_be_added_is_a_dead_letter),
		TEST(wrong_merges_are_refused_with_file_line_and_name),
		TEST(a_column_is_one_script_s),
		TEST(the_row_goes_with_the_last_side_where_that_can_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
