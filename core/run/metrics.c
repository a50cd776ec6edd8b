#include "run/metrics.h"

#include <stdio.h>

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP streamlua_%s %s\n# TYPE streamlua_%s %s\n", name, help, name, type);
}

static void single(struct buf *out, const char *name, const char *type, const char *help, int64_t value)
{
	head(out, name, type, help);
	buf_printf(out, "streamlua_%s %lld\n", name, (long long)value);
}

/* A label's value: the text format knows three escapes. */
static void label(struct buf *out, const char *name, struct slice text)
{
	buf_printf(out, "%s=\"", name);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n') {
			buf_text(out, "\\n");
			continue;
		}
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_char(out, '\\');
		buf_char(out, text.p[i]);
	}
	buf_char(out, '"');
}

static void counters(struct buf *out, const struct stats *sum)
{
	char name[64];

	for (int i = 0; i < STATS_COUNTERS; i++) {
		snprintf(name, sizeof name, "%s_total", stats_names[i].metric);
		single(out, name, "counter", stats_names[i].help, sum->counters[i]);
	}
	for (int i = 0; i < STATS_COUNTERS; i++) {
		if (!stats_names[i].by_script || sum->script_count == 0)
			continue;
		snprintf(name, sizeof name, "script_%s_total", stats_names[i].metric);
		head(out, name, "counter", stats_names[i].help);
		for (size_t k = 0; k < sum->script_count; k++) {
			buf_printf(out, "streamlua_%s{", name);
			label(out, "script", sum->scripts[k].name);
			buf_printf(out, "} %lld\n", (long long)sum->scripts[k].counters[i]);
		}
	}
}

/* Prometheus' buckets count what is below their bound whole. per_unit: how many of what is counted are one of the metric's unit. */
static void histogram(struct buf *out, const char *name, const char *help, const struct histogram *counted, enum histogram_kind kind, double per_unit)
{
	uint64_t below = 0;

	head(out, name, "histogram", help);
	for (int i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		below += counted->buckets[i];
		buf_printf(out, "streamlua_%s_bucket{le=\"%g\"} %llu\n", name, (double)histogram_bounds[kind][i] / per_unit,
			   (unsigned long long)below);
	}
	below += counted->buckets[HISTOGRAM_BUCKETS - 1];
	buf_printf(out, "streamlua_%s_bucket{le=\"+Inf\"} %llu\nstreamlua_%s_sum %.15g\nstreamlua_%s_count %llu\n", name, (unsigned long long)below,
		   name, (double)counted->sum / per_unit, name, (unsigned long long)below);
}

enum of_partition { NEXT_OFFSET, LAG, LAG_SECONDS };

static void partition_value(struct buf *out, const struct stats_partition *partition, enum of_partition what)
{
	if (what == LAG_SECONDS)
		buf_printf(out, "%.3f\n", (double)partition->lag_ms / 1000);
	else
		buf_printf(out, "%lld\n", (long long)(what == LAG ? partition->lag : partition->next_offset));
}

static void partitions(struct buf *out, const struct status *status, const char *name, const char *help, enum of_partition what)
{
	head(out, name, "gauge", help);
	for (size_t i = 0; i < status->worker_count; i++) {
		const struct stats *stats = status->workers[i].stats;

		for (size_t k = 0; k < stats->partition_count; k++) {
			const struct stats_partition *partition = &stats->partitions[k];

			if ((what == LAG && partition->lag < 0) || (what == LAG_SECONDS && partition->lag_ms < 0))
				continue;
			buf_printf(out, "streamlua_%s{", name);
			label(out, "topic", partition->topic);
			if (status->workers[i].rekeyer)
				buf_text(out, ",stage=\"repartition\"");
			buf_printf(out, ",partition=\"%lld\"} ", (long long)partition->partition);
			partition_value(out, partition, what);
		}
	}
}

void metrics_write(const struct status *status, struct buf *out)
{
	struct stats sum = status_totals(status);
	struct buf why = BUF_INIT;
	int64_t restarts = 0, running = 0;

	for (size_t i = 0; i < status->worker_count; i++) {
		restarts += status->workers[i].restarts;
		running += status->workers[i].pid != 0;
	}
	head(out, "info", "gauge", "What runs: always 1.");
	buf_text(out, "streamlua_info{");
	label(out, "job", slice_of(status->job));
	buf_char(out, ',');
	label(out, "sink", slice_of(status->sink));
	buf_char(out, ',');
	label(out, "script_version", slice_of(status->version));
	buf_text(out, "} 1\n");
	single(out, "ready", "gauge", "1 when every worker does its work.", status_ready(status, &why));
	single(out, "start_time_seconds", "gauge", "When the job was started, in seconds since the epoch.", status->started_ms / 1000);
	single(out, "workers", "gauge", "Workers that run.", running);
	single(out, "worker_restarts_total", "counter", "Workers that were started in the place of one that ended.", restarts);
	head(out, "reloads_total", "counter", "Reloads, by how they ended.");
	buf_printf(out, "streamlua_reloads_total{result=\"accepted\"} %lld\nstreamlua_reloads_total{result=\"rejected\"} %lld\n",
		   (long long)status->reloads.accepted, (long long)status->reloads.rejected);
	counters(out, &sum);
	single(out, "in_flight", "gauge", "Transactions on their way to the target.", sum.in_flight);
	single(out, "held", "gauge", "Partitions that stand back for a unique value.", sum.held);
	single(out, "parked", "gauge", "Events that wait in streamlua_parked for their row.", sum.parked);
	single(out, "memory_bytes", "gauge", "Memory that events on their way take.", sum.memory_bytes);
	single(out, "lanes", "gauge", "Transactions that can be on their way at a time.", sum.lanes);
	single(out, "window_rows", "gauge", "Rows that may be on their way to the target at a time; it follows what answers take.", sum.window);
	histogram(out, "commit_duration_seconds", "What committed transactions with rows took, from BEGIN to the answer of COMMIT.",
		  &sum.histograms[HISTOGRAM_COMMIT_MS], HISTOGRAM_COMMIT_MS, 1000);
	histogram(out, "transaction_rows", "Rows of committed transactions that had some.", &sum.histograms[HISTOGRAM_ROWS], HISTOGRAM_ROWS, 1);
	partitions(out, status, "next_offset", "Everything below this offset is done.", NEXT_OFFSET);
	partitions(out, status, "lag", "Messages of the partition that are not read yet.", LAG);
	partitions(out, status, "lag_seconds", "How old the message is that was read last, where others are behind it; 0 where none is.",
		   LAG_SECONDS);
	buf_free(&why);
	stats_free(&sum);
}
