#include "flow/progress.h"

#include <stdlib.h>

enum { PLACES_FIRST = 1024 };

struct partition *partition_new(struct slice topic, int32_t number, uint32_t source_id, int32_t lane_count)
{
	struct partition *p = calloc(1, sizeof *p);
	char *name = malloc(topic.n + 1);

	BUG_IF(!p || !name);
	memcpy(name, topic.p, topic.n);
	name[topic.n] = 0;
	p->topic = (struct slice){ name, topic.n };
	p->number = number;
	p->source_id = source_id;
	p->references = 1;
	p->lane_count = lane_count;
	p->lanes = calloc((size_t)lane_count, sizeof *p->lanes);
	p->places_cap = PLACES_FIRST;
	p->places = malloc(p->places_cap * sizeof *p->places);
	BUG_IF(!p->lanes || !p->places);
	p->watermark = p->clock_ms = p->moved_ms = p->saved_ms = INT64_MIN;
	p->again_ms = INT64_MAX;
	p->rest.quiet_since_ms = -1;
	p->next_offset = p->written_offset = p->told_offset = -1;
	return p;
}

void partition_ref(struct partition *p)
{
	p->references++;
}

void partition_unref(struct partition *p)
{
	if (!p || --p->references > 0)
		return;
	for (int32_t i = 0; i < p->lane_count; i++)
		done_list_free(&p->lanes[i].done);
	done_list_free(&p->skip);
	done_list_free(&p->unwritten);
	buf_free(&p->encoded);
	free(p->lanes);
	free(p->places);
	free((char *)p->topic.p);
	free(p);
}

static int compare_done(const void *a, const void *b)
{
	const struct done *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x->part > y->part) - (x->part < y->part);
}

int partition_load(struct partition *p, const struct progress_loaded *loaded, struct error *err)
{
	p->epoch = loaded->epoch;
	p->watermark = p->clock_ms = p->saved_ms = loaded->watermark;
	p->next_offset = p->written_offset = loaded->fresh ? -1 : loaded->next_offset;
	for (size_t i = 0; i < loaded->lane_count; i++) {
		const struct progress_lane *row = &loaded->lanes[i];

		if (progress_decode(row->done, row->next_offset, &p->skip, err) < 0)
			return error_prefix(err, "streamlua_progress of %.*s:%d, lane %d", SLICE_ARG(p->topic), p->number, row->lane);
		if (row->lane < p->lane_count) {
			p->lanes[row->lane].seq = row->seq;
			progress_decode(row->done, row->next_offset, &p->lanes[row->lane].done, NULL);
		}
	}
	if (p->skip.count)
		qsort(p->skip.items, p->skip.count, sizeof *p->skip.items, compare_done);
	return 0;
}

static struct place *place_at(const struct partition *p, uint32_t ordinal)
{
	return &p->places[ordinal & (p->places_cap - 1)];
}

static void grow(struct partition *p)
{
	struct place *wider = malloc((size_t)p->places_cap * 2 * sizeof *wider);

	BUG_IF(!wider);
	for (uint32_t o = p->first; o != p->next; o++)
		wider[o & (p->places_cap * 2 - 1)] = *place_at(p, o);
	free(p->places);
	p->places = wider;
	p->places_cap *= 2;
}

/* Messages come in order, so the list of what to skip is walked once. */
static bool was_done(struct partition *p, struct done at)
{
	struct done_list *skip = &p->skip;

	while (skip->first < skip->count && compare_done(&skip->items[skip->first], &at) < 0)
		skip->first++;
	if (skip->first == skip->count || compare_done(&skip->items[skip->first], &at) != 0)
		return false;
	skip->first++;
	return true;
}

bool partition_skips(const struct partition *p)
{
	return p->skip.first < p->skip.count;
}

bool partition_enter(struct partition *p, struct event *event)
{
	struct done at = { event->owner_position, event->part };
	bool done = was_done(p, at);

	if (p->next - p->first == p->places_cap)
		grow(p);
	event->ordinal = p->next++;
	*place_at(p, event->ordinal) = (struct place){ at.offset, at.part, false, INT64_MIN };
	return done;
}

