/* The command line: what it accepts, what it refuses, and what it says then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run/cli.h"

static int nothing(const struct cli *cli)
{
	(void)cli;
	return 0;
}

static const struct command commands[] = {
	{ "run", "JOB.lua [options]", "Runs a job", "And more.", 1, 1, "workers watch from reset-state until max-events http log pid-file dry-run",
	  nothing },
	{ "check", "JOB.lua", "Checks a job", NULL, 1, 1, "", nothing },
	{ "test", "[FILE ...]", "Tests", NULL, 0, 1000, "", nothing },
	{ "status", "JOB.lua", "Tells", NULL, 1, 1, "pid-file", nothing },
	{ NULL, NULL, NULL, NULL, 0, 0, NULL, NULL },
};

enum { WORDS_MOST = 16 };

/* Splits at spaces; argv points into a place that lasts for one test line. */
static int parse(struct cli *cli, const char *line, struct error *err)
{
	static char text[512], *argv[WORDS_MOST + 1];
	int argc = 0;

	strcpy(text, line);
	for (char *word = strtok(text, " "); word && argc < WORDS_MOST; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	err->text[0] = 0;
	return cli_parse(cli, argc, argv, commands, err);
}

static void a_job_alone_is_run(void **state)
{
	struct error err;
	struct cli cli;

	(void)state;
	assert_int_equal(parse(&cli, "streamlua job.lua", &err), 0);
	assert_string_equal(cli.command->name, "run");
	assert_string_equal(cli.run.job_path, "job.lua");
	assert_int_equal(parse(&cli, "streamlua jobs/shop", &err), 0);
	assert_string_equal(cli.run.job_path, "jobs/shop");
	assert_int_equal(parse(&cli, "streamlua run shop", &err), 0);
	assert_string_equal(cli.run.job_path, "shop");
}

static void options_stand_before_and_after_the_job(void **state)
{
	static const char *const lines[] = {
		"streamlua run job.lua --workers 3 --watch --from earliest --until 2024-01-31T12:00:00Z --max-events 10 --http [::1]:0",
		"streamlua --workers 3 --watch --from=earliest run --until 2024-01-31T12:00:00Z --max-events 10 job.lua --http [::1]:0",
		"streamlua --http=[::1]:0 --max-events=10 --watch --workers=3 --from earliest --until=2024-01-31T12:00:00Z job.lua",
	};
	struct error err;
	struct cli cli;

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		assert_int_equal(parse(&cli, lines[i], &err), 0);
		assert_string_equal(cli.command->name, "run");
		assert_string_equal(cli.run.job_path, "job.lua");
		assert_int_equal(cli.run.workers, 3);
		assert_true(cli.run.watch);
		assert_false(cli.run.dry_run);
		assert_string_equal(cli.run.from, "earliest");
		assert_string_equal(cli.run.until, "2024-01-31T12:00:00Z");
		assert_int_equal(cli.run.max_events, 10);
		assert_string_equal(cli.run.http, "[::1]:0");
	}
	assert_int_equal(parse(&cli, "streamlua job.lua --dry-run --log json --pid-file p --http off --from -2h --until latest", &err), 0);
	assert_true(cli.run.dry_run && cli.run.log_json);
	assert_string_equal(cli.run.pid_file, "p");
	assert_string_equal(cli.run.http, "off");
	assert_string_equal(cli.run.from, "-2h");
	assert_string_equal(cli.run.until, "latest");
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *line, *says;
	} wrong[] = {
		{ "streamlua", "no job and no command" },
		{ "streamlua chek job.lua", "did you mean \"check\"?" },
		{ "streamlua statsu job.lua", "did you mean \"status\"?" },
		{ "streamlua xyzzyplugh", "there is no command \"xyzzyplugh\"; see" },
		{ "streamlua job.lua --worker-count 2", "there is no option --worker-count; did you mean" },
		{ "streamlua job.lua --wrokers 2", "did you mean --workers?" },
		{ "streamlua job.lua --zzzzzzzzzz", "there is no option --zzzzzzzzzz; see" },
		{ "streamlua job.lua -x", "there is no option -x" },
		{ "streamlua job.lua --workers", "--workers needs a value" },
		{ "streamlua job.lua --watch=yes", "--watch takes no value" },
		{ "streamlua job.lua --workers 0", "--workers 0: write a whole number from 1 to 1024" },
		{ "streamlua job.lua --workers 2x", "--workers 2x" },
		{ "streamlua job.lua --workers +2", "--workers +2" },
		{ "streamlua job.lua --workers 99999999999999999999", "--workers 9" },
		{ "streamlua job.lua --max-events -1", "--max-events -1: write a whole number from 1 on" },
		{ "streamlua job.lua --reset-state", "--reset-state goes with --from" },
		{ "streamlua job.lua --from yesterday", "--from: \"yesterday\" is no time" },
		{ "streamlua job.lua --until earliest", "--until: \"earliest\" is no time" },
		{ "streamlua job.lua --until 2024-01-31", "--until: \"2024-01-31\" is no time" },
		{ "streamlua job.lua --http 8686", "--http: \"8686\" is no address" },
		{ "streamlua job.lua --log xml", "--log xml: write text or json" },
		{ "streamlua check", "streamlua check needs JOB.lua" },
		{ "streamlua check a.lua b.lua", "\"b.lua\" is one too many" },
		{ "streamlua check a.lua --watch", "streamlua check has no option --watch" },
		{ "streamlua status a.lua --http off", "streamlua status has no option --http" },
		{ "streamlua run", "streamlua run needs JOB.lua" },
	};
	struct error err;
	struct cli cli;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(parse(&cli, wrong[i].line, &err), -1);
		if (!strstr(err.text, wrong[i].says))
			fail_msg("%s: %s", wrong[i].line, err.text);
	}
}

