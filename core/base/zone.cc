/* cctz reads the system's database, and keeps what it has read; this is its C face. */
#include <cctz/time_zone.h>
#include <cstring>
#include <string>

extern "C" {
#include "base/zone.h"
}

namespace
{

using instant = cctz::time_point<cctz::seconds>;

instant at(int64_t seconds)
{
	return instant(cctz::seconds(seconds));
}

bool digits(const char *p, int *number)
{
	*number = (p[0] - '0') * 10 + (p[1] - '0');
	return p[0] >= '0' && p[0] <= '9' && p[1] >= '0' && p[1] <= '9';
}

/* "+08:00" */
bool is_offset(struct slice name, int *seconds)
{
	int hours, minutes;

	if (name.n != 6 || (name.p[0] != '+' && name.p[0] != '-') || name.p[3] != ':' || !digits(name.p + 1, &hours) ||
	    !digits(name.p + 4, &minutes) || hours > 18 || minutes > 59)
		return false;
	*seconds = (hours * 3600 + minutes * 60) * (name.p[0] == '-' ? -1 : 1);
	return true;
}

/* The names of the database, and no other file's. */
bool is_name(struct slice name)
{
	if (name.n == 0 || name.n > 64 || name.p[0] == '/' || memmem(name.p, name.n, "..", 2))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/", name.p[i]) || !name.p[i])
			return false;
	return true;
}

int find(struct slice name, cctz::time_zone *zone, struct error *err)
{
	int seconds;

	if (is_offset(name, &seconds)) {
		*zone = cctz::fixed_time_zone(cctz::seconds(seconds));
		return 0;
	}
	if (is_name(name) && cctz::load_time_zone(std::string(name.p, name.n), zone))
		return 0;
	return error_set(err,
			 "there is no time zone \"%.*s\": write \"Europe/Berlin\", \"UTC\" or \"+08:00\" (names are the system's, package tzdata)",
			 (int)(name.n < 64 ? name.n : 64), name.p);
}

} // namespace

int zone_to_local(struct slice name, int64_t utc_s, int64_t *local_s, struct error *err)
{
	cctz::time_zone zone;

	if (find(name, &zone, err) < 0)
		return -1;
	*local_s = utc_s + zone.lookup(at(utc_s)).offset;
	return 0;
}

int zone_to_utc(struct slice name, int64_t local_s, int64_t *utc_s, struct error *err)
{
	cctz::time_zone zone;

	if (find(name, &zone, err) < 0)
		return -1;
	*utc_s = zone.lookup(cctz::convert(at(local_s), cctz::utc_time_zone())).pre.time_since_epoch().count();
	return 0;
}
