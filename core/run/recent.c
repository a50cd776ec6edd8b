#include "run/recent.h"

#include <stdlib.h>
#include <string.h>

#include "run/alone.h"

struct reading_on {
	struct alone alone;
	struct recent *recent;
	size_t most, next; /* next: the place of the oldest, once there are `most` */
	bool tail;         /* of several partitions the last are found by their time */
};

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

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct reading_on *on = ctx;

	(void)fd, (void)what;
	on->recent->cut = true;
	alone_stop(&on->alone);
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

static void note_stdin(void *ctx, const char *path)
{
	*(bool *)ctx |= strcmp(path, "-") == 0;
}

int recent_read(struct job *job, size_t most, int64_t patience_ms, struct recent *recent, struct error *err)
{
	struct reading_on on = {
		.alone = { .message = on_message, .ctx = &on, .first = START_CONFIGURED }, .recent = recent, .most = most, .tail = !job->bounded
	};
	struct event_base *loop = event_base_new();
	struct event *deadline = event_new(loop, -1, 0, on_deadline, &on);
	bool is_stdin = false;
	int result = -1;

	BUG_IF(!loop || !deadline);
	job_each(job, "source.paths", note_stdin, &is_stdin);
	*recent = (struct recent){ 0 };
	if (is_stdin) {
		error_set(err, "source: what comes by stdin can be read once alone, and not looked at before");
	} else if (alone_open(&on.alone, job, loop, (struct job_run){ .tail = (int64_t)most }, err) == 0) {
		event_add(deadline, &(struct timeval){ patience_ms / 1000, patience_ms % 1000 * 1000 });
		result = alone_read(&on.alone) == 0 ? 0 : -1;
	}
	alone_close(&on.alone);
	event_free(deadline);
	event_base_free(loop);
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
