#include "sim/sink.h"

#include <stdlib.h>
#include <string.h>

#include "flow/progress.h"
#include "sim/trace.h"

enum client_state { CLIENT_IDLE, CLIENT_SENT, CLIENT_ANSWERED, CLIENT_DOUBTFUL };

struct client {
	struct sim_sink *sink;
	struct tx *tx;
	enum client_state state;
	enum sink_result result; /* ANSWERED: what to tell; DOUBTFUL: what to tell if it was not committed */
};

/* A request to take partitions over. */
struct taking {
	struct taking *next;
	struct takeover *takeover;
	struct progress_loaded *loaded; /* NULL: not executed yet */
	struct arena arena;
};

struct sim_sink {
	struct sink base;
	struct world *world;
	uint32_t worker;
	struct client *clients;
	struct taking *takings, **takings_end;
	struct recall *recall;   /* NULL: nothing is to be read back */
	struct state_load *load; /* not answered yet */
};

static struct sim_sink *self(struct sink *sink)
{
	return (struct sim_sink *)sink;
}

/* ---- transactions ---- */

static void sim_commit(struct sink *sink, struct tx *tx)
{
	struct sim_sink *s = self(sink);
	struct client *client = &s->clients[tx->lane];

	if (client->state != CLIENT_IDLE)
		trace_fail("worker %u sends a second transaction on lane %d", s->worker, tx->lane);
	if (tx->progress_count == 0)
		trace_fail("worker %u sends a transaction without progress", s->worker);
	client->state = CLIENT_SENT;
	client->tx = tx;
	database_send(&s->world->db, tx, client, s->worker);
	trace_line("worker %u lane %d: sends %zu events, %zu progress rows (first seq %lld, next offset %lld)", s->worker, tx->lane, tx->count,
		   tx->progress_count, (long long)tx->progress[0].seq, (long long)tx->progress[0].next_offset);
}

/* What was cut off before arrives before the database says no to its successor, or never: the lane sends other events next, and they are told
 * apart by seq alone. */
static void drop_late(struct client *client)
{
	struct world *world = client->sink->world;

	for (struct request *request = world->db.requests, *next; request; request = next) {
		next = request->next;
		if (request->client || request->worker != client->sink->worker || request->lane != client->tx->lane)
			continue;
		request_unlink(&world->db, request);
		request_free(request);
	}
}

static void answer(struct client *client, enum sink_result result)
{
	if (result != SINK_COMMITTED && result != SINK_RETRY)
		drop_late(client);
	client->state = CLIENT_ANSWERED;
	client->result = result;
}

static void doubt(struct client *client, enum sink_result otherwise)
{
	client->state = CLIENT_DOUBTFUL;
	client->result = otherwise;
}

static void tell(struct client *client)
{
	static const char *const names[] = { "committed", "refused", "taken", "missed", "retry", "fenced", "failed" };
	struct world *world = client->sink->world;
	enum sink_result result = client->result;
	struct tx *tx = client->tx;
	struct error err;

	trace_line("worker %u lane %d: hears %s", client->sink->worker, tx->lane, names[result]);
	for (size_t i = 0; result == SINK_COMMITTED && i < tx->count; i++) {
		if (tx->events[i]->op == OP_TIMER) /* counted apart */
			continue;
		world->told_written += tx->events[i]->outcome == OUTCOME_PENDING && tx->events[i]->changes;
		world->told_dead += tx->events[i]->outcome == OUTCOME_DEAD;
	}
	client->state = CLIENT_IDLE;
	client->tx = NULL;
	error_set(&err, "simulated: %s", names[result]);
	tx->done(tx, result, &err);
}

