/* Table scripts from their text to the changes that an event becomes, with a schema that the test makes up. */
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
#include "flow/lua_modules.h"
#include "flow/plan.h"
#include "flow/progress.h"
#include "flow/script.h"
#include "flow/script_private.h"
#include "support/intakes.h"

enum { EVENTS_MOST = 16 };

struct fixture {
	struct sink sink;
	struct shapes *shapes;
	struct decoder decoder;
	struct reading_settings readings;
	struct bundle bundle;
	struct script_host *host;
	struct intakes intakes;
	struct intake *intake;
	struct message *messages[EVENTS_MOST];
	size_t message_count;
	struct buf shown, printed, warned;
	struct error err;
};

/* ---- the schema ---- */

static void add_column(struct target *target, const char *name, enum column_type type)
{
	target->columns[target->count++] = (struct target_column){
		.name = slice_of(name), .type = (uint8_t)type, .nullable = target->count > 0, .length = 64, .scale = 2, .exact = true
	};
}

/* orders (id, amount, day, name, note, sum: generated), unique (id, name; name is unique too), log (seq by itself, text), heap (a, b; no key). */
static int describe(struct sink *sink, struct target *target, struct error *err)
{
	(void)sink;
	(void)err;
	target->columns = arena_zalloc(target->arena, 8 * sizeof *target->columns);
	if (slice_is(target->name, "orders")) {
		add_column(target, "id", COLUMN_INTEGER);
		add_column(target, "amount", COLUMN_DECIMAL);
		add_column(target, "day", COLUMN_DATE);
		add_column(target, "name", COLUMN_TEXT);
		add_column(target, "note", COLUMN_TEXT);
		add_column(target, "sum", COLUMN_INTEGER);
		target->columns[5].generated = true;
	} else if (slice_is(target->name, "unique")) {
		add_column(target, "id", COLUMN_INTEGER);
		add_column(target, "name", COLUMN_TEXT);
		target->other_unique = true;
	} else if (slice_is(target->name, "log")) {
		add_column(target, "seq", COLUMN_INTEGER);
		add_column(target, "text", COLUMN_TEXT);
		target->columns[0].auto_increment = true;
	} else if (slice_is(target->name, "heap")) {
		add_column(target, "a", COLUMN_INTEGER);
		add_column(target, "b", COLUMN_INTEGER);
		target->exists = true;
		return 0;
	} else {
		return 0;
	}
	target->exists = target->has_primary_key = target->key_exact = true;
	target->key_count = 1;
	return 0;
}

/* ---- the test's words ---- */

static void keep_print(void *ctx, struct slice text)
{
	struct fixture *f = ctx;

	buf_slice(&f->printed, text);
	buf_char(&f->printed, '\n');
}

static void keep_warning(void *ctx, const char *line)
{
	struct fixture *f = ctx;

	buf_text(&f->warned, line);
	buf_char(&f->warned, '\n');
}

static void forget_events(struct fixture *f)
{
	intake_forget(&f->intake);
	f->message_count = 0;
}

static void close_host(struct fixture *f)
{
	forget_events(f);
	script_host_free(f->host);
	bundle_free(&f->bundle);
	f->host = NULL;
}

/* Loads and binds one script, scripts/orders.lua. -1: f->err says why not. `job` may be NULL. */
static int load(struct fixture *f, const char *job, const char *text)
{
	close_host(f);
	bundle_add(&f->bundle, "scripts/orders.lua", text, strlen(text));
	if (job) {
		f->bundle.job = strdup("job.lua");
		bundle_add(&f->bundle, "job.lua", job, strlen(job));
	}
	bundle_seal(&f->bundle);
	f->host = script_host_new(&(struct host_options){ .bundle = &f->bundle, .print = keep_print, .ctx = f }, &f->err);
	if (!f->host || script_host_load(f->host, "scripts/orders.lua", NULL, &f->err) < 0)
		return -1;
	return script_host_bind(f->host, f->sink.ops ? &f->sink : NULL, f->shapes, &f->readings, keep_warning, f, &f->err);
}

static void script(struct fixture *f, const char *text)
{
	if (load(f, NULL, text) < 0)
		fail_msg("%s", f->err.text);
}

