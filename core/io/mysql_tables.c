#include "io/mysql_tables.h"

#include <stdlib.h>
#include <strings.h>
#include <uthash.h>

#include "flow/sql.h"
#include "io/mysql_columns.h"

enum { NAME_MOST = 256 }; /* bytes of a table's name: 64 characters */

/* The statements of the first question. */
enum { COLUMNS, INDEXES, JSON_CONSTRAINTS };

/* One column of one table, in the order of its columns. */
struct column_row {
	struct slice table, collation;
	struct target_column column;
};

/* One column of a unique index, in order. */
struct index_row {
	struct slice table, index, column;
	bool prefix; /* only its first bytes are in the index */
};

/* Where the rows of a table are: from the first to behind the last. Between them may be those of another one whose name is the same but for
 * case, which the server orders as one. */
struct span {
	size_t first, end;
};

struct place {
	UT_hash_handle hh;
	struct span columns, indexes;
	char name[]; /* in small letters */
};

struct mysql_tables {
	struct slice database;
	bool is_mariadb, folds_names;
	struct column_row *columns;
	struct index_row *indexes;
	size_t column_count, column_cap, index_count, index_cap;
	struct place *places;
	struct arena arena;
};

struct mysql_tables *mysql_tables_new(struct slice database)
{
	struct mysql_tables *tables = calloc(1, sizeof *tables);

	BUG_IF(!tables);
	tables->database = arena_copy(&tables->arena, database);
	return tables;
}

void mysql_tables_free(struct mysql_tables *tables)
{
	struct place *place, *next;

	if (!tables)
		return;
	HASH_ITER(hh, tables->places, place, next)
	{
		HASH_DEL(tables->places, place);
		free(place);
	}
	free(tables->columns);
	free(tables->indexes);
	arena_free(&tables->arena);
	free(tables);
}

/* ---- places ---- */

/* NULL: no table has such a name. */
static struct place *find_place(const struct mysql_tables *tables, struct slice name)
{
	char folded[NAME_MOST];
	struct place *place;

	if (name.n > sizeof folded)
		return NULL;
	for (size_t i = 0; i < name.n; i++)
		folded[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 'a' - 'A') : name.p[i];
	HASH_FIND(hh, tables->places, folded, name.n, place);
	return place;
}

static struct place *get_place(struct mysql_tables *tables, struct slice name)
{
	struct place *place = find_place(tables, name);

	BUG_IF(name.n > NAME_MOST);
	if (place)
		return place;
	place = calloc(1, sizeof *place + name.n);
	BUG_IF(!place);
	for (size_t i = 0; i < name.n; i++)
		place->name[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 'a' - 'A') : name.p[i];
	HASH_ADD(hh, tables->places, name, (unsigned)name.n, place);
	return place;
}

static void widen(struct span *span, size_t row)
{
	if (!span->end)
		span->first = row;
	span->end = row + 1;
}

/* ---- answers ---- */

static void *grow(void *rows, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return rows;
	*cap = *cap ? *cap * 2 : 256;
	rows = realloc(rows, *cap * size);
	BUG_IF(!rows);
	return rows;
}

static void on_column(struct mysql_tables *tables, const struct slice *cells, unsigned count)
{
	struct column_row *row;

	BUG_IF(count != MYSQL_COLUMNS_COUNT);
	tables->columns = grow(tables->columns, tables->column_count, &tables->column_cap, sizeof *row);
	row = &tables->columns[tables->column_count];
	*row = (struct column_row){
		.table = row > tables->columns && slice_equal(row[-1].table, cells[MYSQL_COLUMNS_TABLE])
				 ? row[-1].table
				 : arena_copy(&tables->arena, cells[MYSQL_COLUMNS_TABLE]),
		.column = mysql_columns_read(cells, tables->is_mariadb, &tables->arena),
	};
	if (cells[MYSQL_COLUMNS_COLLATION].p)
		row->collation = arena_copy(&tables->arena, cells[MYSQL_COLUMNS_COLLATION]);
	widen(&get_place(tables, row->table)->columns, tables->column_count++);
}

static void on_index(struct mysql_tables *tables, const struct slice *cells, unsigned count)
{
	BUG_IF(count != 4);
	tables->indexes = grow(tables->indexes, tables->index_count, &tables->index_cap, sizeof *tables->indexes);
	tables->indexes[tables->index_count] = (struct index_row){
		.table = arena_copy(&tables->arena, cells[0]),
		.index = arena_copy(&tables->arena, cells[1]),
		.column = arena_copy(&tables->arena, cells[2]), /* empty: an expression */
		.prefix = cells[3].p != NULL,
	};
	widen(&get_place(tables, cells[0])->indexes, tables->index_count++);
}

/* MariaDB's JSON is LONGTEXT with a constraint that bears the column's name. */
static void on_json(struct mysql_tables *tables, const struct slice *cells, unsigned count)
{
	const struct place *place;

	BUG_IF(count != 2);
	place = find_place(tables, cells[0]);
	for (size_t i = place ? place->columns.first : 0; place && i < place->columns.end; i++)
		if (slice_equal(tables->columns[i].table, cells[0]) && slice_equal(tables->columns[i].column.name, cells[1]))
			tables->columns[i].column.type = COLUMN_JSON;
}

