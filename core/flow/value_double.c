#include <stdlib.h>

#include "flow/value.h"

enum { DIGITS_MOST = 15 }; /* what every double holds */

/* Up to 15 digits and perhaps a minus: nearly every integer there is. */
static bool small_integer(const struct value *value, double *number)
{
	const char *p = value->p, *end = p + value->n;
	bool negative = p < end && *p == '-';
	int64_t sum = 0;

	p += negative;
	if (p == end || end - p > DIGITS_MOST)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		sum = sum * 10 + (*p - '0');
	}
	*number = (double)(negative ? -sum : sum);
	return true;
}

double value_nearest(const struct value *value)
{
	char copy[512]; /* 1e308 without an exponent takes 309 */
	size_t n = value->n < sizeof copy ? value->n : sizeof copy - 1;

	memcpy(copy, value->p, n);
	copy[n] = 0;
	return strtod(copy, NULL);
}

bool value_to_double(const struct value *value, double *number)
{
	int digits = 0;
	bool leading = true, integer = true;
	char copy[64];

	if (small_integer(value, number))
		return true;
	if (value->n == 0 || value->n >= sizeof copy)
		return false;
	memcpy(copy, value->p, value->n);
	copy[value->n] = 0;
	if (!strpbrk(copy, "eE")) {
		for (uint32_t i = 0; i < value->n; i++) {
			integer &= copy[i] != '.';
			if (copy[i] < '0' || copy[i] > '9' || (leading && copy[i] == '0'))
				continue;
			leading = false;
			digits++;
		}
		if (digits > DIGITS_MOST + integer)
			return false;
	}
	*number = strtod(copy, NULL);
	/* Not 2^53 itself: it is also what the integer above it is rounded to. */
	return !integer || digits <= DIGITS_MOST || (*number < 9007199254740992.0 && *number > -9007199254740992.0);
}
