#include "sim/world.h"

#include <string.h>

#include "sim/aside.h"
#include "sim/sink.h"
#include "sim/trace.h"
#include "sim/worker.h"

enum {
	STEPS_TROUBLED = 3000,     /* at most, before the world becomes quiet */
	STEPS_MOST = 1000000,      /* a run that has not ended by then never will */
	STOPPING_STEPS_MOST = 500, /* then its master loses patience */
	MINUTE_MS = 60000,
	AWAY_MINUTES = 60,
};

static bool in_thousand(struct world *world, uint32_t n)
{
	return dice_below(&world->dice, 1000) < n;
}

/* ---- the cast ---- */

static void begin_worker(struct world *world)
{
	for (uint32_t i = 0; i < world->worker_count; i++) {
		if (world->workers[i])
			continue;
		world->workers[i] = worker_new(world);
		broker_rebalance(world, dice_percent(&world->dice, 20), false);
		return;
	}
}

static void end_worker(struct world *world, uint32_t i)
{
	uint32_t number = world->workers[i]->number;

	/* Somebody had not heard yet that it is not his any more: others come to the end for him. */
	if (world->workers[i]->failed && world->bounded)
		world->closing = false;
	worker_free(world->workers[i]);
	world->workers[i] = NULL;
	broker_forget(world, number);
	if (!world->closing)
		broker_rebalance(world, dice_percent(&world->dice, 20), false);
}

static struct worker *some_worker(struct world *world, uint32_t *at)
{
	uint32_t from = dice_below(&world->dice, world->worker_count);

	for (uint32_t i = 0; i < world->worker_count; i++) {
		*at = (from + i) % world->worker_count;
		if (world->workers[*at])
			return world->workers[*at];
	}
	return NULL;
}

/* ---- steps ---- */

/* The process ends where its flow has ended, or its master has lost patience. */
static bool bury(struct world *world, uint32_t i)
{
	struct worker *worker = world->workers[i];
	bool overdue = worker->stopping && !world->closing && ++worker->stopping_steps > STOPPING_STEPS_MOST;

	if (!worker->finished && !worker->failed && !overdue)
		return false;
	end_worker(world, i);
	return true;
}

static bool turn_worker(struct world *world)
{
	uint32_t i;
	struct worker *worker = some_worker(world, &i);

	if (!worker || worker->due_ms > world->now_ms)
		return false;
	worker_turn(worker);
	return true;
}

static bool hear_answers(struct world *world)
{
	uint32_t i;
	struct worker *worker = some_worker(world, &i);

	return worker && ((worker->aside && aside_step(worker->aside)) || sim_sink_step(worker->server));
}

static bool hear_group(struct world *world)
{
	uint32_t i;
	struct worker *worker = some_worker(world, &i);

	broker_pump(world);
	return worker && broker_source_step(worker->source);
}

static bool anybody_due(const struct world *world)
{
	for (uint32_t i = 0; i < world->worker_count; i++)
		if (world->workers[i] && world->workers[i]->due_ms <= world->now_ms)
			return true;
	return false;
}

/* An hour passes in strides. Flows have their ticks meanwhile, and know what time it is. */
static void pass_outage(struct world *world)
{
	int64_t passed = dice_below(&world->retention, 2 * MINUTE_MS);

	if (world->now_ms + passed > world->away_until_ms)
		passed = world->away_until_ms - world->now_ms;
	world->now_ms += passed;
	world->db.away_ms += passed;
	trace_at(world->now_ms);
	for (uint32_t i = 0; i < world->worker_count; i++)
		if (world->workers[i] && !world->workers[i]->failed && !world->workers[i]->finished)
			worker_turn(world->workers[i]);
}

static void go_away(struct world *world)
{
	if (world_is_away(world) || dice_below(&world->retention, 10000) >= world->faults.away)
		return;
	trace_line("database: cannot be reached for an hour");
	world->away_until_ms = world->now_ms + AWAY_MINUTES * MINUTE_MS;
}

