#include "run/new.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/sqlite_make.h"
#include "run/from_db.h"
#include "run/lua_text.h"
#include "run/new_script.h"
#include "run/template.h"
#include "run/types.h"

#define PLACE_OF_NAME "@NAME@"

struct file {
	const char *path, *template; /* in the new folder; among the templates */
};

static const struct file settings[] = { { ".luarc.json", "new.luarc.json" }, { ".luacheckrc", "new.luacheckrc" }, { NULL, NULL } };

static const struct file sample[] = { { "job.lua", "new.job" },
				      { "scripts/orders.lua", "new.scripts.orders" },
				      { "sample.jsonl", "new.sample.jsonl" },
				      { "schema.sql", "new.schema.sql" },
				      { "README.md", "new.README.md" },
				      { NULL, NULL } };

/* The name of the job is text in job.lua, and part of file names: letters that mean nothing else in either. */
static int find_name(const char *folder, const char **name, struct error *err)
{
	const char *slash = strrchr(folder, '/');

	*name = slash ? slash + 1 : folder;
	for (const char *p = *name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_' && *p != '.')
			goto bad;
	if (**name && **name != '.' && **name != '-')
		return 0;
bad:
	return error_set(err, "\"%s\": a name of letters, digits, - and _ is needed", *name);
}

static int make_folders(const char *folder, struct error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/scripts", folder);
	if (mkdir(folder, 0777) < 0 || mkdir(path, 0777) < 0)
		return error_set(err, "%s: %s", folder, strerror(errno));
	return 0;
}

static int write_file(const char *folder, const char *name, struct slice text, struct error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return template_write(path, text, err);
}

static int write_files(const char *folder, const struct file *files, const char *name, struct error *err)
{
	struct buf text = BUF_INIT;
	int result = 0;

	for (; result == 0 && files->path; files++) {
		buf_clear(&text);
		template_fill(&text, template_text(files->template), PLACE_OF_NAME, name);
		result = write_file(folder, files->path, buf_view(&text), err);
	}
	buf_free(&text);
	return result;
}

/* ---- with a sample ---- */

static int make_sample(const char *folder, const char *name, struct error *err)
{
	struct database_url target = { .kind = "sqlite" };
	struct schema schema = { 0 };
	struct buf text = BUF_INIT;
	int result;

	if (make_folders(folder, err) < 0 || write_files(folder, sample, name, err) < 0 || write_files(folder, settings, name, err) < 0)
		return -1;
	buf_slice(&text, template_text("new.schema.sql"));
	snprintf(target.database, sizeof target.database, "%s/target.db", folder);
	result = sqlite_make(target.database, buf_cstr(&text), err);
	if (result == 0)
		result = from_db_read(&target, &schema, err);
	if (result == 0)
		result = types_write(folder, &schema, err);
	if (result == 0)
		printf("made %s; next: cd %s && streamlua job.lua\n", folder, folder);
	schema_free(&schema);
	buf_free(&text);
	return result;
}

/* ---- from a database ---- */

/* Topics of a connector end in DATABASE.TABLE, whatever stands before; letters that no topic can have are _ in them. */
static void write_topics(struct buf *out, const struct database_url *url)
{
	const char *name = url->database;
	size_t n = strlen(name);

	if (strcmp(url->kind, "sqlite") == 0) {
		name = strrchr(name, '/') + 1; /* the path is absolute */
		n = strcspn(name, ".");
	}
	buf_text(out, "[[(.*\\.)?");
	for (size_t i = 0; i < n; i++) {
		if (name[i] == '.')
			buf_text(out, "\\.");
		else
			buf_char(out, isalnum((unsigned char)name[i]) || name[i] == '-' ? name[i] : '_');
	}
	buf_text(out, "\\.[^.]+]]");
}

/* The sink's options, and never the password. */
static void write_sink(struct buf *out, const struct database_url *url)
{
	bool file = strcmp(url->kind, "sqlite") == 0;

	buf_printf(out, "sl.sink.%s {\n    %s = ", url->kind, file ? "path" : "host");
	lua_text_string(out, slice_of(file ? url->database : url->host));
	if (!file) {
		buf_printf(out, ", port = %d,\n    user = ", (int)url->port);
		lua_text_string(out, slice_of(url->user));
		buf_text(out, ", password = sl.env(\"" FROM_DB_PASSWORD "\", \"\"),\n    database = ");
		lua_text_string(out, slice_of(url->database));
	}
	buf_text(out, ",\n  }");
}

static int write_job(const char *folder, const char *name, const struct database_url *url, struct error *err)
{
	struct buf named = BUF_INIT, topics = BUF_INIT, sink = BUF_INIT, with_topics = BUF_INIT, text = BUF_INIT;
	int result;

	write_topics(&topics, url);
	write_sink(&sink, url);
	template_fill(&named, template_text("from-db.job.lua.in"), PLACE_OF_NAME, name);
	template_fill(&with_topics, buf_view(&named), "@TOPICS@", buf_cstr(&topics));
	template_fill(&text, buf_view(&with_topics), "@SINK@", buf_cstr(&sink));
	result = write_file(folder, "job.lua", buf_view(&text), err);
	buf_free(&named);
	buf_free(&topics);
	buf_free(&sink);
	buf_free(&with_topics);
	buf_free(&text);
	return result;
}

static int write_scripts(const char *folder, const struct schema *schema, struct error *err)
{
	struct buf text = BUF_INIT;
	char name[PATH_MAX];
	int result = 0;

	for (size_t i = 0; result == 0 && i < schema->count; i++) {
		const struct schema_table *table = &schema->tables[i];

		if (table->unsuitable)
			continue;
		buf_clear(&text);
		new_script(&text, table);
		snprintf(name, sizeof name, "scripts/%.*s.lua", SLICE_ARG(table->stem));
		result = write_file(folder, name, buf_view(&text), err);
	}
	buf_free(&text);
	return result;
}

static size_t suitable(const struct schema *schema)
{
	size_t count = 0;

	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_table *table = &schema->tables[i];

		count += !table->unsuitable;
		if (table->unsuitable)
			fprintf(stderr, "streamlua: table `%.*s` gets no script: %s\n", SLICE_ARG(table->target.name), table->unsuitable);
	}
	return count;
}

