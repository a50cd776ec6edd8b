/* What is parked comes back: read from the sink when it is due, made events of anew, and sent through its lanes like any other. */
#include "flow/flow_private.h"
#include "flow/rekey.h"

#include <stdlib.h>

#include "base/log.h"
#include "flow/decode.h"
#include "flow/headers.h"

/* How much is read at once. */
enum { RECALL_MOST = INTAKE_MESSAGES_MOST, RECALL_BYTES_MOST = 4 << 20 };

/* How often it is looked whether dead letters were given back. */
enum { GIVEN_MS = 2000 };

/* What is being read of one partition. */
struct recalling {
	struct recall recall;
	struct flow *flow;
	struct partition *partition;       /* referenced while it is read; NULL: it is looked what has been given back */
	struct parked *asked[RECALL_MOST]; /* by offset and part; all are gone where the partition is revoked */
	size_t asked_count;
	int64_t offsets[RECALL_MOST];
	struct intake *intake; /* what has come so far */
	struct message *messages[RECALL_MOST];
	size_t count;
	bool busy;
	bool whole; /* all has come: the next turn makes events of it */
	bool failed;
};

static void on_message(struct recall *recall, const struct message *message, uint32_t part, struct slice headers)
{
	struct recalling *r = recall->ctx;
	struct message *copy;
	struct error err;

	(void)part;
	if (r->count && r->messages[r->count - 1]->position == message->position)
		return; /* another part of it */
	copy = intake_copy(r->intake, message);
	copy->owner = r->partition;
	if (headers.p && headers_read(r->flow->decoder.json, headers, &r->intake->arena, copy, &err) < 0)
		log_warn("streamlua_parked, %.*s:%d offset %lld: %s", SLICE_ARG(r->partition->topic), r->partition->number,
			 (long long)message->position, err.text);
	r->messages[r->count++] = copy;
}

/* A dead letter that is to be replayed, perhaps of a partition of ours. */
static void on_given(struct recall *recall, const struct message *message, uint32_t part, struct slice headers)
{
	struct flow *flow = ((struct recalling *)recall->ctx)->flow;

	(void)headers;
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition) {
		if (!partition->taken || partition->number != message->partition || !slice_equal(partition->topic, message->topic) ||
		    parking_find(partition, message->position, part))
			continue;
		parking_add(&flow->parking, partition, message->position, part, SLICE(""), 0, lanes_patience_ms(flow->lanes, flow->mono_ms));
		flow->read++;
	}
}

static void on_done(struct recall *recall, const struct error *err)
{
	struct recalling *r = recall->ctx;

	if (err && r->partition) /* who only looks says nothing: the target's trouble is told elsewhere */
		log_warn("streamlua_parked cannot be read, trying again: %s", err->text);
	if (!err)
		lanes_answered(r->flow->lanes);
	r->failed = err != NULL;
	r->whole = true;
	r->flow->events.wake(r->flow->events.ctx);
}

void flow_parked_load(struct flow *flow, struct partition *partition, const struct progress_loaded *loaded)
{
	for (size_t i = 0; i < loaded->parked_count; i++) {
		const struct parked_loaded *row = &loaded->parked[i];

		parking_add(&flow->parking, partition, row->offset, row->part, row->keys, row->bytes, -1)->age_ms = row->age_ms > 0 ? row->age_ms : 0;
	}
	flow->read += loaded->parked_count;
}

/* Its new owner counts them. Those that have come back are counted with what is in lanes. */
void flow_parked_forget(struct flow *flow, struct partition *partition)
{
	flow->read -= partition->parked_count - parking_back(partition);
	parking_drop(&flow->parking, partition);
}

void flow_parked_new_scripts(struct flow *flow)
{
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition) {
		for (struct parked *parked = partition->parked_first; parked; parked = parked->next) {
			parked->counted = false;
			parked->next_try_ms = 0; /* they may do something else with it */
		}
	}
	flow->parking.stirred = true;
}

void flow_parked_free(struct flow *flow)
{
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		parking_drop(&flow->parking, partition);
	parking_free(&flow->parking);
	if (flow->recalling)
		partition_unref(flow->recalling->partition);
	free(flow->recalling);
}

