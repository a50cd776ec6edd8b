/* Lua on events that have run, typed by a person (lua/streamlua/repl.lua): for `streamlua repl`. */
#ifndef FLOW_SCRIPT_REPL_H
#define FLOW_SCRIPT_REPL_H

#include "base/buf.h"
#include "flow/script.h"

enum repl_answer {
	REPL_SHOWN,  /* out is what it came to */
	REPL_MORE,   /* it is not finished: the next line belongs to it */
	REPL_FAILED, /* out says why */
	REPL_QUIT,
};

/* first: the events, which stay. From here on the VM runs interpreted. */
int script_repl_begin(struct script_host *host, struct event *first, struct error *err);
enum repl_answer script_repl_eval(struct script_host *host, const char *text, struct buf *out);
/* What stands before a line: "orders 3/100> ". */
void script_repl_prompt(struct script_host *host, struct buf *out);
/* What a name that is being typed may become: a list of `count` texts and the list itself, all malloc'ed. */
char **script_repl_complete(struct script_host *host, const char *typed, size_t *count);
/* What is being evaluated ends with an error. May be called by a signal's handler. */
void script_repl_interrupt(struct script_host *host);

#endif
