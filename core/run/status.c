#include "run/status.h"

#include "base/clock.h"

/* What is at hand, and so only of processes that are. */
static void add_state_keys(struct stats *sum, const struct stats *more)
{
	for (size_t i = 0; i < more->script_count; i++)
		for (size_t k = 0; k < sum->script_count; k++)
			if (slice_equal(sum->scripts[k].name, more->scripts[i].name))
				sum->scripts[k].state_keys += more->scripts[i].state_keys;
}

struct stats status_totals(const struct status *status)
{
	struct stats sum = { 0 };

	stats_add(&sum, status->gone);
	for (size_t i = 0; i < status->worker_count; i++) {
		const struct stats *stats = status->workers[i].stats;

		if (status->workers[i].rekeyer)
			continue;
		stats_add(&sum, stats);
		sum.in_flight += stats->in_flight;
		sum.held += stats->held;
		sum.parked += stats->parked;
		sum.memory_bytes += stats->memory_bytes;
		sum.memory_most_bytes += stats->memory_most_bytes;
		sum.lanes += stats->lanes;
		add_state_keys(&sum, stats);
		sum.window += stats->window;
		sum.latency_ms = stats->latency_ms > sum.latency_ms ? stats->latency_ms : sum.latency_ms;
	}
	return sum;
}

bool status_ready(const struct status *status, struct buf *why)
{
	if (status->stopping || status->worker_count == 0) {
		buf_text(why, status->stopping ? "it is stopping" : "the job is being checked");
		return false;
	}
	for (size_t i = 0; i < status->worker_count; i++) {
		const struct status_worker *worker = &status->workers[i];

		if (strcmp(worker->state, "finished") == 0)
			continue;
		if (strcmp(worker->state, "ready") == 0 && worker->stats->problem.n == 0)
			continue;
		buf_printf(why, "worker %d: ", worker->number);
		buf_slice(why, worker->stats->problem.n ? worker->stats->problem : slice_of(worker->state));
		return false;
	}
	return true;
}

/* "read N = written N + filtered N + ...", of the whole job or of one script. */
static void equation(struct buf *out, const int64_t *counters, bool script, int64_t lost)
{
	bool first = true;

	buf_printf(out, "read %lld =", (long long)(counters[STATS_READ] - lost));
	for (int i = STATS_WRITTEN; i <= STATS_SKIPPED; i++) {
		if (script && !stats_names[i].by_script)
			continue;
		buf_printf(out, "%s %s %lld", first ? "" : " +", stats_names[i].words, (long long)counters[i]);
		first = false;
	}
}

void status_summary(const struct status *status, struct buf *out)
{
	struct stats sum = status_totals(status);

	equation(out, sum.counters, false, status->lost);
	buf_printf(out, ", in %.1f s\n", (double)(status->now_ms - status->started_ms) / 1000);
	for (size_t i = 0; sum.script_count > 1 && i < sum.script_count; i++) {
		buf_printf(out, "  %.*s: ", SLICE_ARG(sum.scripts[i].name));
		equation(out, sum.scripts[i].counters, true, 0);
		buf_char(out, '\n');
	}
	stats_free(&sum);
}

void status_text(const struct status *status, struct buf *out)
{
	struct stats sum = status_totals(status);
	struct buf why = BUF_INIT;
	char started[32];

	buf_printf(out, "job %s (%s) into %s, scripts version %s\n", status->job, status->path, status->sink, status->version);
	buf_printf(out, "pid %d, since %s, %s", status->pid, clock_format(status->started_ms, started),
		   status_ready(status, &why) ? "ready\n" : "not ready: ");
	if (why.n) {
		buf_slice(out, buf_view(&why));
		buf_char(out, '\n');
	}
	equation(out, sum.counters, false, status->lost);
	buf_printf(out, " + parked %lld + under way %lld\n", (long long)sum.parked, (long long)(stats_open(&sum) - status->lost - sum.parked));
	buf_printf(out, "transactions %lld, rows %lld, retries %lld, held %lld, memory %.1f MB\n", (long long)sum.counters[STATS_TRANSACTIONS],
		   (long long)sum.counters[STATS_ROWS], (long long)sum.counters[STATS_RETRIES], (long long)sum.held, (double)sum.memory_bytes / 1e6);
	buf_printf(out, "commits take %lld ms, at most %lld rows are on their way at a time\n", (long long)sum.latency_ms, (long long)sum.window);
	buf_printf(out, "reloads: %lld accepted, %lld rejected%s%s\n", (long long)status->reloads.accepted, (long long)status->reloads.rejected,
		   status->reloads.last_error[0] ? "; the last: " : "", status->reloads.last_error);
	for (size_t i = 0; i < status->worker_count; i++) {
		const struct status_worker *worker = &status->workers[i];

		buf_printf(out, "worker %d%s: %s, pid %d, restarts %lld", worker->number, worker->rekeyer ? " (repartition)" : "", worker->state,
			   worker->pid, (long long)worker->restarts);
		if (worker->stats->problem.n)
			buf_printf(out, ", %.*s", SLICE_ARG(worker->stats->problem));
		buf_char(out, '\n');
		for (size_t k = 0; k < worker->stats->partition_count; k++) {
			const struct stats_partition *partition = &worker->stats->partitions[k];

			buf_printf(out, "  %.*s %lld: next offset %lld", SLICE_ARG(partition->topic), (long long)partition->partition,
				   (long long)partition->next_offset);
			if (partition->lag >= 0)
				buf_printf(out, ", lag %lld", (long long)partition->lag);
			buf_char(out, '\n');
		}
	}
	for (size_t i = 0; i < sum.script_count; i++) {
		buf_printf(out, "script %.*s: ", SLICE_ARG(sum.scripts[i].name));
		equation(out, sum.scripts[i].counters, true, 0);
		buf_char(out, '\n');
	}
	buf_free(&why);
	stats_free(&sum);
}

