#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/block.h"
#include "base/sanitizer.h"

enum { PIECES = 1000 }; /* of more than thirty blocks */

static char *pieces[PIECES];

static void take_all(void)
{
	for (int i = 0; i < PIECES; i++) {
		pieces[i] = block_take();
		assert_int_equal((uintptr_t)pieces[i] % (ADDRESS_SANITIZER ? 16 : 64), 0);
		memset(pieces[i], i & 0xff, BLOCK_PIECE);
	}
}

static void expect_kept(int from, int step)
{
	for (int i = from; i < PIECES; i += step)
		for (int at = 0; at < BLOCK_PIECE; at += BLOCK_PIECE / 8)
			assert_int_equal((uint8_t)pieces[i][at], i & 0xff);
}

static void no_two_pieces_overlap(void **state)
{
	(void)state;
	take_all();
	expect_kept(0, 1);
	for (int i = 0; i < PIECES; i += 2)
		block_give(pieces[i]);
	for (int i = 0; i < PIECES; i += 2) {
		pieces[i] = block_take();
		memset(pieces[i], i & 0xff, BLOCK_PIECE);
	}
	expect_kept(0, 1);
	for (int i = 0; i < PIECES; i++)
		block_give(pieces[i]);
}

/* Blocks go to the system and come anew. */
static void blocks_that_went_come_again(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		take_all();
		for (int i = PIECES; i-- > 0;)
			block_give(pieces[i]);
	}
	take_all();
	for (int i = 0; i < PIECES / 2; i++)
		block_give(pieces[i]);
	expect_kept(PIECES / 2, 1);
	for (int i = PIECES / 2; i < PIECES; i++)
		block_give(pieces[i]);
}

/* In pages: what the process has mapped. */
static long mapped(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld", &pages), 1);
	fclose(file);
	return pages;
}

static void most_of_what_was_given_back_goes_to_the_system(void **state)
{
	long all;

	(void)state;
	if (ADDRESS_SANITIZER)
		skip();
	for (int round = 0; round < 3; round++) {
		take_all();
		all = mapped();
		for (int i = 0; i < PIECES; i++)
			block_give(pieces[i]);
		assert_true((all - mapped()) * sysconf(_SC_PAGESIZE) > (long)PIECES * BLOCK_PIECE / 2);
	}
}

static void what_was_given_back_last_is_taken_first(void **state)
{
	char *one = block_take(), *other = block_take();

	(void)state;
	block_give(other);
	block_give(one);
	if (!ADDRESS_SANITIZER) {
		assert_ptr_equal(block_take(), one);
		assert_ptr_equal(block_take(), other);
		block_give(one);
		block_give(other);
	}
}

/* Chunks of all three kinds: an arena's first, pieces, and one for something large. */
static void an_arena_keeps_what_is_in_it(void **state)
{
	struct arena arena = ARENA_INIT;
	char *small[200], *large = NULL;

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++) {
			small[i] = arena_alloc(&arena, 2000);
			memset(small[i], i, 2000);
			if (i == 100)
				large = memset(arena_alloc(&arena, 300000), 0xee, 300000);
		}
		for (int i = 0; i < 200; i++)
			assert_true((uint8_t)small[i][0] == i && (uint8_t)small[i][1999] == i);
		assert_true((uint8_t)large[0] == 0xee && (uint8_t)large[299999] == 0xee);
		assert_true(arena.bytes > 700000);
		arena_reset(&arena);
		assert_true(arena.bytes < 100000);
	}
	arena_free(&arena);
	assert_int_equal(arena.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_two_pieces_overlap),
		cmocka_unit_test(blocks_that_went_come_again),
		cmocka_unit_test(most_of_what_was_given_back_goes_to_the_system),
		cmocka_unit_test(what_was_given_back_last_is_taken_first),
		cmocka_unit_test(an_arena_keeps_what_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
