#include "flow/sides.h"

#include <stdio.h>
#include <stdlib.h>

struct sides;

/* A lane's transaction on its way through the sides. */
struct side_lane {
	struct tx *tx;
	uint32_t wanted;        /* sides that have yet to acknowledge their part, as bits */
	struct side_lane *next; /* behind it for the same side */
};

struct side {
	struct sides *owner;
	uint32_t number; /* from 1 */
	struct sink *sink;
	char *name;
	struct side_lane *waiting, **waiting_end;
	struct side_lane *writing; /* in `tx`; NULL: nothing is on its way */
	uint32_t alone;            /* so many of those that wait go one by one: together they were refused */
	struct tx tx;
	size_t event_cap;
};

struct sides {
	struct sink sink;
	struct sink_ops ops; /* the main sink's, as far as it has them */
	struct sink *main;
	struct side *sides;
	uint32_t count;
	struct side_lane *lanes;
	const char **names;
	char problem[512];
};

static struct sides *self(struct sink *sink)
{
	return (struct sides *)sink;
}

/* ---- a transaction's part that goes aside ---- */

static bool goes_aside(const struct event *event, const struct change *change)
{
	return event->outcome == OUTCOME_PENDING && change->target->side && !change->told;
}

static uint32_t sides_wanted(const struct tx *tx)
{
	uint32_t wanted = 0;

	for (size_t i = 0; i < tx->count; i++)
		for (const struct change *change = tx->events[i]->changes; change; change = change->next)
			if (goes_aside(tx->events[i], change))
				wanted |= (uint32_t)1 << (change->target->side - 1);
	return wanted;
}

static bool has_part(const struct side *side, const struct event *event)
{
	for (const struct change *change = event->changes; change; change = change->next)
		if (goes_aside(event, change) && change->target->side == side->number)
			return true;
	return false;
}

static void add_part(struct side *side, const struct tx *of)
{
	for (size_t i = 0; i < of->count; i++) {
		if (!has_part(side, of->events[i]))
			continue;
		if (side->tx.count == side->event_cap) {
			side->event_cap = side->event_cap ? side->event_cap * 2 : 64;
			side->tx.events = realloc(side->tx.events, side->event_cap * sizeof(*side->tx.events));
			BUG_IF(!side->tx.events);
		}
		side->tx.events[side->tx.count++] = of->events[i];
	}
	side->tx.script_version = of->script_version;
}

static void mark_told(struct side *side)
{
	for (size_t i = 0; i < side->tx.count; i++)
		for (struct change *change = side->tx.events[i]->changes; change; change = change->next)
			change->told |= change->target->side == side->number;
}

/* Begins to write what waits for this side. */
static void side_turn(struct side *side)
{
	struct side_lane **end = &side->waiting;

	if (side->writing || !side->waiting)
		return;
	side->tx.count = 0;
	do {
		add_part(side, (*end)->tx);
		end = &(*end)->next;
	} while (!side->alone && *end);
	side->writing = side->waiting;
	side->waiting = *end;
	*end = NULL;
	if (side->alone)
		side->alone--;
	if (!side->waiting)
		side->waiting_end = &side->waiting;
	side->sink->ops->commit(side->sink, &side->tx);
}

/* On with the next side, or with the transaction itself. */
static void lane_on(struct sides *sides, struct side_lane *lane)
{
	struct side *side;

	if (!lane->wanted) {
		struct tx *tx = lane->tx;

		lane->tx = NULL;
		sides->main->ops->commit(sides->main, tx);
		return;
	}
	side = &sides->sides[__builtin_ctz(lane->wanted)];
	lane->next = NULL;
	*side->waiting_end = lane;
	side->waiting_end = &lane->next;
	side_turn(side);
}

static void sides_commit(struct sink *sink, struct tx *tx)
{
	struct side_lane *lane = &self(sink)->lanes[tx->lane];

	BUG_IF(lane->tx);
	lane->tx = tx;
	lane->wanted = sides_wanted(tx);
	lane_on(self(sink), lane);
}

/* Of several lanes together nobody knows whose event it is: each for itself, before what came in meanwhile. */
static void one_by_one(struct side *side)
{
	struct side_lane **end = &side->writing;

	for (side->alone = 0; *end; side->alone++)
		end = &(*end)->next;
	*end = side->waiting;
	if (!side->waiting)
		side->waiting_end = end;
	side->waiting = side->writing;
	side->writing = NULL;
}

static void side_done(struct tx *tx, enum sink_result result, const struct error *err)
{
	struct side *side = tx->ctx;
	struct side_lane *lane = side->writing, *next;
	struct error why = { .text = "" };

	if (result == SINK_REFUSED && lane->next) {
		one_by_one(side);
		side_turn(side);
		return;
	}
	if (result == SINK_COMMITTED)
		mark_told(side);
	else
		error_set(&why, "sink %s: %s", side->name, err->text);
	side->writing = NULL;
	for (; lane; lane = next) {
		struct tx *of = lane->tx;

		next = lane->next;
		if (result == SINK_COMMITTED) {
			lane->wanted &= ~((uint32_t)1 << (side->number - 1));
			lane_on(side->owner, lane);
		} else {
			lane->tx = NULL;
			of->done(of, result, &why);
		}
	}
	side_turn(side);
}

/* ---- the rest is the main sink's, or everybody's ---- */

static int open_all(struct sides *sides, bool look, struct error *err)
{
	const struct sink_ops *ops = sides->main->ops;

	if ((look ? ops->look : ops->open)(sides->main, err) < 0)
		return -1;
	for (uint32_t i = 0; i < sides->count; i++) {
		ops = sides->sides[i].sink->ops;
		if ((look ? ops->look : ops->open)(sides->sides[i].sink, err) < 0)
			return error_prefix(err, "sinks.%s", sides->sides[i].name);
	}
	return 0;
}

