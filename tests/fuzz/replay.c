/* replay FOLDER: runs every input below it through the target that its folder names; needs no clang. What fuzzing once found stays
 * found. `replay FOLDER TARGET FILE` runs one. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "fuzz/fuzz.h"
#include "io/text_file.h"

static int run_file(const struct fuzz_target *target, const char *folder, const char *name)
{
	struct error err;
	char *text;
	size_t size;

	if (text_file_read(folder, name, &text, &size, &err) < 0) {
		fprintf(stderr, "replay: %s\n", err.text);
		return -1;
	}
	target->run((struct slice){ text, size });
	free(text);
	return 0;
}

/* How many; -1 where there are none, which nobody meant. */
static int run_folder(const struct fuzz_target *target, const char *corpus)
{
	struct dirent *entry;
	char path[4096];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof path, "%s/%s", corpus, target->name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		fprintf(stderr, "%s/%s\n", target->name, entry->d_name); /* the last one stands above a crash */
		if (run_file(target, path, entry->d_name) < 0)
			return -1;
		count++;
	}
	if (dir)
		closedir(dir);
	if (count == 0)
		fprintf(stderr, "replay: %s has no inputs\n", path);
	return count ? count : -1;
}

int main(int count, char **arguments)
{
	int total = 0;

	log_setup(false, LOG_ERROR + 1, "replay");
	if (count == 4 && fuzz_find(arguments[2]))
		return run_file(fuzz_find(arguments[2]), ".", arguments[3]) < 0;
	if (count != 2)
		return 2;
	for (const struct fuzz_target *target = fuzz_targets; target->name; target++) {
		int found = run_folder(target, arguments[1]);

		if (found < 0)
			return 1;
		total += found;
	}
	printf("fuzz: %d inputs replayed\n", total);
	return 0;
}
