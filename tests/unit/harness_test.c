/* *_test.lua files, and examples of several steps, from their text to what is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow/script.h"

struct fixture {
	struct bundle bundle;
	struct reading_settings readings;
	struct buf said;
	uint32_t passed, failed;
};

static int setup(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){ .readings = { .as_seen = true } };
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bundle_free(&f->bundle);
	buf_free(&f->said);
	return 0;
}

static void add(struct fixture *f, const char *path, const char *text)
{
	bundle_add(&f->bundle, path, text, strlen(text));
}

static void keep(void *ctx, const char *line)
{
	struct fixture *f = ctx;

	buf_text(&f->said, line);
	buf_char(&f->said, '\n');
}

/* One script, scripts/orders.lua, and its test. */
static void run(struct fixture *f, const char *script, const char *test)
{
	struct buf text = BUF_INIT;
	struct script_host *tester;
	struct error err;

	buf_printf(&text, "local sl = require 'streamlua' %s", test);
	f->bundle.job = strdup("job.lua");
	add(f, "job.lua",
	    "local sl = require 'streamlua' return sl.job { name = 't', source = sl.source.file { path = '-', format = 'json' }, "
	    "sink = sl.sink.blackhole() }");
	add(f, "scripts/orders.lua", script);
	add(f, "scripts/orders_test.lua", buf_cstr(&text));
	bundle_seal(&f->bundle);
	buf_free(&text);
	tester = script_host_new(&(struct host_options){ .bundle = &f->bundle }, &err);
	if (!tester || script_host_test(tester, "scripts/orders_test.lua", &f->readings, keep, f, &f->passed, &f->failed, &err) < 0)
		fail_msg("%s", err.text);
	script_host_free(tester);
}

/* The examples of one script, scripts/orders.lua. */
static void run_examples(struct fixture *f, const char *script)
{
	struct shapes *shapes = shapes_new();
	struct script_host *host;
	struct error err;

	add(f, "scripts/orders.lua", script);
	bundle_seal(&f->bundle);
	host = script_host_new(&(struct host_options){ .bundle = &f->bundle }, &err);
	if (!host || script_host_load(host, "scripts/orders.lua", NULL, &err) < 0 ||
	    script_host_bind(host, NULL, shapes, &f->readings, NULL, NULL, &err) < 0 ||
	    script_host_examples(host, keep, f, &f->passed, &f->failed, &err) < 0)
		fail_msg("%s", err.text);
	script_host_free(host);
	shapes_free(shapes);
}

static void ended(struct fixture *f, uint32_t passed, uint32_t failed)
{
	if (f->passed != passed || f->failed != failed)
		fail_msg("%u passed, %u failed:\n%s", f->passed, f->failed, buf_cstr(&f->said));
}

static void says(struct fixture *f, const char *part)
{
	if (!strstr(buf_cstr(&f->said), part))
		fail_msg("\"%s\" is not in:\n%s", part, buf_cstr(&f->said));
}

static const char counting[] = "local all = 0\n"
			       "return { key_by = { 'id', 'name' }, target = 'counts', process = function(row, state, ctx)\n"
			       "  all, state.n = all + 1, (state.n or 0) + 1\n"
			       "  if row.bad then error('bad') end\n"
			       "  if row.gone then state.n = nil end\n"
			       "  return { id = row.id, n = state.n or 0, all = all, offset = ctx.offset, now = ctx.now }\n"
			       "end }";

static void state_outlives_a_restart_and_memory_does_not(void **state)
{
	struct fixture *f = *state;

	run(f, counting,
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "assert(h:state { 1, 'a' } == nil)\n"
	    "h:feed { row = { id = 1, name = 'a' }, now = 5 }\n"
	    "h:feed { row = { id = 2, name = 'a' } }\n"
	    "h:expect { { row = { id = 1, n = 1, all = 1, offset = 0, now = 5 } }, { row = { id = 2, n = 1, all = 2, offset = 1 } } }\n"
	    "h:restart()\n"
	    "assert(h:state { 1, 'a' }.n == 1)\n"
	    "h:feed { row = { id = 1, name = 'a' } }\n"
	    "h:expect { id = 1, n = 2, all = 1, offset = 2 }\n"
	    "h:feed { row = { id = 1, name = 'a', gone = true } }\n"
	    "assert(h:state { 1, 'a' } == nil and h:state { 2, 'a' }.n == 1)");
	ended(f, 1, 0);
}

/* Each event writes a row before it comes to an entry that is not at hand. */
static const char mapping[] =
	"local runs = 0\n"
	"return { key_by = { 'id' }, target = 'counts', state = { version = 2, ttl = '1m' }, time = 'at', upgrade = function(old) return old end,\n"
	"process = function(row, state, ctx)\n"
	"  local seen, last = ctx:map('seen'), ctx:map('last')\n"
	"  runs, state.n = runs + 1, (state.n or 0) + 1\n"
	"  ctx:emit('log', { id = row.id, n = state.n })\n"
	"  local ok, n = pcall(function() return seen[row.item] end)\n"
	"  if not ok then state.swallowed = true end\n"
	"  seen[row.item] = (n or 0) + 1\n"
	"  if row.bad then error('bad') end\n"
	"  if row.gone then seen[row.item] = nil end\n"
	"  if row.list then local t = last.t or {} t[#t + 1] = row.item last.t = t end\n"
	"  if row.more then last.t[5 - 3] = row.item end\n"
	"  last[5] = row.item\n"
	"  return { id = row.id, n = seen[row.item] or 0, runs = runs }\n"
	"end }";

