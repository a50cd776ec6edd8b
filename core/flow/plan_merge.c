/* What an event does to a row that it adds to (`merge`): its new row is added, and what its old one had added is taken back. Until the last step
 * the latter is a delete that has all of its columns. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "flow/merge.h"
#include "flow/plan.h"
#include "flow/progress.h"

static bool is_copied(const struct script *script, uint32_t column)
{
	for (uint32_t i = 0; i < script->copy_count; i++)
		if (script->copies[i].column == (int32_t)column)
			return true;
	return script->copies_all;
}

static int check_whole(const struct script *script, const struct image *image, const struct change *change, struct error *err)
{
	for (uint32_t i = 0; i < change->count; i++)
		if (change->target->columns[i].merge && !VALUE_IS_SET(&change->values[i]) && is_copied(script, i) && image->state != IMAGE_WHOLE)
			return error_set(
				err,
				"column %.*s: the message does not have all of its old row, and what that has added is to be taken back: let "
				"the source send whole old rows (binlog_row_image = FULL, REPLICA IDENTITY FULL)",
				SLICE_ARG(change->target->columns[i].name));
	return 0;
}

struct change *plan_merge_copy(struct event *event, bool old, bool take_back, struct error *err)
{
	struct image *image = old ? &event->old : &event->row;
	struct change *change;

	if (image->state == IMAGE_ABSENT) {
		error_set(err, "an update without its old row: what that has added is to be taken back. Let the source send whole old rows "
			       "(binlog_row_image = FULL, REPLICA IDENTITY FULL)");
		return NULL;
	}
	change = plan_change(event, event->script->target, take_back ? CHANGE_DELETE : CHANGE_UPSERT, VALUE_ABSENT);
	if (plan_copy(event, image, change, err) < 0 || (take_back && check_whole(event->script, image, change, err) < 0))
		return NULL;
	return change;
}

int plan_merge_apply(struct event *event, struct error *err)
{
	if (event->op == OP_UPDATE && !plan_merge_copy(event, true, true, err))
		return -1;
	return plan_merge_copy(event, false, event->op == OP_DELETE, err) ? 0 : -1;
}

/* Partitions are one worker's each, and one after the other where their topics are alike: so their rows are spread as well as they can be. */
void plan_merge_shard(struct event *event)
{
	const struct script *script = event->script;
	const struct message *message = event->message;
	uint64_t topic, shard;

	if (!script->shard_count)
		return;
	topic = XXH3_64bits(message->topic.p, message->topic.n);
	shard = (topic % script->shard_count + (uint64_t)(uint32_t)message->partition) % script->shard_count;
	for (struct change *change = event->changes; change; change = change->next) {
		struct slice text;

		if (change->target != script->target)
			continue;
		text = arena_printf(&event->intake->arena, "%u", (unsigned)shard);
		change->values[script->shard_column] = (struct value){ .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_NUMBER, .ready = true };
	}
}

/* Beside those that add, a script may own columns of the same rows. */
static bool adds(const struct event *event, const struct change *change)
{
	return change->target->merged && !(event->script->owned && change->target == event->script->target);
}

/* Without a schema (`streamlua test`) and without `key`, all that is not added up says which row it is. */
static bool tells_row(const struct change *change, uint32_t column, bool no_key)
{
	return no_key ? !change->target->columns[column].merge : target_is_key(change->target, column);
}

static bool same_row(const struct change *a, const struct change *b, bool no_key)
{
	for (uint32_t i = 0; i < a->count; i++) {
		const struct value *x = &a->values[i], *y = &b->values[i];

		if (tells_row(a, i, no_key) && (x->kind != y->kind || x->n != y->n || (x->n && memcmp(x->p, y->p, x->n) != 0)))
			return false;
	}
	return true;
}

static int settle(struct change *change, bool no_key, struct arena *arena, struct error *err)
{
	const struct target *target = change->target;

	for (uint32_t i = 0; i < change->count; i++) {
		if (target->columns[i].merge && merge_settle(&change->values[i], &target->columns[i], arena, err) < 0)
			return -1;
		if (change->op == CHANGE_DELETE && !target->columns[i].merge && !tells_row(change, i, no_key))
			change->values[i] = (struct value){ .ready = true };
	}
	return 0;
}

/* The row that is added in the place of the one that is taken back; NULL: that was another row. */
static struct change *successor(const struct change *change, bool no_key)
{
	for (struct change *other = change->next; other; other = other->next)
		if (other->target == change->target && other->op == CHANGE_UPSERT && other->count == change->count && same_row(change, other, no_key))
			return other;
	return NULL;
}

/* What a part of a row does not have is as it was. */
static void fill_part(const struct event *event, struct change *now, const struct change *old)
{
	if (event->op != OP_UPDATE || event->row.state != IMAGE_PARTIAL)
		return;
	for (uint32_t i = 0; i < now->count; i++)
		if (now->target->columns[i].merge && !VALUE_IS_SET(&now->values[i]))
			now->values[i] = old->values[i];
}

static int take_back(const struct event *event, struct change *old, bool no_key, struct error *err)
{
	struct change *now = successor(old, no_key);

	if (now)
		fill_part(event, now, old);
	for (uint32_t i = 0; i < old->count; i++) {
		const struct target_column *column = &old->target->columns[i];
		struct value left = { .ready = true };

		if (!column->merge)
			continue;
		if (merge_replace(now ? &now->values[i] : &left, &old->values[i], column, &event->intake->arena, err) < 0)
			return -1;
		old->values[i] = left;
	}
	old->op = CHANGE_UPSERT;
	return 0;
}

/* It adds zeros and sets nothing. */
static bool does_nothing(const struct change *change, bool no_key)
{
	const struct target *target = change->target;

	for (uint32_t i = 0; i < change->count; i++) {
		const struct value *value = &change->values[i];

		if (VALUE_IS_SET(value) && !tells_row(change, i, no_key) &&
		    !(target->columns[i].merge == MERGE_SUM && value->n == 1 && *value->p == '0'))
			return false;
	}
	return true;
}

int plan_merge_finish(struct event *event, struct error *err)
{
	struct change **at = &event->changes, *change;
	bool no_key = event->script->target->open && !event->script->key_count;

	plan_merge_shard(event);
	for (change = event->changes; change; change = change->next)
		if (adds(event, change) && settle(change, no_key, &event->intake->arena, err) < 0)
			return -1;
	while ((change = *at)) {
		bool was_there = adds(event, change) && change->op == CHANGE_DELETE;

		if (was_there && take_back(event, change, no_key, err) < 0)
			return -1;
		if (was_there && does_nothing(change, no_key))
			*at = change->next;
		else
			at = &change->next;
	}
	event->changes_end = at;
	return 0;
}
