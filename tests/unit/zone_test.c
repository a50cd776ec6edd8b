#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/zone.h"

static int64_t local(const char *zone, int64_t utc_s)
{
	int64_t found = 0;

	assert_int_equal(zone_to_local(slice_of(zone), utc_s, &found, NULL), 0);
	return found;
}

static int64_t utc(const char *zone, int64_t local_s)
{
	int64_t found = 0;

	assert_int_equal(zone_to_utc(slice_of(zone), local_s, &found, NULL), 0);
	return found;
}

static void zones_are_the_systems(void **state)
{
	enum { WINTER = 1706702400, SUMMER = 1719835200 }; /* 2024-01-31 12:00:00, 2024-07-01 12:00:00 UTC */

	(void)state;
	assert_int_equal(local("UTC", WINTER), WINTER);
	assert_int_equal(local("Asia/Shanghai", WINTER), WINTER + 8 * 3600);
	assert_int_equal(local("Europe/Berlin", WINTER), WINTER + 3600);
	assert_int_equal(local("Europe/Berlin", SUMMER), SUMMER + 2 * 3600);
	assert_int_equal(local("America/St_Johns", SUMMER), SUMMER - 9000);
	assert_int_equal(local("+05:45", SUMMER), SUMMER + 20700);
	assert_int_equal(local("-12:00", -1), -1 - 12 * 3600);
	assert_int_equal(utc("Europe/Berlin", SUMMER), SUMMER - 2 * 3600);
	assert_int_equal(utc("-03:30", SUMMER), SUMMER + 12600);
	/* Before there were zones, and after the rules of the file end. */
	assert_int_equal(local("Europe/Berlin", -2524521600), -2524521600 + 3208);
	assert_int_equal(local("Europe/Berlin", 4118040000), 4118040000 + 2 * 3600);
}

static void clocks_that_are_moved(void **state)
{
	enum { FORWARD = 1711846800, BACK = 1729990800 }; /* 2024-03-31 01:00 and 2024-10-27 01:00 UTC */

	(void)state;
	assert_int_equal(local("Europe/Berlin", FORWARD - 1), FORWARD + 3599);
	assert_int_equal(local("Europe/Berlin", FORWARD), FORWARD + 7200);
	assert_int_equal(utc("Europe/Berlin", FORWARD + 3600 + 1800), FORWARD + 1800); /* 02:30 is skipped: 03:30 */
	assert_int_equal(local("Europe/Berlin", BACK - 1), BACK + 7199);
	assert_int_equal(local("Europe/Berlin", BACK), BACK + 3600);
	assert_int_equal(utc("Europe/Berlin", BACK + 3600 + 1800), BACK - 1800); /* 02:30 comes twice: the first */
}

static void what_is_no_zone_is_refused(void **state)
{
	static const char *const names[] = {
		"", "Europe/Atlantis", "/usr/share/zoneinfo/UTC", "../../etc/passwd", "Europe/../UTC", "+8:00", "+08:60", "+19:00", "file:UTC", "CET "
	};
	int64_t found;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct error err;

		assert_int_equal(zone_to_local(slice_of(names[i]), 0, &found, &err), -1);
		assert_non_null(strstr(err.text, "there is no time zone"));
		assert_int_equal(zone_to_utc(slice_of(names[i]), 0, &found, NULL), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zones_are_the_systems),
		cmocka_unit_test(clocks_that_are_moved),
		cmocka_unit_test(what_is_no_zone_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
