#include "io/mysql_columns.h"

#include <stdlib.h>
#include <strings.h>

enum cell { TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, CHARACTERS, PRECISION, SCALE, FRACTION, COLLATION };

/* How long a column is, by its type. */
enum measure { NOTHING, BITS, CHARACTERS_MOST, DIGITS, FRACTION_DIGITS };

/* Types that are compared as their text is (uuid, inet6 of MariaDB) are TEXT that is not exact: two spellings can be one value. */
static const struct data_type {
	const char *name;
	enum column_type type;
	enum measure measure;
	uint32_t bits;
	bool exact;
} data_types[] = {
	{ "tinyint", COLUMN_INTEGER, BITS, 8, true },
	{ "smallint", COLUMN_INTEGER, BITS, 16, true },
	{ "mediumint", COLUMN_INTEGER, BITS, 24, true },
	{ "int", COLUMN_INTEGER, BITS, 32, true },
	{ "integer", COLUMN_INTEGER, BITS, 32, true },
	{ "bigint", COLUMN_INTEGER, BITS, 64, true },
	{ "decimal", COLUMN_DECIMAL, DIGITS, 0, true },
	{ "numeric", COLUMN_DECIMAL, DIGITS, 0, true },
	/* One number has many spellings that only the rounding to binary makes one. */
	{ "float", COLUMN_FLOAT, NOTHING, 0, false },
	{ "double", COLUMN_DOUBLE, NOTHING, 0, false },
	{ "real", COLUMN_DOUBLE, NOTHING, 0, false },
	{ "bit", COLUMN_BIT, DIGITS, 0, true },
	{ "char", COLUMN_TEXT, CHARACTERS_MOST, 0, false },
	{ "varchar", COLUMN_TEXT, CHARACTERS_MOST, 0, false },
	{ "tinytext", COLUMN_TEXT, CHARACTERS_MOST, 0, false },
	{ "text", COLUMN_TEXT, CHARACTERS_MOST, 0, false },
	{ "mediumtext", COLUMN_TEXT, CHARACTERS_MOST, 0, false },
	{ "longtext", COLUMN_TEXT, CHARACTERS_MOST, 0, false },
	{ "uuid", COLUMN_TEXT, NOTHING, 0, false },
	{ "inet6", COLUMN_TEXT, NOTHING, 0, false },
	{ "inet4", COLUMN_TEXT, NOTHING, 0, false },
	{ "binary", COLUMN_BINARY, CHARACTERS_MOST, 0, true },
	{ "varbinary", COLUMN_BYTES, CHARACTERS_MOST, 0, true },
	{ "tinyblob", COLUMN_BYTES, CHARACTERS_MOST, 0, true },
	{ "blob", COLUMN_BYTES, CHARACTERS_MOST, 0, true },
	{ "mediumblob", COLUMN_BYTES, CHARACTERS_MOST, 0, true },
	{ "longblob", COLUMN_BYTES, CHARACTERS_MOST, 0, true },
	{ "enum", COLUMN_ENUM, CHARACTERS_MOST, 0, false },
	{ "set", COLUMN_SET, CHARACTERS_MOST, 0, false },
	{ "json", COLUMN_JSON, NOTHING, 0, false },
	{ "date", COLUMN_DATE, NOTHING, 0, true },
	{ "datetime", COLUMN_DATETIME, FRACTION_DIGITS, 0, true },
	{ "timestamp", COLUMN_TIMESTAMP, FRACTION_DIGITS, 0, true },
	{ "time", COLUMN_TIME, FRACTION_DIGITS, 0, true },
	{ "year", COLUMN_YEAR, NOTHING, 0, true },
	{ "geometry", COLUMN_GEOMETRY, NOTHING, 0, false },
	{ "point", COLUMN_GEOMETRY, NOTHING, 0, false },
	{ "linestring", COLUMN_GEOMETRY, NOTHING, 0, false },
	{ "polygon", COLUMN_GEOMETRY, NOTHING, 0, false },
	{ "multipoint", COLUMN_GEOMETRY, NOTHING, 0, false },
	{ "multilinestring", COLUMN_GEOMETRY, NOTHING, 0, false },
	{ "multipolygon", COLUMN_GEOMETRY, NOTHING, 0, false },
	{ "geometrycollection", COLUMN_GEOMETRY, NOTHING, 0, false },
	{ "geomcollection", COLUMN_GEOMETRY, NOTHING, 0, false },
};

