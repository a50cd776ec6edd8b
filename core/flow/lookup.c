#include "flow/lookup.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"

enum { LISTED = 'L', SINGLE = 'S', LIST_MOST = 1000, FIRST_KEYS = 256, FIRST_BYTES = 256, LINE = 64 };

struct looked *lookup_none(enum lookup_lack lack)
{
	static struct looked none[] = {
		[LOOKUP_FOUND] = { .lacks = LOOKUP_FOUND }, [LOOKUP_ABSENT] = { .lacks = LOOKUP_ABSENT }, [LOOKUP_FAULT] = { .lacks = LOOKUP_FAULT }
	};

	return &none[lack];
}

/* ---- by age ---- */

static void take_out(struct lookups *lookups, struct looked *entry)
{
	*(entry->older ? &entry->older->newer : &lookups->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &lookups->newest) = entry->older;
}

static void append(struct lookups *lookups, struct looked *entry)
{
	entry->newer = NULL;
	entry->older = lookups->newest;
	*(lookups->newest ? &lookups->newest->newer : &lookups->oldest) = entry;
	lookups->newest = entry;
}

/* ---- by key ---- */

static void put(struct lookups *lookups, const void *bytes, size_t n)
{
	struct batch_key *name = &lookups->name;

	if (name->n + n > name->cap) {
		char *p = arena_alloc(&lookups->arena, name->cap = (name->n + n) * 2 + FIRST_BYTES);

		if (name->n)
			memcpy(p, name->p, name->n);
		name->p = p;
	}
	if (n)
		memcpy(name->p + name->n, bytes, n);
	name->n += n;
}

/* Number of the look-up, how it is asked for, the key. */
static void begin_name(struct lookups *lookups, const struct lookup *of, char how)
{
	put(lookups, &of->number, sizeof of->number);
	put(lookups, &how, 1);
}

/* The values as they are: the database may find two of them equal, which are then two entries. */
static void name_single(struct lookups *lookups, const struct lookup *of, const struct value *key)
{
	begin_name(lookups, of, SINGLE);
	for (uint32_t i = 0; i < of->by_count; i++) {
		put(lookups, &key[i].kind, sizeof key[i].kind);
		put(lookups, &key[i].n, sizeof key[i].n);
		put(lookups, key[i].p, key[i].n);
	}
}

/* So that keys that the database finds equal are one. False: only the database can tell. */
static bool name_listed(struct lookups *lookups, const struct lookup *of, const struct value *key)
{
	struct batch_key *equal = &lookups->equal;
	struct change change = { .values = (struct value *)key, .count = of->by_count };

	equal->arena = &lookups->arena;
	memset(equal->forms, 0, sizeof equal->forms);
	if (!of->listed || !batch_key_encode(equal, &of->keyed, &change))
		return false;
	begin_name(lookups, of, LISTED);
	put(lookups, equal->p, equal->n);
	return true;
}

/* ---- in the table ---- */

static struct lookup_key named(const struct lookups *lookups, size_t at, bool listed)
{
	size_t n = lookups->name.n - at;

	return (struct lookup_key){ .at = at, .n = n, .hash = XXH3_64bits(lookups->name.p + at, n), .listed = listed };
}

static struct looked *find(const struct lookups *lookups, const struct lookup_key *key)
{
	size_t mask = lookups->slot_count - 1;

	for (size_t i = key->hash & mask; lookups->slot_count && lookups->slots[i].entry; i = (i + 1) & mask) {
		struct looked *entry = lookups->slots[i].entry;

		if (lookups->slots[i].hash == key->hash && entry->key_n == key->n && memcmp(entry->key, lookups->name.p + key->at, key->n) == 0)
			return entry;
	}
	return NULL;
}

/* Of the one key that is named. */
static struct looked *find_only(const struct lookups *lookups)
{
	struct lookup_key key = named(lookups, 0, true);

	return find(lookups, &key);
}

static void place(struct lookups *lookups, struct looked *entry)
{
	size_t mask = lookups->slot_count - 1, i = entry->hash & mask;

	while (lookups->slots[i].entry)
		i = (i + 1) & mask;
	lookups->slots[i] = (struct lookup_slot){ entry->hash, entry };
}

static void make_room(struct lookups *lookups)
{
	if ((lookups->count + 1) * 2 <= lookups->slot_count)
		return;
	lookups->bytes -= lookups->slot_count * sizeof *lookups->slots;
	lookups->slot_count = lookups->slot_count ? lookups->slot_count * 2 : FIRST_KEYS;
	lookups->bytes += lookups->slot_count * sizeof *lookups->slots;
	free(lookups->slots);
	lookups->slots = calloc(lookups->slot_count, sizeof *lookups->slots);
	BUG_IF(!lookups->slots);
	for (struct looked *entry = lookups->oldest; entry; entry = entry->newer)
		place(lookups, entry);
}

