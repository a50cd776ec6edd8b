#include "run/preview.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "run/child.h"
#include "run/outcome.h"
#include "run/recent.h"
#include "run/rehearsal.h"

enum { MESSAGES_MOST = 100, READ_MS = 5 * 1000, SECONDS_MOST = 15, LINES_MOST = 20 };

struct preview {
	struct event_base *loop;
	pid_t pid; /* 0: none runs */
	int fd;
	struct event *ended;
};

/* ---- the child ---- */

static void print_line(void *ctx, char sign, struct slice text)
{
	const char *colour = sign == '+' ? "\033[32m" : sign == '-' ? "\033[31m" : "\033[33m";
	bool coloured = *(bool *)ctx;

	fprintf(stderr, "%s%c %.*s%s\n", coloured ? colour : "", sign, SLICE_ARG(text), coloured ? "\033[0m" : "");
}

static struct job *load(const struct bundle *bundle, struct error *err)
{
	struct job *job = job_begin(bundle, NULL, NULL, err);
	int more = 1;

	while (job && more == 1)
		more = job_load(job, err);
	if (job && more < 0) {
		job_free(job);
		job = NULL;
	}
	return job;
}

static int run_all(struct job *job, const struct recent *recent, struct outcome_of *made, struct rehearsal *rehearsal, struct error *err)
{
	if (rehearsal_run(rehearsal, job, true, recent->messages, recent->count, err) < 0)
		return -1;
	outcome_collect(made, rehearsal->intake);
	return 0;
}

static void tell(struct outcome_of *before, struct outcome_of *after, const struct recent *recent)
{
	bool coloured = isatty(STDERR_FILENO);
	struct outcome_counts counts;

	fflush(stderr);
	counts = outcome_compare(before, after, LINES_MOST, print_line, &coloured);
	if (counts.differing > LINES_MOST)
		fprintf(stderr, "... and %zu more\n", counts.differing - LINES_MOST);
	fprintf(stderr, "of the last %zu messages %zu row%s differ%s, %zu %s the same\n", recent->count, counts.differing,
		counts.differing == 1 ? "" : "s", counts.differing == 1 ? "s" : "", counts.same, counts.same == 1 ? "is" : "are");
}

static void child(const struct bundle *before, const struct bundle *after)
{
	struct outcome_of made[2];
	struct rehearsal rehearsals[2] = { 0 };
	struct recent recent = { 0 };
	struct error err = { .text = "" };
	struct job *old = load(before, &err), *new = old ? load(after, &err) : NULL;

	signal(SIGTERM, SIG_DFL);
	if (!new || recent_read(new, MESSAGES_MOST, READ_MS, &recent, &err) < 0 || run_all(old, &recent, &made[0], &rehearsals[0], &err) < 0 ||
	    run_all(new, &recent, &made[1], &rehearsals[1], &err) < 0)
		log_warn("what the edit changes cannot be shown: %s", err.text);
	else if (recent.cut)
		log_warn("what the edit changes is not shown: the source is not read to its end within %d seconds", READ_MS / 1000);
	else
		tell(&made[0], &made[1], &recent);
	child_exit(0);
}

/* ---- the master ---- */

static void give_up(struct preview *preview)
{
	if (!preview->pid)
		return;
	event_del(preview->ended);
	kill(preview->pid, SIGKILL);
	waitpid(preview->pid, NULL, 0);
	close(preview->fd);
	preview->pid = 0;
}

/* Its end of the socket is closed, or it takes too long. */
static void on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct preview *preview = arg;

	(void)fd;
	if (what & EV_TIMEOUT)
		log_warn("what the edit changes is not shown: it takes more than %d seconds", SECONDS_MOST);
	give_up(preview);
}

struct preview *preview_new(struct event_base *loop)
{
	struct preview *preview = calloc(1, sizeof *preview);

	BUG_IF(!preview);
	*preview = (struct preview){ .loop = loop };
	return preview;
}

void preview_show(struct preview *preview, const struct bundle *before, const struct bundle *after)
{
	struct error err;

	give_up(preview);
	preview->pid = child_fork(&preview->fd, &err);
	if (preview->pid == 0)
		child(before, after);
	if (preview->pid < 0) {
		log_warn("what the edit changes is not shown: %s", err.text);
		preview->pid = 0;
		return;
	}
	if (preview->ended)
		event_free(preview->ended);
	preview->ended = event_new(preview->loop, preview->fd, EV_READ, on_ended, preview);
	BUG_IF(!preview->ended);
	event_add(preview->ended, &(struct timeval){ SECONDS_MOST, 0 });
}

void preview_free(struct preview *preview)
{
	if (!preview)
		return;
	give_up(preview);
	if (preview->ended)
		event_free(preview->ended);
	free(preview);
}
