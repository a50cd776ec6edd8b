#include "io/answers.h"

#include <stdlib.h>

#include "base/clock.h"

struct answer {
	struct takeover *takeover; /* or */
	struct tx *tx;
	enum sink_result result;
	int64_t at_ms;
	struct error err;
};

static void say_fresh(struct takeover *takeover)
{
	struct progress_loaded *loaded = calloc(takeover->count + 1, sizeof *loaded);

	BUG_IF(!loaded);
	for (size_t i = 0; i < takeover->count; i++)
		loaded[i] = (struct progress_loaded){ .epoch = 1, .fresh = true, .watermark = INT64_MIN };
	takeover->done(takeover, loaded, NULL);
	free(loaded);
}

/* The loop is told of the earliest answer that waits. */
static void arm(struct answers *answers)
{
	int64_t now = clock_mono_ms(), wait_ms = INT64_MAX;

	for (size_t i = 0; i < answers->count; i++)
		if (answers->items[i].at_ms - now < wait_ms)
			wait_ms = answers->items[i].at_ms - now;
	if (wait_ms <= 0)
		event_active(answers->due, EV_TIMEOUT, 0);
	else if (answers->count)
		event_add(answers->due, &(struct timeval){ .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 });
}

static void on_due(evutil_socket_t fd, short what, void *ctx)
{
	struct answers *answers = ctx;
	int64_t now = clock_mono_ms();
	/* Those who get an answer ask again; what they ask is answered in another turn, so that others have theirs. */
	size_t rest = answers->count, i = 0;

	(void)fd;
	(void)what;
	for (; rest > 0; rest--) {
		struct answer answer;

		if (answers->items[i].at_ms > now) {
			i++;
			continue;
		}
		answer = answers->items[i];
		memmove(&answers->items[i], &answers->items[i + 1], (--answers->count - i) * sizeof answer);
		if (answer.takeover)
			say_fresh(answer.takeover);
		else
			answer.tx->done(answer.tx, answer.result, answer.result == SINK_COMMITTED ? NULL : &answer.err);
	}
	arm(answers);
}

void answers_init(struct answers *answers, struct event_base *loop)
{
	*answers = (struct answers){ .due = event_new(loop, -1, 0, on_due, answers) };
	BUG_IF(!answers->due);
}

void answers_deinit(struct answers *answers)
{
	event_free(answers->due);
	free(answers->items);
	*answers = (struct answers){ 0 };
}

static struct answer *add(struct answers *answers)
{
	if (answers->count == answers->cap) {
		answers->cap = answers->cap ? answers->cap * 2 : 8;
		answers->items = realloc(answers->items, answers->cap * sizeof *answers->items);
		BUG_IF(!answers->items);
	}
	return &answers->items[answers->count++];
}

void answers_fresh(struct answers *answers, struct takeover *takeover)
{
	struct answer *answer = add(answers);

	answer->takeover = takeover;
	answer->tx = NULL;
	answer->at_ms = 0;
	arm(answers);
}

void answers_result(struct answers *answers, struct tx *tx, enum sink_result result, const struct error *err, int64_t after_ms)
{
	struct answer *answer = add(answers);

	answer->takeover = NULL;
	answer->tx = tx;
	answer->result = result;
	answer->at_ms = after_ms ? clock_mono_ms() + after_ms : 0;
	answer->err.text[0] = 0;
	if (err)
		answer->err = *err;
	arm(answers);
}
