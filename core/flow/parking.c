#include "flow/parking.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/progress.h"

enum { BUCKETS_FIRST = 64, TRY_MS_FIRST = 250, TRY_MS_MOST = 10000, KEY_BYTES = 8 };

static uint64_t hash_value(const struct value *value, const struct target_column *column, uint64_t seed)
{
	const char *p = value->p;
	uint32_t n = value->n;
	char folded[256];

	if (value->kind == VALUE_TEXT)
		while (n && p[n - 1] == ' ')
			n--;
	if (column->exact || value->kind != VALUE_TEXT)
		return XXH3_64bits_withSeed(p, n, seed);
	/* A collation may take 'A' for 'a'. What it thinks of accents is not known here. */
	for (uint32_t from = 0; from < n; from += sizeof folded) {
		uint32_t run = n - from < sizeof folded ? n - from : (uint32_t)sizeof folded;

		for (uint32_t i = 0; i < run; i++)
			folded[i] = (char)(p[from + i] >= 'A' && p[from + i] <= 'Z' ? p[from + i] + ('a' - 'A') : p[from + i]);
		seed = XXH3_64bits_withSeed(folded, run, seed);
	}
	return seed;
}

uint64_t parking_hash(const struct change *change)
{
	const struct target *target = change->target;
	uint64_t hash = XXH3_64bits(target->name.p, target->name.n);

	for (uint32_t k = 0; k < target->key_count; k++)
		if (target->key[k] < change->count)
			hash = hash_value(&change->values[target->key[k]], &target->columns[target->key[k]], hash);
	return hash & ~(uint64_t)1;
}

void parking_pack(struct buf *out, const struct event *event)
{
	for (const struct change *change = event->changes; change; change = change->next) {
		uint64_t hash = parking_hash(change) | (change->waits && !change->partial);

		for (int shift = 56; shift >= 0; shift -= 8)
			buf_char(out, (char)(hash >> shift));
	}
}

static uint64_t unpack(const char *p)
{
	uint64_t hash = 0;

	for (int i = 0; i < KEY_BYTES; i++)
		hash = hash << 8 | (uint8_t)p[i];
	return hash;
}

/* ---- the table ---- */

static struct parked_key **bucket(const struct parking *parking, uint64_t hash)
{
	/* The lowest bit is always 0. */
	return &parking->buckets[(hash >> 1) & (parking->bucket_count - 1)];
}

static void put_key(struct parking *parking, struct parked_key *key)
{
	struct parked_key **at = bucket(parking, key->hash);

	key->next = *at;
	*at = key;
}

static void grow(struct parking *parking)
{
	struct parked_key **old = parking->buckets;
	size_t count = parking->bucket_count;

	parking->bucket_count = count ? count * 2 : BUCKETS_FIRST;
	parking->buckets = calloc(parking->bucket_count, sizeof(*parking->buckets));
	BUG_IF(!parking->buckets);
	for (size_t i = 0; i < count; i++) {
		for (struct parked_key *key = old[i], *next; key; key = next) {
			next = key->next;
			put_key(parking, key);
		}
	}
	free(old);
}

static bool is_before(const struct parked *a, int64_t offset, uint32_t part)
{
	return a->offset < offset || (a->offset == offset && a->part < part);
}

/* Nearly always the last. */
static void put_in_order(struct parked *parked)
{
	struct partition *partition = parked->partition;
	struct parked *before = partition->parked_last;

	while (before && !is_before(before, parked->offset, parked->part))
		before = before->previous;
	parked->previous = before;
	parked->next = before ? before->next : partition->parked_first;
	*(parked->next ? &parked->next->previous : &partition->parked_last) = parked;
	*(before ? &before->next : &partition->parked_first) = parked;
	partition->parked_count++;
	partition->parked_keys += parked->key_count;
}

struct parked *parking_add(struct parking *parking, struct partition *partition, int64_t offset, uint32_t part, struct slice keys, uint32_t bytes,
			   int64_t since_ms)
{
	uint32_t count = (uint32_t)(keys.n / KEY_BYTES);
	struct parked *parked = parking_find(partition, offset, part);

	if (parked)
		parking_remove(parking, parked);
	parked = calloc(1, sizeof *parked + count * sizeof *parked->keys);
	BUG_IF(!parked);
	*parked = (struct parked){ .partition = partition, .offset = offset, .part = part, .since_ms = since_ms, .bytes = bytes, .key_count = count };
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash = unpack(keys.p + KEY_BYTES * i);

		parked->keys[i] = (struct parked_key){ .hash = hash & ~(uint64_t)1, .awaited = hash & 1, .parked = parked };
		if (parking->key_count++ >= parking->bucket_count)
			grow(parking);
		put_key(parking, &parked->keys[i]);
	}
	put_in_order(parked);
	parking->stirred = true;
	parking->count++;
	return parked;
}

