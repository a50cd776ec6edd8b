/* A job against the outside: its sink, its tables, its examples. */
#include <stdio.h>
#include <string.h>

#include "flow/sql_kept.h"
#include "run/job_private.h"

static const char *rows_of(const struct script *script)
{
	if (script->copies_all)
		return ", columns of the same name";
	if (script->copy_count + script->computed_count)
		return ", columns";
	return script->windowed    ? ", a row a window"
	       : script->patterned ? ", rows made by match"
	       : script->stateful  ? ", rows made by process"
				   : ", rows made by map";
}

static void report_target(const struct script *script, struct buf *line)
{
	const struct target *target = script->target;

	if (!script->has_target) {
		buf_text(line, " -> what process emits");
		return;
	}
	buf_printf(line, " -> %.*s", SLICE_ARG(target->name));
	if (target->key_count) {
		buf_text(line, " (key ");
		for (uint32_t k = 0; k < target->key_count; k++)
			buf_printf(line, "%s%.*s", k ? ", " : "", SLICE_ARG(target->columns[target->key[k]].name));
		buf_char(line, ')');
	}
	buf_text(line, rows_of(script));
}

static void report_script(const struct script *script, void (*report)(void *ctx, const char *line), void *ctx)
{
	struct buf line = BUF_INIT;

	buf_printf(&line, "%.*s: ", SLICE_ARG(script->path));
	if (script->reads_stream)
		buf_printf(&line, "%.*s", (int)((char *)memchr(script->sources[0].p, '>', script->sources[0].n) - script->sources[0].p),
			   script->sources[0].p);
	for (uint32_t i = 0; i < script->source_count && !script->reads_stream; i++)
		buf_printf(&line, "%s%.*s", i ? ", " : "", SLICE_ARG(script->sources[i].n ? script->sources[i] : SLICE("events without a table")));
	report_target(script, &line);
	for (uint32_t i = 0; i < script->copy_count; i++)
		buf_printf(&line, "%s %.*s", i ? "," : "", SLICE_ARG(script->copies[i].to));
	for (uint32_t i = 0; i < script->computed_count; i++)
		buf_printf(&line, "%s %.*s (computed)", i || script->copy_count ? "," : "", SLICE_ARG(script->computed[i]));
	switch (script->key_by) {
	case KEY_BY_TABLE:
		buf_text(&line, script->reads_stream ? ", in the order of the stream" : ", in the order of the table");
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

bool job_keeps_state(struct job *job, struct sink *sink)
{
	struct arena arena = ARENA_INIT;
	struct target table = { .arena = &arena, .name = SLICE("streamlua_state") };
	struct error err;
	bool keeps = sink->ops->load_state && is_stateful(job) && sink->ops->describe(sink, &table, &err) == 0 && table.exists;

	arena_free(&arena);
	return keeps;
}

static void refuse_newer(void *ctx, const struct slice *cells, unsigned count)
{
	BUG_IF(count != 4);
	error_set(ctx, "state: streamlua_state has rows of version %.*s (key %.*s), which is a newer script's: take that, or delete them",
		  SLICE_ARG(cells[3]), SLICE_ARG(cells[2]));
}

/* The sets of scripts that wrote the progress: whether they are these alone. */
struct writers {
	const char *version;
	size_t these, others;
};

static void count_writer(void *ctx, const struct slice *cells, unsigned count)
{
	struct writers *writers = ctx;

	BUG_IF(count != 1);
	if (slice_is(cells[0], writers->version))
		writers->these++;
	else
		writers->others++;
}

/* A row that a newer version of the script has written would stop the job where its key comes up. No index leads to it: all of the job's state is
 * read, but where these very scripts have written all of its progress since, as after a restart. State is written with progress, and
 * scripts that came after newer ones were looked at here. */
static int check_versions(struct job *job, struct sink *sink, struct error *err)
{
	enum sql_dialect dialect = strcmp(job->sink_name, "sqlite") == 0 ? SQL_SQLITE : SQL_MYSQL;
	struct writers writers = { .version = script_host_version(job->host) };
	struct buf text = BUF_INIT;
	int result;

	if (!job_keeps_state(job, sink))
		return 0;
	sql_kept_writers(&text, dialect, job->name);
	result = sink->ops->query(sink, buf_view(&text), count_writer, &writers, err);
	if (writers.these && !writers.others) {
		buf_free(&text);
		return result;
	}
	for (uint32_t i = 0; result == 0 && i < script_host_count(job->host); i++) {
		const struct script *script = script_host_script(job->host, i);
		struct error newer = { .text = "" };

		if (!script->stateful)
			continue;
		buf_clear(&text);
		sql_kept_newer(&text, dialect, job->name, script->name, script->state_version);
		result = sink->ops->query(sink, buf_view(&text), refuse_newer, &newer, err);
		if (result == 0 && newer.text[0])
			result = error_set(err, "%.*s: %s", SLICE_ARG(script->path), newer.text);
	}
	buf_free(&text);
	return result;
}

static void report_side(struct job *job, const char *name, void (*report)(void *ctx, const char *line), void *ctx)
{
	struct buf line = BUF_INIT;
	char path[200];

	snprintf(path, sizeof path, "sinks.%s.kind", name);
	buf_printf(&line, "sinks.%s: %s; its rows are written before the transaction that they belong to: at least once, after a crash perhaps twice",
		   name, job_text(job, path));
	report(ctx, buf_cstr(&line));
	buf_free(&line);
}

static int check_with(struct job *job, struct sink *sink, enum job_checking checking, void (*report)(void *ctx, const char *line), void *ctx,
		      struct error *err)
{
	struct error first = { .text = "" };
	uint32_t passed = 0, failed = 0;

	if ((checking != JOB_STARTS ? sink->ops->look : sink->ops->open)(sink, err) < 0)
		return error_prefix(err, "sink %s", job->sink_name);
	job->readings.as_seen = true; /* nothing but examples goes through these scripts */
	if (script_host_bind(job->host, sink, job->shapes, &job->readings, report, ctx, err) < 0 || check_versions(job, sink, err) < 0 ||
	    (job->bounded && script_host_check_direct(job->host, err) < 0))
		return -1;
	for (uint32_t i = 0; report && i < script_host_count(job->host); i++)
		report_script(script_host_script(job->host, i), report, ctx);
	if (report && sink->ops->in_order)
		report(ctx, "messages and offsets are one transaction of Kafka: exactly once for readers with isolation.level = read_committed");
	if (report && !sink->ops->transactional)
		report(ctx, "the sink is no database: each change is written at least once, after a crash perhaps twice");
	for (size_t i = 0; report && sink->sides && sink->sides[i]; i++)
		report_side(job, sink->sides[i], report, ctx);
	if (report && !sink->ops->load_state && is_stateful(job))
		report(ctx, "the sink keeps no state: what scripts keep is in memory only, and begins empty at each start");
	if (checking == JOB_TELLS && script_host_findings(job->host, report, ctx, err) < 0)
		return -1;
	if (script_host_examples(job->host, keep_first, &first, &passed, &failed, err) < 0)
		return -1;
	if (failed)
		return error_set(err, "%s", first.text);
	return 0;
}

int job_check(struct job *job, enum job_checking checking, void (*report)(void *ctx, const char *line), void *ctx, struct error *err)
{
	struct event_base *loop = event_base_new();
	struct sink *sink = job_sink(job, loop, err);
	int result = sink ? check_with(job, sink, checking, report, ctx, err) : -1;

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

/* What was added is in rows that are no longer told apart: a job that reads it again adds it again. */
static int check_added(struct job *job, struct error *err)
{
	for (uint32_t i = 0; i < script_host_count(job->host); i++) {
		const struct script *script = script_host_script(job->host, i);

		if (script->merges)
			return error_set(err,
					 "--from moves the progress, and %.*s would add to %.*s what is in it already: empty the table, and give "
					 "--reset-state too, which says that you have",
					 SLICE_ARG(script->path), SLICE_ARG(script->target_name));
	}
	return 0;
}

int job_check_state(struct job *job, const struct run_options *options, bool first, struct error *err)
{
	if (first && options->from && !options->reset_state && !options->dry_run && job_keeps_progress(job) && check_added(job, err) < 0)
		return -1;
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
	struct sink *sink = job_sink_alone(job, loop, err);
	int result = sink && !sink->ops->reset ? 0 : sink && sink->ops->open(sink, err) == 0 ? sink->ops->reset(sink, state, err) : -1;

	if (sink)
		sink->ops->close(sink);
	event_base_free(loop);
	return result;
}
