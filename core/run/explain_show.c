#include "run/explain_show.h"

#include <stdio.h>

#include "base/clock.h"
#include "flow/state_change.h"
#include "io/message_text.h"

static const char *const op_names[] = {
	[OP_INSERT] = "insert",     [OP_UPDATE] = "update",     [OP_DELETE] = "delete",           [OP_SNAPSHOT] = "snapshot",
	[OP_TRUNCATE] = "truncate", [OP_DDL] = "schema change", [OP_CONTROL] = "control message",
};

static void line(const char *name, struct slice text)
{
	printf("%-12s%.*s\n", name, SLICE_ARG(text));
}

static void put_columns(struct buf *out, struct arena *arena, const struct slice *names, const struct value *values, uint32_t count)
{
	const char *comma = "";

	for (uint32_t i = 0; i < count; i++) {
		if (!VALUE_IS_SET(&values[i]))
			continue;
		buf_printf(out, "%s%.*s = %.*s", comma, SLICE_ARG(names[i].n ? names[i] : SLICE("(no name)")),
			   SLICE_ARG(value_show(&values[i], arena)));
		comma = ", ";
	}
}

static void show_image(const char *name, const struct image *image)
{
	static const char *const states[] = { [IMAGE_PARTIAL] = " (only what is here)", [IMAGE_KEY_ONLY] = " (only its key)" };
	struct arena arena = ARENA_INIT;
	struct buf out = BUF_INIT;
	struct slice *names;

	if (image->state == IMAGE_ABSENT)
		return;
	names = arena_alloc(&arena, (image->shape->count + 1) * sizeof *names);
	for (uint32_t i = 0; i < image->shape->count; i++)
		names[i] = image->shape->columns[i].name;
	put_columns(&out, &arena, names, image->values, image->shape->count);
	if (image->state != IMAGE_WHOLE && states[image->state] && strcmp(name, "  key") != 0)
		buf_text(&out, states[image->state]);
	line(name, buf_view(&out));
	buf_free(&out);
	arena_free(&arena);
}

void explain_show_message(const struct message *message)
{
	struct buf out = BUF_INIT;

	message_put_record(&out, message);
	line("message", buf_view(&out));
	buf_free(&out);
}

void explain_show_event(const struct event *event, uint32_t part, uint32_t parts)
{
	struct buf out = BUF_INIT;
	char at[40];

	if (event->outcome == OUTCOME_DEAD) {
		line("event", SLICE("none: the message cannot be decoded"));
		return;
	}
	buf_text(&out, op_names[event->op]);
	if (event->table.p)
		buf_printf(&out, " of %.*s%s%.*s", SLICE_ARG(event->database), event->database.n ? "." : "", SLICE_ARG(event->table));
	if (parts > 1)
		buf_printf(&out, ", %u of %u", part + 1, parts);
	if (event->time_ms)
		buf_printf(&out, ", at %s", clock_format(event->time_ms, at));
	line("event", buf_view(&out));
	show_image("  key", &event->key);
	show_image("  row", &event->row);
	show_image("  old", &event->old);
	buf_free(&out);
}

static void show_change(const struct change *change)
{
	static const char *const names[] = { [CHANGE_UPSERT] = "upsert", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete" };
	struct arena arena = ARENA_INIT;
	struct buf out = BUF_INIT;
	struct slice *columns = arena_alloc(&arena, (change->count + 1) * sizeof *columns);

	if (change_is_state(change))
		state_changes_last(&change, 1, &change, &arena);
	for (uint32_t i = 0; i < change->count; i++)
		columns[i] = change->target->columns[i].name;
	buf_printf(&out, "%s in %.*s: ", names[change->op], SLICE_ARG(change->target->name));
	put_columns(&out, &arena, columns, change->values, change->count);
	line("  row", buf_view(&out));
	buf_free(&out);
	arena_free(&arena);
}

static void show_sql(void *ctx, struct slice text)
{
	const char *name = "  sql";

	(void)ctx;
	for (const char *end; (end = text.n ? memchr(text.p, '\n', text.n) : NULL); name = "") {
		line(name, (struct slice){ text.p, (size_t)(end - text.p) });
		text.n -= (size_t)(end + 1 - text.p);
		text.p = end + 1;
	}
	line(name, text);
}

static void show_fault(const struct event *event)
{
	static const char *const stages[] = { "decode", "script", "sink" };

	printf("%-12s%s, stage %s: %.*s\n", "result", event->outcome == OUTCOME_DEAD ? "a dead letter" : "skipped (on_error)", stages[event->stage],
	       SLICE_ARG(event->error));
}

static void show_ignored(struct job *job, const struct event *event)
{
	const char *rule = event->op == OP_DDL ? "on_ddl" : event->op == OP_TRUNCATE ? "on_truncate" : NULL;

	if (rule)
		printf("%-12s%s = \"%s\" of the job\n", "result", rule, job_text(job, rule));
	else
		line("result", SLICE("ignored: it is no row"));
}

void explain_show_result(struct job *job, struct sink *sink, struct event *event)
{
	struct tx tx = { .events = &event, .count = 1, .script_version = script_host_version(job->host) };

	if (event->script)
		printf("%-12s%.*s, version %s\n", "script", SLICE_ARG(event->script->path), tx.script_version);
	switch ((enum outcome)event->outcome) {
	case OUTCOME_UNMATCHED:
		line("script", SLICE("none serves this table"));
		return;
	case OUTCOME_FILTERED:
		line("result", SLICE("filtered: the script made no row of it"));
		return;
	case OUTCOME_IGNORED:
		show_ignored(job, event);
		return;
	case OUTCOME_DEAD:
	case OUTCOME_SKIPPED:
		show_fault(event);
		break;
	case OUTCOME_PENDING:
	case OUTCOME_WRITTEN:
	case OUTCOME_PARKED:
	case OUTCOME_COUNT:
		break;
	}
	for (const struct change *change = event->changes; change && event->outcome == OUTCOME_PENDING; change = change->next)
		show_change(change);
	if (event->outcome == OUTCOME_SKIPPED)
		return;
	if (event->lane_hashes) {
		tx.lane = (int32_t)(event->lane_hash[0] % (uint64_t)sink->lanes);
		printf("%-12s%d of %d", "  lane", tx.lane, sink->lanes);
		if (event->lane_hashes == 2 && event->lane_hash[1] % (uint64_t)sink->lanes != (uint64_t)tx.lane)
			printf(", together with %d: its key changes", (int)(event->lane_hash[1] % (uint64_t)sink->lanes));
		putchar('\n');
	}
	sink->ops->show(sink, &tx, show_sql, NULL);
}
