#include "run/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/http.h"

enum { WORKERS_MOST = 1024, OPTION_FIRST = 256, WORD_MOST = 63 };

enum { WORKERS, WATCH, DIFF, FROM, RESET_STATE, UNTIL, MAX_EVENTS, HTTP, LOG, PID_FILE, DRY_RUN, DELETE, FROM_DB, HELP, VERSION, OPTION_COUNT };

static const struct option_text {
	const char *name, *argument, *help;
} options[OPTION_COUNT] = {
	[WORKERS] = { "workers", "N", "processes that share the job's partitions (default 1)" },
	[WATCH] = { "watch", NULL, "reload when a script is saved" },
	[DIFF] = { "diff", NULL, "with --watch: show what a save changes in the rows of the last hundred messages (a terminal is shown it anyway)" },
	[FROM] = { "from", "TIME", "move the progress: \"earliest\", \"latest\", 2024-01-31T12:00:00Z or -2h" },
	[RESET_STATE] = { "reset-state", NULL, "with --from: delete what scripts keep (streamlua_state) as well" },
	[UNTIL] = { "until", "TIME", "end there: \"latest\" (what is there now) or a time" },
	[MAX_EVENTS] = { "max-events", "N", "end after N events" },
	[HTTP] = { "http", "HOST:PORT", "where the page, status and metrics are served, or \"off\" (default 127.0.0.1:8686; port 0: a free one)" },
	[LOG] = { "log", "text|json", "form of the log on stderr (default text)" },
	[PID_FILE] = { "pid-file", "FILE", "the file by which status, reload and stop find the job" },
	[DRY_RUN] = { "dry-run", NULL, "decode and map, print the SQL, write nothing" },
	[DELETE] = { "delete", NULL, "delete what would be shown" },
	[FROM_DB] = { "from-db", "URL", "the tables of mysql://USER@HOST:PORT/DATABASE (mariadb://, tidb://) or sqlite:PATH" },
	[HELP] = { "help", NULL, "this text" },
	[VERSION] = { "version", NULL, "the version" },
};

/* How many letters have to be added, dropped or changed to make b of a; words are short. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b), row[WORD_MOST + 1];

	if (strlen(a) > WORD_MOST || n > WORD_MOST)
		return WORD_MOST;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t change = diagonal + (a[i] != b[j]), least = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;

			diagonal = row[j + 1];
			row[j + 1] = change < least ? change : least;
		}
	}
	return row[n];
}

static void consider(const char *word, const char *candidate, const char **nearest, size_t *best)
{
	size_t far = distance(word, candidate);

	if (far < *best) {
		*nearest = candidate;
		*best = far;
	}
}

static int unknown_command(const char *word, const struct command *commands, struct error *err)
{
	const char *nearest = NULL;
	size_t best = strlen(word) / 2 + 2;

	for (; commands->name; commands++)
		consider(word, commands->name, &nearest, &best);
	if (!nearest)
		return error_set(err, "there is no command \"%s\"; see streamlua --help", word);
	return error_set(err, "there is no command \"%s\"; did you mean \"%s\"?", word, nearest);
}

static bool knows(const struct command *command, const char *option)
{
	size_t n = strlen(option);

	for (const char *p = command->options; (p = strstr(p, option)); p += n)
		if ((p == command->options || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
			return true;
	return strcmp(option, "help") == 0;
}

static int unknown_option(const char *word, struct error *err)
{
	const char *nearest = NULL;
	char name[WORD_MOST + 1];
	size_t best, n = strcspn(word, "=");

	if (n > WORD_MOST || strncmp(word, "--", 2) != 0)
		return error_set(err, "there is no option %s; see streamlua --help", word);
	memcpy(name, word + 2, n - 2);
	name[n - 2] = 0;
	best = n / 2 + 1;
	for (int i = 0; i < OPTION_COUNT; i++)
		consider(name, options[i].name, &nearest, &best);
	if (!nearest)
		return error_set(err, "there is no option --%s; see streamlua --help", name);
	return error_set(err, "there is no option --%s; did you mean --%s?", name, nearest);
}

/* Digits alone, between least and most. */
static int read_number(const char *option, const char *text, int64_t least, int64_t most, int64_t *number, struct error *err)
{
	size_t digits = strspn(text, "0123456789");

	if (digits > 0 && digits <= 18 && text[digits] == 0 && (*number = atoll(text)) >= least && *number <= most)
		return 0;
	if (most == INT64_MAX)
		return error_set(err, "--%s %s: write a whole number from %lld on", option, text, (long long)least);
	return error_set(err, "--%s %s: write a whole number from %lld to %lld", option, text, (long long)least, (long long)most);
}

static int check_time(const char *option, const char *text, bool earliest, struct error *err)
{
	int64_t ms;

	if (strcmp(text, "latest") == 0 || (earliest && strcmp(text, "earliest") == 0))
		return 0;
	if (clock_time(slice_of(text), clock_wall_ms(), &ms, err) < 0)
		return error_prefix(err, "--%s", option);
	return 0;
}

