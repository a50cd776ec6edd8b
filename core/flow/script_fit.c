/* What an example writes, against the types of the target's columns: what a database in strict mode would refuse. Values that only it can judge
 * pass. */
#include <stdio.h>

#include "flow/number.h"
#include "flow/script_api.h"
#include "flow/script_private.h"

static bool is_number(const struct value *value)
{
	struct number number;

	return value->kind == VALUE_TEXT ? number_parse(&number, (struct slice){ value->p, value->n }) : value->kind != VALUE_JSON;
}

/* Integers of 64 bits hold all that is at hand here; fractions are rounded. */
static bool is_in_range(const struct target_column *column, const struct value *value)
{
	struct number number;
	int64_t whole, most;

	if ((value->kind != VALUE_NUMBER && value->kind != VALUE_TEXT) || column->length == 0 || column->length >= 64 ||
	    !number_parse(&number, (struct slice){ value->p, value->n }) || !number_int64(&number, &whole))
		return true;
	most = (int64_t)1 << (column->length - !column->is_unsigned);
	return whole < most && whole >= (column->is_unsigned ? 0 : -most);
}

static size_t letters(struct slice text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.n; i++)
		count += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return count;
}

static bool is_date(const struct value *value)
{
	int year, month, day;
	char text[16] = "";

	if (value->kind != VALUE_TEXT)
		return true;
	memcpy(text, value->p, value->n < sizeof text - 1 ? value->n : sizeof text - 1);
	return sscanf(text, "%d%*1[-./]%d%*1[-./]%d", &year, &month, &day) == 3 || strspn(text, "0123456789") == value->n;
}

/* NULL: it may be written. Else what is wrong with it. */
static const char *misfit(const struct target_column *column, const struct value *value, bool strict, char *room, size_t size)
{
	if (value->kind == VALUE_NULL || (value->kind == VALUE_DEFAULT && !column->has_default))
		return column->nullable || column->auto_increment || column->generated || column->merge || column->type == COLUMN_TIMESTAMP
			       ? NULL
			       : "it may not be NULL";
	if (!strict)
		return NULL;
	switch ((enum column_type)column->type) {
	case COLUMN_INTEGER:
	case COLUMN_DECIMAL:
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		if (!is_number(value))
			return "that is no number";
		return column->type == COLUMN_INTEGER && !is_in_range(column, value) ? "that is out of its range" : NULL;
	case COLUMN_TEXT:
		if (value->kind != VALUE_TEXT || column->length == 0 || letters((struct slice){ value->p, value->n }) <= column->length)
			return NULL;
		snprintf(room, size, "that has %zu characters", letters((struct slice){ value->p, value->n }));
		return room;
	case COLUMN_DATE:
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		return is_date(value) ? NULL : "that is no date";
	default:
		return NULL;
	}
}

int sl_change_misfit(struct script_host *host, const struct change *change)
{
	const struct target *target = change->target;
	bool strict = host->sink && strcmp(host->sink->ops->name, "sqlite") != 0;

	if (target->open || target->own || change->op == CHANGE_DELETE)
		return 0;
	for (uint32_t i = 0; i < change->count; i++) {
		const struct target_column *column = &target->columns[i];
		struct arena arena = ARENA_INIT;
		const char *why;
		char room[64];

		if (!VALUE_IS_SET(&change->values[i]) || !(why = misfit(column, &change->values[i], strict, room, sizeof room)))
			continue;
		error_set(&host->error, "%.*s of %.*s is %.*s%s, and is given %.*s: %s", SLICE_ARG(column->name), SLICE_ARG(target->name),
			  SLICE_ARG(column->sql_type), column->nullable ? "" : " NOT NULL", SLICE_ARG(value_show(&change->values[i], &arena)), why);
		arena_free(&arena);
		return 1;
	}
	return 0;
}