static void an_entry_of_a_map_is_read_when_it_is_needed_and_the_event_counts_once(void **state)
{
	struct fixture *f = *state;

	run(f, mapping,
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:feed { row = { id = 1, item = 'a', at = 1000 } }\n"
	    "h:expect { { target = 'log', row = { id = 1, n = 1 } }, { row = { id = 1, n = 1, runs = 3 } } }\n"
	    "assert(h:state({ 1 }, 'seen', 'a') == 1 and h:state({ 1 }, 'last', 5) == 'a' and h:state({ 1 }, 'last', '5') == nil)\n"
	    "h:feed { row = { id = 1, item = 'a', at = 1000 } }\n"
	    "h:expect { { target = 'log', row = { id = 1, n = 2 } }, { row = { id = 1, n = 2, runs = 4 } } }\n"
	    "h:restart()\n"
	    "h:feed { row = { id = 1, item = 'a', at = 1000 } }\n"
	    "h:expect { { target = 'log', row = { id = 1, n = 3 } }, { row = { id = 1, n = 3, runs = 3 } } }\n"
	    "assert(h:state { 1 }.n == 3 and h:state { 1 }.swallowed == nil)\n"
	    "h:feed { row = { id = 2, item = 'a', at = 1000 } }\n"
	    "assert(h:state({ 2 }, 'seen', 'a') == 1)\n"
	    "h:feed { row = { id = 1, item = 'a', at = 2000, bad = true } }\n"
	    "assert(h:state({ 1 }, 'seen', 'a') == 3 and h:state { 1 }.n == 3)\n"
	    "h:feed { row = { id = 1, item = 'a', at = 2000, gone = true } }\n"
	    "assert(h:state({ 1 }, 'seen', 'a') == nil)\n"
	    "h:feed { row = { id = 1, item = 'b', at = 3000, list = true } }\n"
	    "h:restart()\n"
	    "h:feed { row = { id = 1, item = 'c', at = 3000, more = true } }\n"
	    "assert(h:state({ 1 }, 'last', 't')[1] == 'b' and h:state({ 1 }, 'last', 't')[2] == 'c')\n"
	    "h:feed { row = { id = 1, item = 'c', at = 63000 } }\n"
	    "h:expect { { target = 'log', row = {} }, { row = {} }, { error = 'bad' }, { target = 'log', row = {} }, { row = {} }, { target = 'log', "
	    "row = {} }, { row = {} }, { target = 'log', row = {} }, { row = {} },\n"
	    "  { target = 'log', row = { n = 1 } }, { row = { n = 1 } } }");
	ended(f, 1, 0);
}

static void what_cannot_be_done_with_a_map_is_said(void **state)
{
	static const char *const tries[][2] = {
		{ "m[{}] = 1", "a key is a text or a number, not a table" },
		{ "m[0 / 0] = 1", "a key is a text or a number, not" },
		{ "m.a = print", "m[\"a\"] cannot be saved: a function has no form in JSON" },
		{ "m.a = ('x'):rep(1100000)", "m[\"a\"] takes 1100002 bytes, and a row of streamlua_state holds 1048576" },
		{ "m[('k'):rep(400)] = 1", "the key of its state has 406 characters" },
		{ "for k in pairs(m) do end", "table expected, got userdata" },
		{ "local n = #m", "nothing walks through a map" },
		{ "ctx:map()", "a map's name is a text of 1 to 160 bytes, not nothing" },
		{ "ctx:map(('n'):rep(161))", "a map's name is a text of 1 to 160 bytes" },
		{ "ctx:map('m', 5)", "a list of keys is needed, not a number" },
		{ "for i = 1, 20000 do m[i] = i end", "one event comes to more than 10000 entries" },
		{ "for i = 1, 2000 do local x = m[i] end", "it came 200 times to an entry of a map that was not at hand: name them at once" },
	};

	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		struct fixture *f = *state;
		struct buf script = BUF_INIT, test = BUF_INIT;

		setup(state);
		buf_printf(&script, "return { key_by = { 'id' }, process = function(row, state, ctx) local m = ctx:map 'm' state.n = 1 %s end }",
			   tries[i][0]);
		buf_printf(&test,
			   "local h = sl.test.harness 'scripts/orders.lua' h:feed { row = { id = 1 } } h:expect { error = [[%s]] } assert(h:state { "
			   "1 } == nil)",
			   tries[i][1]);
		run(f, buf_cstr(&script), buf_cstr(&test));
		ended(f, 1, 0);
		buf_free(&script);
		buf_free(&test);
		if (i + 1 < sizeof tries / sizeof *tries)
			teardown(state);
	}
}

static void entries_that_are_named_at_once_are_read_at_once(void **state)
{
	struct fixture *f = *state;

	run(f,
	    "local runs = 0 return { key_by = { 'id' }, target = 't', process = function(row, state, ctx)\n"
	    "  runs = runs + 1\n"
	    "  local keys = {} for i = 1, 3000 do keys[i] = i end\n"
	    "  local m, sum = ctx:map('m', keys), 0\n"
	    "  for i = 1, 3000 do m[i] = (m[i] or 0) + i sum = sum + m[i] end\n"
	    "  return { id = row.id, sum = sum, runs = runs }\n"
	    "end }",
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:feed { row = { id = 1 } } h:feed { row = { id = 1 } }\n"
	    "h:expect { { row = { id = 1, sum = 4501500, runs = 2 } }, { row = { id = 1, sum = 9003000, runs = 3 } } }");
	ended(f, 1, 0);
}

