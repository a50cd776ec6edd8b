/* Which events of an intake a script has to see, one script's behind another's. */
#include "flow/script_private.h"

#include <stdlib.h>

/* Of what was done before the restart, scripts that keep state see the time that it brings. */
static bool is_work(const struct intake *intake, const struct event *event, bool done_too)
{
	if (!event->script || !event->script->enters_lua || (intake->stalled && !event->stalled))
		return false;
	return event->outcome == OUTCOME_PENDING ||
	       (done_too && (event->script->stateful || event->script->chain.kept) && event->was_done && !event->settled);
}

/* Whose work it is: of all scripts of a chain, that of one. */
static struct script *worker_of(struct script_host *host, const struct event *event, bool chains)
{
	return chains ? &host->scripts[event->script->chain.leader] : event->script;
}

/* The events of each script (of each chain) that enters Lua, into host->work, one's behind another's: in two passes, however many there are. */
void host_gather(struct script_host *host, const struct intake *intake, bool done_too, bool chains)
{
	uint32_t first = 0;

	if (intake->count > host->work_cap) {
		host->work_cap = intake->count + 1024;
		host->work = realloc(host->work, host->work_cap * sizeof(*host->work));
		BUG_IF(!host->work);
	}
	for (uint32_t i = 0; i < host->script_count; i++)
		host->scripts[i].work_count = 0;
	for (const struct event *event = intake->first; event; event = event->next)
		if (is_work(intake, event, done_too))
			worker_of(host, event, chains)->work_count++;
	for (uint32_t i = 0; i < host->script_count; i++) {
		host->scripts[i].work_first = first;
		first += host->scripts[i].work_count;
		host->scripts[i].work_count = 0;
	}
	for (struct event *event = intake->first; event; event = event->next) {
		struct script *worker;

		if (!is_work(intake, event, done_too))
			continue;
		worker = worker_of(host, event, chains);
		event->stalled = false;
		host->work[worker->work_first + worker->work_count++] = event;
	}
}
