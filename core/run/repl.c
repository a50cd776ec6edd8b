#include "run/repl.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "flow/script_repl.h"
#include "io/prompt.h"
#include "run/recent.h"
#include "run/rehearsal.h"

enum { EVENTS_MOST = 100, PATIENCE_MS = 30 * 1000 };

static struct script_host *volatile busy; /* what Ctrl-C interrupts */
static volatile sig_atomic_t interrupted; /* nothing was yet: the line is given up, or what it says when it begins */

static void on_interrupt(int number)
{
	(void)number;
	if (busy)
		script_repl_interrupt(busy);
	else
		interrupted = 1;
}

/* streamlua/history where programs keep such things; its folder is made. False: there is no place for it. */
static bool history_path(char path[PATH_MAX])
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char folder[PATH_MAX];
	int n;

	if (state && *state)
		n = snprintf(folder, sizeof folder, "%s/streamlua", state);
	else if (home && *home)
		n = snprintf(folder, sizeof folder, "%s/.local/state/streamlua", home);
	else
		return false;
	if (n >= (int)sizeof folder)
		return false;
	for (char *slash = folder; (slash = strchr(slash + 1, '/'));) {
		*slash = 0;
		mkdir(folder, 0700);
		*slash = '/';
	}
	mkdir(folder, 0700);
	return snprintf(path, PATH_MAX, "%s/history", folder) < PATH_MAX;
}

static char **complete(void *ctx, const char *word, size_t *count)
{
	return script_repl_complete(ctx, word, count);
}

static enum repl_answer evaluate(struct script_host *host, const char *text, struct buf *out)
{
	enum repl_answer answer;

	busy = host;
	if (interrupted)
		script_repl_interrupt(host);
	answer = script_repl_eval(host, text, out);
	busy = NULL;
	if (answer == REPL_FAILED)
		fprintf(stderr, "%s\n", buf_cstr(out));
	else if (answer == REPL_SHOWN && out->n)
		printf("%s\n", buf_cstr(out));
	fflush(stdout);
	return answer;
}

static void talk(struct script_host *host)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	char path[PATH_MAX];
	struct prompt *prompt = prompt_new(history_path(path) ? path : NULL, complete, host, &interrupted);
	enum repl_answer answer = REPL_SHOWN;
	char *line;

	while (answer != REPL_QUIT) {
		if (answer == REPL_MORE)
			buf_char(&text, '\n');
		else
			buf_clear(&text);
		script_repl_prompt(host, &out);
		interrupted = 0;
		line = prompt_line(prompt, answer == REPL_MORE ? "... " : buf_cstr(&out));
		if (!line && interrupted && prompt_is_terminal(prompt)) {
			answer = REPL_SHOWN;
			putchar('\n');
			continue;
		}
		if (!line)
			break;
		buf_text(&text, line);
		/* An empty line gives up what is not finished. */
		answer = answer == REPL_MORE && !*line ? REPL_SHOWN : evaluate(host, buf_cstr(&text), &out);
		free(line);
	}
	if (answer == REPL_MORE)
		fprintf(stderr, "the last expression is not finished\n");
	else if (answer != REPL_QUIT && prompt_is_terminal(prompt))
		putchar('\n');
	prompt_free(prompt);
	buf_free(&text);
	buf_free(&out);
}

/* With the target's schema; where that cannot be had, without. */
static int rehearse(struct rehearsal *rehearsal, struct bundle *bundle, struct job **job, const char *job_path, const struct recent *recent,
		    struct error *err)
{
	if (rehearsal_run(rehearsal, *job, true, recent->messages, recent->count, err) == 0)
		return 0;
	fprintf(stderr, "streamlua: %s; going on without the target: its columns and types are not known, and nothing is looked up\n", err->text);
	rehearsal_close(rehearsal);
	job_free(*job);
	bundle_free(bundle);
	*rehearsal = (struct rehearsal){ 0 };
	*job = job_read(bundle, job_path, err);
	return *job ? rehearsal_run(rehearsal, *job, false, recent->messages, recent->count, err) : -1;
}

int repl_run(const struct run_options *options)
{
	struct sigaction interrupt = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };
	struct bundle bundle = { 0 };
	struct recent recent = { 0 };
	struct rehearsal rehearsal = { 0 };
	struct error err = { .text = "" };
	struct job *job = job_read(&bundle, options->job_path, &err);
	int code = 2;

	if (job && recent_read(job, EVENTS_MOST, PATIENCE_MS, &recent, &err) == 0 &&
	    rehearse(&rehearsal, &bundle, &job, options->job_path, &recent, &err) == 0 &&
	    script_repl_begin(job->host, rehearsal.intake->first, &err) == 0) {
		if (recent.cut)
			fprintf(stderr, "streamlua: after %d seconds the source is not read to its end: these are not its last messages\n",
				PATIENCE_MS / 1000);
		sigaction(SIGINT, &interrupt, NULL);
		talk(job->host);
		code = 0;
	} else {
		fprintf(stderr, "streamlua: %s\n", err.text);
	}
	rehearsal_close(&rehearsal);
	recent_free(&recent);
	job_free(job);
	bundle_free(&bundle);
	return code;
}
