/* What happened last in a run, kept for when it fails; and failing itself. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>

/* Begins a run. aloud: every line is printed as it is written. */
void trace_begin(uint64_t seed, bool aloud);
/* The simulated time that lines are written at. */
void trace_at(int64_t now_ms);
void trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something is wrong: prints why, the last lines and how to see it again, and ends the program. */
void trace_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The last lines and the seed, from a signal handler or a sanitizer: the program is ending anyway. */
void trace_print(void);

#endif
