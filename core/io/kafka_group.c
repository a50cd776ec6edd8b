/* Who owns which partition. librdkafka says what the group gives us and takes from us, and waits for an answer to each: to what
 * is given, we answer once the flow has taken every partition and all offsets are known; to what is taken, at once. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/kafka.h"
#include "io/kafka_inside.h"

static bool is_cooperative(struct kafka *kafka)
{
	const char *protocol = rd_kafka_rebalance_protocol(kafka->rk);

	return protocol && strcmp(protocol, "COOPERATIVE") == 0;
}

static void check(struct kafka *kafka, rd_kafka_error_t *error)
{
	if (!error)
		return;
	if (!rd_kafka_error_is_fatal(error)) /* fatal ones come among the messages */
		kafka_say(kafka, rd_kafka_error_code(error), "assignment", rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
}

static void assign(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_resp_err_t code;

	if (is_cooperative(kafka)) {
		check(kafka, rd_kafka_incremental_assign(kafka->rk, list));
	} else {
		code = rd_kafka_assign(kafka->rk, list);
		if (code && code != RD_KAFKA_RESP_ERR__FATAL)
			kafka_say(kafka, code, "assignment", rd_kafka_err2str(code));
	}
	kafka->assigning = false;
}

static void unassign(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	if (is_cooperative(kafka))
		check(kafka, rd_kafka_incremental_unassign(kafka->rk, list));
	else
		rd_kafka_assign(kafka->rk, NULL);
}

/* librdkafka pauses what stays ours while a rebalance lasts, and forgets what it had fetched. In 2.0 it also forgets messages
 * that rd_kafka_consume_batch_queue was just about to hand out, and would go on behind them. Where we are is known here. */
static void seek_back(struct kafka *kafka)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);

	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (p && p->state == KAFKA_RUNNING && !p->ended)
			rd_kafka_topic_partition_list_add(list, p->name.p, p->partition)->offset = p->position;
	}
	if (list->cnt)
		check(kafka, rd_kafka_seek_partitions(kafka->rk, list, 0)); /* 0: does not wait; it comes before our answer */
	rd_kafka_topic_partition_list_destroy(list);
}

static struct kafka_partition *claim(struct kafka *kafka, const char *topic, int32_t partition)
{
	struct kafka_partition *p = calloc(1, sizeof *p);
	size_t id = 0;

	BUG_IF(!p);
	while (id < kafka->partition_slots && kafka->partitions[id])
		id++;
	if (id == kafka->partition_slots) {
		size_t slots = id ? id * 2 : 16;

		kafka->partitions = realloc(kafka->partitions, slots * sizeof *kafka->partitions);
		BUG_IF(!kafka->partitions);
		memset(kafka->partitions + id, 0, (slots - id) * sizeof *kafka->partitions);
		kafka->partition_slots = slots;
	}
	*p = (struct kafka_partition){ .id = (uint32_t)id, .partition = partition, .bound = INT64_MAX, .position = START_CONFIGURED };
	p->topic = rd_kafka_topic_new(kafka->rk, topic, NULL);
	BUG_IF(!p->topic);
	p->name = slice_of(rd_kafka_topic_name(p->topic));
	kafka->partitions[id] = p;
	kafka->partition_count++;
	return p;
}

void kafka_group_release(struct kafka *kafka, struct kafka_partition *p)
{
	for (size_t i = p->stash_next; i < p->stash_count; i++)
		rd_kafka_message_destroy(p->stash[i]);
	kafka->stashed -= p->stash_count - p->stash_next;
	rd_kafka_topic_destroy(p->topic);
	if (kafka->last == p)
		kafka->last = NULL;
	kafka->partitions[p->id] = NULL;
	kafka->partition_count--;
	free(p->stash);
	free(p);
}

void kafka_group_release_all(struct kafka *kafka)
{
	for (size_t i = 0; i < kafka->partition_slots; i++) {
		if (kafka->partitions[i])
			kafka_group_release(kafka, kafka->partitions[i]);
	}
}

struct kafka_partition *kafka_group_find(struct kafka *kafka, const rd_kafka_topic_partition_t *entry)
{
	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (p && p->partition == entry->partition && slice_is(p->name, entry->topic))
			return p;
	}
	return NULL;
}

