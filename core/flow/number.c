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

/* The digit that stands for 10 to this power. */
static int digit_at(const struct number *number, int32_t power)
{
	int32_t at = number->point - 1 - power;

	return at >= 0 && at < (int32_t)number->count ? number->digits[at] - '0' : 0;
}

/* Without their signs. */
static int compare_magnitude(const struct number *a, const struct number *b)
{
	if (!a->count || !b->count || a->point != b->point)
		return !a->count || !b->count ? (a->count > 0) - (b->count > 0) : a->point < b->point ? -1 : 1;
	for (uint32_t i = 0; i < a->count || i < b->count; i++) {
		int x = i < a->count ? a->digits[i] : '0', y = i < b->count ? b->digits[i] : '0';

		if (x != y)
			return x - y;
	}
	return 0;
}

int number_compare(const struct number *a, const struct number *b)
{
	if (a->negative != b->negative)
		return a->negative ? -1 : 1;
	return a->negative ? compare_magnitude(b, a) : compare_magnitude(a, b);
}

/* Digits from the power of ten `low` on, the least first, as a number without zeros at its ends. */
static bool from_digits(struct number *number, const char *digits, int32_t count, int32_t low)
{
	int32_t first = 0;

	while (count > 0 && digits[count - 1] == 0)
		count--;
	while (first < count && digits[first] == 0)
		first++;
	if (count - first > NUMBER_DIGITS_MOST)
		return false;
	number->count = (uint32_t)(count - first);
	number->point = number->count ? low + count : 0;
	number->negative &= number->count > 0;
	for (uint32_t i = 0; i < number->count; i++)
		number->digits[i] = (char)('0' + digits[count - 1 - (int32_t)i]);
	return true;
}

bool number_add(struct number *sum, const struct number *a, const struct number *b, int sign)
{
	bool negative = b->count && (sign < 0 ? !b->negative : b->negative), apart = a->count && b->count && a->negative != negative;
	bool less = compare_magnitude(a, b) < 0;
	const struct number *large = less ? b : a, *small = less ? a : b;
	int32_t low = INT32_MAX, high;
	char digits[2 * NUMBER_DIGITS_MOST + 1];
	int carry = 0;

	for (int i = 0; i < 2; i++) {
		const struct number *of = i ? b : a;

		if (of->count && of->point - (int32_t)of->count < low)
			low = of->point - (int32_t)of->count;
	}
	low = large->count ? low : 0;
	high = large->count ? large->point : 0;
	if (high - low >= (int32_t)sizeof digits)
		return false;
	for (int32_t power = low; power <= high; power++) {
		int digit = digit_at(large, power) + (apart ? -digit_at(small, power) : digit_at(small, power)) + carry;

		carry = digit < 0 ? -1 : digit > 9;
		digits[power - low] = (char)(digit - 10 * carry);
	}
	sum->negative = less ? negative : a->count ? a->negative : negative;
	return from_digits(sum, digits, high - low + 1, low) && sum->point <= EXPONENT_MOST && sum->point >= -EXPONENT_MOST;
}
