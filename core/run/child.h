/* A process of our own, forked and not exec'ed: it begins with the master's memory and with nothing else of the master's. */
#ifndef RUN_CHILD_H
#define RUN_CHILD_H

#include <sys/types.h>

#include "base/error.h"

/* As fork(): the child's pid, 0 in the child, -1 with err. *fd is either's end of a socket pair between the two.
 * The child has no other descriptor but 0, 1 and 2, its signals are the default but those that are the master's to answer
 * (SIGINT, SIGTERM, SIGHUP are ignored, and SIGPIPE), and it is killed when the master dies. It must end with child_exit, without touching what
 * it found in memory: the master's loop, locks and files are not its own. */
pid_t child_fork(int *fd, struct error *err);
void child_exit(int code) __attribute__((noreturn));
/* "exit code 1", "signal 11 (Segmentation fault)": how waitpid's status reads. out has room for 64 bytes; returns it. */
const char *child_end(int status, char *out);

#endif