static int sides_open(struct sink *sink, struct error *err)
{
	return open_all(self(sink), false, err);
}

static int sides_look(struct sink *sink, struct error *err)
{
	return open_all(self(sink), true, err);
}

static int sides_describe(struct sink *sink, struct target *target, struct error *err)
{
	struct sink *of = target->side ? self(sink)->sides[target->side - 1].sink : self(sink)->main;

	return of->ops->describe(of, target, err);
}

static void sides_take_over(struct sink *sink, struct takeover *takeover)
{
	self(sink)->main->ops->take_over(self(sink)->main, takeover);
}

static void sides_recall(struct sink *sink, struct recall *recall)
{
	self(sink)->main->ops->recall(self(sink)->main, recall);
}

static int sides_reset(struct sink *sink, bool state, struct error *err)
{
	return self(sink)->main->ops->reset(self(sink)->main, state, err);
}

static void sides_load_state(struct sink *sink, struct state_load *load)
{
	self(sink)->main->ops->load_state(self(sink)->main, load);
}

static void sides_ask_schema(struct sink *sink, void (*done)(void *ctx, bool read), void *ctx)
{
	self(sink)->main->ops->ask_schema(self(sink)->main, done, ctx);
}

static const char *sides_problem(struct sink *sink)
{
	struct sides *sides = self(sink);

	for (uint32_t i = 0; i < sides->count; i++) {
		struct sink *of = sides->sides[i].sink;
		const char *problem = of->ops->problem ? of->ops->problem(of) : NULL;

		if (!problem)
			continue;
		snprintf(sides->problem, sizeof sides->problem, "sink %s: %s", sides->sides[i].name, problem);
		return sides->problem;
	}
	return sides->main->ops->problem ? sides->main->ops->problem(sides->main) : NULL;
}

static int sides_query(struct sink *sink, struct slice statements, void (*row)(void *ctx, const struct slice *cells, unsigned count), void *ctx,
		       struct error *err)
{
	return self(sink)->main->ops->query(self(sink)->main, statements, row, ctx, err);
}

/* Lines of a side, behind its name: a comment among the main sink's, which may be SQL. */
struct shown {
	const char *name;
	void (*line)(void *ctx, struct slice text);
	void *ctx;
};

static void show_line(void *ctx, struct slice text)
{
	const struct shown *shown = ctx;
	struct buf out = BUF_INIT;

	buf_printf(&out, "-- %s: %.*s", shown->name, SLICE_ARG(text));
	shown->line(shown->ctx, buf_view(&out));
	buf_free(&out);
}

static void sides_show(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	struct sides *sides = self(sink);
	uint32_t wanted = sides_wanted(tx);

	for (uint32_t i = 0; i < sides->count; i++) {
		struct side part = { .number = i + 1, .tx = { .side = i + 1 } };
		struct shown shown = { sides->sides[i].name, line, ctx };

		if (!(wanted & (uint32_t)1 << i))
			continue;
		add_part(&part, tx);
		sides->sides[i].sink->ops->show(sides->sides[i].sink, &part.tx, show_line, &shown);
		free(part.tx.events);
	}
	sides->main->ops->show(sides->main, tx, line, ctx);
}

static void sides_close(struct sink *sink)
{
	struct sides *sides = self(sink);

	for (uint32_t i = 0; i < sides->count; i++) {
		struct side *side = &sides->sides[i];

		side->sink->ops->close(side->sink);
		free(side->name);
		free(side->tx.events);
	}
	sides->main->ops->close(sides->main);
	free(sides->sides);
	free(sides->lanes);
	free(sides->names);
	free(sides);
}

struct sink *sides_new(struct sink *main, const struct side_sink *sinks, size_t count)
{
	const struct sink_ops *ops = main->ops;
	struct sides *sides = calloc(1, sizeof *sides);

	BUG_IF(!sides || count > SIDES_MOST);
	sides->ops = (struct sink_ops){
		.name = ops->name,
		.transactional = ops->transactional,
		.open = sides_open,
		.look = sides_look,
		.describe = sides_describe,
		.take_over = sides_take_over,
		.recall = ops->recall ? sides_recall : NULL,
		.reset = ops->reset ? sides_reset : NULL,
		.commit = sides_commit,
		.load_state = ops->load_state ? sides_load_state : NULL,
		.ask_schema = ops->ask_schema ? sides_ask_schema : NULL,
		.problem = sides_problem,
		.query = ops->query ? sides_query : NULL,
		.show = sides_show,
		.close = sides_close,
	};
	sides->main = main;
	sides->count = (uint32_t)count;
	sides->sides = calloc(count, sizeof *sides->sides);
	sides->lanes = calloc((size_t)main->lanes, sizeof *sides->lanes);
	sides->names = calloc(count + 1, sizeof *sides->names);
	BUG_IF(!sides->sides || !sides->lanes || !sides->names);
	for (uint32_t i = 0; i < count; i++) {
		struct side *side = &sides->sides[i];

		*side = (struct side){ .owner = sides, .number = i + 1, .sink = sinks[i].sink, .name = strdup(sinks[i].name) };
		BUG_IF(!side->name);
		side->waiting_end = &side->waiting;
		side->tx = (struct tx){ .side = side->number, .done = side_done, .ctx = side };
		sides->names[i] = side->name;
	}
	sides->sink = (struct sink){ .ops = &sides->ops, .lanes = main->lanes, .sides = sides->names };
	return &sides->sink;
}
