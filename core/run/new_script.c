#include "run/new_script.h"

#include <string.h>

#include "run/lua_text.h"

enum { LINE_MOST = 110, BINARY_MOST = 64, NAME_ALIGNED_MOST = 32, TYPE_MOST = 40 };

/* The first word in quotes of enum('a','b'), as a SQL literal's text; "a" where there is none. */
static void first_member(struct buf *out, struct slice type)
{
	const char *p = type.n ? memchr(type.p, '\'', type.n) : NULL, *end = type.p + type.n;
	struct buf word = BUF_INIT;

	for (p = p ? p + 1 : end; p < end; p++) {
		if (*p == '\'' && (p + 1 == end || p[1] != '\''))
			break;
		p += *p == '\'';
		buf_char(&word, *p);
	}
	lua_text_string(out, word.n ? buf_view(&word) : SLICE("a"));
	buf_free(&word);
}

/* A text that says what it is, as far as the column has room for it. */
static void text_value(struct buf *out, const struct target_column *column)
{
	struct slice name = column->name;

	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] >= 0x80) /* cut in the middle it would be no text */
			name = SLICE("a");
	if (column->length && name.n > column->length)
		name.n = column->length;
	lua_text_string(out, name);
}

/* As a script sees such a value; false where an example cannot say one. */
static bool value_of(struct buf *out, const struct target_column *column)
{
	switch ((enum column_type)column->type) {
	case COLUMN_UNKNOWN:
	case COLUMN_INTEGER:
	case COLUMN_BIT:
		buf_text(out, "1");
		return true;
	case COLUMN_DECIMAL:
		buf_text(out, column->scale == 0 ? "1" : "0.5");
		return true;
	case COLUMN_FLOAT:
	case COLUMN_DOUBLE:
		buf_text(out, "0.5");
		return true;
	case COLUMN_TEXT:
	case COLUMN_BYTES:
		text_value(out, column);
		return true;
	case COLUMN_BINARY:
		buf_char(out, '"');
		for (uint32_t i = 0; i < column->length && i < BINARY_MOST; i++)
			buf_char(out, 'a');
		buf_char(out, '"');
		return true;
	case COLUMN_ENUM:
	case COLUMN_SET:
		first_member(out, column->sql_type);
		return true;
	case COLUMN_JSON:
		buf_text(out, "\"{}\"");
		return true;
	case COLUMN_DATE:
		buf_text(out, "\"2024-01-31\"");
		return true;
	case COLUMN_DATETIME:
	case COLUMN_TIMESTAMP:
		buf_text(out, "\"2024-01-31 12:00:00\"");
		return true;
	case COLUMN_TIME:
		buf_text(out, "\"12:00:00\"");
		return true;
	case COLUMN_YEAR:
		buf_text(out, "2024");
		return true;
	case COLUMN_GEOMETRY:
		return false;
	}
	return false;
}

/* { id = 1, name = "name" }, broken into lines; `indent` is where these begin. */
static void row_of(struct buf *out, const struct target *target, size_t indent)
{
	struct buf field = BUF_INIT;
	size_t column = indent;
	bool first = true;

	buf_text(out, "{");
	for (uint32_t i = 0; i < target->count; i++) {
		buf_clear(&field);
		if (target->columns[i].generated)
			continue;
		lua_text_field(&field, target->columns[i].name);
		buf_text(&field, " = ");
		if (!value_of(&field, &target->columns[i]))
			continue;
		if (!first)
			buf_char(out, ',');
		if (!first && column + field.n > LINE_MOST) {
			buf_printf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else {
			buf_char(out, ' ');
		}
		buf_slice(out, buf_view(&field));
		column += field.n + 2;
		first = false;
	}
	buf_text(out, " }");
	buf_free(&field);
}

static size_t widest(const struct target *target)
{
	struct buf field = BUF_INIT;
	size_t most = 0;

	for (uint32_t i = 0; i < target->count; i++) {
		buf_clear(&field);
		lua_text_field(&field, target->columns[i].name);
		most = field.n > most && field.n <= NAME_ALIGNED_MOST ? field.n : most;
	}
	buf_free(&field);
	return most;
}

/*   id      = "id",   -- bigint(20), key */
static void column_line(struct buf *out, const struct target *target, uint32_t at, size_t width)
{
	const struct target_column *column = &target->columns[at];
	struct buf line = BUF_INIT;

	if (column->generated) {
		buf_text(out, "  -- ");
		lua_text_comment(out, column->name);
		buf_text(out, ": the database makes it of the others\n");
		return;
	}
	lua_text_field(&line, column->name);
	while (line.n < width)
		buf_char(&line, ' ');
	buf_text(&line, " = ");
	lua_text_string(&line, column->name);
	buf_char(&line, ',');
	while (line.n < 2 * width + 7)
		buf_char(&line, ' ');
	buf_text(out, "  ");
	buf_slice(out, buf_view(&line));
	buf_text(out, " -- ");
	/* A long enum would go over the margin. */
	lua_text_comment(out, (struct slice){ column->sql_type.p, column->sql_type.n < TYPE_MOST ? column->sql_type.n : TYPE_MOST });
	buf_text(out, target_is_key(target, at) ? ", key\n" : column->nullable ? ", may be NULL\n" : "\n");
	buf_free(&line);
}

void new_script(struct buf *out, const struct schema_table *table)
{
	const struct target *target = &table->target;
	bool same = slice_equal(table->stem, target->name);
	size_t width = widest(target);

	buf_text(out, "-- Every change of the source table ");
	lua_text_comment(out, target->name);
	buf_printf(out, ", in any database, passes through here.\n---@type script.%.*s\nlocal M = {}\n\n", SLICE_ARG(table->stem));
	if (!same) {
		buf_text(out, "M.source  = ");
		lua_text_string(out, target->name);
		buf_char(out, '\n');
	}
	buf_text(out, "M.target  = ");
	lua_text_string(out, target->name);
	buf_text(out, "\nM.columns = { -- target column <- source column, or a function(row)\n");
	for (uint32_t i = 0; i < target->count; i++)
		column_line(out, target, i, width);
	buf_text(out, "}\n\n-- `streamlua test` runs these; `streamlua check` does, and a reload before it is taken.\nM.examples = {\n"
		      "  { op = \"insert\",\n    row = ");
	row_of(out, target, 12);
	buf_text(out, ",\n    expect = ");
	row_of(out, target, 15);
	buf_text(out, " },\n}\n\nreturn M\n");
}
