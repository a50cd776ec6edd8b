/* Numbers of scripts as text: the same double when read, in the fewest digits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/script_api.h"

static void expect(double number, const char *text)
{
	char out[40];
	size_t n = number_text(number, out);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(out, text, n);
}

static void numbers_have_their_fewest_digits(void **state)
{
	(void)state;
	expect(0, "0");
	expect(19.9, "19.9");
	expect(-0.5, "-0.5");
	expect(0.0001, "0.0001");
	expect(1234567.8901, "1234567.8901");
	expect(0.1 + 0.2, "0.30000000000000004");
	expect(1e-5, "1e-05");
	expect(9007199254740991.0, "9007199254740991");
	expect(1e300, "1e+300");
	expect(99999999999.9999, "99999999999.9999");
	assert_int_equal(number_text(NAN, (char[40]){ 0 }), 0);
	assert_int_equal(number_text(INFINITY, (char[40]){ 0 }), 0);
}

static void any_number_reads_back(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		double number = (double)(random() % 2000001 - 1000000) * pow(10, (double)(random() % 12)) / pow(10, (double)(random() % 9));
		char out[40], printed[40];
		size_t n = number_text(number, out);

		out[n] = 0;
		assert_true(strtod(out, NULL) == number);
		snprintf(printed, sizeof printed, "%.15g", number);
		if (strtod(printed, NULL) == number && !strchr(printed, 'e') && strchr(printed, '.'))
			assert_string_equal(out, printed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_their_fewest_digits),
		cmocka_unit_test(any_number_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
