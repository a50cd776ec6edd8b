#include "flow/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { LISTED = 'L', SINGLE = 'S', LIST_MOST = 1000, FIRST_KEYS = 256 };

struct looked *lookup_none(enum lookup_lack lack)
{
	static struct looked none[] = {
		[LOOKUP_FOUND] = { .lacks = LOOKUP_FOUND }, [LOOKUP_ABSENT] = { .lacks = LOOKUP_ABSENT }, [LOOKUP_FAULT] = { .lacks = LOOKUP_FAULT }
	};

	return &none[lack];
}

/* ---- by last use ---- */

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

static void put(struct batch_key *name, const void *bytes, size_t n)
{
	if (name->n + n > name->cap) {
		char *p = arena_alloc(name->arena, name->cap = (name->n + n) * 2);

		memcpy(p, name->p, name->n);
		name->p = p;
	}
	if (n)
		memcpy(name->p + name->n, bytes, n);
	name->n += n;
}

/* The values as they are: the database may find two of them equal, which are then two entries. */
static void put_plain(struct batch_key *name, const struct lookup *of, const struct value *key)
{
	for (uint32_t i = 0; i < of->by_count; i++) {
		put(name, &key[i].kind, sizeof key[i].kind);
		put(name, &key[i].n, sizeof key[i].n);
		put(name, key[i].p, key[i].n);
	}
}

/* So that keys that the database finds equal are one. */
static bool put_equal(struct batch_key *name, const struct lookup *of, const struct value *key)
{
	struct batch_key equal = { .arena = name->arena };
	struct change change = { .values = (struct value *)key, .count = of->by_count };

	if (!of->listed || !batch_key_encode(&equal, &of->keyed, &change))
		return false;
	put(name, equal.p, equal.n);
	return true;
}

/* Number of the look-up, how it is asked for, the key. */
static struct batch_key begin_name(struct lookups *lookups, const struct lookup *of, char how)
{
	struct batch_key name = { .arena = &lookups->keys };

	arena_reset(&lookups->keys);
	name.p = arena_alloc(&lookups->keys, name.cap = FIRST_KEYS);
	put(&name, &of->number, sizeof of->number);
	put(&name, &how, 1);
	return name;
}

static struct batch_key listed_name(struct lookups *lookups, const struct lookup *of, const struct value *key, bool *listed)
{
	struct batch_key name = begin_name(lookups, of, LISTED);

	*listed = put_equal(&name, of, key);
	return name;
}

static struct looked *find(struct lookups *lookups, const struct batch_key *name)
{
	struct looked *entry;

	HASH_FIND(hh, lookups->entries, name->p, name->n, entry);
	return entry;
}

static struct looked *add(struct lookups *lookups, struct lookup *of, const struct batch_key *name)
{
	struct looked *entry = calloc(1, sizeof *entry + name->n);
	char *copy = (char *)(entry + 1);

	BUG_IF(!entry);
	memcpy(copy, name->p, name->n);
	entry->of = of;
	HASH_ADD_KEYPTR(hh, lookups->entries, copy, name->n, entry);
	append(lookups, entry);
	lookups->bytes += sizeof *entry + name->n;
	return entry;
}

static void want(struct lookups *lookups, struct looked *entry, const struct value *key)
{
	entry->asked = true;
	entry->outdated = entry->found = false;
	entry->version = entry->of->version;
	entry->by = key;
	if (lookups->wanted_count == lookups->wanted_cap) {
		lookups->wanted_cap = lookups->wanted_cap ? lookups->wanted_cap * 2 : FIRST_KEYS;
		lookups->wanted = realloc(lookups->wanted, lookups->wanted_cap * sizeof(*lookups->wanted));
		BUG_IF(!lookups->wanted);
	}
	lookups->wanted[lookups->wanted_count++] = entry;
}

static bool is_fresh(const struct lookups *lookups, const struct looked *entry)
{
	return !entry->outdated && entry->version == entry->of->version && lookups->now_ms < entry->loaded_ms + entry->of->ttl_ms &&
	       lookups->now_ms >= entry->loaded_ms;
}

struct looked *lookup_want(struct lookups *lookups, struct lookup *of, const struct value *key)
{
	bool listed;
	struct batch_key name = listed_name(lookups, of, key, &listed);
	struct looked *entry;

	if (!listed) {
		name = begin_name(lookups, of, SINGLE);
		put_plain(&name, of, key);
		of->singles = true;
	}
	entry = find(lookups, &name);
	if (!entry) {
		entry = add(lookups, of, &name);
		entry->single = !listed;
		want(lookups, entry, key);
		return entry;
	}
	if (entry != lookups->newest) {
		take_out(lookups, entry);
		append(lookups, entry);
	}
	if (!entry->asked && !is_fresh(lookups, entry))
		want(lookups, entry, key);
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
	bool listed;

	if (!entry) {
		struct batch_key name = listed_name(lookups, look->lookup, cells, &listed);

		entry = listed ? find(lookups, &name) : NULL;
	}
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
	struct batch_key name = begin_name(lookups, of, LISTED);
	struct value key[TARGET_KEY_MOST];
	struct looked *entry;

	for (uint32_t i = 0; i < of->by_count; i++)
		key[i] = of->by_at[i] < change->count ? change->values[of->by_at[i]] : (struct value){ 0 };
	if (!of->is_key || of->singles || !put_equal(&name, of, key)) {
		of->version++;
		return;
	}
	entry = find(lookups, &name);
	if (entry)
		entry->outdated = true;
}

/* ---- an end ---- */

static void forget(struct lookups *lookups, struct looked *entry)
{
	HASH_DEL(lookups->entries, entry);
	take_out(lookups, entry);
	forget_values(lookups, entry);
	lookups->bytes -= sizeof *entry + entry->hh.keylen;
	free(entry);
}

void lookup_trim(struct lookups *lookups)
{
	while (!lookups->busy && lookups->oldest && lookups->bytes > lookups->bytes_most)
		forget(lookups, lookups->oldest);
}

void lookup_clear(struct lookups *lookups)
{
	lookups->wanted_count = 0;
	lookups->busy = 0;
	while (lookups->oldest)
		forget(lookups, lookups->oldest);
	free(lookups->wanted);
	lookups->wanted = NULL;
	lookups->wanted_cap = 0;
	arena_free(&lookups->keys);
}
