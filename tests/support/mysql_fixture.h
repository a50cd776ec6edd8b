/* A sink on a database of the test's own, and transactions to put into it. */
#ifndef SUPPORT_MYSQL_FIXTURE_H
#define SUPPORT_MYSQL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "flow/batch.h"
#include "io/mysql.h"
#include "support/mariadb.h"
#include "support/proxy.h"

enum { EVENTS_MOST = 16 };

struct fixture {
	struct mariadb *db;
	struct event_base *loop;
	struct mysql_options options;
	struct sink *sink;
	struct arena arena;
	struct target target;
	char name[32]; /* of the database */
};

/* A transaction, with what it needs, and what came of it. */
struct written {
	struct tx tx;
	struct event events[EVENTS_MOST], *list[EVENTS_MOST];
	struct message messages[EVENTS_MOST];
	struct progress_row progress;
	unsigned answers;
	enum sink_result result;
	struct error err;
};

/* What a taken over partition is like; copied while it is lent. */
struct taken {
	struct takeover takeover;
	struct source_partition_name names[4];
	struct progress_loaded loaded[4];
	struct progress_lane lanes[4][16];
	unsigned answers;
};

/* Turns the loop until the condition holds. The minute is for what is broken: nothing depends on it. */
#define UNTIL(loop, condition)                                                                                                                       \
	do {                                                                                                                                         \
		int64_t until_limit = clock_mono_ms() + 60000;                                                                                       \
		while (!(condition)) {                                                                                                               \
			assert_true(clock_mono_ms() < until_limit);                                                                                  \
			event_base_loop(loop, EVLOOP_NONBLOCK);                                                                                      \
			usleep(500);                                                                                                                 \
		}                                                                                                                                    \
	} while (0)

static inline void fixture_open(struct fixture *f, struct mariadb *db, const char *name, const char *table)
{
	struct error err;

	memset(f, 0, sizeof *f);
	f->db = db;
	snprintf(f->name, sizeof f->name, "%s", name);
	mariadb_run(db, "DROP DATABASE IF EXISTS %s; CREATE DATABASE %s; USE %s; %s", name, name, name, table);
	f->loop = event_base_new();
	f->options = (struct mysql_options){
		.flavour = "mariadb", .port = db->port, .user = "streamlua", .password = "streamlua", .database = f->name, .lanes = 4
	};
	f->sink = mysql_new(f->loop, &f->options, "shop", &err);
	assert_non_null(f->sink);
	if (f->sink->ops->open(f->sink, &err) < 0)
		fail_msg("%s", err.text);
	f->target = (struct target){ .name = SLICE("t"), .arena = &f->arena };
	if (f->sink->ops->describe(f->sink, &f->target, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void fixture_close(struct fixture *f)
{
	f->sink->ops->close(f->sink);
	event_base_free(f->loop);
	arena_free(&f->arena);
}

/* Another sink of the same job, through another port. */
static inline struct sink *fixture_sink(struct fixture *f, int port, int read_timeout_ms)
{
	struct mysql_options options = f->options;
	struct error err;
	struct sink *sink;

	options.port = port;
	options.read_timeout_ms = read_timeout_ms;
	sink = mysql_new(f->loop, &options, "shop", &err);
	assert_non_null(sink);
	return sink;
}

static inline void on_written(struct tx *tx, enum sink_result result, const struct error *err)
{
	struct written *w = tx->ctx;

	w->answers++;
	w->result = result;
	w->err = err ? *err : (struct error){ .text = "" };
}

/* A transaction of one partition and lane, without events yet. */
static inline void written_init(struct written *w, int32_t lane, int64_t epoch, int64_t seq)
{
	memset(w, 0, sizeof *w);
	w->progress = (struct progress_row){ .topic = SLICE("shop.orders"),
					     .partition = 3,
					     .lane = lane,
					     .next_offset = seq * 10,
					     .epoch = epoch,
					     .seq = seq,
					     .watermark = INT64_MIN };
	w->tx = (struct tx){
		.lane = lane, .events = w->list, .progress = &w->progress, .progress_count = 1, .script_version = "abc", .done = on_written, .ctx = w
	};
}

/* Adds an event with one change. values: texts for the target's columns; "NULL" is NULL, NULL leaves the column as it is. */
static inline struct event *written_add(struct fixture *f, struct written *w, enum change_op op, const char *const *values)
{
	struct change *change = arena_zalloc(&f->arena, sizeof *change);
	struct event *event = &w->events[w->tx.count];
	struct message *message = &w->messages[w->tx.count];

	*message = (struct message){
		.topic = SLICE("shop.orders"), .partition = 3, .offset = 100 + (int64_t)w->tx.count, .key = SLICE("k"), .value = SLICE("raw")
	};
	change->op = (uint8_t)op;
	change->target = &f->target;
	change->count = f->target.count;
	change->values = arena_zalloc(&f->arena, f->target.count * sizeof *change->values);
	for (uint32_t i = 0; i < f->target.count; i++)
		if (values[i])
			change->values[i] = (struct value){ .p = values[i],
							    .n = (uint32_t)strlen(values[i]),
							    .ready = true,
							    .kind = strcmp(values[i], "NULL") == 0 ? VALUE_NULL : VALUE_TEXT };
	event_set_message(event, message);
	event->parts = 1;
	event->changes = change;
	event->script_version = SLICE("abc");
	w->list[w->tx.count++] = event;
	return event;
}

#define UPSERT(f, w, ...) written_add(f, w, CHANGE_UPSERT, (const char *const[]){ __VA_ARGS__ })

/* Writes it to its end, and returns what came of it. */
static inline enum sink_result written_commit(struct fixture *f, struct sink *sink, struct written *w)
{
	w->answers = 0;
	sink->ops->commit(sink, &w->tx);
	assert_int_equal(w->answers, 0);
	UNTIL(f->loop, w->answers > 0);
	return w->result;
}

static inline void on_taken(struct takeover *takeover, const struct progress_loaded *loaded, const struct error *err)
{
	struct taken *t = takeover->ctx;

	assert_null(err);
	t->answers++;
	for (size_t i = 0; i < takeover->count; i++) {
		t->loaded[i] = loaded[i];
		assert_true(loaded[i].lane_count <= 16);
		memcpy(t->lanes[i], loaded[i].lanes, loaded[i].lane_count * sizeof *loaded[i].lanes);
		t->loaded[i].lanes = t->lanes[i];
	}
}

static inline void taken_begin(struct sink *sink, struct taken *t)
{
	memset(t, 0, sizeof *t);
	t->names[0] = (struct source_partition_name){ SLICE("shop.orders"), 3 };
	t->names[1] = (struct source_partition_name){ SLICE("it's"), 0 };
	t->takeover = (struct takeover){ .partitions = t->names, .count = 2, .done = on_taken, .ctx = t };
	sink->ops->take_over(sink, &t->takeover);
}

/* Takes the test's partitions over, and returns the epoch. */
static inline int64_t take(struct fixture *f, struct sink *sink, struct taken *t)
{
	taken_begin(sink, t);
	UNTIL(f->loop, t->answers > 0);
	return t->loaded[0].epoch;
}

#endif
