#include "run/check.h"

#include <dirent.h>
#include <errno.h>
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

int check_job(const char *job_path)
{
	struct bundle bundle = { 0 };
	struct error err = { .text = "" };
	struct job *job = job_read(&bundle, job_path, &err);
	int failed = !job || job_check(job, JOB_TELLS, print_line, NULL, &err) < 0;

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

/* A job.lua, or a folder of scripts that has none. only: one of its *_test.lua files, and no examples; NULL: all. */
static void test_one(struct tally *tally, const char *path, bool scripts, const char *only)
{
	struct bundle bundle = { 0 };
	struct error err = { .text = "" };
	struct job *job;

	tally->found++;
	job = scripts ? job_read_scripts(&bundle, path, &err) : job_read(&bundle, path, &err);
	if (!job || (!only && job_test(job, print_line, NULL, &tally->passed, &tally->failed, &err) < 0) ||
	    job_test_files(job, only, print_line, NULL, &tally->passed, &tally->failed, &err) < 0)
		say(tally, &err);
	job_free(job);
	bundle_free(&bundle);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool is_script(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcmp(name + n - 4, ".lua") == 0 && !job_is_test(name);
}

/* Its job.lua; else its scripts; else what is in the folders below it. */
static void test_folder(struct tally *tally, const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_visible, alphasort);
	bool scripts = false, job = false;
	char path[PATH_MAX];

	for (int i = 0; i < count; i++) {
		scripts |= is_script(entries[i]->d_name);
		job |= strcmp(entries[i]->d_name, "job.lua") == 0;
	}
	if (scripts) {
		snprintf(path, sizeof path, "%s/job.lua", folder);
		test_one(tally, job ? path : folder, !job, NULL);
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

static bool is_file(const char *path)
{
	struct stat there;

	return stat(path, &there) == 0 && S_ISREG(there.st_mode);
}

/* One *_test.lua: its job.lua stands above its folder, or in it; without one the folder is one of scripts. */
static void test_file(struct tally *tally, const char *path)
{
	char file[PATH_MAX], job[PATH_MAX + sizeof "/../job.lua"];
	uint32_t ran = tally->passed + tally->failed;
	char *folder;
	struct error err;

	if (!realpath(path, file)) {
		error_set(&err, "%s: %s", path, strerror(errno));
		tally->found++;
		say(tally, &err);
		return;
	}
	folder = strndup(file, (size_t)(strrchr(file, '/') - file));
	BUG_IF(!folder);
	snprintf(job, sizeof job, "%s/../job.lua", folder);
	if (!is_file(job))
		snprintf(job, sizeof job, "%s/job.lua", folder);
	test_one(tally, is_file(job) ? job : folder, !is_file(job), file);
	if (!tally->wrong && ran == tally->passed + tally->failed) {
		error_set(&err, "%s: it stands beside no script of %s", path, is_file(job) ? job : folder);
		say(tally, &err);
	}
	free(folder);
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
		else if (job_is_test(paths[i]))
			test_file(&tally, paths[i]);
		else
			test_one(&tally, paths[i], false, NULL);
		if (tally.found == before) {
			error_set(&err, "%s: there is no job.lua and no script in it", paths[i]);
			say(&tally, &err);
		}
	}
	printf("%u passed, %u failed\n", tally.passed, tally.failed);
	return tally.wrong ? 2 : tally.failed ? 1 : 0;
}
