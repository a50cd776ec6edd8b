#include "io/mysql_schema.h"

#include <stdlib.h>
#include <strings.h>

#include "flow/sql.h"
#include "io/mysql.h"
#include "io/mysql_blocking.h"
#include "io/mysql_columns.h"
#include "io/mysql_errors.h"

/* One column of one table; rows of a table stand together, in the order of its columns. */
struct column_row {
	struct slice table, collation;
	struct target_column column;
};

/* One column of a unique index, in order. */
struct index_row {
	struct slice table, index, column;
	bool prefix; /* only its first bytes are in the index */
};

struct database {
	struct database *next;
	struct slice name;
	struct column_row *columns;
	struct index_row *indexes;
	size_t column_count, column_cap, index_count, index_cap;
	struct mysql_schema *schema;
};

/* A worker that looks at the schema again while it runs must not stand still for so long that it is taken for dead. */
enum { AGAIN_CONNECT_TIMEOUT_MS = 1500, AGAIN_READ_TIMEOUT_MS = 2500 };

struct mysql_schema {
	const struct mysql_options *options; /* `again` once it has been read */
	struct mysql_options again;
	struct event *forget; /* active as soon as something is kept */
	struct mysql_blocking *connection;
	struct database *databases;
	struct arena arena; /* their names */
	struct buf text;
};

static void forget(struct mysql_schema *schema)
{
	while (schema->databases) {
		struct database *database = schema->databases;

		schema->databases = database->next;
		free(database->columns);
		free(database->indexes);
		free(database);
	}
	arena_reset(&schema->arena);
	mysql_blocking_close(schema->connection);
	schema->connection = NULL;
}

static void on_forget(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd, (void)what;
	forget(ctx);
}

struct mysql_schema *mysql_schema_new(struct event_base *loop, const struct mysql_options *options)
{
	struct mysql_schema *schema = calloc(1, sizeof *schema);

	BUG_IF(!schema);
	schema->options = options;
	schema->again = *options;
	if (schema->again.connect_timeout_ms > AGAIN_CONNECT_TIMEOUT_MS)
		schema->again.connect_timeout_ms = AGAIN_CONNECT_TIMEOUT_MS;
	if (schema->again.read_timeout_ms > AGAIN_READ_TIMEOUT_MS)
		schema->again.read_timeout_ms = AGAIN_READ_TIMEOUT_MS;
	schema->forget = evtimer_new(loop, on_forget, schema);
	BUG_IF(!schema->forget);
	return schema;
}

void mysql_schema_free(struct mysql_schema *schema)
{
	if (!schema)
		return;
	forget(schema);
	event_free(schema->forget);
	arena_free(&schema->arena);
	buf_free(&schema->text);
	free(schema);
}

static void *grow(void *rows, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return rows;
	*cap = *cap ? *cap * 2 : 256;
	rows = realloc(rows, *cap * size);
	BUG_IF(!rows);
	return rows;
}

static void on_column(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct database *database = ctx;
	struct arena *arena = &database->schema->arena;
	struct column_row *row;

	(void)statement;
	BUG_IF(count != MYSQL_COLUMNS_COUNT);
	database->columns = grow(database->columns, database->column_count, &database->column_cap, sizeof *row);
	row = &database->columns[database->column_count++];
	*row = (struct column_row){
		.table = row > database->columns && slice_equal(row[-1].table, cells[MYSQL_COLUMNS_TABLE])
				 ? row[-1].table
				 : arena_copy(arena, cells[MYSQL_COLUMNS_TABLE]),
		.column = mysql_columns_read(cells, mysql_blocking_session(database->schema->connection)->is_mariadb, arena),
	};
	if (cells[MYSQL_COLUMNS_COLLATION].p)
		row->collation = arena_copy(arena, cells[MYSQL_COLUMNS_COLLATION]);
}

static void on_index(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct database *database = ctx;
	struct arena *arena = &database->schema->arena;

	(void)statement;
	BUG_IF(count != 4);
	database->indexes = grow(database->indexes, database->index_count, &database->index_cap, sizeof *database->indexes);
	database->indexes[database->index_count++] = (struct index_row){
		.table = arena_copy(arena, cells[0]),
		.index = arena_copy(arena, cells[1]),
		.column = arena_copy(arena, cells[2]), /* empty: an expression */
		.prefix = cells[3].p != NULL,
	};
}

static void on_padding(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct database *database = ctx;

	(void)statement;
	BUG_IF(count != 2);
	for (size_t i = 0; i < database->column_count; i++) {
		struct column_row *row = &database->columns[i];

		if (!slice_equal(row->collation, cells[0]))
			continue;
		row->column.exact = true;
		row->column.pads |= slice_is(cells[1], "1");
	}
}

/* MariaDB's JSON is LONGTEXT with a constraint that bears the column's name. */
static void on_json(void *ctx, size_t statement, const struct slice *cells, unsigned count)
{
	struct database *database = ctx;

	(void)statement;
	BUG_IF(count != 2);
	for (size_t i = 0; i < database->column_count; i++)
		if (slice_equal(database->columns[i].table, cells[0]) && slice_equal(database->columns[i].column.name, cells[1]))
			database->columns[i].column.type = COLUMN_JSON;
}

static void where_schema(struct buf *text, const char *column, struct slice name)
{
	struct value value = { .p = name.p, .n = (uint32_t)name.n, .kind = VALUE_TEXT, .ready = true };

	buf_printf(text, " WHERE %s = ", column);
	sql_value(text, SQL_MYSQL, &value, &(struct target_column){ .type = COLUMN_TEXT });
}

