#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/text_file.h"
#include "run/job_private.h"

/* ---- job.lua's fields ---- */

void job_push(struct job *job, const char *path)
{
	lua_State *lua = script_host_lua(job->host);
	const char *end;

	script_host_push_job(job->host);
	for (; *path; path = *end ? end + 1 : end) {
		end = path + strcspn(path, ".");
		if (!lua_istable(lua, -1)) {
			lua_pop(lua, 1);
			lua_pushnil(lua);
			return;
		}
		lua_pushlstring(lua, path, (size_t)(end - path));
		lua_rawget(lua, -2);
		lua_remove(lua, -2);
	}
}

const char *job_text(struct job *job, const char *path)
{
	lua_State *lua = script_host_lua(job->host);
	const char *text;

	job_push(job, path);
	text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL; /* it stays: job.lua's table holds it */
	lua_pop(lua, 1);
	return text;
}

void job_each(struct job *job, const char *path, void (*each)(void *ctx, const char *text), void *ctx)
{
	lua_State *lua = script_host_lua(job->host);

	job_push(job, path);
	for (int i = 1; lua_istable(lua, -1) && i <= (int)lua_objlen(lua, -1); i++) {
		lua_rawgeti(lua, -1, i);
		each(ctx, lua_tostring(lua, -1));
		lua_pop(lua, 1);
	}
	lua_pop(lua, 1);
}

int64_t job_number(struct job *job, const char *path, int64_t otherwise)
{
	lua_State *lua = script_host_lua(job->host);
	int64_t number;

	job_push(job, path);
	number = lua_type(lua, -1) == LUA_TNUMBER ? (int64_t)lua_tonumber(lua, -1) : otherwise;
	lua_pop(lua, 1);
	return number;
}

bool job_flag(struct job *job, const char *path)
{
	lua_State *lua = script_host_lua(job->host);
	bool flag;

	job_push(job, path);
	flag = lua_toboolean(lua, -1);
	lua_pop(lua, 1);
	return flag;
}

enum on_control job_control(struct job *job, const char *field)
{
	const char *rule = job_text(job, field);

	return !rule || strcmp(rule, "ignore") == 0 ? ON_CONTROL_IGNORE : strcmp(rule, "stop") == 0 ? ON_CONTROL_STOP : ON_CONTROL_DEAD_LETTER;
}

/* ---- scripts ---- */

/* served: the table that job.lua names it for, or NULL. */
static void add_script(struct job *job, const char *path, const char *served)
{
	struct job_script *script;

	job->scripts = realloc(job->scripts, (job->script_count + 1) * sizeof *job->scripts);
	BUG_IF(!job->scripts);
	script = &job->scripts[job->script_count++];
	script->path = strdup(path);
	script->served = served ? strdup(served) : NULL;
	BUG_IF(!script->path || (served && !script->served));
}

static void list_map(struct job *job)
{
	lua_State *lua = script_host_lua(job->host);

	job_push(job, "tables.map");
	lua_pushnil(lua);
	while (lua_next(lua, -2)) {
		add_script(job, lua_tostring(lua, -1), lua_tostring(lua, -2));
		lua_pop(lua, 1);
	}
	lua_pop(lua, 1);
}

static bool is_script(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > 4 && strcmp(name + n - 4, ".lua") == 0 && !job_is_test(name);
}

static int by_path(const void *a, const void *b)
{
	const struct job_script *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* Reads the folder's scripts into the bundle while it is open. */
static int read_folder(struct bundle *bundle, const char *folder, struct error *err)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int result = 0;

	snprintf(path, sizeof path, "%s%s%s", folder[0] == '/' ? "" : bundle->folder, folder[0] == '/' ? "" : "/", folder);
	dir = opendir(path);
	if (!dir)
		return error_set(err, "tables: folder %s: %s", path, strerror(errno));
	while (result == 0 && (entry = readdir(dir))) {
		if (!is_script(entry->d_name))
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (!bundle_get(bundle, path, err))
			result = -1;
	}
	closedir(dir);
	return result;
}

