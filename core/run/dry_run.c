#include "run/dry_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/answers.h"

struct dry_run {
	struct sink sink;
	struct sink_ops ops;
	struct sink *shown;
	struct answers answers;
};

static struct dry_run *self(struct sink *sink)
{
	return (struct dry_run *)sink;
}

static int dry_run_open(struct sink *sink, struct error *err)
{
	struct sink *shown = self(sink)->shown;

	return shown->ops->look(shown, err);
}

static int dry_run_describe(struct sink *sink, struct target *target, struct error *err)
{
	struct sink *shown = self(sink)->shown;

	return shown->ops->describe(shown, target, err);
}

/* Nothing is taken over: a dry run begins where the source says, and another run of the job goes on. */
static void dry_run_take_over(struct sink *sink, struct takeover *takeover)
{
	answers_fresh(&self(sink)->answers, takeover);
}

static void print_line(void *ctx, struct slice text)
{
	(void)ctx;
	fwrite(text.p, 1, text.n, stdout);
	putchar('\n');
}

static void dry_run_commit(struct sink *sink, struct tx *tx)
{
	struct dry_run *dry = self(sink);

	dry->shown->ops->show(dry->shown, tx, print_line, NULL);
	fflush(stdout);
	answers_result(&dry->answers, tx, SINK_COMMITTED, NULL, 0);
}

/* Rows that scripts look up; what they keep begins empty. */
static void dry_run_load(struct sink *sink, struct state_load *load)
{
	struct sink *shown = self(sink)->shown;

	shown->ops->load_state(shown, load);
}

static void dry_run_show(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	struct sink *shown = self(sink)->shown;

	shown->ops->show(shown, tx, line, ctx);
}

static void dry_run_close(struct sink *sink)
{
	struct dry_run *dry = self(sink);

	dry->shown->ops->close(dry->shown);
	answers_deinit(&dry->answers);
	free(dry);
}

static const struct sink_ops dry_run_ops = {
	.name = "dry-run",
	.transactional = false,
	.open = dry_run_open,
	.look = dry_run_open,
	.describe = dry_run_describe,
	.take_over = dry_run_take_over,
	.commit = dry_run_commit,
	.load_state = dry_run_load,
	.show = dry_run_show,
	.close = dry_run_close,
};

struct sink *dry_run_new(struct event_base *loop, struct sink *shown)
{
	struct dry_run *dry = calloc(1, sizeof *dry);

	BUG_IF(!dry);
	dry->ops = dry_run_ops;
	if (!shown->ops->load_state)
		dry->ops.load_state = NULL;
	dry->sink = (struct sink){ .ops = &dry->ops, .lanes = 1, .sides = shown->sides };
	dry->shown = shown;
	answers_init(&dry->answers, loop);
	return &dry->sink;
}
