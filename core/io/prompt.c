#include "io/prompt.h"

#include <editline/readline.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { HISTORY_MOST = 1000 };

struct prompt {
	bool terminal;
	char *history;
	char **(*complete)(void *ctx, const char *word, size_t *count);
	void *ctx;
	const volatile sig_atomic_t *interrupted;
	char **words; /* what the word at hand may become */
	size_t word_count, next;
	char *line; /* that was typed */
	bool typed;
};

static struct prompt *current; /* libedit's callbacks know of nobody */

/* libedit frees what it is given. */
static char *give(const char *word, int state)
{
	(void)word;
	if (state == 0)
		current->next = 0;
	return current->next < current->word_count ? strdup(current->words[current->next++]) : NULL;
}

static char **complete(const char *word, int start, int end)
{
	char **matches;

	(void)start, (void)end;
	rl_attempted_completion_over = 1; /* no names of files */
	rl_completion_append_character = 0;
	current->words = current->complete(current->ctx, word, &current->word_count);
	matches = current->word_count ? rl_completion_matches(word, give) : NULL;
	for (size_t i = 0; i < current->word_count; i++)
		free(current->words[i]);
	free(current->words);
	current->words = NULL;
	current->word_count = 0;
	return matches;
}

struct prompt *prompt_new(const char *history, char **(*complete_word)(void *ctx, const char *word, size_t *count), void *ctx,
			  const volatile sig_atomic_t *interrupted)
{
	static char breaks[] = " \t\n\"'()+-*/%^=<>~,;{}#";
	struct prompt *prompt = calloc(1, sizeof *prompt);

	BUG_IF(!prompt || current);
	*prompt = (struct prompt){
		.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO), .complete = complete_word, .ctx = ctx, .interrupted = interrupted
	};
	current = prompt;
	if (!prompt->terminal)
		return prompt;
	prompt->history = history ? strdup(history) : NULL;
	rl_readline_name = "streamlua";
	rl_catch_signals = 0; /* its handler goes on reading, of a terminal that edits no more */
	rl_initialize();
	rl_completer_word_break_characters = breaks;
	rl_attempted_completion_function = complete;
	stifle_history(HISTORY_MOST);
	if (prompt->history)
		read_history(prompt->history);
	return prompt;
}

static char *read_plain(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n = getline(&line, &room, stdin);

	if (n < 0) {
		free(line);
		return NULL;
	}
	if (n > 0 && line[n - 1] == '\n')
		line[n - 1] = 0;
	return line;
}

static void on_line(char *line)
{
	current->line = line;
	current->typed = true;
	rl_callback_handler_remove();
}

/* Key by key, so that a signal is met where nothing is half done. */
static char *read_edited(struct prompt *prompt, const char *before)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t interrupt, others;

	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(SIG_BLOCK, &interrupt, &others);
	prompt->line = NULL;
	prompt->typed = false;
	rl_callback_handler_install(before, on_line);
	while (!prompt->typed && !*prompt->interrupted)
		if (ppoll(&input, 1, NULL, &others) >= 0)
			rl_callback_read_char();
	if (!prompt->typed)
		rl_callback_handler_remove();
	sigprocmask(SIG_SETMASK, &others, NULL);
	if (prompt->line && *prompt->line)
		add_history(prompt->line);
	return prompt->line;
}

char *prompt_line(struct prompt *prompt, const char *before)
{
	return prompt->terminal ? read_edited(prompt, before) : read_plain();
}

bool prompt_is_terminal(const struct prompt *prompt)
{
	return prompt->terminal;
}

void prompt_free(struct prompt *prompt)
{
	if (prompt->history) {
		mode_t before = umask(077); /* values of rows may stand in it */

		write_history(prompt->history);
		umask(before);
	}
	free(prompt->history);
	free(prompt);
	current = NULL;
}
