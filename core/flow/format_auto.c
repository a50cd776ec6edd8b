/* Finds out which format a topic is in, by its first messages, and reads it as that from then on. */
#include <stdlib.h>
#include <uthash.h>

#include "base/log.h"
#include "flow/guess.h"

enum { FORMATS = 5 };

struct auto_topic {
	char *name;
	enum guess guess; /* NEUTRAL: nothing has told yet */
	bool mixed;       /* it has been said so */
	UT_hash_handle hh;
};

struct auto_state {
	struct auto_topic *topics, *last;
	void *states[FORMATS]; /* of each format, once it is used */
	bool opened[FORMATS];
};

static const struct format *const formats[FORMATS] = { &format_debezium, &format_json, &format_maxwell, &format_canal, &format_ticdc };

static int format_for(enum guess guess)
{
	switch (guess) {
	case GUESS_NEUTRAL: /* a tombstone, or a mark: Debezium's reader knows them */
	case GUESS_DEBEZIUM:
	case GUESS_FLAT:
		return 0;
	case GUESS_PLAIN:
		return 1;
	case GUESS_MAXWELL:
		return 2;
	case GUESS_CANAL:
		return 3;
	case GUESS_TICDC:
		return 4;
	case GUESS_AVRO:
	case GUESS_GOLDENGATE:
	case GUESS_DMS:
		break;
	}
	return -1;
}

static void *open_auto(struct decoder *decoder)
{
	struct auto_state *state = calloc(1, sizeof *state);

	(void)decoder;
	BUG_IF(!state);
	return state;
}

static void close_auto(void *ctx)
{
	struct auto_state *state = ctx;
	struct auto_topic *topic, *next;

	HASH_ITER(hh, state->topics, topic, next)
	{
		HASH_DEL(state->topics, topic);
		free(topic->name);
		free(topic);
	}
	for (int i = 0; i < FORMATS; i++)
		if (state->opened[i])
			formats[i]->close(state->states[i]);
	free(state);
}

static struct auto_topic *get_topic(struct auto_state *state, struct slice name)
{
	struct auto_topic *topic = state->last;

	if (topic && slice_is(name, topic->name))
		return topic;
	HASH_FIND(hh, state->topics, name.p, name.n, topic);
	if (!topic) {
		topic = calloc(1, sizeof *topic);
		BUG_IF(!topic);
		topic->guess = GUESS_NEUTRAL;
		topic->name = strndup(name.p ? name.p : "", name.n);
		BUG_IF(!topic->name);
		HASH_ADD_KEYPTR(hh, state->topics, topic->name, name.n, topic);
	}
	state->last = topic;
	return topic;
}

/* Whether a message can be of a topic that is known. Flat rows need not all have something added to them, and TiCDC writes Canal's form with
 * or without what tells it apart. */
static bool goes_with(enum guess topic, enum guess message)
{
	if (message == topic || message == GUESS_NEUTRAL)
		return true;
	return (topic == GUESS_FLAT && message == GUESS_PLAIN) || (topic == GUESS_TICDC && message == GUESS_CANAL) ||
	       (topic == GUESS_CANAL && message == GUESS_TICDC);
}

static int mixed(struct auto_topic *topic, enum guess guess, struct error *err)
{
	error_set(
		err,
		"the topic is a mix of formats: it began as %s, and this is %s. Set the source's `format`, or read the formats in jobs of their own",
		guess_name(topic->guess), guess_name(guess));
	if (!topic->mixed)
		log_error("topic %s: %s", topic->name, err->text);
	topic->mixed = true;
	return -1;
}

static int settle(struct auto_topic *topic, enum guess guess, struct error *err)
{
	if (topic->guess != GUESS_NEUTRAL)
		return goes_with(topic->guess, guess) ? 0 : mixed(topic, guess, err);
	if (guess == GUESS_AVRO)
		return error_set(err, "the topic is in Avro: its registry has to be named, as in format = { \"avro\", registry = \"http://...\" }");
	if (format_for(guess) < 0)
		return error_set(err, "the topic is in the form of %s, which needs sl.format(...) or format = { \"json\", ... }", guess_name(guess));
	topic->guess = guess;
	if (guess != GUESS_NEUTRAL)
		log_info("topic %s: format \"%s\", by its first messages", topic->name, guess_name(guess));
	return 0;
}

static int decode(struct decoder *decoder, const struct message *message, struct error *err)
{
	struct auto_state *state = decoder->state;
	struct auto_topic *topic = get_topic(state, message->topic);
	int i, result;

	if (settle(topic, guess_of_message(decoder, message), err) < 0)
		return -1;
	i = format_for(topic->guess);
	if (!state->opened[i]) {
		state->states[i] = formats[i]->open(decoder);
		state->opened[i] = true;
	}
	decoder->state = state->states[i];
	shapes_set_origin(decoder->shapes, formats[i]);
	result = formats[i]->decode(decoder, message, err);
	shapes_set_origin(decoder->shapes, NULL);
	decoder->state = state;
	return result;
}

const struct format format_auto = { .name = "auto", .plain = true, .open = open_auto, .close = close_auto, .decode = decode };
