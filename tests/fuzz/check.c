/* What holds for every value that was read, whoever read it. */
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "flow/json.h"
#include "flow/sql.h"
#include "fuzz/fuzz.h"

struct target_column fuzz_column(unsigned number)
{
	static const struct target_column columns[] = {
		{ .type = COLUMN_UNKNOWN },
		{ .type = COLUMN_INTEGER, .length = 32 },
		{ .type = COLUMN_INTEGER, .length = 64, .is_unsigned = true },
		{ .type = COLUMN_DECIMAL, .length = 20, .scale = 4 },
		{ .type = COLUMN_FLOAT },
		{ .type = COLUMN_DOUBLE },
		{ .type = COLUMN_BIT, .length = 12 },
		{ .type = COLUMN_TEXT, .length = 200 },
		{ .type = COLUMN_BINARY, .length = 8 },
		{ .type = COLUMN_BYTES, .length = 100 },
		{ .type = COLUMN_ENUM },
		{ .type = COLUMN_SET },
		{ .type = COLUMN_JSON },
		{ .type = COLUMN_DATE },
		{ .type = COLUMN_DATETIME, .scale = 0 },
		{ .type = COLUMN_DATETIME, .scale = 6 },
		{ .type = COLUMN_TIMESTAMP, .scale = 3 },
		{ .type = COLUMN_TIME, .scale = 6 },
		{ .type = COLUMN_YEAR },
		{ .type = COLUMN_GEOMETRY },
	};
	struct target_column column = columns[number % (sizeof columns / sizeof *columns)];

	column.name = SLICE("c");
	column.sql_type = SLICE("type");
	return column;
}

bool fuzz_json_kind(struct slice text, uint8_t *kind)
{
	static struct json *json;
	struct slice padded = fuzz_padded(text);
	struct arena arena = ARENA_INIT;
	const struct json_node *nodes;
	bool valid;

	if (!json)
		json = json_new();
	valid = padded.p && json_read(json, padded, 0, NULL, &arena, &nodes, NULL) > 0;
	if (valid)
		*kind = nodes->value.kind;
	arena_free(&arena);
	free((char *)padded.p);
	return valid;
}

void fuzz_check_read(const struct value *value)
{
	struct slice text = { value->p, value->n };
	uint8_t kind;

	FUZZ_CHECK(value->ready, "kind %d", value->kind);
	FUZZ_CHECK(value->kind <= VALUE_JSON, "kind %d", value->kind);
	if (value->kind == VALUE_NUMBER)
		FUZZ_CHECK(value_is_number(text), "%.*s", SLICE_ARG(text));
	if (value->kind == VALUE_TEXT)
		FUZZ_CHECK(utf8_valid(text), "%.*s", SLICE_ARG(text));
	if (value->kind == VALUE_JSON)
		FUZZ_CHECK(fuzz_json_kind(text, &kind), "%.*s", SLICE_ARG(text));
}

static bool equal_numbers(struct slice a, struct slice b)
{
	struct buf x = BUF_INIT, y = BUF_INIT;
	bool equal;

	number_canonical(a, &x);
	number_canonical(b, &y);
	equal = slice_equal(buf_view(&x), buf_view(&y));
	buf_free(&x);
	buf_free(&y);
	return equal;
}

static bool equal_double(struct slice text, double number)
{
	struct buf copy = BUF_INIT;
	double expected;

	buf_slice(&copy, text);
	expected = strtod(buf_cstr(&copy), NULL);
	buf_free(&copy);
	return expected == number;
}

static bool is_word(const struct literal *literal, const char *word)
{
	return literal->kind == LITERAL_WORD && slice_is(buf_view(&literal->bytes), word);
}

/* BINARY(n) may have got its zeros. */
static bool equal_bytes(struct slice written, struct slice wanted, const struct target_column *column)
{
	if (written.n < wanted.n || !slice_equal((struct slice){ written.p, wanted.n }, wanted))
		return false;
	if (written.n > wanted.n && (column->type != COLUMN_BINARY || written.n != column->length))
		return false;
	for (size_t i = wanted.n; i < written.n; i++)
		if (written.p[i])
			return false;
	return true;
}

static bool equal_value(const struct literal *literal, const struct value *value, const struct target_column *column)
{
	struct slice text = { value->p, value->n }, written = buf_view(&literal->bytes);

	switch ((enum value_kind)value->kind) {
	case VALUE_NULL:
		return is_word(literal, "NULL");
	case VALUE_FALSE:
	case VALUE_TRUE:
		text = literal->kind != LITERAL_NUMBER ? (value->kind == VALUE_TRUE ? SLICE("true") : SLICE("false"))
						       : (value->kind == VALUE_TRUE ? SLICE("1") : SLICE("0"));
		return equal_bytes(written, text, column);
	case VALUE_NUMBER:
	case VALUE_TEXT:
		if (literal->kind == LITERAL_NUMBER)
			return value_is_number(text) && value_is_number(written) && equal_numbers(written, text);
		if (literal->kind == LITERAL_DOUBLE)
			return equal_double(text, literal->number);
		return equal_bytes(written, text, column);
	case VALUE_BYTES:
		return literal->kind == LITERAL_BYTES && equal_bytes(written, text, column);
	case VALUE_JSON:
		return literal->kind == LITERAL_TEXT && slice_equal(written, text);
	case VALUE_DEFAULT:
		return is_word(literal, "DEFAULT") || is_word(literal, "NULL");
	case VALUE_ABSENT:
		break;
	}
	return false;
}

void fuzz_check_sql(const struct value *value, const struct target_column *column)
{
	static const enum sql_dialect dialects[] = { SQL_MYSQL, SQL_MYSQL_NO_BACKSLASH, SQL_SQLITE };

	if (value->kind == VALUE_ABSENT)
		return;
	for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
		struct buf out = BUF_INIT;
		struct literal literal;
		struct slice rest;
		bool whole;

		sql_value(&out, dialects[i], value, column);
		rest = buf_view(&out);
		whole = literal_read(&rest, dialects[i] == SQL_MYSQL, &literal);
		FUZZ_CHECK(whole && rest.n == 0, "dialect %zu, kind %d, column type %d: %.*s", i, value->kind, column->type,
			   SLICE_ARG(buf_view(&out)));
		FUZZ_CHECK(equal_value(&literal, value, column), "dialect %zu, kind %d, column type %d: %.*s of %.*s", i, value->kind, column->type,
			   SLICE_ARG(buf_view(&out)), (int)value->n, value->p);
		literal_free(&literal);
		buf_free(&out);
	}
}
