/* What tests of scripts (*_test.lua) and examples of several steps work with: one script in a VM of its own, which runs the events that a test makes,
 * as any host does. Its rows of streamlua_state are kept here, so that they outlive its VM. The test itself runs in another VM, the tester
 * (lua/streamlua/harness.lua). */
#ifndef FLOW_HARNESS_H
#define FLOW_HARNESS_H

#include "flow/script_api.h"

struct harness;

/* Of a script of the tester's bundle; `served` as in script_host_load. It is bound as the tester is: to the same sink, or to none. Lives as long as
 * the tester. NULL: sl_error(tester). */
SL_EXPORT struct harness *sl_harness_new(struct script_host *tester, const char *path, const char *served);
/* The worker dies and another begins. -1: sl_error(tester), and nothing has changed. */
SL_EXPORT int sl_harness_restart(struct harness *harness);
/* Gives the VM back; what was kept stays until the tester ends. */
SL_EXPORT void sl_harness_close(struct harness *harness);

SL_EXPORT struct script_host *sl_harness_host(struct harness *harness);
/* The first table that the script serves ("shop.orders", "" events without one), and the name of its target. */
SL_EXPORT const struct slice *sl_harness_source(struct harness *harness);
SL_EXPORT const struct slice *sl_harness_target(struct harness *harness);

/* From here to sl_harness_end events and values can be built in the harness's host, of this message. */
SL_EXPORT struct message *sl_harness_begin(struct harness *harness);
/* Runs the event that was built; it is good until sl_harness_end, as are the timers before it in the list that is returned. What they wrote is
 * committed. NULL: sl_error(tester). */
SL_EXPORT struct event *sl_harness_run(struct harness *harness, double now_ms);
/* Runs the first row that is due by now, instead of an event. NULL: none is. */
SL_EXPORT struct event *sl_harness_fire(struct harness *harness, double now_ms);
/* The watermark has come to this time. */
SL_EXPORT void sl_harness_advance(struct harness *harness, double at_ms);
/* From now on all is due, or (false) what its time has come for. */
SL_EXPORT void sl_harness_finish(struct harness *harness, bool finished);
SL_EXPORT void sl_harness_end(struct harness *harness);

/* How many values a key of the script's state has; 0: it keeps none. */
SL_EXPORT uint32_t sl_harness_key_count(struct harness *harness);
/* From here on all is about the key that was built as columns (where key_by is a function: about this text), or with a map about its entry. */
SL_EXPORT void sl_harness_key(struct harness *harness, const char *key, size_t size, const char *map, size_t map_size, const char *entry,
			      size_t entry_size);
/* What is kept of it, as JSON; NULL: nothing is. Good until sl_harness_end. */
SL_EXPORT const struct slice *sl_harness_state(struct harness *harness);
/* Puts there what this version of the script (0: its own) kept of it, as JSON; of a script with a window it is an accumulator, `rows` the count of
 * what is in it, start and finish are the window's, ms (NaN: not said). -1: sl_error(tester). */
SL_EXPORT int sl_harness_restore(struct harness *harness, const char *value, size_t size, int32_t version, double start, double finish, double rows);

/* All harnesses of a tester. */
void harness_free_all(struct script_host *tester);

#endif
