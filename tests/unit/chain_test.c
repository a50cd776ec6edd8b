/* Streams whose readers keep state or look something up: several scripts, and what events of the first become. */
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
#include "flow/plan.h"
#include "flow/progress.h"
#include "flow/script.h"
#include "flow/script_private.h"
#include "flow/state_change.h"
#include "flow/state_memory.h"
#include "support/intakes.h"

struct fixture {
	struct shapes *shapes;
	struct decoder decoder;
	struct reading_settings readings;
	struct bundle bundle;
	struct script_host *host;
	struct state_memory *memory;
	struct partition *partition;
	struct intakes intakes;
	struct intake *intake;
	int64_t offset;
	uint32_t questions; /* how often rows had to be asked for */
	struct buf shown;
	struct error err;
};

static void forget_events(struct fixture *f)
{
	for (struct event *event = f->intake ? f->intake->first : NULL; event; event = event->next)
		script_event_release(event);
	for (const struct state_entry *entry = f->host ? script_host_state(f->host)->oldest : NULL; entry; entry = entry->newer)
		assert_int_equal(entry->users, 0);
	intake_forget(&f->intake);
}

static void close_host(struct fixture *f)
{
	forget_events(f);
	script_host_free(f->host);
	bundle_free(&f->bundle);
	f->host = NULL;
	if (f->memory)
		state_memory_free(f->memory);
	f->memory = NULL;
	if (f->partition)
		partition_unref(f->partition);
	f->partition = NULL;
}

/* Scripts by their names, each without its first line; ends with NULL. */
static int load(struct fixture *f, const char *const *scripts)
{
	char path[64];
	struct buf text = BUF_INIT;

	close_host(f);
	f->memory = state_memory_new();
	f->partition = partition_new(SLICE("orders"), 0, 0, 1);
	f->offset = 0;
	for (size_t i = 0; scripts[i]; i += 2) {
		snprintf(path, sizeof path, "scripts/%s.lua", scripts[i]);
		buf_clear(&text);
		buf_printf(&text, "local sl = require 'streamlua'\n%s", scripts[i + 1]);
		bundle_add(&f->bundle, path, buf_cstr(&text), text.n);
	}
	buf_free(&text);
	bundle_seal(&f->bundle);
	f->host = script_host_new(&(struct host_options){ .bundle = &f->bundle }, &f->err);
	for (size_t i = 0; f->host && scripts[i]; i += 2) {
		snprintf(path, sizeof path, "scripts/%s.lua", scripts[i]);
		if (script_host_load(f->host, path, NULL, &f->err) < 0)
			return -1;
	}
	return f->host ? script_host_bind(f->host, NULL, f->shapes, &f->readings, NULL, NULL, &f->err) : -1;
}

#define SCRIPTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void scripts(struct fixture *f, const char *const *list)
{
	if (load(f, list) < 0)
		fail_msg("%s", f->err.text);
}

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text);
}

static void refused(struct fixture *f, const char *const *list, const char *part)
{
	assert_int_equal(load(f, list), -1);
	contains(f->err.text, part);
}

static void message(struct fixture *f, const char *value)
{
	struct message lent = {
		.topic = SLICE("orders"), .offset = f->offset, .position = f->offset, .value = slice_of(value), .owner = f->partition
	};
	struct message *copy;

	f->decoder.options.json = (struct json_options){ 0 };
	if (strstr(value, "\"row\""))
		f->decoder.options.json = (struct json_options){ .op_field = "op", .row = "row", .old = "old" };
	if (strstr(value, "\"t\""))
		strcpy(f->decoder.options.json.table_field, "t");
	if (!f->intake)
		f->intake = intake_new(&f->intakes);
	f->offset++;
	copy = intake_copy(f->intake, &lent);
	for (struct event *event = intake_decode(f->intake, &f->decoder, copy); event; event = event->next)
		partition_enter(f->partition, event);
}

static const struct target *sorted; /* whose columns by_name compares */

static int by_name(const void *a, const void *b)
{
	return slice_compare(sorted->columns[*(const uint32_t *)a].name, sorted->columns[*(const uint32_t *)b].name);
}

