/* Scripts that would take all time or memory: what they are let, and which message is blamed. */
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
#include "flow/script.h"
#include "flow/script_watch.h"
#include "support/intakes.h"

enum { EVENTS = 10 };

struct fixture {
	struct shapes *shapes;
	struct decoder decoder;
	struct reading_settings readings;
	struct bundle bundle;
	struct script_host *host;
	struct script_watch watch;
	struct suspects suspects;
	struct partition *partition;
	struct intakes intakes;
	struct intake *intake;
	struct event *events[EVENTS];
	struct error err;
};

static int open_fixture(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->shapes = shapes_new();
	f->decoder = (struct decoder){ .format = &format_json, .shapes = f->shapes, .json = json_new() };
	f->decoder.state = format_json.open(&f->decoder);
	f->readings.plain = true;
	f->partition = partition_new(SLICE("shop.orders"), 3, 0, 1);
	*state = f;
	return 0;
}

static int close_fixture(void **state)
{
	struct fixture *f = *state;

	intake_forget(&f->intake);
	script_host_free(f->host);
	intakes_free(&f->intakes);
	bundle_free(&f->bundle);
	partition_unref(f->partition);
	format_json.close(f->decoder.state);
	json_free(f->decoder.json);
	shapes_free(f->shapes);
	free(f);
	return 0;
}

