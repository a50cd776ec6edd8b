#include "run/control.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "flow/json.h"
#include "io/http.h"
#include "run/pidfile.h"
#include "run/stats.h"

enum { ANSWER_MS = 10000, ASK_EVERY_MS = 50 };

struct reloads {
	int64_t ended;
	bool running;
	char last[16], last_error[2048];
};

/* The master's pid file and a handle that stays that process, also when its pid is given to another. -1: it was said why. */
static int find(const struct run_options *options, struct pidfile_owner *owner, int *process, int *code)
{
	struct pidfile_owner again;
	char path[PATH_MAX];
	struct error err;

	*code = 2;
	if (options->pid_file)
		snprintf(path, sizeof path, "%s", options->pid_file);
	else if (pidfile_default(options->job_path, path, &err) < 0)
		goto fail;
	*code = 1;
	if (pidfile_read(path, owner, &err) < 0)
		goto fail;
	*process = pidfd_open(owner->pid, 0);
	if (*process < 0) {
		error_set(&err, "process %d: %s", (int)owner->pid, strerror(errno));
		goto fail;
	}
	/* Who held the lock before and after we took the handle is who the handle is of. */
	if (pidfile_read(path, &again, &err) == 0 && again.pid == owner->pid)
		return 0;
	close(*process);
fail:
	fprintf(stderr, "streamlua: %s: %s\n", options->job_path, err.text);
	return -1;
}

static int say_signal_failed(const struct pidfile_owner *owner)
{
	fprintf(stderr, "streamlua: process %d: %s\n", (int)owner->pid, strerror(errno));
	return 1;
}

int control_status(const struct run_options *options)
{
	struct pidfile_owner owner;
	struct http_reply reply;
	struct error err;
	int process, code;

	if (find(options, &owner, &process, &code) < 0)
		return code;
	close(process);
	if (!owner.http[0]) {
		printf("running, pid %d; it was started without HTTP and says no more\n", (int)owner.pid);
		return 0;
	}
	if (http_get(owner.http, "/status.txt", ANSWER_MS, &reply, &err) < 0) {
		fprintf(stderr, "streamlua: pid %d runs, but: %s\n", (int)owner.pid, err.text);
		return 1;
	}
	fwrite(reply.body.p, 1, reply.body.n, stdout);
	code = reply.code == 200 ? 0 : 1;
	buf_free(&reply.body);
	return code;
}

static int read_reloads(struct json *json, struct arena *arena, struct slice text, struct reloads *reloads)
{
	const struct json_node *nodes, *object, *running;
	uint32_t at;

	if (json_read(json, text, 3, NULL, arena, &nodes, NULL) < 0 || !(object = stats_member(nodes, 0, "reloads")))
		return -1;
	at = (uint32_t)(object - nodes);
	running = stats_member(nodes, at, "running");
	if (!running)
		return -1;
	reloads->ended = stats_number(nodes, at, "accepted") + stats_number(nodes, at, "rejected");
	reloads->running = running->value.kind == VALUE_TRUE;
	snprintf(reloads->last, sizeof reloads->last, "%.*s", SLICE_ARG(stats_text(nodes, at, "last")));
	snprintf(reloads->last_error, sizeof reloads->last_error, "%.*s", SLICE_ARG(stats_text(nodes, at, "last_error")));
	return 0;
}

static int ask_reloads(const char *http, struct reloads *reloads, struct error *err)
{
	struct arena arena = ARENA_INIT;
	struct json *json = json_new();
	struct http_reply reply;
	int result = http_get(http, "/status", ANSWER_MS, &reply, err);

	if (result == 0) {
		memset(buf_reserve(&reply.body, JSON_PADDING), 0, JSON_PADDING);
		if (read_reloads(json, &arena, buf_view(&reply.body), reloads) < 0)
			result = error_set(err, "what http://%s/status says is not understood", http);
	}
	buf_free(&reply.body);
	arena_free(&arena);
	json_free(json);
	return result;
}

int control_reload(const struct run_options *options)
{
	struct reloads before = { 0 }, now;
	struct pidfile_owner owner;
	struct error err;
	int process, code;

	if (find(options, &owner, &process, &code) < 0)
		return code;
	code = 1;
	if (owner.http[0] && ask_reloads(owner.http, &before, &err) < 0)
		goto no_answer;
	if (pidfd_send_signal(process, SIGHUP, NULL, 0) < 0) {
		code = say_signal_failed(&owner);
		goto out;
	}
	if (!owner.http[0]) {
		printf("asked pid %d to reload; it was started without HTTP, so its log tells how that went\n", (int)owner.pid);
		code = 0;
		goto out;
	}
	/* One that was under way ends first, then ours. */
	before.ended += before.running ? 2 : 1;
	do {
		if (poll(&(struct pollfd){ .fd = process, .events = POLLIN }, 1, ASK_EVERY_MS) > 0) {
			fprintf(stderr, "streamlua: the job ended\n");
			goto out;
		}
		if (ask_reloads(owner.http, &now, &err) < 0)
			goto no_answer;
	} while (now.ended < before.ended);
	if (strcmp(now.last, "accepted") == 0) {
		puts("reloaded");
		code = 0;
	} else {
		fprintf(stderr, "streamlua: rejected, the old scripts stay: %s\n", now.last_error);
	}
	goto out;
no_answer:
	fprintf(stderr, "streamlua: %s\n", err.text);
out:
	close(process);
	return code;
}

int control_stop(const struct run_options *options)
{
	struct pidfile_owner owner;
	int process, code;

	if (find(options, &owner, &process, &code) < 0)
		return code;
	if (pidfd_send_signal(process, SIGTERM, NULL, 0) < 0) {
		code = say_signal_failed(&owner);
	} else {
		struct pollfd gone = { .fd = process, .events = POLLIN };

		while (poll(&gone, 1, -1) < 0 && errno == EINTR) {
		}
		printf("stopped pid %d\n", (int)owner.pid);
		code = 0;
	}
	close(process);
	return code;
}
