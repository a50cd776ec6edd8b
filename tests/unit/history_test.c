/* The last hour has a bound, and what is in it is what was counted then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "run/history.h"

enum { SCRIPTS = HISTORY_SCRIPTS_MOST + 3 };

struct world {
	struct stats_script scripts[SCRIPTS];
	struct stats_partition partitions[2];
	struct stats stats, gone;
	struct status_worker worker;
	struct status status;
	char names[SCRIPTS][8];
};

static void make(struct world *world, size_t scripts)
{
	*world = (struct world){ 0 };
	for (size_t i = 0; i < SCRIPTS; i++) {
		snprintf(world->names[i], sizeof world->names[i], "t%zu", i);
		world->scripts[i].name = slice_of(world->names[i]);
	}
	world->partitions[0] = (struct stats_partition){ .topic = SLICE("a"), .lag = 5, .lag_ms = 700 };
	world->partitions[1] = (struct stats_partition){ .topic = SLICE("b"), .lag = -1, .lag_ms = -1 };
	world->stats = (struct stats){ .scripts = world->scripts, .script_count = scripts, .partitions = world->partitions, .partition_count = 2 };
	world->worker = (struct status_worker){ .state = "ready", .stats = &world->stats };
	world->status = (struct status){ .workers = &world->worker, .worker_count = 1, .gone = &world->gone };
}

static void look(struct history *history, struct world *world, int64_t seconds, bool keep)
{
	world->status.now_ms = seconds * 1000;
	world->stats.counters[STATS_READ] = seconds * 7;
	world->scripts[0].counters[STATS_READ] = seconds * 3;
	history_look(history, &world->status, keep);
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)); text++)
		count++;
	return count;
}

static void an_hour_is_kept_and_no_more(void **state)
{
	struct history *history = history_new();
	struct world world;
	struct buf json = BUF_INIT;

	(void)state;
	make(&world, 1);
	for (int64_t i = 1; i <= 2 * HISTORY_POINTS_MOST; i++) {
		look(history, &world, i * HISTORY_STEP_S, true);
		look(history, &world, i * HISTORY_STEP_S + 1, false);
	}
	history_json(history, &json);
	assert_int_equal(count_of(buf_cstr(&json), "{\"point\":["), HISTORY_POINTS_MOST);
	assert_null(strstr(buf_cstr(&json), "[3610000,")); /* the oldest that went */
	assert_non_null(strstr(buf_cstr(&json), "\"points\":[{\"point\":[3620000,25340,"));
	assert_non_null(strstr(buf_cstr(&json), "{\"point\":[7220000,50540,"));
	assert_null(strstr(buf_cstr(&json), "[7221000,"));
	assert_true(json.n < HISTORY_POINTS_MOST * 300);
	buf_clear(&json);
	history_now(history, &json);
	assert_non_null(strstr(buf_cstr(&json), "{\"kept\":false,\"point\":[7221000,50547,"));
	assert_non_null(strstr(buf_cstr(&json), "\"read\":[21663],\"scripts\":[\"t0\"]}"));
	buf_free(&json);
	history_free(history);
}

static void lag_is_the_sum_and_behind_is_the_worst(void **state)
{
	struct history *history = history_new();
	struct world world;
	struct buf json = BUF_INIT;

	(void)state;
	make(&world, 0);
	look(history, &world, 1, false);
	history_now(history, &json);
	assert_non_null(strstr(buf_cstr(&json), "[1000,7,0,0,0,0,0,0,0,0,0,0,0,0,0,5,700,"));
	world.status.lost = 3; /* read by a worker that died, and once more */
	look(history, &world, 1, false);
	buf_clear(&json);
	history_now(history, &json);
	assert_non_null(strstr(buf_cstr(&json), "[1000,4,0,"));
	world.status.lost = 0;
	look(history, &world, 1, false);
	buf_clear(&json);
	history_now(history, &json);
	assert_non_null(strstr(buf_cstr(&json), "[1000,7,0,0,0,0,0,0,0,0,0,0,0,0,0,5,700,"));
	world.stats.partition_count = 0;
	look(history, &world, 2, false);
	buf_clear(&json);
	history_now(history, &json);
	assert_non_null(strstr(buf_cstr(&json), "[2000,14,0,0,0,0,0,0,0,0,0,0,0,0,0,-1,-1,"));
	buf_free(&json);
	history_free(history);
}

/* Scripts have places as they come, and keep them; those for whom there is none are left out. */
static void scripts_come_go_and_have_a_bound(void **state)
{
	struct history *history = history_new();
	struct world world;
	char longest[128];
	struct buf json = BUF_INIT;

	(void)state;
	make(&world, 2);
	memset(longest, 'x', sizeof longest);
	world.scripts[0].name = (struct slice){ longest, sizeof longest };
	look(history, &world, 10, false);
	history_now(history, &json);
	assert_non_null(strstr(buf_cstr(&json), "\"scripts\":[\"t1\"]")); /* longer than there is room for */
	buf_clear(&json);
	history_free(history);
	history = history_new();
	make(&world, 2);
	look(history, &world, 10, true);
	world.stats.script_count = SCRIPTS;
	look(history, &world, 20, true);
	world.stats.scripts = world.scripts + 1; /* the first is no more */
	world.stats.script_count = SCRIPTS - 1;
	history_look(history, &world.status, true);
	history_json(history, &json);
	assert_non_null(strstr(buf_cstr(&json), "\"scripts\":[\"t0\",\"t1\","));
	assert_non_null(strstr(buf_cstr(&json), "\"t23\"]"));
	assert_null(strstr(buf_cstr(&json), "\"t24\""));
	assert_non_null(strstr(buf_cstr(&json), "\"read\":[30,0,null,"));
	assert_non_null(strstr(buf_cstr(&json), "\"read\":[60,0,0,"));
	assert_non_null(strstr(buf_cstr(&json), "\"read\":[null,0,0,"));
	buf_free(&json);
	history_free(history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour_is_kept_and_no_more),
		cmocka_unit_test(lag_is_the_sum_and_behind_is_the_worst),
		cmocka_unit_test(scripts_come_go_and_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
