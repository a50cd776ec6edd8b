/* A job against the outside: its sink, its tables, its examples. */
#include <stdio.h>

#include "run/job_private.h"

static void report_script(const struct script *script, void (*report)(void *ctx, const char *line), void *ctx)
{
	const struct target *target = script->target;
	struct buf line = BUF_INIT;

	buf_printf(&line, "%.*s: ", SLICE_ARG(script->path));
	for (uint32_t i = 0; i < script->source_count; i++)
		buf_printf(&line, "%s%.*s", i ? ", " : "", SLICE_ARG(script->sources[i].n ? script->sources[i] : SLICE("events without a table")));
	buf_printf(&line, " -> %.*s", SLICE_ARG(target->name));
	if (target->key_count) {
		buf_text(&line, " (key ");
		for (uint32_t k = 0; k < target->key_count; k++)
			buf_printf(&line, "%s%.*s", k ? ", " : "", SLICE_ARG(target->columns[target->key[k]].name));
		buf_char(&line, ')');
	}
	buf_text(&line, script->copies_all                            ? ", columns of the same name"
			: script->copy_count + script->computed_count ? ", columns"
								      : ", rows made by map");
	for (uint32_t i = 0; i < script->copy_count; i++)
		buf_printf(&line, "%s %.*s", i ? "," : "", SLICE_ARG(script->copies[i].to));
	for (uint32_t i = 0; i < script->computed_count; i++)
		buf_printf(&line, "%s %.*s (computed)", i || script->copy_count ? "," : "", SLICE_ARG(script->computed[i]));
	switch (script->key_by) {
	case KEY_BY_TABLE:
		buf_text(&line, ", in the order of the table");
		break;
	case KEY_BY_ROW:
		buf_text(&line, ", in the order of each row");
		break;
	case KEY_BY_COLUMNS:
	case KEY_BY_FUNCTION:
		buf_text(&line, ", in the order of key_by");
		break;
	case KEY_BY_DEFAULT:
		break;
	}
	report(ctx, buf_cstr(&line));
	buf_free(&line);
}

int job_test(struct job *job, void (*report)(void *ctx, const char *line), void *ctx, uint32_t *passed, uint32_t *failed, struct error *err)
{
	job->readings.as_seen = true;
	if (script_host_bind(job->host, NULL, job->shapes, &job->readings, report, ctx, err) < 0)
		return -1;
	return script_host_examples(job->host, report, ctx, passed, failed, err);
}

/* The first failing example, as the error of a check. */
static void keep_first(void *ctx, const char *line)
{
	struct error *first = ctx;

	if (!first->text[0])
		error_set(first, "%s", line);
}

static bool is_stateful(struct job *job)
{
	for (uint32_t i = 0; i < script_host_count(job->host); i++)
		if (script_host_script(job->host, i)->stateful)
			return true;
	return false;
}

static int check_with(struct job *job, struct sink *sink, bool look, void (*report)(void *ctx, const char *line), void *ctx, struct error *err)
{
	struct error first = { "" };
	uint32_t passed = 0, failed = 0;

	if ((look ? sink->ops->look : sink->ops->open)(sink, err) < 0)
		return error_prefix(err, "sink %s", job->sink_name);
	job->readings.as_seen = true; /* nothing but examples goes through these scripts */
	if (script_host_bind(job->host, sink, job->shapes, &job->readings, report, ctx, err) < 0)
		return -1;
	for (uint32_t i = 0; report && i < script_host_count(job->host); i++)
		report_script(script_host_script(job->host, i), report, ctx);
	if (report && !sink->ops->transactional)
		report(ctx, "the sink is no database: each change is written at least once, after a crash perhaps twice");
	if (report && !sink->ops->load_state && is_stateful(job))
		report(ctx, "the sink keeps no state: what scripts keep is in memory only, and begins empty at each start");
	if (script_host_examples(job->host, keep_first, &first, &passed, &failed, err) < 0)
		return -1;
	if (failed)
		return error_set(err, "%s", first.text);
	return 0;
}

int job_check(struct job *job, bool look, void (*report)(void *ctx, const char *line), void *ctx, struct error *err)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = job_sink(job, loop, err);
	int result = sink ? check_with(job, sink, look, report, ctx, err) : -1;

	if (sink)
		sink->ops->close(sink);
	event_base_free(loop);
	return result;
}

static size_t count_files(struct job *job)
{
	lua_State *lua = script_host_lua(job->host);
	size_t count;

	job_push(job, "source.paths");
	count = lua_objlen(lua, -1);
	lua_pop(lua, 1);
	return count;
}

int job_check_state(struct job *job, const struct run_options *options, bool first, struct error *err)
{
	if (!is_stateful(job))
		return 0;
	/* From where no state is left, nothing counts twice. */
	if (first && options->from && !options->reset_state && !options->dry_run && job_keeps_progress(job))
		return error_set(err,
				 "--from moves the progress and would leave what the scripts keep (streamlua_state), so that events count twice: "
				 "give --reset-state too, which deletes it");
	if (options->workers > 1 && job->bounded && count_files(job) > 1)
		return error_set(err,
				 "--workers %d: files are shared out among workers, and a script that keeps state needs all events of a key in "
				 "one worker, which nothing tells of several files: --workers 1",
				 (int)options->workers);
	return 0;
}

int job_forget(struct job *job, bool state, struct error *err)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = job_sink(job, loop, err);
	int result = sink && !sink->ops->reset ? 0 : sink && sink->ops->open(sink, err) == 0 ? sink->ops->reset(sink, state, err) : -1;

	if (sink)
		sink->ops->close(sink);
	event_base_free(loop);
	return result;
}
