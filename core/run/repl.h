/* `streamlua repl`: Lua on the last events of a job. */
#ifndef RUN_REPL_H
#define RUN_REPL_H

#include "run/job.h"

/* Returns what the program ends with. */
int repl_run(const struct run_options *options);

#endif
