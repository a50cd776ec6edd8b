/* What stands beside the offsets that we commit to Kafka: how much they mean to whoever comes next. As text, so that people can read it:
 * "streamlua start", "streamlua end 1700000000000 1700000000000", or both; or "streamlua parts 7". Behind any of them, or alone, "streamlua from 1700000000000". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/kafka_mark.h"

static const char starts[] = "streamlua start", ends[] = "streamlua end ", parts[] = "streamlua parts ", from[] = "streamlua from ";

void kafka_mark_put(rd_kafka_topic_partition_t *entry, struct kafka_mark mark)
{
	char text[120] = "";

	if (mark.start)
		snprintf(text, sizeof text, "%s", starts);
	if (mark.ended_ms)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%" PRId64 " %" PRId64, mark.start ? ", " : "", ends, mark.ended_ms,
			 mark.until_ms);
	if (mark.parts)
		snprintf(text, sizeof text, "%s%" PRIu32, parts, mark.parts);
	if (mark.from_ms)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%" PRId64, *text ? ", " : "", from, mark.from_ms);
	free(entry->metadata); /* librdkafka's, but it frees with free() too */
	entry->metadata = *text ? strdup(text) : NULL;
	entry->metadata_size = strlen(text);
}

struct kafka_mark kafka_mark_of(const rd_kafka_topic_partition_t *entry)
{
	struct kafka_mark mark = { 0 };
	char text[120], *behind;
	const char *end, *since;

	snprintf(text, sizeof text, "%.*s", (int)entry->metadata_size, entry->metadata ? (const char *)entry->metadata : "");
	mark.start = strncmp(text, starts, sizeof starts - 1) == 0;
	end = strstr(text, ends);
	if (end) {
		mark.ended_ms = strtoll(end + sizeof ends - 1, &behind, 10);
		mark.until_ms = strtoll(behind, NULL, 10);
	}
	since = strstr(text, from);
	if (since)
		mark.from_ms = strtoll(since + sizeof from - 1, NULL, 10);
	if (strncmp(text, parts, sizeof parts - 1) == 0)
		mark.parts = (uint32_t)strtoul(text + sizeof parts - 1, NULL, 10);
	return mark;
}
