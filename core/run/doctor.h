/* `streamlua doctor`: what stands around a job (brokers, topics, target, limits), whether it will do, and what to change. */
#ifndef RUN_DOCTOR_H
#define RUN_DOCTOR_H

#include "run/job.h"

/* Looks, and writes nothing. A line on stdout for each finding: text in a terminal, JSON otherwise. Returns the exit code: 0 nothing fails, 1 something does,
 * 2 the job cannot be read. */
int doctor_run(const struct run_options *options);

#endif
