#include "flow/shape.h"

#include <stdlib.h>
#include <strings.h>
#include <uthash.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct kept {
	struct shape shape;
	uint64_t digest;
	struct kept *same_digest; /* others that are not this one */
	UT_hash_handle hh;
};

struct shapes {
	struct kept *by_digest;
	struct kept **by_id; /* room for SHAPES_MOST, which the system only backs as it is used */
	uint32_t count;
	const struct format *origin;
	struct arena arena; /* the shapes and their names */
};

struct shapes *shapes_new(void)
{
	struct shapes *shapes = calloc(1, sizeof *shapes);

	BUG_IF(!shapes);
	shapes->by_id = calloc(SHAPES_MOST, sizeof *shapes->by_id);
	BUG_IF(!shapes->by_id);
	return shapes;
}

void shapes_free(struct shapes *shapes)
{
	if (!shapes)
		return;
	HASH_CLEAR(hh, shapes->by_digest);
	arena_free(&shapes->arena);
	free(shapes->by_id);
	free(shapes);
}

static bool same_reading(struct reading a, struct reading b)
{
	return a.meaning == b.meaning && a.scale == b.scale && a.length == b.length;
}

static uint64_t digest_columns(const struct column *columns, uint32_t count, const struct format *origin)
{
	uint64_t digest = count + (uint64_t)(uintptr_t)origin;

	for (uint32_t i = 0; i < count; i++) {
		const struct reading *declared = &columns[i].declared;
		uint64_t seed = digest * 31 + declared->meaning + ((uint64_t)(uint16_t)declared->scale << 8) +
				((uint64_t)(uint32_t)declared->length << 24);

		digest = XXH3_64bits_withSeed(columns[i].name.p, columns[i].name.n, seed);
	}
	return digest;
}

static bool same_columns(const struct shape *shape, const struct column *columns, uint32_t count)
{
	if (shape->count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!slice_equal(shape->columns[i].name, columns[i].name) || !same_reading(shape->columns[i].declared, columns[i].declared))
			return false;
	return true;
}

static struct kept *make(struct shapes *shapes, const struct column *columns, uint32_t count)
{
	struct kept *kept = arena_zalloc(&shapes->arena, sizeof *kept);
	struct column *copies = arena_alloc(&shapes->arena, count * sizeof *copies);

	for (uint32_t i = 0; i < count; i++) {
		copies[i] = columns[i];
		copies[i].name = arena_copy(&shapes->arena, columns[i].name);
	}
	kept->shape = (struct shape){ .id = shapes->count, .origin = shapes->origin, .count = count, .columns = copies };
	shapes->by_id[shapes->count++] = kept;
	return kept;
}

void shapes_set_origin(struct shapes *shapes, const struct format *origin)
{
	shapes->origin = origin;
}

const struct shape *shapes_intern(struct shapes *shapes, const struct column *columns, uint32_t count, struct error *err)
{
	uint64_t digest = digest_columns(columns, count, shapes->origin);
	struct kept *found, *made;

	HASH_FIND(hh, shapes->by_digest, &digest, sizeof digest, found);
	for (struct kept *kept = found; kept; kept = kept->same_digest)
		if (kept->shape.origin == shapes->origin && same_columns(&kept->shape, columns, count))
			return &kept->shape;
	if (count > SHAPE_COLUMNS_MOST) {
		error_set(err, "a row of %u columns; no more than %d can be read", count, SHAPE_COLUMNS_MOST);
		return NULL;
	}
	if (shapes->count == SHAPES_MOST) {
		error_set(err, "more than %d different sets of columns; are names of columns made from data?", SHAPES_MOST);
		return NULL;
	}
	made = make(shapes, columns, count);
	made->digest = digest;
	if (found) {
		made->same_digest = found->same_digest;
		found->same_digest = made;
	} else {
		HASH_ADD(hh, shapes->by_digest, digest, sizeof made->digest, made);
	}
	return &made->shape;
}

const struct shape *shapes_get(const struct shapes *shapes, uint32_t id)
{
	return id < shapes->count ? &shapes->by_id[id]->shape : NULL;
}

uint32_t shapes_count(const struct shapes *shapes)
{
	return shapes->count;
}

int shape_find(const struct shape *shape, struct slice name)
{
	for (uint32_t i = 0; i < shape->count; i++)
		if (slice_equal(shape->columns[i].name, name))
			return (int)i;
	for (uint32_t i = 0; i < shape->count; i++)
		if (shape->columns[i].name.n == name.n && strncasecmp(shape->columns[i].name.p, name.p, name.n) == 0)
			return (int)i;
	return -1;
}