static void a_dead_letter_leaves_the_state_and_is_not_overlooked(void **state)
{
	struct fixture *f = *state;

	run(f, counting,
	    "sl.test.case('expected', function()\n"
	    "  local h = sl.test.harness 'orders.lua'\n"
	    "  h:feed { row = { id = 1, name = 'a' } }\n"
	    "  h:feed { row = { id = 1, name = 'a', bad = true } }\n"
	    "  assert(h:state { 1, 'a' }.n == 1)\n"
	    "  h:expect { { row = { n = 1 } }, { error = 'bad' } }\n"
	    "end)\n"
	    "sl.test.case('overlooked', function()\n"
	    "  sl.test.harness('orders.lua'):feed { row = { id = 1, name = 'a', bad = true } }\n"
	    "end)");
	ended(f, 1, 1);
	says(f, "scripts/orders_test.lua:9: this event became a dead letter, and no h:expect says so: scripts/orders.lua:4: bad");
	says(f, "in \"overlooked\"");
}

static void what_fails_says_where_and_the_rest_goes_on(void **state)
{
	struct fixture *f = *state;

	run(f, "return { columns = { id = 'id' } }",
	    "local kept\n"
	    "sl.test.case('differs', function()\n"
	    "  kept = sl.test.harness 'orders.lua'\n"
	    "  kept:feed { row = { id = 1 } }\n"
	    "  kept:expect { { row = { id = 2 } }, { target = 'x', delete = { id = 1 } } }\n"
	    "end)\n"
	    "sl.test.case('asserts', function() assert(false) end)\n"
	    "sl.test.case('ended', function() kept:feed { row = { id = 1 } } end)\n"
	    "sl.test.case('stateless', function() sl.test.harness('orders.lua'):state { 1 } end)\n"
	    "sl.test.case('bad value', function() sl.test.harness('orders.lua'):feed { row = { id = 0 / 0 } } end)\n"
	    "sl.test.case('no script', function() sl.test.harness 'order.lua' end)\n"
	    "sl.test.case('passes', function() sl.test.harness('orders.lua'):expect(false) end)\n");
	ended(f, 1, 6);
	says(f, "scripts/orders_test.lua:5: expected 2 changes, got 1:\n"
		"  expected row of orders { id = 2 }\n"
		"  expected delete from x { id = 1 }\n"
		"  got      row of orders { id = 1 }\n"
		"  in \"differs\"\n");
	says(f, "scripts/orders_test.lua:7: assertion failed!\n  in \"asserts\"");
	says(f, "scripts/orders_test.lua:8: h:feed: this harness ended with the sl.test.case that made it");
	says(f, "scripts/orders_test.lua:9: h:state: scripts/orders.lua keeps no state");
	says(f, "scripts/orders_test.lua:10: h:feed: column id: NaN");
	says(f, "scripts/orders_test.lua:11: sl.test.harness: the job has no script order.lua, and none scripts/order.lua");
}

static void a_file_that_does_not_run_is_a_failure(void **state)
{
	struct fixture *f = *state;

	run(f, "return { columns = { id = sl } }", "sl.test.harness 'orders.lua'");
	ended(f, 0, 1);
	says(f, "scripts/orders_test.lua:1: sl.test.harness: scripts/orders.lua:1: global 'sl' is not defined");
}

static void the_script_itself_has_no_test(void **state)
{
	struct fixture *f = *state;

	run(f, "require('streamlua').test.case('x', function() end) return {}", "sl.test.harness 'orders.lua'");
	ended(f, 0, 1);
	says(f, "scripts/orders.lua:1: sl.test.case: no test runs here");
}

static void a_key_that_a_function_makes_is_given_as_its_value(void **state)
{
	struct fixture *f = *state;

	run(f, "return { key_by = function(row) return row.a .. '\"' end, process = function(row, state) state.x = row.a end }",
	    "local h = sl.test.harness 'orders.lua' h:feed { row = { a = 'b' } } assert(h:state { 'b\"' }.x == 'b') h:expect {}");
	ended(f, 1, 0);
}

static void a_script_without_end_is_a_dead_letter(void **state)
{
	struct fixture *f = *state;

	run(f, "return { map = function(row) while row.loop do end return { id = row.id } end }",
	    "local h = sl.test.harness 'orders.lua' h:feed { row = { id = 1, loop = true } } h:expect { error = 'no end is in sight' }\n"
	    "h:feed { row = { id = 2 } } h:expect { id = 2 }");
	ended(f, 1, 0);
}

