/* Takes in what was given back (dead letters to be replayed) where no job runs that would: a flow over their partitions alone, which reads
 * nothing from the job's source. */
#ifndef RUN_REPLAY_H
#define RUN_REPLAY_H

#include "run/job_private.h"

/* sink: open, of this loop; borrowed. Blocks until each of them was tried once. -1: err. */
int replay_run(struct job *job, struct event_base *loop, struct sink *sink, const struct source_partition_name *partitions, size_t count,
	       struct error *err);

#endif
