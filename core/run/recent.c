#include "run/recent.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/job_private.h"

enum { POLL_MOST = 1000 };

struct reading_on {
	struct event_base *loop;
	struct source *source;
	struct event *turn, *deadline;
	struct recent *recent;
	size_t most, next; /* next: the place of the oldest, once there are `most` */
	size_t open;       /* partitions that have not ended */
	bool tail;         /* of several partitions the last are found by their time */
	bool over;
	struct error *err;
	int result;
};

static void end(struct reading_on *on, int result)
{
	on->over = true;
	on->result = result;
	event_base_loopbreak(on->loop);
}

static void on_assigned(void *ctx, const struct source_partition *partitions, size_t count)
{
	struct reading_on *on = ctx;

	on->open += count;
	for (size_t i = 0; i < count; i++)
		on->source->ops->take(on->source, partitions[i].id, START_CONFIGURED, NULL);
}

static void on_revoked(void *ctx, const uint32_t *ids, size_t count)
{
	(void)ctx, (void)ids, (void)count;
}

static void on_ended(void *ctx, uint32_t id)
{
	struct reading_on *on = ctx;

	(void)id;
	if (--on->open == 0)
		end(on, 0);
}

static void on_idle(void *ctx)
{
	end(ctx, 0);
}

static void on_wake(void *ctx)
{
	event_active(((struct reading_on *)ctx)->turn, EV_TIMEOUT, 0);
}

static void on_failed(void *ctx, bool job, const char *reason)
{
	struct reading_on *on = ctx;

	(void)job;
	error_set(on->err, "%s", reason);
	end(on, -1);
}

static size_t padded(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

static struct slice put(char **at, struct slice bytes)
{
	struct slice copy = { bytes.p ? *at : NULL, bytes.n };

	if (bytes.n)
		memcpy(*at, bytes.p, bytes.n);
	*at += bytes.n;
	return copy;
}

/* All of it in one piece of memory. */
static struct message *copy_of(const struct message *message)
{
	size_t n = message->topic.n + message->key.n + message->value.n;
	struct message *copy;
	struct header *headers;
	char *at;

	for (uint32_t i = 0; i < message->header_count; i++)
		n += message->headers[i].name.n + message->headers[i].value.n;
	copy = malloc(padded(sizeof *copy) + message->header_count * sizeof *headers + n + 1);
	BUG_IF(!copy);
	*copy = *message;
	copy->owner = NULL;
	headers = (struct header *)((char *)copy + padded(sizeof *copy));
	at = (char *)(headers + message->header_count);
	copy->topic = put(&at, message->topic);
	copy->key = put(&at, message->key);
	copy->value = put(&at, message->value);
	for (uint32_t i = 0; i < message->header_count; i++)
		headers[i] = (struct header){ put(&at, message->headers[i].name), put(&at, message->headers[i].value) };
	copy->headers = headers;
	return copy;
}

static void on_message(void *ctx, const struct message *message)
{
	struct reading_on *on = ctx;
	struct recent *recent = on->recent;

	if (recent->count == recent->room && (on->tail || recent->room < on->most)) {
		recent->room = recent->room ? 2 * recent->room : 128;
		if (!on->tail && recent->room > on->most)
			recent->room = on->most;
		recent->messages = realloc(recent->messages, recent->room * sizeof(struct message *));
		BUG_IF(!recent->messages);
	}
	if (recent->count < recent->room) {
		recent->messages[recent->count++] = copy_of(message);
		return;
	}
	free(recent->messages[on->next]);
	recent->messages[on->next] = copy_of(message);
	on->next = (on->next + 1) % on->most;
}

static void on_turn(evutil_socket_t fd, short what, void *ctx)
{
	struct reading_on *on = ctx;

	(void)fd, (void)what;
	if (!on->over && on->source->ops->poll(on->source, POLL_MOST))
		on_wake(on);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct reading_on *on = ctx;

	(void)fd, (void)what;
	on->recent->cut = true;
	end(on, 0);
}

static int compare(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_time(const void *a, const void *b)
{
	const struct message *x = *(struct message *const *)a, *y = *(struct message *const *)b;
	int order = compare(x->time_ms, y->time_ms);

	if (!order)
		order = slice_compare(x->topic, y->topic);
	if (!order)
		order = compare(x->partition, y->partition);
	return order ? order : compare(x->offset, y->offset);
}

/* Oldest first, and no more than are wanted. */
static void settle(struct reading_on *on)
{
	struct recent *recent = on->recent;
	size_t spare = on->tail && recent->count > on->most ? recent->count - on->most : 0;
	struct message **ordered = calloc(recent->count + 1, sizeof *ordered);

	BUG_IF(!ordered);
	if (on->tail && recent->count)
		qsort(recent->messages, recent->count, sizeof *recent->messages, by_time);
	for (size_t i = 0; i < spare; i++)
		free(recent->messages[i]);
	for (size_t i = spare; i < recent->count; i++)
		ordered[i - spare] = recent->messages[on->tail ? i : (on->next + i) % recent->count];
	free(recent->messages);
	recent->messages = ordered;
	recent->count -= spare;
}

static int read_all(struct reading_on *on, struct job *job, const char *job_path, int64_t patience_ms)
{
	struct run_options bounded = { .job_path = job_path, .until = "latest" };
	struct job_run run = {
		.options = &bounded,
		.workers = 1,
		.run_started_ms = clock_wall_ms(),
		.alone = true,
		.tail = (int64_t)on->most,
	};
	struct source_events events = {
		.assigned = on_assigned,
		.revoked = on_revoked,
		.ended = on_ended,
		.idle = on_idle,
		.wake = on_wake,
		.failed = on_failed,
		.message = on_message,
		.ctx = on,
	};

	on->source = job_source(job, on->loop, &run, on->err);
	if (!on->source || on->source->ops->start(on->source, &events, on->err) < 0)
		return -1;
	event_add(on->deadline, &(struct timeval){ patience_ms / 1000, patience_ms % 1000 * 1000 });
	on_wake(on);
	event_base_dispatch(on->loop);
	return on->result;
}

static void note_stdin(void *ctx, const char *path)
{
	*(bool *)ctx |= strcmp(path, "-") == 0;
}

int recent_read(struct job *job, const char *job_path, size_t most, int64_t patience_ms, struct recent *recent, struct error *err)
{
	struct reading_on on = { .loop = event_base_new(), .recent = recent, .most = most, .tail = !job->bounded, .err = err };
	bool is_stdin = false;
	int result;

	job_each(job, "source.paths", note_stdin, &is_stdin);
	*recent = (struct recent){ 0 };
	on.turn = event_new(on.loop, -1, 0, on_turn, &on);
	on.deadline = event_new(on.loop, -1, 0, on_deadline, &on);
	BUG_IF(!on.loop || !on.turn || !on.deadline);
	result = is_stdin ? error_set(err, "source: what comes by stdin can be read once alone, and not looked at before")
			  : read_all(&on, job, job_path, patience_ms);
	if (on.source)
		on.source->ops->close(on.source);
	event_free(on.turn);
	event_free(on.deadline);
	event_base_free(on.loop);
	settle(&on);
	if (result < 0)
		recent_free(recent);
	return result;
}

void recent_free(struct recent *recent)
{
	for (size_t i = 0; i < recent->count; i++)
		free(recent->messages[i]);
	free(recent->messages);
	*recent = (struct recent){ 0 };
}