static void timers_fire_as_event_time_and_the_clock_go_on(void **state)
{
	struct fixture *f = *state;

	run(f,
	    "local M = { key_by = { 'k' }, time = 'at', target = 't', watermark = { out_of_order = '1s' } }\n"
	    "function M.process(row, state, ctx)\n"
	    "  state.n = (state.n or 0) + 1\n"
	    "  ctx:timer(row.at + 1000)\n"
	    "  if row.soon then ctx:timer_in('5m', 'soon') end\n"
	    "  if row.bad then ctx:timer(1, 'old') end\n"
	    "end\n"
	    "function M.on_timer(state, ctx)\n"
	    "  if ctx.timer_name then error 'no' end\n"
	    "  ctx:emit('t', { id = ctx.key.k .. '@' .. ctx.time, v = state.n })\n"
	    "end\n"
	    "return M\n",
	    "sl.test.case('event time', function()\n"
	    "  local h = sl.test.harness 'scripts/orders.lua'\n"
	    "  h:feed { row = { k = 1, at = 10000 } }\n"
	    "  h:expect {}\n"
	    "  h:restart()\n"
	    "  h:advance_to(11000)\n"
	    "  h:expect { id = '1@11000', v = 1 }\n"
	    "  h:feed { row = { k = 1, at = 13000 } }\n"
	    "  h:feed { row = { k = 2, at = 90000 } }\n"
	    "  h:expect { id = '1@14000', v = 2 }\n"
	    "  h:feed { row = { k = 1, at = 90000, bad = true } }\n"
	    "  h:expect { error = 'is in the past' }\n"
	    "  h:finish()\n"
	    "  h:expect { id = '2@91000', v = 1 }\n"
	    "end)\n"
	    "sl.test.case('the clock', function()\n"
	    "  local h = sl.test.harness 'scripts/orders.lua'\n"
	    "  h:feed { row = { k = 1, at = 10000, soon = true }, now = 1000 }\n"
	    "  h:wait '4m'\n"
	    "  h:expect {}\n"
	    "  h:wait '2m'\n"
	    "  h:expect { error = 'no' }\n"
	    "  assert(h:state { 1 }.n == 1)\n"
	    "end)\n");
	ended(f, 2, 0);
}

static void final_windows_close_at_the_watermark_and_at_the_end(void **state)
{
	struct fixture *f = *state;

	run(f,
	    "local sl = require 'streamlua'\n"
	    "return { key_by = { 'k' }, time = 'at', target = 'w', window = sl.tumbling '1m', emit = 'final', aggregate = { n = sl.count() } }\n",
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:feed { row = { k = 1, at = 1000 } }\n"
	    "h:feed { row = { k = 1, at = 2000 } }\n"
	    "h:expect {}\n"
	    "h:advance_to(60000)\n"
	    "h:expect { k = 1, window_start = '1970-01-01 00:00:00', n = 2 }\n"
	    "h:feed { row = { k = 1, at = 61000 } }\n"
	    "h:finish()\n"
	    "h:expect { k = 1, window_start = '1970-01-01 00:01:00', n = 1 }\n"
	    "h:feed { row = { k = 1, at = 62000 } }\n"
	    "h:finish()\n"
	    "h:expect { k = 1, window_start = '1970-01-01 00:01:00', n = 2 }\n"
	    "h:finish()\n"
	    "h:expect {}\n");
	ended(f, 1, 0);
}

static void a_time_is_written_as_it_is_and_one_beyond_all_times_is_none(void **state)
{
	struct fixture *f = *state;

	run(f,
	    "local sl = require 'streamlua'\n"
	    "return { key_by = { 'k' }, time = { 'at', unit = 's' }, target = 'w', window = sl.tumbling '1m', aggregate = { n = sl.count() } }\n",
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:feed { row = { k = 1, at = 253402300859 } }\n"
	    "h:expect { k = 1, window_start = '10000-01-01 00:00:00', window_end = '10000-01-01 00:01:00', n = 1 }\n"
	    "h:feed { row = { k = 1, at = 8640000000000 } }\n"
	    "h:expect { error = 'which is no time' }\n"
	    "h:feed { row = { k = 1, at = -8e15 } }\n"
	    "h:expect { error = 'which is no time' }\n");
	ended(f, 1, 0);
}

static void rows_are_counted_for_which_a_function_is_true(void **state)
{
	struct fixture *f = *state;

	run(f,
	    "local sl = require 'streamlua'\n"
	    "return { key_by = { 'k' }, time = 'at', target = 'w', window = sl.tumbling '1m',\n"
	    "  aggregate = { n = sl.count(function(row) return row.v and { row.v } end), m = sl.count(function(row) return row.v == 2 end) } }\n",
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:feed { row = { k = 1, at = 1, v = 1 } }\n"
	    "h:expect { k = 1, n = 1, m = 0 }\n"
	    "h:feed { row = { k = 1, at = 1, v = 2 } }\n"
	    "h:expect { k = 1, n = 2, m = 1 }\n"
	    "h:feed { row = { k = 1, at = 1 } }\n"
	    "h:expect { k = 1, n = 2, m = 1 }\n");
	ended(f, 1, 0);
}

/* What version 1 kept was a sum; version 2 keeps a list of what it is made of. */
static const char versioned[] = "local M = { key_by = { 'k', 'l' }, target = 't', state = { version = 3 } }\n"
				"function M.upgrade(state, from, map)\n"
				"  if map then return 'was ' .. state .. ' of ' .. from end\n"
				"  if from == 1 then state.list, state.sum = { state.sum }, nil end\n"
				"  if from == 2 then return { list = state.numbers } end\n"
				"end\n"
				"function M.process(row, state, ctx)\n"
				"  state.list = state.list or {}\n"
				"  table.insert(state.list, row.n)\n"
				"  return { id = row.id, list = table.concat(state.list, ' '), last = ctx:map('last').x }\n"
				"end\n";

