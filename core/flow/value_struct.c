#include "flow/value_struct.h"

#include <stdlib.h>

#include "flow/json.h"
#include "flow/value_time.h"

struct parts {
	int64_t year, month, day, hour, minute, second, offset;
	int64_t years, months, days, hours, minutes, seconds;
	int64_t nanos;
	bool has_date, has_clock, is_duration, has_offset;
};

static bool read_parts(const struct json_node *nodes, struct parts *parts)
{
	const struct {
		const char *name;
		int64_t *to;
		bool *tells;
	} members[] = {
		{ "year", &parts->year, &parts->has_date },
		{ "month", &parts->month, &parts->has_date },
		{ "day", &parts->day, &parts->has_date },
		{ "hour", &parts->hour, &parts->has_clock },
		{ "minute", &parts->minute, &parts->has_clock },
		{ "second", &parts->second, &parts->has_clock },
		{ "offsetSeconds", &parts->offset, &parts->has_offset },
		{ "years", &parts->years, &parts->is_duration },
		{ "months", &parts->months, &parts->is_duration },
		{ "days", &parts->days, &parts->is_duration },
		{ "hours", &parts->hours, &parts->is_duration },
		{ "minutes", &parts->minutes, &parts->is_duration },
		{ "seconds", &parts->seconds, &parts->is_duration },
		{ "nanos", &parts->nanos, NULL },
	};

	*parts = (struct parts){ 0 };
	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		size_t i = 0;

		/* Infinity has no other parts; a zone's name stands beside its offset. */
		if (node->value.kind == VALUE_NULL || slice_is(node->name, "precision") || slice_is(node->name, "zoneId"))
			continue;
		while (i < sizeof members / sizeof *members && !slice_is(node->name, members[i].name))
			i++;
		if (i == sizeof members / sizeof *members || !value_is_integer(&node->value, members[i].to))
			return false;
		if (members[i].tells)
			*members[i].tells = true;
	}
	return parts->is_duration ? !parts->has_date && !parts->has_clock : parts->has_date || parts->has_clock;
}

static bool between(int64_t number, int64_t least, int64_t most)
{
	return number >= least && number <= most;
}

/* Zero dates have months and days of 0. */
static bool in_bounds(const struct parts *parts)
{
	static const int64_t MOST = 1000000000; /* so that no sum overflows */

	return between(parts->year, 0, 9999) && between(parts->month, 0, 12) && between(parts->day, 0, 31) && between(parts->hour, 0, 23) &&
	       between(parts->minute, 0, 59) && between(parts->second, 0, 59) && between(parts->offset, -64800, 64800) &&
	       between(parts->nanos, -999999999, 999999999) && parts->years == 0 && parts->months == 0 && between(parts->days, -MOST, MOST) &&
	       between(parts->hours, -MOST, MOST) && between(parts->minutes, -MOST, MOST) && between(parts->seconds, -MOST * 1000, MOST * 1000);
}

static struct slice fraction(int64_t nanos, int16_t scale, struct arena *arena)
{
	return value_time_fraction((uint32_t)llabs(nanos), scale, arena);
}

static struct slice duration_text(const struct parts *parts, int16_t scale, struct arena *arena)
{
	int64_t total = parts->days * 86400 + parts->hours * 3600 + parts->minutes * 60 + parts->seconds, nanos = parts->nanos;
	bool negative;

	if (total > 0 && nanos < 0)
		total--, nanos += 1000000000;
	else if (total < 0 && nanos > 0)
		total++, nanos -= 1000000000;
	negative = total < 0 || nanos < 0;
	total = llabs(total);
	return arena_printf(arena, "%s%02lld:%02d:%02d%.*s", negative ? "-" : "", (long long)total / 3600, (int)(total / 60 % 60), (int)(total % 60),
			    SLICE_ARG(fraction(nanos, scale, arena)));
}

static struct slice clock_text(const struct parts *parts, int16_t scale, struct arena *arena)
{
	return arena_printf(arena, "%02d:%02d:%02d%.*s", (int)parts->hour, (int)parts->minute, (int)parts->second,
			    SLICE_ARG(fraction(parts->nanos, scale, arena)));
}

static struct slice text_of(const struct parts *parts, int16_t scale, struct arena *arena)
{
	struct slice clock = clock_text(parts, scale, arena), date;
	int offset = (int)labs((long)parts->offset) / 60;

	if (parts->is_duration)
		return duration_text(parts, scale, arena);
	if (!parts->has_date)
		return clock;
	date = arena_printf(arena, "%04d-%02d-%02d", (int)parts->year, (int)parts->month, (int)parts->day);
	if (!parts->has_clock)
		return date;
	if (!parts->has_offset || parts->month == 0 || parts->day == 0) /* a zero date is the same everywhere */
		return arena_printf(arena, "%.*s %.*s", SLICE_ARG(date), SLICE_ARG(clock));
	return arena_printf(arena, "%.*sT%.*s%c%02d:%02d", SLICE_ARG(date), SLICE_ARG(clock), parts->offset < 0 ? '-' : '+', offset / 60,
			    offset % 60);
}

int value_struct_time(struct value *v, int16_t scale, struct arena *arena, struct error *err)
{
	const struct json_node *nodes;
	struct json *json = value_open_json(v, arena, &nodes, err);
	struct parts parts;
	struct slice text;
	bool good;

	if (!json)
		return -1;
	good = nodes->object && read_parts(nodes, &parts) && in_bounds(&parts);
	json_free(json);
	if (!good)
		return error_set(err, "%.*s is no time", SLICE_ARG(value_show(v, arena)));
	text = text_of(&parts, scale, arena);
	*v = (struct value){ .p = text.p, .n = (uint32_t)text.n, .kind = VALUE_TEXT };
	return 0;
}
