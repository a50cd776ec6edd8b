/* Has the target's schema changed since the scripts met it? */
#include "flow/script_private.h"

#include <stdlib.h>

static bool same_column(const struct target_column *a, const struct target_column *b)
{
	return slice_equal(a->name, b->name) && slice_equal(a->sql_type, b->sql_type) && a->type == b->type && a->is_unsigned == b->is_unsigned &&
	       a->nullable == b->nullable && a->generated == b->generated && a->has_default == b->has_default &&
	       a->auto_increment == b->auto_increment && a->length == b->length && a->scale == b->scale &&
	       slice_equal(a->default_sql, b->default_sql) && a->exact == b->exact && a->pads == b->pads;
}

/* bound: as scripts use it, so that its key may be one that a script gave it. */
static bool same_target(const struct target *bound, const struct target *now)
{
	if (bound->count != now->count || bound->has_primary_key != now->has_primary_key || bound->other_unique != now->other_unique)
		return false;
	if (now->has_primary_key && (bound->key_count != now->key_count || memcmp(bound->key, now->key, now->key_count * sizeof *now->key) != 0))
		return false;
	for (uint32_t i = 0; i < now->count; i++)
		if (!same_column(&bound->columns[i], &now->columns[i]))
			return false;
	return true;
}

int script_host_schema_changed(struct script_host *host, struct error *err)
{
	struct arena arena = { 0 };
	int changed = 0;

	for (uint32_t i = 0; i < host->target_count && changed == 0; i++) {
		const struct target *bound = host->targets[i];
		struct target now = { .name = bound->name, .arena = &arena };

		if (bound->open || bound->own) /* what is our own is not described */
			continue;
		if (host->sink->ops->describe(host->sink, &now, err) < 0)
			changed = -1;
		else
			changed = !now.exists || !same_target(bound, &now);
	}
	arena_free(&arena);
	return changed;
}

/* Said once for each name: such columns may come for ever. */
void script_host_note_missing(struct script_host *host, const struct target *target, struct slice column)
{
	struct missing_column *found;
	char name[256];
	size_t n = target->name.n + 1 + column.n;

	if (n > sizeof name)
		return;
	memcpy(name, target->name.p, target->name.n);
	name[target->name.n] = 0;
	if (column.n)
		memcpy(name + target->name.n + 1, column.p, column.n);
	HASH_FIND(hh, host->missing, name, n, found);
	if (found || HASH_COUNT(host->missing) >= MISSING_MOST)
		return;
	found = malloc(sizeof *found + n);
	BUG_IF(!found);
	memcpy(found->name, name, n);
	HASH_ADD_KEYPTR(hh, host->missing, found->name, n, found);
	host->misses = true;
}

bool script_host_misses(struct script_host *host)
{
	bool misses = host->misses;

	host->misses = false;
	return misses;
}

void host_missing_free(struct script_host *host)
{
	struct missing_column *column, *next;

	HASH_ITER(hh, host->missing, column, next)
	{
		HASH_DEL(host->missing, column);
		free(column);
	}
}