/* Of open targets the columns stand as they came, which is in no order. */
static void show_changes(struct fixture *f, const struct event *event)
{
	uint32_t order[16];

	static const char *const ops[] = { "", "~", "-" };

	for (const struct change *change = event->changes; change; change = change->next) {
		bool state = change_is_state(change);

		if (state)
			state_changes_last(&change, 1, &change, &f->intake->arena);
		buf_printf(&f->shown, "%s%s%.*s", f->shown.n && f->shown.p[f->shown.n - 1] != '\n' ? ", " : "", ops[change->op],
			   SLICE_ARG(state ? SLICE("state") : change->target->name));
		for (uint32_t i = 0; i < change->count; i++)
			order[i] = i;
		sorted = change->target;
		if (!state)
			qsort(order, change->count, sizeof *order, by_name);
		for (uint32_t i = state; i < change->count; i++) {
			const struct value *value = &change->values[order[i]];

			if (!VALUE_IS_SET(value) || value->kind <= VALUE_TRUE || value->n == 0 || (state && i > 4))
				continue;
			buf_printf(&f->shown, " %.*s", (int)value->n, value->p);
		}
	}
}

static void on_row(struct state_load *load, const struct state_row *row)
{
	struct fixture *f = load->ctx;

	script_host_state_row(f->host, row, f->partition, false);
}

static void on_loaded(struct state_load *load)
{
	(void)load;
}

/* What look-ups find is "Ada", by whatever key. */
static void answer(struct fixture *f)
{
	struct state_load question = { 0 };
	struct value cells[2];

	script_host_question(f->host, &f->intake->arena, &question);
	question.row = on_row;
	question.done = on_loaded;
	question.ctx = f;
	f->questions++;
	state_memory_load(f->memory, &question);
	for (size_t i = 0; i < question.look_count; i++) {
		for (size_t k = 0; k < question.looks[i].key_count; k++) {
			cells[0] = question.looks[i].keys[k][0];
			cells[1] = (struct value){ .p = "Ada", .n = 3, .kind = VALUE_TEXT, .ready = true };
			script_host_looked(f->host, &question.looks[i], cells);
		}
	}
	script_host_loaded(f->host);
}

/* What became of the messages, an event a line; it is committed. */
static const char *run(struct fixture *f)
{
	static const char *const outcomes[] = { "", "written", "filtered", "unmatched", "ignored", "dead", "skipped" };

	f->questions = 0;
	script_host_look(f->host, 100, SIZE_MAX);
	if (script_host_begin(f->host, f->intake))
		answer(f);
	while (!script_host_run(f->host, f->intake, 1700000000000, INT64_MAX))
		answer(f);
	buf_clear(&f->shown);
	for (const struct event *event = f->intake->first; event; event = event->next) {
		buf_text(&f->shown, event == f->intake->first ? "" : "\n");
		buf_text(&f->shown, outcomes[event->outcome]);
		if (event->error.p)
			buf_printf(&f->shown, ": %.*s", SLICE_ARG(event->error));
		show_changes(f, event);
		for (const struct change *change = event_is_written(event) ? event->changes : NULL; change; change = change->next)
			state_memory_apply(f->memory, change);
	}
	return buf_cstr(&f->shown);
}

static const char *one(struct fixture *f, const char *value)
{
	forget_events(f);
	message(f, value);
	return run(f);
}

static const struct event *event_at(const struct fixture *f, int n)
{
	const struct event *event = f->intake->first;

	while (n-- > 0)
		event = event->next;
	return event;
}

static bool same_lane(const struct event *a, const struct event *b)
{
	return a->lane_hashes == 1 && b->lane_hashes == 1 && a->lane_hash[0] == b->lane_hash[0];
}

/* ---- */

#define COUNTS "return { key_by = { 'k' }, target = sl.stream 's', process = function(row, state) state.n = (state.n or 0) + 1 "
#define PASSES COUNTS "return { k = row.k, n = state.n, x = row.x } end }"

