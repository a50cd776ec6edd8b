#include "flow/window.h"

#include <stdlib.h>

#include "flow/state.h"

/* ---- panes ---- */

static struct pane *new_pane(const struct window *window, int64_t start, int64_t end)
{
	struct pane *pane = calloc(1, sizeof *pane + window->count * sizeof(*pane->accumulators));

	BUG_IF(!pane);
	pane->start = start;
	pane->end = end;
	pane->count = window->count;
	return pane;
}

static void free_pane(struct pane *pane)
{
	for (uint32_t i = 0; i < pane->count; i++)
		accumulator_free(&pane->accumulators[i]);
	buf_free(&pane->made);
	free(pane);
}

static size_t place_of(const struct panes *panes, int64_t start)
{
	size_t low = 0, high = panes->count;

	if (high && panes->list[high - 1]->start < start)
		return high;
	while (low < high) {
		size_t middle = (low + high) / 2;

		*(panes->list[middle]->start < start ? &low : &high) = panes->list[middle]->start < start ? middle + 1 : middle;
	}
	return low;
}

static void insert(struct panes *panes, struct pane *pane)
{
	size_t at = place_of(panes, pane->start);

	if (panes->count == panes->cap) {
		panes->cap = panes->cap ? panes->cap * 2 : 2;
		panes->list = realloc(panes->list, panes->cap * sizeof(*panes->list));
		BUG_IF(!panes->list);
	}
	memmove(panes->list + at + 1, panes->list + at, (panes->count - at) * sizeof(*panes->list));
	panes->list[at] = pane;
	panes->count++;
}

static void take_out(struct panes *panes, size_t at)
{
	panes->count--;
	memmove(panes->list + at, panes->list + at + 1, (panes->count - at) * sizeof(*panes->list));
}

void panes_free(struct panes *panes)
{
	if (!panes)
		return;
	for (size_t i = 0; i < panes->count; i++)
		free_pane(panes->list[i]);
	free(panes->list);
	free(panes);
}

size_t panes_bytes(const struct panes *panes)
{
	size_t bytes = sizeof *panes + panes->cap * sizeof(*panes->list);

	for (size_t i = 0; i < panes->count; i++) {
		const struct pane *pane = panes->list[i];

		bytes += sizeof *pane + pane->count * sizeof(*pane->accumulators) + pane->made.cap;
		for (uint32_t a = 0; a < pane->count; a++)
			bytes += accumulator_bytes(&pane->accumulators[a]);
	}
	return bytes;
}

void window_deinit(struct window *window)
{
	for (size_t i = 0; i < window->merged_cap; i++)
		buf_free(&window->merged[i].made);
	free(window->merged);
	free(window->touched);
	window->merged = NULL;
	window->touched = NULL;
}

/* ---- their text ---- */

static void encode_accumulators(const struct window *window, const struct pane *pane, struct buf *out)
{
	char before = '{';

	if (window->in_lua) {
		buf_slice(out, pane->made.n ? buf_view(&pane->made) : SLICE("{}"));
		return;
	}
	for (uint32_t i = 0; i < window->count; i++) {
		if (!pane->accumulators[i].set)
			continue;
		buf_char(out, before);
		before = ',';
		buf_slice(out, window->aggregates[i].label);
		accumulator_encode(&window->aggregates[i], &pane->accumulators[i], out);
	}
	if (before == '{')
		buf_char(out, '{');
	buf_char(out, '}');
}

void panes_encode(const struct window *window, const struct panes *panes, bool otherwise, struct buf *out)
{
	char before = '{';

	for (size_t i = 0; i < panes->count; i++) {
		const struct pane *pane = panes->list[i];
		bool fired = otherwise && pane->firing;

		if (otherwise && pane->closing)
			continue;
		buf_char(out, before);
		before = ',';
		buf_char(out, '"');
		buf_int(out, pane->start);
		buf_text(out, "\":{\"a\":");
		encode_accumulators(window, pane, out);
		if (pane->changed && !fired)
			buf_text(out, ",\"d\":true");
		buf_text(out, ",\"e\":");
		buf_int(out, pane->end);
		if (pane->written || fired)
			buf_text(out, ",\"f\":true");
		buf_text(out, ",\"n\":");
		buf_int(out, pane->n);
		buf_char(out, '}');
	}
	if (before == ',')
		buf_char(out, '}');
}

