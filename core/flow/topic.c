#include "flow/topic.h"

#include <stdlib.h>

struct topics {
	struct topic *by_name;
	struct topic *last; /* messages come in runs of one topic */
};

struct topics *topics_new(void)
{
	struct topics *topics = calloc(1, sizeof *topics);

	BUG_IF(!topics);
	return topics;
}

void topics_free(struct topics *topics)
{
	struct topic *topic, *next;

	if (!topics)
		return;
	HASH_ITER(hh, topics->by_name, topic, next)
	{
		HASH_DEL(topics->by_name, topic);
		connect_deinit(&topic->value);
		connect_deinit(&topic->key);
		free(topic);
	}
	free(topics);
}

struct topic *topics_get(struct topics *topics, struct slice name)
{
	struct topic *topic = topics->last;

	if (topic && slice_equal(topic->name, name))
		return topic;
	HASH_FIND(hh, topics->by_name, name.p, name.n, topic);
	if (!topic) {
		char *copy;

		topic = calloc(1, sizeof *topic + name.n);
		BUG_IF(!topic);
		copy = (char *)(topic + 1);
		if (name.n)
			memcpy(copy, name.p, name.n);
		topic->name = (struct slice){ copy, name.n };
		format_names_from_topic(topic->name, &topic->database, &topic->table);
		HASH_ADD_KEYPTR(hh, topics->by_name, topic->name.p, topic->name.n, topic);
	}
	topics->last = topic;
	return topic;
}