static void a_readers_state_is_a_part_of_the_event(void **state)
{
	struct fixture *f = *state;

	scripts(f, SCRIPTS("orders", PASSES, "sums",
			   "return { source = sl.stream 's', key_by = { 'k' }, target = 'sums', process = function(row, state, ctx)\n"
			   "  state.sum = (state.sum or 0) + row.n return { k = row.k, sum = state.sum, op = ctx.op } end }"));
	assert_string_equal(one(f, "{\"k\":1}"), "state orders [1] {\"n\":1}, sums 1 insert 1, state sums [1] {\"sum\":1}");
	message(f, "{\"k\":1}");
	assert_string_equal(one(f, "{\"k\":1}"), "state orders [1] {\"n\":2}, sums 1 insert 3, state sums [1] {\"sum\":3}");
	forget_events(f);
	message(f, "{\"k\":2}");
	message(f, "{\"k\":1}");
	message(f, "{\"k\":2}");
	assert_string_equal(run(f), "state orders [2] {\"n\":1}, sums 2 insert 1, state sums [2] {\"sum\":1}\n"
				    "state orders [1] {\"n\":3}, sums 1 insert 6, state sums [1] {\"sum\":6}\n"
				    "state orders [2] {\"n\":2}, sums 2 insert 3, state sums [2] {\"sum\":3}");
	assert_true(same_lane(event_at(f, 0), event_at(f, 2)));
	assert_false(same_lane(event_at(f, 0), event_at(f, 1)));
}

/* What the scripts before it, and it itself for another row, have changed is taken back. */
static void where_a_reader_fails_nothing_of_the_event_counts(void **state)
{
	struct fixture *f = *state;
	const char *shown;

	scripts(f, SCRIPTS("orders", COUNTS "return { k = row.k, x = row.x } end }", "a",
			   "return { source = sl.stream 's', key_by = { 'k' }, target = sl.stream 't', process = function(row, state, ctx)\n"
			   "  state.a = (state.a or 0) + 1 ctx:map('m')[row.x] = state.a return row end }",
			   "b",
			   "return { source = sl.stream 't', key_by = { 'k' }, process = function(row, state, ctx)\n"
			   "  state.b = (state.b or 0) + 1 if row.x == 3 then error 'three' end end }"));
	message(f, "{\"k\":1,\"x\":1}");
	message(f, "{\"k\":1,\"x\":3}");
	message(f, "{\"k\":1,\"x\":2}");
	shown = run(f);
	contains(shown, "dead: scripts/b.lua:3: three");
	contains(shown, "\nin stream 't', from scripts/a.lua to scripts/b.lua\nin stream 's', from scripts/orders.lua to scripts/a.lua\nkey [1]\n");
	contains(shown, "\nstate orders [1] {\"n\":2}, state a [1] {\"a\":2}, state a m [1,2] 2, state b [1] {\"b\":2}");
}

static void what_two_rows_of_an_event_change_is_changed_in_turn(void **state)
{
	struct fixture *f = *state;

	scripts(f, SCRIPTS("orders",
			   "return { key_by = { 'k' }, process = function(row, state, ctx)\n"
			   "  for i = 1, row.x do ctx:emit('stream:s', { k = row.k, i = i }) end end }",
			   "a",
			   "return { source = sl.stream 's', key_by = { 'k' }, target = 'a', process = function(row, state)\n"
			   "  state.n = (state.n or 0) + row.i return { k = row.k, n = state.n } end }"));
	assert_string_equal(one(f, "{\"k\":1,\"x\":3}"), "a 1 1, state a [1] {\"n\":1}, a 1 3, state a [1] {\"n\":3}, a 1 6, state a [1] {\"n\":6}");
	assert_int_equal(f->questions, 2); /* its own state, then the reader's */
}