static int decode_pane(const struct window *window, struct panes *panes, const struct json_node *nodes, const struct json_node *node)
{
	const struct json_node *a = json_member(nodes, node, "a"), *e = json_member(nodes, node, "e"), *n = json_member(nodes, node, "n");
	const struct json_node *f = json_member(nodes, node, "f"), *d = json_member(nodes, node, "d");
	struct value name = { .p = node->name.p, .n = (uint32_t)node->name.n, .kind = VALUE_NUMBER };
	struct pane *pane;
	int64_t start, end, rows;

	if (!a || a->value.kind != VALUE_JSON || !e || !n || !value_is_integer(&name, &start) || !value_is_integer(&e->value, &end) ||
	    !value_is_integer(&n->value, &rows))
		return -1;
	pane = new_pane(window, start, end);
	insert(panes, pane);
	pane->n = rows;
	pane->written = f && f->value.kind == VALUE_TRUE;
	pane->changed = d && d->value.kind == VALUE_TRUE;
	if (window->in_lua)
		buf_append(&pane->made, a->value.p, a->value.n);
	for (uint32_t i = 0; i < window->count; i++) {
		const struct aggregate *aggregate = &window->aggregates[i];
		const struct json_node *held = NULL;

		for (const struct json_node *one = a + 1; a->expanded && one < nodes + a->end; one = nodes + one->end)
			if (slice_equal(one->name, aggregate->name))
				held = one;
		if (held && accumulator_decode(aggregate, &pane->accumulators[i], nodes, held) < 0)
			return -1;
	}
	return 0;
}

struct panes *panes_decode(const struct window *window, struct json *json, struct slice text, struct arena *arena, struct error *err)
{
	enum { DEPTH_OF_TEXT = 2, DEPTH_OF_ACCUMULATORS = 6 };
	struct panes *panes = calloc(1, sizeof *panes);
	const struct json_node *nodes;
	char *padded;

	BUG_IF(!panes);
	if (!text.n)
		return panes;
	padded = arena_zalloc(arena, text.n + JSON_PADDING);
	memcpy(padded, text.p, text.n);
	if (json_read(json, (struct slice){ padded, text.n }, window->in_lua ? DEPTH_OF_TEXT : DEPTH_OF_ACCUMULATORS, NULL, arena, &nodes, err) < 0)
		goto fail;
	if (nodes->value.kind != VALUE_JSON || !nodes->object)
		goto unknown;
	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end)
		if (decode_pane(window, panes, nodes, node) < 0)
			goto unknown;
	return panes;
unknown:
	error_set(err, "this state is not what the script's window keeps: did the script have other aggregates of these names? %.*s",
		  (int)(text.n < 200 ? text.n : 200), text.p);
fail:
	panes_free(panes);
	return NULL;
}

int64_t panes_due(const struct window *window, const struct panes *panes, bool otherwise)
{
	int64_t due = STATE_NO_TIME;

	for (size_t i = 0; i < panes->count; i++) {
		int64_t end = panes->list[i]->end;

		if (!(otherwise && panes->list[i]->closing) && (due == STATE_NO_TIME || (window->final ? end < due : end > due)))
			due = end;
	}
	return due;
}

/* ---- an event ---- */

void panes_close(struct panes *panes, int64_t watermark)
{
	for (size_t i = panes->count; i-- > 0;) {
		if (panes->list[i]->end > watermark)
			continue;
		free_pane(panes->list[i]);
		take_out(panes, i);
	}
}

static void touch(struct window *window, struct pane *pane)
{
	if (window->touched_count == window->touched_cap) {
		window->touched_cap = window->touched_cap ? window->touched_cap * 2 : 8;
		window->touched = realloc(window->touched, window->touched_cap * sizeof(*window->touched));
		BUG_IF(!window->touched);
	}
	window->touched[window->touched_count++] = pane;
}

static int64_t floor_to(int64_t at, int64_t step)
{
	int64_t rest = at % step;

	return at - (rest < 0 ? rest + step : rest);
}

static void touch_tumbling(struct window *window, struct panes *panes, int64_t at_ms, int64_t watermark)
{
	int64_t last = floor_to(at_ms, window->hop);

	for (int64_t start = last - window->size + window->hop; start <= last; start += window->hop) {
		size_t at = place_of(panes, start);

		if (start + window->size <= watermark)
			continue;
		if (at == panes->count || panes->list[at]->start != start)
			insert(panes, new_pane(window, start, start + window->size));
		touch(window, panes->list[at]);
	}
}

