/* The command line: which command, its options, its operands; and the help texts, which are made from the same tables. */
#ifndef RUN_CLI_H
#define RUN_CLI_H

#include <stddef.h>

#include "base/buf.h"
#include "run/job.h"

struct cli;

/* A command of the program. A table of them ends in one without a name. */
struct command {
	const char *name;
	const char *operands;              /* as help shows them: "JOB.lua" */
	const char *summary;               /* one line */
	const char *details;               /* for its own help; NULL: none */
	size_t least, most;                /* how many operands */
	const char *options;               /* names of the options it knows, a space between */
	int (*run)(const struct cli *cli); /* returns the exit code */
};

struct cli {
	const struct command *command; /* NULL: help or the version is asked for, of no command */
	char **operands;               /* behind the command; point into argv */
	size_t operand_count;
	bool help, version;
	char *from_db;          /* new, types: a word of argv, which may be written to */
	struct run_options run; /* job_path is the first operand */
};

/* Reads argv (which getopt reorders). "streamlua JOB.lua" is the command "run". -1: err says what is wrong, and what may have been meant. */
int cli_parse(struct cli *cli, int argc, char **argv, const struct command *commands, struct error *err);
/* Help of one command, or of the program where command is NULL. */
void cli_help(const struct command *command, const struct command *commands, struct buf *out);

#endif