static void help_tells_every_command_and_option(void **state)
{
	struct buf out = BUF_INIT;
	struct error err;
	struct cli cli;

	(void)state;
	assert_int_equal(parse(&cli, "streamlua --help", &err), 0);
	assert_true(cli.help && !cli.command);
	cli_help(cli.command, commands, &out);
	for (const struct command *command = commands; command->name; command++)
		assert_non_null(strstr(buf_cstr(&out), command->summary));
	buf_clear(&out);
	assert_int_equal(parse(&cli, "streamlua run --help", &err), 0); /* without the job that it needs */
	assert_true(cli.help);
	cli_help(cli.command, commands, &out);
	assert_non_null(strstr(buf_cstr(&out), "Usage: streamlua run JOB.lua [options]"));
	assert_non_null(strstr(buf_cstr(&out), "And more."));
	assert_non_null(strstr(buf_cstr(&out), "--max-events N "));
	assert_non_null(strstr(buf_cstr(&out), "--dry-run "));
	buf_clear(&out);
	assert_int_equal(parse(&cli, "streamlua status -h", &err), 0);
	cli_help(cli.command, commands, &out);
	assert_non_null(strstr(buf_cstr(&out), "--pid-file FILE"));
	assert_null(strstr(buf_cstr(&out), "--watch"));
	buf_free(&out);
	assert_int_equal(parse(&cli, "streamlua --version", &err), 0);
	assert_true(cli.version && !cli.command);
}

static void test_takes_any_number_of_operands(void **state)
{
	struct error err;
	struct cli cli;

	(void)state;
	assert_int_equal(parse(&cli, "streamlua test", &err), 0);
	assert_int_equal(cli.operand_count, 0);
	assert_int_equal(parse(&cli, "streamlua test a b/job.lua", &err), 0);
	assert_int_equal(cli.operand_count, 2);
	assert_string_equal(cli.operands[1], "b/job.lua");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_alone_is_run),
		cmocka_unit_test(options_stand_before_and_after_the_job),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(help_tells_every_command_and_option),
		cmocka_unit_test(test_takes_any_number_of_operands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
