/* streamlua explain: one message of the job, stage by stage, as the job would treat it. Writes nothing. */
#ifndef RUN_EXPLAIN_H
#define RUN_EXPLAIN_H

#include "run/job.h"

/* place: TOPIC:PARTITION:OFFSET. Returns the exit code. */
int explain_message(const struct run_options *options, const char *place);

#endif
