#include "run/master.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/answer.h"
#include "run/crew.h"
#include "run/page.h"
#include "run/pidfile.h"
#include "run/preview.h"
#include "run/reload.h"
#include "run/service.h"
#include "run/trial.h"
#include "run/watch.h"

#define HTTP_DEFAULT "127.0.0.1:8686"

static const int answered[] = { SIGHUP, SIGINT, SIGTERM, SIGCHLD };
enum { SIGNALS = sizeof answered / sizeof *answered };

/* A target that is away at the start: how often it is tried, and how often that is said. */
enum { AWAY_FIRST_MS = 500, AWAY_MOST_MS = 5000, SAY_AWAY_MS = 30000 };

struct master {
	const struct run_options *options;
	struct event_base *loop;
	struct event *signals[SIGNALS];
	struct pidfile *pidfile;
	struct http *http;
	struct page *page;
	struct watch *watch;
	struct preview *preview; /* NULL: nobody looks */
	struct service *service; /* NULL: no service manager listens */
	struct trial *first;     /* the check before the start */
	struct event *again;     /* ... once more, since the target is away */
	int64_t away_ms;         /* for how long it was waited the last time */
	int64_t said_ms;         /* when it was said that it is away; 0: it is not */
	struct trial_job *job;   /* what runs; NULL until the first check has passed */
	struct crew *crew;
	struct reload reload;
	struct status_worker *shown; /* room for status_of */
	int64_t started_ms;
	bool stopping;
	bool reload_wanted; /* a SIGHUP before the start */
	int code;
};

static void end(struct master *master, int code)
{
	master->code = code;
	event_base_loopbreak(master->loop);
}

static struct status status_of(void *ctx)
{
	struct master *master = ctx;
	struct status status = {
		.job = master->job ? master->job->name : "",
		.path = master->options->job_path,
		.sink = master->job ? master->job->sink : "",
		.version = master->job ? master->job->bundle.version : "",
		.pid = getpid(),
		.started_ms = master->started_ms,
		.now_ms = clock_wall_ms(),
		.stopping = master->stopping,
		.workers = master->shown,
		.worker_count = master->job ? (size_t)master->crew->count : 0,
		.gone = &master->crew->gone,
		.lost = master->crew->lost,
	};

	status.reloads.accepted = master->reload.accepted;
	status.reloads.rejected = master->reload.rejected;
	status.reloads.running = master->reload.state != RELOAD_IDLE;
	status.reloads.last = master->reload.last;
	status.reloads.last_at_ms = master->reload.last_at_ms;
	status.reloads.last_error = master->reload.last_error.text;
	for (size_t i = 0; i < status.worker_count; i++) {
		const struct crew_worker *worker = &master->crew->workers[i];

		master->shown[i] = (struct status_worker){
			.number = worker->number,
			.pid = worker->pid,
			.state = crew_state_name(worker),
			.restarts = worker->restarts,
			.rekeyer = crew_is_rekeyer(worker),
			.stats = &worker->stats,
		};
	}
	return status;
}

static void answer_http(void *ctx, const char *path, struct http_reply *reply)
{
	struct master *master = ctx;
	struct status status;

	if (strcmp(path, "/events") == 0) {
		page_begin(master->page, reply);
		return;
	}
	status = status_of(master);
	answer_path(&status, path, reply);
}

static void on_look(void *ctx, struct service_view *view)
{
	struct master *master = ctx;
	struct status status = status_of(master);

	view->ready = status_ready(&status, &view->text);
	view->reloading = status.reloads.running || master->reload.again;
	view->beating = crew_beats(master->crew);
	if (view->ready)
		buf_printf(&view->text, "job %s, %zu worker%s, scripts version %s", status.job, status.worker_count,
			   status.worker_count == 1 ? "" : "s", status.version);
	if (status.reloads.last_error[0])
		buf_printf(&view->text, "; reload rejected: %s", status.reloads.last_error);
}

