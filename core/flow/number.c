#include "flow/number.h"

/* DOUBLE ends at 308; a plain spelling of more than this would be no help to anybody. */
enum { EXPONENT_MOST = 400 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The exponent behind an 'e' that p stands on; false where it is none, or out of bounds. */
static bool parse_exponent(const char *p, const char *end, int32_t *exponent)
{
	bool negative = false;

	*exponent = 0;
	if (p == end)
		return true;
	if (*p != 'e' && *p != 'E')
		return false;
	if (++p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	if (p == end)
		return false;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return false;
		*exponent = *exponent * 10 + (*p - '0');
		if (*exponent > EXPONENT_MOST)
			return false;
	}
	if (negative)
		*exponent = -*exponent;
	return true;
}

bool number_parse(struct number *number, struct slice text)
{
	const char *p = text.p, *end = text.p + text.n;
	uint32_t zeros = 0, seen = 0, fraction = 0; /* zeros: met, and not yet known to stand between digits */
	bool behind_point = false;
	int32_t exponent;

	number->negative = p < end && *p == '-';
	number->count = 0;
	number->point = 0;
	p += number->negative;
	for (; p < end; p++) {
		if (*p == '.' && !behind_point && seen) {
			behind_point = true;
			continue;
		}
		if (!is_digit(*p))
			break;
		seen++;
		fraction += behind_point;
		if (*p == '0') {
			zeros += number->count > 0;
			number->point += !behind_point && number->count > 0;
			number->point -= behind_point && number->count == 0;
			continue;
		}
		if (number->count + zeros >= NUMBER_DIGITS_MOST)
			return false;
		for (; zeros; zeros--)
			number->digits[number->count++] = '0';
		number->digits[number->count++] = *p;
		number->point += !behind_point;
	}
	if (!seen || (behind_point && !fraction) || seen > 2 * EXPONENT_MOST || !parse_exponent(p, end, &exponent))
		return false;
	number->point += exponent;
	if (number->count == 0) {
		number->negative = false;
		number->point = 0;
	}
	return true;
}

uint32_t number_scale(const struct number *number)
{
	return (int32_t)number->count > number->point ? (uint32_t)((int32_t)number->count - number->point) : 0;
}

bool number_int64(const struct number *number, int64_t *value)
{
	uint64_t magnitude = 0;

	if (number_scale(number) || number->point > 19)
		return false;
	for (int32_t i = 0; i < number->point; i++)
		if (__builtin_mul_overflow(magnitude, 10u, &magnitude) ||
		    __builtin_add_overflow(magnitude, (uint64_t)(i < (int32_t)number->count ? number->digits[i] - '0' : 0), &magnitude))
			return false;
	if (magnitude > (uint64_t)INT64_MAX + number->negative)
		return false;
	*value = (int64_t)(number->negative ? 0 - magnitude : magnitude);
	return true;
}

static void add_zeros(struct buf *out, int32_t count)
{
	for (; count > 0; count--)
		buf_char(out, '0');
}

void number_plain(struct buf *out, const struct number *number)
{
	int32_t count = (int32_t)number->count, whole = number->point < 0 ? 0 : number->point > count ? count : number->point;

	if (number->negative)
		buf_char(out, '-');
	buf_append(out, number->digits, (size_t)whole);
	add_zeros(out, number->point - count);
	if (number->point <= 0)
		buf_char(out, '0');
	if (whole < count) {
		buf_char(out, '.');
		add_zeros(out, -number->point);
		buf_append(out, number->digits + whole, (size_t)(count - whole));
	}
}
