#include "io/text_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* A script is a few kilobytes; a file like this is no script, and would travel to every worker. */
enum { TEXT_MOST = 16 << 20 };

int text_file_absolute(const char *path, char *absolute, struct error *err)
{
	char given[PATH_MAX], folder[PATH_MAX], *slash;
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t n;

	if (!realpath(path, absolute))
		return error_set(err, "%s: %s", path, strerror(errno));
	if (snprintf(given, sizeof given, "%s", path) >= (int)sizeof given)
		return 0;
	slash = strrchr(given, '/');
	if (slash)
		slash[slash == given] = 0;
	if (!realpath(slash ? given : ".", folder))
		return 0;
	n = strlen(folder);
	if (strncmp(absolute, folder, n) == 0 && strncmp(absolute + n, "/..", 3) == 0 && n + 1 + strlen(name) < PATH_MAX)
		sprintf(absolute + n, "/%s", name);
	return 0;
}

int text_file_read(const char *folder, const char *path, char **text, size_t *size, struct error *err)
{
	char full[PATH_MAX];
	struct buf all = BUF_INIT;
	size_t n;
	FILE *file;

	snprintf(full, sizeof full, "%s%s%s", path[0] == '/' ? "" : folder, path[0] == '/' ? "" : "/", path);
	file = fopen(full, "re");
	if (!file)
		return error_set(err, "%s: %s", full, strerror(errno));
	while ((n = fread(buf_reserve(&all, 8192), 1, 8192, file)) > 0 && all.n <= TEXT_MOST)
		all.n += n;
	if (ferror(file) || all.n > TEXT_MOST) {
		error_set(err, "%s: %s", full, ferror(file) ? strerror(errno) : "larger than 16 MB");
		fclose(file);
		buf_free(&all);
		return -1;
	}
	fclose(file);
	buf_cstr(&all);
	*text = all.p;
	*size = all.n;
	return 0;
}