static void what_older_versions_kept_is_restored_and_upgraded(void **state)
{
	struct fixture *f = *state;
	struct buf script = BUF_INIT;

	buf_printf(&script, "%s return M", versioned);
	run(f, buf_cstr(&script),
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:restore { key = { 1, 'a' }, version = 1, state = { sum = 5 } }\n"
	    "h:restore { key = { 2, 'a' }, version = 2, state = { numbers = { 5, 6 } } }\n"
	    "h:restore { key = { 2, 'a' }, map = 'last', entry = 'x', version = 1, state = 9 }\n"
	    "h:restore { key = { 3, 'a' }, state = { list = { 8 } } }\n"
	    "h:restore { key = { 4, 'a' }, version = 4, state = { list = { 8 } } }\n"
	    "assert(h:state { 1, 'a' }.sum == 5 and h:state({ 2, 'a' }, 'last', 'x') == 9)\n"
	    "for k = 1, 3 do h:feed { row = { id = k, k = k, l = 'a', n = 7 } } end\n"
	    "h:expect { { row = { id = 1, list = '5 7' } }, { row = { id = 2, list = '5 6 7', last = 'was 9 of 1' } },\n"
	    "  { row = { id = 3, list = '8 7' } } }\n"
	    "assert(h:state { 1, 'a' }.sum == nil and #h:state { 1, 'a' }.list == 2)\n"
	    "h:restart()\n"
	    "h:restore { key = { 1, 'a' }, version = 1, state = { sum = 50 } }\n" /* it was at hand as it was */
	    "h:feed { row = { id = 1, k = 1, l = 'a', n = 7 } }\n"
	    "h:expect { list = '50 7' }\n"
	    "h:feed { row = { id = 4, k = 4, l = 'a', n = 7 } }\n"
	    "h:expect { error = 'written by version 4, and the script has version 3' }\n"
	    "for _, one in ipairs {\n"
	    "  { 'a table of options is needed', nil },\n"
	    "  { \"unknown option 'stat': did you mean 'state'?\", { key = { 1, 2 }, stat = {} } },\n"
	    "  { \"option 'key' is needed\", { state = {} } }, { \"option 'state' is needed\", { key = { 1, 2 } } },\n"
	    "  { 'a list of 2 values', { key = { 1 }, state = {} } }, { 'state: a table is needed, not a number', { key = { 1, 2 }, state = 1 } },\n"
	    "  { 'state.f cannot be saved', { key = { 1, 2 }, state = { f = print } } },\n"
	    "  { 'go together', { key = { 1, 2 }, state = {}, map = 'm' } },\n"
	    "  { 'for scripts with a window', { key = { 1, 2 }, state = {}, window_start = 0 } },\n"
	    "} do\n"
	    "  local ok, reason = pcall(h.restore, h, one[2])\n"
	    "  if one[2] then assert(not ok and reason:find(one[1], 1, true), reason) end\n"
	    "end\n");
	ended(f, 1, 0);
	buf_free(&script);
}

static void accumulators_of_older_versions_are_restored_by_their_windows(void **state)
{
	struct fixture *f = *state;

	run(f,
	    "local sl = require 'streamlua'\n"
	    "local M = { key_by = { 'k' }, time = 'at', target = 'w', window = sl.tumbling '1m', emit = 'final', state = { version = 2 } }\n"
	    "function M.add(acc, row) acc.total = (acc.total or 0) + row.n end\n"
	    "function M.result(acc) return { total = acc.total } end\n"
	    "function M.upgrade(acc, from) return { total = acc.sum } end\n"
	    "return M\n",
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:restore { key = { 1 }, version = 1, state = { sum = 5 }, window_start = '1970-01-01 00:01:00' }\n"
	    "h:restore { key = { 1 }, version = 1, state = { sum = 7 }, window_start = 0 }\n"
	    "h:restore { key = { 2 }, version = 1, state = { sum = 9 }, window_start = 0 }\n"
	    "h:expect {}\n"
	    "h:feed { row = { k = 1, at = 61000, n = 1 } }\n"
	    "h:expect { { row = { k = 1, window_start = '1970-01-01 00:00:00', total = 7 } }, { row = { k = 2, total = 9 } } }\n"
	    "h:finish()\n"
	    "h:expect { k = 1, window_start = '1970-01-01 00:01:00', total = 6 }\n"
	    "for _, one in ipairs { { 'window_start is needed', {} }, { 'no window begins at 1970-01-01 00:00:30.000', { window_start = 30000 } },\n"
	    "  { 'map: windows have none', { window_start = 0, map = 'm', entry = 1 } },\n"
	    "  { 'window_start: a time is needed', { window_start = {} } } } do\n"
	    "  one[2].key, one[2].state = { 1 }, {}\n"
	    "  local ok, reason = pcall(h.restore, h, one[2])\n"
	    "  assert(not ok and reason:find(one[1], 1, true), reason)\n"
	    "end\n");
	ended(f, 1, 0);
}