void kafka_group_on_assign(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	struct source_partition *given;

	kafka->assigning = true;
	kafka->first = false;
	kafka->idle_at = 0;
	kafka->idle_told = false;
	if (list->cnt == 0) {
		if (kafka->until.kind != KAFKA_NOWHERE && kafka->partition_count == 0)
			kafka->idle_at = clock_mono_ms() + KAFKA_IDLE_AFTER_MS;
		assign(kafka, list);
		kafka->events.assigned(kafka->events.ctx, NULL, 0); /* having none is an answer too: more workers than partitions */
		return;
	}
	if (kafka->stopped)
		return; /* nothing will be delivered any more: what we do not answer, close gives back */
	if (!kafka->alone)
		log_info("%d partitions are assigned to this worker", list->cnt);
	given = calloc((size_t)list->cnt, sizeof *given);
	BUG_IF(!given);
	for (int i = 0; i < list->cnt; i++) {
		struct kafka_partition *p = claim(kafka, list->elems[i].topic, list->elems[i].partition);

		given[i] = (struct source_partition){ .id = p->id, .topic = p->name, .partition = p->partition };
	}
	kafka->events.assigned(kafka->events.ctx, given, (size_t)list->cnt);
	free(given);
}

static void on_revoke(struct kafka *kafka, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_list_t *assigned = rd_kafka_topic_partition_list_new(list->cnt);
	uint32_t *ids = calloc((size_t)list->cnt + 1, sizeof *ids);
	bool lost = rd_kafka_assignment_lost(kafka->rk);
	size_t count = 0;

	BUG_IF(!ids);
	if (list->cnt)
		log_write(lost ? LOG_WARN : LOG_INFO, NULL, "%d partitions are %s", list->cnt,
			  lost ? "lost: the group did not hear of this worker in time" : "revoked from this worker");
	if (!lost && kafka->group_keeps_progress)
		kafka_group_commit(kafka, true);
	for (int i = 0; i < list->cnt; i++) {
		struct kafka_partition *p = kafka_group_find(kafka, &list->elems[i]);

		if (!p)
			continue;
		ids[count++] = p->id;
		if (p->state == KAFKA_RUNNING) /* librdkafka refuses to take away what it was not given */
			rd_kafka_topic_partition_list_add(assigned, p->name.p, p->partition);
	}
	if (count)
		kafka->events.revoked(kafka->events.ctx, ids, count);
	for (size_t i = 0; i < count; i++)
		kafka_group_release(kafka, kafka->partitions[ids[i]]);
	unassign(kafka, assigned);
	if (kafka->assigning) /* what is left of an assignment that was not answered yet may be complete now */
		event_active(kafka->work, EV_TIMEOUT, 0);
	free(ids);
	rd_kafka_topic_partition_list_destroy(assigned);
}

void kafka_group_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct kafka *kafka = opaque;

	kafka->whole = false;
	kafka->rebalanced_ms = clock_mono_ms();
	kafka_gap_rebalanced(kafka);
	if (kafka->closing) {
		rd_kafka_assign(rk, NULL);
		return;
	}
	seek_back(kafka);
	if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		kafka_group_on_assign(kafka, list);
	} else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
		on_revoke(kafka, list);
	} else {
		kafka_say(kafka, code, "rebalance", rd_kafka_err2str(code));
		rd_kafka_assign(rk, NULL);
	}
}

/* Messages go to a queue of their own, apart from rebalances and errors. */
static void send_to_data(struct kafka *kafka, const struct kafka_partition *p)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(kafka->rk, p->name.p, p->partition);

	BUG_IF(!queue);
	rd_kafka_queue_forward(queue, kafka->data);
	rd_kafka_queue_destroy(queue);
}

int kafka_group_answer(struct kafka *kafka)
{
	rd_kafka_topic_partition_list_t *list;

	for (size_t i = 0; i < kafka->partition_slots; i++) {
		if (kafka->partitions[i] && kafka->partitions[i]->state == KAFKA_ASKED)
			return 0; /* take() comes back here */
	}
	if (!kafka->assigning || kafka->stopped)
		return 0;
	if (kafka_offsets_resolve(kafka) < 0)
		return -1;
	list = rd_kafka_topic_partition_list_new(8);
	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (!p || p->state != KAFKA_TAKEN)
			continue;
		rd_kafka_topic_partition_list_add(list, p->name.p, p->partition)->offset = p->position;
		send_to_data(kafka, p);
		p->state = KAFKA_RUNNING;
	}
	/* A pause outlives the assignment that it was made in. */
	rd_kafka_resume_partitions(kafka->rk, list);
	assign(kafka, list);
	rd_kafka_topic_partition_list_destroy(list);
	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (p && p->state == KAFKA_RUNNING && p->paused && !p->held)
			kafka_messages_hold(kafka, p, true);
	}
	return 0;
}

