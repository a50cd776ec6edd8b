#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "flow/number.h"
#include "flow/sql.h"

enum { BLOCK = 16 };

typedef uint8_t block __attribute__((vector_size(BLOCK)));

/* Bytes from p on that stand in a quoted string as they are. */
static size_t plain_run(const char *p, size_t n, bool backslash)
{
	size_t i = 0;

	for (; i + BLOCK <= n; i += BLOCK) {
		union {
			block bytes;
			uint64_t halves[2];
		} text, found;

		memcpy(&text, p + i, BLOCK);
		found.bytes = (block)(text.bytes == '\'');
		if (backslash)
			found.bytes |= (block)(text.bytes == '\\') | (block)(text.bytes == 0);
		if (found.halves[0] | found.halves[1])
			break;
	}
	while (i < n && p[i] != '\'' && !(backslash && (p[i] == '\\' || !p[i])))
		i++;
	return i;
}

static void put_hex(struct buf *out, struct slice bytes, size_t length)
{
	buf_text(out, "x'");
	buf_hex(out, bytes);
	for (size_t i = bytes.n; i < length; i++)
		buf_append(out, "00", 2);
	buf_char(out, '\'');
}

static void put_quoted(struct buf *out, enum sql_dialect dialect, struct slice text)
{
	bool backslash = dialect == SQL_MYSQL;

	/* SQLite's text of a statement ends at its first NUL. */
	if (dialect == SQL_SQLITE && text.n && memchr(text.p, 0, text.n)) {
		buf_text(out, "CAST(");
		put_hex(out, text, 0);
		buf_text(out, " AS TEXT)");
		return;
	}
	buf_reserve(out, text.n + 2);
	buf_char(out, '\'');
	for (;;) {
		size_t run = plain_run(text.p, text.n, backslash);

		buf_append(out, text.p, run);
		if (run == text.n)
			break;
		buf_char(out, backslash ? '\\' : '\'');
		buf_char(out, text.p[run] ? text.p[run] : '0');
		text.p += run + 1;
		text.n -= run + 1;
	}
	buf_char(out, '\'');
}

static bool is_plain_integer(struct slice text)
{
	if (text.n && *text.p == '-') {
		text.p++;
		text.n--;
	}
	return text.n <= 65 && (text.n <= 1 || *text.p != '0') && slice_is_digits(text);
}

enum { LITERAL_MOST = 30 }; /* characters of a decimal literal that every database takes as it stands */

/* Digits, a point, digits: most DECIMALs. */
static bool is_plain_decimal(struct slice text)
{
	size_t begin = text.n && *text.p == '-', point = begin, i;

	if (text.n > LITERAL_MOST)
		return false;
	while (point < text.n && (unsigned char)(text.p[point] - '0') <= 9)
		point++;
	if (point == begin || point + 1 >= text.n || text.p[point] != '.' || (text.p[begin] == '0' && point > begin + 1))
		return false;
	for (i = point + 1; i < text.n && (unsigned char)(text.p[i] - '0') <= 9; i++) {
	}
	return i == text.n;
}

/* SQLite promises 15 digits of a literal, but not the double that is nearest: it reads 715877.675127814 as its neighbour. As an integer
 * over powers of two every double is what it is: nothing in that is rounded. False where the plain literal is as good. */
static bool put_double_exactly(struct buf *out, struct slice text)
{
	/* With so few digits the quotient that SQLite forms is too far from the middle of two doubles to be rounded twice. */
	enum { MANTISSA_BITS = 53, STEP_BITS = 52, SURE_DIGITS = 15, SURE_SCALE = 3 };
	struct number number;
	int exponent;
	double value;
	char copy[64];

	if (text.n >= sizeof copy || !number_parse(&number, text))
		return false;
	if (number.count == 0 || (number.point <= SURE_DIGITS && number_scale(&number) <= SURE_SCALE && number.count <= SURE_DIGITS))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	value = strtod(copy, NULL);
	if (!isfinite(value))
		return false;
	value = frexp(value, &exponent);
	buf_char(out, '(');
	buf_int(out, (int64_t)ldexp(value, MANTISSA_BITS));
	buf_text(out, "*1.0");
	for (exponent -= MANTISSA_BITS; exponent;) {
		int step = abs(exponent) < STEP_BITS ? abs(exponent) : STEP_BITS;

		buf_char(out, exponent < 0 ? '/' : '*');
		buf_int(out, (int64_t)1 << step);
		exponent += exponent < 0 ? step : -step;
	}
	buf_char(out, ')');
	return true;
}

/* The largest FLOAT in its fewest digits (3.4028235e38) is a little more than it is, which MySQL refuses. */
static bool put_largest_float(struct buf *out, struct slice text)
{
	char copy[64];

	if (text.n >= sizeof copy)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	if (fabs(strtod(copy, NULL)) <= (double)FLT_MAX || !isfinite(strtof(copy, NULL)))
		return false;
	buf_printf(out, "%s%.17g", copy[0] == '-' ? "-" : "", (double)FLT_MAX);
	return true;
}