static void steps_are_what_a_harness_does(void **state)
{
	struct fixture *f = *state;
	struct buf script = BUF_INIT;

	buf_printf(&script, "%s%s", versioned,
		   "M.on_timer = function(state, ctx) ctx:emit('t', { id = 0, list = ctx.timer_name }) end\n"
		   "local process = M.process\n"
		   "M.time = 'at'\n"
		   "M.process = function(row, state, ctx)\n"
		   "  if row.bad then state.list = nil error('bad') end\n"
		   "  ctx:timer(row.at + 1000, 'event') ctx:timer_in('5m', 'clock')\n"
		   "  return process(row, state, ctx)\n"
		   "end\n"
		   "local function row(n) return { id = n, k = 1, l = 'a', n = n, at = n * 1000, bad = n == 4 or nil } end\n"
		   "M.examples = {\n"
		   "  { row = row(1), expect = { list = '1' } },\n"
		   "  { name = 'all words', steps = {\n"
		   "    { restore = { key = { 1, 'a' }, version = 1, state = { sum = 9 } } },\n"
		   "    { row = row(1), now = 0, expect = { list = '9 1' } },\n"
		   "    { state = { 1, 'a' }, expect = { list = { 9, 1 } } },\n"
		   "    { state = { 2, 'a' } },\n"
		   "    { state = { 1, 'a' }, map = 'last', entry = 'x', expect = false },\n"
		   "    { restart = true },\n"
		   "    { advance_to = 2000, expect = { list = 'event' } },\n"
		   "    { wait = '4m' },\n"
		   "    { wait = '2m', expect = { { row = { list = 'clock' } } } },\n"
		   "    { row = row(4), expect = 'error' },\n"
		   "    { row = row(4), expect = { error = 'bad' } },\n"
		   "    { row = row(5), expect = { list = '9 1 5' } },\n"
		   "    { finish = true, expect = { { row = { list = 'event' } }, { row = { list = 'clock' } } } },\n"
		   "  } },\n"
		   "  { name = 'a state of its own', steps = { { row = row(1), expect = { list = '2' } } } },\n"
		   "  { steps = { { row = row(1), expect = { list = '1' } }, { advance_to = 2000 } } },\n"
		   "  { steps = { { row = row(1), expect = { list = '1' } }, { state = { 1, 'a' }, expect = { list = { 2 } } } } },\n"
		   "  { steps = { { row = row(4) } } },\n"
		   "  { steps = { { advance_to = 'noon' } } },\n"
		   "  { steps = { { state = { 1 } } } },\n"
		   "}\n"
		   "return M\n");
	run_examples(f, buf_cstr(&script));
	ended(f, 2, 6);
	says(f, ": example 3 (a state of its own): step 1: expected 1 change, got 1:\n"
		"  expected row of t { list = \"2\" }\n"
		"  got      row of t { id = 1, list = \"1\" }\n");
	says(f, ": example 4: step 2: expected 0 changes, got 1:\n"
		"  got      row of t { id = 0, list = \"event\" }\n");
	says(f, ": example 5: step 2: another state was expected:\n"
		"  expected {\"list\":[2]}\n"
		"  got      {\"list\":[1]}\n");
	says(f, ": example 6: step 1: expected 0 changes, got 1:\n"
		"  got      an error: scripts/orders.lua:16: bad\n");
	says(f, ": example 7: step 1: time.parse: 'noon' is no time\n");
	says(f, ": example 8: step 1: the state's key is a list of 2 values, those of key_by\n");
	buf_free(&script);
}

static void aggregates_take_functions_and_windows_the_clock(void **state)
{
	struct fixture *f = *state;

	run(f,
	    "local sl = require 'streamlua'\n"
	    "return { key_by = { 'k' }, time = function(row, ctx) return ctx.now end, target = 'w', window = sl.tumbling '10s', columns = { 'k', "
	    "'cheap', 'worth', "
	    "'most' },\n"
	    "aggregate = { cheap = sl.count(function(row) return row.price < 10 end), worth = sl.sum(function(row) return row.price * row.pieces "
	    "end),\n"
	    "              most = sl.avg(function(row) return row.price > 10 and row.price or nil end) } }\n",
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:feed { row = { k = 1, price = 5, pieces = 2 }, now = 1000 }\n"
	    "h:feed { row = { k = 1, price = 20, pieces = 3 }, now = 9999 }\n"
	    "h:feed { op = 'delete', row = { k = 1, price = 5, pieces = 2 } }\n"
	    "h:expect { { row = { k = 1, cheap = 1, worth = 10, most = sl.null } }, { row = { k = 1, cheap = 1, worth = 70, most = 20 } },\n"
	    "           { row = { k = 1, cheap = 0, worth = 60, most = 20 } } }\n"
	    "h:feed { row = { k = 1, price = 1, pieces = 1 }, now = 10000 }\n"
	    "h:expect { k = 1, cheap = 1, worth = 1 }\n"
	    "h:feed { row = { k = 1, price = 'much', pieces = 1 } }\n"
	    "h:expect { error = 'compare' }\n");
	ended(f, 1, 0);
}

static const char small_then_large[] =
	"local sl = require 'streamlua' local M = { key_by = { 'account' }, target = 'alerts' }\n"
	"M.pattern = sl.pattern.begin('small', function(row) return row.amount < 1 end):next('large', function(row) return row.amount > 500 end)\n"
	"function M.match(m) return { id = m.large.id, account = m.large.account, tried_by = m.small.id } end\n"
	"return M";

static void fraud_by_hand_and_by_pattern_are_the_same(void **state)
{
	struct fixture *f = *state;

	add(f, "scripts/byhand.lua",
	    "local M = { source = 'orders', key_by = { 'account' }, target = 'alerts' }\n"
	    "function M.process(row, state)\n"
	    "  local small = state.small\n"
	    "  state.small = row.amount < 1 and row.id or nil\n"
	    "  if small and row.amount > 500 then return { id = row.id, account = row.account, tried_by = small } end\n"
	    "end\n"
	    "return M");
	run(f, small_then_large,
	    "sl.test.case('each alert', function()\n"
	    "  local found, small, dice = 0, {}, 3\n"
	    "  local function random(n) dice = dice * 48271 % 2147483647 return dice % n + 1 end\n"
	    "  local a, b = sl.test.harness 'scripts/orders.lua', sl.test.harness 'scripts/byhand.lua'\n"
	    "  for id = 1, 500 do\n"
	    "    local row = { id = id, account = random(5), amount = ({ 0.5, 1, 500, 501 })[random(4)] }\n"
	    "    local before = small[row.account]\n"
	    "    small[row.account] = row.amount < 1 and id or nil\n"
	    "    local wanted = before and row.amount > 500 and { id = id, account = row.account, tried_by = before } or {}\n"
	    "    found = found + (wanted.id and 1 or 0)\n"
	    "    for _, h in ipairs { a, b } do\n"
	    "      h:feed { row = row }\n"
	    "      h:expect(wanted)\n"
	    "      if random(50) == 1 then h:restart() end\n"
	    "    end\n"
	    "  end\n"
	    "  assert(found > 20)\n"
	    "end)");
	ended(f, 1, 0);
}

