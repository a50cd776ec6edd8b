#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int error_set(struct error *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return -1;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	err->passing = false;
	return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
	struct error rest;
	va_list args;
	int used;

	if (!err)
		return -1;
	rest = *err;
	va_start(args, format);
	used = vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	if (used >= 0 && (size_t)used < sizeof err->text)
		snprintf(err->text + used, sizeof err->text - (size_t)used, ": %s", rest.text);
	return -1;
}

void error_bug(const char *condition, const char *file, int line)
{
	fprintf(stderr, "streamlua: bug: %s at %s:%d\n", condition, file, line);
	abort();
}
