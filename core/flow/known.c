#include "flow/known.h"

#include <stdlib.h>
#include <strings.h>

struct known_tables {
	struct known_table *by_name;
	struct known_table *last; /* messages come in runs of one table */
	uint32_t count;
};

/* ---- tables ---- */

struct known_tables *known_tables_new(void)
{
	struct known_tables *tables = calloc(1, sizeof *tables);

	BUG_IF(!tables);
	return tables;
}

void known_tables_free(struct known_tables *tables)
{
	struct known_table *table, *next;

	if (!tables)
		return;
	HASH_ITER(hh, tables->by_name, table, next)
	{
		HASH_DEL(tables->by_name, table);
		arena_free(&table->arena);
		free(table);
	}
	free(tables);
}

static bool is_named(const struct known_table *table, struct slice database, struct slice name)
{
	const char *p = table->name.p;

	return table->name.n == database.n + 1 + name.n && (database.n == 0 || memcmp(p, database.p, database.n) == 0) && p[database.n] == 0 &&
	       (name.n == 0 || memcmp(p + database.n + 1, name.p, name.n) == 0);
}

static void join(char *out, struct slice database, struct slice name)
{
	if (database.n)
		memcpy(out, database.p, database.n);
	out[database.n] = 0;
	if (name.n)
		memcpy(out + database.n + 1, name.p, name.n);
}

struct known_table *known_tables_get(struct known_tables *tables, struct slice database, struct slice table, struct error *err)
{
	enum { SHORT = 256 };
	struct known_table *found = tables->last;
	size_t n = database.n + 1 + table.n;
	char joined[SHORT];

	if (found && is_named(found, database, table))
		return found;
	if (n > SHORT) {
		error_set(err, "a table whose name has %zu bytes", n);
		return NULL;
	}
	join(joined, database, table);
	HASH_FIND(hh, tables->by_name, joined, n, found);
	if (!found) {
		if (tables->count == KNOWN_TABLES_MOST) {
			error_set(err, "more than %d different tables; are their names made from data?", KNOWN_TABLES_MOST);
			return NULL;
		}
		found = calloc(1, sizeof *found + n);
		BUG_IF(!found);
		found->name = (struct slice){ memcpy((char *)(found + 1), joined, n), n };
		HASH_ADD_KEYPTR(hh, tables->by_name, found->name.p, n, found);
		tables->count++;
	}
	tables->last = found;
	return found;
}

void known_forget_types(struct known_table *table)
{
	table->shape = NULL;
	table->types = (struct slice){ 0 };
	table->declared = NULL;
	table->declared_count = 0;
	arena_reset(&table->arena);
}

/* ---- rows ---- */

static bool same_reading(struct reading a, struct reading b)
{
	return a.meaning == b.meaning && a.scale == b.scale && a.length == b.length;
}

static struct reading declared_of(const struct known_table *table, struct slice name)
{
	for (uint32_t i = 0; i < table->declared_count; i++)
		if (slice_equal(table->declared[i].name, name))
			return table->declared[i].declared;
	return (struct reading){ 0 };
}

/* Columns of its own, with room for all that may come. */
static void own_columns(struct known_row *row, struct decoder *decoder)
{
	struct column *columns = arena_alloc(decoder->arena, (row->room + 1) * sizeof *columns);

	if (row->column_count)
		memcpy(columns, row->columns, row->column_count * sizeof *columns);
	row->columns = columns;
	row->changed = true;
}

/* Columns nearly always stand in the order in which they stood last time. One that is spelled in other letters is the same to every database that
 * these formats come from. */
static uint32_t find(const struct known_row *row, struct slice name)
{
	for (uint32_t i = row->at; i < row->column_count; i++)
		if (slice_equal(row->columns[i].name, name))
			return i;
	for (uint32_t i = 0; i < row->at && i < row->column_count; i++)
		if (slice_equal(row->columns[i].name, name))
			return i;
	for (uint32_t i = 0; i < row->column_count; i++)
		if (row->columns[i].name.n == name.n && strncasecmp(row->columns[i].name.p, name.p, name.n) == 0)
			return i;
	return row->column_count;
}

/* Where a column is; it is added where it is new. */
static uint32_t place(struct known_row *row, struct decoder *decoder, struct slice name, const struct reading *declared)
{
	uint32_t i = find(row, name);
	bool added = i == row->column_count;

	BUG_IF(i >= row->room);
	if (added || (declared && !same_reading(*declared, row->columns[i].declared))) {
		if (!row->changed)
			own_columns(row, decoder);
		row->columns[i] = (struct column){ .name = name, .declared = declared ? *declared : declared_of(row->table, name) };
		row->column_count += added;
	}
	row->at = i + 1;
	return i;
}

