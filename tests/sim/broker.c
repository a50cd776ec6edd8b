#include "sim/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/trace.h"
#include "sim/worker.h"

enum { NEWS_MOST = 4096 };

enum slot_state { SLOT_FREE, SLOT_ASKED, SLOT_RUNNING };

struct slot {
	enum slot_state state;
	uint32_t log;
	int64_t position;
	bool paused, ended;
	struct partition *owner;
	int64_t committed;
};

/* What the group says and the worker has not heard yet. */
struct news {
	bool assigned; /* else revoked */
	uint32_t log;
};

struct sim_source {
	struct source base;
	struct world *world;
	uint32_t worker;
	struct source_events events;
	struct slot slots[PARTITIONS_MOST * 2]; /* by id; as some sources do, the least free one is used again */
	struct news *news;
	size_t news_count;
	bool started, stopped;
};

static struct sim_source *self(struct source *source)
{
	return (struct sim_source *)source;
}

static const char *log_text(const struct world *world, uint32_t log, char *text)
{
	snprintf(text, 40, "%s:%d", table_names[world->history.logs[log].table], world->history.logs[log].number);
	return text;
}

/* ---- the worker's side ---- */

static int sim_start(struct source *source, const struct source_events *events, struct error *err)
{
	(void)err;
	self(source)->events = *events;
	self(source)->started = true;
	return 0;
}

static void take_away(struct sim_source *s, const struct news *news, size_t count)
{
	uint32_t ids[NEWS_MOST];
	size_t ours = 0;
	char text[40];

	for (size_t i = 0; i < count; i++)
		for (uint32_t id = 0; id < PARTITIONS_MOST * 2; id++)
			if (s->slots[id].state != SLOT_FREE && s->slots[id].log == news[i].log)
				ids[ours++] = id;
	trace_line("worker %u loses %zu partitions (%s ...)", s->worker, ours, log_text(s->world, news->log, text));
	if (ours)
		s->events.revoked(s->events.ctx, ids, ours);
	for (size_t i = 0; i < ours; i++)
		s->slots[ids[i]].state = SLOT_FREE;
	for (size_t i = 0; i < count; i++)
		if (s->world->broker.partitions[news[i].log].leaving == s->worker)
			s->world->broker.partitions[news[i].log].leaving = NOBODY;
}

static void give(struct sim_source *s, const struct news *news, size_t count)
{
	struct source_partition given[PARTITIONS_MOST];
	char text[40];

	for (size_t i = 0; i < count; i++) {
		const struct log *log = &s->world->history.logs[news[i].log];
		uint32_t id = 0;

		while (s->slots[id].state != SLOT_FREE)
			id++;
		s->slots[id] = (struct slot){ .state = SLOT_ASKED, .log = news[i].log, .committed = -1 };
		given[i] = (struct source_partition){ id, slice_of(topic_names[log->table]), log->number };
	}
	trace_line("worker %u gets %zu partitions (%s ...)", s->worker, count, log_text(s->world, news->log, text));
	s->events.assigned(s->events.ctx, given, count);
}

/* Hears the oldest news: one callback for as many of a kind as there are, or fewer. */
static bool hear(struct sim_source *s)
{
	struct news batch[PARTITIONS_MOST];
	size_t count = 0;

	if (!s->started || s->stopped || !s->news_count)
		return false;
	while (count < s->news_count && count < PARTITIONS_MOST && s->news[count].assigned == s->news[0].assigned &&
	       (count == 0 || dice_percent(&s->world->dice, 80))) {
		batch[count] = s->news[count];
		count++;
	}
	s->news_count -= count;
	memmove(s->news, s->news + count, s->news_count * sizeof *s->news);
	(batch[0].assigned ? give : take_away)(s, batch, count);
	return true;
}

/* The input ends where it has been read. Who has nothing is told so: others have it all. */
static bool hear_end(struct sim_source *s)
{
	bool any = false;

	for (uint32_t id = 0; id < PARTITIONS_MOST * 2; id++) {
		struct slot *slot = &s->slots[id];

		any |= slot->state != SLOT_FREE;
		if (slot->state != SLOT_RUNNING || slot->ended || slot->position < s->world->history.logs[slot->log].count)
			continue;
		slot->ended = true;
		s->events.ended(s->events.ctx, id);
		return true;
	}
	if (!any)
		s->events.idle(s->events.ctx);
	return false;
}

bool broker_source_step(struct source *source)
{
	struct sim_source *s = self(source);

	return hear(s) || (s->world->db.timed.ending && s->started && !s->stopped && hear_end(s));
}

