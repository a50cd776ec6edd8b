#include "flow/image.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Names are short, and a call of memcmp for each column would be a tenth of the time that a message takes. */
static inline bool same_name(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	if (a.n > 16)
		return memcmp(a.p, b.p, a.n) == 0;
	if (a.n >= 8)
		return slice_load(a.p, 8) == slice_load(b.p, 8) && slice_load(a.p + a.n - 8, 8) == slice_load(b.p + b.n - 8, 8);
	if (a.n >= 4)
		return slice_load(a.p, 4) == slice_load(b.p, 4) && slice_load(a.p + a.n - 4, 4) == slice_load(b.p + b.n - 4, 4);
	for (size_t i = 0; i < a.n; i++)
		if (a.p[i] != b.p[i])
			return false;
	return true;
}

static inline bool is_added(struct slice name)
{
	return name.n >= 2 && name.p[0] == '_' && name.p[1] == '_';
}

/* Fills values as far as the members' names are the shape's; true where they are, all of them in order. */
static bool fits(const struct json_node *nodes, const struct json_node *object, bool skip_added, const struct shape *shape, struct value *values)
{
	const struct json_node *end = nodes + object->end;
	uint32_t i = 0;

	for (const struct json_node *node = object + 1; node < end; node = nodes + node->end) {
		if (skip_added && is_added(node->name))
			continue;
		if (i == shape->count || !same_name(node->name, shape->columns[i].name))
			return false;
		values[i++] = node->value;
	}
	return i == shape->count;
}

static struct reading declared_of(const struct image_columns *columns, struct slice name, uint32_t place)
{
	if (place < columns->declared_count && slice_equal(columns->declared[place].name, name))
		return columns->declared[place].declared;
	for (uint32_t i = 0; i < columns->declared_count; i++)
		if (slice_equal(columns->declared[i].name, name))
			return columns->declared[i].declared;
	return (struct reading){ 0 };
}

/* Columns and values of members whose shape is not at hand. Finds those that stand twice with a table of hashes. */
static uint32_t collect(struct decoder *decoder, const struct json_node *nodes, const struct json_node *object, bool skip_added,
			const struct image_columns *from, struct column *columns, struct value *values)
{
	const struct json_node *end = nodes + object->end;
	uint32_t count = 0, slots = 16, *table;

	while (slots < (uint32_t)(end - object) * 2)
		slots *= 2;
	table = arena_zalloc(decoder->arena, slots * sizeof *table);
	for (const struct json_node *node = object + 1; node < end; node = nodes + node->end) {
		uint32_t slot, i;

		if (skip_added && is_added(node->name))
			continue;
		slot = (uint32_t)XXH3_64bits(node->name.p, node->name.n) & (slots - 1);
		while (table[slot] && !slice_equal(columns[table[slot] - 1].name, node->name))
			slot = (slot + 1) & (slots - 1);
		if (!table[slot]) {
			columns[count] = (struct column){ .name = node->name, .declared = declared_of(from, node->name, count) };
			table[slot] = ++count;
		}
		i = table[slot] - 1;
		values[i] = node->value;
	}
	return count;
}

static void remember(struct image_columns *columns, const struct shape *shape, int place)
{
	for (; place > 0; place--)
		columns->recent[place] = columns->recent[place - 1];
	columns->recent[0] = shape;
}

int image_read(struct decoder *decoder, const struct json_node *nodes, const struct json_node *object, bool skip_added, struct image_columns *columns,
	       struct image *image, struct error *err)
{
	size_t most = nodes + object->end - object; /* one more than the members that it can have */
	struct value *values = arena_alloc(decoder->arena, most * sizeof *values);
	struct column *found;
	uint32_t count;

	image->state = IMAGE_WHOLE;
	image->values = values;
	for (int i = 0; i < IMAGE_RECENT && columns->recent[i]; i++) {
		if (columns->recent[i]->count < most && fits(nodes, object, skip_added, columns->recent[i], values)) {
			image->shape = columns->recent[i];
			if (i > 0)
				remember(columns, image->shape, i);
			return 0;
		}
	}
	found = arena_alloc(decoder->arena, most * sizeof *found);
	count = collect(decoder, nodes, object, skip_added, columns, found, values);
	image->shape = shapes_intern(decoder->shapes, found, count, err);
	if (!image->shape)
		return -1;
	remember(columns, image->shape, IMAGE_RECENT - 1);
	return 0;
}

int image_read_key(struct decoder *decoder, const struct json_node *nodes, const struct json_node *key, struct image_columns *columns,
		   struct image *image, struct error *err)
{
	*image = (struct image){ 0 };
	if (key->value.kind == VALUE_NULL || (key->value.kind == VALUE_JSON && !key->object))
		return 0;
	if (key->value.kind == VALUE_JSON) {
		if (image_read(decoder, nodes, key, false, columns, image, err) < 0)
			return -1;
		if (image->shape->count == 0)
			*image = (struct image){ 0 };
	} else {
		struct column unnamed = { .name = SLICE("") };

		image->shape = shapes_intern(decoder->shapes, &unnamed, 1, err);
		if (!image->shape)
			return -1;
		image->values = arena_alloc(decoder->arena, sizeof *image->values);
		*image->values = key->value;
	}
	if (image->shape)
		image->state = IMAGE_KEY_ONLY;
	return 0;
}

/* Works out where each wanted column is. The columns keep what is declared of them in `from`, where their values come from. */
static bool plan(struct decoder *decoder, struct image_pick *pick, const struct shape *wanted, const struct shape *from)
{
	struct column columns[IMAGE_PICK_MOST];
	struct error ignored;

	if (wanted->count > IMAGE_PICK_MOST)
		return false;
	for (uint32_t i = 0; i < wanted->count; i++) {
		int at = shape_find(from, wanted->columns[i].name);

		if (at < 0)
			return false;
		pick->at[i] = (uint32_t)at;
		columns[i] = from->columns[at];
	}
	pick->shape = shapes_intern(decoder->shapes, columns, wanted->count, &ignored);
	pick->wanted = pick->shape ? wanted : NULL;
	pick->from = from;
	return pick->shape;
}

bool image_pick(struct decoder *decoder, struct image_pick *pick, const struct image *wanted, const struct image *from, struct image *image)
{
	struct value *values;

	if ((pick->wanted != wanted->shape || pick->from != from->shape) && !plan(decoder, pick, wanted->shape, from->shape))
		return false;
	values = arena_alloc(decoder->arena, pick->shape->count * sizeof *values);
	for (uint32_t i = 0; i < pick->shape->count; i++)
		values[i] = from->values[pick->at[i]];
	*image = (struct image){ .shape = pick->shape, .values = values, .state = IMAGE_KEY_ONLY };
	return true;
}
