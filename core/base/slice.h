/* A borrowed run of bytes. Never owns, never ends in a NUL that anybody may rely on. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
#define SLICE_ARG(s) (int)(s).n, (s).p /* for "%.*s" */

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
	return slice_equal(a, slice_of(text));
}

static inline uint64_t slice_load(const char *p, size_t n)
{
	uint64_t word = 0;

	memcpy(&word, p, n);
	return word;
}

/* Whether there is nothing but digits. Eight at a time: messages are full of long numbers. */
static inline bool slice_is_digits(struct slice s)
{
	const uint64_t zeros = 0x3030303030303030, tens = 0x7676767676767676, high = 0x8080808080808080;
	uint64_t wrong = 0, word;

	if (s.n < 4) {
		for (size_t i = 0; i < s.n; i++)
			wrong |= s.p[i] < '0' || s.p[i] > '9';
		return !wrong && s.n;
	}
	if (s.n < 8) {
		word = (slice_load(s.p, 4) | slice_load(s.p + s.n - 4, 4) << 32) ^ zeros;
		return !((word | (word + tens)) & high);
	}
	for (size_t i = 0; i + 8 < s.n; i += 8) {
		word = slice_load(s.p + i, 8) ^ zeros;
		wrong |= word | (word + tens); /* carries only out of bytes that are wrong already */
	}
	word = slice_load(s.p + s.n - 8, 8) ^ zeros;
	return !((wrong | word | (word + tens)) & high);
}

/* Orders as memcmp does, a prefix before what it begins. */
static inline int slice_compare(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

#endif
