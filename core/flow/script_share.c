/* What scripts say of the tables that they write together: which columns of a table are added to (`merge`), which are one script's own (`owns`),
 * and that no two of them say so of the same. */
#include "flow/script_private.h"

#include <strings.h>

#include "flow/merge.h"

/* ---- merge ---- */

static int settle_shard(struct script_host *host, struct script *script, struct error *err)
{
	const struct target *target = script->target;
	int column;

	if (!script->shard_count)
		return 0;
	column = script_find_written(host, script, script->shard, "shard", err);
	if (column < 0)
		return -1;
	if (!target->open && (!target_is_key(target, (uint32_t)column) || target->key_count < 2))
		return script_fault(host, script, "shard", script->shard, err,
				    "column %.*s is to be one of several in the primary key of %.*s: each row is kept in %u, by it",
				    SLICE_ARG(script->shard), SLICE_ARG(target->name), script->shard_count);
	if (!target->open && target->columns[column].type != COLUMN_INTEGER)
		return script_fault(host, script, "shard", script->shard, err, "column %.*s of %.*s is %.*s, and holds a number from 0 to %u",
				    SLICE_ARG(script->shard), SLICE_ARG(target->name), SLICE_ARG(target->columns[column].sql_type),
				    script->shard_count - 1);
	script->shard_column = (uint32_t)column;
	return 0;
}

static int settle_merge(struct script_host *host, struct script *script, const struct merge *merge, struct error *err)
{
	struct target *target = script->target;
	int column = script_find_written(host, script, merge->name, "merge", err);
	struct target_column *to;
	const char *misfit;

	if (column < 0)
		return -1;
	to = &target->columns[column];
	if (target_is_key(target, (uint32_t)column))
		return script_fault(host, script, "merge", SLICE(""), err, "column %.*s is part of the key of %.*s, which says what row is added to",
				    SLICE_ARG(merge->name), SLICE_ARG(target->name));
	misfit = merge_misfit(merge->kind, to);
	if (misfit)
		return script_fault(host, script, "merge", SLICE(""), err, "%.*s = \"%s\": column %.*s of %.*s is %.*s; %s", SLICE_ARG(merge->name),
				    merge_name(merge->kind), SLICE_ARG(merge->name), SLICE_ARG(target->name),
				    SLICE_ARG(to->sql_type.n ? to->sql_type : SLICE("of no type")), misfit);
	to->merge = (uint8_t)merge->kind;
	target->merged = host->adds = true;
	return 0;
}

int share_settle_merges(struct script_host *host, struct script *script, struct error *err)
{
	const struct target *target = script->target;

	if (!script->merges)
		return 0;
	if (host->sink && target->open)
		return script_fault(host, script, "merge", SLICE(""), err,
				    "the sink has no rows to add to: it is for tidb, mysql, mariadb and sqlite");
	if (target->side)
		return script_fault(host, script, "merge", SLICE(""), err,
				    "%.*s is in one of `sinks`, where a change may come twice: sums are for the job's own sink",
				    SLICE_ARG(target->name));
	if (!target->open && !target->has_primary_key)
		return script_fault(host, script, "merge", SLICE(""), err, "table %.*s has no primary key: without one no row is found to add to",
				    SLICE_ARG(target->name));
	if (target->other_unique)
		return script_fault(
			host, script, "merge", SLICE(""), err,
			"table %.*s has another unique index beside its primary key: what comes could be added to the row that has the unique "
			"value; drop that index",
			SLICE_ARG(target->name));
	if (settle_shard(host, script, err) < 0)
		return -1;
	for (uint32_t i = 0; i < script->merge_count; i++)
		if (settle_merge(host, script, &script->merges[i], err) < 0)
			return -1;
	return 0;
}

bool script_host_adds(const struct script_host *host)
{
	return host->adds;
}

/* ---- several scripts, one table ---- */

static enum merge_kind kind_of(const struct script *script, uint32_t column)
{
	for (uint32_t i = 0; i < script->merge_count; i++)
		if (target_find(script->target, script->merges[i].name) == (int)column)
			return script->merges[i].kind;
	return MERGE_NONE;
}

/* The field that says that the column is this script's; NULL: none does. */
static const char *claims(const struct script *script, uint32_t column)
{
	if (script->owned && script->owned[column] && !target_is_key(script->target, column))
		return "owns";
	return kind_of(script, column) ? "merge" : NULL;
}

