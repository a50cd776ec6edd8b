#include "io/mysql_takeover.h"

#include <stdlib.h>

#include "base/log.h"
#include "io/mysql.h"
#include "io/mysql_errors.h"
#include "io/mysql_progress.h"
#include "io/mysql_session.h"

enum { SAY_EVERY = 12 }; /* failures in a row: about once a minute when standing back is at its longest */

struct request {
	struct request *next;
	struct takeover *takeover;
};

/* A row of streamlua_progress as it was before. */
struct found {
	struct found *next; /* of the same partition */
	struct progress_lane lane;
};

struct mysql_takeover {
	const struct mysql_options *options;
	const char *job;
	int32_t lanes;
	struct mysql_session session;
	struct event *timer;
	unsigned failures; /* in a row */
	struct request *first, **end;

	/* of the first request */
	struct buf text;
	struct arena arena;
	struct progress_loaded *loaded; /* one for each partition */
	struct found ***ends;           /* where the next row of each goes */
	struct found **rows;
	bool *has_row;    /* partition * lanes + lane */
	int64_t epoch;    /* the largest found */
	size_t partition; /* of the last row: rows come ordered, so the next is likely of the same */
};

static void go_on(struct mysql_takeover *control);

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	go_on(ctx);
}

struct mysql_takeover *mysql_takeover_new(struct event_base *loop, const struct mysql_options *options, const char *job, int32_t lanes)
{
	struct mysql_takeover *control = calloc(1, sizeof *control);

	BUG_IF(!control);
	control->options = options;
	control->job = job;
	control->lanes = lanes;
	control->end = &control->first;
	mysql_session_init(&control->session, loop, options);
	control->timer = evtimer_new(loop, on_timer, control);
	BUG_IF(!control->timer);
	return control;
}

void mysql_takeover_free(struct mysql_takeover *control)
{
	if (!control)
		return;
	event_free(control->timer);
	mysql_session_deinit(&control->session);
	while (control->first) {
		struct request *request = control->first;

		control->first = request->next;
		free(request);
	}
	buf_free(&control->text);
	arena_free(&control->arena);
	free(control);
}

/* Whatever went wrong: a new connection ends what this one may have begun, and a larger epoch once more is harmless. */
static void stand_back(struct mysql_takeover *control, const struct mysql_failure *failure)
{
	int ms = mysql_session_standback_ms(++control->failures);
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	enum mysql_kind kind = mysql_errors_kind(failure);

	/* Meeting another worker there is nothing to speak of, unless it goes on. */
	if (control->failures % SAY_EVERY == 1 && (control->failures > 1 || (kind != MYSQL_BUSY && kind != MYSQL_DUPLICATE)))
		log_warn("%s: taking partitions over waits: %s (error %u)%s", control->options->flavour, failure->text, failure->number,
			 mysql_errors_advice(failure));
	mysql_client_drop(control->session.client);
	evtimer_add(control->timer, &wait);
}

static void on_taken(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_takeover *control = ctx;
	struct request *request = control->first;

	if (failure) {
		stand_back(control, failure);
		return;
	}
	control->failures = 0;
	for (size_t i = 0; i < request->takeover->count; i++)
		control->loaded[i].epoch = control->epoch + 1;
	/* It stays the first until it has heard: a request added meanwhile must not begin in the memory that is lent. */
	request->takeover->done(request->takeover, control->loaded, NULL);
	control->first = request->next;
	if (!control->first)
		control->end = &control->first;
	free(request);
	go_on(control);
}

/* The rows found of each partition, and those that are about to be made. */
static void fill_loaded(struct mysql_takeover *control, size_t i)
{
	struct progress_loaded *loaded = &control->loaded[i];
	size_t lanes = (size_t)control->lanes, count = 0;
	const struct found *row;

	for (row = control->rows[i]; row; row = row->next)
		count++;
	for (size_t lane = 0; lane < lanes; lane++)
		count += !control->has_row[i * lanes + lane];
	loaded->lanes = arena_zalloc(&control->arena, count * sizeof *loaded->lanes);
	loaded->fresh = loaded->next_offset < 0;
	for (row = control->rows[i]; row; row = row->next)
		loaded->lanes[loaded->lane_count++] = row->lane;
	for (size_t lane = 0; lane < lanes; lane++)
		if (!control->has_row[i * lanes + lane])
			loaded->lanes[loaded->lane_count++] = (struct progress_lane){ .lane = (int32_t)lane, .next_offset = -1 };
}

static void on_locked(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_takeover *control = ctx;
	const struct takeover *takeover = control->first->takeover;

	if (failure) {
		stand_back(control, failure);
		return;
	}
	for (size_t i = 0; i < takeover->count; i++)
		fill_loaded(control, i);
	buf_clear(&control->text);
	mysql_progress_take(&control->text, control->job, takeover, control->epoch + 1, control->has_row, control->lanes);
	mysql_client_run(control->session.client, buf_view(&control->text), NULL, on_taken, control);
}

