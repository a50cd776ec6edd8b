/* Partitions that are nobody's although the group is content. A cooperative rebalance has two halves: partitions are taken from one member,
 * then given to another. A static member (group.instance.id) that dies between them and comes back is given by the broker what the first half left to
 * it, and no rebalance follows: what was taken from it stays with nobody until a member comes or goes. So after each rebalance it is looked
 * whether somebody has each partition; if not, a member leaves the group and joins it anew, which begins a rebalance.
 *
 * A static member leaves by unsubscribing (librdkafka lets it keep its place only where the consumer is closed). */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "io/kafka_inside.h"

enum {
	LOOK_AFTER_MS = 1000,   /* after a rebalance */
	PATIENCE_MS = 2000,     /* between the two halves, and for each member that goes before us */
	AGAIN_MS = 10000,       /* until we would do it again, if it did not help; doubled each time */
	AGAIN_MOST_MS = 600000, /* a topic that the group's leader cannot see is no reason to disturb it more often */
};

static bool is_static(struct kafka *kafka)
{
	char instance[512] = "";
	size_t size = sizeof instance;

	rd_kafka_conf_get(rd_kafka_conf(kafka->rk), "group.instance.id", instance, &size);
	return instance[0];
}

void kafka_gap_rebalanced(struct kafka *kafka)
{
	if (!is_static(kafka)) /* whoever leaves or comes makes a rebalance */
		return;
	kafka->gap.look_ms = clock_mono_ms() + LOOK_AFTER_MS;
	kafka->gap.since_ms = 0;
}

static void join_anew(struct kafka *kafka)
{
	char *member = rd_kafka_memberid(kafka->rk);
	bool left = !member || !*member; /* forgotten with the request to leave */
	rd_kafka_resp_err_t code;

	if (member)
		rd_kafka_mem_free(kafka->rk, member);
	if (!left)
		return;
	kafka->gap.leaving = false;
	code = rd_kafka_subscribe(kafka->rk, kafka->topics);
	if (code)
		kafka_fail(kafka, false, rd_kafka_err2str(code));
}

/* What a member has, as the protocol packs it: int16 version, int32 topics, each a string with int16 length and int32 partitions of int32. */
struct packed {
	const unsigned char *at, *end;
};

static int64_t take_int(struct packed *packed, size_t size)
{
	uint32_t value = 0;

	if ((size_t)(packed->end - packed->at) < size) {
		packed->at = packed->end;
		return -1;
	}
	for (size_t i = 0; i < size; i++)
		value = value << 8 | *packed->at++;
	return size == 2 ? (int16_t)value : (int32_t)value;
}

static void take_out_member(rd_kafka_topic_partition_list_t *list, const struct rd_kafka_group_member_info *member)
{
	const unsigned char *bytes = member->member_assignment;
	struct packed packed = { bytes, bytes + (member->member_assignment_size > 0 ? member->member_assignment_size : 0) };
	int64_t topics;

	take_int(&packed, 2);
	topics = take_int(&packed, 4);
	for (int64_t i = 0; i < topics && packed.at < packed.end; i++) {
		int64_t length = take_int(&packed, 2), partitions;
		char topic[256]; /* Kafka's longest has 249 */

		if (length < 0 || length >= (int64_t)sizeof topic || length > packed.end - packed.at)
			return;
		memcpy(topic, packed.at, (size_t)length);
		topic[length] = 0;
		packed.at += length;
		partitions = take_int(&packed, 4);
		for (int64_t k = 0; k < partitions && packed.at < packed.end; k++)
			rd_kafka_topic_partition_list_del(list, topic, (int32_t)take_int(&packed, 4));
	}
}

void kafka_gap_take_out(rd_kafka_topic_partition_list_t *list, const struct rd_kafka_group_info *group)
{
	for (int i = 0; i < group->member_cnt; i++)
		take_out_member(list, &group->members[i]);
}

/* Members with a smaller id go first, so that not all of them leave at once. */
static int64_t patience_ms(struct kafka *kafka, const struct rd_kafka_group_info *group)
{
	char *own = rd_kafka_memberid(kafka->rk);
	int64_t ms = PATIENCE_MS;

	for (int i = 0; own && i < group->member_cnt; i++)
		if (strcmp(group->members[i].member_id, own) < 0)
			ms += PATIENCE_MS;
	if (own)
		rd_kafka_mem_free(kafka->rk, own);
	return ms;
}

static int64_t longer(int64_t pause_ms)
{
	return pause_ms == 0 ? AGAIN_MS : pause_ms < AGAIN_MOST_MS / 2 ? pause_ms * 2 : AGAIN_MOST_MS;
}

static void leave(struct kafka *kafka, const rd_kafka_topic_partition_list_t *nobodys, int64_t now)
{
	struct kafka_gap *gap = &kafka->gap;

	log_warn("topic %s partition %" PRId32 " and %d more are nobody's, though the group is content: this worker leaves it and joins it anew",
		 nobodys->elems[0].topic, nobodys->elems[0].partition, nobodys->cnt - 1);
	gap->pause_ms = longer(gap->pause_ms);
	gap->not_before_ms = now + gap->pause_ms;
	gap->leaving = true;
	rd_kafka_unsubscribe(kafka->rk);
}

static void look_at(struct kafka *kafka, const struct rd_kafka_group_info *group, int64_t now)
{
	struct kafka_gap *gap = &kafka->gap;
	rd_kafka_topic_partition_list_t *list;

	if (strcmp(group->state, "Stable") != 0) {
		gap->since_ms = 0;
		return;
	}
	list = kafka_share_all(kafka);
	if (!list)
		return;
	kafka_gap_take_out(list, group);
	if (list->cnt == 0) {
		gap->look_ms = 0;
		gap->pause_ms = 0;
	} else if (gap->since_ms == 0) {
		gap->since_ms = now;
	} else if (now - gap->since_ms >= patience_ms(kafka, group) && now >= gap->not_before_ms) {
		leave(kafka, list, now);
	}
	rd_kafka_topic_partition_list_destroy(list);
}

/* The newer DescribeConsumerGroups would not have to be waited for, but librdkafka 2.0 aborts where it is closed before the answer. */
static void look(struct kafka *kafka, int64_t now)
{
	const struct rd_kafka_group_list *groups = NULL;
	char name[512] = "";
	size_t size = sizeof name;
	rd_kafka_resp_err_t code;

	rd_kafka_conf_get(rd_kafka_conf(kafka->rk), "group.id", name, &size);
	code = rd_kafka_list_groups(kafka->rk, name, &groups, KAFKA_ASK_MS);
	if (code && code != RD_KAFKA_RESP_ERR__PARTIAL) { /* a broker is away: each try can take us a second */
		kafka->gap.retry_ms = longer(kafka->gap.retry_ms);
		kafka->gap.look_ms = now + kafka->gap.retry_ms;
		return;
	}
	kafka->gap.retry_ms = 0;
	for (int i = 0; i < groups->group_cnt; i++)
		if (strcmp(groups->groups[i].group, name) == 0 && !groups->groups[i].err)
			look_at(kafka, &groups->groups[i], now);
	rd_kafka_group_list_destroy(groups);
}

void kafka_gap_tick(struct kafka *kafka)
{
	int64_t now = clock_mono_ms();

	if (kafka->gap.leaving)
		join_anew(kafka);
	else if (kafka->gap.look_ms && now >= kafka->gap.look_ms)
		look(kafka, now);
}
