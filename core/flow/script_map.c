/* Entries of a script's maps (ctx:map): rows of streamlua_state beside the state of a key. Which ones an event needs is known only while
 * its script runs. An event that comes to one that is not at hand stalls: nothing of it counts, and it runs again from its beginning
 * once the row is here; those behind it that have its key wait for it, all others go on. */
#include "flow/script_private.h"

#include "flow/script_api.h"
#include "flow/state_key.h"

enum { STALLS_MOST = 200 };

static int make_key(struct script_host *host, const struct state_entry *main, struct slice key)
{
	buf_clear(&host->key);
	buf_slice(&host->key, main->key);
	state_key_extend(&host->key, key);
	return state_key_check(buf_view(&host->key), &host->error);
}

struct state_entry *sl_map_entry(struct event *event, const char *map, size_t map_size, const char *key, size_t key_size)
{
	struct script_host *host = event->script->host;
	struct state_entry *entry;

	if (make_key(host, event->uses->entry, (struct slice){ key, key_size }) < 0)
		return NULL;
	entry = state_want(&host->state, &event->script->state, (struct slice){ map, map_size }, buf_view(&host->key));
	state_use(event, entry, false);
	return entry;
}

void maps_release(struct event *event)
{
	struct state_use **at = &event->uses;

	/* The first is the event's own: of a timer of an entry that expires, that entry. */
	while (*at) {
		struct state_use *used = *at;

		if (!used->chained && (used == event->uses || !used->entry->map.n)) {
			at = &used->next;
			continue;
		}
		used->entry->users--;
		*at = used->next;
	}
}

int sl_stall(struct event *event)
{
	struct script_host *host = event->script->host;

	if (++event->stalls > STALLS_MOST)
		return error_set(&host->error, "it came %d times to an entry of a map that was not at hand: name them at once, ctx:map(name, keys)",
				 STALLS_MOST);
	sl_again(event);
	if (event->uses)
		event->uses->entry->stalled = host->pass;
	host->scripts[event->script->chain.leader].chain.stalled = host->pass;
	event->stalled = host->stalled = true;
	return 0;
}

int sl_is_stalled(struct event *event)
{
	struct script_host *host = event->script->host;

	if (!event->uses || event->uses->entry->stalled != host->pass)
		return 0;
	event->stalled = host->stalled = true;
	return 1;
}
