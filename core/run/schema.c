#include "run/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char tables_of_mysql[] = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND "
				      "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME;\n";
static const char tables_of_sqlite[] = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name;\n";

/* Tables are listed before any is described: the sink has one question at a time. */
struct names {
	struct schema *schema;
	size_t cap;
};

static bool has_prefix(struct slice name, const char *prefix)
{
	return name.n >= strlen(prefix) && memcmp(name.p, prefix, strlen(prefix)) == 0;
}

static void add_table(void *ctx, const struct slice *cells, unsigned count)
{
	struct names *names = ctx;
	struct schema *schema = names->schema;

	if (count != 1 || has_prefix(cells[0], "streamlua_") || has_prefix(cells[0], "sqlite_"))
		return;
	if (schema->count == names->cap) {
		struct schema_table *more;

		names->cap = names->cap ? names->cap * 2 : 64;
		more = arena_alloc(&schema->arena, names->cap * sizeof *more);
		if (schema->count)
			memcpy(more, schema->tables, schema->count * sizeof *more);
		schema->tables = more;
	}
	schema->tables[schema->count++] = (struct schema_table){ .target = { .name = arena_copy(&schema->arena, cells[0]),
									     .arena = &schema->arena } };
}

static bool is_taken(const struct schema *schema, size_t before, struct slice stem)
{
	for (size_t i = 0; i < before; i++)
		if (slice_equal(schema->tables[i].stem, stem))
			return true;
	return false;
}

/* orders -> orders; a/b -> a_b; x_test -> x_test_, as *_test.lua is no script; what is there already gets a number. */
static struct slice stem_of(struct schema *schema, size_t at)
{
	static const char test[] = "_test";
	struct slice name = schema->tables[at].target.name, stem;
	char *text = arena_alloc(&schema->arena, name.n + 24);

	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		text[i] = isalnum(c) || c == '_' || c >= 0x80 || (c == '-' && i) ? (char)c : '_';
	}
	stem = (struct slice){ text, name.n };
	if (stem.n >= sizeof test - 1 && memcmp(text + stem.n - (sizeof test - 1), test, sizeof test - 1) == 0)
		text[stem.n++] = '_';
	for (size_t number = 2, n = stem.n; is_taken(schema, at, stem); number++)
		stem.n = n + (size_t)snprintf(text + n, 22, "_%zu", number);
	return stem;
}

static const char *fault_of(struct schema *schema, const struct target *target, const struct error *err)
{
	/* What a script names is "database.table" or "sink:table". */
	if (memchr(target->name.p, '.', target->name.n) || memchr(target->name.p, ':', target->name.n))
		return "its name has a dot or a colon in it, which a script cannot name";
	if (err->text[0])
		return arena_copy(&schema->arena, slice_of(err->text)).p;
	if (!target->exists)
		return "its columns cannot be seen";
	if (!target->has_primary_key)
		return "it has no primary key; a script of your own can say `key = { ... }`, or give the table one";
	return NULL;
}

int schema_read(struct schema *schema, struct sink *sink, struct error *err)
{
	struct names names = { .schema = schema };
	bool sqlite = strcmp(sink->ops->name, "sqlite") == 0;

	*schema = (struct schema){ .arena = ARENA_INIT };
	if (sink->ops->query(sink, slice_of(sqlite ? tables_of_sqlite : tables_of_mysql), add_table, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < schema->count; i++) {
		struct schema_table *table = &schema->tables[i];
		struct error fault = { .text = "" };

		table->stem = stem_of(schema, i);
		if (!memchr(table->target.name.p, '.', table->target.name.n) && sink->ops->describe(sink, &table->target, &fault) < 0 &&
		    table->target.unanswered) {
			*err = fault;
			return -1;
		}
		table->unsuitable = fault_of(schema, &table->target, &fault);
	}
	return 0;
}

void schema_free(struct schema *schema)
{
	arena_free(&schema->arena);
}
