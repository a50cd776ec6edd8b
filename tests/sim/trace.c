#include "sim/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINES = 80, LINE_BYTES = 200 };

/* A crash anywhere must still be able to say which seed it was. */
static struct {
	uint64_t seed;
	bool aloud;
	int64_t start_ms, now_ms;
	uint64_t count;
	char lines[LINES][LINE_BYTES];
} trace;

void trace_begin(uint64_t seed, bool aloud)
{
	trace.seed = seed;
	trace.aloud = aloud;
	trace.count = 0;
	trace.start_ms = -1;
}

void trace_at(int64_t now_ms)
{
	if (trace.start_ms < 0)
		trace.start_ms = now_ms;
	trace.now_ms = now_ms;
}

void trace_line(const char *format, ...)
{
	char *line = trace.lines[trace.count++ % LINES];
	int n = snprintf(line, LINE_BYTES, "%6lld ms  ", (long long)(trace.now_ms - trace.start_ms));
	va_list args;

	va_start(args, format);
	vsnprintf(line + n, LINE_BYTES - (size_t)n, format, args);
	va_end(args);
	if (trace.aloud)
		fprintf(stderr, "%s\n", line);
}

void trace_print(void)
{
	uint64_t from = trace.count > LINES ? trace.count - LINES : 0;

	if (!trace.aloud)
		for (uint64_t i = from; i < trace.count; i++)
			fprintf(stderr, "%s\n", trace.lines[i % LINES]);
	fprintf(stderr, "seed %llu, step %llu; again: make sim SEED=%llu RUNS=1\n", (unsigned long long)trace.seed, (unsigned long long)trace.count,
		(unsigned long long)trace.seed);
}

void trace_fail(const char *format, ...)
{
	va_list args;

	trace_print();
	fprintf(stderr, "FAILED: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}
