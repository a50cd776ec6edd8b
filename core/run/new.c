#include "run/new.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/error.h"
#include "flow/lua_modules.h"
#include "io/sqlite_make.h"

#define PLACE_OF_NAME "@NAME@"

static const struct {
	const char *path, *module; /* in the new folder; among the modules that are compiled in */
} files[] = {
	{ "job.lua", "templates.new.job" },
	{ "scripts/orders.lua", "templates.new.scripts.orders" },
	{ "sample.jsonl", "templates.new.sample.jsonl" },
	{ "schema.sql", "templates.new.schema.sql" },
	{ "README.md", "templates.new.README.md" },
	{ ".luarc.json", "templates.new.luarc.json" },
	{ ".luacheckrc", "templates.new.luacheckrc" },
};

static const struct lua_module *module_named(const char *name)
{
	const struct lua_module *module = lua_modules;

	while (module->name && strcmp(module->name, name) != 0)
		module++;
	BUG_IF(!module->name);
	return module;
}

static void fill_in(struct buf *out, struct slice text, const char *name)
{
	const char *place;

	while ((place = memmem(text.p, text.n, PLACE_OF_NAME, strlen(PLACE_OF_NAME)))) {
		buf_append(out, text.p, (size_t)(place - text.p));
		buf_text(out, name);
		text.n -= (size_t)(place - text.p) + strlen(PLACE_OF_NAME);
		text.p = place + strlen(PLACE_OF_NAME);
	}
	buf_slice(out, text);
}

static int write_file(const char *path, struct slice text, struct error *err)
{
	FILE *file = fopen(path, "wx");
	bool written = file && fwrite(text.p, 1, text.n, file) == text.n;

	if (file && fclose(file) != 0)
		written = false;
	return written ? 0 : error_set(err, "%s: %s", path, strerror(errno));
}

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

static int make_all(const char *folder, const char *name, struct error *err)
{
	const struct lua_module *schema = module_named("templates.new.schema.sql");
	struct buf text = BUF_INIT;
	char path[PATH_MAX];
	int result = 0;

	snprintf(path, sizeof path, "%s/scripts", folder);
	if (mkdir(folder, 0777) < 0 || mkdir(path, 0777) < 0)
		return error_set(err, "%s: %s", folder, strerror(errno));
	for (size_t i = 0; result == 0 && i < sizeof files / sizeof *files; i++) {
		const struct lua_module *module = module_named(files[i].module);

		buf_clear(&text);
		fill_in(&text, (struct slice){ module->text, module->size }, name);
		snprintf(path, sizeof path, "%s/%s", folder, files[i].path);
		result = write_file(path, buf_view(&text), err);
	}
	if (result == 0) {
		buf_clear(&text);
		buf_append(&text, schema->text, schema->size);
		snprintf(path, sizeof path, "%s/target.db", folder);
		result = sqlite_make(path, buf_cstr(&text), err);
	}
	buf_free(&text);
	return result;
}

int new_job(const char *folder)
{
	struct error err;
	const char *name;

	if (find_name(folder, &name, &err) < 0 || make_all(folder, name, &err) < 0) {
		fprintf(stderr, "streamlua: %s\n", err.text);
		return 2;
	}
	printf("made %s; next: cd %s && streamlua job.lua\n", folder, folder);
	return 0;
}