static void json_text(struct buf *out, const char *name, struct slice text)
{
	buf_printf(out, "\"%s\":", name);
	buf_json_string(out, text);
	buf_char(out, ',');
}

static void json_counters(struct buf *out, const int64_t *counters, bool script)
{
	const char *comma = "";

	for (int i = 0; i < STATS_COUNTERS; i++) {
		if (script && !stats_names[i].by_script)
			continue;
		buf_printf(out, "%s\"%s\":%lld", comma, stats_names[i].json, (long long)counters[i]);
		comma = ",";
	}
}

static void json_stats(struct buf *out, const struct stats *stats)
{
	json_counters(out, stats->counters, false);
	buf_printf(out,
		   ",\"in_flight\":%lld,\"held\":%lld,\"parked\":%lld,\"memory_bytes\":%lld,\"memory_most_bytes\":%lld,\"lanes\":%lld,\"window\":%"
		   "lld,\"latency_ms\":%lld",
		   (long long)stats->in_flight, (long long)stats->held, (long long)stats->parked, (long long)stats->memory_bytes,
		   (long long)stats->memory_most_bytes, (long long)stats->lanes, (long long)stats->window, (long long)stats->latency_ms);
}

static void json_workers(struct buf *out, const struct status *status)
{
	for (size_t i = 0; i < status->worker_count; i++) {
		const struct status_worker *worker = &status->workers[i];

		buf_printf(out, "%s{\"worker\":%d,\"pid\":%d,\"state\":\"%s\",\"restarts\":%lld,", i ? "," : "", worker->number, worker->pid,
			   worker->state, (long long)worker->restarts);
		json_text(out, "stage", slice_of(worker->rekeyer ? "repartition" : ""));
		json_text(out, "version", worker->stats->version);
		json_text(out, "problem", worker->stats->problem);
		json_stats(out, worker->stats);
		buf_char(out, '}');
	}
}

void status_json(const struct status *status, struct buf *out)
{
	struct stats sum = status_totals(status);
	struct buf why = BUF_INIT;
	const char *comma = "";
	char started[32];

	buf_char(out, '{');
	json_text(out, "job", slice_of(status->job));
	json_text(out, "path", slice_of(status->path));
	json_text(out, "sink", slice_of(status->sink));
	buf_printf(out, "\"pid\":%d,\"started\":\"%s\",\"uptime_s\":%.1f,", status->pid, clock_format(status->started_ms, started),
		   (double)(status->now_ms - status->started_ms) / 1000);
	json_text(out, "version", slice_of(status->version));
	buf_printf(out, "\"ready\":%s,", status_ready(status, &why) ? "true" : "false");
	json_text(out, "problem", buf_view(&why));
	buf_printf(out, "\"reloads\":{\"accepted\":%lld,\"rejected\":%lld,\"running\":%s,\"last\":\"%s\",\"last_at_ms\":%lld,\"last_error\":",
		   (long long)status->reloads.accepted, (long long)status->reloads.rejected, status->reloads.running ? "true" : "false",
		   status->reloads.last, (long long)status->reloads.last_at_ms);
	buf_json_string(out, slice_of(status->reloads.last_error));
	buf_text(out, "},\"totals\":{");
	json_stats(out, &sum);
	buf_printf(out, ",\"lost\":%lld},\"workers\":[", (long long)status->lost);
	json_workers(out, status);
	buf_text(out, "],\"scripts\":[");
	for (size_t i = 0; i < sum.script_count; i++) {
		buf_text(out, i ? ",{" : "{");
		json_text(out, "name", sum.scripts[i].name);
		json_counters(out, sum.scripts[i].counters, true);
		buf_printf(out, ",\"state_keys\":%lld}", (long long)sum.scripts[i].state_keys);
	}
	buf_text(out, "],\"partitions\":[");
	for (size_t i = 0; i < status->worker_count; i++) {
		const struct stats *stats = status->workers[i].stats;

		for (size_t k = 0; k < stats->partition_count; k++, comma = ",") {
			buf_printf(out, "%s{", comma);
			json_text(out, "topic", stats->partitions[k].topic);
			json_text(out, "stage", slice_of(status->workers[i].rekeyer ? "repartition" : ""));
			buf_printf(out, "\"partition\":%lld,\"next_offset\":%lld,\"lag\":%lld,\"lag_ms\":%lld,\"worker\":%d}",
				   (long long)stats->partitions[k].partition, (long long)stats->partitions[k].next_offset,
				   (long long)stats->partitions[k].lag, (long long)stats->partitions[k].lag_ms, status->workers[i].number);
		}
	}
	buf_text(out, "]}");
	buf_free(&why);
	stats_free(&sum);
}
