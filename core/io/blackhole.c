#include "io/blackhole.h"

#include <stdlib.h>

#include "flow/batch.h"
#include "io/answers.h"
#include "io/dead_letter_file.h"

enum { BACK_OFF_MS = 1000 };

struct blackhole {
	struct sink sink;
	struct batch batch; /* one for all lanes: nothing of it outlives commit() */
	struct dead_letter_file dead_letters;
	struct answers answers;
	struct blackhole_counts counts;
};

static struct blackhole *self(struct sink *sink)
{
	return (struct blackhole *)sink;
}

static int blackhole_describe(struct sink *sink, struct target *target, struct error *err)
{
	(void)sink;
	(void)err;
	target->open = true;
	target->exists = true;
	target->key_exact = true;
	return 0;
}

static void blackhole_take_over(struct sink *sink, struct takeover *takeover)
{
	answers_fresh(&self(sink)->answers, takeover);
}

static void blackhole_commit(struct sink *sink, struct tx *tx)
{
	struct blackhole *b = self(sink);
	struct error err = { .text = "" };
	enum line_writer_result result;

	batch_build(&b->batch, tx);
	dead_letter_file_add(&b->dead_letters, tx);
	result = dead_letter_file_flush(&b->dead_letters, &err);
	if (result != LINES_WRITTEN) {
		answers_result(&b->answers, tx, result == LINES_NO_ROOM ? SINK_RETRY : SINK_FAILED, &err, BACK_OFF_MS);
		return;
	}
	b->counts.transactions++;
	b->counts.events += tx->count;
	b->counts.rows += b->batch.rows;
	answers_result(&b->answers, tx, SINK_COMMITTED, NULL, 0);
}

static void blackhole_show(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	struct blackhole *b = self(sink);
	struct buf out = BUF_INIT;

	batch_build(&b->batch, tx);
	for (size_t i = 0; i < b->batch.table_count; i++) {
		const struct batch_table *table = &b->batch.tables[i];

		buf_clear(&out);
		buf_printf(&out, "%.*s: %zu rows", SLICE_ARG(table->target->name), table->count);
		line(ctx, buf_view(&out));
	}
	buf_free(&out);
}

static void blackhole_close(struct sink *sink)
{
	struct blackhole *b = self(sink);

	answers_deinit(&b->answers);
	dead_letter_file_deinit(&b->dead_letters);
	batch_free(&b->batch);
	free(b);
}

/* There is nothing to look at. */
static int blackhole_nothing(struct sink *sink, struct error *err)
{
	(void)sink;
	(void)err;
	return 0;
}

static const struct sink_ops blackhole_ops = {
	.name = "blackhole",
	.transactional = false,
	.open = blackhole_nothing,
	.look = blackhole_nothing,
	.describe = blackhole_describe,
	.take_over = blackhole_take_over,
	.commit = blackhole_commit,
	.show = blackhole_show,
	.close = blackhole_close,
};

struct blackhole_counts blackhole_counts(const struct sink *sink)
{
	return ((const struct blackhole *)sink)->counts;
}

struct sink *blackhole_new(struct event_base *loop, int32_t lanes, const char *dead_letters_path, const char *job, struct error *err)
{
	struct blackhole *b;

	if (lanes < 1) {
		error_set(err, "a blackhole sink has at least one lane");
		return NULL;
	}
	b = calloc(1, sizeof *b);
	BUG_IF(!b);
	b->sink = (struct sink){ .ops = &blackhole_ops, .lanes = lanes };
	dead_letter_file_init(&b->dead_letters, dead_letters_path, job);
	answers_init(&b->answers, loop);
	return &b->sink;
}
