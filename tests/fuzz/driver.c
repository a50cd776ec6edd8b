/* libFuzzer's way in. FUZZ_TARGET says which target runs. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	const char *name = getenv("FUZZ_TARGET");

	(void)count, (void)arguments;
	target = name ? fuzz_find(name) : NULL;
	if (!target) {
		fprintf(stderr, "FUZZ_TARGET is none of:");
		for (const struct fuzz_target *each = fuzz_targets; each->name; each++)
			fprintf(stderr, " %s", each->name);
		fputc('\n', stderr);
		exit(2);
	}
	log_setup(false, LOG_ERROR + 1, "fuzz");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	target->run((struct slice){ (const char *)bytes, size });
	return 0;
}
