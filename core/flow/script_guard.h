/* What keeps a script from taking all memory and all time.
 *
 * Memory: the VM's allocator is bounded; past the bound Lua raises "not enough memory", which is an error like any other.
 *
 * Time: while a script's chunk is loaded and while examples run, and for messages that are suspect (flow/script_watch.h), Lua is
 * interpreted and its instructions are counted: past the limit there is an error that names the line. All other events run compiled, where
 * nothing can stop them; the master notices (run/crew.c), and what a worker was killed for is suspect to the next. A message that
 * ends a worker although its instructions are counted (in a function of the library that never comes back) is not shown to scripts again. */
#ifndef FLOW_SCRIPT_GUARD_H
#define FLOW_SCRIPT_GUARD_H

#include "flow/script_private.h"

/* Bounds the memory of the host's VM from here on; before lua_close it must be released. */
void guard_memory(struct script_host *host, size_t bytes_most);
void guard_release(struct script_host *host);
/* Scripts are loaded and bound: what they hold now is no leak. */
void guard_settled(struct script_host *host);
/* An event did not get the memory that it wanted, although all rubbish is collected by now. Where scripts have kept most of it from
 * earlier events, those are to blame, and the host is exhausted. */
void guard_no_memory(struct script_host *host);

/* Until guard_end instructions are counted, at most so many. */
enum { GUARD_LOAD_MILLIONS = 500, GUARD_EVENT_MILLIONS = 20 };
void guard_begin(struct script_host *host, int millions);
void guard_end(struct script_host *host);
/* host_call between the two, of what loads this file. */
int guard_load(struct script_host *host, const char *path, int args, int results, struct error *err);

/* A loop over messages ended by an error of its own: nothing is being worked on, and rubbish is collected. Where there was no memory, err then says
 * whose. */
void guard_failed(struct script_host *host, struct error *err);

/* Before Lua is given messages: the watch forgets whose the last ones were, and learns whose these are. */
void guard_forget(struct script_host *host);
void guard_enter(struct script_host *host, const struct message *message);
/* How often this message brought a worker down. */
uint32_t guard_times(const struct script_host *host, const struct message *message);
extern const char guard_given_up[]; /* why a message with 2 or more is a dead letter */

#endif
