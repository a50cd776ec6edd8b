/* Lines that a person types, with history and completion (libedit), or those of stdin where that is no terminal. */
#ifndef IO_PROMPT_H
#define IO_PROMPT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct prompt;

/* history: the file that keeps what was typed; NULL: none does. complete: what a word may become, as a list of `count` texts, all malloc'ed. One at a
 * time: libedit has one line. */
struct prompt *prompt_new(const char *history, char **(*complete)(void *ctx, const char *word, size_t *count), void *ctx,
			  const volatile sig_atomic_t *interrupted);
/* The next line, malloc'ed and without its end; NULL: there is none, or (of a terminal) the handler of SIGINT has set what `interrupted` points at. */
char *prompt_line(struct prompt *prompt, const char *before);
bool prompt_is_terminal(const struct prompt *prompt);
void prompt_free(struct prompt *prompt);

#endif