bool flow_parked_tried(const struct flow *flow)
{
	for (const struct partition *partition = flow->partitions; partition; partition = partition->next_partition)
		for (const struct parked *parked = partition->parked_first; parked; parked = parked->next)
			if (parked->state != PARKED_IDLE || !parked->tries)
				return false;
	return true;
}

/* ---- back ---- */

static int compare_place(const void *place, const void *item)
{
	const struct parked *a = place, *b = *(struct parked *const *)item;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return (a->part > b->part) - (a->part < b->part);
}

static struct parked *find_asked(const struct recalling *r, const struct event *event)
{
	struct parked place = { .offset = event->message->position, .part = event->part };
	struct parked **found = bsearch(&place, r->asked, r->asked_count, sizeof(*r->asked), compare_place);

	if (!found) {
		place.part = PART_WHOLE;
		found = bsearch(&place, r->asked, r->asked_count, sizeof(*r->asked), compare_place);
	}
	return found ? *found : NULL;
}

/* One more event of a message that was asked for as a whole. The first stands for all of them: each gets a row of its own, and comes back by
 * itself. */
static void join_whole(struct parked *parked)
{
	if (parked->part != PART_WHOLE || !parked->event)
		return;
	parked->event->reparks++;
	parked->event->outcome = OUTCOME_PARKED;
}

/* Only the asked parts of a message are events again; the intake forgets the others. */
static void keep_asked(struct recalling *r, struct intake *intake)
{
	struct event **at = &intake->first;

	while (*at) {
		struct event *event = *at;
		struct parked *parked = find_asked(r, event);

		if (parked && parked->state == PARKED_ASKED) {
			parked->state = PARKED_BACK;
			parked->event = event;
			event->parked = parked;
			event->part = parked->part;
			event->reparks = parked->key_count == 0;
			at = &event->next;
			continue;
		}
		if (parked)
			join_whole(parked);
		*at = event->next;
		intake->count--;
		intake->unfinished--;
	}
	intake->end = at;
}

/* A part that its message does not have any more: another format, or another version of it, made it. */
static void add_lost(struct intake *intake, const struct message *message, struct parked *parked)
{
	struct event *event = event_of_message(&intake->arena, message);

	event->op = OP_CONTROL;
	event->part = parked->part;
	event->parked = parked;
	intake_add(intake, event);
	parked->state = PARKED_BACK;
	parked->event = event;
	if (parked->part == PART_WHOLE)
		return; /* there is nothing in it: ignored */
	script_event_fault(event, STAGE_DECODE, SLICE("it was parked, and what it was parked from makes no such event any more"));
}

static const struct message *find_message(const struct recalling *r, int64_t offset)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->messages[i]->position == offset)
			return r->messages[i];
	return NULL;
}

static void come_back(struct flow *flow, struct recalling *r)
{
	struct intake *intake = r->intake;
	size_t gone = 0;

	decode_messages(&flow->decoder, flow->host, intake, r->messages, r->count);
	rekey_choose(intake);
	keep_asked(r, intake);
	for (size_t i = 0; i < r->asked_count; i++) {
		const struct message *message;

		if (r->asked[i]->state != PARKED_ASKED)
			continue;
		message = find_message(r, r->asked[i]->offset);
		if (message) {
			add_lost(intake, message, r->asked[i]);
		} else { /* whoever took it out of the table did so by hand */
			parking_remove(&flow->parking, r->asked[i]);
			gone++;
		}
	}
	flow->read -= gone;
	if (gone)
		log_warn("%zu parked events of %.*s:%d are not in streamlua_parked any more", gone, SLICE_ARG(r->partition->topic),
			 r->partition->number);
	flow_intake_process(flow, intake);
}

static void ask_again_later(struct flow *flow, struct recalling *r)
{
	for (size_t i = 0; i < r->asked_count; i++)
		parking_again(&flow->parking, r->asked[i], flow->mono_ms);
}

static void finish_recall(struct flow *flow, struct recalling *r)
{
	struct partition *partition = r->partition;

	if (!partition->revoked && r->failed)
		ask_again_later(flow, r);
	else if (!partition->revoked)
		come_back(flow, r);
	intake_release(r->intake);
	r->intake = NULL;
	r->partition = NULL;
	partition_unref(partition);
}

/* ---- what is due ---- */

