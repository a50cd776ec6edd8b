#include "run/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/log.h"
#include "run/child.h"

/* What the child says, in any order: a tag, a length, bytes. */
enum { TAG_BUNDLE = 'b', TAG_NAME = 'n', TAG_SINK = 's', TAG_OUTSIDE = 'o', TAG_SCRIPTS = 'c', TAG_ERROR = 'e', TAG_PASSING = 'p', TAG_REKEYS = 'r' };

struct trial {
	pid_t pid;
	int fd;
	struct event *readable;
	struct evbuffer *said;
	void (*done)(void *ctx, struct trial_job *job, const struct error *err);
	void *ctx;
};

static void say(struct buf *out, char tag, const void *bytes, size_t n)
{
	uint32_t size = (uint32_t)n;

	buf_char(out, tag);
	buf_append(out, &size, sizeof size);
	buf_append(out, bytes, n);
}

static void log_line(void *ctx, const char *line)
{
	(void)ctx;
	log_info("%s", line);
}

static void examine(const struct run_options *options, bool first, struct buf *out)
{
	struct bundle bundle = { 0 };
	struct buf packed = BUF_INIT;
	struct job *job;
	struct error err = { .text = "" };
	uint32_t scripts;

	job = job_read(&bundle, options->job_path, &err);
	if (!job || job_check_state(job, options, first, &err) < 0 ||
	    job_check(job, options->dry_run ? JOB_LOOKS : JOB_STARTS, log_line, NULL, &err) < 0 ||
	    (first && !options->dry_run && job_make_topics(job, options->from != NULL, &err) < 0) ||
	    (first && options->from && !options->dry_run && job_forget(job, options->reset_state, &err) < 0)) {
		say(out, err.passing ? TAG_PASSING : TAG_ERROR, err.text, strlen(err.text));
		return;
	}
	bundle_pack(&bundle, &packed);
	scripts = job_script_count(job);
	say(out, TAG_BUNDLE, packed.p, packed.n);
	say(out, TAG_NAME, job_name(job), strlen(job_name(job)));
	say(out, TAG_SINK, job_sink_name(job), strlen(job_sink_name(job)));
	say(out, TAG_OUTSIDE, job_outside(job), strlen(job_outside(job)));
	say(out, TAG_SCRIPTS, &scripts, sizeof scripts);
	if (job_rekeys(job) && !options->dry_run)
		say(out, TAG_REKEYS, "", 0);
	job_free(job);
	bundle_free(&bundle);
	buf_free(&packed);
}

static void child(int fd, const struct run_options *options, bool first)
{
	struct buf out = BUF_INIT;

	signal(SIGTERM, SIG_DFL); /* nothing here needs an orderly end */
	examine(options, first, &out);
	for (size_t sent = 0; sent < out.n;) {
		ssize_t n = write(fd, out.p + sent, out.n - sent);

		if (n < 0 && errno != EINTR)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	buf_free(&out);
	child_exit(0);
}

static char *copy(struct slice bytes)
{
	char *text = strndup(bytes.n ? bytes.p : "", bytes.n);

	BUG_IF(!text);
	return text;
}

/* 0: the job passed and *job is whole. */
static int understand(struct slice said, int status, struct trial_job *job, struct error *err)
{
	char end[64];
	uint32_t size;

	while (said.n >= 1 + sizeof size) {
		char tag = said.p[0];
		struct slice bytes;

		memcpy(&size, said.p + 1, sizeof size);
		if (said.n - 1 - sizeof size < size)
			break;
		bytes = (struct slice){ said.p + 1 + sizeof size, size };
		said = (struct slice){ bytes.p + size, said.n - 1 - sizeof size - size };
		switch (tag) {
		case TAG_ERROR:
		case TAG_PASSING:
			error_set(err, "%.*s", SLICE_ARG(bytes));
			err->passing = tag == TAG_PASSING;
			return -1;
		case TAG_BUNDLE:
			buf_slice(&job->packed, bytes);
			break;
		case TAG_NAME:
			job->name = copy(bytes);
			break;
		case TAG_SINK:
			job->sink = copy(bytes);
			break;
		case TAG_OUTSIDE:
			job->outside = copy(bytes);
			break;
		case TAG_REKEYS:
			job->rekeys = true;
			break;
		case TAG_SCRIPTS:
			memcpy(&job->scripts, bytes.p, sizeof job->scripts);
			break;
		}
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !job->outside)
		return error_set(err, "the check of the job ended by %s", child_end(status, end));
	return bundle_unpack(&job->bundle, buf_view(&job->packed), err);
}

static void trial_free(struct trial *trial)
{
	event_free(trial->readable);
	evbuffer_free(trial->said);
	close(trial->fd);
	free(trial);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct trial *trial = arg;
	int got = evbuffer_read(trial->said, fd, -1), status = 0;
	struct error err = { .text = "" };
	struct trial_job *job;

	(void)what;
	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	/* Its end of the socket is closed: it has ended, or is just about to. */
	waitpid(trial->pid, &status, 0);
	job = calloc(1, sizeof *job);
	BUG_IF(!job);
	if (understand((struct slice){ (const char *)evbuffer_pullup(trial->said, -1), evbuffer_get_length(trial->said) }, status, job, &err) < 0) {
		trial_job_free(job);
		job = NULL;
	}
	trial->done(trial->ctx, job, &err);
	trial_free(trial);
}

struct trial *trial_start(struct event_base *loop, const struct run_options *options, bool first,
			  void (*done)(void *ctx, struct trial_job *job, const struct error *err), void *ctx)
{
	struct trial *trial = calloc(1, sizeof *trial);
	struct error err;

	BUG_IF(!trial);
	*trial = (struct trial){ .done = done, .ctx = ctx };
	trial->pid = child_fork(&trial->fd, &err);
	if (trial->pid == 0)
		child(trial->fd, options, first);
	if (trial->pid < 0) {
		done(ctx, NULL, &err);
		free(trial);
		return NULL;
	}
	evutil_make_socket_nonblocking(trial->fd);
	trial->said = evbuffer_new();
	trial->readable = event_new(loop, trial->fd, EV_READ | EV_PERSIST, on_readable, trial);
	BUG_IF(!trial->said || !trial->readable);
	event_add(trial->readable, NULL);
	return trial;
}

void trial_cancel(struct trial *trial)
{
	if (!trial)
		return;
	kill(trial->pid, SIGKILL);
	waitpid(trial->pid, NULL, 0);
	trial_free(trial);
}

void trial_job_free(struct trial_job *job)
{
	if (!job)
		return;
	bundle_free(&job->bundle);
	buf_free(&job->packed);
	free(job->name);
	free(job->sink);
	free(job->outside);
	free(job);
}
