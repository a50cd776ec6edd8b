/* The commands that look at a job without running it. */
#ifndef RUN_CHECK_H
#define RUN_CHECK_H

#include <stddef.h>

/* `check`: what each script will write, on stdout. Exit code 0 or 2. */
int check_job(const char *job_path);
/* `test`: the examples of the scripts of each job: its job.lua, a folder that has one or only scripts, or a folder of such folders. Exit code
 * 0, 1 where one fails, 2 where a job is wrong. */
int check_examples(char *const *paths, size_t count);

#endif