/* What stands behind it, up to a free slot, moves up where it would not be found any more. */
static void take_out_slot(struct lookups *lookups, const struct looked *entry)
{
	size_t mask = lookups->slot_count - 1, hole = entry->hash & mask;

	while (lookups->slots[hole].entry != entry)
		hole = (hole + 1) & mask;
	for (size_t i = (hole + 1) & mask; lookups->slots[i].entry; i = (i + 1) & mask) {
		size_t home = lookups->slots[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			lookups->slots[hole] = lookups->slots[i];
			hole = i;
		}
	}
	lookups->slots[hole].entry = NULL;
}

static struct looked *add(struct lookups *lookups, struct lookup *of, const struct lookup_key *key)
{
	struct looked *entry = calloc(1, sizeof *entry + key->n);

	BUG_IF(!entry);
	entry->key = memcpy(entry + 1, lookups->name.p + key->at, key->n);
	entry->key_n = key->n;
	entry->hash = key->hash;
	entry->of = of;
	entry->single = !key->listed;
	make_room(lookups);
	place(lookups, entry);
	lookups->count++;
	append(lookups, entry);
	lookups->bytes += sizeof *entry + key->n;
	return entry;
}

/* ---- what is wanted ---- */

static void want(struct lookups *lookups, struct looked *entry, const struct value *key, struct arena *arena)
{
	size_t size = entry->of->by_count * sizeof *key;

	entry->asked = true;
	entry->outdated = entry->found = false;
	entry->version = entry->of->version;
	entry->intake = lookups->intake;
	entry->by = memcpy(arena_alloc(arena, size), key, size);
	if (lookups->wanted_count == lookups->wanted_cap) {
		lookups->wanted_cap = lookups->wanted_cap ? lookups->wanted_cap * 2 : FIRST_KEYS;
		lookups->wanted = realloc(lookups->wanted, lookups->wanted_cap * sizeof(*lookups->wanted));
		BUG_IF(!lookups->wanted);
	}
	lookups->wanted[lookups->wanted_count++] = entry;
}

static bool is_fresh(const struct lookups *lookups, const struct looked *entry)
{
	if (entry->outdated || entry->version != entry->of->version)
		return false;
	return (lookups->same_intake && entry->intake == lookups->intake) ||
	       (lookups->now_ms < entry->loaded_ms + entry->of->ttl_ms && lookups->now_ms >= entry->loaded_ms);
}

void lookup_names_begin(struct lookups *lookups)
{
	lookups->name.n = 0;
}

struct lookup_key lookup_name(struct lookups *lookups, struct lookup *of, const struct value *values)
{
	size_t at = lookups->name.n;
	bool listed = name_listed(lookups, of, values);
	struct lookup_key key;

	if (!listed) {
		name_single(lookups, of, values);
		of->singles = true;
	}
	key = named(lookups, at, listed);
	if (lookups->slot_count)
		__builtin_prefetch(&lookups->slots[key.hash & (lookups->slot_count - 1)]);
	return key;
}

void lookup_hint_entry(const struct lookups *lookups, uint64_t hash)
{
	size_t mask = lookups->slot_count - 1;

	for (size_t i = hash & mask; lookups->slot_count && lookups->slots[i].entry; i = (i + 1) & mask) {
		if (lookups->slots[i].hash == hash) {
			__builtin_prefetch(lookups->slots[i].entry);
			__builtin_prefetch((const char *)lookups->slots[i].entry + LINE);
			return;
		}
	}
}

struct looked *lookup_want(struct lookups *lookups, struct lookup *of, const struct lookup_key *name, const struct value *key, struct arena *arena)
{
	struct looked *entry = find(lookups, name);

	if (!entry)
		want(lookups, entry = add(lookups, of, name), key, arena);
	else if (!entry->asked && !is_fresh(lookups, entry))
		want(lookups, entry, key, arena);
	else if (entry->values) /* its event reads it soon */
		__builtin_prefetch(entry->values);
	entry->used = true;
	return entry;
}

/* ---- questions and answers ---- */

static int by_look_up(const void *a, const void *b)
{
	const struct looked *x = *(struct looked *const *)a, *y = *(struct looked *const *)b;

	if (x->of != y->of)
		return x->of->number < y->of->number ? -1 : 1;
	return (int)x->single - (int)y->single;
}

