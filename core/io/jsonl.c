#include "io/jsonl.h"

#include <signal.h>
#include <stdlib.h>

#include "io/answers.h"
#include "io/change_text.h"
#include "io/dead_letter_file.h"
#include "io/line_writer.h"

enum { BACK_OFF_MS = 1000 };

struct jsonl {
	struct sink sink;
	struct event_base *loop;
	char *path;
	struct line_writer out;
	struct dead_letter_file dead_letters;
	struct answers answers;
	bool origins;  /* each line says which event it was made of */
	struct tx *tx; /* being written: waits for the pipe's reader */
	struct event *writable;
};

static struct jsonl *self(struct sink *sink)
{
	return (struct jsonl *)sink;
}

static int jsonl_open(struct sink *sink, struct error *err)
{
	struct jsonl *j = self(sink);

	/* A reader that is gone is to be an error of write, and not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	return line_writer_open(&j->out, j->path, err);
}

static int jsonl_describe(struct sink *sink, struct target *target, struct error *err)
{
	(void)sink;
	(void)err;
	target->open = true;
	target->exists = true;
	target->key_exact = true;
	return 0;
}

static void jsonl_take_over(struct sink *sink, struct takeover *takeover)
{
	answers_fresh(&self(sink)->answers, takeover);
}

static void go_on(struct jsonl *j);

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	go_on(ctx);
}

/* Writes what is left of the transaction, then its dead letters; answers when that is all, or went wrong. */
static void go_on(struct jsonl *j)
{
	struct error err = { .text = "" };
	struct tx *tx = j->tx;
	enum line_writer_result result = line_writer_flush(&j->out, &err);

	if (result == LINES_LATER) {
		if (!j->writable) {
			j->writable = event_new(j->loop, j->out.fd, EV_WRITE, on_writable, j);
			BUG_IF(!j->writable);
		}
		if (event_add(j->writable, NULL) == 0)
			return;
		error_set(&err, "this kind of file cannot be waited for");
		result = LINES_BROKEN;
	}
	if (result == LINES_WRITTEN)
		result = dead_letter_file_flush(&j->dead_letters, &err);
	else
		error_prefix(&err, "%s", j->path);
	j->tx = NULL;
	if (result == LINES_WRITTEN)
		line_writer_keep(&j->out);
	else
		line_writer_drop(&j->out);
	/* There are some left where the rows could not be written. */
	line_writer_drop(&j->dead_letters.out);
	answers_result(&j->answers, tx,
		       result == LINES_WRITTEN   ? SINK_COMMITTED
		       : result == LINES_NO_ROOM ? SINK_RETRY
						 : SINK_FAILED,
		       &err, result == LINES_WRITTEN ? 0 : BACK_OFF_MS);
}

static void put_changes(struct jsonl *j, const struct tx *tx, const struct event *event)
{
	struct origin origin;
	uint32_t number = 0;

	for (const struct change *change = event->changes; change; change = change->next) {
		if (!tx_takes(tx, change))
			continue;
		if (j->origins)
			origin_of(&origin, j->dead_letters.job, event, number++);
		change_put(&j->out.text, change, j->origins ? &origin : NULL);
		buf_char(&j->out.text, '\n');
	}
}

static void jsonl_commit(struct sink *sink, struct tx *tx)
{
	struct jsonl *j = self(sink);

	BUG_IF(j->tx);
	j->tx = tx;
	for (size_t i = 0; i < tx->count; i++)
		if (tx->events[i]->outcome != OUTCOME_DEAD)
			put_changes(j, tx, tx->events[i]);
	dead_letter_file_add(&j->dead_letters, tx);
	go_on(j);
}

static void jsonl_show(struct sink *sink, const struct tx *tx, void (*line)(void *ctx, struct slice text), void *ctx)
{
	const struct jsonl *j = self(sink);

	change_show(tx, &(struct change_form){ .job = j->dead_letters.job, .origins = j->origins }, line, ctx);
}

static void jsonl_close(struct sink *sink)
{
	struct jsonl *j = self(sink);

	line_writer_drop(&j->out);
	line_writer_drop(&j->dead_letters.out);
	if (j->writable)
		event_free(j->writable);
	answers_deinit(&j->answers);
	line_writer_close(&j->out);
	dead_letter_file_deinit(&j->dead_letters);
	free(j->path);
	free(j);
}

/* There is nothing to look at. */
static int jsonl_nothing(struct sink *sink, struct error *err)
{
	(void)sink;
	(void)err;
	return 0;
}

static const struct sink_ops jsonl_ops = {
	.name = "jsonl",
	.transactional = false,
	.open = jsonl_open,
	.look = jsonl_nothing,
	.describe = jsonl_describe,
	.take_over = jsonl_take_over,
	.commit = jsonl_commit,
	.show = jsonl_show,
	.close = jsonl_close,
};

struct sink *jsonl_new(struct event_base *loop, const struct jsonl_options *options, struct error *err)
{
	struct jsonl *j;

	if (!*options->path) {
		error_set(err, "the path of the jsonl sink is empty: write a file's path, or \"-\" for standard output");
		return NULL;
	}
	j = calloc(1, sizeof *j);
	BUG_IF(!j);
	j->sink = (struct sink){ .ops = &jsonl_ops, .lanes = 1 };
	j->loop = loop;
	j->path = strdup(options->path);
	BUG_IF(!j->path);
	j->out = LINE_WRITER_INIT;
	j->origins = options->origins;
	dead_letter_file_init(&j->dead_letters, options->dead_letters, options->job);
	answers_init(&j->answers, loop);
	return &j->sink;
}
