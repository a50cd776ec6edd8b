#include "flow/state.h"

#include <stdlib.h>

#include "base/error.h"
#include "flow/window.h"

/* ---- by due time ---- */

static void place(struct state_heap *heap, enum state_clock clock, struct state_entry *entry, size_t at)
{
	heap->items[at - 1] = entry;
	entry->place[clock] = at;
}

/* Moves the entry up from a free place, then down, to where it belongs. */
static void settle(struct state_heap *heap, enum state_clock clock, struct state_entry *entry, size_t at)
{
	while (at > 1 && heap->items[at / 2 - 1]->at[clock] > entry->at[clock]) {
		place(heap, clock, heap->items[at / 2 - 1], at);
		at /= 2;
	}
	for (size_t child; (child = 2 * at) <= heap->count; at = child) {
		if (child < heap->count && heap->items[child]->at[clock] < heap->items[child - 1]->at[clock])
			child++;
		if (heap->items[child - 1]->at[clock] >= entry->at[clock])
			break;
		place(heap, clock, heap->items[child - 1], at);
	}
	place(heap, clock, entry, at);
}

static void heap_take_out(struct state_heap *heap, enum state_clock clock, struct state_entry *entry)
{
	struct state_entry *last = heap->items[heap->count - 1];
	size_t at = entry->place[clock];

	entry->place[clock] = 0;
	heap->count--;
	if (last != entry)
		settle(heap, clock, last, at);
}

static void heap_put(struct state_heap *heap, enum state_clock clock, struct state_entry *entry)
{
	if (entry->at[clock] == STATE_NO_TIME || !entry->partition) {
		if (entry->place[clock])
			heap_take_out(heap, clock, entry);
		return;
	}
	if (!entry->place[clock]) {
		if (heap->count == heap->cap) {
			heap->cap = heap->cap ? heap->cap * 2 : 64;
			heap->items = realloc(heap->items, heap->cap * sizeof(*heap->items));
			BUG_IF(!heap->items);
		}
		entry->place[clock] = ++heap->count;
	}
	settle(heap, clock, entry, entry->place[clock]);
}

struct state_entry *state_first_due(const struct state_owner *owner, enum state_clock clock)
{
	return owner->due[clock].count ? owner->due[clock].items[0] : NULL;
}

void state_take_due(struct state_entry *entry, enum state_clock clock)
{
	if (entry->place[clock])
		heap_take_out(&entry->owner->due[clock], clock, entry);
}

void state_reached(struct state_reach *reach, int64_t at, struct slice map, struct slice key, bool all)
{
	reach->begun = true;
	reach->all = all;
	reach->at = at;
	buf_clear(&reach->map);
	buf_clear(&reach->key);
	buf_slice(&reach->map, map);
	buf_slice(&reach->key, key);
}

void state_unreach(struct state_owner *owner, enum state_clock clock, int64_t at)
{
	struct state_reach *reach = &owner->reach[clock];

	if (at == INT64_MIN)
		reach->begun = false;
	else if (reach->begun && (reach->all || at <= reach->at))
		state_reached(reach, at, SLICE(""), SLICE(""), false); /* before all that are due then */
}

void state_owner_deinit(struct state_owner *owner)
{
	for (int clock = 0; clock < STATE_CLOCKS; clock++) {
		free(owner->due[clock].items);
		buf_free(&owner->reach[clock].map);
		buf_free(&owner->reach[clock].key);
	}
	*owner = (struct state_owner){ 0 };
}

/* ---- by last use ---- */

