/* Sums of decimals, exact. */
#include "flow/accumulator_private.h"

#include <stdlib.h>

#include "flow/number.h"

/* What a double holds exactly: whoever reads the JSON of a sum, [sum, values], sees the number that was written. */
#define EXACT_MOST ((int64_t)1 << 53)

/* A plain decimal of at most 15 digits as an integer and its digits behind the point; trimmed: without zeros at its end. */
static bool short_decimal(struct slice text, bool trimmed, int64_t *units, uint8_t *places)
{
	enum { DIGITS_MOST = 15 };
	const char *p = text.p, *end = text.p + text.n, *point = NULL;
	bool negative = p < end && *p == '-';
	int64_t made = 0;

	p += negative;
	if (end - p > DIGITS_MOST + 1 || p == end)
		return false;
	for (const char *c = p; c < end; c++)
		if (*c == '.')
			point = c;
	while (trimmed && point && end[-1] == '0')
		end--;
	for (const char *c = p; c < end; c++) {
		if (c == point)
			continue;
		if (*c < '0' || *c > '9')
			return false;
		made = made * 10 + (*c - '0');
	}
	if (point == p || text.p[text.n - 1] == '.')
		return false;
	*units = negative ? -made : made;
	*places = point && end > point ? (uint8_t)(end - point - 1) : 0;
	return true;
}

static bool scale_up(int64_t *units, uint8_t *places, uint8_t to)
{
	for (; *places < to; ++*places) {
		*units *= 10;
		if (llabs(*units) >= EXACT_MOST)
			return false;
	}
	return true;
}

static bool add_units(struct accumulator *acc, int64_t units, uint8_t places, int sign)
{
	int64_t held = acc->set ? acc->units : 0;
	uint8_t held_places = acc->set ? acc->places : 0;

	if ((acc->set && acc->text.n) || !scale_up(&units, &places, held_places) || !scale_up(&held, &held_places, places) ||
	    llabs(held + sign * units) >= EXACT_MOST)
		return false;
	acc->units = held + sign * units;
	acc->places = places;
	return true;
}

/* 12345 with 2 places: 123.45. At most 40 bytes. */
static size_t units_text(int64_t units, uint8_t places, char *out)
{
	char digits[24];
	size_t n = int_text(llabs(units), digits), at = 0;

	if (units < 0)
		out[at++] = '-';
	for (size_t i = n; i <= places; i++) {
		out[at++] = '0';
		if (i == n && places)
			out[at++] = '.';
	}
	for (size_t i = 0; i < n; i++) {
		if (places && n > places && i == n - places)
			out[at++] = '.';
		out[at++] = digits[i];
	}
	return at;
}

static void sum_number(const struct accumulator *acc, struct number *number)
{
	char digits[48];

	if (acc->text.n)
		number_parse(number, buf_view(&acc->text));
	else
		number_parse(number, (struct slice){ digits, units_text(acc->units, acc->places, digits) });
}

static int add_number(const struct aggregate *aggregate, struct accumulator *acc, const struct number *number, int sign, struct error *err)
{
	struct number held = { 0 }, sum;

	if (acc->set)
		sum_number(acc, &held);
	if (!number_add(&sum, &held, number, sign))
		return error_set(err, "%s: more than %d digits", aggregate_name(aggregate->kind), NUMBER_DIGITS_MOST);
	buf_clear(&acc->text);
	number_plain(&acc->text, &sum);
	return 0;
}

static int add(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int sign, struct error *err)
{
	struct number number;
	int64_t units;
	uint8_t places;

	if (value->kind != VALUE_NUMBER && value->kind != VALUE_TEXT)
		return accumulator_no_number(aggregate, value, err);
	if (short_decimal(accumulator_text(value), true, &units, &places) && add_units(acc, units, places, sign))
		return 0;
	return number_parse(&number, accumulator_text(value)) ? add_number(aggregate, acc, &number, sign, err)
							      : accumulator_no_number(aggregate, value, err);
}

int sum_take(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int sign, struct error *err)
{
	if (sign < 0 && !acc->set)
		return accumulator_never_counted(aggregate, err);
	if (add(aggregate, acc, value, sign, err) < 0)
		return -1;
	acc->n = acc->set ? acc->n + sign : 1;
	acc->set = acc->n > 0; /* of nothing there is no sum, as in SQL */
	if (!acc->set)
		buf_clear(&acc->text);
	return 0;
}

int sum_merge(const struct aggregate *aggregate, struct accumulator *into, const struct accumulator *from, struct error *err)
{
	struct number number;

	into->n += from->n;
	if (!from->text.n && add_units(into, from->units, from->places, 1))
		return 0;
	sum_number(from, &number);
	return add_number(aggregate, into, &number, 1, err);
}

struct value sum_result(const struct accumulator *acc, struct arena *arena)
{
	char digits[48];
	size_t n = acc->text.n ? 0 : units_text(acc->units, acc->places, digits);
	struct slice text = arena_copy(arena, n ? (struct slice){ digits, n } : buf_view(&acc->text));

	return (struct value){ .p = text.p, .n = (uint32_t)text.n, .kind = n && !acc->places ? VALUE_NUMBER : VALUE_TEXT, .ready = true };
}

void sum_encode(const struct accumulator *acc, struct buf *out)
{
	char digits[48];

	buf_char(out, '[');
	if (acc->text.n)
		buf_json_string(out, buf_view(&acc->text));
	else
		buf_append(out, digits, units_text(acc->units, acc->places, digits));
	buf_char(out, ',');
	buf_int(out, acc->n);
	buf_char(out, ']');
}

int sum_decode(struct accumulator *acc, const struct json_node *nodes, const struct json_node *node)
{
	struct slice digits;
	struct number number;

	acc->set = true;
	if (node->value.kind != VALUE_JSON || !node->expanded || nodes + node->end != node + 3 || !value_is_integer(&node[2].value, &acc->n) ||
	    acc->n < 1 || (node[1].value.kind != VALUE_NUMBER && node[1].value.kind != VALUE_TEXT))
		return -1;
	digits = accumulator_text(&node[1].value);
	if (node[1].value.kind == VALUE_NUMBER && short_decimal(digits, false, &acc->units, &acc->places))
		return 0;
	buf_slice(&acc->text, digits);
	return number_parse(&number, digits) ? 0 : -1;
}

double sum_average(const struct accumulator *acc)
{
	char digits[NUMBER_DIGITS_MOST * 8];
	struct slice text = buf_view(&acc->text);
	size_t n = text.n ? text.n < sizeof digits ? text.n : sizeof digits - 1 : units_text(acc->units, acc->places, digits);

	if (text.n)
		memcpy(digits, text.p, n);
	digits[n] = 0;
	return strtod(digits, NULL) / (double)acc->n;
}
