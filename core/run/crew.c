#include "run/crew.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/child.h"
#include "run/script_watch.h"

enum {
	TICK_MS = 1000,
	GLANCE_MS = 200,              /* how often scripts are looked after */
	TICKS_TO_BEAT = 10,           /* a loop that has not turned for so long is stuck in a script */
	TICKS_TO_FIRST_BEAT = 60,     /* opening the job blocks: a target that is slow to answer is no stuck worker */
	TICKS_TO_DRAIN_AT_FAULT = 15, /* the job has failed: what a worker cannot drain by then is read again by the next run */
	BACKOFF_FIRST_MS = 100,
	BACKOFF_MOST_MS = 5000,
	STEADY_MS = 10000, /* who ran for so long begins with no back-off again */
};

const char *crew_state_name(const struct crew_worker *worker)
{
	static const char *const names[] = { "waiting", "starting", "ready", "finished", "ended" };

	return names[worker->state];
}

bool crew_beats(const struct crew *crew)
{
	for (int32_t i = 0; i < crew->count; i++)
		if (crew->workers[i].pid != 0 && crew->workers[i].stuck)
			return false;
	return true;
}

bool crew_is_rekeyer(const struct crew_worker *worker)
{
	return worker->number >= worker->crew->count - worker->crew->rekeyers;
}

static void become(struct crew_worker *worker, int fd)
{
	struct crew *crew = worker->crew;
	struct worker_start start = {
		.options = crew->options,
		.bundle = crew->bundle,
		.number = worker->number,
		.of = crew->count - crew->rekeyers,
		.rekey = !crew->rekeyers           ? REKEY_AS_IT_COMES
			 : crew_is_rekeyer(worker) ? REKEY_OUT
						   : REKEY_IN,
		.channel_fd = fd,
		.beat = worker->beat,
		.rate_taken_us = crew->rate_taken_us,
		.suspects = crew->suspects,
		.run_started_ms = crew->started_ms,
		.restarted = worker->restarts > 0,
	};
	char name[32];

	snprintf(name, sizeof name, "worker %d%s", worker->number, start.rekey == REKEY_OUT ? " (repartition)" : "");
	log_setup(crew->options->log_json, LOG_INFO, name);
	child_exit(worker_run(&start));
}

static void start(struct crew_worker *worker);

static void settle(struct crew *crew)
{
	if (crew->over)
		return;
	for (int32_t i = 0; i < crew->count; i++)
		if (crew->workers[i].state != CREW_ENDED && !(crew->workers[i].state == CREW_FINISHED && crew->workers[i].pid == 0))
			return;
	crew->over = true;
	crew->events.over(crew->events.ctx, crew->code);
}

static bool are_finished(const struct crew *crew, int32_t from, int32_t until)
{
	for (int32_t i = from; i < until; i++)
		if (crew->workers[i].state != CREW_FINISHED || crew->workers[i].pid != 0)
			return false;
	return true;
}

/* One stage of `repartition` is done: the next may begin, or the first one is needed no more. */
static void follow(struct crew *crew)
{
	int32_t rest = crew->count - crew->rekeyers;

	if (!crew->rekeyers || crew->stopping)
		return;
	if (are_finished(crew, 0, rest)) {
		crew_stop(crew, 0);
	} else if (are_finished(crew, rest, crew->count)) {
		for (int32_t i = 0; i < rest; i++)
			if (crew->workers[i].state == CREW_WAITING && crew->workers[i].restarts == 0)
				start(&crew->workers[i]);
	}
}

static void restart_later(struct crew_worker *worker)
{
	struct timeval after = { worker->backoff_ms / 1000, worker->backoff_ms % 1000 * 1000 };

	worker->state = CREW_WAITING;
	worker->restarts++;
	event_add(worker->restart, &after);
	worker->backoff_ms = worker->backoff_ms == 0 ? BACKOFF_FIRST_MS : worker->backoff_ms * 2;
	if (worker->backoff_ms > BACKOFF_MOST_MS)
		worker->backoff_ms = BACKOFF_MOST_MS;
}