static void a_pattern_keeps_what_can_be_read_and_ends_with_its_time(void **state)
{
	struct fixture *f = *state;

	run_examples(
		f,
		"local sl = require 'streamlua'\n"
		"local M = { key_by = { 'order' }, time = 'at', target = 'unpaid' }\n"
		"local function is(what) return function(row) return row.what == what end end\n"
		"M.pattern = sl.pattern.begin('ordered', is 'order'):not_followed_by('paid', is 'payment'):within('30m'):keep { 'at', 'price' }\n"
		"function M.match(m, ctx)\n"
		"  return { order = ctx.key.order, since = m.ordered.at, price = m.ordered.price, ids = m.ordered.id, op = ctx.op, at = ctx.time }\n"
		"end\n"
		"local function event(what, minute)\n"
		"  return { id = 1, order = 7, what = what, at = ('2024-01-31 12:%02d:00'):format(minute), price = 2.5 }\n"
		"end\n"
		"local left = { order = 7, since = '2024-01-31 12:00:00', price = 2.5, op = 'timer', at = 1706704200000 }\n"
		"M.examples = {\n"
		"  { name = 'not paid', steps = {\n"
		"    { row = event('order', 0) },\n"
		"    { state = { 7 }, expect = { partial = { { step = 'ordered', n = 1, at = 1706702400000, first = 1, last = 1,\n"
		"      rows = { ordered = { at = '2024-01-31 12:00:00', price = 2.5 } } } }, taken = 1 } },\n"
		"    { restart = true },\n"
		"    { advance_to = '2024-01-31 12:29:59' },\n"
		"    { advance_to = '2024-01-31 12:30:00', expect = left },\n"
		"    { state = { 7 }, expect = false } } },\n"
		"  { name = 'the next event tells the time', steps = { { row = event('order', 0) }, { row = event('look', 31), expect = left },\n"
		"    { row = event('payment', 32) } } },\n"
		"  { name = 'the end of the input', steps = { { row = event('order', 0) }, { row = event('order', 5) },\n"
		"    { finish = true, expect = { { row = left }, { row = { since = '2024-01-31 12:05:00', at = 1706704500000 } } } } } },\n"
		"  { name = 'paid', steps = { { row = event('order', 0) }, { row = event('payment', 29) }, { finish = true },\n"
		"    { state = { 7 }, expect = false } } },\n"
		"  { name = 'paid too late', steps = { { row = event('order', 0) }, { row = event('payment', 30), expect = left }, { finish = true } "
		"} },\n"
		"}\n"
		"return M");
	ended(f, 5, 0);
}

static void a_pattern_is_bounded_and_its_faults_leave_it_as_it_was(void **state)
{
	struct fixture *f = *state;

	run(f,
	    "local sl = require 'streamlua' local M = { key_by = { 'k' }, time = 'at' }\n"
	    "M.pattern = sl.pattern.begin('a', function(row) return row.a end)\n"
	    "  :followed_by('b', function(row, match) return row.b and row.id > match.a.id end):within '1d'\n"
	    "function M.match(m, ctx)\n"
	    "  if m.b.bad then error 'bad match' end\n"
	    "  ctx:emit('found', { a = m.a.id, b = m.b.id })\n"
	    "  if m.b.timer then ctx:timer(1e12, 'mine') end\n"
	    "  return m.b.returns\n"
	    "end\n"
	    "return M",
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "local function feed(row) row.k, row.at = row.k or 1, '2024-01-31 12:00:00' h:feed { row = row } end\n"
	    "for id = 1, 1000 do feed { id = id, a = true } end\n"
	    "feed { id = 1001, a = true }\n"
	    "h:expect { error = 'this key has 1000 partial matches already' }\n"
	    "feed { id = 1002, b = true, bad = true }\n"
	    "h:expect { error = 'scripts/orders.lua:5: bad match' }\n"
	    "feed { id = 1003, b = true, timer = true }\n"
	    "h:expect { error = 'ctx:timer: this script has no function on_timer(state, ctx)' }\n"
	    "feed { id = 1004, b = true, returns = 5 }\n"
	    "h:expect { error = 'match returned a value, and the script names no target' }\n"
	    "assert(#h:state({ 1 }).partial == 1000)\n"
	    "feed { id = 1005, b = true }\n"
	    "h:expect { target = 'found', row = { a = 1, b = 1005 } }\n"
	    "assert(h:state { 1 } == nil)\n"
	    "feed { id = 1, k = 2, a = true, text = ('x'):rep(1100000) }\n"
	    "h:expect { error = 'what the pattern keeps of this key takes' }\n"
	    "h:feed { row = { id = 1, k = 2, a = true } }\n"
	    "h:expect { error = 'time: column at is missing' }");
	ended(f, 1, 0);
}

static const char with_customers[] =
	"local M = { lookup = { customer = { table = 'customers', key = { id = 'customer_id' }, columns = { 'name', 'since' } } } }\n"
	"M.columns = { id = 'id', name = 'customer.name', known = function(row) return row:has 'customer' end,\n"
	"  before = function(row, ctx) return ctx.old and ctx.old.customer.name end, wrong = function(row) return row.wrong and row.customer.nmae "
	"end }\n"
	"function M.filter(row) return row.customer.name ~= 'test' end\n";