static void refused(struct fixture *f, const char *text, const char *part)
{
	assert_int_equal(load(f, NULL, text), -1);
	if (!strstr(f->err.text, part))
		fail_msg("\"%s\" is not in: %s", part, f->err.text);
}

static void message(struct fixture *f, const char *key, const char *value)
{
	struct message lent = {
		.topic = SLICE("s.shop.orders"), .offset = (int64_t)f->message_count, .key = slice_of(key), .value = slice_of(value)
	};

	if (!f->intake)
		f->intake = intake_new(&f->intakes);
	f->messages[f->message_count++] = intake_copy(f->intake, &lent);
}

static void format(struct fixture *f, const struct format *format)
{
	if (f->decoder.format)
		f->decoder.format->close(f->decoder.state);
	f->decoder.format = format;
	f->decoder.state = format->open(&f->decoder);
	f->readings.plain = format == &format_json;
}

static void show_changes(struct fixture *f, const struct event *event)
{
	static const char *const ops[] = { "upsert", "update", "delete" };

	for (const struct change *change = event->changes; change; change = change->next) {
		buf_printf(&f->shown, "%s%s %.*s", change == event->changes ? "" : ", ", ops[change->op], SLICE_ARG(change->target->name));
		for (uint32_t i = 0; i < change->count; i++) {
			const struct value *value = &change->values[i];

			if (!VALUE_IS_SET(value))
				continue;
			buf_printf(&f->shown, " %.*s=%s", SLICE_ARG(change->target->columns[i].name),
				   value->kind == VALUE_NULL      ? "NULL"
				   : value->kind == VALUE_DEFAULT ? "?"
				   : value->kind == VALUE_TRUE    ? "true"
				   : value->kind == VALUE_FALSE   ? "false"
								  : "");
			if (value->kind > VALUE_TRUE && value->kind < VALUE_DEFAULT)
				buf_append(&f->shown, value->p, value->n);
		}
	}
}

/* What became of the messages, an event a line. */
static const char *run(struct fixture *f)
{
	static const char *const outcomes[] = { "", "written", "filtered", "unmatched", "ignored", "dead", "skipped" };

	if (f->decoder.format)
		for (size_t i = 0; i < f->message_count; i++)
			intake_decode(f->intake, &f->decoder, f->messages[i]);
	else
		script_host_decode(f->host, f->intake, f->messages, f->message_count);
	script_host_run(f->host, f->intake, 1700000000000, INT64_MAX);
	buf_clear(&f->shown);
	for (const struct event *event = f->intake->first; event; event = event->next) {
		buf_text(&f->shown, event == f->intake->first ? "" : "\n");
		buf_text(&f->shown, outcomes[event->outcome]);
		if (event->error.p)
			buf_printf(&f->shown, ": %.*s", SLICE_ARG(event->error));
		show_changes(f, event);
	}
	return buf_cstr(&f->shown);
}

#define BOTH(before, after, op) "{\"before\":" before ",\"after\":" after ",\"source\":{\"db\":\"shop\",\"table\":\"orders\"},\"op\":\"" op "\"}"

/* One Debezium message. */
static const char *change(struct fixture *f, const char *key, const char *value)
{
	forget_events(f);
	message(f, key, value);
	return run(f);
}

static const struct event *event_at(struct fixture *f, int n)
{
	const struct event *event = f->intake->first;

	while (n-- > 0)
		event = event->next;
	return event;
}

static bool same_lane(struct fixture *f, int a, int b)
{
	return event_at(f, a)->lane_hashes == 1 && event_at(f, b)->lane_hashes == 1 && event_at(f, a)->lane_hash[0] == event_at(f, b)->lane_hash[0];
}

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
	f->decoder = (struct decoder){ .shapes = f->shapes, .json = json_new() };
	format(f, &format_debezium);
	*state = f;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *f = *state;

	close_host(f);
	intakes_free(&f->intakes);
	if (f->decoder.format)
		f->decoder.format->close(f->decoder.state);
	json_free(f->decoder.json);
	shapes_free(f->shapes);
	buf_free(&f->shown);
	buf_free(&f->printed);
	buf_free(&f->warned);
	free(f);
	return 0;
}