void known_row_begin(struct known_row *row, struct decoder *decoder, struct known_table *table, size_t most)
{
	*row = (struct known_row){ .table = table, .room = (uint32_t)most };
	if (table->shape) {
		row->columns = table->shape->columns;
		row->column_count = table->shape->count;
		row->room += row->column_count;
	}
	row->row = arena_zalloc(decoder->arena, (row->room + 1) * sizeof *row->row);
}

void known_row_set(struct known_row *row, struct decoder *decoder, struct slice name, const struct reading *declared, struct value value)
{
	struct value *to;

	if (known_is_implicit(name))
		return;
	to = &(row->old ? row->old : row->row)[place(row, decoder, name, declared)];
	row->count += !row->old && !VALUE_IS_SET(to);
	*to = value;
}

void known_row_begin_old(struct known_row *row, struct decoder *decoder)
{
	row->old = arena_alloc(decoder->arena, (row->room + 1) * sizeof *row->old);
	memcpy(row->old, row->row, (row->room + 1) * sizeof *row->old);
	row->at = 0;
}

void known_row_read(struct known_row *row, struct decoder *decoder, const struct json_node *nodes, const struct json_node *object)
{
	const struct json_node *end = nodes + object->end;

	for (const struct json_node *node = object + 1; node < end; node = nodes + node->end)
		known_row_set(row, decoder, node->name, NULL, node->value);
}

int known_row_images(struct known_row *row, struct decoder *decoder, struct image *image, struct image *old, struct error *err)
{
	const struct shape *shape = row->changed ? shapes_intern(decoder->shapes, row->columns, row->column_count, err) : row->table->shape;

	if (!shape)
		return -1;
	row->table->shape = shape;
	*image = (struct image){ .shape = shape, .values = row->row, .state = IMAGE_WHOLE };
	*old = row->old ? (struct image){ .shape = shape, .values = row->old, .state = IMAGE_WHOLE } : (struct image){ 0 };
	return 0;
}

bool known_is_implicit(struct slice name)
{
	return name.n > 0 && name.p[0] == '_' && (slice_is(name, "__#alibaba_rds_row_id#__") || slice_is(name, "_drds_implicit_id_"));
}

/* ---- keys ---- */

static bool same_names(const struct shape *shape, const struct slice *names, uint32_t count)
{
	if (!shape || shape->count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!slice_equal(shape->columns[i].name, names[i]))
			return false;
	return true;
}

int known_set_key(struct known_table *table, struct decoder *decoder, const struct slice *names, uint32_t count, struct error *err)
{
	struct column columns[IMAGE_PICK_MOST];

	if (count == 0 || same_names(table->key, names, count)) {
		if (count == 0)
			table->key = NULL;
		return 0;
	}
	if (count > IMAGE_PICK_MOST)
		return error_set(err, "a key of %u columns; no more than %d can be read", count, IMAGE_PICK_MOST);
	for (uint32_t i = 0; i < count; i++)
		columns[i] = (struct column){ .name = names[i] };
	table->key = shapes_intern(decoder->shapes, columns, count, err);
	return table->key ? 0 : -1;
}

int known_read_key(struct known_table *table, struct decoder *decoder, const struct json_node *nodes, const struct json_node *names,
		   struct error *err)
{
	struct slice found[IMAGE_PICK_MOST];
	uint32_t count = 0;

	if (names && names->value.kind != VALUE_NULL) {
		if (names->value.kind != VALUE_JSON || names->object || !names->expanded)
			return error_set(err, "\"%.*s\" is no list of names", SLICE_ARG(names->name));
		for (const struct json_node *node = names + 1; node < nodes + names->end; node = nodes + node->end) {
			struct slice name = { node->value.p, node->value.n };

			if (node->value.kind != VALUE_TEXT)
				return error_set(err, "\"%.*s\" is no list of names", SLICE_ARG(names->name));
			if (known_is_implicit(name))
				continue;
			if (count == IMAGE_PICK_MOST)
				return error_set(err, "a key of more than %d columns", IMAGE_PICK_MOST);
			found[count++] = name;
		}
	}
	return known_set_key(table, decoder, found, count, err);
}

bool known_pick_key(struct known_table *table, struct decoder *decoder, const struct image *from, struct image *key)
{
	struct image wanted = { .shape = table->key };

	*key = (struct image){ 0 };
	if (!table->key || !from->shape || !image_pick(decoder, &table->key_of_row, &wanted, from, key))
		return false;
	for (uint32_t i = 0; i < key->shape->count; i++) {
		if (!VALUE_IS_SET(&key->values[i])) {
			*key = (struct image){ 0 };
			return false;
		}
	}
	return true;
}