/* By offset: those of one row come in their order. Returns when the first of the others is due. */
static int64_t choose(struct flow *flow, struct recalling *r, struct partition *partition)
{
	int64_t next_ms = INT64_MAX;
	size_t bytes = 0;

	r->asked_count = r->recall.count = 0;
	for (struct parked *parked = partition->parked_first; parked && r->asked_count < RECALL_MOST; parked = parked->next) {
		if (parked->state != PARKED_IDLE)
			continue;
		if (parked->next_try_ms > flow->mono_ms) {
			next_ms = parked->next_try_ms < next_ms ? parked->next_try_ms : next_ms;
			continue;
		}
		bytes += parked->bytes;
		if (r->asked_count && bytes > RECALL_BYTES_MOST)
			break;
		if (parked->since_ms < 0)
			parked->since_ms = lanes_patience_ms(flow->lanes, flow->mono_ms);
		parked->state = PARKED_ASKED;
		r->asked[r->asked_count++] = parked;
		if (!r->recall.count || r->offsets[r->recall.count - 1] != parked->offset)
			r->offsets[r->recall.count++] = parked->offset;
	}
	return next_ms;
}

static struct recalling *recalling_of(struct flow *flow)
{
	if (!flow->recalling) {
		flow->recalling = calloc(1, sizeof *flow->recalling);
		BUG_IF(!flow->recalling);
		flow->recalling->flow = flow;
	}
	return flow->recalling;
}

static void begin(struct flow *flow, struct recalling *r, void (*message)(struct recall *, const struct message *, uint32_t, struct slice))
{
	struct sink *sink = flow->options.sink;

	r->busy = true;
	r->whole = r->failed = false;
	r->recall.partition = r->partition;
	r->recall.offsets = r->offsets;
	r->recall.message = message;
	r->recall.done = on_done;
	r->recall.ctx = r;
	sink->ops->recall(sink, &r->recall);
}

/* INT64_MAX where something is being read now, else when something of this partition is due. */
static int64_t recall(struct flow *flow, struct partition *partition)
{
	struct recalling *r = recalling_of(flow);
	int64_t next_ms = choose(flow, r, partition);

	if (!r->asked_count)
		return next_ms;
	partition_ref(partition);
	r->partition = partition;
	r->intake = intake_new(&flow->intakes);
	r->count = 0;
	begin(flow, r, on_message);
	return INT64_MAX;
}

/* What is due of what we know of. */
static int64_t recall_due(struct flow *flow)
{
	struct parking *parking = &flow->parking;

	if (!parking->count || !flow_intake_has_room(flow))
		return INT64_MAX;
	if (flow->mono_ms < flow->parked_due_ms && !parking->stirred)
		return flow->parked_due_ms;
	flow->parked_due_ms = INT64_MAX;
	for (struct partition *partition = flow->partitions; partition; partition = partition->next_partition) {
		int64_t next_ms = partition->parked_count ? recall(flow, partition) : INT64_MAX;

		if (flow->recalling && flow->recalling->busy)
			return INT64_MAX;
		flow->parked_due_ms = next_ms < flow->parked_due_ms ? next_ms : flow->parked_due_ms;
	}
	parking->stirred = false;
	return flow->parked_due_ms;
}

int64_t flow_parked_turn(struct flow *flow)
{
	struct recalling *r = flow->recalling;
	int64_t due_ms;

	if (!flow->options.sink->ops->recall)
		return INT64_MAX;
	if (r && r->busy) {
		/* Either wakes us: the sink, or what the format lacks. */
		if (!r->whole || (r->partition && !decode_ready(&flow->decoder, r->messages, r->count)))
			return INT64_MAX;
		r->busy = false;
		if (r->partition)
			finish_recall(flow, r);
		flow->parking.stirred = true; /* there may be more of it */
	}
	if (flow->stopping || flow->over)
		return INT64_MAX;
	due_ms = recall_due(flow);
	if (flow->recalling && flow->recalling->busy)
		return INT64_MAX;
	if (flow->mono_ms >= flow->given_due_ms) {
		flow->given_due_ms = flow->mono_ms + GIVEN_MS;
		begin(flow, recalling_of(flow), on_given);
		return INT64_MAX;
	}
	return flow->given_due_ms < due_ms ? flow->given_due_ms : due_ms;
}
