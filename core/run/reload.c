#include "run/reload.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	CHECK_SECONDS_MOST = 120,
	ANSWER_SECONDS_MOST = 30,
};

static const unsigned legal[] = {
	[RELOAD_IDLE] = 1u << RELOAD_CHECKING,
	[RELOAD_CHECKING] = 1u << RELOAD_IDLE | 1u << RELOAD_PREPARING,
	[RELOAD_PREPARING] = 1u << RELOAD_IDLE | 1u << RELOAD_SWAPPING,
	[RELOAD_SWAPPING] = 1u << RELOAD_IDLE,
};

static void begin(struct reload *reload);

/* Goes to the next state, which has to be left within seconds (0: it may last). */
static void move(struct reload *reload, enum reload_state next, int seconds)
{
	BUG_IF(!(legal[reload->state] & 1u << next));
	reload->state = next;
	event_del(reload->deadline);
	if (seconds)
		event_add(reload->deadline, &(struct timeval){ seconds, 0 });
	if (next == RELOAD_IDLE && reload->again)
		begin(reload);
}

static void reject(struct reload *reload, const char *reason)
{
	struct crew *crew = reload->crew;

	log_error("reload rejected, the old scripts stay: %s", reason);
	snprintf(reload->last_error.text, sizeof reload->last_error.text, "%s", reason);
	reload->last = "rejected";
	reload->last_at_ms = clock_wall_ms();
	reload->rejected++;
	if (reload->state == RELOAD_PREPARING)
		for (int32_t i = 0; i < crew->count; i++)
			crew_send(&crew->workers[i], CHANNEL_FORGET, SLICE(""));
	trial_job_free(reload->next);
	reload->next = NULL;
	move(reload, RELOAD_IDLE, 0);
}

static bool awaits(const struct reload *reload)
{
	for (int32_t i = 0; i < reload->crew->count; i++)
		if (reload->crew->workers[i].awaited)
			return true;
	return false;
}

/* Asks every worker that has a process. One that has none now starts with what is right by then. */
static void ask_all(struct reload *reload, enum channel_verb verb, struct slice bytes)
{
	for (int32_t i = 0; i < reload->crew->count; i++) {
		struct crew_worker *worker = &reload->crew->workers[i];

		worker->awaited = worker->channel && worker->state != CREW_FINISHED;
		if (!worker->awaited)
			continue;
		worker->unanswered += verb == CHANNEL_PREPARE;
		crew_send(worker, verb, bytes);
	}
}

static void finish_swap(struct reload *reload)
{
	if (reload->state != RELOAD_SWAPPING || awaits(reload))
		return;
	reload->last = "accepted";
	reload->last_at_ms = clock_wall_ms();
	reload->last_error.text[0] = 0;
	reload->accepted++;
	log_info("reloaded: version %s, %u scripts", (*reload->job)->bundle.version, (*reload->job)->scripts);
	reload->swapped(reload->ctx);
	move(reload, RELOAD_IDLE, 0);
}

static void finish_prepare(struct reload *reload)
{
	if (reload->state != RELOAD_PREPARING || awaits(reload))
		return;
	reload->told(reload->ctx, &(*reload->job)->bundle, &reload->next->bundle);
	crew_set_bundle(reload->crew, &reload->next->bundle);
	trial_job_free(*reload->job);
	*reload->job = reload->next;
	reload->next = NULL;
	move(reload, RELOAD_SWAPPING, ANSWER_SECONDS_MOST);
	ask_all(reload, CHANNEL_SWAP, SLICE(""));
	finish_swap(reload);
}

static void on_checked(void *ctx, struct trial_job *job, const struct error *err)
{
	struct reload *reload = ctx;

	reload->trial = NULL;
	if (!job) {
		reject(reload, err->text);
		return;
	}
	reload->next = job;
	if (strcmp(job->outside, (*reload->job)->outside) != 0) {
		log_warn("the source or the sink of the job has changed: that needs a restart; the scripts alone are taken over");
		/* What runs is what the next reload has to be compared with. */
		free(job->outside);
		job->outside = strdup((*reload->job)->outside);
		BUG_IF(!job->outside);
	}
	move(reload, RELOAD_PREPARING, ANSWER_SECONDS_MOST);
	ask_all(reload, CHANNEL_PREPARE, buf_view(&job->packed));
	finish_prepare(reload);
}