/* ---- columns ---- */

static void without_columns_those_of_the_same_name_are_copied(void **state)
{
	struct fixture *f = *state;

	script(f, "return {}");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"NAME\":\"a\",\"sum\":5,\"strange\":2,\"note\":null}", "c")),
			    "upsert orders id=1 name=a note=NULL");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"a\"}", "null", "d")), "delete orders id=1");
}

static void columns_are_renamed_and_computed(void **state)
{
	struct fixture *f = *state;

	script(f, "return { columns = { 'id', name = 'title', note = function(row) return row.title .. '!' end } }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"title\":\"a\",\"amount\":\"5\"}", "c")),
			    "upsert orders id=1 name=a note=a!");
}

/* No schema in the message: the target's column says what the bytes are. */
static void a_renamed_column_is_read_as_its_target_whatever_its_case(void **state)
{
	struct fixture *f = *state;

	script(f, "return { columns = { id = 'id', amount = 'Price', day = 'BOUGHT' } }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"price\":\"EtaH\",\"bought\":19691}", "c")),
			    "upsert orders id=1 amount=12345.67 day=2023-11-30");
}

static void column_functions_see_ctx(void **state)
{
	struct fixture *f = *state;

	script(f, "return { columns = { id = 'id', note = function(_, ctx) return ctx.op end } }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "upsert orders id=1 note=insert");
	script(f, "return { columns = { id = function(row, ctx) return row.id + 1 end, note = function(_, ctx) return ctx.op end } }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "upsert orders id=2 note=insert");
}

static void an_update_of_the_key_deletes_the_old_row(void **state)
{
	struct fixture *f = *state;

	script(f, "return {}");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"a\"}", "{\"id\":2,\"name\":\"a\"}", "u")),
			    "delete orders id=1, upsert orders id=2 name=a");
	assert_int_equal(event_at(f, 0)->lane_hashes, 2);
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"a\"}", "{\"id\":1,\"name\":\"b\"}", "u")),
			    "upsert orders id=1 name=b");
	assert_int_equal(event_at(f, 0)->lane_hashes, 1);
}

/* ---- filter, where, map ---- */

static void filter_drops_the_message(void **state)
{
	struct fixture *f = *state;

	script(f, "return { filter = function(row) return row.name ~= 'test' end }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"test\"}", "c")), "filtered");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"a\"}", "c")), "upsert orders id=1 name=a");
}

static void where_deletes_a_row_that_no_longer_matches(void **state)
{
	struct fixture *f = *state;

	script(f, "return { where = function(row) return row.name == 'open' end }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"open\"}", "c")), "upsert orders id=1 name=open");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"open\"}", "{\"id\":1,\"name\":\"done\"}", "u")), "delete orders id=1");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"open\"}", "{\"id\":3,\"name\":\"done\"}", "u")),
			    "delete orders id=1, delete orders id=3");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"done\"}", "c")), "filtered");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"done\"}", "null", "d")), "delete orders id=1");
}

static void map_makes_the_whole_row(void **state)
{
	struct fixture *f = *state;

	script(f, "local sl = require 'streamlua'\n"
		  "return { map = function(row) if row.name then return { id = row.id + 100, name = row.name, note = sl.null } end end }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"a\"}", "c")),
			    "upsert orders id=101 amount=? day=? name=a note=NULL");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"a\"}", "{\"id\":2,\"name\":\"a\"}", "u")),
			    "delete orders id=101, upsert orders id=102 amount=? day=? name=a note=NULL");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"a\"}", "null", "d")), "delete orders id=101");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "filtered");
}

static void emit_and_delete_write_other_tables_too(void **state)
{
	struct fixture *f = *state;

	script(f, "return { map = function(row, ctx)\n"
		  "  ctx:emit('log', { text = ctx.op })\n"
		  "  ctx:emit('unique', { id = row.id, name = 'u' })\n"
		  "  if ctx.op == 'insert' then ctx:delete('unique', { id = 9, name = 'ignored' }) end\n"
		  "  return { id = row.id }\n"
		  "end }");
	assert_string_equal(
		change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")),
		"upsert log seq=? text=insert, upsert unique id=1 name=u, delete unique id=9, upsert orders id=1 amount=? day=? name=? note=?");
	/* What was made of the row is taken back; a log only grows. */
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1}", "null", "d")),
			    "upsert log seq=? text=delete, delete unique id=1, delete orders id=1");
}

