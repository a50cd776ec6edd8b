#include "run/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_FD = 3 };

/* A terminal's ^C and a service manager's SIGTERM reach all processes of the group: the master alone answers them, so that
 * workers drain in order when it says so. */
static const int masters_own[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

static void begin(int *fd, pid_t master)
{
	struct sigaction standard = { .sa_handler = SIG_DFL }, ignored = { .sa_handler = SIG_IGN };

	/* A signal that SIGTERM's being ignored cannot stop. What is lost with it is what any crash loses: nothing that was committed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master)
		_exit(1); /* the master was gone before it was asked for */
	for (int i = 1; i < SIGRTMIN; i++)
		sigaction(i, &standard, NULL);
	for (size_t i = 0; i < sizeof masters_own / sizeof *masters_own; i++)
		sigaction(masters_own[i], &ignored, NULL);
	if (*fd != CHILD_FD)
		dup2(*fd, CHILD_FD);
	*fd = CHILD_FD;
	close_range(CHILD_FD + 1, ~0U, 0);
}

pid_t child_fork(int *fd, struct error *err)
{
	pid_t master = getpid(), pid;
	sigset_t all, before;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(err, "socketpair: %s", strerror(errno));
	fflush(NULL); /* or what is buffered would be written twice */
	/* A signal between fork and begin() would run the master's handler in the child, and wake the master through a pipe that both hold. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		*fd = ends[1];
		begin(fd, master);
		sigemptyset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		return 0;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return error_set(err, "fork: %s", strerror(errno));
	}
	*fd = ends[0];
	return pid;
}

void child_exit(int code)
{
	fflush(NULL);
	_exit(code); /* not exit(): handlers and memory of the master are not for the child to end */
}

const char *child_end(int status, char *out)
{
	if (WIFSIGNALED(status))
		snprintf(out, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(out, 64, "exit code %d", WEXITSTATUS(status));
	return out;
}