static void want_reload(struct master *master)
{
	service_reloading(master->service);
	reload_request(&master->reload);
}

static void on_worker_started(void *ctx, struct crew_worker *worker)
{
	reload_worker_started(&((struct master *)ctx)->reload, worker);
}

static void on_worker_ended(void *ctx, struct crew_worker *worker, const char *how)
{
	reload_worker_ended(&((struct master *)ctx)->reload, worker, how);
}

static void on_worker_answered(void *ctx, struct crew_worker *worker, enum channel_verb verb, struct slice bytes)
{
	reload_worker_answered(&((struct master *)ctx)->reload, worker, verb, bytes);
}

static void on_letters(void *ctx, struct slice lines)
{
	page_letters(((struct master *)ctx)->page, lines);
}

static void on_over(void *ctx, int code)
{
	struct master *master = ctx;
	struct buf summary = BUF_INIT;

	service_stopping(master->service, code == 0);
	if (code == 0 && !master->stopping) {
		struct status status = status_of(master);

		status_summary(&status, &summary);
		fputs(buf_cstr(&summary), stderr);
		buf_free(&summary);
	} else if (code == 0) {
		log_info("stopped");
	}
	end(master, code);
}

static void on_swapped(void *ctx)
{
	struct master *master = ctx;

	if (master->watch)
		watch_add(master->watch, &master->job->bundle);
}

static void on_accepted(void *ctx, const struct bundle *before, const struct bundle *after)
{
	struct master *master = ctx;

	if (master->preview && strcmp(before->version, after->version) != 0)
		preview_show(master->preview, before, after);
}

static void on_files_changed(void *ctx)
{
	want_reload(ctx);
}

/* Programs that are started together do not come up together: whoever comes first waits. */
static void wait_for_target(struct master *master, const struct error *err)
{
	int64_t now = clock_mono_ms();

	if (master->said_ms == 0 || now - master->said_ms >= SAY_AWAY_MS) {
		log_warn("%s; waiting until it can be reached", err->text);
		master->said_ms = now;
	}
	master->away_ms = master->away_ms == 0 ? AWAY_FIRST_MS : master->away_ms * 2 < AWAY_MOST_MS ? master->away_ms * 2 : AWAY_MOST_MS;
	event_add(master->again, &(struct timeval){ master->away_ms / 1000, master->away_ms % 1000 * 1000 });
}

static void on_first_check(void *ctx, struct trial_job *job, const struct error *err)
{
	struct master *master = ctx;
	struct error watching;

	master->first = NULL;
	if (!job && err->passing && !master->options->dry_run) {
		wait_for_target(master, err);
		return;
	}
	if (!job) {
		log_error("%s", err->text);
		end(master, 2);
		return;
	}
	master->job = job;
	if (master->options->watch) {
		master->watch = watch_new(master->loop, on_files_changed, master, &watching);
		if (master->watch)
			watch_add(master->watch, &job->bundle);
		else
			log_warn("%s", watching.text);
		if (master->options->diff || isatty(STDERR_FILENO))
			master->preview = preview_new(master->loop);
	}
	log_info("job %s into %s: %d worker%s, %u script%s, version %s", job->name, job->sink, (int)master->crew->count,
		 master->crew->count == 1 ? "" : "s", job->scripts, job->scripts == 1 ? "" : "s", job->bundle.version);
	master->started_ms = clock_wall_ms();
	crew_start(master->crew, &job->bundle, job->rekeys);
	if (master->reload_wanted)
		want_reload(master);
	master->reload_wanted = false;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct master *master = arg;

	(void)fd, (void)what;
	master->first = trial_start(master->loop, master->options, true, on_first_check, master);
}

