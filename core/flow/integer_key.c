#include "flow/integer_key.h"

/* As JSON has them. */
static bool is_integer(const char *p, size_t n)
{
	if (n > 1 && *p == '-')
		p++, n--;
	if (n == 0 || n > 19 || (n > 1 && *p == '0'))
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

bool integer_key_matches(const struct integer_key *known, struct slice text, struct slice *digits)
{
	size_t around = known->prefix_n + known->suffix_n;

	if (!known->shape || text.n <= around || memcmp(text.p, known->prefix, known->prefix_n) != 0 ||
	    memcmp(text.p + text.n - known->suffix_n, known->suffix, known->suffix_n) != 0)
		return false;
	*digits = (struct slice){ text.p + known->prefix_n, text.n - around };
	return is_integer(digits->p, digits->n);
}

void integer_key_learn(struct integer_key *known, struct slice text, const struct shape *shape, struct slice number)
{
	size_t prefix, suffix;

	known->shape = NULL;
	if (!number.p || !is_integer(number.p, number.n))
		return;
	prefix = (size_t)(number.p - text.p);
	suffix = text.n - prefix - number.n;
	if (prefix > sizeof known->prefix || suffix > sizeof known->suffix)
		return;
	memcpy(known->prefix, text.p, prefix);
	memcpy(known->suffix, number.p + number.n, suffix);
	known->prefix_n = (uint32_t)prefix;
	known->suffix_n = (uint32_t)suffix;
	known->shape = shape;
}
