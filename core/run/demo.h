/* `streamlua demo`: a broker, sample changes and a target that need nothing installed, around an ordinary run of an ordinary job. */
#ifndef RUN_DEMO_H
#define RUN_DEMO_H

#include "run/job.h"

/* Makes the folder streamlua-demo, or goes on with what somebody edited in it, and runs its job: until it is stopped where stdout is a
 * terminal, else until the rows of the target are shown. Returns the exit code. Of the options, those of `run` that job.lua cannot say. */
int demo_run(const struct run_options *options);

#endif
