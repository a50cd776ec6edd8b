#include "run/renewal.h"

#include "base/clock.h"

enum {
	LOOK_MS = 10000,      /* the target's schema is looked at so often */
	LOOK_AGAIN_MS = 1000, /* or as soon as there is doubt, but not more often than this */
	LOOK_SHARE = 50,      /* nor so that it takes more than this part of the time */
	PREPARE_MS = 3,       /* of work at new scripts, and then events have their turn; */
	PREPARE_SHARE = 4,    /* where that takes longer than this many times as long, so that the master has its answer in time */
};

static void beat(struct renewal *renewal)
{
	atomic_store_explicit(&renewal->beat->mono_ms, clock_mono_ms(), memory_order_relaxed);
}

/* ---- the schema ---- */

static void look_in(struct renewal *renewal, int64_t ms)
{
	struct timeval delay = { ms / 1000, ms % 1000 * 1000 };

	event_add(renewal->look, &delay);
}

/* Reading a schema takes its time where there are thousands of tables. */
static void look_again_later(struct renewal *renewal)
{
	int64_t took_ms = clock_mono_ms() - renewal->looked_ms;

	renewal->look_after_ms = renewal->looked_ms + took_ms + LOOK_AGAIN_MS + took_ms * LOOK_SHARE;
	look_in(renewal, LOOK_MS + took_ms * LOOK_SHARE);
}

static void look(struct renewal *renewal)
{
	versions_look(renewal->versions);
	beat(renewal);
	look_again_later(renewal);
}

static void prepare_more(struct renewal *renewal, bool described);
static void on_schema_read(void *ctx, bool read);

/* The target's schema is needed: events go on until it is there. */
static void ask_schema(struct renewal *renewal)
{
	if (renewal->asked.look || renewal->asked.prepare || !(renewal->wanted.look || renewal->wanted.prepare))
		return;
	renewal->asked = renewal->wanted;
	renewal->wanted = (struct renewal_reasons){ 0 };
	renewal->sink->ops->ask_schema(renewal->sink, on_schema_read, renewal);
}

static void on_schema_read(void *ctx, bool read)
{
	struct renewal *renewal = ctx;
	struct renewal_reasons asked = renewal->asked;

	renewal->asked = (struct renewal_reasons){ 0 };
	if (asked.look && read)
		look(renewal);
	else if (asked.look)
		look_again_later(renewal); /* the target is away: transactions say so */
	if (asked.prepare && renewal->versions->preparing)
		prepare_more(renewal, true);
	ask_schema(renewal);
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	struct renewal *renewal = ctx;

	(void)fd, (void)what;
	renewal->looked_ms = clock_mono_ms();
	if (!renewal->sink->ops->ask_schema) {
		look(renewal);
		return;
	}
	renewal->wanted.look = true;
	ask_schema(renewal);
}

void renewal_doubt(struct renewal *renewal, bool at_once)
{
	int64_t wait = renewal->look_after_ms - clock_mono_ms();

	if (!at_once) {
		look_in(renewal, wait > 0 ? wait : 0);
		return;
	}
	/* Events that wait bring a column that may be there by now. */
	renewal->looked_ms = clock_mono_ms();
	look(renewal);
}

/* ---- new scripts ---- */

static void go_on_preparing(struct renewal *renewal)
{
	event_add(renewal->prepare, &(struct timeval){ 0 });
}

static void prepare_more(struct renewal *renewal, bool described)
{
	int64_t now_ms = clock_mono_ms(), share_ms = (now_ms - renewal->prepared_ms) / PREPARE_SHARE;
	int64_t until_ms = now_ms + (share_ms > PREPARE_MS ? share_ms : PREPARE_MS);
	struct error err;
	enum versions_step step;

	do {
		step = versions_prepare_more(renewal->versions, described, &err);
		described = !renewal->sink->ops->ask_schema;
	} while (step == VERSIONS_MORE && (renewal->prepared_ms = clock_mono_ms()) < until_ms);
	beat(renewal);
	switch (step) {
	case VERSIONS_MORE:
		go_on_preparing(renewal);
		break;
	case VERSIONS_DESCRIBES:
		renewal->wanted.prepare = true;
		ask_schema(renewal);
		break;
	case VERSIONS_PREPARED:
		channel_send(renewal->channel, CHANNEL_PREPARED, (struct slice){ 0 });
		break;
	case VERSIONS_FAILED:
		channel_send(renewal->channel, CHANNEL_REFUSED, slice_of(err.text));
		break;
	}
}

static void on_prepare(evutil_socket_t fd, short what, void *ctx)
{
	struct renewal *renewal = ctx;

	(void)fd, (void)what;
	prepare_more(renewal, !renewal->sink->ops->ask_schema);
}

void renewal_prepare(struct renewal *renewal, struct slice packed)
{
	struct error err;

	renewal->prepared_ms = clock_mono_ms();
	if (versions_prepare(renewal->versions, packed, &err) == 0)
		go_on_preparing(renewal);
	else
		channel_send(renewal->channel, CHANNEL_REFUSED, slice_of(err.text));
}

void renewal_forget(struct renewal *renewal)
{
	if (renewal->versions->preparing)
		channel_send(renewal->channel, CHANNEL_REFUSED, SLICE("it was given up"));
	event_del(renewal->prepare);
	versions_forget(renewal->versions);
}

/* ---- lifetime ---- */

void renewal_start(struct renewal *renewal, struct event_base *loop)
{
	renewal->look = event_new(loop, -1, 0, on_look, renewal);
	renewal->prepare = event_new(loop, -1, 0, on_prepare, renewal);
	BUG_IF(!renewal->look || !renewal->prepare);
	look_in(renewal, LOOK_MS);
}

void renewal_stop(struct renewal *renewal)
{
	if (renewal->look)
		event_free(renewal->look);
	if (renewal->prepare)
		event_free(renewal->prepare);
	renewal->look = renewal->prepare = NULL;
}
