#include "flow/target.h"

#include <strings.h>

int target_find(const struct target *target, struct slice name)
{
	for (uint32_t i = 0; i < target->count; i++)
		if (slice_equal(target->columns[i].name, name))
			return (int)i;
	for (uint32_t i = 0; i < target->count; i++)
		if (target->columns[i].name.n == name.n && strncasecmp(target->columns[i].name.p, name.p, name.n) == 0)
			return (int)i;
	return -1;
}

int target_add(struct target *target, struct slice name)
{
	int found = target_find(target, name);

	BUG_IF(!target->open);
	if (found >= 0)
		return found;
	/* Room doubles at every power of two; the old columns stay in the arena, which also lets plans keep pointers to them. */
	if ((target->count & (target->count - 1)) == 0) {
		struct target_column *columns = arena_alloc(target->arena, (target->count ? target->count * 2 : 1) * sizeof *columns);

		if (target->count)
			memcpy(columns, target->columns, target->count * sizeof *columns);
		target->columns = columns;
	}
	target->columns[target->count] = (struct target_column){
		.name = arena_copy(target->arena, name),
		.type = COLUMN_UNKNOWN,
		.nullable = true,
		.scale = -1,
		.exact = true,
	};
	return (int)target->count++;
}

struct slice target_table(const struct target *target)
{
	const char *colon = target->side ? memchr(target->name.p, ':', target->name.n) : NULL;
	size_t before = colon ? (size_t)(colon + 1 - target->name.p) : 0;

	return (struct slice){ target->name.p + before, target->name.n - before };
}

bool target_tells(const struct target *target, uint32_t column)
{
	const struct target_column *of = &target->columns[column];
	bool has_default = of->has_default && !(of->default_sql.n == 4 && strncasecmp(of->default_sql.p, "NULL", 4) == 0);

	return of->nullable && !of->generated && !has_default && !target_is_key(target, column);
}

bool target_is_key(const struct target *target, uint32_t column)
{
	for (uint32_t i = 0; i < target->key_count; i++)
		if (target->key[i] == column)
			return true;
	return false;
}