struct parked *parking_find(const struct partition *partition, int64_t offset, uint32_t part)
{
	struct parked *parked = partition->parked_last;

	while (parked && !is_before(parked, offset, part)) {
		if (parked->offset == offset && parked->part == part)
			return parked;
		parked = parked->previous;
	}
	return NULL;
}

void parking_remove(struct parking *parking, struct parked *parked)
{
	struct partition *partition = parked->partition;

	for (uint32_t i = 0; i < parked->key_count; i++) {
		struct parked_key **at = bucket(parking, parked->keys[i].hash);

		while (*at != &parked->keys[i])
			at = &(*at)->next;
		*at = (*at)->next;
	}
	*(parked->next ? &parked->next->previous : &partition->parked_last) = parked->previous;
	*(parked->previous ? &parked->previous->next : &partition->parked_first) = parked->next;
	partition->parked_count--;
	partition->parked_keys -= parked->key_count;
	parking->key_count -= parked->key_count;
	parking->count--;
	free(parked);
}

size_t parking_back(const struct partition *partition)
{
	size_t count = 0;

	for (const struct parked *parked = partition->parked_first; parked; parked = parked->next)
		count += parked->state == PARKED_BACK;
	return count;
}

void parking_drop(struct parking *parking, struct partition *partition)
{
	while (partition->parked_first)
		parking_remove(parking, partition->parked_first);
}

void parking_free(struct parking *parking)
{
	free(parking->buckets);
	*parking = (struct parking){ 0 };
}

/* ---- order ---- */

bool parking_blocks(const struct parking *parking, const struct partition *partition, const struct change *change)
{
	if (!partition->parked_count)
		return false;
	for (const struct parked_key *key = *bucket(parking, change->key_hash); key; key = key->next)
		if (key->hash == change->key_hash && key->parked->partition == partition && !(key->awaited && change->op == CHANGE_UPSERT))
			return true;
	return false;
}

const struct parked *parking_before(const struct parking *parking, const struct parked *parked, bool (*passes)(void *ctx, const struct parked *older),
				    void *ctx)
{
	for (uint32_t i = 0; i < parked->key_count; i++)
		for (const struct parked_key *key = *bucket(parking, parked->keys[i].hash); key; key = key->next)
			if (key->hash == parked->keys[i].hash && key->parked->partition == parked->partition &&
			    is_before(key->parked, parked->offset, parked->part) && !passes(ctx, key->parked))
				return key->parked;
	return NULL;
}

void parking_wake(struct parking *parking, uint64_t hash)
{
	if (!parking->count)
		return;
	for (struct parked_key *key = *bucket(parking, hash); key; key = key->next)
		if (key->hash == hash) {
			key->parked->next_try_ms = 0;
			key->parked->woken = key->parked->state != PARKED_IDLE;
			parking->stirred = true;
		}
}

static void meet(const struct parking *parking, const struct parked *parked)
{
	for (uint32_t i = 0; i < parked->key_count; i++)
		for (struct parked_key *key = *bucket(parking, parked->keys[i].hash); key; key = key->next)
			if (key->hash == parked->keys[i].hash && key->parked->partition == parked->partition &&
			    is_before(key->parked, parked->offset, parked->part))
				key->parked->next_try_ms = parked->next_try_ms;
}

void parking_again(struct parking *parking, struct parked *parked, int64_t now_ms)
{
	int64_t wait = (int64_t)TRY_MS_FIRST << (parked->tries < 8 ? parked->tries : 8);

	parked->state = PARKED_IDLE;
	parked->event = NULL;
	parked->tries++;
	parking->stirred = true;
	parked->next_try_ms = parked->woken ? 0 : now_ms + (wait < TRY_MS_MOST ? wait : TRY_MS_MOST);
	parked->woken = false;
	meet(parking, parked);
}
