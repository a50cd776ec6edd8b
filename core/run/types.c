#include "run/types.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/from_db.h"
#include "run/job_private.h"
#include "run/lua_text.h"
#include "run/template.h"

#define MADE "---@meta"

enum { DOUBLE_DIGITS = 15, DOUBLE_BITS = 48 /* of integers that are numbers in Lua whatever they are */ };

/* What lua/VALUES.md says a script sees. */
static const char *seen_as(const struct target_column *column)
{
	switch ((enum column_type)column->type) {
	case COLUMN_INTEGER:
		return column->length <= DOUBLE_BITS ? "integer" : "integer|string";
	case COLUMN_YEAR:
		return "integer";
	case COLUMN_DECIMAL:
		return column->length && column->length <= DOUBLE_DIGITS ? "number" : "number|string";
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		return "number";
	case COLUMN_ENUM:
	case COLUMN_SET:
		return "string|integer"; /* some formats have its number */
	case COLUMN_UNKNOWN:
		return "any";
	case COLUMN_BIT:
	case COLUMN_TEXT:
	case COLUMN_BINARY:
	case COLUMN_BYTES:
	case COLUMN_JSON:
	case COLUMN_DATE:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
	case COLUMN_TIME:
	case COLUMN_GEOMETRY:
		return "string";
	}
	return "any";
}

static void column_field(struct buf *out, const struct target *target, uint32_t at)
{
	const struct target_column *column = &target->columns[at];
	const char *type = seen_as(column);
	struct buf name = BUF_INIT;

	lua_text_field(&name, column->name);
	buf_text(out, "---@field ");
	buf_slice(out, buf_view(&name));
	/* ["a b"]? is no syntax of theirs. */
	if (column->nullable && *name.p != '[')
		buf_printf(out, "? %s", type);
	else
		buf_printf(out, " %s%s", type, column->nullable && strcmp(type, "any") != 0 ? "|nil" : "");
	buf_text(out, column->sql_type.n ? " " : "");
	lua_text_comment(out, column->sql_type);
	buf_text(out, target_is_key(target, at) ? " (key)\n" : column->generated ? " (generated)\n" : "\n");
	buf_free(&name);
}

void types_of_tables(struct buf *out, const struct schema *schema)
{
	buf_text(out, MADE "\n-- Made by `streamlua types`, which writes it anew: do not edit.\n");
	for (size_t i = 0; i < schema->count; i++) {
		const struct target *target = &schema->tables[i].target;
		struct slice stem = schema->tables[i].stem;

		if (!target->exists)
			continue;
		buf_text(out, "\n-- A row of ");
		lua_text_comment(out, target->name);
		buf_printf(out, "\n---@class row.%.*s: streamlua.row\n", SLICE_ARG(stem));
		for (uint32_t c = 0; c < target->count; c++)
			column_field(out, target, c);
		buf_text(out, "\n-- A script of ");
		lua_text_comment(out, target->name);
		buf_printf(out,
			   "\n---@class script.%.*s: streamlua.script\n"
			   "---@field columns? table<string|integer, string|fun(row: row.%.*s): any>\n"
			   "---@field filter? fun(row: row.%.*s, ctx: streamlua.ctx): any\n"
			   "---@field where? fun(row: row.%.*s): any\n"
			   "---@field map? fun(row: row.%.*s, ctx: streamlua.ctx): table?\n"
			   "---@field process? fun(row: row.%.*s, state: table, ctx: streamlua.ctx): table?\n",
			   SLICE_ARG(stem), SLICE_ARG(stem), SLICE_ARG(stem), SLICE_ARG(stem), SLICE_ARG(stem), SLICE_ARG(stem));
	}
}

/* ---- the files ---- */

static bool is_ours(const char *path)
{
	char begin[sizeof MADE] = "";
	FILE *file = fopen(path, "r");
	bool ours = file && fread(begin, 1, sizeof MADE - 1, file) == sizeof MADE - 1 && strcmp(begin, MADE) == 0;

	if (file)
		fclose(file);
	return ours;
}

/* Whoever reads it meanwhile has the old one or the new one whole. */
static int replace(const char *folder, const char *name, struct slice text, struct error *err)
{
	char path[PATH_MAX], beside[PATH_MAX + 8];

	snprintf(path, sizeof path, "%s/types/%s", folder, name);
	snprintf(beside, sizeof beside, "%s.new", path);
	if (access(path, F_OK) == 0 && !is_ours(path))
		return error_set(err, "%s: somebody else's file (it does not begin with " MADE "): move it away", path);
	unlink(beside);
	if (template_write(beside, text, err) < 0)
		return -1;
	return rename(beside, path) == 0 ? 0 : error_set(err, "%s: %s", path, strerror(errno));
}

int types_write(const char *folder, const struct schema *schema, struct error *err)
{
	struct buf text = BUF_INIT;
	char path[PATH_MAX];
	int result;

	snprintf(path, sizeof path, "%s/types", folder);
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return error_set(err, "%s: %s", path, strerror(errno));
	types_of_tables(&text, schema);
	result = replace(folder, "streamlua.lua", template_text("types.streamlua"), err);
	if (result == 0)
		result = replace(folder, "tables.lua", buf_view(&text), err);
	buf_free(&text);
	return result;
}

/* ---- the command ---- */

static int read_sink(struct schema *schema, const char *job_path, struct event_base *loop, struct error *err)
{
	struct bundle bundle = { 0 };
	struct job *job = job_read(&bundle, job_path, err);
	struct sink *sink = job ? job_sink_alone(job, loop, err) : NULL;
	int result = -1;

	if (sink && !sink->ops->query)
		error_set(err, "%s: its sink (%s) is no database, which has columns: name one with --from-db", job_path, job_sink_name(job));
	else if (sink && sink->ops->look(sink, err) == 0)
		result = schema_read(schema, sink, err);
	if (sink)
		sink->ops->close(sink);
	job_free(job);
	bundle_free(&bundle);
	return result;
}

static int make(const char *job_path, char *from_db, struct schema *schema, struct error *err)
{
	struct event_base *loop = event_base_new();
	const char *slash = strrchr(job_path, '/');
	struct database_url url;
	char folder[PATH_MAX];
	int result;

	BUG_IF(!loop);
	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - job_path) : 1, slash ? job_path : ".");
	if (slash == job_path)
		snprintf(folder, sizeof folder, "/");
	if (access(job_path, R_OK) < 0)
		result = error_set(err, "%s: %s", job_path, strerror(errno));
	else if (from_db)
		result = from_db_open(&url, from_db, err) < 0 ? -1 : from_db_read(&url, schema, err);
	else
		result = read_sink(schema, job_path, loop, err);
	if (result == 0)
		result = types_write(folder, schema, err);
	if (result == 0)
		printf("wrote %s/types: streamlua.lua and tables.lua (tables: %zu)\n", folder, schema->count);
	event_base_free(loop);
	return result;
}

int types_command(const char *job_path, char *from_db)
{
	struct schema schema = { 0 };
	struct error err = { .text = "" };
	int result = make(job_path, from_db, &schema, &err);

	if (result < 0)
		fprintf(stderr, "streamlua: %s\n", err.text);
	schema_free(&schema);
	return result < 0 ? 2 : 0;
}