/* The process has ended and all its words are read. */
static void conclude(struct crew_worker *worker)
{
	struct crew *crew = worker->crew;
	int code = WIFEXITED(worker->end) ? WEXITSTATUS(worker->end) : -1;
	char how[64];

	child_end(worker->end, how);
	worker->pid = 0;
	worker->reaped = false;
	if (worker->state == CREW_FINISHED && code == 0) {
		if (!crew->stopping)
			crew->events.ended(crew->events.ctx, worker, NULL);
		follow(crew);
		settle(crew);
		return;
	}
	if (crew->stopping) {
		worker->state = CREW_ENDED;
		/* What a fenced one leaves is not ours to drain. */
		if (code != 0 && code != WORKER_FENCED) {
			log_error("worker %d did not drain: %s", worker->number, how);
			crew->code = crew->code == 2 || code == 2 ? 2 : 1;
		}
		settle(crew);
		return;
	}
	if (!crew_is_rekeyer(worker)) {
		stats_add(&crew->gone, &worker->stats);
		crew->lost += stats_open(&worker->stats);
	}
	stats_free(&worker->stats);
	if (code == 2 || code == WORKER_STOP_JOB) {
		log_error(code == 2 ? "worker %d: the job is at fault" : "worker %d has stopped the job", worker->number);
		worker->state = CREW_ENDED;
		crew_stop(crew, code == 2 ? 2 : 1);
		return;
	}
	crew->events.ended(crew->events.ctx, worker, how);
	/* It gets further with every one: nothing is to be waited for. */
	if (script_watch_blame(worker))
		worker->backoff_ms = 0;
	if (clock_mono_ms() - worker->started_ms >= STEADY_MS)
		worker->backoff_ms = 0;
	log_error("worker %d ended by %s; another takes its place in %lld ms", worker->number, how, (long long)worker->backoff_ms);
	restart_later(worker);
}

static void on_message(void *ctx, enum channel_verb verb, struct slice bytes)
{
	struct crew_worker *worker = ctx;
	struct crew *crew = worker->crew;
	struct error err;

	switch (verb) {
	case CHANNEL_READY:
		if (worker->state == CREW_STARTING)
			worker->state = CREW_READY;
		crew_send(worker, CHANNEL_ASK, SLICE(""));
		break;
	case CHANNEL_STATS:
		if (stats_read(&worker->stats, crew->json, bytes, &err) < 0)
			log_error("worker %d: its counters cannot be read: %s", worker->number, err.text);
		break;
	case CHANNEL_LETTERS:
		crew->events.letters(crew->events.ctx, bytes);
		break;
	case CHANNEL_FINISHED:
		worker->state = CREW_FINISHED;
		break;
	default:
		crew->events.answered(crew->events.ctx, worker, verb, bytes);
	}
}

static void on_end(void *ctx)
{
	struct crew_worker *worker = ctx;

	channel_free(worker->channel);
	worker->channel = NULL;
	if (worker->reaped)
		conclude(worker);
}

static void start(struct crew_worker *worker)
{
	struct crew *crew = worker->crew;
	struct error err;
	int fd = -1;

	worker->started_ms = clock_mono_ms();
	worker->beat_seen = worker->started_ms;
	worker->ticks_quiet = 0;
	worker->stuck = false;
	worker->ticks_to_beat = TICKS_TO_FIRST_BEAT;
	worker->unanswered = 0;
	worker->awaited = false;
	atomic_store(&worker->beat->mono_ms, worker->started_ms);
	atomic_store(&worker->beat->script_most_ms, 0);
	worker->beat->watch.serial = 0;
	atomic_store(&worker->beat->watch.careful, false);
	worker->script_seen = 0;
	worker->script_stuck = false;
	worker->pid = child_fork(&fd, &err);
	if (worker->pid == 0)
		become(worker, fd);
	if (worker->pid < 0) {
		worker->pid = 0;
		log_error("worker %d cannot be started: %s", worker->number, err.text);
		restart_later(worker);
		return;
	}
	worker->state = CREW_STARTING;
	worker->channel = channel_new(crew->loop, fd, on_message, on_end, worker);
	crew->events.started(crew->events.ctx, worker);
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start(arg);
}

/* Time is counted in our own turns and not by the clock: where the whole machine stood still, nobody is to blame. */
static void watch_beat(struct crew_worker *worker)
{
	int64_t beat = atomic_load(&worker->beat->mono_ms);

	if (beat != worker->beat_seen) {
		worker->beat_seen = beat;
		worker->ticks_quiet = 0;
		worker->ticks_to_beat = TICKS_TO_BEAT;
		worker->stuck = false;
		return;
	}
	if (++worker->ticks_quiet < worker->ticks_to_beat)
		return;
	log_error("worker %d has been stuck for %u s: it is killed", worker->number, worker->ticks_quiet);
	worker->ticks_quiet = 0;
	worker->stuck = true;
	kill(worker->pid, SIGKILL);
}

static void on_glance(evutil_socket_t fd, short what, void *arg)
{
	struct crew *crew = arg;

	(void)fd;
	(void)what;
	for (int32_t i = 0; i < crew->count; i++)
		if (crew->workers[i].pid != 0 && !crew->workers[i].reaped)
			script_watch_look(&crew->workers[i]);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct crew *crew = arg;
	bool patience_over = crew->ticks_left > 0 && --crew->ticks_left == 0;

	(void)fd;
	(void)what;
	for (int32_t i = 0; i < crew->count; i++) {
		struct crew_worker *worker = &crew->workers[i];

		if (worker->pid == 0 || worker->reaped)
			continue;
		watch_beat(worker);
		crew_send(worker, CHANNEL_ASK, SLICE(""));
		if (patience_over)
			kill(worker->pid, SIGKILL);
	}
}