static int take(struct cli *cli, int option, char *text, struct error *err)
{
	struct run_options *run = &cli->run;
	int64_t number;
	char host[256];
	int port;

	switch (option) {
	case WORKERS:
		if (read_number("workers", text, 1, WORKERS_MOST, &number, err) < 0)
			return -1;
		run->workers = (int32_t)number;
		return 0;
	case MAX_EVENTS:
		return read_number("max-events", text, 1, INT64_MAX, &run->max_events, err);
	case FROM:
		run->from = text;
		return check_time("from", text, true, err);
	case RESET_STATE:
		run->reset_state = true;
		return 0;
	case UNTIL:
		run->until = text;
		return check_time("until", text, false, err);
	case HTTP:
		run->http = text;
		if (strcmp(text, "off") != 0 && http_split(text, host, &port, err) < 0)
			return error_prefix(err, "--http");
		return 0;
	case LOG:
		run->log_json = strcmp(text, "json") == 0;
		if (!run->log_json && strcmp(text, "text") != 0)
			return error_set(err, "--log %s: write text or json", text);
		return 0;
	case PID_FILE:
		run->pid_file = text;
		return text[0] ? 0 : error_set(err, "--pid-file needs the name of a file");
	case WATCH:
		run->watch = true;
		return 0;
	case DIFF:
		run->diff = true;
		return 0;
	case DRY_RUN:
		run->dry_run = true;
		return 0;
	case DELETE:
		run->delete_rows = true;
		return 0;
	case FROM_DB:
		cli->from_db = text;
		return 0;
	case HELP:
		cli->help = true;
		return 0;
	case VERSION:
		cli->version = true;
		return 0;
	}
	return -1;
}

/* The first operand names the command; what looks like a job means "run". */
static int find_command(struct cli *cli, const struct command *commands, struct error *err)
{
	const char *word = cli->operands[0];
	const struct command *run = NULL;
	size_t n = strlen(word);

	for (const struct command *command = commands; command->name; command++) {
		if (strcmp(command->name, word) == 0) {
			cli->command = command;
			cli->operands++;
			cli->operand_count--;
			return 0;
		}
		if (strcmp(command->name, "run") == 0)
			run = command;
	}
	cli->command = run;
	if (run && ((n > 4 && strcmp(word + n - 4, ".lua") == 0) || strchr(word, '/')))
		return 0;
	return unknown_command(word, commands, err);
}

int cli_parse(struct cli *cli, int argc, char **argv, const struct command *commands, struct error *err)
{
	struct option longs[OPTION_COUNT + 1] = { 0 };
	bool given[OPTION_COUNT] = { false };
	int letter;

	*cli = (struct cli){ 0 };
	for (int i = 0; i < OPTION_COUNT; i++)
		longs[i] = (struct option){ options[i].name, options[i].argument ? required_argument : no_argument, NULL, OPTION_FIRST + i };
	optind = 0; /* getopt starts anew */
	opterr = 0;
	/* "h" alone is short: the one that fingers type before they have read the help. */
	while ((letter = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		int option = letter == 'h' ? HELP : letter - OPTION_FIRST;

		if (letter == ':')
			return error_set(err, "%s needs a value; see streamlua --help", argv[optind - 1]);
		if (letter == '?' && optopt >= OPTION_FIRST)
			return error_set(err, "--%s takes no value", options[optopt - OPTION_FIRST].name);
		if (letter == '?')
			return optopt ? error_set(err, "there is no option -%c; see streamlua --help", optopt)
				      : unknown_option(argv[optind - 1], err);
		if (take(cli, option, optarg, err) < 0)
			return -1;
		given[option] = true;
	}
	cli->operands = argv + optind;
	cli->operand_count = (size_t)(argc - optind);
	if (cli->operand_count == 0)
		return cli->help || cli->version ? 0 : error_set(err, "no job and no command; see streamlua --help");
	if (find_command(cli, commands, err) < 0)
		return -1;
	for (int i = 0; i < OPTION_COUNT; i++)
		if (given[i] && !knows(cli->command, options[i].name))
			return error_set(err, "streamlua %s has no option --%s; see streamlua %s --help", cli->command->name, options[i].name,
					 cli->command->name);
	if (cli->help)
		return 0;
	if (cli->operand_count < cli->command->least)
		return error_set(err, "streamlua %s needs %s", cli->command->name, cli->command->operands);
	if (cli->operand_count > cli->command->most)
		return error_set(err, "streamlua %s: \"%s\" is one too many", cli->command->name, cli->operands[cli->command->most]);
	if (cli->run.reset_state && !cli->run.from)
		return error_set(err, "--reset-state goes with --from: state and progress are one");
	if (cli->run.diff && !cli->run.watch)
		return error_set(err, "--diff goes with --watch: it shows what a save changes");
	cli->run.job_path = cli->operand_count ? cli->operands[0] : NULL;
	return 0;
}

static void help_options(const struct command *command, struct buf *out)
{
	buf_text(out, "\nOptions:\n");
	for (int i = 0; i < OPTION_COUNT; i++) {
		char left[40];
		const char *argument = options[i].argument;
		int n = snprintf(left, sizeof left, "--%s%s%s", options[i].name, argument ? " " : "", argument ? argument : "");

		if (n > 0 && (command ? knows(command, options[i].name) : i == HELP || i == VERSION))
			buf_printf(out, "  %-18s %s\n", left, options[i].help);
	}
}

void cli_help(const struct command *command, const struct command *commands, struct buf *out)
{
	if (command) {
		buf_printf(out, "Usage: streamlua %s %s\n\n%s.\n", command->name, command->operands, command->summary);
		if (command->details)
			buf_printf(out, "\n%s\n", command->details);
		help_options(command, out);
		return;
	}
	buf_text(out, "streamlua: row changes from Kafka, through one Lua script a table, into TiDB; exactly once\n\nUsage:\n"
		      "  streamlua JOB.lua [options]          the same as: streamlua run JOB.lua\n");
	for (; commands->name; commands++) {
		char left[64];

		snprintf(left, sizeof left, "%s %s", commands->name, commands->operands);
		buf_printf(out, "  streamlua %-26s %s\n", left, commands->summary);
	}
	buf_text(out, "\n`streamlua COMMAND --help` lists the options of a command; they may stand before or after the job.\n");
	help_options(NULL, out);
	buf_text(out, "\nExit: 0 done, or stopped by a signal after a clean drain; 1 failed while running; 2 wrong usage, job or target.\n");
}
