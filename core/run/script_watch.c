#include "run/script_watch.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"

/* What counting its instructions may take a script more. */
enum { COUNTING_MS = 4000 };

/* What the process has used of the processors, in milliseconds. By it and not by the clock: a busy machine makes nobody suspect. */
static int64_t cpu_ms(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
		return 0;
	return used.tv_sec * 1000LL + used.tv_nsec / 1000000;
}

void script_watch_look(struct crew_worker *worker)
{
	double serial = worker->beat->watch.serial;
	int64_t most_ms = atomic_load(&worker->beat->script_most_ms);

	if (serial == 0 || serial != worker->script_seen) {
		worker->script_seen = serial;
		worker->script_cpu_ms = serial == 0 ? 0 : cpu_ms(worker->pid);
		return;
	}
	if (most_ms && atomic_load(&worker->beat->watch.careful))
		most_ms += COUNTING_MS;
	if (worker->script_stuck || most_ms == 0 || cpu_ms(worker->pid) - worker->script_cpu_ms < most_ms)
		return;
	log_error("worker %d: a script has not come to an end with one message in %.1f s: the worker is killed, and the next one is careful with it",
		  worker->number, (double)most_ms / 1000);
	worker->script_stuck = true;
	kill(worker->pid, SIGKILL);
}

bool script_watch_blame(struct crew_worker *worker)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	/* Who ends by itself with a script at work says that it was too much for the memory. */
	bool blamed = worker->script_stuck || WIFEXITED(worker->end);

	for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
		blamed |= WIFSIGNALED(worker->end) && WTERMSIG(worker->end) == crashes[i];
	if (!blamed || suspects_add(worker->crew->suspects, &worker->beat->watch) == 0)
		return false;
	atomic_store(&worker->beat->watch.frugal, FRUGAL_MESSAGES);
	return true;
}
