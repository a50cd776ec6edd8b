/* streamlua state: what scripts keep, for people. */
#ifndef RUN_STATE_COMMAND_H
#define RUN_STATE_COMMAND_H

#include "run/job.h"

/* script: its name, or its path. key: a value of key_by, or the JSON array of all of them as streamlua_state has it; NULL: all keys. Shows
 * the rows (a table in a terminal, JSON lines otherwise), or with options->delete_rows deletes them, and makes workers that run begin
 * anew: they have rows at hand. Returns the exit code: 1 where there are none. */
int state_command(const struct run_options *options, const char *script, const char *key);

#endif