void mysql_tables_row(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	if (statement == COLUMNS)
		on_column(ctx, cells, count);
	else if (statement == INDEXES)
		on_index(ctx, cells, count);
	else
		on_json(ctx, cells, count);
}

void mysql_tables_padding(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct mysql_tables *tables = ctx;

	(void)statement;
	BUG_IF(count != 2);
	for (size_t i = 0; i < tables->column_count; i++) {
		struct column_row *row = &tables->columns[i];

		if (!slice_equal(row->collation, cells[0]))
			continue;
		row->column.exact = true;
		row->column.pads |= slice_is(cells[1], "1");
	}
}

/* ---- questions ---- */

static void where_schema(struct buf *text, const char *column, struct slice name)
{
	struct value value = { .p = name.p, .n = (uint32_t)name.n, .kind = VALUE_TEXT, .ready = true };

	buf_printf(text, " WHERE %s = ", column);
	sql_value(text, SQL_MYSQL, &value, &(struct target_column){ .type = COLUMN_TEXT });
}

void mysql_tables_ask(struct mysql_tables *tables, const struct mysql_session *session, struct buf *text)
{
	tables->is_mariadb = session->is_mariadb;
	tables->folds_names = session->folds_names;
	buf_text(text, "SELECT " MYSQL_COLUMNS_SELECT " FROM information_schema.columns");
	where_schema(text, "TABLE_SCHEMA", tables->database);
	buf_text(text, " ORDER BY TABLE_NAME, ORDINAL_POSITION;\n"
		       "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.statistics");
	where_schema(text, "TABLE_SCHEMA", tables->database);
	buf_text(text, " AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX");
	if (!tables->is_mariadb)
		return;
	buf_text(text, ";\nSELECT TABLE_NAME, CONSTRAINT_NAME FROM information_schema.check_constraints");
	where_schema(text, "CONSTRAINT_SCHEMA", tables->database);
	buf_text(text, " AND CHECK_CLAUSE = CONCAT('json_valid(`', CONSTRAINT_NAME, '`)')");
}

/* A collation that is bytewise by its name is exact only where the server says how it pads. */
bool mysql_tables_ask_padding(struct mysql_tables *tables, struct buf *text)
{
	struct slice asked[64]; /* of more, each column asks */
	size_t count = 0, i;
	bool asks = false;

	for (struct column_row *row = tables->columns; row < tables->columns + tables->column_count; row++) {
		if (!row->collation.p || !mysql_columns_is_bytewise(row->collation))
			continue;
		row->column.exact = false;
		for (i = 0; i < count && !slice_equal(asked[i], row->collation); i++)
			;
		if (i < count)
			continue;
		if (count < sizeof asked / sizeof *asked)
			asked[count++] = row->collation;
		if (asks)
			buf_text(text, " UNION ALL ");
		mysql_columns_ask_padding(text, row->collation);
		asks = true;
	}
	return asks;
}

/* ---- describing ---- */

static bool same_table(const struct mysql_tables *tables, struct slice a, struct slice b)
{
	if (!tables->folds_names)
		return slice_equal(a, b);
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static int fill_key(const struct mysql_tables *tables, struct span rows, struct slice table, struct target *target, struct error *err)
{
	target->key_exact = true;
	for (size_t i = rows.first; i < rows.end; i++) {
		const struct index_row *row = &tables->indexes[i];
		int column;

		if (!same_table(tables, row->table, table))
			continue;
		if (!slice_is(row->index, "PRIMARY")) {
			target->other_unique = true;
			continue;
		}
		column = target_find(target, row->column);
		if (column < 0 || target->key_count == TARGET_KEY_MOST)
			return error_set(err, "table `%.*s`: its primary key has more than %d columns, or one that is not listed",
					 SLICE_ARG(target->name), TARGET_KEY_MOST);
		target->key[target->key_count++] = (uint32_t)column;
		target->key_exact &= target->columns[column].exact && !row->prefix;
	}
	target->has_primary_key = target->key_count > 0;
	target->key_exact &= target->has_primary_key;
	return 0;
}

int mysql_tables_describe(const struct mysql_tables *tables, struct slice table, struct target *target, struct error *err)
{
	const struct place *place = find_place(tables, table);
	struct span rows = place ? place->columns : (struct span){ 0 };

	for (size_t i = rows.first; i < rows.end; i++)
		target->count += same_table(tables, tables->columns[i].table, table);
	target->exists = target->count > 0;
	target->columns = arena_zalloc(target->arena, target->count * sizeof *target->columns);
	for (size_t i = rows.first, next = 0; i < rows.end; i++) {
		const struct target_column *column = &tables->columns[i].column;

		if (!same_table(tables, tables->columns[i].table, table))
			continue;
		target->columns[next] = *column;
		target->columns[next].name = arena_copy(target->arena, column->name);
		target->columns[next++].sql_type = arena_copy(target->arena, column->sql_type);
	}
	return fill_key(tables, place ? place->indexes : (struct span){ 0 }, table, target, err);
}