/* Each of its rows has to have its state at hand, not the last one alone. */
static void an_event_waits_for_the_states_of_all_its_rows(void **state)
{
	struct fixture *f = *state;

	scripts(f,
		SCRIPTS("orders",
			"return { key_by = { 'k' }, process = function(row, state, ctx)\n"
			"  if row.x then ctx:emit('stream:s', row) end ctx:emit('stream:t', row) end }",
			"a", "return { source = sl.stream 's', key_by = { 'k' }, process = function(row, state) state.a = (state.a or 0) + 1 end }",
			"b", "return { source = sl.stream 't', key_by = { 'k' }, process = function(row, state) state.b = (state.b or 0) + 1 end }"));
	one(f, "{\"k\":1,\"x\":1}");
	forget_events(f);
	state_clear(script_host_state(f->host));
	one(f, "{\"k\":1}");
	assert_string_equal(one(f, "{\"k\":1,\"x\":1}"), "state a [1] {\"a\":2}, state b [1] {\"b\":3}");
}

/* A key with more columns is in the lane of what it has in common. */
static void a_key_may_be_finer_than_the_events(void **state)
{
	struct fixture *f = *state;

	scripts(f, SCRIPTS("orders", PASSES, "fine",
			   "return { source = sl.stream 's', key_by = { 'x', 'k' }, process = function(row, state)\n"
			   "  state.n = (state.n or 0) + 1 end }"));
	for (int i = 0; i < 40; i++) {
		char text[40];

		snprintf(text, sizeof text, "{\"k\":%d,\"x\":%d}", i % 2, i % 4);
		message(f, text);
	}
	contains(run(f), "state fine [3,1] {\"n\":10}");
	assert_true(f->questions <= 3);
	assert_true(same_lane(event_at(f, 0), event_at(f, 2)));
	assert_false(same_lane(event_at(f, 0), event_at(f, 1)));
	scripts(f,
		SCRIPTS("orders",
			"return { key_by = { 'k', 'x' }, target = sl.stream 's', process = function(row, state) state.n = 1 return row end }",
			"turned",
			"return { source = sl.stream 's', key_by = { 'x', 'k' }, process = function(row, state) state.long = ('x'):rep(5000) end }"));
	contains(one(f, "{\"k\":1,\"x\":2}"), "state turned [2,1] {\"long\"");
	assert_true(event_at(f, 0)->bytes > 5000);
}

static void where_keys_do_not_agree_it_is_refused(void **state)
{
	struct fixture *f = *state;

	refused(f, SCRIPTS("orders", PASSES, "a", "return {\nsource = sl.stream 's', key_by = { 'x' }, process = function() end }"),
		"scripts/a.lua:3: key_by: scripts/orders.lua writes stream 's', and its key_by has k, which key_by of scripts/a.lua has not");
	refused(f,
		SCRIPTS("orders", "return { key_by = function(row) return row.k end, target = sl.stream 's', process = function() end }", "a",
			"return { source = sl.stream 's', key_by = { 'x' }, process = function() end }"),
		"scripts/orders.lua: key_by: rows of this script come to others that keep state");
	refused(f,
		SCRIPTS("orders",
			"return { key_by = { 'k' }, target = sl.stream 's', window = sl.tumbling '1m', time = 'at', aggregate = { n = "
			"sl.count() }, columns = { n = 'n', at = 'window_start' } }",
			"a", "return {\nsource = sl.stream 's', key_by = { 'k' }, process = function() end }"),
		"its key_by has k, which the stream does not have");
	refused(f,
		SCRIPTS("orders",
			"return { key_by = { 'k' }, target = sl.stream 's', window = sl.tumbling '1m', time = 'at', aggregate = { n = "
			"sl.count() } }",
			"a",
			"return {\nsource = sl.stream 's', key_by = { 'k' }, time = 'window_start', window = sl.tumbling '1h', aggregate = { n = "
			"sl.sum 'n' } }"),
		"scripts/a.lua:3: source: the script counts the rows of a window, scripts/orders.lua, which are written again with each event: say "
		"emit");
	refused(f,
		SCRIPTS("orders",
			"return { key_by = { 'k' }, target = sl.stream 's', window = sl.tumbling '1m', time = 'at', emit = 'final', aggregate = { n "
			"= "
			"sl.count() } }",
			"a", "return { source = sl.stream 's', key_by = { 'k' }, window = sl.tumbling '1h', aggregate = { n = sl.sum 'n' } }"),
		"time: it reads the rows of a window, scripts/orders.lua: say which of their columns it is");
	refused(f,
		SCRIPTS("orders", PASSES, "a", "return { source = sl.stream 's', target = sl.stream 't' }", "b",
			"return { source = sl.stream 't', key_by = { 'x' }, process = function() end }"),
		"scripts/orders.lua writes stream 't', and its key_by has k, which key_by of scripts/b.lua has not");
	refused(f,
		SCRIPTS("orders", "return { target = sl.stream 's', key_by = { 'y' }, repartition = 'r' }", "a",
			"return { source = sl.stream 's', key_by = { 'x' }, process = function() end }"),
		"scripts/orders.lua: repartition: its rows come to scripts that keep state, so its key_by has to be columns that theirs have");
	refused(f,
		SCRIPTS("orders", "return { target = sl.stream 's', key_by = { 'y' }, repartition = 'r' }", "a", "return { source = sl.stream 's' }"),
		"scripts/orders.lua: repartition: it is for scripts that keep state, or whose rows come to such");
	scripts(f, SCRIPTS("orders", COUNTS "return { k = row.k + 1 } end }", "a",
			   "return { source = sl.stream 's', key_by = { 'k' }, process = "
			   "function(row, state) state.n = 1 end }"));
	contains(one(f, "{\"k\":1}"), "dead: scripts/a.lua: key_by: the row's key is [2], and the event that it comes of has another k");
}

