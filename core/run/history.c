#include "run/history.h"

#include <stdlib.h>

static const char *const gauges[] = { "lag", "lag_ms", "memory_bytes", "in_flight", "held", "parked", "window", "tx_rows", "tx", "tx_ms" };

enum {
	GAUGES = sizeof gauges / sizeof *gauges,
	COLUMNS = 1 + STATS_COUNTERS + GAUGES + HISTOGRAM_BUCKETS,
	NAME_MOST = 128,
};

struct point {
	int64_t columns[COLUMNS];
	int64_t scripts[HISTORY_SCRIPTS_MOST]; /* events read; -1: it was not there */
};

struct history {
	char names[HISTORY_SCRIPTS_MOST][NAME_MOST]; /* of scripts, as they came; they stay */
	size_t script_count;
	struct point last;
	bool last_is_kept;
	size_t first, count; /* of the ring */
	struct point points[HISTORY_POINTS_MOST];
};

struct history *history_new(void)
{
	struct history *history = calloc(1, sizeof *history);

	BUG_IF(!history);
	return history;
}

void history_free(struct history *history)
{
	free(history);
}

/* The place of a script, or -1: there is none left for it. */
static int place_of(struct history *history, struct slice name)
{
	if (name.n >= NAME_MOST)
		return -1;
	for (size_t i = 0; i < history->script_count; i++)
		if (slice_is(name, history->names[i]))
			return (int)i;
	if (history->script_count == HISTORY_SCRIPTS_MOST)
		return -1;
	memcpy(history->names[history->script_count], name.p, name.n);
	return (int)history->script_count++;
}

/* Of all partitions together, and of the one that is furthest behind. */
static void look_at_lag(const struct status *status, int64_t *lag, int64_t *lag_ms)
{
	*lag = *lag_ms = -1;
	for (size_t i = 0; i < status->worker_count; i++) {
		const struct stats *stats = status->workers[i].stats;

		for (size_t k = 0; k < stats->partition_count; k++) {
			const struct stats_partition *partition = &stats->partitions[k];

			if (partition->lag >= 0)
				*lag = (*lag < 0 ? 0 : *lag) + partition->lag;
			if (partition->lag_ms > *lag_ms)
				*lag_ms = partition->lag_ms;
		}
	}
}

void history_look(struct history *history, const struct status *status, bool keep)
{
	struct stats sum = status_totals(status);
	const struct histogram *rows = &sum.histograms[HISTOGRAM_ROWS], *took = &sum.histograms[HISTOGRAM_COMMIT_MS];
	struct point *point = &history->last;
	int64_t *column = point->columns, lag, lag_ms, transactions = 0;

	look_at_lag(status, &lag, &lag_ms);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		transactions += (int64_t)took->buckets[i];
	*column++ = status->now_ms;
	for (int i = 0; i < STATS_COUNTERS; i++)
		*column++ = sum.counters[i] - (i == STATS_READ ? status->lost : 0);
	memcpy(column,
	       (int64_t[GAUGES]){ lag, lag_ms, sum.memory_bytes, sum.in_flight, sum.held, sum.parked, sum.window, (int64_t)rows->sum, transactions,
				  (int64_t)took->sum },
	       GAUGES * sizeof *column);
	column += GAUGES;
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		*column++ = (int64_t)took->buckets[i];
	for (size_t i = 0; i < HISTORY_SCRIPTS_MOST; i++)
		point->scripts[i] = -1;
	for (size_t i = 0; i < sum.script_count; i++) {
		int place = place_of(history, sum.scripts[i].name);

		if (place >= 0)
			point->scripts[place] = sum.scripts[i].counters[STATS_READ];
	}
	stats_free(&sum);
	history->last_is_kept = keep;
	if (!keep)
		return;
	if (history->count == HISTORY_POINTS_MOST)
		history->first = (history->first + 1) % HISTORY_POINTS_MOST;
	else
		history->count++;
	history->points[(history->first + history->count - 1) % HISTORY_POINTS_MOST] = *point;
}

static void numbers(struct buf *json, const int64_t *values, size_t count, bool unknown)
{
	buf_char(json, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_char(json, ',');
		if (unknown && values[i] < 0)
			buf_text(json, "null");
		else
			buf_int(json, values[i]);
	}
	buf_char(json, ']');
}

static void names(struct buf *json, const struct history *history)
{
	buf_text(json, ",\"scripts\":[");
	for (size_t i = 0; i < history->script_count; i++) {
		if (i)
			buf_char(json, ',');
		buf_json_string(json, slice_of(history->names[i]));
	}
	buf_char(json, ']');
}

static void point_json(struct buf *json, const struct history *history, const struct point *point)
{
	buf_text(json, "\"point\":");
	numbers(json, point->columns, COLUMNS, false);
	buf_text(json, ",\"read\":");
	numbers(json, point->scripts, history->script_count, true);
}

void history_now(const struct history *history, struct buf *json)
{
	buf_printf(json, "{\"kept\":%s,", history->last_is_kept ? "true" : "false");
	point_json(json, history, &history->last);
	names(json, history);
	buf_char(json, '}');
}

void history_json(const struct history *history, struct buf *json)
{
	buf_printf(json, "{\"step_s\":%d,\"most\":%d,\"columns\":[\"t\"", HISTORY_STEP_S, HISTORY_POINTS_MOST);
	for (int i = 0; i < STATS_COUNTERS; i++)
		buf_printf(json, ",\"%s\"", stats_names[i].json);
	for (int i = 0; i < GAUGES; i++)
		buf_printf(json, ",\"%s\"", gauges[i]);
	for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
		buf_printf(json, ",\"commit_%d\"", i);
	buf_text(json, "],\"commit_ms\":");
	numbers(json, histogram_bounds[HISTOGRAM_COMMIT_MS], HISTOGRAM_BUCKETS - 1, false);
	names(json, history);
	buf_text(json, ",\"points\":[");
	for (size_t i = 0; i < history->count; i++) {
		buf_text(json, i ? ",{" : "{");
		point_json(json, history, &history->points[(history->first + i) % HISTORY_POINTS_MOST]);
		buf_char(json, '}');
	}
	buf_text(json, "]}");
}
