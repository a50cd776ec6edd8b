/* What is told of a dead letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/intake.h"
#include "flow/letters.h"
#include "flow/script.h"

static void a_letter_says_whose_it_is_with_its_message_or_without(void **state)
{
	struct script script = { .name = SLICE("orders") };
	struct message message = { .topic = SLICE("t"), .partition = 2, .offset = 7, .key = SLICE("k"), .value = SLICE("v") };
	struct event event = { .script = &script, .database = SLICE("shop"), .table = SLICE("o"), .stage = STAGE_SCRIPT, .error = SLICE("no") };
	struct letters letters = { 0 };
	struct buf json = BUF_INIT;

	(void)state;
	event_set_message(&event, &message);
	letters_note(&letters, &event, 5, "new");
	letter_json(&json, buf_view(&letters.lines), false);
	assert_string_equal(buf_cstr(&json),
			    "{\"at\":5,\"partition\":2,\"offset\":7,\"stage\":\"script\",\"value_bytes\":1,\"topic\":\"t\",\"table\":\"shop.o\","
			    "\"script\":\"orders\",\"error\":\"no\",\"version\":\"new\"}");
	letters_free(&letters);
	letters = (struct letters){ 0 };
	buf_clear(&json);
	event.script_version = SLICE("old"); /* that it has run with */
	letters_note(&letters, &event, 5, "new");
	letter_json(&json, (struct slice){ letters.lines.p, letters.lines.n - 1 }, true);
	assert_non_null(strstr(buf_cstr(&json), "\"version\":\"old\",\"key\":\"k\",\"value\":\"v\"}"));
	letters_free(&letters);
	buf_free(&json);
}

static void no_character_is_cut_in_two(void **state)
{
	char text[LETTER_ERROR_MOST + 3];
	struct message message = { .topic = SLICE("t") };
	struct event event = { .stage = STAGE_DECODE, .error = { text, sizeof text } };
	struct letters letters = { 0 };

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text + LETTER_ERROR_MOST - 1, "\xe2\x82\xac", 3);
	event_set_message(&event, &message);
	letters_note(&letters, &event, 5, "v");
	assert_non_null(strstr(buf_cstr(&letters.lines), "xxx\",\"version\""));
	letters_free(&letters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_letter_says_whose_it_is_with_its_message_or_without),
		cmocka_unit_test(no_character_is_cut_in_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
