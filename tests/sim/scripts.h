/* Table scripts in memory, in several versions that come to the same rows by other ways: other routes through lanes, through Lua or
 * past it. A reload swaps one for another. */
#ifndef SIM_SCRIPTS_H
#define SIM_SCRIPTS_H

#include "flow/script.h"
#include "sim/history.h"

enum { SCRIPTS_VERSIONS = 8, SCRIPT_WAYS = 4 };

/* The host of this version. chained: some of its tables go through streams first. fresh: a new VM, to be freed by scripts_free; else one that is kept for all runs: making a VM takes
 * longer than a run. */
struct script_host *scripts_host(uint32_t version, bool json, bool chained, bool fresh);
void scripts_free(struct script_host *host, bool fresh);
struct shapes *scripts_shapes(void);
void scripts_end(void); /* frees what was kept */

/* timed_scripts.c: those of tables with event time */
const char *timed_script(enum table table, uint32_t way);

#endif