static void unlink_entry(struct state_cache *cache, struct state_entry *entry)
{
	*(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
}

static void append(struct state_cache *cache, struct state_entry *entry)
{
	entry->newer = NULL;
	entry->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
}

/* ---- by name ---- */

/* Script, map and key in one run of bytes; a zero byte ends the map, and none is in it. */
static size_t make_name(struct state_cache *cache, const struct state_owner *owner, struct slice map, struct slice key)
{
	size_t n = sizeof owner->number + map.n + 1 + key.n;

	if (n > cache->name_cap) {
		cache->name_cap = n * 2;
		free(cache->name);
		cache->name = malloc(cache->name_cap);
		BUG_IF(!cache->name);
	}
	memcpy(cache->name, &owner->number, sizeof owner->number);
	if (map.n)
		memcpy(cache->name + sizeof owner->number, map.p, map.n);
	cache->name[sizeof owner->number + map.n] = 0;
	memcpy(cache->name + n - key.n, key.p, key.n);
	return n;
}

static struct state_entry *find_name(struct state_cache *cache, size_t n)
{
	struct state_entry *entry;

	HASH_FIND(hh, cache->entries, cache->name, n, entry);
	return entry;
}

struct state_entry *state_find(struct state_cache *cache, const struct state_owner *owner, struct slice map, struct slice key)
{
	return find_name(cache, make_name(cache, owner, map, key));
}

static struct state_entry *add(struct state_cache *cache, struct state_owner *owner, struct slice map, size_t n)
{
	/* The name stands behind the entry. */
	struct state_entry *entry = calloc(1, sizeof *entry + n);
	char *name = (char *)(entry + 1);
	size_t head = sizeof owner->number + map.n + 1;

	BUG_IF(!entry);
	memcpy(name, cache->name, n);
	entry->id = ++cache->next_id;
	entry->owner = owner;
	entry->map = (struct slice){ name + sizeof owner->number, map.n };
	entry->key = (struct slice){ name + head, n - head };
	for (int clock = 0; clock < STATE_CLOCKS; clock++)
		entry->at[clock] = STATE_NO_TIME;
	HASH_ADD_KEYPTR(hh, cache->entries, name, n, entry);
	append(cache, entry);
	cache->bytes += sizeof *entry + n;
	owner->entries++;
	if (cache->wanted_count == cache->wanted_cap) {
		cache->wanted_cap = cache->wanted_cap ? cache->wanted_cap * 2 : 256;
		cache->wanted = realloc(cache->wanted, cache->wanted_cap * sizeof(*cache->wanted));
		BUG_IF(!cache->wanted);
	}
	cache->wanted[cache->wanted_count++] = entry;
	return entry;
}

struct state_entry *state_want(struct state_cache *cache, struct state_owner *owner, struct slice map, struct slice key)
{
	size_t n = make_name(cache, owner, map, key);
	struct state_entry *entry = find_name(cache, n);

	if (!entry)
		return add(cache, owner, map, n);
	if (entry != cache->newest) {
		unlink_entry(cache, entry);
		append(cache, entry);
	}
	return entry;
}

/* ---- what they hold ---- */

static void store(struct state_cache *cache, struct slice *to, size_t *cap, struct slice text)
{
	char *p = (char *)to->p;

	if (text.n > *cap) {
		cache->bytes += text.n - *cap;
		*cap = text.n;
		free(p);
		p = malloc(text.n);
		BUG_IF(!p);
	}
	if (text.n)
		memmove(p, text.p, text.n);
	*to = (struct slice){ p, text.n };
}

void state_hold_panes(struct state_cache *cache, struct state_entry *entry, struct panes *panes)
{
	if (entry->panes) {
		cache->bytes -= entry->panes->bytes;
		if (entry->panes != panes)
			panes_free(entry->panes);
	}
	entry->panes = panes;
	if (!panes)
		return;
	panes->bytes = panes_bytes(panes);
	cache->bytes += panes->bytes;
}

void state_set(struct state_cache *cache, struct state_entry *entry, struct partition *partition, struct slice value, struct slice timers,
	       const int64_t at[STATE_CLOCKS], int32_t version)
{
	entry->partition = partition;
	state_hold_panes(cache, entry, NULL);
	store(cache, &entry->value, &entry->value_cap, value);
	store(cache, &entry->timers, &entry->timers_cap, timers);
	entry->version = version;
	for (int clock = 0; clock < STATE_CLOCKS; clock++) {
		entry->at[clock] = at[clock];
		heap_put(&entry->owner->due[clock], (enum state_clock)clock, entry);
	}
}

void state_loaded(struct state_cache *cache)
{
	for (size_t i = 0; i < cache->wanted_count; i++)
		cache->wanted[i]->loaded = true;
	cache->wanted_count = 0;
}

void state_forget(struct state_cache *cache, struct state_entry *entry)
{
	for (size_t i = 0; !entry->loaded && i < cache->wanted_count; i++)
		if (cache->wanted[i] == entry)
			cache->wanted[i--] = cache->wanted[--cache->wanted_count];
	for (int clock = 0; clock < STATE_CLOCKS; clock++)
		if (entry->place[clock])
			heap_take_out(&entry->owner->due[clock], (enum state_clock)clock, entry);
	HASH_DEL(cache->entries, entry);
	entry->owner->entries--;
	unlink_entry(cache, entry);
	state_hold_panes(cache, entry, NULL);
	cache->bytes -= sizeof *entry + entry->hh.keylen + entry->value_cap + entry->timers_cap;
	free((char *)entry->value.p);
	free((char *)entry->timers.p);
	free(entry);
}

void state_unwant(struct state_cache *cache)
{
	for (size_t i = cache->wanted_count; i > 0; i--)
		if (!cache->wanted[i - 1]->users)
			state_forget(cache, cache->wanted[i - 1]);
}

void state_trim(struct state_cache *cache, void (*gone)(void *ctx, const struct state_entry *entry), void *ctx)
{
	for (struct state_entry *entry = cache->oldest, *next; entry && cache->bytes > cache->bytes_most; entry = next) {
		next = entry->newer;
		if (entry->users || !entry->loaded)
			continue;
		gone(ctx, entry);
		state_forget(cache, entry);
	}
}

void state_clear(struct state_cache *cache)
{
	cache->wanted_count = 0;
	while (cache->oldest) {
		cache->oldest->loaded = true;
		state_forget(cache, cache->oldest);
	}
	free(cache->wanted);
	free(cache->name);
	cache->wanted = NULL;
	cache->name = NULL;
	cache->wanted_cap = cache->name_cap = 0;
}
