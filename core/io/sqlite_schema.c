#include "io/sqlite_schema.h"

#include <stdio.h>
#include <strings.h>

/* MySQL's names of types, for their meaning; what is not among them is known by its affinity. */
static const struct type_name {
	const char *name;
	enum column_type type;
	uint32_t bits;
} type_names[] = {
	{ "TINYINT", COLUMN_INTEGER, 8 },     { "SMALLINT", COLUMN_INTEGER, 16 },
	{ "MEDIUMINT", COLUMN_INTEGER, 24 },  { "BOOL", COLUMN_INTEGER, 8 },
	{ "BOOLEAN", COLUMN_INTEGER, 8 },     { "DECIMAL", COLUMN_DECIMAL, 0 },
	{ "NUMERIC", COLUMN_DECIMAL, 0 },     { "DEC", COLUMN_DECIMAL, 0 },
	{ "FIXED", COLUMN_DECIMAL, 0 },       { "BIT", COLUMN_BIT, 0 },
	{ "BINARY", COLUMN_BYTES, 0 },        { "VARBINARY", COLUMN_BYTES, 0 },
	{ "ENUM", COLUMN_ENUM, 0 },           { "SET", COLUMN_SET, 0 },
	{ "JSON", COLUMN_JSON, 0 },           { "DATE", COLUMN_DATE, 0 },
	{ "DATETIME", COLUMN_DATETIME, 0 },   { "TIMESTAMP", COLUMN_TIMESTAMP, 0 },
	{ "TIME", COLUMN_TIME, 0 },           { "YEAR", COLUMN_YEAR, 0 },
	{ "GEOMETRY", COLUMN_GEOMETRY, 0 },   { "POINT", COLUMN_GEOMETRY, 0 },
	{ "LINESTRING", COLUMN_GEOMETRY, 0 }, { "POLYGON", COLUMN_GEOMETRY, 0 },
};

static bool contains(struct slice text, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= text.n; i++)
		if (strncasecmp(text.p + i, word, n) == 0)
			return true;
	return false;
}

enum sqlite_affinity sqlite_schema_affinity(struct slice declared)
{
	if (contains(declared, "INT"))
		return SQLITE_AFFINITY_INTEGER;
	if (contains(declared, "CHAR") || contains(declared, "CLOB") || contains(declared, "TEXT"))
		return SQLITE_AFFINITY_TEXT;
	if (!declared.n || contains(declared, "BLOB"))
		return SQLITE_AFFINITY_BLOB;
	if (contains(declared, "REAL") || contains(declared, "FLOA") || contains(declared, "DOUB"))
		return SQLITE_AFFINITY_REAL;
	return SQLITE_AFFINITY_NUMERIC;
}

/* The numbers in "DECIMAL(10,2)"; -1 where there are none. */
static void read_size(struct slice declared, int *first, int *second)
{
	char text[32];
	const char *open = declared.n ? memchr(declared.p, '(', declared.n) : NULL;

	*first = *second = -1;
	if (!open)
		return;
	snprintf(text, sizeof text, "%.*s", (int)(declared.p + declared.n - open), open);
	if (sscanf(text, "(%d , %d", first, second) < 1)
		*first = -1;
}

static void set_type(struct target_column *column, struct slice declared)
{
	static const enum column_type by_affinity[] = { [SQLITE_AFFINITY_INTEGER] = COLUMN_INTEGER,
							[SQLITE_AFFINITY_TEXT] = COLUMN_TEXT,
							[SQLITE_AFFINITY_BLOB] = COLUMN_BYTES,
							[SQLITE_AFFINITY_REAL] = COLUMN_DOUBLE,
							[SQLITE_AFFINITY_NUMERIC] = COLUMN_UNKNOWN };
	size_t word = 0;
	int first, second;

	while (word < declared.n && declared.p[word] != '(' && declared.p[word] != ' ')
		word++;
	read_size(declared, &first, &second);
	column->type = declared.n ? by_affinity[sqlite_schema_affinity(declared)] : COLUMN_UNKNOWN;
	column->length = column->type == COLUMN_INTEGER ? 64 : first > 0 ? (uint32_t)first : 0;
	for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
		const struct type_name *name = &type_names[i];

		if (strlen(name->name) != word || strncasecmp(name->name, declared.p, word) != 0)
			continue;
		column->type = name->type;
		column->length = name->bits ? name->bits : first > 0 ? (uint32_t)first : 0;
	}
	/* SQLite keeps whatever fraction there is. */
	column->scale = -1;
	if (column->type == COLUMN_DECIMAL && first >= 0)
		column->scale = (int16_t)(second < 0 ? 0 : second);
	else if (column->type == COLUMN_DATETIME || column->type == COLUMN_TIMESTAMP || column->type == COLUMN_TIME)
		column->scale = (int16_t)first;
	column->is_unsigned = contains(declared, "UNSIGNED");
	/* An ENUM's text that reads as a number is stored as one. */
	column->exact = column->type != COLUMN_ENUM;
}

static void set_collation(struct target_column *column, const char *collation)
{
	column->pads |= collation && strcasecmp(collation, "RTRIM") == 0;
	column->exact &= !collation || strcasecmp(collation, "BINARY") == 0 || strcasecmp(collation, "RTRIM") == 0;
}