static void begin(struct reload *reload)
{
	reload->again = false;
	move(reload, RELOAD_CHECKING, CHECK_SECONDS_MOST);
	reload->trial = trial_start(reload->loop, reload->options, false, on_checked, reload);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct reload *reload = arg;

	(void)fd;
	(void)what;
	if (reload->state == RELOAD_CHECKING) {
		trial_cancel(reload->trial);
		reload->trial = NULL;
		reject(reload, "the check of the job did not end");
	} else if (reload->state == RELOAD_PREPARING) {
		reject(reload, "a worker did not answer");
	} else {
		/* A swap waits for the transaction before it, and that for the target. */
		log_warn("reload: a worker still waits for its last transaction with the old scripts");
		event_add(reload->deadline, &(struct timeval){ ANSWER_SECONDS_MOST, 0 });
	}
}

void reload_init(struct reload *reload, struct event_base *loop, struct crew *crew, const struct run_options *options, struct trial_job **job,
		 void (*accepted)(void *ctx, const struct bundle *before, const struct bundle *after), void (*swapped)(void *ctx), void *ctx)
{
	*reload = (struct reload){
		.loop = loop, .crew = crew, .options = options, .job = job, .told = accepted, .swapped = swapped, .ctx = ctx, .last = "none"
	};
	reload->deadline = event_new(loop, -1, 0, on_deadline, reload);
	BUG_IF(!reload->deadline);
}

void reload_request(struct reload *reload)
{
	if (reload->state == RELOAD_IDLE)
		begin(reload);
	else
		reload->again = true;
}

void reload_worker_started(struct reload *reload, struct crew_worker *worker)
{
	if (reload->state != RELOAD_PREPARING)
		return;
	worker->awaited = true;
	worker->unanswered++;
	crew_send(worker, CHANNEL_PREPARE, buf_view(&reload->next->packed));
}

void reload_worker_ended(struct reload *reload, struct crew_worker *worker, const char *how)
{
	bool awaited = worker->awaited;

	worker->awaited = false;
	if (reload->state == RELOAD_PREPARING && awaited && how) {
		char reason[128];

		snprintf(reason, sizeof reason, "worker %d ended by %s while it prepared", worker->number, how);
		reject(reload, reason);
		return;
	}
	finish_prepare(reload);
	finish_swap(reload);
}

void reload_worker_answered(struct reload *reload, struct crew_worker *worker, enum channel_verb verb, struct slice bytes)
{
	char reason[sizeof reload->last_error.text];

	/* Each PREPARE has one answer; one that comes after we gave up waiting for it must not count for the next. */
	if (verb == CHANNEL_PREPARED || verb == CHANNEL_REFUSED) {
		BUG_IF(worker->unanswered == 0);
		if (--worker->unanswered > 0 || reload->state != RELOAD_PREPARING)
			return;
	} else if (reload->state != RELOAD_SWAPPING) {
		return;
	}
	worker->awaited = false;
	if (verb == CHANNEL_REFUSED) {
		snprintf(reason, sizeof reason, "worker %d: %.*s", worker->number, SLICE_ARG(bytes));
		reject(reload, reason);
		return;
	}
	finish_prepare(reload);
	finish_swap(reload);
}

void reload_stop(struct reload *reload)
{
	reload->again = false;
	trial_cancel(reload->trial);
	reload->trial = NULL;
	trial_job_free(reload->next);
	reload->next = NULL;
	if (reload->state != RELOAD_IDLE)
		move(reload, RELOAD_IDLE, 0);
}

void reload_deinit(struct reload *reload)
{
	if (reload->deadline)
		event_free(reload->deadline);
	*reload = (struct reload){ 0 };
}
