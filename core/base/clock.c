#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int clock_duration(struct slice text, int64_t *ms, struct error *err)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	char copy[32], *end;
	long long count;

	if (text.n == 0 || text.n >= sizeof copy || text.p[0] < '0' || text.p[0] > '9')
		goto bad;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	count = strtoll(copy, &end, 10);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(end, units[i].name) == 0 && count <= INT64_MAX / units[i].ms / 2) {
			*ms = count * units[i].ms;
			return 0;
		}
	}
bad:
	return error_set(err, "\"%.*s\" is no duration: write a number and ms, s, m, h or d, as in \"10m\"", SLICE_ARG(text));
}

int clock_time(struct slice text, int64_t now_ms, int64_t *ms, struct error *err)
{
	char copy[64], fraction[4] = "000", *rest;
	struct tm parts = { 0 }, day;
	int64_t seconds;

	if (text.n > 1 && text.p[0] == '-') {
		if (clock_duration((struct slice){ text.p + 1, text.n - 1 }, ms, NULL) < 0)
			goto bad;
		*ms = now_ms - *ms;
		return 0;
	}
	if (text.n >= sizeof copy)
		goto bad;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	if (text.n > 10 && (copy[10] == 't' || copy[10] == ' '))
		copy[10] = 'T'; /* RFC 3339, 5.6: lower case and a space are allowed */
	rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &parts);
	if (!rest)
		goto bad;
	/* strptime takes 30 February, which timegm makes another day. */
	day = (struct tm){ .tm_year = parts.tm_year, .tm_mon = parts.tm_mon, .tm_mday = parts.tm_mday };
	timegm(&day);
	if (day.tm_mday != parts.tm_mday)
		goto bad;
	seconds = timegm(&parts);
	if (*rest == '.') {
		size_t digits = strspn(++rest, "0123456789");

		if (digits == 0)
			goto bad;
		memcpy(fraction, rest, digits < 3 ? digits : 3);
		rest += digits;
	}
	if (strcmp(rest, "Z") == 0 || strcmp(rest, "z") == 0) {
	} else if ((*rest == '+' || *rest == '-') && (rest = strptime(rest, "%z", &parts)) && *rest == 0) {
		seconds -= parts.tm_gmtoff;
	} else {
		goto bad;
	}
	*ms = seconds * 1000 + atoi(fraction);
	return 0;
bad:
	return error_set(err,
			 "\"%.*s\" is no time: write RFC 3339 with a zone, as in \"2024-01-31T12:00:00Z\", or a time back from now, as in \"-2h\"",
			 SLICE_ARG(text));
}

char *clock_format(int64_t ms, char *out)
{
	time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm parts = { 0 }; /* what stays for a year that is none */

	gmtime_r(&seconds, &parts);
	snprintf(out + strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &parts), 8, ".%03dZ", (int)(ms % 1000 + (ms % 1000 < 0 ? 1000 : 0)));
	return out;
}