/* One progress row with the transaction's own seq speaks for it; all as they were before: it was rolled back. */
static void read_back(struct client *client)
{
	struct database *db = &client->sink->world->db;
	const struct tx *tx = client->tx;
	size_t before = 0, after = 0;

	for (size_t i = 0; i < tx->progress_count; i++) {
		const struct progress_row *mine = &tx->progress[i];
		const struct progress *row = database_progress(db, history_log(db->history, mine->topic, mine->partition), mine->lane);

		if (!row || row->epoch != mine->epoch)
			continue;
		before += row->seq == mine->seq - 1;
		after += row->seq == mine->seq;
	}
	trace_line("worker %u lane %d: reads back", client->sink->worker, tx->lane);
	if (after)
		answer(client, SINK_COMMITTED);
	else
		answer(client, before == tx->progress_count ? client->result : SINK_FENCED);
}

static void judge(struct client *client, enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_COMMITTED:
		answer(client, SINK_COMMITTED);
		break;
	case VERDICT_STALE:
		doubt(client, SINK_RETRY);
		break;
	case VERDICT_REFUSED:
		answer(client, SINK_REFUSED);
		break;
	case VERDICT_TAKEN:
		answer(client, SINK_TAKEN);
		break;
	case VERDICT_MISSED:
		database_mark_missed(&client->sink->world->db, client->tx);
		answer(client, SINK_MISSED);
		break;
	}
}

static bool goes_wrong(struct world *world, uint32_t percent)
{
	return !world->quiet && dice_percent(&world->dice, percent);
}

bool sim_server_step(struct world *world)
{
	static const char *const names[] = { "committed", "stale", "refused", "taken", "missed" };
	struct request *request = world->db.requests;
	struct client *client;
	enum verdict verdict;
	uint32_t count = 0;

	for (struct request *r = request; r; r = r->next)
		count++;
	if (!count || (!world_is_away(world) && goes_wrong(world, world->faults.slow)))
		return count > 0;
	for (uint32_t skip = dice_below(&world->dice, count); skip; skip--)
		request = request->next;
	client = request->client;
	if (world_is_away(world)) { /* it is never sent; nothing is heard of what was */
		if (client && dice_percent(&world->retention, 20)) {
			request_unlink(&world->db, request);
			answer(client, SINK_RETRY);
			request_free(request);
		}
		return true;
	}
	if (client && goes_wrong(world, world->faults.cut)) {
		trace_line("worker %u lane %d: cut off before the database has it", request->worker, request->lane);
		doubt(client, SINK_RETRY);
		request->client = NULL;
		if (goes_wrong(world, world->faults.limbo))
			return true;
		request_unlink(&world->db, request);
	} else if (client && !database_is_stale(&world->db, request) && goes_wrong(world, world->faults.rolled_back)) {
		request_unlink(&world->db, request);
		answer(client, goes_wrong(world, 20) ? SINK_FAILED : SINK_RETRY);
	} else {
		world->db.now_ms = world->now_ms;
		verdict = database_execute(&world->db, request);
		trace_line("database: worker %u lane %d: %s%s", request->worker, request->lane, names[verdict], client ? "" : ", unheard");
		if (client && goes_wrong(world, world->faults.unheard))
			doubt(client, SINK_RETRY);
		else if (client)
			judge(client, verdict);
	}
	request_free(request);
	return true;
}

/* ---- taking over ---- */

static void sim_take_over(struct sink *sink, struct takeover *takeover)
{
	struct sim_sink *s = self(sink);
	struct taking *taking = calloc(1, sizeof *taking);

	BUG_IF(!taking || takeover->count == 0);
	taking->takeover = takeover;
	*s->takings_end = taking;
	s->takings_end = &taking->next;
}

static void load(struct sim_sink *s, struct taking *taking, const struct source_partition_name *name, struct progress_loaded *loaded)
{
	struct database *db = &s->world->db;
	uint32_t log = history_log(db->history, name->topic, name->partition);

	*loaded = (struct progress_loaded){ .next_offset = -1, .watermark = INT64_MIN };
	for (int32_t lane = 0; lane < s->base.lanes; lane++)
		if (!database_progress(db, log, lane))
			database_add_progress(db, log, lane, 0);
	loaded->lanes = arena_alloc(&taking->arena, db->progress_count * sizeof *loaded->lanes);
	for (size_t i = 0; i < db->progress_count; i++) {
		const struct progress *row = &db->progress[i];

		if (row->log != log)
			continue;
		if (row->next_offset > loaded->next_offset)
			loaded->next_offset = row->next_offset;
		if (row->epoch > loaded->epoch)
			loaded->epoch = row->epoch;
		if (row->watermark > loaded->watermark)
			loaded->watermark = row->watermark;
		loaded->lanes[loaded->lane_count++] = (struct progress_lane){ row->lane, row->next_offset, row->seq,
									      arena_copy(&taking->arena, buf_view(&row->done)) };
	}
	loaded->fresh = loaded->next_offset < 0;
}