static bool is(struct slice cell, const char *word)
{
	return cell.n == strlen(word) && strncasecmp(cell.p, word, cell.n) == 0;
}

static bool contains(struct slice cell, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= cell.n; i++)
		if (strncasecmp(cell.p + i, word, n) == 0)
			return true;
	return false;
}

static uint32_t number(struct slice cell)
{
	unsigned long long n = cell.p ? strtoull(cell.p, NULL, 10) : 0;

	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void measure(struct target_column *column, const struct data_type *type, const struct slice *cells)
{
	switch (type->measure) {
	case BITS:
		column->length = type->bits;
		break;
	case CHARACTERS_MOST:
		column->length = number(cells[CHARACTERS]);
		break;
	case DIGITS:
		column->length = number(cells[PRECISION]);
		column->scale = (int16_t)number(cells[SCALE]);
		break;
	case FRACTION_DIGITS:
		column->scale = (int16_t)number(cells[FRACTION]);
		break;
	case NOTHING:
		break;
	}
}

struct target_column mysql_columns_read(const struct slice *cells, bool is_mariadb, struct arena *arena)
{
	static const struct data_type unknown = { .type = COLUMN_UNKNOWN };
	const struct data_type *type = &unknown;
	struct target_column column = {
		.name = arena_copy(arena, cells[COLUMN_NAME]),
		.sql_type = arena_copy(arena, cells[COLUMN_TYPE]),
		.is_unsigned = contains(cells[COLUMN_TYPE], "unsigned"),
		.nullable = is(cells[IS_NULLABLE], "YES"),
		/* Not DEFAULT_GENERATED, which is MySQL's word for a default that is an expression. */
		.generated = contains(cells[EXTRA], "VIRTUAL GENERATED") || contains(cells[EXTRA], "STORED GENERATED") ||
			     contains(cells[EXTRA], "PERSISTENT"),
		/* MariaDB writes a default as SQL: NULL is no default but that of every column, 'NULL' a text. */
		.has_default = cells[COLUMN_DEFAULT].p && !(is_mariadb && is(cells[COLUMN_DEFAULT], "NULL")),
		.auto_increment = contains(cells[EXTRA], "auto_increment"),
	};

	for (size_t i = 0; i < sizeof data_types / sizeof *data_types; i++)
		if (is(cells[DATA_TYPE], data_types[i].name))
			type = &data_types[i];
	column.type = (uint8_t)type->type;
	column.exact = type->exact || (cells[COLLATION].p && mysql_columns_is_bytewise(cells[COLLATION]));
	/* CHAR gives its trailing spaces away when it is stored, whatever its collation. */
	column.pads = is(cells[DATA_TYPE], "char");
	measure(&column, type, cells);
	return column;
}

bool mysql_columns_is_bytewise(struct slice collation)
{
	return slice_is(collation, "binary") || (collation.n > 4 && memcmp(collation.p + collation.n - 4, "_bin", 4) == 0);
}

void mysql_columns_ask_padding(struct buf *out, struct slice collation)
{
	const char *end = memchr(collation.p, '_', collation.n);
	struct slice charset = { collation.p, end ? (size_t)(end - collation.p) : collation.n };

	buf_printf(out, "SELECT '%.*s', CONVERT('a' USING %.*s) COLLATE %.*s = CONVERT('a ' USING %.*s) COLLATE %.*s", SLICE_ARG(collation),
		   SLICE_ARG(charset), SLICE_ARG(collation), SLICE_ARG(charset), SLICE_ARG(collation));
}