struct crew *crew_new(struct event_base *loop, const struct run_options *options, const struct crew_events *events)
{
	struct crew *crew = calloc(1, sizeof *crew);
	size_t most;

	BUG_IF(!crew);
	*crew = (struct crew){ .loop = loop, .options = options, .events = *events, .count = options->workers ? options->workers : 1 };
	crew->room = crew->count * 2; /* where scripts have `repartition` there are as many again, which is known when it starts */
	most = (size_t)crew->room;
	crew->json = json_new();
	crew->workers = calloc(most, sizeof *crew->workers);
	crew->beats = mmap(NULL, most * sizeof *crew->beats, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	crew->rate_taken_us = mmap(NULL, sizeof *crew->rate_taken_us, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	crew->suspects = mmap(NULL, sizeof *crew->suspects, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	crew->tick = event_new(loop, -1, EV_PERSIST, on_tick, crew);
	crew->glance = event_new(loop, -1, EV_PERSIST, on_glance, crew);
	BUG_IF(!crew->workers || crew->beats == MAP_FAILED || (void *)crew->rate_taken_us == MAP_FAILED || crew->suspects == MAP_FAILED ||
	       !crew->tick || !crew->glance);
	for (int32_t i = 0; i < crew->room; i++) {
		struct crew_worker *worker = &crew->workers[i];

		worker->crew = crew;
		worker->number = i;
		worker->beat = &crew->beats[i];
		worker->restart = event_new(loop, -1, 0, on_restart, worker);
		BUG_IF(!worker->restart);
	}
	return crew;
}

void crew_start(struct crew *crew, const struct bundle *bundle, bool rekeys)
{
	int32_t first = 0;

	if (rekeys) { /* there is room for as many again */
		crew->rekeyers = crew->count;
		crew->count *= 2;
		first = crew->options->until ? crew->rekeyers : 0;
	}
	crew->bundle = bundle;
	crew->started_ms = clock_wall_ms();
	event_add(crew->tick, &(struct timeval){ TICK_MS / 1000, TICK_MS % 1000 * 1000 });
	event_add(crew->glance, &(struct timeval){ GLANCE_MS / 1000, GLANCE_MS % 1000 * 1000 });
	for (int32_t i = first; i < crew->count; i++)
		start(&crew->workers[i]);
}

void crew_set_bundle(struct crew *crew, const struct bundle *bundle)
{
	crew->bundle = bundle;
}

void crew_send(struct crew_worker *worker, enum channel_verb verb, struct slice bytes)
{
	if (worker->channel)
		channel_send(worker->channel, verb, bytes);
}

void crew_reap(struct crew *crew)
{
	for (int32_t i = 0; i < crew->count; i++) {
		struct crew_worker *worker = &crew->workers[i];

		if (worker->pid == 0 || worker->reaped || waitpid(worker->pid, &worker->end, WNOHANG) != worker->pid)
			continue;
		worker->reaped = true;
		if (!worker->channel)
			conclude(worker);
	}
}

void crew_stop(struct crew *crew, int code)
{
	if (crew->code < code)
		crew->code = code;
	if (code != 0 && crew->ticks_left == 0)
		crew->ticks_left = TICKS_TO_DRAIN_AT_FAULT;
	crew->stopping = true;
	for (int32_t i = 0; i < crew->count; i++) {
		struct crew_worker *worker = &crew->workers[i];

		crew_send(worker, CHANNEL_STOP, SLICE(""));
		if (worker->pid == 0 && worker->state != CREW_FINISHED) {
			event_del(worker->restart);
			worker->state = CREW_ENDED;
		}
	}
	settle(crew);
}

void crew_kill(struct crew *crew)
{
	for (int32_t i = 0; i < crew->count; i++)
		if (crew->workers[i].pid != 0 && !crew->workers[i].reaped)
			kill(crew->workers[i].pid, SIGKILL);
	for (int32_t i = 0; i < crew->count; i++)
		if (crew->workers[i].pid != 0 && !crew->workers[i].reaped)
			waitpid(crew->workers[i].pid, NULL, 0);
}

void crew_free(struct crew *crew)
{
	if (!crew)
		return;
	for (int32_t i = 0; i < crew->room; i++) {
		channel_free(crew->workers[i].channel);
		event_free(crew->workers[i].restart);
		stats_free(&crew->workers[i].stats);
	}
	munmap(crew->beats, (size_t)crew->room * sizeof *crew->beats);
	munmap((void *)crew->rate_taken_us, sizeof *crew->rate_taken_us);
	munmap(crew->suspects, sizeof *crew->suspects);
	event_free(crew->tick);
	event_free(crew->glance);
	stats_free(&crew->gone);
	json_free(crew->json);
	free(crew->workers);
	free(crew);
}
