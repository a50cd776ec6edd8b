/* What the flow says of itself. */
#include "flow/flow_private.h"

static void script_stats(const struct flow *flow, struct buf *json)
{
	const char *comma = "";

	buf_text(json, ",\"scripts\":[");
	for (uint32_t i = 0; i < script_host_count(flow->host); i++) {
		const struct script *script = script_host_script(flow->host, i);
		const uint64_t *n = script->counters.outcomes;

		if (script->reads_stream) /* its rows are other scripts' events */
			continue;
		buf_printf(json, "%s{\"name\":", comma);
		comma = ",";
		buf_json_string(json, script->name);
		buf_printf(json, ",\"read\":%llu,\"written\":%llu,\"filtered\":%llu,\"dead\":%llu,\"skipped\":%llu,\"state_keys\":%zu}",
			   (unsigned long long)n[OUTCOME_PENDING], (unsigned long long)n[OUTCOME_WRITTEN], (unsigned long long)n[OUTCOME_FILTERED],
			   (unsigned long long)n[OUTCOME_DEAD], (unsigned long long)n[OUTCOME_SKIPPED], script->state.entries);
	}
	buf_char(json, ']');
}

/* How old the last message that was read is, where there are others behind it. The clocks of two machines may be apart. */
static int64_t lag_ms(const struct flow *flow, const struct partition *partition, int64_t lag)
{
	if (lag <= 0)
		return lag;
	if (partition->read_ms <= 0)
		return -1;
	return flow->wall_ms > partition->read_ms ? flow->wall_ms - partition->read_ms : 0;
}

static void partition_stats(const struct flow *flow, struct buf *json)
{
	const char *comma = "";

	buf_text(json, ",\"partitions\":[");
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition) {
		int64_t lag;

		if (!partition->taken)
			continue;
		lag = flow->options.source->ops->lag(flow->options.source, partition->source_id);
		buf_printf(json, "%s{\"topic\":", comma);
		buf_json_string(json, partition->topic);
		buf_printf(json, ",\"partition\":%d,\"next_offset\":%lld,\"lag\":%lld,\"lag_ms\":%lld}", partition->number,
			   (long long)partition_next_offset(partition), (long long)lag, (long long)lag_ms(flow, partition, lag));
		comma = ",";
	}
	buf_char(json, ']');
}

static void time_stats(const struct flow *flow, struct buf *json)
{
	uint64_t late = 0, ahead = 0;

	for (uint32_t i = 0; i < script_host_count(flow->host); i++) {
		const struct script *script = script_host_script(flow->host, i);

		late += script->counters.late;
		ahead += script->counters.ahead;
	}
	buf_printf(json, ",\"late\":%llu,\"ahead\":%llu,\"timers\":%llu,\"dead_timers\":%llu", (unsigned long long)late, (unsigned long long)ahead,
		   (unsigned long long)flow->timers.fired, (unsigned long long)flow->timers.dead);
}

void flow_stats(const struct flow *flow, struct buf *json)
{
	const struct lane_counters *lanes = lanes_counters(flow->lanes);
	const struct sink_ops *sink = flow->options.sink->ops;
	const char *unanswered = sink->problem ? sink->problem(flow->options.sink) : NULL;
	const struct schemas *schemas = flow->options.format_options.schemas;
	const char *unread = schemas ? schemas->ops->problem(flow->options.format_options.schemas) : NULL;
	const char *problem = *flow->problem ? flow->problem : unanswered ? unanswered : unread ? unread : "";
	uint32_t held = 0;

	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		held += partition->paused;
	buf_printf(json, "\"read\":%llu,\"written\":%llu,\"filtered\":%llu,\"unmatched\":%llu,\"ignored\":%llu,\"dead\":%llu,\"skipped\":%llu",
		   (unsigned long long)flow->read, (unsigned long long)flow->outcomes[OUTCOME_WRITTEN],
		   (unsigned long long)flow->outcomes[OUTCOME_FILTERED], (unsigned long long)flow->outcomes[OUTCOME_UNMATCHED],
		   (unsigned long long)flow->outcomes[OUTCOME_IGNORED], (unsigned long long)flow->outcomes[OUTCOME_DEAD],
		   (unsigned long long)flow->outcomes[OUTCOME_SKIPPED]);
	buf_printf(json, ",\"transactions\":%llu,\"rows\":%llu,\"retries\":%llu,\"in_flight\":%u,\"held\":%u,\"parked\":%zu,\"memory_bytes\":%zu",
		   (unsigned long long)lanes->transactions, (unsigned long long)lanes->events, (unsigned long long)lanes->retries,
		   lanes_in_flight(flow->lanes), held, flow->parking.count, intakes_bytes(&flow->intakes));
	time_stats(flow, json);
	buf_printf(json, ",\"memory_most_bytes\":%zu,\"lanes\":%d", flow_intake_memory_most(flow), flow->options.sink->lanes);
	buf_printf(json, ",\"window\":%u,\"latency_ms\":%lld", pace_window(lanes_pace(flow->lanes)), (long long)lanes_pace(flow->lanes)->latency_ms);
	buf_text(json, ",\"commit_ms\":");
	histogram_write(&lanes->histograms[HISTOGRAM_COMMIT_MS], json);
	buf_text(json, ",\"tx_rows\":");
	histogram_write(&lanes->histograms[HISTOGRAM_ROWS], json);
	buf_printf(json, ",\"version\":\"%s\",\"ready\":%s,\"problem\":", script_host_version(flow->host),
		   flow->ready && !*problem ? "true" : "false");
	buf_json_string(json, slice_of(problem));
	script_stats(flow, json);
	partition_stats(flow, json);
}

void flow_letters(struct flow *flow, struct buf *lines)
{
	letters_take(&flow->letters, lines);
}