size_t lookup_questions(struct lookups *lookups, struct arena *arena, const struct look **looks)
{
	struct look *list = arena_zalloc(arena, (lookups->wanted_count + 1) * sizeof *list), *last = NULL;
	size_t count = 0;

	if (!lookups->wanted_count)
		return 0;
	qsort(lookups->wanted, lookups->wanted_count, sizeof(*lookups->wanted), by_look_up);
	for (size_t i = 0; i < lookups->wanted_count; i++) {
		struct looked *entry = lookups->wanted[i];
		const struct lookup *of = entry->of;

		if (!last || last->lookup != of || entry->single || last->key_count == LIST_MOST) {
			last = &list[count++];
			*last = (struct look){ .lookup = entry->of,
					       .single = entry->single ? entry : NULL,
					       .table = of->table,
					       .by = of->by_at,
					       .by_count = of->by_count,
					       .columns = of->columns,
					       .column_count = of->column_count,
					       .keys = arena_alloc(arena, (entry->single ? 1 : LIST_MOST) * sizeof *last->keys) };
		}
		last->keys[last->key_count++] = entry->by;
	}
	*looks = list;
	return count;
}

static void forget_values(struct lookups *lookups, struct looked *entry)
{
	lookups->bytes -= entry->bytes;
	free(entry->values);
	entry->values = NULL;
	entry->bytes = 0;
}

static void set_values(struct lookups *lookups, struct looked *entry, const struct value *cells)
{
	uint32_t count = entry->of->column_count;
	size_t bytes = count * sizeof *cells;
	char *text;

	forget_values(lookups, entry);
	for (uint32_t i = 0; i < count; i++)
		bytes += cells[i].n;
	entry->values = malloc(bytes + 1);
	BUG_IF(!entry->values);
	text = (char *)(entry->values + count);
	for (uint32_t i = 0; i < count; i++) {
		entry->values[i] = cells[i];
		entry->values[i].ready = true;
		if (cells[i].n)
			memcpy(text, cells[i].p, cells[i].n);
		entry->values[i].p = text;
		text += cells[i].n;
	}
	entry->bytes = bytes;
	lookups->bytes += bytes;
}

void lookup_found(struct lookups *lookups, const struct look *look, const struct value *cells)
{
	struct looked *entry = look->single;

	lookup_names_begin(lookups);
	if (!entry && name_listed(lookups, look->lookup, cells))
		entry = find_only(lookups);
	if (entry && entry->asked) {
		entry->found = true;
		set_values(lookups, entry, cells + look->by_count);
	}
}

void lookup_loaded(struct lookups *lookups)
{
	for (size_t i = 0; i < lookups->wanted_count; i++) {
		struct looked *entry = lookups->wanted[i];

		if (!entry->found)
			forget_values(lookups, entry);
		entry->asked = false;
		entry->by = NULL;
		entry->loaded_ms = lookups->now_ms;
	}
	lookups->wanted_count = 0;
}

void lookup_changed(struct lookups *lookups, struct lookup *of, const struct change *change)
{
	struct value key[TARGET_KEY_MOST];
	struct looked *entry;

	lookup_names_begin(lookups);
	for (uint32_t i = 0; i < of->by_count; i++)
		key[i] = of->by_at[i] < change->count ? change->values[of->by_at[i]] : (struct value){ 0 };
	if (!of->is_key || of->singles || !name_listed(lookups, of, key)) {
		of->version++;
		return;
	}
	entry = find_only(lookups);
	if (entry)
		entry->outdated = true;
}

/* ---- an end ---- */

static void forget(struct lookups *lookups, struct looked *entry)
{
	take_out_slot(lookups, entry);
	lookups->count--;
	take_out(lookups, entry);
	forget_values(lookups, entry);
	lookups->bytes -= sizeof *entry + entry->key_n;
	free(entry);
}

void lookup_trim(struct lookups *lookups)
{
	while (!lookups->busy && lookups->oldest && lookups->bytes > lookups->bytes_most) {
		struct looked *entry = lookups->oldest;

		if (!entry->used) {
			forget(lookups, entry);
			continue;
		}
		entry->used = false; /* a second chance, which costs those that are found nothing */
		take_out(lookups, entry);
		append(lookups, entry);
	}
}

void lookup_clear(struct lookups *lookups)
{
	lookups->wanted_count = 0;
	lookups->busy = 0;
	while (lookups->oldest)
		forget(lookups, lookups->oldest);
	lookups->bytes -= lookups->slot_count * sizeof *lookups->slots;
	free(lookups->slots);
	free(lookups->wanted);
	lookups->slots = NULL;
	lookups->slot_count = 0;
	lookups->wanted = NULL;
	lookups->wanted_cap = 0;
	lookups->name = lookups->equal = (struct batch_key){ 0 };
	arena_free(&lookups->arena);
}
