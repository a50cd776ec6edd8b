/* Whether the events of a state come from one partition: with several workers each would count some of them otherwise. */
#include "flow/flow_private.h"

#include <strings.h>

#include "flow/json.h"

static bool is_key_column(const struct script *script, struct slice name)
{
	for (uint32_t i = 0; i < script->key_by_count; i++)
		if (script->key_by_columns[i].n == name.n && strncasecmp(script->key_by_columns[i].p, name.p, name.n) == 0)
			return true;
	return false;
}

/* A column of the message's key that `key_by` has not: messages that differ in it go to any partition. "" where there is none, or where
 * nothing tells: a key without names, or of a format whose topics are not shared out by it. */
static struct slice foreign_column(struct flow *flow, const struct event *event)
{
	struct slice text = event->message->key;
	const struct json_node *nodes;
	struct error err;

	if (event->keyed) {
		for (uint32_t i = 0; event->key.shape && i < event->key.shape->count; i++)
			if (!is_key_column(event->script, event->key.shape->columns[i].name))
				return event->key.shape->columns[i].name;
		return SLICE("");
	}
	if (flow->decoder.format != &format_json || text.n == 0 || text.p[0] != '{' ||
	    json_read(flow->decoder.json, text, 0, NULL, &event->intake->arena, &nodes, &err) < 0 || json_member(nodes, nodes, "payload"))
		return SLICE("");
	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end)
		if (!is_key_column(event->script, node->name))
			return node->name;
	return SLICE("");
}

/* Nothing says which columns of its rows the states of its readers follow from. */
static bool fail_one_lane(struct flow *flow, const struct event *event)
{
	struct error err;

	error_set(&err,
		  "stopped at %.*s:%d offset %lld: rows of %.*s come to scripts that keep state, and their key_by has not all columns of its key_by "
		  "(or it "
		  "names none). One lane has all of its events then, and with several workers each would count some of them: run it with --workers "
		  "1, or name "
		  "in its key_by columns that the readers' have, too",
		  SLICE_ARG(event->message->topic), event->message->partition, (long long)event->message->offset, SLICE_ARG(event->script->path));
	flow_fail(flow, true, err.text);
	return false;
}

/* With several workers the events of a state must be one's. One event of each topic and script stands for its neighbours in the intake. */
bool flow_check_spread(struct flow *flow, const struct intake *intake)
{
	const struct event *last = NULL;
	struct error err;

	if (flow->options.workers < 2 || !script_host_is_stateful(flow->host) || script_host_rekey(flow->host) == REKEY_OUT)
		return true;
	for (const struct event *event = intake->first; event; event = event->next) {
		struct slice column;

		if (event->outcome != OUTCOME_PENDING || event->uncertain || event->message->owner->rekeyed || event->parked ||
		    !(event->script->stateful || event->script->chain.kept) ||
		    (event->script->key_by != KEY_BY_COLUMNS && !event->script->chain.kept) ||
		    (last && last->script == event->script && last->key.shape == event->key.shape &&
		     slice_equal(last->message->topic, event->message->topic)))
			continue;
		last = event;
		if (event->script->chain.one_lane)
			return fail_one_lane(flow, event);
		column = foreign_column(flow, event);
		if (!column.n)
			continue;
		error_set(
			&err,
			"stopped at %.*s:%d offset %lld: the message's key has the column %.*s, which is not in key_by of %.*s. Events of one "
			"state are then in several partitions, and with several workers each would count some of them: say repartition = \"a-topic\" "
			"in the script, through which they are then keyed anew, run it with --workers 1, or key the topic by columns of key_by",
			SLICE_ARG(event->message->topic), event->message->partition, (long long)event->message->offset, SLICE_ARG(column),
			SLICE_ARG(event->script->path));
		flow_fail(flow, true, err.text);
		return false;
	}
	return true;
}
