/* The simulation: sim [-v] [SEED [RUNS]]. Runs the seeds SEED, SEED + 1, ... and ends with 1 at the first that fails. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "sim/scripts.h"
#include "sim/trace.h"
#include "sim/world.h"

enum { RUN_SECONDS_MOST = 60 }; /* one takes milliseconds; a loop without an end takes this */

static void on_signal(int number)
{
	signal(number, SIG_DFL);
	fprintf(stderr, "signal %d\n", number);
	trace_print();
	raise(number);
}

/* Called by AddressSanitizer where it has found something. */
void __asan_on_error(void);
__attribute__((visibility("default"))) void __asan_on_error(void)
{
	trace_print();
}

int main(int count, char **arguments)
{
	bool aloud = count > 1 && strcmp(arguments[1], "-v") == 0;
	uint64_t seed = count > 1 + aloud ? strtoull(arguments[1 + aloud], NULL, 10) : 1;
	uint64_t runs = count > 2 + aloud ? strtoull(arguments[2 + aloud], NULL, 10) : 1;

	signal(SIGABRT, on_signal);
	signal(SIGALRM, on_signal);
	signal(SIGSEGV, on_signal);
	log_setup(false, LOG_ERROR, "sim");
	for (uint64_t i = 0; i < runs; i++) {
		alarm(RUN_SECONDS_MOST);
		trace_begin(seed + i, aloud);
		world_run(seed + i);
	}
	scripts_end();
	printf("%llu runs from seed %llu: all is well\n", (unsigned long long)runs, (unsigned long long)seed);
	return 0;
}
