/* The master of a running job: it checks the job, starts workers and replaces those that fail, answers signals and HTTP. It touches no
 * row, has one thread, and no connection to anything that the job reads or writes. */
#ifndef RUN_MASTER_H
#define RUN_MASTER_H

#include "run/job.h"

/* Runs the job until it is done or stopped; returns the exit code. */
int master_run(const struct run_options *options);

#endif