int64_t partition_clock(struct partition *p, uint32_t ordinal, int64_t at_ms)
{
	int64_t before = p->clock_ms;

	p->clocked++;
	if (at_ms > p->clock_ms)
		p->clock_ms = at_ms;
	/* One that was done before the restart may have left the window already. */
	if ((int32_t)(ordinal - p->first) >= 0)
		place_at(p, ordinal)->clock_ms = p->clock_ms;
	else if (p->clock_ms > p->watermark)
		p->watermark = p->clock_ms;
	return before;
}

void partition_finish(struct partition *p, uint32_t ordinal)
{
	place_at(p, ordinal)->done = true;
	while (p->first != p->next && place_at(p, p->first)->done) {
		p->next_offset = place_at(p, p->first)->offset + 1;
		if (place_at(p, p->first)->clock_ms > p->watermark)
			p->watermark = place_at(p, p->first)->clock_ms;
		p->first++;
	}
}

void partition_finish_unwritten(struct partition *p, const struct event *event)
{
	struct done_list *list = &p->unwritten;
	struct done item = { event->owner_position, event->part };
	size_t at;

	partition_finish(p, event->ordinal);
	if (item.offset < partition_next_offset(p))
		return;
	done_list_add(list, item);
	/* Nearly always the last: only a reload comes back to earlier ones. */
	for (at = list->count - 1; at > list->first && compare_done(&list->items[at - 1], &item) > 0; at--)
		list->items[at] = list->items[at - 1];
	list->items[at] = item;
}

uint32_t partition_unfinished(const struct partition *p)
{
	return p->next - p->first;
}

int64_t partition_next_offset(const struct partition *p)
{
	return p->first == p->next ? p->next_offset : place_at(p, p->first)->offset;
}

/* A lane's events come in order, but one with a smaller offset can come to it later, from another lane: after a reload that routes
 * by other rules, or a restart with more lanes or fewer. */
static void put_in_order(struct done *items, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (compare_done(&items[i - 1], &items[i]) > 0) {
			qsort(items, count, sizeof *items, compare_done);
			return;
		}
	}
}

static void forget_below(struct done_list *list, int64_t next_offset)
{
	while (list->first < list->count && list->items[list->first].offset < next_offset)
		list->first++;
}

/* Two ascending lists as one; out has room for both. */
static size_t merge(struct done *out, const struct done *a, size_t a_count, const struct done *b, size_t b_count)
{
	size_t count = 0;

	while (a_count || b_count) {
		if (!b_count || (a_count && compare_done(a, b) <= 0)) {
			out[count++] = *a++;
			a_count--;
		} else {
			out[count++] = *b++;
			b_count--;
		}
	}
	return count;
}

struct progress_row partition_row(struct partition *p, int32_t lane, struct event *const *events, size_t count, struct arena *arena)
{
	struct partition_lane *mine = &p->lanes[lane];
	struct done_list *done = &mine->done;
	struct progress_row row = {
		.topic = p->topic,
		.partition = p->number,
		.lane = lane,
		.next_offset = partition_next_offset(p),
		.epoch = p->epoch,
		.seq = mine->seq + 1,
		.watermark = p->watermark,
	};
	struct done *now, *written, *all;
	size_t most, total;

	forget_below(done, row.next_offset);
	forget_below(&p->unwritten, row.next_offset);
	most = done->count - done->first + count + p->unwritten.count - p->unwritten.first;
	now = arena_alloc(arena, (count + 1) * sizeof *now);
	written = arena_alloc(arena, (most + 1) * sizeof *written);
	all = arena_alloc(arena, (most + 1) * sizeof *all);
	for (size_t i = 0; i < count; i++)
		now[i] = (struct done){ events[i]->owner_position, events[i]->part };
	put_in_order(now, count);
	row.events = now;
	row.event_count = count;
	/* The events join the lane's list for good when they are committed. */
	total = merge(written, done->items + done->first, done->count - done->first, now, count);
	total = merge(all, written, total, p->unwritten.items + p->unwritten.first, p->unwritten.count - p->unwritten.first);
	buf_clear(&p->encoded);
	progress_encode(&p->encoded, row.next_offset, all, total);
	row.done = arena_copy(arena, buf_view(&p->encoded));
	return row;
}