static void note_merged(struct window *window, struct pane *pane)
{
	struct merged *merged;

	if (window->merged_count == window->merged_cap) {
		window->merged_cap = window->merged_cap ? window->merged_cap * 2 : 4;
		window->merged = realloc(window->merged, window->merged_cap * sizeof(*window->merged));
		BUG_IF(!window->merged);
		memset(window->merged + window->merged_count, 0, (window->merged_cap - window->merged_count) * sizeof(*window->merged));
	}
	merged = &window->merged[window->merged_count++];
	merged->start = pane->start;
	merged->written = pane->written || !window->final;
	buf_clear(&merged->made);
	buf_slice(&merged->made, buf_view(&pane->made));
}

static int join(struct window *window, struct panes *panes, int64_t at_ms, int64_t watermark, struct error *err)
{
	struct pane *session = new_pane(window, at_ms, at_ms + window->gap);

	for (size_t i = 0; i < panes->count;) {
		struct pane *other = panes->list[i];

		if (other->start > at_ms + window->gap || other->end < at_ms || other->end <= watermark) {
			i++;
			continue;
		}
		for (uint32_t a = 0; a < window->count; a++)
			if (accumulator_merge(&window->aggregates[a], &session->accumulators[a], &other->accumulators[a], err) < 0) {
				free_pane(session);
				return -1;
			}
		session->n += other->n;
		session->start = other->start < session->start ? other->start : session->start;
		session->end = other->end > session->end ? other->end : session->end;
		note_merged(window, other);
		free_pane(other);
		take_out(panes, i);
	}
	for (size_t i = 0; i < window->merged_count; i++)
		if (window->merged[i].start == session->start)
			session->written = window->merged[i].written && window->final;
	insert(panes, session);
	touch(window, session);
	return 0;
}

void panes_settle(struct panes *panes)
{
	for (size_t i = panes->count; i-- > 0;) {
		if (panes->list[i]->n || panes->list[i]->written)
			continue;
		free_pane(panes->list[i]);
		take_out(panes, i);
	}
}

int panes_touch(struct window *window, struct panes *panes, int64_t at_ms, int64_t watermark, int sign, struct error *err)
{
	window->touched_count = window->merged_count = 0;
	panes_settle(panes); /* what the old image left */
	if (window->gap && sign < 0)
		return error_set(err, "a session cannot take a row back: this window is for streams without updates and deletes");
	if (!window->gap)
		touch_tumbling(window, panes, at_ms, watermark);
	else if (at_ms + window->gap > watermark && join(window, panes, at_ms, watermark, err) < 0)
		return -1;
	for (size_t i = 0; i < window->touched_count; i++) {
		struct pane *pane = window->touched[i];

		pane->n += sign;
		if (pane->n < 0)
			return error_set(err, "a row is taken back from a window that never had it");
		pane->changed = pane->written;
	}
	return window->touched_count > 0;
}

/* ---- its time ---- */

static int by_end(const void *a, const void *b)
{
	const struct pane *x = *(struct pane *const *)a, *y = *(struct pane *const *)b;

	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return (x->start > y->start) - (x->start < y->start);
}

void panes_fire(struct window *window, struct panes *panes, int64_t at_ms, bool ended)
{
	window->touched_count = window->merged_count = 0;
	for (size_t i = 0; i < panes->count; i++) {
		struct pane *pane = panes->list[i];

		pane->closing = pane->end <= at_ms && !ended;
		pane->firing = window->final && (pane->end <= at_ms || ended) && (!pane->written || pane->changed);
		if (pane->firing)
			touch(window, pane);
	}
	if (window->touched_count)
		qsort(window->touched, window->touched_count, sizeof(*window->touched), by_end);
}

void panes_fired(struct panes *panes)
{
	for (size_t i = panes->count; i-- > 0;) {
		struct pane *pane = panes->list[i];

		if (pane->firing) {
			pane->written = true;
			pane->changed = false;
		}
		pane->firing = false;
		if (!pane->closing)
			continue;
		free_pane(pane);
		take_out(panes, i);
	}
}