/* Without state of its own a script may feed any key: all of it is one lane then, unless its own key_by is in theirs. */
static void rows_without_state_go_through_one_lane_or_that_of_their_key(void **state)
{
	struct fixture *f = *state;
	const char *reader = "return { source = sl.stream 's', key_by = { 'x' }, process = function(row, state) state.n = (state.n or 0) + 1 end }";

	scripts(f, SCRIPTS("orders", "return { target = sl.stream 's' }", "a", reader));
	message(f, "{\"k\":1,\"x\":1}");
	message(f, "{\"k\":2,\"x\":2}");
	message(f, "{\"k\":3,\"x\":1}");
	assert_string_equal(run(f), "state a [1] {\"n\":1}\nstate a [2] {\"n\":1}\nstate a [1] {\"n\":2}");
	assert_true(same_lane(event_at(f, 0), event_at(f, 1)));
	assert_int_equal(f->questions, 1); /* what stalls behind the first one says what it needs */
	scripts(f, SCRIPTS("a", reader, "orders", "return { target = sl.stream 's', key_by = { 'y' }, columns = { x = 'y' } }"));
	message(f, "{\"y\":1}");
	message(f, "{\"y\":2}");
	message(f, "{\"y\":1}");
	assert_string_equal(run(f), "state a [1] {\"n\":1}\nstate a [2] {\"n\":1}\nstate a [1] {\"n\":2}");
	assert_true(same_lane(event_at(f, 0), event_at(f, 2)));
	assert_false(same_lane(event_at(f, 0), event_at(f, 1)));
}

static void an_update_that_changes_the_key_is_in_the_lanes_of_both(void **state)
{
	struct fixture *f = *state;

	scripts(f, SCRIPTS("orders", "return { target = sl.stream 's', key_by = { 'k' } }", "a",
			   "return { source = sl.stream 's', key_by = { 'k' }, process = function(row, state) state.n = 1 end }"));
	message(f, "{\"op\":\"update\",\"old\":{\"k\":1,\"v\":5},\"row\":{\"k\":2,\"v\":5}}");
	message(f, "{\"op\":\"update\",\"old\":{\"k\":2,\"v\":5},\"row\":{\"k\":2,\"v\":6}}");
	run(f);
	assert_int_equal(event_at(f, 0)->lane_hashes, 2);
	assert_int_equal(event_at(f, 1)->lane_hashes, 1);
}