/* The bundle's files directly in the folder, in the order of their names. */
static int list_folder(struct job *job, const char *folder, struct error *err)
{
	size_t prefix = strlen(folder);

	if (job->bundle->read && read_folder(job->bundle, folder, err) < 0)
		return -1;
	for (size_t i = 0; i < job->bundle->count; i++) {
		const char *path = job->bundle->files[i].path;

		if (strncmp(path, folder, prefix) == 0 && path[prefix] == '/' && !strchr(path + prefix + 1, '/') && is_script(path + prefix + 1))
			add_script(job, path, NULL);
	}
	if (!job->script_count)
		return error_set(err, "tables: folder %s has no script: put a file for each table into it, as in %s/orders.lua", folder, folder);
	qsort(job->scripts, job->script_count, sizeof *job->scripts, by_path);
	return 0;
}

void job_print_line(void *ctx, struct slice text)
{
	(void)ctx;
	log_info("%.*s", SLICE_ARG(text));
}

/* ---- the format's options ---- */

static void read_json_options(struct job *job)
{
	struct json_options *options = &job->format_options.json;
	const struct {
		const char *path;
		char *to;
	} texts[] = {
		{ "source.format.table.field", options->table_field },
		{ "source.format.table.header", options->table_header },
		{ "source.format.database.field", options->database_field },
		{ "source.format.database.header", options->database_header },
		{ "source.format.op.field", options->op_field },
		{ "source.format.op.header", options->op_header },
		{ "source.format.row", options->row },
		{ "source.format.old", options->old },
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const char *text = job_text(job, texts[i].path);

		if (text)
			snprintf(texts[i].to, JSON_NAME_MOST, "%s", text); /* as long as they may be: streamlua.format */
	}
}

