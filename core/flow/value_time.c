#include "flow/value_time.h"

#include <stdio.h>

enum { NANOS_DIGITS = 9 };

static const int64_t SECOND_NS = 1000000000;
static const int64_t DAY_S = 86400;

struct date {
	int64_t year;
	unsigned month, day;
};

/* Years of the proleptic Gregorian calendar in eras of 400, which all have 146,097 days; a year begins in March, so that the leap
 * day is its last. */
static struct date date_of_days(int64_t days)
{
	int64_t from_march_0 = days + 719468;
	int64_t era = (from_march_0 >= 0 ? from_march_0 : from_march_0 - 146096) / 146097;
	unsigned day_of_era = (unsigned)(from_march_0 - era * 146097);
	unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned month = (5 * day_of_year + 2) / 153; /* 0 is March */
	struct date date = { .year = era * 400 + year_of_era, .day = day_of_year - (153 * month + 2) / 5 + 1 };

	date.month = month < 10 ? month + 3 : month - 9;
	date.year += date.month <= 2;
	return date;
}

static int64_t days_of_date(struct date date)
{
	int64_t year = date.year - (date.month <= 2);
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	unsigned year_of_era = (unsigned)(year - era * 400);
	unsigned day_of_year = (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
	unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static char *put_digits(char *out, uint64_t number, int width)
{
	for (int i = width - 1; i >= 0; i--, number /= 10)
		out[i] = (char)('0' + number % 10);
	return out + width;
}

/* ".123": as many digits as the column has (-1: not known), more where they are not zeros: none is lost. */
static char *put_fraction(char *out, uint32_t nanos, int16_t scale)
{
	int digits = NANOS_DIGITS, least = scale < 0 ? 0 : scale > NANOS_DIGITS ? NANOS_DIGITS : scale;
	char all[NANOS_DIGITS];

	/* Dividing is slow: groups of zeros go at once. */
	for (; digits - 3 >= least && nanos % 1000 == 0 && digits > 3; digits -= 3)
		nanos /= 1000;
	put_digits(all, nanos, digits);
	while (digits > least && all[digits - 1] == '0')
		digits--;
	if (digits == 0)
		return out;
	*out++ = '.';
	memcpy(out, all, (size_t)digits);
	return out + digits;
}

struct slice value_time_fraction(uint32_t nanos, int16_t scale, struct arena *arena)
{
	char text[NANOS_DIGITS + 1];

	return arena_copy(arena, (struct slice){ text, (size_t)(put_fraction(text, nanos, scale) - text) });
}

static char *put_date(char *out, struct date date)
{
	out = put_digits(out, (uint64_t)date.year, 4);
	*out++ = '-';
	out = put_digits(out, date.month, 2);
	*out++ = '-';
	return put_digits(out, date.day, 2);
}

static char *put_clock(char *out, uint64_t seconds, uint32_t nanos, int16_t scale)
{
	uint64_t hours = seconds / 3600;

	if (hours < 100)
		out = put_digits(out, hours, 2);
	else
		out += sprintf(out, "%llu", (unsigned long long)hours);
	*out++ = ':';
	out = put_digits(out, seconds / 60 % 60, 2);
	*out++ = ':';
	out = put_digits(out, seconds % 60, 2);
	return put_fraction(out, nanos, scale);
}

static int set_text(struct value *v, struct arena *arena, const char *text, const char *end)
{
	struct slice copy = arena_copy(arena, (struct slice){ text, (size_t)(end - text) });

	v->p = copy.p;
	v->n = (uint32_t)copy.n;
	v->kind = VALUE_TEXT;
	return 0;
}

static int date_text(struct value *v, int64_t days, struct arena *arena, struct error *err)
{
	struct date date;
	char text[16];

	if (days < -719528 || days > 2932896) /* 0000-01-01 and 9999-12-31 */
		return error_set(err, "day %lld since 1970 lies outside of the years 0000 to 9999", (long long)days);
	date = date_of_days(days);
	return set_text(v, arena, text, put_date(text, date));
}

static int datetime_text(struct value *v, int64_t seconds, uint32_t nanos, int16_t scale, struct arena *arena, struct error *err)
{
	int64_t days = seconds / DAY_S - (seconds % DAY_S < 0);
	char text[40], *end;

	if (days < -719528 || days > 2932896)
		return error_set(err, "second %lld since 1970 lies outside of the years 0000 to 9999", (long long)seconds);
	end = put_date(text, date_of_days(days));
	*end++ = ' ';
	end = put_clock(end, (uint64_t)(seconds - days * DAY_S), nanos, scale);
	return set_text(v, arena, text, end);
}

static int duration_text(struct value *v, bool negative, uint64_t seconds, uint32_t nanos, int16_t scale, struct arena *arena)
{
	char text[48], *end = text;

	if (negative)
		*end++ = '-';
	end = put_clock(end, seconds, nanos, scale);
	return set_text(v, arena, text, end);
}

int value_time_count(struct value *v, struct reading reading, struct arena *arena, struct error *err)
{
	int64_t count, units = 1;

	if (!value_is_integer(v, &count))
		return error_set(err, "%.*s is no count of days or of parts of a second", SLICE_ARG(value_show(v, arena)));
	switch (reading.meaning) {
	case MEANING_DAYS:
		return date_text(v, count, arena, err);
	case MEANING_DATETIME_MS:
	case MEANING_TIME_MS:
		units = 1000;
		break;
	case MEANING_DATETIME_US:
	case MEANING_TIME_US:
		units = 1000000;
		break;
	default:
		units = SECOND_NS;
	}
	if (reading.meaning >= MEANING_TIME_MS) {
		uint64_t size = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;

		return duration_text(v, count < 0, size / (uint64_t)units, (uint32_t)(size % (uint64_t)units * (uint64_t)(SECOND_NS / units)),
				     reading.scale, arena);
	}
	/* Rounded down, so that the fraction of a time before 1970 counts forward as well. */
	int64_t seconds = count / units, rest = count % units;

	if (rest < 0) {
		rest += units;
		seconds--;
	}
	return datetime_text(v, seconds, (uint32_t)(rest * (SECOND_NS / units)), reading.scale, arena, err);
}

/* What an ISO 8601 text says. */
struct iso {
	bool has_date, has_clock, has_zone;
	bool blank; /* between date and clock: MySQL's form */
	struct date date;
	uint32_t seconds, nanos;
	int32_t offset_s;
};

static bool digits(const char **p, const char *end, int width, unsigned *number)
{
	if (end - *p < width)
		return false;
	*number = 0;
	for (int i = 0; i < width; i++) {
		unsigned digit = (unsigned)((*p)[i] - '0');

		if (digit > 9)
			return false;
		*number = *number * 10 + digit;
	}
	*p += width;
	return true;
}

static bool one(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	(*p)++;
	return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 ? 28 + leap : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool parse_date(const char **p, const char *end, struct date *date)
{
	unsigned year;

	if (!digits(p, end, 4, &year) || !one(p, end, '-') || !digits(p, end, 2, &date->month) || !one(p, end, '-') || !digits(p, end, 2, &date->day))
		return false;
	date->year = year;
	return date->month >= 1 && date->month <= 12 && date->day >= 1 && date->day <= month_days(year, date->month);
}

/* hh:mm[:ss[.fraction]] */
static bool parse_clock(const char **p, const char *end, struct iso *iso)
{
	unsigned hours, minutes, seconds = 0;
	int width = 0;

	if (!digits(p, end, 2, &hours) || !one(p, end, ':') || !digits(p, end, 2, &minutes))
		return false;
	if (one(p, end, ':') && !digits(p, end, 2, &seconds))
		return false;
	if (one(p, end, '.')) {
		for (; *p < end && **p >= '0' && **p <= '9' && width < NANOS_DIGITS; (*p)++, width++)
			iso->nanos = iso->nanos * 10 + (unsigned)(**p - '0');
		if (width == 0)
			return false;
		for (; width < NANOS_DIGITS; width++)
			iso->nanos *= 10;
	}
	iso->has_clock = true;
	iso->seconds = hours * 3600 + minutes * 60 + seconds;
	return hours < 24 && minutes < 60 && seconds < 60;
}

/* Z, +hh, +hhmm, +hh:mm */
static bool parse_zone(const char **p, const char *end, struct iso *iso)
{
	unsigned hours, minutes = 0;
	bool west;

	iso->has_zone = true;
	if (one(p, end, 'Z') || one(p, end, 'z'))
		return true;
	west = **p == '-';
	if (!west && **p != '+')
		return false;
	(*p)++;
	if (!digits(p, end, 2, &hours))
		return false;
	if (one(p, end, ':') ? !digits(p, end, 2, &minutes) : *p < end && !digits(p, end, 2, &minutes))
		return false;
	iso->offset_s = (int32_t)(hours * 3600 + minutes * 60) * (west ? -1 : 1);
	return hours <= 18 && minutes < 60;
}

static bool parse_iso(struct slice text, struct iso *iso)
{
	const char *p = text.p, *end = text.p + text.n;

	*iso = (struct iso){ 0 };
	if (text.n >= 10 && p[4] == '-') {
		if (!parse_date(&p, end, &iso->date))
			return false;
		iso->has_date = true;
		if (p < end && (*p == 'T' || *p == 't' || *p == ' ')) {
			iso->blank = *p++ == ' ';
			if (!parse_clock(&p, end, iso))
				return false;
		}
	} else if (!parse_clock(&p, end, iso)) {
		return false;
	}
	return (p == end || parse_zone(&p, end, iso)) && p == end;
}

int value_time_text(struct value *v, struct reading reading, struct arena *arena, struct error *err)
{
	struct iso iso;
	int64_t seconds;

	if (!parse_iso((struct slice){ v->p, v->n }, &iso))
		return 0;
	/* The zone of the server that wrote it. */
	if (!iso.has_zone && reading.meaning == MEANING_ZONED && reading.length && iso.has_date && iso.has_clock) {
		iso.has_zone = true;
		iso.offset_s = reading.length * 60;
	}
	if (!iso.has_zone && (!iso.has_date || !iso.has_clock || iso.blank))
		return 0;
	if (!iso.has_date)
		return duration_text(v, false, iso.seconds, iso.nanos, reading.scale, arena);
	if (!iso.has_clock) {
		v->n = 10; /* a date with a zone, which says nothing */
		return 0;
	}
	seconds = days_of_date(iso.date) * DAY_S + iso.seconds - (reading.meaning == MEANING_ZONED ? iso.offset_s : 0);
	return datetime_text(v, seconds, iso.nanos, reading.scale, arena, err);
}