static void examples_say_what_is_looked_up(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF_INIT;

	buf_printf(&text,
		   "%s M.examples = {\n"
		   "  { row = { id = 1, customer_id = 7 }, lookup = { customer = { name = 'Ada' } }, expect = { id = 1, name = 'Ada', known = true } "
		   "},\n"
		   "  { row = { id = 1, customer_id = 7 }, lookup = { customer = false }, expect = { name = require 'streamlua'.null, known = false "
		   "} },\n"
		   "  { row = { id = 1, customer_id = 7 }, expect = { id = 1, known = false } },\n"
		   "  { row = { id = 1, customer_id = 7 }, lookup = { customer = { name = 'test' } }, expect = false },\n"
		   "  { op = 'update', row = { id = 1 }, old = { id = 1 }, lookup = { customer = { name = 'Eve' } }, expect = { id = 1, before = "
		   "'Eve' } },\n"
		   "  { row = { id = 1, wrong = 1 }, expect = { error = \"row.customer: look-up customer has no column 'nmae': did you mean "
		   "'name'?\" } },\n"
		   "  { name = 'in steps', steps = { { row = { id = 1 }, lookup = { customer = { name = 'Ada' } }, expect = { id = 1, name = 'Ada' } "
		   "},\n"
		   "    { restart = true }, { row = { id = 2 }, expect = { id = 2, known = false } } } },\n"
		   "} return M",
		   with_customers);
	run_examples(f, buf_cstr(&text));
	buf_free(&text);
	ended(f, 7, 0);
}

static void tests_say_what_is_looked_up_and_what_is_wrong_with_that(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF_INIT;

	buf_printf(&text, "%s return M", with_customers);
	run(f, buf_cstr(&text),
	    "local h = sl.test.harness 'scripts/orders.lua'\n"
	    "h:feed { row = { id = 1 }, lookup = { customer = { name = 'Ada', since = 5 } } }\n"
	    "h:expect { id = 1, name = 'Ada' }\n"
	    "local function fails(lookup, what)\n"
	    "  local ok, why = pcall(h.feed, h, { row = { id = 1 }, lookup = lookup })\n"
	    "  assert(not ok and why:find(what, 1, true), tostring(why))\n"
	    "end\n"
	    "fails({ client = false }, \"this script has no look-up 'client'\")\n"
	    "fails({ customer = { nmae = 'Ada' } }, \"customer has no column 'nmae' among its `columns`\")\n"
	    "fails({ customer = 5 }, 'customer: a row is needed, or false for none')\n"
	    "h:feed { row = { id = 2 } }\n"
	    "h:expect { id = 2, known = false }\n");
	buf_free(&text);
	ended(f, 1, 0);
}

static void what_is_looked_up_is_no_key_and_no_other_events(void **state)
{
	struct fixture *f = *state;

	run_examples(f, "local kept\n"
			"return { lookup = { customer = { table = 'customers', key = 'id', columns = { 'name' } } }, target = 'found',\n"
			"  key_by = function(row) return row.keyed and row.customer.name or row.id end,\n"
			"  process = function(row) local before = kept kept = row.customer return { id = row.id, name = row.later and before.name or "
			"kept.name } end,\n"
			"  examples = {\n"
			"    { row = { id = 1 }, lookup = { customer = { name = 'Ada' } }, expect = { id = 1, name = 'Ada' } },\n"
			"    { row = { id = 1, later = 1 }, expect = { error = 'this is of the row of an earlier event' } },\n"
			"    { row = { id = 1, keyed = 1 }, expect = { error = 'key_by sees no look-ups' } } } }");
	ended(f, 3, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timers_fire_as_event_time_and_the_clock_go_on),
		TEST(final_windows_close_at_the_watermark_and_at_the_end),
		TEST(a_time_is_written_as_it_is_and_one_beyond_all_times_is_none),
		TEST(rows_are_counted_for_which_a_function_is_true),
		TEST(aggregates_take_functions_and_windows_the_clock),
		TEST(state_outlives_a_restart_and_memory_does_not),
		TEST(an_entry_of_a_map_is_read_when_it_is_needed_and_the_event_counts_once),
		TEST(what_cannot_be_done_with_a_map_is_said),
		TEST(entries_that_are_named_at_once_are_read_at_once),
		TEST(a_dead_letter_leaves_the_state_and_is_not_overlooked),
		TEST(what_fails_says_where_and_the_rest_goes_on),
		TEST(a_file_that_does_not_run_is_a_failure),
		TEST(the_script_itself_has_no_test),
		TEST(a_key_that_a_function_makes_is_given_as_its_value),
		TEST(a_script_without_end_is_a_dead_letter),
		TEST(what_older_versions_kept_is_restored_and_upgraded),
		TEST(accumulators_of_older_versions_are_restored_by_their_windows),
		TEST(steps_are_what_a_harness_does),
		TEST(examples_say_what_is_looked_up),
		TEST(tests_say_what_is_looked_up_and_what_is_wrong_with_that),
		TEST(what_is_looked_up_is_no_key_and_no_other_events),
		TEST(fraud_by_hand_and_by_pattern_are_the_same),
		TEST(a_pattern_keeps_what_can_be_read_and_ends_with_its_time),
		TEST(a_pattern_is_bounded_and_its_faults_leave_it_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
