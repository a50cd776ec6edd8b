#include "io/sqlite_exact.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow/number.h"
#include "io/sqlite_schema.h"

/* SQLite promises so many digits of a REAL. */
enum { REAL_DIGITS = 15, REAL_EXPONENT = 308, DOUBLE_DIGITS_MOST = 17 };

/* SQLite reads numbers with blanks around them, and with a plus. */
static struct slice trim(struct slice text)
{
	while (text.n && strchr(" \t\n\v\f\r", text.p[0]))
		text.p++, text.n--;
	while (text.n && strchr(" \t\n\v\f\r", text.p[text.n - 1]))
		text.n--;
	if (text.n && text.p[0] == '+')
		text.p++, text.n--;
	return text;
}

/* The digits that it came with come out of the double again: a source's DOUBLE, most of the time. */
static bool survives_double(const struct number *number)
{
	struct number again;
	struct buf plain = BUF_INIT;
	char text[64];
	double value;

	if (number->count > DOUBLE_DIGITS_MOST)
		return false;
	number_plain(&plain, number);
	value = strtod(buf_cstr(&plain), NULL);
	buf_free(&plain);
	snprintf(text, sizeof text, "%.*e", (int)number->count - 1, value);
	return isfinite(value) && number_parse(&again, slice_of(text)) && again.point == number->point && again.count == number->count &&
	       memcmp(again.digits, number->digits, number->count) == 0;
}

static bool is_exact(const struct value *value, enum sqlite_affinity affinity)
{
	struct slice text = { value->p, value->n };
	struct number number;
	int64_t integer;

	if (value->kind != VALUE_NUMBER && value->kind != VALUE_TEXT)
		return true;
	if (text.n <= REAL_DIGITS && !(text.n && (memchr(text.p, 'e', text.n) || memchr(text.p, 'E', text.n))))
		return true;
	text = trim(text);
	if (!number_parse(&number, text))
		return value->kind == VALUE_TEXT && !value_is_number(text); /* what is no number stays text */
	if (number.count == 0)
		return true;
	if (affinity == SQLITE_AFFINITY_REAL)
		return survives_double(&number);
	return number_int64(&number, &integer) || (number.count <= REAL_DIGITS && abs(number.point) < REAL_EXPONENT - REAL_DIGITS);
}

static int refuse(const struct target *target, uint32_t column, const struct value *value, struct arena *arena, struct error *err)
{
	struct slice shown = value_show(value, arena);

	return error_set(err, "%.*s.%.*s: SQLite would round %.*s in a column of type %.*s; declare the column TEXT to keep it exact",
			 SLICE_ARG(target->name), SLICE_ARG(target->columns[column].name), SLICE_ARG(shown),
			 SLICE_ARG(target->columns[column].sql_type));
}

static int check_table(const struct batch_table *table, struct arena *arena, struct error *err)
{
	const struct target *target = table->target;
	enum sqlite_affinity *affinities = arena_alloc(arena, target->count * sizeof *affinities);

	for (uint32_t i = 0; i < target->count; i++)
		affinities[i] = sqlite_schema_affinity(target->columns[i].sql_type);
	for (size_t i = 0; i < table->count; i++) {
		const struct change *change = table->changes[i];

		for (uint32_t c = 0; c < change->count; c++)
			if (affinities[c] != SQLITE_AFFINITY_TEXT && affinities[c] != SQLITE_AFFINITY_BLOB &&
			    !is_exact(&change->values[c], affinities[c]) && !target->columns[c].generated)
				return refuse(target, c, &change->values[c], arena, err);
	}
	return 0;
}

int sqlite_exact_check(const struct batch *batch, struct arena *arena, struct error *err)
{
	for (size_t i = 0; i < batch->table_count; i++)
		if (check_table(&batch->tables[i], arena, err) < 0)
			return -1;
	return 0;
}
