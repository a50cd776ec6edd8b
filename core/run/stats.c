#include "run/stats.h"

#include <stdlib.h>

const struct stats_name stats_names[STATS_COUNTERS] = {
	{ "read", "read", "read", "Events read from the source.", true },
	{ "written", "written", "written", "Events whose changes are committed in the target.", true },
	{ "filtered", "filtered", "filtered", "Events that a script dropped.", true },
	{ "unmatched", "unmatched", "unmatched", "Events of tables that no script serves.", false },
	{ "dead", "dead letters", "dead_letters", "Events that became dead letters.", true },
	{ "ignored", "ignored", "ignored", "Control messages, schema changes and truncates that were ignored.", false },
	{ "skipped", "skipped", "skipped", "Events at fault that a script says to skip.", true },
	{ "transactions", "transactions", "transactions", "Transactions committed.", false },
	{ "rows", "rows", "rows", "Rows written or deleted in committed transactions.", false },
	{ "retries", "retries", "retries", "Transactions sent again.", false },
	{ "late", "late", "late", "Events that came after the windows of their time had closed.", false },
	{ "ahead", "ahead", "ahead", "Events whose time lies too far ahead to move the watermark.", false },
	{ "timers", "timers", "timers", "Rows of streamlua_state that were due: timers, windows, state that had expired.", false },
	{ "dead_timers", "dead timers", "dead_timers", "Timers that became dead letters.", false },
};

const struct json_node *stats_member(const struct json_node *nodes, uint32_t object, const char *name)
{
	const struct json_node *found = NULL;

	if (!nodes[object].object)
		return NULL;
	for (uint32_t i = object + 1; i < nodes[object].end; i = nodes[i].end)
		if (slice_is(nodes[i].name, name))
			found = &nodes[i];
	return found;
}

static int64_t number_of(const struct json_node *node)
{
	char digits[24];

	if (!node || node->value.kind != VALUE_NUMBER || node->value.n >= sizeof digits)
		return 0;
	memcpy(digits, node->value.p, node->value.n);
	digits[node->value.n] = 0;
	return strtoll(digits, NULL, 10);
}

int64_t stats_number(const struct json_node *nodes, uint32_t object, const char *name)
{
	return number_of(stats_member(nodes, object, name));
}

struct slice stats_text(const struct json_node *nodes, uint32_t object, const char *name)
{
	const struct json_node *node = stats_member(nodes, object, name);

	return node && node->value.kind == VALUE_TEXT ? (struct slice){ node->value.p, node->value.n } : SLICE("");
}

static void read_counters(int64_t *counters, const struct json_node *nodes, uint32_t object)
{
	for (int i = 0; i < STATS_COUNTERS; i++)
		counters[i] = stats_number(nodes, object, stats_names[i].json);
}

/* The array of this name: how many it has, and the first in *at; the next is at nodes[i].end. */
static size_t read_array(const struct json_node *nodes, const char *name, uint32_t *at, uint32_t *end)
{
	const struct json_node *array = stats_member(nodes, 0, name);
	size_t count = 0;

	*at = *end = 0;
	if (!array || array->value.kind != VALUE_JSON || array->object || !array->expanded)
		return 0;
	*at = (uint32_t)(array - nodes) + 1;
	*end = array->end;
	for (uint32_t i = *at; i < *end; i = nodes[i].end)
		count++;
	return count;
}

static void read_histogram(struct histogram *histogram, const struct json_node *nodes, const char *name)
{
	uint32_t i, end;
	size_t n = 0;

	read_array(nodes, name, &i, &end);
	for (; i < end && n <= HISTOGRAM_BUCKETS; i = nodes[i].end, n++)
		*(n < HISTOGRAM_BUCKETS ? &histogram->buckets[n] : &histogram->sum) = (uint64_t)number_of(&nodes[i]);
}