static void owns_leaves_other_columns_alone(void **state)
{
	struct fixture *f = *state;

	script(f, "return { owns = { 'name' }, map = function(row) return { id = row.id, name = row.name } end }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"a\"}", "c")), "upsert orders id=1 name=a");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"a\"}", "null", "d")), "update orders id=1 name=?");
}

static void write_update_makes_no_rows(void **state)
{
	struct fixture *f = *state;

	script(f, "return { write = 'update', columns = { 'id', 'name' } }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"a\"}", "c")), "update orders id=1 name=a");
}

/* ---- what is at fault ---- */

static void an_error_names_file_and_line(void **state)
{
	struct fixture *f = *state;

	script(f, "return {\n  filter = function(row)\n    return row.name:upper() == 'A'\n  end\n}");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "dead: scripts/orders.lua:3:");
	assert_int_equal(event_at(f, 0)->stage, STAGE_SCRIPT);
	assert_null(event_at(f, 0)->changes);
}

static void a_fault_is_of_its_own_event_alone(void **state)
{
	struct fixture *f = *state;

	script(f, "return { on_error = 'skip', map = function(row, ctx)\n"
		  "  ctx:emit('log', { text = 'x' })\n"
		  "  assert(row.id ~= 2, 'two')\n"
		  "  return { id = row.id, name = 'n' }\n"
		  "end }");
	message(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c"));
	message(f, "{\"id\":2}", BOTH("null", "{\"id\":2}", "c"));
	message(f, "{\"id\":3}", BOTH("null", "{\"id\":3}", "c"));
	run(f);
	assert_int_equal(event_at(f, 0)->outcome, OUTCOME_PENDING);
	assert_int_equal(event_at(f, 1)->outcome, OUTCOME_SKIPPED);
	assert_null(event_at(f, 1)->changes);
	assert_int_equal(event_at(f, 2)->outcome, OUTCOME_PENDING);
}

static void values_that_cannot_be_written_are_said(void **state)
{
	struct fixture *f = *state;

	script(f, "return { map = function(row) return { id = row.id, nmae = 'a' } end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "table orders has no column 'nmae': did you mean 'name'?");
	script(f, "return { map = function(row) return { id = row.id, amount = 0 / 0 } end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "column amount: NaN");
	script(f, "return { map = function(row) return { id = row.id, sum = 1 } end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "column sum is generated");
	script(f, "return { map = function(row) return { id = row.id, name = '\\255' } end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "column name is text, and this value is not valid UTF-8");
	script(f, "return { map = function(row) return { name = 'a' } end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "key column id has no value");
	script(f, "return { map = function(row, ctx) ctx:emit('nowhere', { id = 1 }) end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "the target has no table nowhere");
	script(f, "return { map = function(row) return 5 end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "map returned a number");
	script(f, "return { filter = function(row, ctx) return ctx.ofset end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "scripts/orders.lua:1: ctx has no 'ofset': did you mean 'offset'?");
	script(f, "return { filter = function(row) row.id = 2 end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "rows are read-only");
}

static void a_row_that_is_kept_says_so(void **state)
{
	struct fixture *f = *state;

	script(f, "local kept\nreturn { filter = function(row)\n  kept = kept or row\n  return kept.id > 0\nend }");
	message(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c"));
	message(f, "{\"id\":2}", BOTH("null", "{\"id\":2}", "c"));
	contains(run(f), "upsert orders id=1\ndead: scripts/orders.lua:4: this row is of an earlier event");
}

static void rows_are_walked_and_tell_null_from_absent(void **state)
{
	struct fixture *f = *state;

	script(f, "return { columns = { id = 'id', note = function(row)\n"
		  "  local text = ''\n"
		  "  for name, value in pairs(row) do text = text .. name .. '=' .. tostring(value) .. ' ' end\n"
		  "  return text .. tostring(row:has 'name') .. tostring(row:has 'nowhere') .. tostring(row.name)\n"
		  "end } }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":null,\"big\":12345678901234567890,\"on\":true}", "c")),
			    "upsert orders id=1 note=id=1 big=12345678901234567890 on=true truefalsenil");
}

/* ---- what is refused before it runs ---- */

static void wrong_scripts_are_refused_by_name(void **state)
{
	struct fixture *f = *state;

	refused(f, "return { colums = {} }", "scripts/orders.lua:1: unknown field 'colums': did you mean 'columns'?");
	refused(f, "return { target = 'nowhere' }", "the target has no table nowhere");
	refused(f, "return { columns = { id = 'id', nmae = 'name' } }", "table orders has no column nmae (it has id, amount");
	refused(f, "return { columns = { id = 'id', sum = 'x' } }", "column sum of orders is generated");
	refused(f, "return { owns = { 'name' }, columns = { 'id', 'name', 'note' } }", "owns: columns writes note");
	refused(f, "return { target = 'heap' }", "table heap has no primary key");
	refused(f, "return { process = function() end }", "key_by: the state of a script is kept for each key");
	refused(f, "local x = = 1", "scripts/orders.lua:1:");
	refused(f, "return { key_by = 'rwo' }", "did you mean 'row'?");
	refused(f, "io.open 'x'", "'io' is not available in scripts");
	script(f, "return { target = 'heap', key = { 'a' } }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"a\":1,\"b\":2}", "c")), "upsert heap a=1 b=2");
}

/* ---- lanes ---- */

static void order_is_by_row_where_that_is_safe(void **state)
{
	struct fixture *f = *state;

	script(f, "return {}");
	assert_int_equal(script_host_script(f->host, 0)->key_by, KEY_BY_ROW);
	script(f, "return { target = 'unique' }");
	assert_int_equal(script_host_script(f->host, 0)->key_by, KEY_BY_TABLE);
	script(f, "return { map = function(row) return { id = row.id } end }");
	assert_int_equal(script_host_script(f->host, 0)->key_by, KEY_BY_ROW);
	f->readings.plain = true;
	script(f, "return { map = function(row) return { id = row.id } end }");
	assert_int_equal(script_host_script(f->host, 0)->key_by, KEY_BY_TABLE);
	f->readings.capture = CAPTURE_CANAL; /* whose messages have keys */
	script(f, "return { map = function(row) return { id = row.id } end }");
	assert_int_equal(script_host_script(f->host, 0)->key_by, KEY_BY_ROW);
	f->readings.capture = CAPTURE_NONE;
	script(f, "return {}");
	assert_int_equal(script_host_script(f->host, 0)->key_by, KEY_BY_ROW);
}

static void changes_of_one_row_share_a_lane(void **state)
{
	struct fixture *f = *state;

	script(f, "return {}");
	message(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"a\"}", "c"));
	message(f, "{\"id\":2}", BOTH("null", "{\"id\":2,\"name\":\"a\"}", "c"));
	message(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"a\"}", "null", "d"));
	run(f);
	assert_true(same_lane(f, 0, 2));
	assert_false(same_lane(f, 0, 1));
}

/* The row has no key beside it, and the delete nothing but a key: only the table's order keeps them together. */
static void plain_rows_that_map_gives_other_keys_stay_in_order(void **state)
{
	struct fixture *f = *state;

	format(f, &format_json);
	script(f, "return { key_by = 'row', map = function(row) return { id = row.id * 10, name = row.name } end }");
	message(f, "1", "{\"id\":1,\"name\":\"a\"}");
	message(f, "{\"id\":1}", NULL);
	assert_string_equal(run(f), "upsert orders id=10 amount=? day=? name=a note=?\ndelete orders id=10");
	assert_true(same_lane(f, 0, 1));
}

static void plain_rows_stay_in_order_however_many_rows_map_makes_of_them(void **state)
{
	struct fixture *f = *state;

	format(f, &format_json);
	script(f, "return { map = function(row, ctx) for i = 1, row.n do ctx:emit('orders', { id = i }) end end }");
	message(f, NULL, "{\"n\":1}");
	message(f, NULL, "{\"n\":4}");
	run(f);
	assert_true(same_lane(f, 0, 1));
}

static void a_key_as_text_and_as_number_is_one(void **state)
{
	struct fixture *f = *state;

	format(f, &format_json);
	script(f, "return { target = 'heap', key = { 'b' }, columns = { b = 'b' } }");
	script_host_target_at(f->host, 0)->columns[1].type = COLUMN_TEXT;
	message(f, NULL, "{\"b\":\"12\"}");
	message(f, "12", NULL);
	run(f);
	assert_true(same_lane(f, 0, 1));
}

static void more_rows_than_two_lanes_have_room_for_are_refused(void **state)
{
	struct fixture *f = *state;

	script(f, "return { filter = function(row, ctx) for i = 7, 8 do ctx:emit('orders', { id = i }) end return true end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "id=7");
	script(f, "return { columns = { id = 'id', note = function(row, ctx) for i = 7, 8 do ctx:emit('orders', { id = i }) end end } }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "dead: more than two rows of orders");
}

static void key_by_says_what_stays_together(void **state)
{
	struct fixture *f = *state;

	script(f, "return { key_by = { 'name' } }");
	message(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"a\"}", "c"));
	message(f, "{\"id\":2}", BOTH("null", "{\"id\":2,\"name\":\"a\"}", "c"));
	message(f, "{\"id\":2}", BOTH("{\"id\":2,\"name\":\"a\"}", "{\"id\":2,\"name\":\"b\"}", "u"));
	message(f, "{\"id\":3}", BOTH("null", "{\"id\":3}", "c"));
	contains(run(f), "dead: a column of key_by is not in this message");
	assert_true(same_lane(f, 0, 1));
	assert_int_equal(event_at(f, 2)->lane_hashes, 2);
	script(f, "return { key_by = function(row) return row.name end }");
	message(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"a\"}", "c"));
	message(f, "{\"id\":2}", BOTH("null", "{\"id\":2,\"name\":\"a\"}", "c"));
	message(f, "{\"id\":3}", BOTH("null", "{\"id\":3}", "c"));
	contains(run(f), "key_by returned nil: a number or a text is needed");
	assert_true(same_lane(f, 0, 1));
	script(f, "return { key_by = function(row) return {} end }");
	contains(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "key_by returned a table");
}

/* ---- without a schema ---- */

static void an_open_target_learns_its_key_from_a_message(void **state)
{
	struct fixture *f = *state;

	f->sink.ops = NULL;
	script(f, "return { filter = function(row) return row.id > 0 end }");
	message(f, NULL, BOTH("null", "{\"id\":5,\"name\":\"first\"}", "c"));
	message(f, "{\"id\":1}", BOTH("null", "{\"id\":1,\"name\":\"a\"}", "c"));
	message(f, "{\"id\":1}", BOTH("{\"id\":1,\"name\":\"a\"}", "null", "d"));
	assert_string_equal(run(f), "upsert orders id=5 name=first\nupsert orders id=1 name=a\ndelete orders id=1");
	assert_int_equal(script_host_script(f->host, 0)->target->key_count, 1);
}

/* ---- sl.format ---- */

#define JOB(decode)                                                                                                                                  \
	"local sl = require 'streamlua'\n"                                                                                                           \
	"return sl.job { name = 'j', sink = sl.sink.blackhole(),\n"                                                                                  \
	"  source = sl.source.file { path = 'x', format = sl.format(function(m)\n" decode "\n  end) } }"

static void formatted(struct fixture *f, const char *job)
{
	if (f->decoder.format)
		f->decoder.format->close(f->decoder.state);
	f->decoder.format = NULL;
	f->readings.plain = true;
	if (load(f, job, "return {}") < 0)
		fail_msg("%s", f->err.text);
}

static void a_format_in_lua_makes_events(void **state)
{
	struct fixture *f = *state;

	formatted(f, JOB("local id, name = m.value:match '(%d+) (%w+)'\n"
			 "if not id then error('what is ' .. m.value) end\n"
			 "if id == '0' then return nil end\n"
			 "local one = { table = 'orders', row = { id = tonumber(id), name = name } }\n"
			 "return id == '2' and { one, { op = 'delete', table = 'orders', key = { id = 3 } } } or one"));
	assert_true(script_host_has_format(f->host));
	message(f, NULL, "1 a");
	message(f, NULL, "what");
	message(f, NULL, "2 b");
	message(f, NULL, "0 nothing");
	contains(run(f), "upsert orders id=1 name=a\ndead: job.lua:5: what is what");
	contains(buf_cstr(&f->shown), "upsert orders id=2 name=b\ndelete orders id=3");
	assert_int_equal(event_at(f, 1)->stage, STAGE_DECODE);
	assert_int_equal(event_at(f, 3)->part, 1);
}

static void what_is_no_event_is_said(void **state)
{
	static const struct {
		const char *job, *part;
	} wrong[] = {
		{ JOB("return { tabel = 'orders', row = {} }"), "an event has no 'tabel': did you mean 'table'?" },
		{ JOB("return { op = 'insret', row = {} }"), "did you mean 'insert'?" },
		{ JOB("return { table = 5, row = { id = 1 } }"), "table: a text is needed, not a number" },
		{ JOB("return { table = 'orders' }"), "row: a table is needed, not nil" },
		{ JOB("return { table = 'orders', row = { id = 0 / 0 } }"), "column id: NaN" },
		{ JOB("return { table = 'orders', row = { id = print } }"), "column id: a function is no value" },
		{ JOB("return 'orders'"), "an event is a table, not a string" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		formatted(f, wrong[i].job);
		message(f, NULL, "x");
		contains(run(f), wrong[i].part);
		assert_int_equal(event_at(f, 0)->outcome, OUTCOME_DEAD);
	}
}

/* ---- examples, routes, print ---- */

static void examples_say_what_differs(void **state)
{
	struct fixture *f = *state;
	uint32_t passed = 0, failed = 0;

	script(f, "return {\n"
		  "  where = function(row) return row.name ~= 'gone' end,\n"
		  "  columns = { id = 'id', name = function(row) return row.name:upper() end },\n"
		  "  examples = {\n"
		  "    { op = 'insert', row = { id = 1, name = 'a' }, expect = { id = 1, name = 'A' } },\n"
		  "    { op = 'update', row = { id = 1, name = 'gone' }, old = { id = 1, name = 'a' }, expect = { delete = { id = 1 } } },\n"
		  "    { op = 'insert', row = { id = 1, name = 'gone' }, expect = false },\n"
		  "    { op = 'insert', row = { id = 1 }, expect = 'error' },\n"
		  "    { op = 'insert', row = { id = 1, name = 'b' }, expect = { id = 1, name = 'A' } },\n"
		  "    { op = 'insert', row = { id = 1, name = '[1,{\"b\":2,\"a\":3}]' },\n"
		  "      expect = { name = { 1, { A = 3, B = 2 } } } },\n"
		  "    { name = 'a list', op = 'insert', row = { id = 1, name = '[1]' }, expect = { name = { 2 } } },\n"
		  "    { op = 'insert', row = { id = 1, name = 'gone' }, expect = { target = 'orders', row = { id = 1 } } },\n"
		  "    { op = 'insert', row = { id = 1, name = 'a' }, expect = { target = 'orders', row = { id = 1, name = 'A' } } },\n"
		  "  },\n"
		  "}");
	assert_int_equal(script_host_examples(f->host, keep_warning, f, &passed, &failed, &f->err), 0);
	assert_int_equal(passed, 6);
	assert_int_equal(failed, 3);
	contains(buf_cstr(&f->warned), "scripts/orders.lua:12: example 7 (a list): expected 1 change, got 1:\n"
				       "  expected row of orders { name = [2] }\n"
				       "  got      row of orders { id = 1, name = \"[1]\" }");
	contains(buf_cstr(&f->warned), "scripts/orders.lua:9: example 5: expected 1 change, got 1:\n"
				       "  expected row of orders { id = 1, name = \"A\" }\n"
				       "  got      row of orders { id = 1, name = \"B\" }");
}

static void a_table_without_a_script_is_unmatched(void **state)
{
	struct fixture *f = *state;

	script(f, "return { source = { 'other.orders', 'shop.items' } }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "unmatched");
	script(f, "return { source = 'shop.orders' }");
	assert_string_equal(change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c")), "upsert orders id=1");
}

static void print_names_the_script(void **state)
{
	struct fixture *f = *state;

	script(f, "return { filter = function(row, ctx) print(row.id, ctx.table, ctx) return true end }");
	change(f, "{\"id\":1}", BOTH("null", "{\"id\":1}", "c"));
	assert_string_equal(buf_cstr(&f->printed), "scripts/orders.lua: 1\torders\tuserdata\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

/* Where a timer fails or runs once more, for lack of memory or because the sink refused it. */
static void an_entry_of_a_map_that_expires_stays_with_its_timer(void **state)
{
	struct state_entry key = { .users = 1 }, entry = { .map = SLICE("m"), .users = 1 };
	struct state_use of_entry = { .entry = &entry }, of_key = { .next = &of_entry, .entry = &key };
	struct event timer = { .op = OP_TIMER, .uses = &of_entry }, event = { .uses = &of_key };

	(void)state;
	maps_release(&timer);
	assert_ptr_equal(timer.uses, &of_entry);
	assert_int_equal(entry.users, 1);
	maps_release(&event);
	assert_ptr_equal(event.uses, &of_key);
	assert_null(of_key.next);
	assert_int_equal(key.users, 1);
	assert_int_equal(entry.users, 0);
}

/* Otherwise its text is compiled, which works and takes ten times as long. */
static void the_runtime_is_compiled_already(void **state)
{
	lua_State *lua = luaL_newstate();
	lua_Debug debug;

	(void)state;
	luaL_openlibs(lua);
	lua_getglobal(lua, "jit");
	lua_getfield(lua, -1, "version");
	assert_string_equal(lua_tostring(lua, -1), lua_modules_made_by);
	for (const struct lua_module *module = lua_modules; module->name; module++) {
		bool is_written = strncmp(module->name, "templates.", 10) == 0 || strncmp(module->name, "types.", 6) == 0;

		assert_int_equal(module->code != NULL, !is_written);
		if (!module->code)
			continue;
		assert_int_equal(luaL_loadbuffer(lua, module->code, module->code_size, module->name), 0);
		lua_getinfo(lua, ">S", &debug);
		assert_string_equal(debug.source, strcmp(module->name, "streamlua.row") == 0 ? "=streamlua/row" : debug.source);
	}
	lua_close(lua);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_columns_those_of_the_same_name_are_copied),
		TEST(columns_are_renamed_and_computed),
		TEST(a_renamed_column_is_read_as_its_target_whatever_its_case),
		TEST(column_functions_see_ctx),
		TEST(an_update_of_the_key_deletes_the_old_row),
		TEST(filter_drops_the_message),
		TEST(where_deletes_a_row_that_no_longer_matches),
		TEST(map_makes_the_whole_row),
		TEST(emit_and_delete_write_other_tables_too),
		TEST(owns_leaves_other_columns_alone),
		TEST(write_update_makes_no_rows),
		TEST(an_error_names_file_and_line),
		TEST(a_fault_is_of_its_own_event_alone),
		TEST(values_that_cannot_be_written_are_said),
		TEST(a_row_that_is_kept_says_so),
		TEST(rows_are_walked_and_tell_null_from_absent),
		TEST(wrong_scripts_are_refused_by_name),
		TEST(order_is_by_row_where_that_is_safe),
		TEST(changes_of_one_row_share_a_lane),
		TEST(plain_rows_that_map_gives_other_keys_stay_in_order),
		TEST(plain_rows_stay_in_order_however_many_rows_map_makes_of_them),
		TEST(a_key_as_text_and_as_number_is_one),
		TEST(more_rows_than_two_lanes_have_room_for_are_refused),
		TEST(key_by_says_what_stays_together),
		TEST(an_open_target_learns_its_key_from_a_message),
		TEST(a_format_in_lua_makes_events),
		TEST(what_is_no_event_is_said),
		TEST(examples_say_what_differs),
		TEST(a_table_without_a_script_is_unmatched),
		TEST(print_names_the_script),
		TEST(an_entry_of_a_map_that_expires_stays_with_its_timer),
		TEST(the_runtime_is_compiled_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
