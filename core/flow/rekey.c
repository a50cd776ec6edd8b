#include "flow/rekey.h"

#include <stdio.h>
#include <string.h>

#include "flow/progress.h"

struct from {
	long long partition, offset, time_ms;
	char clock, side;
	struct slice topic, parts;
};

void rekey_put(struct buf *out, const struct message *message, enum rekey_side side)
{
	buf_printf(out, "%d %lld %lld %c %c %.*s ", message->partition, (long long)message->offset, (long long)message->time_ms,
		   message->time_is_brokers ? 'b' : 'p', (char)side, SLICE_ARG(message->topic));
}

static const struct header *find(const struct message *message, const char *name)
{
	for (uint32_t i = message->header_count; i-- > 0;) /* ours are the last */
		if (slice_is(message->headers[i].name, name))
			return &message->headers[i];
	return NULL;
}

static bool read(const struct message *message, struct from *from)
{
	const struct header *header = find(message, REKEY_FROM);
	const char *at, *end;
	char text[400];
	int used = 0;

	if (!header || !header->value.p)
		return false;
	snprintf(text, sizeof text, "%.*s", SLICE_ARG(header->value));
	if (sscanf(text, "%lld %lld %lld %c %c %n", &from->partition, &from->offset, &from->time_ms, &from->clock, &from->side, &used) < 5 || !used)
		return false;
	at = header->value.p + used;
	end = memchr(at, ' ', header->value.n - (size_t)used);
	if (!end || end == at)
		return false;
	from->topic = (struct slice){ at, (size_t)(end - at) };
	from->parts = (struct slice){ end + 1, header->value.n - (size_t)(end + 1 - header->value.p) };
	return true;
}

void rekey_open(struct message *message)
{
	const struct header *key = find(message, REKEY_KEY);
	struct from from;

	if (!read(message, &from)) {
		message->flaw = "it stands in a topic of `repartition`, and does not say where it comes from";
		return;
	}
	message->topic = from.topic;
	message->partition = (int32_t)from.partition;
	message->offset = from.offset;
	message->time_ms = from.time_ms;
	message->time_is_brokers = from.clock == 'b';
	message->key = key ? key->value : (struct slice){ 0 };
}

static bool is_meant(const struct from *from, uint32_t part)
{
	const char *at = from->parts.p, *end = at + from->parts.n;

	while (at < end) {
		uint32_t number = 0;

		for (; at < end && *at >= '0' && *at <= '9'; at++)
			number = number * 10 + (uint32_t)(*at - '0');
		if (number == part)
			return true;
		at++;
	}
	return false;
}

static void take_side(struct event *event, char side)
{
	if (side == REKEY_WHOLE || event->op != OP_UPDATE)
		return;
	event->op = side == REKEY_OLD ? OP_DELETE : OP_INSERT;
	if (side == REKEY_OLD)
		event->row = event->old;
	event->old = (struct image){ .state = IMAGE_ABSENT };
}

void rekey_choose(struct intake *intake)
{
	const struct message *last = NULL;
	struct from from;
	bool known = false;

	for (struct event *event = intake->first; event; event = event->next) {
		const struct message *message = event->message;

		if (!message->owner || !message->owner->rekeyed || event->whole)
			continue;
		if (message != last)
			known = read(message, &from);
		last = message;
		if (!known)
			continue;
		if (is_meant(&from, event->part))
			take_side(event, from.side);
		else
			event->outcome = OUTCOME_IGNORED;
	}
}
