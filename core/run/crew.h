/* The workers of one master: each is forked, listened to, watched, and replaced when it ends in a way that it should not. */
#ifndef RUN_CREW_H
#define RUN_CREW_H

#include <event2/event.h>

#include "run/channel.h"
#include "run/stats.h"
#include "run/status.h"
#include "run/worker.h"

enum crew_state {
	CREW_WAITING = 0, /* no process; one is started when the back-off is over */
	CREW_STARTING,    /* a process that has not said READY */
	CREW_READY,
	CREW_FINISHED, /* it has said that all is done; its process may still be ending */
	CREW_ENDED,    /* no process, and none is wanted */
};

struct crew;

struct crew_worker {
	struct crew *crew;
	int32_t number;
	enum crew_state state;
	pid_t pid;               /* 0: none */
	struct channel *channel; /* NULL: none, or its other end is gone */
	int end;                 /* how the process ended, while the channel still holds words of it */
	bool reaped;
	struct stats stats; /* of this process */
	int64_t restarts;
	struct event *restart;
	int64_t started_ms; /* monotonic */
	int64_t backoff_ms; /* before the next start */
	struct worker_beat *beat;
	int64_t beat_seen;      /* the beat at the last tick, */
	unsigned ticks_quiet;   /* and for how many ticks it has been the same */
	unsigned ticks_to_beat; /* how many are too many; more while the worker still opens its job */
	bool stuck;             /* there were too many: it was killed, and has neither ended nor beaten since */
	double script_seen;     /* what a script worked on when it was looked at, */
	int64_t script_cpu_ms;  /* and how much time the process had taken by then */
	bool script_stuck;      /* it was killed for that */
	unsigned unanswered;    /* PREPAREs without PREPARED or REFUSED; kept by reload.c, as is the next */
	bool awaited;
};

struct crew_events {
	/* A new process runs, from the bundle of crew_set_bundle. */
	void (*started)(void *ctx, struct crew_worker *worker);
	/* A process has ended; `how` says how, and is NULL where it had finished. Not called once the crew stops. */
	void (*ended)(void *ctx, struct crew_worker *worker, const char *how);
	/* PREPARED, REFUSED or SWAPPED. */
	void (*answered)(void *ctx, struct crew_worker *worker, enum channel_verb verb, struct slice bytes);
	/* Some of the dead letters that it has written lately, a line each (flow/letters.h); lent. */
	void (*letters)(void *ctx, struct slice lines);
	/* No worker is left and none will be started. code: 0 all finished or drained, 1, or 2 where a worker found the job at fault.
	 * Called from the loop; the crew may be freed only after the loop has returned. */
	void (*over)(void *ctx, int code);
	void *ctx;
};

struct crew {
	struct event_base *loop;
	const struct run_options *options;
	const struct bundle *bundle; /* lent: what the next process starts from */
	struct crew_events events;
	struct crew_worker *workers;
	int32_t count;
	int32_t room;                   /* for so many */
	int32_t rekeyers;               /* of these, the last: the first stage of `repartition`. 0: there is none */
	struct worker_beat *beats;      /* shared memory, one for each */
	_Atomic int64_t *rate_taken_us; /* shared memory too (flow/rate.h) */
	struct suspects *suspects;      /* and this: messages that brought workers down */
	struct event *tick, *glance;
	struct json *json;
	struct stats gone;   /* of processes that ended and were replaced */
	int64_t lost;        /* events that those had read and not ended */
	int64_t started_ms;  /* wall clock */
	unsigned ticks_left; /* until workers that do not drain are killed; 0: they may take their time */
	bool stopping, over;
	int code;
};

struct crew *crew_new(struct event_base *loop, const struct run_options *options, const struct crew_events *events);
/* The bundle is lent until the next one or the end. rekeys: job_rekeys. A run that ends has its first stage end before its second begins, which
 * looks for the end then. */
void crew_start(struct crew *crew, const struct bundle *bundle, bool rekeys);
bool crew_is_rekeyer(const struct crew_worker *worker);
void crew_set_bundle(struct crew *crew, const struct bundle *bundle);
void crew_send(struct crew_worker *worker, enum channel_verb verb, struct slice bytes);
/* After SIGCHLD. */
void crew_reap(struct crew *crew);
/* All drain and end; `over` comes when they have. */
void crew_stop(struct crew *crew, int code);
void crew_kill(struct crew *crew); /* they end now; waits for it. `over` does not come */
void crew_free(struct crew *crew);
bool crew_beats(const struct crew *crew); /* false: a worker is stuck, and killing it does not help */
const char *crew_state_name(const struct crew_worker *worker);

#endif
