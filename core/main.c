/* streamlua: the commands. Each returns what the program ends with; it ends here and nowhere else. */
#include <stdio.h>

#include "run/capture.h"
#include "run/check.h"
#include "run/cli.h"
#include "run/control.h"
#include "run/dead_letters.h"
#include "run/demo.h"
#include "run/doctor.h"
#include "run/explain.h"
#include "run/master.h"
#include "run/new.h"
#include "run/repl.h"
#include "run/state_command.h"
#include "run/types.h"

static int run(const struct cli *cli)
{
	return master_run(&cli->run);
}

static int check(const struct cli *cli)
{
	return check_job(cli->run.job_path);
}

static int test(const struct cli *cli)
{
	static char *here[] = { "." };

	return cli->operand_count ? check_examples(cli->operands, cli->operand_count) : check_examples(here, 1);
}

static int status(const struct cli *cli)
{
	return control_status(&cli->run);
}

static int reload(const struct cli *cli)
{
	return control_reload(&cli->run);
}

static int dead_letters(const struct cli *cli)
{
	return dead_letters_run(&cli->run, cli->operands + 1, cli->operand_count - 1);
}

static int state(const struct cli *cli)
{
	return state_command(&cli->run, cli->operands[1], cli->operand_count > 2 ? cli->operands[2] : NULL);
}

static int stop(const struct cli *cli)
{
	return control_stop(&cli->run);
}

static int capture(const struct cli *cli)
{
	return capture_job(&cli->run);
}

static int explain(const struct cli *cli)
{
	return explain_message(&cli->run, cli->operands[1]);
}

static int repl(const struct cli *cli)
{
	return repl_run(&cli->run);
}

static int new (const struct cli *cli)
{
	return new_job(cli->operands[0], cli->from_db);
}

static int types(const struct cli *cli)
{
	return types_command(cli->run.job_path, cli->from_db);
}

static int doctor(const struct cli *cli)
{
	return doctor_run(&cli->run);
}

static int demo(const struct cli *cli)
{
	return demo_run(&cli->run);
}

static const struct command commands[] = {
	{ "run", "JOB.lua [options]", "Runs a job",
	  "A source that ends (a file, --until, --max-events) ends it with exit 0.\n"
	  "SIGHUP reloads the scripts; SIGTERM and SIGINT finish what is on its way and stop; a second one stops now.",
	  1, 1, "workers watch diff from reset-state until max-events http log pid-file dry-run", run },
	{ "check", "JOB.lua", "Tells what each script will write, and whether it fits the target", NULL, 1, 1, "", check },
	{ "test", "[FILE or FOLDER ...]", "Runs the examples and the *_test.lua files of a job's scripts",
	  "FILE is a job.lua, or one *_test.lua; FOLDER has a job.lua, or scripts, or folders of these (default: this one).", 0, 1000000, "", test },
	{ "status", "JOB.lua", "Tells how a running job is", NULL, 1, 1, "pid-file", status },
	{ "reload", "JOB.lua", "Makes a running job take its scripts over, all or none", NULL, 1, 1, "pid-file", reload },
	{ "stop", "JOB.lua", "Ends a running job after what is on its way", NULL, 1, 1, "pid-file", stop },
	{ "dead-letters", "JOB.lua [list|show ID|replay [ID]|drop ID]", "Shows what could not be written, replays it or drops it",
	  "list (the default): a table in a terminal, JSON lines otherwise. show: one of them whole, as JSON; bytes that are no text as base64.\n"
	  "replay sends them, or one, through the scripts as they are now, in their order. What was applied since is not known: an old change\n"
	  "goes over it. Exit 1: some are dead letters again.",
	  1, 3, "pid-file", dead_letters },
	{ "state", "JOB.lua SCRIPT [KEY]", "Shows what a script keeps, or deletes it",
	  "A table in a terminal, JSON lines otherwise. KEY is a value of key_by, or all of them as a JSON array, as in '[7,\"a\"]'; with it go the\n"
	  "entries of the key's maps. --delete may be given while the job runs: its workers begin anew, and events that are not committed find it "
	  "gone.\n"
	  "Exit 1: there is nothing kept.",
	  2, 3, "delete", state },
	{ "capture", "JOB.lua [options]", "Prints the job's messages, as lines that a source reads elsewhere",
	  "A JSON object a line, as kcat -J prints them: sl.source.file { path =, envelope = \"kcat\", format = }. Without --until it ends with what "
	  "is\n"
	  "there now. The job's progress and its consumer group are not touched.",
	  1, 1, "from until max-events", capture },
	{ "explain", "JOB.lua TOPIC:PARTITION:OFFSET", "Shows what the job makes of one message, stage by stage; writes nothing",
	  "Topic, partition and offset as dead letters and the log have them; of a file, its name, 0 and the number of the line from 0.", 2, 2, "",
	  explain },
	{ "doctor", "JOB.lua", "Looks at what stands around a job, and says what to change; writes nothing",
	  "A line for each finding, ok, warn or fail: text in a terminal, JSON lines otherwise. Looks at brokers, topics, what is to be read next "
	  "and how\n"
	  "long it is kept, the consumer group, the target's server, variables, tables, privileges and order, clocks and limits (of --workers N).\n"
	  "Exit 1: something fails.",
	  1, 1, "workers", doctor },
	{ "repl", "JOB.lua", "Tries Lua on the last events of a job, with the functions of its scripts",
	  "The last hundred messages are read, beside whoever works on them, and run through the scripts; nothing is written. Then each line is an\n"
	  "expression of Lua, or a word: help says which names there are. Without a terminal lines are read from stdin, and results go to stdout.",
	  1, 1, "", repl },
	{ "new", "NAME [--from-db URL]", "Makes a folder with a job that runs at once, or with a script for each table of a database",
	  "Without --from-db it has a sample of its own. With it: the columns of each table, an example that passes, a job that writes there.\n"
	  "The password comes from STREAMLUA_PASSWORD, or is asked for in a terminal. One in the URL is taken too, and written nowhere.",
	  1, 1, "from-db", new },
	{ "types", "JOB.lua [--from-db URL]", "Writes types/ beside the job: what editors (LuaLS) complete and check",
	  "types/tables.lua has a class of each table's columns, of the job's sink or of the database in --from-db (its password as for new);\n"
	  "types/streamlua.lua has sl, row, ctx and the fields of scripts. Both are written anew.",
	  1, 1, "from-db", types },
	{ "demo", "", "Shows it all: a broker, sample changes and a target that need nothing installed",
	  "Makes the folder streamlua-demo here, with a job and its scripts; files in it that you edited stay.\n"
	  "In a terminal it goes on until Ctrl-C, and takes edited scripts over; otherwise it ends once the target's rows are shown.",
	  0, 0, "workers watch http log", demo },
	{ NULL, NULL, NULL, NULL, 0, 0, NULL, NULL },
};

int main(int argc, char **argv)
{
	struct buf help = BUF_INIT;
	struct error err;
	struct cli cli;
	int code = 0;

	if (cli_parse(&cli, argc, argv, commands, &err) < 0) {
		fprintf(stderr, "streamlua: %s\n", err.text);
		return 2;
	}
	if (cli.help) {
		cli_help(cli.command, commands, &help);
		fwrite(help.p, 1, help.n, stdout);
		buf_free(&help);
	} else if (!cli.command) {
		puts("streamlua " STREAMLUA_VERSION);
	} else {
		code = cli.command->run(&cli);
	}
	/* Data that did not reach stdout was not delivered. */
	return fflush(stdout) != 0 || ferror(stdout) ? (code ? code : 1) : code;
}
