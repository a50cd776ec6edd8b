#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/error.h"
#include "flow/shape.h"

static void the_same_columns_are_one_shape(void **state)
{
	struct column columns[] = { { .name = SLICE("id") }, { .name = SLICE("name") } };
	struct shapes *shapes = shapes_new();
	struct error err = { .text = "" };
	const struct shape *first, *swapped, *declared;
	char id[] = "id";

	(void)state;
	first = shapes_intern(shapes, columns, 2, &err);
	assert_non_null(first);
	columns[0].name.p = id;
	assert_ptr_equal(shapes_intern(shapes, columns, 2, &err), first);
	id[0] = 'x'; /* names are copied */
	assert_true(slice_is(first->columns[0].name, "id"));
	columns[0].name = SLICE("name");
	columns[1].name = SLICE("id");
	swapped = shapes_intern(shapes, columns, 2, &err);
	assert_ptr_not_equal(swapped, first);
	columns[1].declared.meaning = MEANING_DAYS;
	declared = shapes_intern(shapes, columns, 2, &err);
	assert_ptr_not_equal(declared, swapped);
	columns[1].declared.scale = 3;
	assert_ptr_not_equal(shapes_intern(shapes, columns, 2, &err), declared);
	columns[1].declared = (struct reading){ .meaning = MEANING_DAYS, .length = 8 };
	assert_ptr_not_equal(shapes_intern(shapes, columns, 2, &err), declared);
	assert_ptr_not_equal(shapes_intern(shapes, columns, 1, &err), declared);
	assert_int_equal(shapes_count(shapes), 6);
	assert_ptr_equal(shapes_get(shapes, first->id), first);
	assert_null(shapes_get(shapes, 6));
	shapes_free(shapes);
}

static void a_row_without_columns_is_a_shape(void **state)
{
	struct shapes *shapes = shapes_new();
	struct error err = { .text = "" };

	(void)state;
	assert_int_equal(shapes_intern(shapes, NULL, 0, &err)->count, 0);
	assert_int_equal(shapes_count(shapes), 1);
	shapes_free(shapes);
}

static void names_are_found_exactly_before_they_are_found_by_case(void **state)
{
	struct column columns[] = { { .name = SLICE("ID") }, { .name = SLICE("id") }, { .name = SLICE("Na\xc3\x8fve") } };
	struct shapes *shapes = shapes_new();
	struct error err = { .text = "" };
	const struct shape *shape = shapes_intern(shapes, columns, 3, &err);

	(void)state;
	assert_int_equal(shape_find(shape, SLICE("id")), 1);
	assert_int_equal(shape_find(shape, SLICE("ID")), 0);
	assert_int_equal(shape_find(shape, SLICE("Id")), 0);
	assert_int_equal(shape_find(shape, SLICE("nA\xc3\x8fVE")), 2);
	assert_int_equal(shape_find(shape, SLICE("i")), -1);
	assert_int_equal(shape_find(shape, SLICE("")), -1);
	shapes_free(shapes);
}

static void there_is_a_bound_to_shapes_and_to_columns(void **state)
{
	static struct column many[SHAPE_COLUMNS_MOST + 1];
	static char names[SHAPE_COLUMNS_MOST + 1][16];
	struct shapes *shapes = shapes_new();
	struct error err = { .text = "" };

	(void)state;
	for (int i = 0; i <= SHAPE_COLUMNS_MOST; i++) {
		snprintf(names[i], sizeof names[i], "c%d", i);
		many[i].name = slice_of(names[i]);
	}
	assert_non_null(shapes_intern(shapes, many, SHAPE_COLUMNS_MOST, &err));
	assert_null(shapes_intern(shapes, many, SHAPE_COLUMNS_MOST + 1, &err));
	assert_non_null(strstr(err.text, "columns"));
	for (int i = 1; i < SHAPES_MOST; i++) {
		char name[16];
		struct column one = { .name = { name, (size_t)snprintf(name, sizeof name, "n%d", i) } };

		assert_non_null(shapes_intern(shapes, &one, 1, &err));
	}
	assert_null(shapes_intern(shapes, &(struct column){ .name = SLICE("one more") }, 1, &err));
	assert_non_null(shapes_intern(shapes, &(struct column){ .name = SLICE("n77") }, 1, &err));
	shapes_free(shapes);
	shapes_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_columns_are_one_shape),
		cmocka_unit_test(a_row_without_columns_is_a_shape),
		cmocka_unit_test(names_are_found_exactly_before_they_are_found_by_case),
		cmocka_unit_test(there_is_a_bound_to_shapes_and_to_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