static int check_pair(struct script_host *host, const struct script *a, const struct script *b, struct error *err)
{
	for (uint32_t i = 0; i < a->target->count; i++) {
		const char *claim = claims(a, i), *other = claims(b, i);
		struct slice column = a->target->columns[i].name;

		if (claim && other && !(kind_of(a, i) && kind_of(a, i) == kind_of(b, i)))
			return script_fault(host, b, other, SLICE(""), err, "column %.*s of %.*s is in %s of %.*s too: a column is one script's",
					    SLICE_ARG(column), SLICE_ARG(a->target->name), claim, SLICE_ARG(a->path));
		/* Who says nothing may make and delete the rows to which others add columns of their own; but not those that are added up. */
		if (kind_of(a, i) && !b->owned && !b->merges)
			return script_fault(
				host, a, claim, SLICE(""), err,
				"%.*s writes whole rows of %.*s, and would take the place of what is added up in %.*s: let it name the columns that "
				"are its own, as in owns = { \"name\" }",
				SLICE_ARG(b->path), SLICE_ARG(a->target->name), SLICE_ARG(column));
	}
	return 0;
}

/* ---- rows that go when nobody has anything in them any more ---- */

/* One of a script's columns says whether it has a row there. */
static bool can_tell(const struct script *script)
{
	for (uint32_t i = 0; i < script->target->count; i++)
		if (claims(script, i) && target_tells(script->target, i))
			return true;
	return false;
}

static bool is_of_somebody(const struct script_host *host, const struct target *target, uint32_t column)
{
	for (uint32_t i = 0; i < host->script_count; i++)
		if (host->scripts[i].has_target && host->scripts[i].target == target && claims(&host->scripts[i], column))
			return true;
	return false;
}

/* It has a value in every row, and nobody's: that of a clock, as in created_at, is no reason to keep the row. */
static bool keeps_rows(const struct script_host *host, const struct target *target, uint32_t column)
{
	const struct target_column *of = &target->columns[column];
	bool is_clock = of->has_default && (of->type == COLUMN_TIMESTAMP || of->type == COLUMN_DATETIME);

	return !of->generated && !target_is_key(target, column) && !target_tells(target, column) && !is_clock &&
	       !is_of_somebody(host, target, column);
}

/* Why rows of the script's target stay when all of its scripts' rows are gone; n is 0: they do not. */
static struct slice why_stay(struct script_host *host, const struct script *script)
{
	const struct target *target = script->target;

	for (uint32_t i = 0; i < host->script_count; i++) {
		const struct script *other = &host->scripts[i];

		if (!other->has_target || other->target != target || (other->updates && !other->owned))
			continue;
		if (!other->owned && !other->merges)
			return arena_printf(&host->arena, "%.*s writes whole rows, and deletes them", SLICE_ARG(other->path));
		if (!can_tell(other))
			return arena_printf(
				&host->arena,
				"none of the columns of %.*s is NULL without its row: give it one that may be NULL and has no default, and "
				"is something in each row",
				SLICE_ARG(other->path));
	}
	for (uint32_t i = 0; i < target->count; i++)
		if (keeps_rows(host, target, i))
			return arena_printf(&host->arena, "column %.*s is no script's, and never NULL", SLICE_ARG(target->columns[i].name));
	return SLICE("");
}

static void settle_sweeps(struct script_host *host, const struct script *script, void (*warn)(void *ctx, const char *line), void *ctx)
{
	struct target *target = script->target;
	struct buf line = BUF_INIT;
	struct slice why;

	if (!script->owned || target->open)
		return;
	why = why_stay(host, script);
	target->sweeps = !why.n;
	if (why.n && warn) {
		buf_printf(&line, "%.*s: owns: rows of %.*s stay when all that is in them is gone: %.*s", SLICE_ARG(script->path),
			   SLICE_ARG(target->name), SLICE_ARG(why));
		warn(ctx, buf_cstr(&line));
		buf_free(&line);
	}
}

int share_settle(struct script_host *host, void (*warn)(void *ctx, const char *line), void *ctx, struct error *err)
{
	for (uint32_t i = 0; i < host->script_count; i++) {
		const struct script *script = &host->scripts[i];

		if (!script->has_target || !(script->owned || script->merges))
			continue;
		for (uint32_t k = 0; k < host->script_count; k++)
			if (k != i && host->scripts[k].has_target && host->scripts[k].target == script->target &&
			    check_pair(host, script, &host->scripts[k], err) < 0)
				return -1;
		settle_sweeps(host, script, warn, ctx);
	}
	return 0;
}