static int make_from(const char *folder, const char *name, const struct database_url *url, const struct schema *schema, struct error *err)
{
	static const struct file readme[] = { { "README.md", "from-db.README.md" }, { NULL, NULL } };
	size_t count = suitable(schema);

	if (!count)
		return error_set(err, "--from-db: database `%s` has no table that a script could be written for", url->database);
	if (make_folders(folder, err) < 0 || write_job(folder, name, url, err) < 0 || write_scripts(folder, schema, err) < 0 ||
	    write_files(folder, readme, name, err) < 0 || write_files(folder, settings, name, err) < 0 || types_write(folder, schema, err) < 0)
		return -1;
	printf("made %s with %zu scripts; next: cd %s && streamlua test\n", folder, count, folder);
	return 0;
}

static int make_from_db(const char *folder, const char *name, char *address, struct error *err)
{
	struct schema schema = { 0 };
	struct database_url url;
	int result = -1;

	if (access(folder, F_OK) == 0)
		return error_set(err, "%s: %s", folder, strerror(EEXIST));
	if (from_db_open(&url, address, err) == 0 && from_db_read(&url, &schema, err) == 0)
		result = make_from(folder, name, &url, &schema, err);
	schema_free(&schema);
	return result;
}

int new_job(const char *folder, char *from_db)
{
	struct error err;
	const char *name;

	if (find_name(folder, &name, &err) == 0 && (from_db ? make_from_db(folder, name, from_db, &err) : make_sample(folder, name, &err)) == 0)
		return 0;
	fprintf(stderr, "streamlua: %s\n", err.text);
	return 2;
}