static void load_parked(struct sim_sink *s, struct taking *taking, uint32_t log, struct progress_loaded *loaded)
{
	const struct database *db = &s->world->db;

	loaded->parked = arena_zalloc(&taking->arena, (db->history->record_count + 1) * sizeof *loaded->parked);
	for (uint32_t i = 0; i < db->history->record_count; i++) {
		const struct record *record = &db->history->records[i];
		const struct ending *ending = &db->endings[i];

		if (record->log == log && ending->parked)
			loaded->parked[loaded->parked_count++] = (struct parked_loaded){ .offset = record->offset,
											 .part = record->part,
											 .bytes = 100,
											 .age_ms = s->world->now_ms - ending->parked_ms,
											 .keys = arena_copy(&taking->arena, ending->keys) };
	}
}

static void execute_taking(struct sim_sink *s, struct taking *taking)
{
	const struct takeover *takeover = taking->takeover;
	struct database *db = &s->world->db;
	int64_t epoch = 0;

	arena_reset(&taking->arena);
	taking->loaded = arena_zalloc(&taking->arena, takeover->count * sizeof *taking->loaded);
	for (size_t i = 0; i < takeover->count; i++) {
		load(s, taking, &takeover->partitions[i], &taking->loaded[i]);
		epoch = taking->loaded[i].epoch > epoch ? taking->loaded[i].epoch : epoch;
	}
	epoch++;
	for (size_t i = 0; i < takeover->count; i++) {
		uint32_t log = history_log(db->history, takeover->partitions[i].topic, takeover->partitions[i].partition);

		taking->loaded[i].epoch = epoch;
		load_parked(s, taking, log, &taking->loaded[i]);
		for (size_t p = 0; p < db->progress_count; p++)
			if (db->progress[p].log == log)
				db->progress[p].epoch = epoch;
		trace_line("database: worker %u takes %s:%d over, epoch %lld, offset %lld%s", s->worker, table_names[db->history->logs[log].table],
			   db->history->logs[log].number, (long long)epoch, (long long)taking->loaded[i].next_offset,
			   taking->loaded[i].fresh ? ", fresh" : "");
	}
}

static void free_taking(struct sim_sink *s)
{
	struct taking *taking = s->takings;

	s->takings = taking->next;
	if (!s->takings)
		s->takings_end = &s->takings;
	arena_free(&taking->arena);
	free(taking);
}

static void step_taking(struct sim_sink *s)
{
	struct taking *taking = s->takings;

	if (!taking->loaded || goes_wrong(s->world, s->world->faults.unheard)) { /* done once more where its answer was lost */
		execute_taking(s, taking);
		return;
	}
	taking->takeover->done(taking->takeover, taking->loaded, NULL);
	free_taking(s);
}

/* ---- reading back what is parked ---- */

static void sim_recall(struct sink *sink, struct recall *recall)
{
	struct sim_sink *s = self(sink);

	if (s->recall)
		trace_fail("worker %u reads back twice at a time", s->worker);
	s->recall = recall;
}

