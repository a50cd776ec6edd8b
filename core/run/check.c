#include "run/check.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "run/job.h"

static void print_line(void *ctx, const char *line)
{
	(void)ctx;
	puts(line);
}

static struct job *load(const char *path, struct bundle *bundle, struct error *err)
{
	return job_read(bundle, path, err) < 0 ? NULL : job_new(bundle, err);
}

int check_job(const char *job_path)
{
	struct bundle bundle = { 0 };
	struct error err = { "" };
	struct job *job = load(job_path, &bundle, &err);
	int failed = !job || job_check(job, true, print_line, NULL, &err) < 0;

	if (failed)
		fprintf(stderr, "streamlua: %s\n", err.text);
	job_free(job);
	bundle_free(&bundle);
	return failed ? 2 : 0;
}

struct tally {
	uint32_t passed, failed, found; /* found: jobs and folders of scripts */
	bool wrong;
};

static void say(struct tally *tally, const struct error *err)
{
	fprintf(stderr, "streamlua: %s\n", err->text);
	tally->wrong = true;
}

/* A job.lua, or a folder of scripts that has none. */
static void test_one(struct tally *tally, const char *path, bool scripts)
{
	struct bundle bundle = { 0 };
	struct error err = { "" };
	struct job *job = NULL;

	tally->found++;
	if ((scripts ? job_read_scripts(&bundle, path, &err) : job_read(&bundle, path, &err)) == 0)
		job = job_new(&bundle, &err);
	if (!job || job_test(job, print_line, NULL, &tally->passed, &tally->failed, &err) < 0)
		say(tally, &err);
	job_free(job);
	bundle_free(&bundle);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool is_lua(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".lua") == 0;
}

/* Its job.lua; else its scripts; else what is in the folders below it. */
static void test_folder(struct tally *tally, const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_visible, alphasort);
	bool scripts = false, job = false;
	char path[PATH_MAX];

	for (int i = 0; i < count; i++) {
		scripts |= is_lua(entries[i]->d_name);
		job |= strcmp(entries[i]->d_name, "job.lua") == 0;
	}
	if (scripts) {
		snprintf(path, sizeof path, "%s/job.lua", folder);
		test_one(tally, job ? path : folder, !job);
	}
	for (int i = 0; i < count; i++) {
		struct stat there;

		snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
		if (!scripts && lstat(path, &there) == 0 && S_ISDIR(there.st_mode))
			test_folder(tally, path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

int check_examples(char *const *paths, size_t count)
{
	struct tally tally = { 0 };

	for (size_t i = 0; i < count; i++) {
		uint32_t before = tally.found;
		struct stat there;
		struct error err;

		if (stat(paths[i], &there) == 0 && S_ISDIR(there.st_mode))
			test_folder(&tally, paths[i]);
		else
			test_one(&tally, paths[i], false);
		if (tally.found == before) {
			error_set(&err, "%s: there is no job.lua and no script in it", paths[i]);
			say(&tally, &err);
		}
	}
	printf("%u passed, %u failed\n", tally.passed, tally.failed);
	return tally.wrong ? 2 : tally.failed ? 1 : 0;
}
