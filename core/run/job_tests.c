/* The *_test.lua files of a job: beside its scripts, each in a VM of its own. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/text_file.h"
#include "run/job_private.h"

static const char ending[] = "_test.lua";

bool job_is_test(const char *name)
{
	size_t n = strlen(name);

	return n >= sizeof ending && strcmp(name + n + 1 - sizeof ending, ending) == 0;
}

static int is_test(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && job_is_test(entry->d_name);
}

struct testing {
	struct job *job;
	const char *only;
	void (*report)(void *ctx, const char *line);
	void *ctx;
	uint32_t *passed, *failed;
};

static int test_file(const struct testing *t, const char *path, struct error *err)
{
	struct host_options options = { .bundle = t->job->bundle, .print = job_print_line, .read = text_file_read };
	struct script_host *tester = script_host_new(&options, err);
	int result = -1;

	if (tester)
		result = script_host_test(tester, path, &t->job->readings, t->report, t->ctx, t->passed, t->failed, err);
	script_host_free(tester);
	return result;
}

/* folder: as its scripts' paths begin, "" or "scripts/". */
static int test_folder(const struct testing *t, const char *folder, struct error *err)
{
	const char *top = folder[0] == '/' ? "" : t->job->bundle->folder;
	char path[PATH_MAX], absolute[PATH_MAX];
	struct dirent **entries;
	int result = 0, count;

	snprintf(path, sizeof path, "%s/%s", top, folder);
	count = scandir(path, &entries, is_test, alphasort);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s%s", top, folder, entries[i]->d_name);
		if (result == 0 && (!t->only || (realpath(path, absolute) && strcmp(absolute, t->only) == 0))) {
			snprintf(path, sizeof path, "%s%s", folder, entries[i]->d_name);
			result = test_file(t, path, err);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return result;
}

static struct slice folder_of(const struct script *script)
{
	size_t n = script->path.n;

	while (n && script->path.p[n - 1] != '/')
		n--;
	return (struct slice){ script->path.p, n };
}

static bool is_first_there(struct script_host *host, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (slice_equal(folder_of(script_host_script(host, i)), folder_of(script_host_script(host, index))))
			return false;
	return true;
}

int job_test_files(struct job *job, const char *only, void (*report)(void *ctx, const char *line), void *ctx, uint32_t *passed, uint32_t *failed,
		   struct error *err)
{
	struct testing t = { job, only, report, ctx, passed, failed };

	job->bundle->read = text_file_read; /* tests are no part of what runs, but their texts come the same way */
	job->readings.as_seen = true;
	for (uint32_t i = 0; i < script_host_count(job->host); i++) {
		struct slice folder = folder_of(script_host_script(job->host, i));
		char path[PATH_MAX];

		snprintf(path, sizeof path, "%.*s", SLICE_ARG(folder));
		if (is_first_there(job->host, i) && test_folder(&t, path, err) < 0)
			return -1;
	}
	return 0;
}