/* A little later; or, where nobody has anything to do before, when somebody has. */
static void pass_time(struct world *world)
{
	int64_t next = INT64_MAX;

	if (!anybody_due(world))
		for (uint32_t i = 0; i < world->worker_count; i++)
			if (world->workers[i] && world->workers[i]->due_ms < next)
				next = world->workers[i]->due_ms;
	world->now_ms += dice_below(&world->dice, 20);
	if (world_is_away(world)) {
		pass_outage(world);
		return;
	}
	if (next != INT64_MAX && next > world->now_ms)
		world->now_ms = next;
	trace_at(world->now_ms);
}

static void trouble(struct world *world)
{
	uint32_t i;
	struct worker *worker = some_worker(world, &i);

	if (!worker)
		return;
	if (in_thousand(world, world->faults.crash)) {
		trace_line("worker %u crashes", worker->number);
		end_worker(world, i);
	} else if (in_thousand(world, world->faults.reload) && !worker->failed && !worker->finished) {
		worker_reload(worker);
	} else if (in_thousand(world, world->faults.stop)) {
		worker_stop(worker);
		broker_rebalance(world, false, dice_percent(&world->dice, world->faults.zombie));
	} else if (in_thousand(world, world->faults.rebalance)) {
		broker_rebalance(world, dice_percent(&world->dice, 30), dice_percent(&world->dice, world->faults.zombie));
	}
}

/* Somebody stops the job, and starts it with --from and a time. */
static void move_progress(struct world *world)
{
	for (uint32_t i = 0; i < world->worker_count; i++)
		if (world->workers[i])
			end_worker(world, i);
	for (uint32_t i = 0; i < world->history.log_count; i++) {
		struct log *log = &world->history.logs[i];

		log->start = log->low + dice_below(&world->retention, (uint32_t)(log->published - log->low) + 1);
		trace_line("--from: %s:%d at %lld", table_names[log->table], log->number, (long long)log->start);
	}
	database_move(&world->db);
	world->gone = 0;
}

static void lose(struct world *world)
{
	if (!world->quiet && dice_below(&world->retention, 1000) < world->faults.loss)
		broker_lose(world);
	/* Not at once: who follows must not go on either. */
	if (world->gone > 2 && broker_is_stranded(world) && dice_percent(&world->retention, 5))
		move_progress(world);
}

static void step(struct world *world)
{
	uint32_t what = dice_below(&world->dice, 100);

	if (world->history.lossy)
		lose(world);
	if (world->faults.away && !world->quiet)
		go_away(world);
	for (uint32_t i = 0; i < world->worker_count; i++)
		if (world->workers[i] && bury(world, i))
			return;
	if (what < 35)
		turn_worker(world);
	else if (what < 55)
		hear_answers(world);
	else if (what < 72)
		sim_server_step(world);
	else if (what < 82)
		hear_group(world);
	else if (what < 88)
		pass_time(world);
	else if (what < 91)
		broker_publish(world);
	else if (what < 92)
		broker_retain(world);
	else if (!world->closing && what < 96)
		begin_worker(world);
	else if (!world->quiet)
		trouble(world);
}

/* ---- a run ---- */

static uint32_t some(struct world *world, uint32_t most)
{
	return dice_percent(&world->dice, 50) ? 0 : dice_below(&world->dice, most + 1);
}

static void choose_faults(struct world *world)
{
	world->faults = (struct faults){
		.cut = some(world, 20),
		.limbo = some(world, 60),
		.unheard = some(world, 20),
		.rolled_back = some(world, 30),
		.crash = some(world, 80),
		.reload = some(world, 80),
		.rebalance = some(world, 80),
		.stop = some(world, 20),
		.zombie = some(world, 60),
		.slow = some(world, 80),
	};
}

