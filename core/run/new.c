#include "run/new.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/error.h"
#include "io/sqlite_make.h"
#include "run/template.h"

#define PLACE_OF_NAME "@NAME@"

static const struct {
	const char *path, *template; /* in the new folder; among the templates */
} files[] = {
	{ "job.lua", "new.job" },
	{ "scripts/orders.lua", "new.scripts.orders" },
	{ "sample.jsonl", "new.sample.jsonl" },
	{ "schema.sql", "new.schema.sql" },
	{ "README.md", "new.README.md" },
	{ ".luarc.json", "new.luarc.json" },
	{ ".luacheckrc", "new.luacheckrc" },
};

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
	struct buf text = BUF_INIT;
	char path[PATH_MAX];
	int result = 0;

	snprintf(path, sizeof path, "%s/scripts", folder);
	if (mkdir(folder, 0777) < 0 || mkdir(path, 0777) < 0)
		return error_set(err, "%s: %s", folder, strerror(errno));
	for (size_t i = 0; result == 0 && i < sizeof files / sizeof *files; i++) {
		buf_clear(&text);
		template_fill(&text, template_text(files[i].template), PLACE_OF_NAME, name);
		snprintf(path, sizeof path, "%s/%s", folder, files[i].path);
		result = template_write(path, buf_view(&text), err);
	}
	if (result == 0) {
		buf_clear(&text);
		buf_slice(&text, template_text("new.schema.sql"));
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
