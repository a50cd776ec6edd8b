/* The format json with settings: where the table, the op and the row stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "flow/path.h"
#include "support/decoding.h"

static int open_json(void **state)
{
	struct decoding *d = malloc(sizeof *d);

	decoding_open(d, &format_json);
	*state = d;
	return 0;
}

static int close_json(void **state)
{
	decoding_close(*state);
	free(*state);
	return 0;
}

static void read_message(struct decoding *d, const char *value)
{
	if (decode(d, NULL, quoted(d, value)) < 0)
		fail_msg("%s", d->err.text);
}

static void expect(struct decoding *d, enum op op, const char *names, const char *row, const char *old)
{
	assert_int_equal(d->first->op, op);
	assert_string_equal(names_text(d, d->first), names);
	assert_string_equal(image_text(d, &d->first->row), quoted(d, row));
	assert_string_equal(image_text(d, &d->first->old), quoted(d, old));
	assert_null(d->first->next);
}

static void fields_say_table_and_op(void **state)
{
	struct decoding *d = *state;
	struct json_options *options = &d->decoder.options.json;

	strcpy(options->table_field, "meta.table");
	strcpy(options->op_field, "kind");
	read_message(d, "{'id':1,'v':'a','kind':'insert','meta':{'table':'customers'}}");
	expect(d, OP_INSERT, ".customers", "id=1 v='a' kind=(absent) meta={'table':'customers'}", "");
	assert_false(d->first->unnamed);
	read_message(d, "{'id':1,'v':'a','kind':'UPDATE','meta':{'table':'shop.customers'}}");
	assert_int_equal(d->first->op, OP_UPDATE);
	assert_string_equal(names_text(d, d->first), "shop.customers");
	read_message(d, "{'id':1,'kind':'d','meta':{'table':'a.b.c'}}");
	assert_int_equal(d->first->op, OP_DELETE);
	assert_string_equal(names_text(d, d->first), "a.b.c");
	/* Not said: an upsert; of no table, as the topic was not asked. */
	read_message(d, "{'id':1}");
	expect(d, OP_INSERT, ".", "id=1", "");
	assert_null(d->first->table.p);
	strcpy(options->database_field, "meta.db");
	read_message(d, "{'id':1,'meta':{'table':'a.b','db':'shop'}}");
	assert_string_equal(names_text(d, d->first), "shop.a.b");
	assert_int_equal(d->first->table.n, 3);
}

static void headers_say_table_and_op(void **state)
{
	static const struct header headers[] = { { SLICE("table"), SLICE("\"shop.orders2\"") },
						 { SLICE("op"), SLICE("c") },
						 { SLICE("op"), SLICE("D") } };
	struct decoding *d = *state;
	struct json_options *options = &d->decoder.options.json;

	strcpy(options->table_header, "table");
	strcpy(options->op_header, "op");
	d->message.headers = headers;
	d->message.header_count = 3;
	read_message(d, "{'id':1}");
	expect(d, OP_DELETE, "shop.orders2", "id=1", "");
	assert_int_equal(decode(d, quoted(d, "{'id':2}"), NULL), 0);
	expect(d, OP_DELETE, "shop.orders2", "id=2", "");
	d->message.header_count = 0;
	read_message(d, "{'id':1}");
	assert_null(d->first->table.p);
}