/* Where what writers without state are keyed by is not the same part of a reader's key, or their rows do not have it, all is one lane. */
static void what_is_no_part_of_the_readers_key_is_no_lane(void **state)
{
	struct fixture *f = *state;

	scripts(f, SCRIPTS("orders", "return { target = sl.stream 's', key_by = { 'y' }, columns = { x = 'z' } }", "a",
			   "return { source = sl.stream 's', key_by = { 'x' }, process = function(row, state) state.n = (state.n or 0) + 1 end }"));
	message(f, "{\"y\":1,\"z\":5}");
	message(f, "{\"y\":2,\"z\":5}");
	assert_string_equal(run(f), "state a [5] {\"n\":1}\nstate a [5] {\"n\":2}");
	assert_true(same_lane(event_at(f, 0), event_at(f, 1)));
	scripts(f,
		SCRIPTS("a", "return { source = 'x', target = sl.stream 's', key_by = { 'k' } }", "b",
			"return { source = 'y', target = sl.stream 's', key_by = { 'l' } }", "c",
			"return { source = sl.stream 's', key_by = { 'k', 'l' }, process = function(row, state) state.n = (state.n or 0) + 1 end }"));
	message(f, "{\"t\":\"x\",\"row\":{\"k\":1,\"l\":2}}");
	message(f, "{\"t\":\"y\",\"row\":{\"k\":1,\"l\":2}}");
	assert_string_equal(run(f), "state c [1,2] {\"n\":1}\nstate c [1,2] {\"n\":2}");
	assert_true(same_lane(event_at(f, 0), event_at(f, 1)));
}

/* By the longest way that a row can take to them; and event time stands still as long for those who read as for those who write. */
static void readers_come_behind_all_that_write_to_them(void **state)
{
	struct fixture *f = *state;

	scripts(f,
		SCRIPTS("orders",
			"return { key_by = { 'k' }, time = 'at', watermark = { out_of_order = '9s' }, process = function(row, state, ctx)\n"
			"  ctx:emit('stream:s', row) ctx:emit('stream:t', row) end }",
			"b", "return { source = sl.stream 't', time = 'at', key_by = { 'k' }, process = function() end, on_timer = function() end }",
			"a", "return { source = sl.stream 's', target = sl.stream 't' }"));
	assert_string_equal(script_host_ranked(f->host, 1)->path.p, "scripts/a.lua");
	assert_string_equal(script_host_ranked(f->host, 2)->path.p, "scripts/b.lua");
	assert_int_equal(script_host_ranked(f->host, 2)->out_of_order_ms, 9000);
}

/* Two tables' rows come to a state as they stand in the partition. */
static void rows_of_two_scripts_come_in_their_order(void **state)
{
	struct fixture *f = *state;
	const char *writer = "return { source = '%s', target = sl.stream 's' }";
	char a[80], b[80];

	snprintf(a, sizeof a, writer, "x");
	snprintf(b, sizeof b, writer, "y");
	scripts(f, SCRIPTS("a", a, "b", b, "list",
			   "return { source = sl.stream 's', key_by = { 'k' }, process = function(row, state)\n"
			   "  state.of = (state.of or '') .. row.v end }"));
	for (int i = 0; i < 6; i++) {
		char text[60];

		snprintf(text, sizeof text, "{\"t\":\"%s\",\"row\":{\"k\":1,\"v\":%d}}", i % 3 == 1 ? "x" : "y", i);
		message(f, text);
	}
	contains(run(f), "state list [1] {\"of\":\"012345\"}");
	assert_true(same_lane(event_at(f, 0), event_at(f, 1)));
	/* The first one waits for what its map has, and so does the next, of another table. */
	scripts(f, SCRIPTS("a",
			   "return { source = 'x', key_by = { 'k' }, target = sl.stream 's', process = function(row, state, ctx)\n"
			   "  ctx:map('m')[row.v] = (ctx:map('m')[row.v] or 0) + 1 return row end }",
			   "b", "return { source = 'y', key_by = { 'k' }, target = sl.stream 's', process = function(row) return row end }", "list",
			   "return { source = sl.stream 's', key_by = { 'k' }, process = function(row, state)\n"
			   "  state.of = (state.of or '') .. row.v end }"));
	one(f, "{\"t\":\"y\",\"row\":{\"k\":1,\"v\":0}}"); /* the list is at hand */
	forget_events(f);
	message(f, "{\"t\":\"x\",\"row\":{\"k\":1,\"v\":1}}");
	message(f, "{\"t\":\"y\",\"row\":{\"k\":1,\"v\":2}}");
	contains(run(f), "state list [1] {\"of\":\"012\"}");
}

