#include "run/check.h"

#include <limits.h>
#include <stdio.h>
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

int check_examples(char *const *paths, size_t count)
{
	uint32_t passed = 0, failed = 0;
	bool wrong = false;

	for (size_t i = 0; i < count; i++) {
		struct bundle bundle = { 0 };
		struct error err = { "" };
		char path[PATH_MAX];
		struct stat there;
		struct job *job;

		snprintf(path, sizeof path, stat(paths[i], &there) == 0 && S_ISDIR(there.st_mode) ? "%s/job.lua" : "%s", paths[i]);
		job = load(path, &bundle, &err);
		if (!job || job_test(job, print_line, NULL, &passed, &failed, &err) < 0) {
			fprintf(stderr, "streamlua: %s\n", err.text);
			wrong = true;
		}
		job_free(job);
		bundle_free(&bundle);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return wrong ? 2 : failed ? 1 : 0;
}