bool broker_settled(const struct world *world)
{
	for (uint32_t log = 0; log < world->history.log_count; log++) {
		const struct worker *worker = worker_find((struct world *)world, world->broker.partitions[log].granted);
		const struct sim_source *s = worker && !worker->stopping && !worker->failed ? self(worker->source) : NULL;
		bool running = false;

		if (!s || s->news_count)
			return false;
		for (uint32_t id = 0; id < PARTITIONS_MOST * 2; id++)
			running |= s->slots[id].state == SLOT_RUNNING && s->slots[id].log == log;
		if (!running)
			return false;
	}
	return true;
}

/* As the Kafka source says it: source.h allows no jump. */
static void tell_gone(struct sim_source *s, const struct slot *slot)
{
	const struct log *log = &s->world->history.logs[slot->log];
	struct error reason;

	error_set(&reason, "topic %s partition %d: offset %lld is gone: the broker keeps %lld..%lld", topic_names[log->table], log->number,
		  (long long)slot->position, (long long)log->low, (long long)log->published);
	s->stopped = true;
	s->world->gone++;
	s->events.failed(s->events.ctx, false, reason.text);
}

static bool deliver(struct sim_source *s)
{
	uint32_t from = dice_below(&s->world->dice, PARTITIONS_MOST * 2);

	for (uint32_t i = 0; i < PARTITIONS_MOST * 2; i++) {
		struct slot *slot = &s->slots[(from + i) % (PARTITIONS_MOST * 2)];
		const struct log *log = &s->world->history.logs[slot->log];
		const struct log_message *content;
		struct message message;

		if (slot->state != SLOT_RUNNING || slot->paused || slot->position >= log->published)
			continue;
		if (slot->position < log->low) {
			tell_gone(s, slot);
			return false;
		}
		content = &log->messages[slot->position];
		message = (struct message){
			.topic = slice_of(topic_names[log->table]),
			.partition = log->number,
			.offset = slot->position,
			.position = slot->position,
			.key = content->key,
			.value = content->value,
			.owner = slot->owner,
		};
		slot->position++;
		s->events.message(s->events.ctx, &message);
		return true;
	}
	return false;
}

static size_t sim_poll(struct source *source, size_t most)
{
	struct sim_source *s = self(source);
	size_t count = 0, wanted = 1 + dice_below(&s->world->dice, 30);

	if (dice_percent(&s->world->dice, 10))
		wanted = most;
	while (count < most && count < wanted && !s->stopped) {
		if (s->news_count && dice_percent(&s->world->dice, 10))
			hear(s);
		if (!deliver(s))
			break;
		count++;
	}
	return count;
}

static struct slot *slot_of(struct source *source, uint32_t id, const char *call)
{
	struct sim_source *s = self(source);

	if (id >= PARTITIONS_MOST * 2 || s->slots[id].state == SLOT_FREE)
		trace_fail("worker %u calls %s for partition %u, which it does not have", s->worker, call, id);
	return &s->slots[id];
}

static void sim_take(struct source *source, uint32_t id, int64_t offset, struct partition *owner)
{
	struct slot *slot = slot_of(source, id, "take");
	const struct log *log;

	if (slot->state != SLOT_ASKED)
		trace_fail("worker %u takes partition %u twice", self(source)->worker, id);
	slot->state = SLOT_RUNNING;
	slot->owner = owner;
	log = &self(source)->world->history.logs[slot->log];
	slot->position = offset != START_CONFIGURED ? offset : log->start > log->low ? log->start : log->low;
	if ((slot->position < log->low && !self(source)->world->history.lossy) || slot->position < log->first || slot->position > log->published)
		trace_fail("worker %u begins partition %u at %lld", self(source)->worker, id, (long long)offset);
}

static void sim_pause(struct source *source, uint32_t id, bool paused)
{
	slot_of(source, id, "pause")->paused = paused;
}

static void sim_committed(struct source *source, uint32_t id, int64_t offset)
{
	struct slot *slot = slot_of(source, id, "committed");

	if (offset < slot->committed || offset > (int64_t)self(source)->world->db.sound[slot->log])
		trace_fail("worker %u tells that partition %u is committed up to %lld", self(source)->worker, id, (long long)offset);
	slot->committed = offset;
}

static int64_t sim_lag(struct source *source, uint32_t id)
{
	const struct slot *slot = slot_of(source, id, "lag");

	return slot->state == SLOT_RUNNING ? self(source)->world->history.logs[slot->log].published - slot->position : -1;
}

static void sim_stop(struct source *source)
{
	self(source)->stopped = true;
}

static void sim_close(struct source *source)
{
	free(self(source)->news);
	free(source);
}