static void an_update_takes_out_of_a_window_what_its_row_was(void **state)
{
	struct fixture *f = *state;

	scripts(f,
		SCRIPTS("orders", "return { target = sl.stream 's', where = function(row) return row.v > 0 end, time = 'at' }", "w",
			"return { source = sl.stream 's', key_by = { 'k' }, target = 'w', time = 'at', window = sl.tumbling '1m', aggregate = { v = "
			"sl.sum 'v' }, columns = { k = 'k', v = 'v' } }"));
#define AT "\"at\":\"2024-01-31 12:00:05\""
	contains(one(f, "{\"op\":\"insert\",\"row\":{\"k\":1,\"v\":5," AT "}}"), "w 1 5, state w [1]");
	contains(one(f, "{\"op\":\"update\",\"old\":{\"k\":1,\"v\":5," AT "},\"row\":{\"k\":1,\"v\":7," AT "}}"), "w 1 7, state w [1]");
	contains(one(f, "{\"op\":\"insert\",\"row\":{\"k\":1,\"v\":10," AT "}}"), "w 1 17, state w [1]");
	contains(one(f, "{\"op\":\"update\",\"old\":{\"k\":1,\"v\":7," AT "},\"row\":{\"k\":1,\"v\":0," AT "}}"), "w 1 10, state w [1]");
	contains(one(f, "{\"op\":\"update\",\"old\":{\"k\":1,\"v\":0," AT "},\"row\":{\"k\":1,\"v\":2," AT "}}"), "w 1 12, state w [1]");
	contains(one(f, "{\"op\":\"delete\",\"row\":{\"k\":1,\"v\":2," AT "}}"), "w 1 10, state w [1]");
}

/* A reader's timers that event time has passed run before the row that comes to its key. */
static void timers_of_a_readers_key_come_before_its_row(void **state)
{
	struct fixture *f = *state;

	scripts(f, SCRIPTS("orders", "return { time = 'at', target = sl.stream 's' }", "t",
			   "return { source = sl.stream 's', key_by = { 'k' }, target = 't', time = 'at', process = function(row, state, ctx)\n"
			   "  state.n = (state.n or 0) + 1 ctx:timer(row.at + 10) return { k = row.k, n = state.n } end,\n"
			   "  on_timer = function(state, ctx) ctx:emit('t', { k = ctx.key.k, n = -state.n, at = ctx.time }) state.n = nil end }"));
	message(f, "{\"k\":1,\"at\":1000}");
	message(f, "{\"k\":1,\"at\":1005}");
	message(f, "{\"k\":2,\"at\":1020}");
	message(f, "{\"k\":1,\"at\":1021}");
	assert_string_equal(run(f), "t 1 1, state t [1] {\"n\":1}\nt 1 2, state t [1] {\"n\":2}\nt 2 1, state t [2] {\"n\":1}\n"
				    "t 1015 1 -2, -state t [1]\nt 1 1, state t [1] {\"n\":1}");
	assert_true(same_lane(event_at(f, 3), event_at(f, 4)));
}

static void a_reader_looks_up_and_so_do_those_without_state(void **state)
{
	struct fixture *f = *state;
#define LOOKS "lookup = { c = { table = 'customers', key = { id = 'k' }, columns = { 'name' }, ttl = '0s' } }"

	scripts(f, SCRIPTS("orders", "return { target = sl.stream 's' }", "a",
			   "return { source = sl.stream 's', target = 'a', " LOOKS ", columns = { k = 'k', name = 'c.name' } }", "b",
			   "return { source = sl.stream 's', target = 'b', key_by = { 'k' }, " LOOKS
			   ", process = function(row, state)\n  state.who = row.c.name return { k = row.k, name = row.c.name } end }"));
	message(f, "{\"k\":1}");
	message(f, "{\"k\":2}");
	assert_string_equal(run(f), "a 1 Ada, b 1 Ada, state b [1] {\"who\":\"Ada\"}\na 2 Ada, b 2 Ada, state b [2] {\"who\":\"Ada\"}");
	assert_int_equal(f->questions, 1);
	scripts(f, SCRIPTS("orders", "return { target = sl.stream 's' }", "a",
			   "return { source = sl.stream 's', target = 'a', " LOOKS ", where = function(row) return row.c.name == 'Ada' end }"));
	assert_string_equal(one(f, "{\"k\":1}"), "a 1");
}

