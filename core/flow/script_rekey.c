/* The first stage of `repartition`: of its events only the keys are made, which is done before any event runs. */
#include "flow/script_private.h"

/* What the lane and its transaction are given: the sink makes a message of the event itself. */
static struct target forwarded_to = { .own = true };
static struct change forwarded = { .target = &forwarded_to, .op = CHANGE_UPSERT };

void script_host_rekeyed(struct script_host *host, struct intake *intake)
{
	state_unwant(&host->state);
	for (struct event *event = intake->first; event; event = event->next) {
		if (event->settled || event->was_done)
			continue;
		if (!event->script) {
			event->outcome = OUTCOME_IGNORED;
			continue;
		}
		/* Where its key cannot be made, or its row is missing: whose it is says so once more, and makes the dead letter. */
		event->outcome = OUTCOME_PENDING;
		event->changes = &forwarded;
		event->lane_hashes = 1;
		event->lane_hash[0] = 0;
		event->bytes = (uint32_t)(event->message->key.n + event->message->value.n);
	}
}