static void load(struct fixture *f, const char *text)
{
	script_host_free(f->host);
	bundle_free(&f->bundle);
	f->bundle = (struct bundle){ 0 };
	struct host_options options = { .bundle = &f->bundle, .watch = &f->watch, .suspects = &f->suspects };

	bundle_add(&f->bundle, "scripts/orders.lua", text, strlen(text));
	bundle_seal(&f->bundle);
	f->host = script_host_new(&options, &f->err);
	if (!f->host || script_host_load(f->host, "scripts/orders.lua", NULL, &f->err) < 0 ||
	    script_host_bind(f->host, NULL, f->shapes, &f->readings, NULL, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

/* Ten events, {"id":0} to {"id":9}, through the scripts. ctx.now tells them how to behave. */
static void run(struct fixture *f, int64_t now)
{
	intake_forget(&f->intake);
	f->intake = intake_new(&f->intakes);
	for (int i = 0; i < EVENTS; i++) {
		struct message message = { .topic = f->partition->topic, .partition = 3, .offset = i, .position = i, .owner = f->partition };
		char text[32];

		message.value = (struct slice){ text, (size_t)snprintf(text, sizeof text, "{\"id\":%d}", i) };
		f->events[i] = intake_decode(f->intake, &f->decoder, intake_copy(f->intake, &message));
	}
	script_host_run(f->host, f->intake, now, INT64_MAX);
}

/* All events but this one come through; it is a dead letter that says so. */
static void only_fault(struct fixture *f, int faulty, const char *part)
{
	for (int i = 0; i < EVENTS; i++) {
		const struct event *event = f->events[i];

		assert_int_equal(event->outcome, i == faulty ? OUTCOME_DEAD : OUTCOME_PENDING);
		if (i != faulty)
			assert_non_null(event->changes);
		else if (!memmem(event->error.p, event->error.n, part, strlen(part)))
			fail_msg("%.*s", SLICE_ARG(event->error));
	}
}

/* What the master does where a worker ends at this message. */
static uint32_t blame(struct fixture *f, int64_t position)
{
	f->watch.owner = f->partition;
	f->watch.position = position;
	f->watch.serial = 7;
	return suspects_add(&f->suspects, &f->watch);
}

/* It never ends with the fifth event, where it is told so. */
static const char loops[] = "return { filter = function(row, ctx)\n  while row.id == 4 and ctx.now > 0 do end\n  return true\nend }";

static void a_suspect_message_loops_under_a_limit_and_then_is_given_up(void **state)
{
	struct fixture *f = *state;

	load(f, loops);
	run(f, 0);
	only_fault(f, -1, "");
	assert_true(f->watch.serial == 0);
	assert_int_equal(blame(f, 4), 1);
	run(f, 1);
	only_fault(f, 4, "scripts/orders.lua:2: no end is in sight after 20 million instructions");
	assert_int_equal(blame(f, 4), 2);
	run(f, 0);
	only_fault(f, 4, "twice");
}

static void a_message_that_is_suspect_for_nothing_comes_through(void **state)
{
	struct fixture *f = *state;

	load(f, loops);
	run(f, 0);
	assert_int_equal(blame(f, 0), 1);
	assert_int_equal(blame(f, 9), 1);
	assert_int_equal(blame(f, 5), 1);
	run(f, 0);
	only_fault(f, -1, "");
}

static void other_scripts_are_not_suspect(void **state)
{
	struct fixture *f = *state;

	load(f, loops);
	run(f, 0);
	blame(f, 4);
	blame(f, 4);
	load(f, "return { filter = function() return true end }");
	run(f, 0);
	only_fault(f, -1, "");
	assert_int_equal(blame(f, 4), 1);
}

static void pcall_is_no_way_out(void **state)
{
	struct fixture *f = *state;

	load(f, "return { filter = function(row, ctx)\n"
		"  while row.id == 4 and ctx.now > 0 do pcall(function() while true do end end) end\n"
		"  return true\nend }");
	run(f, 0);
	blame(f, 4);
	run(f, 1);
	only_fault(f, 4, "no end is in sight");
}

static void memory_is_bounded_for_each_event(void **state)
{
	static const char *const greedy[] = { "local t = {} for i = 1, 1e9 do t[i] = { i } end", "return ('x'):rep(1e9)",
					      "local s = 'x' while true do s = s .. s end",
					      "local function f(...) return f(1, ...) end f()", /* the stack's own bound */
					      "local t = {} for i = 1, 1e9 do t[i] = function() return i end end" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++) {
		char text[256];

		snprintf(text, sizeof text, "return { filter = function(row) if row.id == 4 then %s end return true end }", greedy[i]);
		load(f, text);
		run(f, 0);
		only_fault(f, 4, i == 3 ? "stack overflow" : "not enough memory: scripts have a quarter");
	}
}

static void rubbish_of_other_events_is_no_fault(void **state)
{
	struct fixture *f = *state;

	load(f, "return { filter = function(row) return #('x'):rep(25e6 + row.id) > 0 end }");
	run(f, 0);
	only_fault(f, -1, "");
}

/* An event fills it up, all but a little: so that sooner or later the loop itself does not get what it wants. */
static void memory_filled_to_the_brim_is_no_fault_of_the_events_behind(void **state)
{
	struct fixture *f = *state;

	for (int left = 256; left <= 4096; left += 320) {
		char text[512];

		snprintf(text, sizeof text,
			 "local i = 0 return { filter = function(row) if row.id == 4 then local n = 32e6\n"
			 "  while n >= %d do i = i + 1 if not pcall(function() return i .. ('x'):rep(n) end) then n = math.floor(n / 2) end end\n"
			 "end return true end }",
			 left);
		load(f, text);
		run(f, 0);
		for (int i = 0; i < EVENTS; i++)
			if (i != 4)
				assert_int_equal(f->events[i]->outcome, OUTCOME_PENDING);
	}
}

static void scripts_that_keep_too_much_are_exhausted_and_not_the_event_at_fault(void **state)
{
	struct fixture *f = *state;

	load(f, "local kept = {}\nreturn { filter = function(row) kept[#kept + 1] = ('x'):rep(11e6 + row.id) return true end }");
	run(f, 0);
	assert_true(script_host_exhausted(f->host, &f->err));
	assert_true(f->watch.serial != 0);
	assert_true(f->watch.position >= 2 && f->watch.position < EVENTS);
	/* What a script has from the start is no leak, and a single hog no reason to begin anew. */
	load(f, "local kept = ('x'):rep(20e6)\nreturn { filter = function(row) return row.id ~= 4 or #('x'):rep(1e9) + #kept > 0 end }");
	run(f, 0);
	only_fault(f, 4, "not enough memory");
	assert_false(script_host_exhausted(f->host, &f->err));
}

static void the_oldest_suspects_are_forgotten(void **state)
{
	struct fixture *f = *state;

	load(f, loops);
	run(f, 0);
	for (int i = 0; i < SUSPECTS_MOST + 1; i++)
		assert_int_equal(blame(f, i), 1);
	assert_int_equal(blame(f, SUSPECTS_MOST), 2);
	assert_int_equal(blame(f, 0), 1); /* its place had been taken */
	f->watch.owner = f;
	assert_int_equal(suspects_add(&f->suspects, &f->watch), 0);
	f->watch.owner = f->partition;
	f->watch.serial = 0;
	assert_int_equal(suspects_add(&f->suspects, &f->watch), 0);
}

static void loading_comes_to_an_end(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "local n = 0\nwhile true do n = n + 1 end", "scripts/orders.lua:2: no end is in sight after 500 million instructions" },
		{ "local t = {}\nfor i = 1, 1e9 do t[i] = {} end", "scripts/orders.lua: not enough memory: scripts have 64 MB" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		load(f, "return {}");
		script_host_free(f->host);
		bundle_free(&f->bundle);
		f->bundle = (struct bundle){ 0 };
		bundle_add(&f->bundle, "scripts/orders.lua", cases[i].text, strlen(cases[i].text));
		bundle_seal(&f->bundle);
		f->host = script_host_new(&(struct host_options){ .bundle = &f->bundle }, &f->err);
		assert_non_null(f->host);
		assert_int_equal(script_host_load(f->host, "scripts/orders.lua", NULL, &f->err), -1);
		if (!strstr(f->err.text, cases[i].part))
			fail_msg("%s", f->err.text);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_suspect_message_loops_under_a_limit_and_then_is_given_up),
		TEST(a_message_that_is_suspect_for_nothing_comes_through),
		TEST(other_scripts_are_not_suspect),
		TEST(pcall_is_no_way_out),
		TEST(memory_is_bounded_for_each_event),
		TEST(rubbish_of_other_events_is_no_fault),
		TEST(memory_filled_to_the_brim_is_no_fault_of_the_events_behind),
		TEST(scripts_that_keep_too_much_are_exhausted_and_not_the_event_at_fault),
		TEST(the_oldest_suspects_are_forgotten),
		TEST(loading_comes_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
