#include "run/template.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "flow/lua_modules.h"

static const char folder[] = "templates.";

static const char *name_of(const struct lua_module *module)
{
	size_t n = sizeof folder - 1;

	return strncmp(module->name, folder, n) == 0 ? module->name + n : module->name;
}

struct slice template_text(const char *name)
{
	const struct lua_module *module = lua_modules;

	while (module->name && strcmp(name_of(module), name) != 0)
		module++;
	BUG_IF(!module->name);
	return (struct slice){ module->text, module->size };
}

void template_fill(struct buf *out, struct slice text, const char *place, const char *with)
{
	size_t n = strlen(place);
	const char *found;

	while ((found = memmem(text.p, text.n, place, n))) {
		buf_append(out, text.p, (size_t)(found - text.p));
		buf_text(out, with);
		text.n -= (size_t)(found - text.p) + n;
		text.p = found + n;
	}
	buf_slice(out, text);
}

int template_write(const char *path, struct slice text, struct error *err)
{
	FILE *file = fopen(path, "wx");
	bool written = file && fwrite(text.p, 1, text.n, file) == text.n;

	if (file && fclose(file) != 0)
		written = false;
	return written ? 0 : error_set(err, "%s: %s", path, strerror(errno));
}
