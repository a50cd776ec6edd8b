#include "sim/aside.h"

#include <stdlib.h>

#include "sim/trace.h"

struct aside {
	struct sink base;
	struct world *world;
	uint32_t worker;
	struct tx *tx; /* sent, not answered; NULL: none */
};

static void aside_commit(struct sink *sink, struct tx *tx)
{
	struct aside *a = (struct aside *)sink;

	if (a->tx)
		trace_fail("worker %u sends a second transaction aside", a->worker);
	if (!tx->count || tx->progress_count)
		trace_fail("worker %u sends %zu events and %zu rows of progress aside", a->worker, tx->count, tx->progress_count);
	a->tx = tx;
}

/* The first `most` of its events. */
static void deliver(struct aside *a, size_t most)
{
	for (size_t i = 0; i < a->tx->count && i < most; i++)
		for (const struct change *change = a->tx->events[i]->changes; change; change = change->next)
			if (tx_takes(a->tx, change))
				database_aside(&a->world->db, a->tx->events[i], change);
}

bool aside_step(struct sink *sink)
{
	struct aside *a = (struct aside *)sink;
	struct dice *dice = &a->world->sideways;
	struct tx *tx = a->tx;
	bool wrong = !a->world->quiet && dice_percent(dice, 30);
	struct error err;

	if (!tx || (!a->world->quiet && dice_percent(dice, 30)))
		return false;
	deliver(a, wrong ? dice_below(dice, (uint32_t)tx->count + 1) : tx->count);
	trace_line("worker %u: %zu events aside, %s", a->worker, tx->count, wrong ? "not acknowledged" : "acknowledged");
	a->tx = NULL;
	error_set(&err, "simulated");
	tx->done(tx, !wrong ? SINK_COMMITTED : dice_percent(dice, 80) ? SINK_RETRY : SINK_FAILED, &err);
	return true;
}

static void aside_close(struct sink *sink)
{
	struct aside *a = (struct aside *)sink;

	if (a->tx)
		deliver(a, dice_below(&a->world->sideways, (uint32_t)a->tx->count + 1));
	free(a);
}

struct sink *aside_new(struct world *world, uint32_t worker)
{
	static const struct sink_ops ops = { .name = "aside", .commit = aside_commit, .close = aside_close };
	struct aside *a = calloc(1, sizeof *a);

	BUG_IF(!a);
	*a = (struct aside){ .base = { .ops = &ops, .lanes = 1 }, .world = world, .worker = worker };
	return &a->base;
}