struct source *broker_source_new(struct world *world, uint32_t worker)
{
	static const struct source_ops ops = {
		.name = "sim",
		.start = sim_start,
		.poll = sim_poll,
		.take = sim_take,
		.pause = sim_pause,
		.committed = sim_committed,
		.lag = sim_lag,
		.stop = sim_stop,
		.close = sim_close,
	};
	struct sim_source *s = calloc(1, sizeof *s);

	BUG_IF(!s);
	s->base.ops = &ops;
	s->world = world;
	s->worker = worker;
	s->news = calloc(NEWS_MOST, sizeof *s->news);
	BUG_IF(!s->news);
	return &s->base;
}

/* ---- the group's side ---- */

static void send_news(struct world *world, uint32_t worker, bool assigned, uint32_t log)
{
	struct worker *to = worker_find(world, worker);
	struct sim_source *s = to ? self(to->source) : NULL;

	if (!s)
		return;
	BUG_IF(s->news_count == NEWS_MOST);
	s->news[s->news_count++] = (struct news){ assigned, log };
}

static void call_back(struct world *world, uint32_t log, bool wait)
{
	struct membership *m = &world->broker.partitions[log];

	if (m->granted == NOBODY)
		return;
	send_news(world, m->granted, false, log);
	m->leaving = wait ? m->granted : NOBODY;
	m->granted = NOBODY;
}

void broker_rebalance(struct world *world, bool eager, bool zombies)
{
	uint32_t members[WORKERS_MOST], count = 0;

	for (uint32_t i = 0; i < WORKERS_MOST; i++)
		if (world->workers[i] && !world->workers[i]->stopping)
			members[count++] = world->workers[i]->number;
	trace_line("group: rebalance among %u workers%s%s", count, eager ? ", eager" : "", zombies ? ", some do not hear" : "");
	for (uint32_t log = 0; log < world->history.log_count; log++) {
		struct membership *m = &world->broker.partitions[log];
		bool stays = worker_find(world, m->wanted) && !worker_find(world, m->wanted)->stopping && dice_percent(&world->dice, 50);

		if (!stays)
			m->wanted = count ? members[dice_below(&world->dice, count)] : NOBODY;
		if (eager || m->wanted != m->granted)
			call_back(world, log, !(zombies && dice_percent(&world->dice, 60)));
	}
}

void broker_pump(struct world *world)
{
	for (uint32_t log = 0; log < world->history.log_count; log++) {
		struct membership *m = &world->broker.partitions[log];

		if (m->granted != NOBODY || m->leaving != NOBODY || m->wanted == NOBODY)
			continue;
		m->granted = m->wanted;
		send_news(world, m->wanted, true, log);
	}
}

void broker_forget(struct world *world, uint32_t worker)
{
	for (uint32_t log = 0; log < world->history.log_count; log++) {
		struct membership *m = &world->broker.partitions[log];

		m->granted = m->granted == worker ? NOBODY : m->granted;
		m->leaving = m->leaving == worker ? NOBODY : m->leaving;
		m->wanted = m->wanted == worker ? NOBODY : m->wanted;
	}
}

void broker_retain(struct world *world)
{
	uint32_t i = dice_below(&world->dice, world->history.log_count);
	struct log *log = &world->history.logs[i];

	if (log->low <= world->db.sound[i])
		log->low += dice_below(&world->dice, (uint32_t)(world->db.sound[i] - log->low) + 1);
	if (log->start < log->low && !database_has_progress(&world->db, i))
		log->start = log->low;
}

void broker_lose(struct world *world)
{
	uint32_t i = dice_below(&world->retention, world->history.log_count);
	struct log *log = &world->history.logs[i];

	/* Where nothing was ever written a job begins at what there is. */
	if (!database_has_progress(&world->db, i) || log->published == log->low)
		return;
	log->low += 1 + dice_below(&world->retention, (uint32_t)(log->published - log->low));
	trace_line("broker: %s:%d keeps %lld..%lld, committed is %u", table_names[log->table], log->number, (long long)log->low,
		   (long long)log->published, world->db.sound[i]);
}

bool broker_is_stranded(const struct world *world)
{
	for (uint32_t i = 0; i < world->history.log_count; i++)
		if (world->history.logs[i].low > world->db.sound[i])
			return true;
	return false;
}

bool broker_publish(struct world *world)
{
	bool any = false;

	for (uint32_t i = 0; i < world->history.log_count; i++) {
		struct log *log = &world->history.logs[i];
		int64_t more = dice_below(&world->dice, 20);

		log->published = log->count - log->published < more ? log->count : log->published + more;
		any |= log->published < log->count;
	}
	return any;
}