static void read_format(struct job *job)
{
	static const char *const time_modes[] = {
		[TIME_MODE_ADAPTIVE_MICROSECONDS] = "adaptive_time_microseconds",
		[TIME_MODE_ADAPTIVE] = "adaptive",
		[TIME_MODE_CONNECT] = "connect",
		[TIME_MODE_MICROSECONDS] = "microseconds",
		[TIME_MODE_NANOSECONDS] = "nanoseconds",
	};
	const char *name = job_text(job, "source.format.name");
	const char *decimal = job_text(job, "source.format.decimal"), *binary = job_text(job, "source.format.binary");
	const char *zone = job_text(job, "source.format.zone"), *absent = job_text(job, "source.format.absent");
	const char *time = job_text(job, "source.format.time"), *unavailable = job_text(job, "source.format.unavailable");
	struct reading_settings *readings = &job->format_options.readings;
	int hours, minutes;

	job->format = name && strcmp(name, "lua") != 0 ? format_find(slice_of(name)) : NULL;
	format_set_readings(job->format, readings);
	readings->decimal = !decimal ? MEANING_UNKNOWN : strcmp(decimal, "precise") == 0 ? MEANING_DECIMAL : MEANING_PLAIN;
	if (binary && strcmp(binary, "bytes") != 0) /* bytes is the connector's default: what the schema or the column says */
		readings->binary = strcmp(binary, "hex") == 0 ? MEANING_HEX : strcmp(binary, "base64") == 0 ? MEANING_BASE64 : MEANING_BASE64_URL;
	for (size_t i = 0; time && i < sizeof time_modes / sizeof *time_modes; i++)
		if (strcmp(time, time_modes[i]) == 0)
			readings->time = (uint8_t)i;
	if (unavailable)
		unavailable_set(&job->format_options.unavailable, slice_of(unavailable)); /* it is one: streamlua.format */
	readings->absent_is_null = absent && strcmp(absent, "null") == 0;
	if (zone && sscanf(zone + 1, "%d:%d", &hours, &minutes) == 2)
		readings->zone_minutes = (zone[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
	read_json_options(job);
	job->readings = *readings;
}

/* ---- lifetime ---- */

static struct job *begin_job(struct bundle *bundle, struct script_watch *watch, const struct suspects *suspects, struct error *err)
{
	struct host_options options = { .bundle = bundle, .watch = watch, .suspects = suspects, .print = job_print_line, .read = text_file_read };
	struct job *job = calloc(1, sizeof *job);
	const char *folder;

	BUG_IF(!job);
	job->bundle = bundle;
	job->shapes = shapes_new();
	job->host = script_host_new(&options, err);
	if (!job->host)
		goto fail;
	read_format(job);
	job->name = strdup(job_text(job, "name"));
	job->sink_name = strdup(job_text(job, "sink.kind"));
	job->bounded = strcmp(job_text(job, "source.kind"), "file") == 0;
	folder = job_text(job, "tables.folder");
	if (!folder)
		list_map(job);
	else if (list_folder(job, folder, err) < 0)
		goto fail;
	return job;
fail:
	job_free(job);
	return NULL;
}

int job_load(struct job *job, struct error *err)
{
	if (job->loaded < job->script_count) {
		const struct job_script *script = &job->scripts[job->loaded++];

		return script_host_load(job->host, script->path, script->served, err) < 0 ? -1 : 1;
	}
	if (!job->outside)
		job->outside = script_host_outside(job->host, err);
	return job->outside ? 0 : -1;
}

/* With all its scripts. */
static struct job *open_job(struct bundle *bundle, struct error *err)
{
	struct job *job = begin_job(bundle, NULL, NULL, err);
	int more = job ? 1 : -1;

	while (more == 1)
		more = job_load(job, err);
	if (more == 0)
		return job;
	job_free(job);
	return NULL;
}

/* Splits the path into the bundle's folder and the name in it. */
static int find(struct bundle *bundle, const char *path, char **name, struct error *err)
{
	char absolute[PATH_MAX], *slash;

	*bundle = (struct bundle){ .read = text_file_read };
	if (text_file_absolute(path, absolute, err) < 0)
		return -1;
	slash = strrchr(absolute, '/');
	*name = strdup(slash + 1);
	*(slash == absolute ? slash + 1 : slash) = 0;
	bundle->folder = strdup(absolute);
	BUG_IF(!*name || !bundle->folder);
	return 0;
}

static struct job *read_all(struct bundle *bundle, struct error *err)
{
	struct job *job = bundle_get(bundle, bundle->job, err) ? open_job(bundle, err) : NULL;

	if (job)
		bundle_seal(bundle);
	else
		bundle_free(bundle);
	return job;
}

struct job *job_read(struct bundle *bundle, const char *job_path, struct error *err)
{
	return find(bundle, job_path, &bundle->job, err) < 0 ? NULL : read_all(bundle, err);
}

struct job *job_read_scripts(struct bundle *bundle, const char *folder, struct error *err)
{
	struct buf text = BUF_INIT;
	char *name;

	if (find(bundle, folder, &name, err) < 0)
		return NULL;
	buf_printf(&text,
		   "local sl = require 'streamlua' return sl.job { name = 'scripts', source = sl.source.file { path = '-', format = 'json' }, "
		   "tables = [==[%s]==], sink = sl.sink.blackhole() }",
		   name);
	bundle->job = strdup("job.lua");
	BUG_IF(!bundle->job);
	bundle_add(bundle, bundle->job, buf_cstr(&text), text.n);
	buf_free(&text);
	free(name);
	return read_all(bundle, err);
}

struct job *job_begin(const struct bundle *bundle, struct script_watch *watch, const struct suspects *suspects, struct error *err)
{
	/* A sealed bundle is only read; the cast is for job_read, which fills one through the same path. */
	return begin_job((struct bundle *)bundle, watch, suspects, err);
}

void job_free(struct job *job)
{
	if (!job)
		return;
	script_host_free(job->host);
	shapes_free(job->shapes);
	free(job->name);
	free(job->sink_name);
	free(job->outside);
	for (size_t i = 0; i < job->script_count; i++) {
		free(job->scripts[i].path);
		free(job->scripts[i].served);
	}
	free(job->scripts);
	free(job);
}

const char *job_name(const struct job *job)
{
	return job->name;
}

const char *job_sink_name(const struct job *job)
{
	return job->sink_name;
}

uint32_t job_script_count(const struct job *job)
{
	return script_host_count(job->host);
}

bool job_is_bounded(const struct job *job)
{
	return job->bounded;
}

const char *job_outside(const struct job *job)
{
	return job->outside;
}
