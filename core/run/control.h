/* The commands that speak to the master of a running job; it is found through its pid file. Each returns the exit code: 1 where the
 * job is not running. */
#ifndef RUN_CONTROL_H
#define RUN_CONTROL_H

#include "run/job.h"

int control_status(const struct run_options *options); /* prints how the job is */
int control_reload(const struct run_options *options); /* waits until the scripts are taken over, or rejected: 1 */
int control_stop(const struct run_options *options);   /* waits until the master is gone */

#endif
