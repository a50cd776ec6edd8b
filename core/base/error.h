/* What went wrong, in words for a person. Fallible functions return 0 or -1 and fill one of these; it is logged once,
 * by the caller that handles it. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

struct error {
	char text[2048]; /* always ends in NUL; "" when nothing is wrong */
	bool passing;    /* something outside is away: the same may work later, without anybody's help. error_set says no */
};

/* Sets the text (cut if too long) and returns -1, so that `return error_set(...)` reads as what it does. err may be NULL. */
int error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before the text that err already has; returns -1. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A failure of ours, not of the world: prints where and aborts, in releases too. */
#define BUG_IF(condition)                                                                                                                            \
	do {                                                                                                                                         \
		if (__builtin_expect(!!(condition), 0))                                                                                              \
			error_bug(#condition, __FILE__, __LINE__);                                                                                   \
	} while (0)

void error_bug(const char *condition, const char *file, int line) __attribute__((noreturn));

#endif