static struct slice text_at(sqlite3_stmt *row, int at, struct arena *arena)
{
	return arena_copy(arena, (struct slice){ (const char *)sqlite3_column_text(row, at), (size_t)sqlite3_column_bytes(row, at) });
}

static struct target_column *add_column(struct target *target, uint32_t *cap)
{
	if (target->count == *cap) {
		struct target_column *more;

		*cap = *cap ? *cap * 2 : 16;
		more = arena_alloc(target->arena, *cap * sizeof *more);
		if (target->count)
			memcpy(more, target->columns, target->count * sizeof *more);
		target->columns = more;
	}
	target->columns[target->count] = (struct target_column){ 0 };
	return &target->columns[target->count++];
}

/* A statement about a table: ?1 is its name, ?2 its schema or NULL. */
static int about_table(sqlite3 *db, const char *text, const struct slice parts[2], sqlite3_stmt **statement)
{
	if (sqlite3_prepare_v2(db, text, -1, statement, NULL) != SQLITE_OK)
		return -1;
	sqlite3_bind_text(*statement, 1, parts[0].p, (int)parts[0].n, SQLITE_STATIC);
	if (parts[1].p)
		sqlite3_bind_text(*statement, 2, parts[1].p, (int)parts[1].n, SQLITE_STATIC);
	return 0;
}

static int read_columns(sqlite3 *db, struct target *target, const struct slice parts[2])
{
	const char *schema = parts[1].p ? arena_copy(target->arena, parts[1]).p : NULL, *table = arena_copy(target->arena, parts[0]).p;
	sqlite3_stmt *row = NULL;
	uint32_t cap = 0, key_most = 0;
	int code;

	if (about_table(db, "SELECT name, type, `notnull`, dflt_value, pk, hidden FROM pragma_table_xinfo(?1, ?2)", parts, &row) < 0)
		return -1;
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		struct target_column *column = add_column(target, &cap);
		int place = sqlite3_column_int(row, 4);
		const char *collation = NULL;

		column->name = text_at(row, 0, target->arena);
		column->sql_type = text_at(row, 1, target->arena);
		set_type(column, column->sql_type);
		column->nullable = !sqlite3_column_int(row, 2);
		column->has_default = sqlite3_column_type(row, 3) != SQLITE_NULL;
		if (column->has_default)
			column->default_sql = text_at(row, 3, target->arena);
		column->generated = sqlite3_column_int(row, 5) >= 2;
		if (sqlite3_table_column_metadata(db, schema, table, column->name.p, NULL, &collation, NULL, NULL, NULL) == SQLITE_OK)
			set_collation(column, collation);
		if (place > 0 && place <= TARGET_KEY_MOST)
			target->key[place - 1] = target->count - 1;
		key_most = place > (int)key_most ? (uint32_t)place : key_most;
	}
	sqlite3_finalize(row);
	if (code != SQLITE_DONE)
		return -1;
	target->exists = target->count > 0;
	target->has_primary_key = key_most > 0;
	if (key_most)
		target->key_count = key_most;
	return 0;
}

static int read_indexes(sqlite3 *db, struct target *target, const struct slice parts[2])
{
	static const char text[] = "SELECT l.origin, x.cid, x.coll FROM pragma_index_list(?1, ?2) l, pragma_index_xinfo(l.name, ?2) x "
				   "WHERE l.`unique` AND x.key";
	bool own_index = false;
	sqlite3_stmt *row = NULL;
	int code;

	if (about_table(db, text, parts, &row) < 0)
		return -1;
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		int column = sqlite3_column_int(row, 1);

		if (strcmp((const char *)sqlite3_column_text(row, 0), "pk") != 0) {
			target->other_unique = true;
			continue;
		}
		own_index = true;
		if (column >= 0 && column < (int)target->count)
			set_collation(&target->columns[column], (const char *)sqlite3_column_text(row, 2));
	}
	sqlite3_finalize(row);
	/* A primary key without an index is the rowid, which SQLite makes up where it is NULL. */
	if (target->has_primary_key && !own_index) {
		target->columns[target->key[0]].auto_increment = true;
		target->columns[target->key[0]].nullable = false;
	}
	return code == SQLITE_DONE ? 0 : -1;
}

int sqlite_schema_describe(sqlite3 *db, struct target *target, struct error *err)
{
	const char *dot = target->name.n ? memchr(target->name.p, '.', target->name.n) : NULL;
	struct slice parts[2] = { target->name, { NULL, 0 } };

	if (dot) {
		parts[1] = (struct slice){ target->name.p, (size_t)(dot - target->name.p) };
		parts[0] = (struct slice){ dot + 1, target->name.n - parts[1].n - 1 };
	}
	target->columns = NULL;
	target->count = 0;
	target->open = target->exists = target->has_primary_key = target->other_unique = false;
	if (read_columns(db, target, parts) < 0 || read_indexes(db, target, parts) < 0)
		return error_set(err, "sqlite: the schema of %.*s: %s", SLICE_ARG(target->name), sqlite3_errmsg(db));
	if (!target->has_primary_key)
		return 0;
	if (target->key_count > TARGET_KEY_MOST)
		return error_set(err, "sqlite: the key of %.*s has more than %d columns", SLICE_ARG(target->name), TARGET_KEY_MOST);
	target->key_exact = true;
	for (uint32_t i = 0; i < target->key_count; i++)
		target->key_exact &= target->columns[target->key[i]].exact;
	return 0;
}