int stats_read(struct stats *stats, struct json *json, struct slice text, struct error *err)
{
	const struct json_node *nodes;
	char *padded;
	uint32_t i, end;
	size_t n = 0;

	arena_reset(&stats->arena);
	*stats = (struct stats){ .arena = stats->arena };
	padded = arena_zalloc(&stats->arena, text.n + JSON_PADDING);
	if (text.n)
		memcpy(padded, text.p, text.n);
	if (json_read(json, (struct slice){ padded, text.n }, 3, NULL, &stats->arena, &nodes, err) < 0)
		return -1;
	if (!nodes[0].object)
		return error_set(err, "it is no object");
	read_counters(stats->counters, nodes, 0);
	stats->in_flight = stats_number(nodes, 0, "in_flight");
	stats->held = stats_number(nodes, 0, "held");
	stats->parked = stats_number(nodes, 0, "parked");
	stats->memory_bytes = stats_number(nodes, 0, "memory_bytes");
	stats->memory_most_bytes = stats_number(nodes, 0, "memory_most_bytes");
	stats->lanes = stats_number(nodes, 0, "lanes");
	stats->window = stats_number(nodes, 0, "window");
	stats->latency_ms = stats_number(nodes, 0, "latency_ms");
	read_histogram(&stats->histograms[HISTOGRAM_COMMIT_MS], nodes, "commit_ms");
	read_histogram(&stats->histograms[HISTOGRAM_ROWS], nodes, "tx_rows");
	stats->version = stats_text(nodes, 0, "version");
	stats->problem = stats_text(nodes, 0, "problem");
	stats->ready = stats_member(nodes, 0, "ready") && stats_member(nodes, 0, "ready")->value.kind == VALUE_TRUE;

	stats->script_count = read_array(nodes, "scripts", &i, &end);
	stats->scripts = arena_zalloc(&stats->arena, stats->script_count * sizeof *stats->scripts);
	for (n = 0; i < end; i = nodes[i].end, n++) {
		stats->scripts[n].name = stats_text(nodes, i, "name");
		read_counters(stats->scripts[n].counters, nodes, i);
		stats->scripts[n].state_keys = stats_number(nodes, i, "state_keys");
	}
	stats->partition_count = read_array(nodes, "partitions", &i, &end);
	stats->partitions = arena_zalloc(&stats->arena, stats->partition_count * sizeof *stats->partitions);
	for (n = 0; i < end; i = nodes[i].end, n++)
		stats->partitions[n] = (struct stats_partition){
			.topic = stats_text(nodes, i, "topic"),
			.partition = stats_number(nodes, i, "partition"),
			.next_offset = stats_number(nodes, i, "next_offset"),
			.lag = stats_number(nodes, i, "lag"),
			.lag_ms = stats_number(nodes, i, "lag_ms"),
		};
	return 0;
}

static struct stats_script *script_of(struct stats *sum, struct slice name)
{
	struct stats_script *grown;

	for (size_t i = 0; i < sum->script_count; i++)
		if (slice_equal(sum->scripts[i].name, name))
			return &sum->scripts[i];
	grown = arena_zalloc(&sum->arena, (sum->script_count + 1) * sizeof *grown);
	if (sum->script_count)
		memcpy(grown, sum->scripts, sum->script_count * sizeof *grown);
	grown[sum->script_count].name = arena_copy(&sum->arena, name);
	sum->scripts = grown;
	return &sum->scripts[sum->script_count++];
}

void stats_add(struct stats *sum, const struct stats *more)
{
	for (int i = 0; i < STATS_COUNTERS; i++)
		sum->counters[i] += more->counters[i];
	for (int i = 0; i < HISTOGRAM_KINDS; i++)
		histogram_add(&sum->histograms[i], &more->histograms[i]);
	for (size_t i = 0; i < more->script_count; i++) {
		struct stats_script *script = script_of(sum, more->scripts[i].name);

		for (int k = 0; k < STATS_COUNTERS; k++)
			script->counters[k] += more->scripts[i].counters[k];
	}
}

int64_t stats_open(const struct stats *stats)
{
	int64_t open = stats->counters[STATS_READ];

	for (int i = STATS_WRITTEN; i <= STATS_SKIPPED; i++)
		open -= stats->counters[i];
	return open;
}

void stats_free(struct stats *stats)
{
	arena_free(&stats->arena);
	*stats = (struct stats){ 0 };
}