/* A bounded run has delivered all of it, and everything delivered is committed by the flow. */
static bool is_settled(const struct kafka *kafka, const struct kafka_partition *p)
{
	return kafka->until.kind != KAFKA_NOWHERE && p->ended && p->committed >= p->delivered;
}

static void add_commit(struct kafka *kafka, struct kafka_partition *p, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_add(list, p->name.p, p->partition);
	struct kafka_mark mark = { .from_ms = kafka->from_ms };

	if (is_settled(kafka, p)) {
		mark.start = p->start_marked && p->committed == 0;
		mark.ended_ms = p->bound_ms;
		mark.until_ms = kafka->until.kind == KAFKA_TIME ? kafka->until.ms : p->bound_ms;
		p->end_told = true;
	}
	entry->offset = p->committed ? p->committed : p->position;
	kafka_mark_put(entry, mark);
	p->uncommitted = false;
}

/* A commit that is on its way while a rebalance goes on can be of a generation that is over, upon which librdkafka gives up all partitions,
 * those that stay too (its #4059, mended in 2.10). The rounds of a rebalance follow each other within a heartbeat, so nothing is committed
 * for a while behind one, and seldom at other times: where sinks keep the progress, commits are only there to be looked at, and for bounded
 * runs, whose last word others wait for. */
void kafka_group_commit(struct kafka *kafka, bool now)
{
	int64_t latest = kafka->rebalanced_ms > kafka->committed_ms ? kafka->rebalanced_ms : kafka->committed_ms;
	bool all = now || clock_mono_ms() - latest >= KAFKA_COMMIT_MS;
	rd_kafka_topic_partition_list_t *list;

	if (kafka->alone)
		return;
	list = rd_kafka_topic_partition_list_new(8);
	for (size_t i = 0; i < kafka->partition_slots; i++) {
		struct kafka_partition *p = kafka->partitions[i];

		if (p && ((p->uncommitted && all && !kafka->sink_commits) || (is_settled(kafka, p) && !p->end_told)))
			add_commit(kafka, p, list);
	}
	if (list->cnt) {
		kafka->committed_ms = clock_mono_ms();
		rd_kafka_commit(kafka->rk, list, 1);
	}
	rd_kafka_topic_partition_list_destroy(list);
}

int64_t kafka_from_ms(const struct source *source)
{
	return ((const struct kafka *)source)->from_ms;
}

rd_kafka_consumer_group_metadata_t *kafka_membership(struct source *source)
{
	struct kafka *kafka = (struct kafka *)source;
	char *member = rd_kafka_memberid(kafka->rk);
	/* Without one, the brokers would take the offsets from anybody. */
	bool known = member && *member;

	if (member)
		rd_kafka_mem_free(kafka->rk, member);
	return known ? rd_kafka_consumer_group_metadata(kafka->rk) : NULL;
}

void kafka_group_leave(struct kafka *kafka)
{
	int64_t until = clock_mono_ms() + KAFKA_CLOSE_MS;
	rd_kafka_queue_t *last_words = rd_kafka_queue_new(kafka->rk);
	rd_kafka_error_t *error;

	kafka->closing = true;
	kafka_group_commit(kafka, true);
	error = rd_kafka_consumer_close_queue(kafka->rk, last_words);
	if (error) {
		rd_kafka_error_destroy(error); /* a fatal error came before: nothing to leave */
	} else {
		while (!rd_kafka_consumer_closed(kafka->rk) && clock_mono_ms() < until) {
			ssize_t count = rd_kafka_consume_batch_queue(last_words, 50, kafka->batch, KAFKA_BATCH);

			for (ssize_t i = 0; i < count; i++)
				rd_kafka_message_destroy(kafka->batch[i]);
		}
	}
	rd_kafka_queue_destroy(last_words);
}