struct progress_row partition_row_in_order(struct partition *p, int32_t lane, struct event *const *events, size_t count)
{
	struct progress_row row = {
		.topic = p->topic,
		.partition = p->number,
		.lane = lane,
		.next_offset = p->next_offset,
		.epoch = p->epoch,
		.seq = p->lanes[lane].seq + 1,
		.watermark = p->watermark,
	};
	size_t i = 0;

	for (uint32_t o = p->first; o != p->next; o++) {
		const struct place *place = place_at(p, o);

		if (i < count && events[i]->ordinal == o) {
			i++;
		} else if (!place->done) {
			row.next_offset = place->offset;
			row.next_part = place->part;
			break;
		}
		row.next_offset = place->offset + 1;
	}
	return row;
}

void partition_committed(struct partition *p, const struct progress_row *row)
{
	struct partition_lane *mine = &p->lanes[row->lane];

	mine->seq = row->seq;
	if (row->watermark > p->saved_ms)
		p->saved_ms = row->watermark;
	if (row->next_offset > p->written_offset)
		p->written_offset = row->next_offset;
	for (size_t i = 0; i < row->event_count; i++)
		done_list_add(&mine->done, row->events[i]);
	put_in_order(mine->done.items + mine->done.first, mine->done.count - mine->done.first);
}

void done_list_add(struct done_list *list, struct done item)
{
	if (list->first > list->cap / 2) { /* more room before than behind: move to the front instead of growing */
		memmove(list->items, list->items + list->first, (list->count - list->first) * sizeof *list->items);
		list->count -= list->first;
		list->first = 0;
	}
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 64;
		list->items = realloc(list->items, list->cap * sizeof *list->items);
		BUG_IF(!list->items);
	}
	list->items[list->count++] = item;
}

void done_list_free(struct done_list *list)
{
	free(list->items);
	*list = (struct done_list){ 0 };
}

static void put_leb128(struct buf *out, uint64_t number)
{
	do {
		uint8_t byte = number & 0x7f;

		number >>= 7;
		buf_char(out, (char)(number ? byte | 0x80 : byte));
	} while (number);
}

static bool get_leb128(struct slice *bytes, uint64_t *number)
{
	*number = 0;
	for (unsigned shift = 0; bytes->n && shift < 64; shift += 7) {
		uint8_t byte = (uint8_t)*bytes->p++;

		bytes->n--;
		*number |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

void progress_encode(struct buf *out, int64_t next_offset, const struct done *items, size_t count)
{
	int64_t before = next_offset;

	for (size_t i = 0; i < count; i++) {
		if (items[i].offset < next_offset)
			continue;
		put_leb128(out, (uint64_t)(items[i].offset - before) << 1 | (items[i].part != 0));
		if (items[i].part)
			put_leb128(out, items[i].part);
		before = items[i].offset;
	}
}

int progress_decode(struct slice bytes, int64_t next_offset, struct done_list *list, struct error *err)
{
	int64_t offset = next_offset;

	if (next_offset < -1)
		return error_set(err, "its next_offset is %lld", (long long)next_offset);
	while (bytes.n) {
		uint64_t step, part = 0;

		if (!get_leb128(&bytes, &step) || ((step & 1) && !get_leb128(&bytes, &part)) || part > UINT32_MAX ||
		    step >> 1 > (uint64_t)INT64_MAX - (uint64_t)offset)
			return error_set(err, "its list of done offsets cannot be read");
		offset += (int64_t)(step >> 1);
		done_list_add(list, (struct done){ offset, (uint32_t)part });
	}
	return 0;
}