static int64_t number(struct slice cell)
{
	return strtoll(cell.p, NULL, 10);
}

/* Whose row it is: control->partition. False for a topic whose name differs in trailing spaces only: the column's collation does not tell
 * them apart. */
static bool find_partition(struct mysql_takeover *control, struct slice topic, int64_t partition)
{
	const struct takeover *takeover = control->first->takeover;

	for (size_t tried = 0; tried < takeover->count; tried++, control->partition = (control->partition + 1) % takeover->count) {
		const struct source_partition_name *name = &takeover->partitions[control->partition];

		if (name->partition == partition && slice_equal(name->topic, topic))
			return true;
	}
	return false;
}

/* Rows come by partition, so each partition's list grows at the arena's end. */
static void on_parked(struct mysql_takeover *control, const struct slice *cells)
{
	struct progress_loaded *loaded = &control->loaded[control->partition];

	if ((loaded->parked_count & (loaded->parked_count - 1)) == 0) {
		struct parked_loaded *wider = arena_alloc(&control->arena, (loaded->parked_count ? loaded->parked_count * 2 : 1) * sizeof *wider);

		if (loaded->parked_count)
			memcpy(wider, loaded->parked, loaded->parked_count * sizeof *wider);
		loaded->parked = wider;
	}
	loaded->parked[loaded->parked_count++] = (struct parked_loaded){ .offset = number(cells[2]),
									 .part = (uint32_t)number(cells[3]),
									 .keys = arena_copy(&control->arena, cells[4]),
									 .bytes = (uint32_t)number(cells[5]),
									 .age_ms = number(cells[6]) };
}

static void on_row(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	enum { BEGIN, PROGRESS, PARKED };
	struct mysql_takeover *control = ctx;
	struct found *row;
	struct progress_loaded *loaded;
	int64_t epoch;

	if (!find_partition(control, cells[0], number(cells[1])))
		return;
	if (statement == PARKED) {
		BUG_IF(count != 7);
		on_parked(control, cells);
		return;
	}
	BUG_IF(count != 8);
	row = arena_zalloc(&control->arena, sizeof *row);
	epoch = number(cells[3]);
	loaded = &control->loaded[control->partition];
	row->lane = (struct progress_lane){ .lane = (int32_t)number(cells[2]), .next_offset = number(cells[5]), .seq = number(cells[4]) };
	if (cells[6].p)
		row->lane.done = arena_copy(&control->arena, cells[6]);
	*control->ends[control->partition] = row;
	control->ends[control->partition] = &row->next;
	if (row->lane.lane < control->lanes)
		control->has_row[control->partition * (size_t)control->lanes + (size_t)row->lane.lane] = true;
	if (epoch > control->epoch)
		control->epoch = epoch;
	if (row->lane.next_offset > loaded->next_offset)
		loaded->next_offset = row->lane.next_offset;
	if (cells[7].p && number(cells[7]) > loaded->watermark)
		loaded->watermark = number(cells[7]);
}

static void on_session(void *ctx, const struct mysql_failure *failure)
{
	struct mysql_takeover *control = ctx;

	if (failure)
		stand_back(control, failure);
	else
		go_on(control);
}

/* Begins the first request from its beginning. */
static void go_on(struct mysql_takeover *control)
{
	const struct takeover *takeover = control->first ? control->first->takeover : NULL;

	if (!takeover)
		return;
	if (!mysql_session_usable(&control->session)) {
		mysql_session_open(&control->session, on_session, control);
		return;
	}
	arena_reset(&control->arena);
	control->loaded = arena_zalloc(&control->arena, takeover->count * sizeof *control->loaded);
	control->rows = arena_zalloc(&control->arena, takeover->count * sizeof *control->rows);
	control->ends = arena_alloc(&control->arena, takeover->count * sizeof *control->ends);
	control->has_row = arena_zalloc(&control->arena, takeover->count * (size_t)control->lanes * sizeof *control->has_row);
	control->epoch = 0;
	control->partition = 0;
	for (size_t i = 0; i < takeover->count; i++) {
		control->loaded[i].watermark = INT64_MIN;
		control->loaded[i].next_offset = -1;
		control->ends[i] = &control->rows[i];
	}
	buf_clear(&control->text);
	mysql_progress_lock(&control->text, control->job, takeover);
	mysql_client_run(control->session.client, buf_view(&control->text), on_row, on_locked, control);
}

void mysql_takeover_add(struct mysql_takeover *control, struct takeover *takeover)
{
	struct request *request = calloc(1, sizeof *request);
	bool idle = !control->first;

	BUG_IF(!request || takeover->count == 0);
	request->takeover = takeover;
	*control->end = request;
	control->end = &request->next;
	if (idle)
		go_on(control);
}