/* A collation that is bytewise by its name is exact only where the server says how it pads. */
static void load_padding(struct database *database)
{
	struct buf *text = &database->schema->text;
	struct mysql_failure failure;

	buf_clear(text);
	for (size_t i = 0; i < database->column_count; i++) {
		struct column_row *row = &database->columns[i];
		bool asked = false;

		if (!row->collation.p || !mysql_columns_is_bytewise(row->collation))
			continue;
		for (size_t before = 0; before < i && !asked; before++)
			asked = slice_equal(database->columns[before].collation, row->collation);
		row->column.exact = false;
		if (asked)
			continue;
		if (text->n)
			buf_text(text, " UNION ALL ");
		mysql_columns_ask_padding(text, row->collation);
	}
	if (text->n)
		mysql_blocking_run(database->schema->connection, buf_view(text), on_padding, database, &failure);
}

static int load(struct mysql_schema *schema, struct database *database, struct mysql_failure *failure)
{
	struct buf *text = &schema->text;

	buf_clear(text);
	buf_text(text, "SELECT " MYSQL_COLUMNS_SELECT " FROM information_schema.columns");
	where_schema(text, "TABLE_SCHEMA", database->name);
	buf_text(text, " ORDER BY TABLE_NAME, ORDINAL_POSITION");
	if (mysql_blocking_run(schema->connection, buf_view(text), on_column, database, failure) < 0)
		return -1;
	buf_clear(text);
	buf_text(text, "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.statistics");
	where_schema(text, "TABLE_SCHEMA", database->name);
	buf_text(text, " AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX");
	if (mysql_blocking_run(schema->connection, buf_view(text), on_index, database, failure) < 0)
		return -1;
	if (mysql_blocking_session(schema->connection)->is_mariadb) {
		buf_clear(text);
		buf_text(text, "SELECT TABLE_NAME, CONSTRAINT_NAME FROM information_schema.check_constraints");
		where_schema(text, "CONSTRAINT_SCHEMA", database->name);
		buf_text(text, " AND CHECK_CLAUSE = CONCAT('json_valid(`', CONSTRAINT_NAME, '`)')");
		if (mysql_blocking_run(schema->connection, buf_view(text), on_json, database, failure) < 0)
			return -1;
	}
	load_padding(database);
	return 0;
}

static struct database *add_database(struct mysql_schema *schema, struct slice name)
{
	struct database *database = calloc(1, sizeof *database);
	struct timeval now = { 0 };

	BUG_IF(!database);
	database->name = arena_copy(&schema->arena, name);
	database->schema = schema;
	database->next = schema->databases;
	schema->databases = database;
	evtimer_add(schema->forget, &now);
	return database;
}

/* The database of that name as the server has it; NULL with err. */
static struct database *get_database(struct mysql_schema *schema, struct slice name, struct error *err)
{
	struct mysql_failure failure;
	struct database *database;

	for (database = schema->databases; database; database = database->next)
		if (slice_equal(database->name, name))
			return database;
	/* Once more on a new connection: the one that was kept may have ended long ago. */
	for (int try = 0; try < 2; try++) {
		if (!schema->connection)
			schema->connection = mysql_blocking_open(schema->options, &failure);
		if (schema->connection) {
			database = add_database(schema, name);
			if (load(schema, database, &failure) == 0) {
				schema->options = &schema->again;
				return database;
			}
		}
		forget(schema);
		if (!failure.lost)
			break;
	}
	mysql_errors_say(&failure, err);
	error_prefix(err, "%s: the schema of `%.*s` cannot be read", schema->options->flavour, SLICE_ARG(name));
	return NULL;
}

static bool same_table(const struct mysql_schema *schema, struct slice a, struct slice b)
{
	if (!mysql_blocking_session(schema->connection)->folds_names)
		return slice_equal(a, b);
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

static int fill_key(const struct mysql_schema *schema, const struct database *database, struct slice table, struct target *target, struct error *err)
{
	target->key_exact = true;
	for (size_t i = 0; i < database->index_count; i++) {
		const struct index_row *row = &database->indexes[i];
		int column;

		if (!same_table(schema, row->table, table))
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

int mysql_schema_describe(struct mysql_schema *schema, struct target *target, struct error *err)
{
	const char *dot = memchr(target->name.p, '.', target->name.n);
	struct slice name = slice_of(schema->options->database), table = target->name;
	const struct database *database;

	if (dot) {
		name = (struct slice){ table.p, (size_t)(dot - table.p) };
		table = (struct slice){ dot + 1, table.n - name.n - 1 };
	}
	*target = (struct target){ .name = target->name, .id = target->id, .arena = target->arena };
	database = get_database(schema, name, err);
	target->unanswered = !database;
	if (!database)
		return -1;
	for (size_t i = 0; i < database->column_count; i++)
		target->count += same_table(schema, database->columns[i].table, table);
	target->exists = target->count > 0;
	target->columns = arena_zalloc(target->arena, target->count * sizeof *target->columns);
	for (size_t i = 0, next = 0; i < database->column_count; i++) {
		if (!same_table(schema, database->columns[i].table, table))
			continue;
		target->columns[next] = database->columns[i].column;
		target->columns[next].name = arena_copy(target->arena, database->columns[i].column.name);
		target->columns[next++].sql_type = arena_copy(target->arena, database->columns[i].column.sql_type);
	}
	return fill_key(schema, database, table, target, err);
}
