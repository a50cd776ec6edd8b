/* A decimal number as its digits and where the point stands: what it is, however it is written (1, 1.0, 10e-1). Nothing
 * goes through a double, so no digit is lost. */
#ifndef FLOW_NUMBER_H
#define FLOW_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum { NUMBER_DIGITS_MOST = 96 }; /* more than any DECIMAL has (65) */

struct number {
	bool negative;  /* never of zero */
	uint32_t count; /* significant digits, without zeros at either end; 0 is zero */
	int32_t point;  /* the value is 0.d1d2d3... times 10 to this */
	char digits[NUMBER_DIGITS_MOST];
};

/* Takes JSON's grammar, and leading zeros too (databases read '007' as 7). False for anything else, for more significant digits than
 * there is room for, and for exponents beyond any column. */
bool number_parse(struct number *number, struct slice text);

/* Digits behind the point; 0: an integer. */
uint32_t number_scale(const struct number *number);
/* False where it is no integer or does not fit. */
bool number_int64(const struct number *number, int64_t *value);
/* Without an exponent: -1500, 0.001. */
void number_plain(struct buf *out, const struct number *number);
/* a + b, and a - b where sign is -1. False where it has more digits than there is room for, or is so large or small that its plain spelling
 * would not be read again. */
bool number_add(struct number *sum, const struct number *a, const struct number *b, int sign);
/* Less than, equal to or greater than 0, as a is to b. */
int number_compare(const struct number *a, const struct number *b);

#endif