static void a_row_can_lie_deeper(void **state)
{
	struct decoding *d = *state;
	struct json_options *options = &d->decoder.options.json;

	strcpy(options->table_field, "table");
	strcpy(options->op_field, "op_type");
	strcpy(options->row, "after");
	strcpy(options->old, "before");
	read_message(d, "{'table':'S.T','op_type':'I','after':{'ID':1,'V':{'x':[1]}}}");
	expect(d, OP_INSERT, "S.T", "ID=1 V={'x':[1]}", "");
	read_message(d, "{'table':'S.T','op_type':'U','before':{'ID':1},'after':{'ID':2,'V':'b'}}");
	expect(d, OP_UPDATE, "S.T", "ID=2 V='b'", "ID=1");
	read_message(d, "{'table':'S.T','op_type':'D','before':{'ID':2},'after':null}");
	expect(d, OP_DELETE, "S.T", "ID=2", "");
	read_message(d, "{'table':'S.T','op_type':'T'}");
	assert_int_equal(d->first->op, OP_TRUNCATE);
	strcpy(options->op_field, "metadata.operation");
	read_message(d, "{'metadata':{'operation':'create-table'},'table':'T'}");
	assert_int_equal(d->first->op, OP_DDL);
	read_message(d, "[{'after':{'ID':1},'table':'A'},{'after':{'ID':2},'table':'B'}]");
	assert_int_equal(d->first->next->part, 1);
	assert_string_equal(names_text(d, d->first->next), ".B");
}

static void what_is_not_there_says_where(void **state)
{
	static const struct {
		const char *value, *word;
	} cases[] = {
		{ "{'op_type':'I'}", "\"after\"" },
		{ "{'op_type':'I','after':5}", "\"after\"" },
		{ "{'op_type':'X','after':{'id':1}}", "\"X\"" },
		{ "{'op_type':7,'after':{'id':1}}", "\"op_type\"" },
		{ "{'table':{'a':1},'after':{'id':1}}", "\"table\"" },
		{ "[{'after':{'id':1}},{'after':null}]", "row 2" },
		{ "5", "after" },
	};
	struct decoding *d = *state;
	struct json_options *options = &d->decoder.options.json;

	strcpy(options->table_field, "table");
	strcpy(options->op_field, "op_type");
	strcpy(options->row, "after");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (decode(d, NULL, quoted(d, cases[i].value)) == 0)
			fail_msg("%s is taken", cases[i].value);
		if (!strstr(d->err.text, cases[i].word))
			fail_msg("%s: %s", cases[i].value, d->err.text);
	}
}

static void paths_lead_into_columns(void **state)
{
	static const struct {
		const char *path, *shown;
	} cases[] = {
		{ "a.b", "5" },          { "a.c.d", "\"x\"" },    { "a.c", "{\"d\":\"x\"}" }, { "a.l.1", "2" },
		{ "a.l.2", "(absent)" }, { "a.l.x", "(absent)" }, { "a.n", "null" },          { "a.q", "(absent)" },
		{ "t.k", "true" },       { "x.y.z", "\"deep\"" }, { "x.y", "{\"z\":1}" },     { "id.b", "(absent)" },
	};
	struct decoding *d = *state;

	read_message(d, "{'id':1,'a':{'b':5,'c':{'d':'x'},'l':[1,2],'n':null},'t':'{\\\"k\\\":true}','x.y':{'z':'deep'},'x':{'y':{'z':1}}}");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct image *row = &d->first->row;
		struct slice rest;
		int column = path_column(row->shape, slice_of(cases[i].path), &rest);
		struct value value;

		assert_true(column >= 0);
		value = path_value(d->decoder.json, &row->values[column], rest, &d->arena);
		if (strcmp(arena_copy(&d->arena, value_show(&value, &d->arena)).p, cases[i].shown) != 0)
			fail_msg("%s is %.*s", cases[i].path, SLICE_ARG(value_show(&value, &d->arena)));
	}
	struct slice rest;
	assert_int_equal(path_column(d->first->row.shape, SLICE("nothing.b"), &rest), -1);
	assert_int_equal(path_column(d->first->row.shape, SLICE("a."), &rest), -1);
	assert_int_equal(path_column(d->first->row.shape, SLICE("a"), &rest), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_json, close_json)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fields_say_table_and_op),      TEST(headers_say_table_and_op), TEST(a_row_can_lie_deeper),
		TEST(what_is_not_there_says_where), TEST(paths_lead_into_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