static void stop(struct master *master)
{
	if (master->stopping) {
		log_warn("stopping now");
		crew_kill(master->crew);
		end(master, 1);
		return;
	}
	master->stopping = true;
	service_stopping(master->service, false);
	reload_stop(&master->reload);
	watch_free(master->watch);
	master->watch = NULL;
	preview_free(master->preview);
	master->preview = NULL;
	if (!master->job) {
		event_del(master->again);
		trial_cancel(master->first);
		master->first = NULL;
		end(master, 0);
		return;
	}
	log_info("stopping: workers finish what is on its way");
	crew_stop(master->crew, 0);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct master *master = arg;

	(void)what;
	if (number == SIGCHLD)
		crew_reap(master->crew);
	else if (number != SIGHUP)
		stop(master);
	else if (!master->job)
		master->reload_wanted = true;
	else if (!master->stopping)
		want_reload(master);
}

/* The pid file and the port: what must be ours alone. 0, or -1 where the command line asks for what cannot be had. */
static int take_places(struct master *master)
{
	const struct run_options *options = master->options;
	char path[PATH_MAX];
	struct error err = { .text = "" };
	int held = 0;

	if (options->pid_file)
		snprintf(path, sizeof path, "%s", options->pid_file);
	if (options->pid_file || pidfile_default(options->job_path, path, &err) == 0)
		master->pidfile = pidfile_open(path, &held, &err);
	else
		path[0] = 0;
	if (!master->pidfile && (options->pid_file || !path[0])) {
		log_error("%s", err.text);
		return -1;
	}
	if (!master->pidfile)
		log_warn("%s: `status`, `reload` and `stop` will not find this one%s", err.text, held ? " but the other" : "");
	if (options->http && strcmp(options->http, "off") == 0)
		return 0;
	master->http = http_open(master->loop, options->http ? options->http : HTTP_DEFAULT, answer_http, master, &err);
	if (!master->http && options->http) {
		log_error("%s", err.text);
		return -1;
	}
	if (!master->http) {
		log_warn("%s: going on without; --http HOST:PORT takes another", err.text);
		return 0;
	}
	page_open(master->page, master->http);
	log_info("http://%s", http_address(master->http));
	if (master->pidfile && pidfile_write(master->pidfile, http_address(master->http), &err) < 0)
		log_warn("%s", err.text);
	return 0;
}

int master_run(const struct run_options *options)
{
	struct master master = { .options = options, .loop = event_base_new(), .started_ms = clock_wall_ms() };
	struct crew_events events = { on_worker_started, on_worker_ended, on_worker_answered, on_letters, on_over, &master };

	/* What is not read yet needs no reload, nor what ends: SIGHUP is never the end of a master. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	BUG_IF(!master.loop);
	log_setup(options->log_json, LOG_INFO, "master");
	master.again = event_new(master.loop, -1, 0, on_again, &master);
	BUG_IF(!master.again);
	for (int i = 0; i < SIGNALS; i++) {
		master.signals[i] = evsignal_new(master.loop, answered[i], on_signal, &master);
		BUG_IF(!master.signals[i]);
		event_add(master.signals[i], NULL);
	}
	master.crew = crew_new(master.loop, options, &events);
	master.shown = calloc((size_t)master.crew->room, sizeof *master.shown);
	BUG_IF(!master.shown);
	reload_init(&master.reload, master.loop, master.crew, options, &master.job, on_accepted, on_swapped, &master);
	master.page = page_new(master.loop, status_of, &master);
	master.service = service_new(master.loop, on_look, &master);
	if (take_places(&master) < 0) {
		master.code = 2;
	} else {
		master.first = trial_start(master.loop, options, true, on_first_check, &master);
		if (master.first)
			event_base_dispatch(master.loop);
	}
	reload_stop(&master.reload);
	reload_deinit(&master.reload);
	watch_free(master.watch);
	preview_free(master.preview);
	service_free(master.service);
	crew_free(master.crew);
	trial_job_free(master.job);
	http_close(master.http);
	page_free(master.page);
	pidfile_close(master.pidfile);
	for (int i = 0; i < SIGNALS; i++)
		event_free(master.signals[i]);
	event_free(master.again);
	free(master.shown);
	event_base_free(master.loop);
	return master.code;
}