/* A number for a numeric column; text that is none is quoted. With an exponent it would be a DOUBLE literal, and without one in a DOUBLE column a DECIMAL: either
 * may lose digits, so it is spelled in the way of its column. */
static void put_number(struct buf *out, enum sql_dialect dialect, struct slice text, enum column_type type)
{
	bool exponent, point;
	struct number number;

	if (is_plain_integer(text) && !(type == COLUMN_FLOAT && text.n > FLT_MAX_10_EXP)) {
		buf_slice(out, text);
		return;
	}
	if (type != COLUMN_FLOAT && type != COLUMN_DOUBLE && dialect != SQL_SQLITE && is_plain_decimal(text)) {
		buf_slice(out, text);
		return;
	}
	if (!value_is_number(text)) {
		put_quoted(out, dialect, text);
		return;
	}
	exponent = memchr(text.p, 'e', text.n) || memchr(text.p, 'E', text.n);
	point = memchr(text.p, '.', text.n);
	if (type == COLUMN_FLOAT || type == COLUMN_DOUBLE) {
		if (dialect == SQL_SQLITE && put_double_exactly(out, text))
			return;
		if (type == COLUMN_FLOAT && dialect != SQL_SQLITE && (exponent || text.n > FLT_MAX_10_EXP) && put_largest_float(out, text))
			return;
		buf_slice(out, text);
		if (!exponent)
			buf_text(out, "e0");
	} else if (!exponent && text.n <= LITERAL_MOST && !(dialect == SQL_SQLITE && point)) {
		buf_slice(out, text);
	} else if (!number_parse(&number, text) || number.count > 65 || number.point > 65 || number_scale(&number) > 30) {
		/* Databases read the text into the column's own type; no literal is longer than that. */
		put_quoted(out, dialect, text);
	} else {
		number_plain(out, &number); /* SQLite: 12.0 is an INTEGER, and exact where a REAL would not be */
	}
}

/* In an SQLite column without a type a number is a number as long as SQLite has a form for it that keeps its digits. */
static void put_untyped(struct buf *out, enum sql_dialect dialect, struct slice text)
{
	struct number number;
	int64_t integer;

	if (number_parse(&number, text) && value_is_number(text) && (number_int64(&number, &integer) || number.count <= 15))
		put_number(out, dialect, text, COLUMN_DECIMAL);
	else
		put_quoted(out, dialect, text);
}

static bool is_numeric(enum column_type type)
{
	return type == COLUMN_INTEGER || type == COLUMN_DECIMAL || type == COLUMN_FLOAT || type == COLUMN_DOUBLE || type == COLUMN_BIT;
}

static void put_default(struct buf *out, enum sql_dialect dialect, const struct target_column *column)
{
	/* DEFAULT of an AUTO_INCREMENT column is 0, which NO_AUTO_VALUE_ON_ZERO keeps; NULL is the next number. */
	if (dialect != SQL_SQLITE)
		buf_text(out, column->auto_increment ? "NULL" : "DEFAULT");
	else if (column->default_sql.n)
		buf_char(out, '('), buf_slice(out, column->default_sql), buf_char(out, ')');
	else
		buf_text(out, "NULL");
}

static void put_text(struct buf *out, enum sql_dialect dialect, struct slice text, const struct target_column *column)
{
	/* BINARY(n) is full of zero bytes where a value is shorter; a comparison does not add them. */
	if (column->type == COLUMN_BINARY && dialect != SQL_SQLITE && text.n < column->length)
		put_hex(out, text, column->length);
	else
		put_quoted(out, dialect, text);
}

void sql_value(struct buf *out, enum sql_dialect dialect, const struct value *value, const struct target_column *column)
{
	struct slice text = { value->p, value->n };
	enum column_type type = column->type;

	switch ((enum value_kind)value->kind) {
	case VALUE_NULL:
		buf_append(out, "NULL", 4);
		return;
	case VALUE_DEFAULT:
		put_default(out, dialect, column);
		return;
	case VALUE_FALSE:
	case VALUE_TRUE:
		if (is_numeric(type) || type == COLUMN_YEAR || type == COLUMN_UNKNOWN)
			buf_char(out, value->kind == VALUE_TRUE ? '1' : '0');
		else
			put_text(out, dialect, value->kind == VALUE_TRUE ? SLICE("true") : SLICE("false"), column);
		return;
	case VALUE_NUMBER:
		if (is_numeric(type) || type == COLUMN_ENUM || type == COLUMN_SET || type == COLUMN_YEAR)
			put_number(out, dialect, text, type);
		else if (type == COLUMN_UNKNOWN)
			put_untyped(out, dialect, text);
		else
			put_text(out, dialect, text, column);
		return;
	case VALUE_TEXT:
		if (is_numeric(type))
			put_number(out, dialect, text, type);
		else
			put_text(out, dialect, text, column);
		return;
	case VALUE_BYTES:
		put_hex(out, text, column->type == COLUMN_BINARY && dialect != SQL_SQLITE ? column->length : 0);
		return;
	case VALUE_JSON:
		put_quoted(out, dialect, text);
		return;
	case VALUE_ABSENT:
		BUG_IF(value->kind == VALUE_ABSENT);
	}
}
