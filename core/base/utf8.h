/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Bytes of the valid sequence that p begins with (1 to 4), or 0 where it is none. n > 0. */
size_t utf8_sequence(const char *p, size_t n);
bool utf8_valid(struct slice text);

#endif