static void a_stream_that_is_made_up_has_no_such_readers(void **state)
{
	struct fixture *f = *state;

	scripts(f, SCRIPTS("orders", "return { map = function(row, ctx) ctx:emit('str' .. 'eam:s', row) end }", "a",
			   "return { source = sl.stream 's', key_by = { 'k' }, process = function() end }"));
	contains(one(f, "{\"k\":1}"), "dead: scripts/orders.lua: stream 's': its name is put together while the script runs, and scripts/a.lua");
	/* Nor of another chain than its own. */
	scripts(f, SCRIPTS("orders", "return { target = sl.stream 't', map = function(row, ctx) ctx:emit('str' .. 'eam:s', row) return row end }",
			   "a", "return { source = sl.stream 's', key_by = { 'k' }, process = function() end }", "b",
			   "return { source = sl.stream 't', key_by = { 'k' }, process = function() end }"));
	contains(one(f, "{\"k\":1}"), "dead: scripts/orders.lua: stream 's': its name is put together while the script runs, and scripts/a.lua");
}

static void readers_without_state_have_no_maps_and_timers(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		scripts(f, SCRIPTS("orders", PASSES, "a",
				   i ? "return { source = sl.stream 's', map = function(row, ctx) ctx:timer(5) end }"
				     : "return { source = sl.stream 's', map = function(row, ctx) ctx:map('m').x = 1 end }"));
		contains(one(f, "{\"k\":1}"), i ? "only process(row, state, ctx) and on_timer(state, ctx) set timers" : "have maps");
	}
}

static int open_fixture(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->shapes = shapes_new();
	f->decoder = (struct decoder){ .shapes = f->shapes, .json = json_new(), .format = &format_json };
	f->decoder.state = f->decoder.format->open(&f->decoder);
	f->readings.plain = true;
	*state = f;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *f = *state;

	close_host(f);
	intakes_free(&f->intakes);
	f->decoder.format->close(f->decoder.state);
	json_free(f->decoder.json);
	shapes_free(f->shapes);
	buf_free(&f->shown);
	free(f);
	return 0;
}

#define CHAIN_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHAIN_TEST(a_readers_state_is_a_part_of_the_event),
		CHAIN_TEST(where_a_reader_fails_nothing_of_the_event_counts),
		CHAIN_TEST(what_two_rows_of_an_event_change_is_changed_in_turn),
		CHAIN_TEST(an_event_waits_for_the_states_of_all_its_rows),
		CHAIN_TEST(a_key_may_be_finer_than_the_events),
		CHAIN_TEST(where_keys_do_not_agree_it_is_refused),
		CHAIN_TEST(rows_without_state_go_through_one_lane_or_that_of_their_key),
		CHAIN_TEST(an_update_that_changes_the_key_is_in_the_lanes_of_both),
		CHAIN_TEST(what_is_no_part_of_the_readers_key_is_no_lane),
		CHAIN_TEST(readers_come_behind_all_that_write_to_them),
		CHAIN_TEST(rows_of_two_scripts_come_in_their_order),
		CHAIN_TEST(an_update_takes_out_of_a_window_what_its_row_was),
		CHAIN_TEST(timers_of_a_readers_key_come_before_its_row),
		CHAIN_TEST(a_reader_looks_up_and_so_do_those_without_state),
		CHAIN_TEST(a_stream_that_is_made_up_has_no_such_readers),
		CHAIN_TEST(readers_without_state_have_no_maps_and_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
