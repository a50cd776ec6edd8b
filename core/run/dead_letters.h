/* The command that shows, drops and replays dead letters. */
#ifndef RUN_DEAD_LETTERS_H
#define RUN_DEAD_LETTERS_H

#include <stddef.h>

#include "run/job.h"

/* words: what stands behind the job: [list], show ID, replay [ID], drop ID. Returns the exit code. */
int dead_letters_run(const struct run_options *options, char *const *words, size_t count);

#endif
