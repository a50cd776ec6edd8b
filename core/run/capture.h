/* streamlua capture: the job's messages on stdout, as lines that a source "file" reads with envelope = "kcat". Only looks: the job's progress and
 * its consumer group stay where they are. */
#ifndef RUN_CAPTURE_H
#define RUN_CAPTURE_H

#include "run/job.h"

int capture_job(const struct run_options *options); /* returns the exit code */

#endif