static bool all_published(const struct world *world)
{
	for (uint32_t i = 0; i < world->history.log_count; i++)
		if (world->history.logs[i].published < world->history.logs[i].count)
			return false;
	return true;
}

static bool any_worker(const struct world *world)
{
	for (uint32_t i = 0; i < world->worker_count; i++)
		if (world->workers[i])
			return true;
	return false;
}

/* Everybody who is there stops, or comes to the end; the last partitions are where they are. */
static void close_down(struct world *world)
{
	world->closing = true;
	world->db.timed.ending = world->bounded;
	trace_line("everything has ended: %s", world->bounded ? "so does the input" : "workers stop");
	if (world->bounded)
		return;
	for (uint32_t i = 0; i < world->worker_count; i++)
		if (world->workers[i])
			worker_stop(world->workers[i]);
}

/* Whether every partition's next message is the first that was not published: only then has a worker seen all of them. */
static bool progress_complete(struct world *world)
{
	for (uint32_t i = 0; i < world->history.log_count; i++)
		if (world->db.sound[i] < world->history.logs[i].count)
			return false;
	return true;
}

static void check_counters(const struct world *world)
{
	if (world->counted[OUTCOME_WRITTEN] != world->told_written || world->counted[OUTCOME_DEAD] != world->told_dead)
		trace_fail("workers counted %llu written and %llu dead events; %llu and %llu were committed",
			   (unsigned long long)world->counted[OUTCOME_WRITTEN], (unsigned long long)world->counted[OUTCOME_DEAD],
			   (unsigned long long)world->told_written, (unsigned long long)world->told_dead);
}

void world_run(uint64_t seed)
{
	struct world world = { .seed = seed, .dice = { seed * 0x2545f4914f6cdd1du + 1 } };
	uint32_t steps, troubled;
	bool lossy;

	/* Runs are years apart, so that nothing that remembers a second confuses two of them. */
	world.now_ms = (int64_t)(seed % 1000000) * 10000000000 + 1000000;
	trace_at(world.now_ms);
	choose_faults(&world);
	world.retention = (struct dice){ seed * 0x9e3779b97f4a7c15u + 1 };
	lossy = dice_percent(&world.retention, 10);
	world.faults.away = dice_percent(&world.retention, 10) ? 1 + dice_below(&world.retention, 30) : 0;
	world.faults.loss = 1 + dice_below(&world.retention, 30);
	world.worker_count = 1 + dice_below(&world.dice, WORKERS_MOST);
	world.fresh_hosts = dice_percent(&world.dice, 2);
	history_init(&world.history, &world.dice, 20 + dice_below(&world.dice, 200), lossy);
	world.bounded = !lossy && dice_percent(&world.retention, 50);
	database_init(&world.db, &world.history);
	world.sideways = (struct dice){ seed * 0xd1342543de82ef95u + 1 };
	world.db.aside.on = dice_percent(&world.sideways, 40);
	world.db.timed.start_ms = world.now_ms;
	for (uint32_t i = 0; i < PARTITIONS_MOST; i++)
		world.broker.partitions[i] = (struct membership){ NOBODY, NOBODY, NOBODY };
	troubled = dice_below(&world.dice, STEPS_TROUBLED);
	trace_line("%s, %u events in %u partitions, at most %u workers", world.history.json ? "json" : "debezium", world.history.record_count,
		   world.history.log_count, world.worker_count);
	for (steps = 0; steps < STEPS_MOST && !(world.closing && !any_worker(&world)); steps++) {
		if (steps >= troubled)
			world.quiet = true;
		if (world.quiet && !world.closing && all_published(&world) && database_complete(&world.db) && progress_complete(&world) &&
		    (!world.bounded || broker_settled(&world)))
			close_down(&world);
		step(&world);
	}
	if (steps == STEPS_MOST)
		trace_fail("after %u steps it has not come to its end", steps);
	database_check(&world.db);
	check_counters(&world);
	database_free(&world.db);
	history_free(&world.history);
}