static void step_recall(struct sim_sink *s)
{
	struct recall *recall = s->recall;
	const struct database *db = &s->world->db;
	uint32_t log;
	struct error err;

	s->recall = NULL;
	if (world_is_away(s->world)) {
		error_set(&err, "simulated");
		recall->done(recall, &err);
		return;
	}
	if (!recall->partition) { /* nobody gives anything back */
		recall->done(recall, NULL);
		return;
	}
	log = history_log(db->history, recall->partition->topic, recall->partition->number);
	for (size_t i = 0; i < recall->count; i++) {
		const struct log_message *kept = &db->history->logs[log].messages[recall->offsets[i]];
		struct message message = { .topic = recall->partition->topic,
					   .partition = recall->partition->number,
					   .offset = recall->offsets[i],
					   .position = recall->offsets[i],
					   .key = kept->key,
					   .value = kept->value };

		for (uint32_t part = 0; part < kept->count; part++)
			if (db->endings[kept->first + part].parked)
				recall->message(recall, &message, part, (struct slice){ 0 });
	}
	error_set(&err, "simulated");
	recall->done(recall, goes_wrong(s->world, 10) ? &err : NULL);
}

/* ---- state ---- */

static void sim_load_state(struct sink *sink, struct state_load *load)
{
	struct sim_sink *s = self(sink);

	if (s->load)
		trace_fail("worker %u asks for state, and waits for an answer already", s->worker);
	if (load->count == 0 && load->due.partition_count == 0)
		trace_fail("worker %u asks what is due in no partition", s->worker);
	s->load = load;
}

static void answer_load(struct sim_sink *s)
{
	struct state_load *state = s->load;

	if (state->count)
		trace_line("worker %u: asks for %zu rows of state", s->worker, state->count);
	else
		trace_line("worker %u: asks for what is due of %.*s by %s, behind %lld", s->worker, SLICE_ARG(state->due.script),
			   state->due.clock == STATE_WALL_TIME ? "the clock" : "event time", (long long)state->due.after.at[state->due.clock]);
	kept_tell(&s->world->db.kept, state);
	if (goes_wrong(s->world, s->world->faults.unheard))
		return; /* once more */
	s->load = NULL;
	state->done(state);
}

/* ---- the rest of it ---- */

bool sim_sink_step(struct sink *sink)
{
	struct sim_sink *s = self(sink);
	int32_t from = (int32_t)dice_below(&s->world->dice, (uint32_t)sink->lanes);

	bool away = world_is_away(s->world);

	if (s->load && !away && dice_percent(&s->world->dice, 50)) {
		answer_load(s);
		return true;
	}
	if (s->takings && !away && dice_percent(&s->world->dice, 50)) {
		step_taking(s);
		return true;
	}
	if (s->recall && dice_percent(&s->world->dice, 50)) {
		step_recall(s);
		return true;
	}
	for (int32_t i = 0; i < sink->lanes; i++) {
		struct client *client = &s->clients[(from + i) % sink->lanes];

		if (client->state == CLIENT_ANSWERED) {
			tell(client);
			return true;
		}
		if (client->state == CLIENT_DOUBTFUL && !away) {
			read_back(client);
			return true;
		}
	}
	return (s->takings != NULL && !away) || s->recall != NULL;
}

static void sim_close(struct sink *sink)
{
	struct sim_sink *s = self(sink);

	for (struct request *request = s->world->db.requests; request; request = request->next)
		if (request->worker == s->worker)
			request->client = NULL;
	while (s->takings)
		free_taking(s);
	free(s->clients);
	free(s);
}

struct sink *sim_sink_new(struct world *world, uint32_t worker, int32_t lanes)
{
	static const struct sink_ops ops = {
		.name = "sim",
		.transactional = true,
		.take_over = sim_take_over,
		.commit = sim_commit,
		.recall = sim_recall,
		.load_state = sim_load_state,
		.close = sim_close,
	};
	struct sim_sink *s = calloc(1, sizeof *s);

	BUG_IF(!s);
	*s = (struct sim_sink){ .base = { .ops = &ops, .lanes = lanes }, .world = world, .worker = worker };
	s->clients = calloc((size_t)lanes, sizeof *s->clients);
	BUG_IF(!s->clients);
	for (int32_t i = 0; i < lanes; i++)
		s->clients[i].sink = s;
	s->takings_end = &s->takings;
	return &s->base;
}
