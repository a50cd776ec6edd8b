#include "flow/canal_types.h"

#include <strings.h>

/* "BIGINT(20) unsigned": the word that it begins with. */
static struct slice first_word(struct slice type)
{
	size_t n = 0;

	while (n < type.n && type.p[n] != '(' && type.p[n] != ' ')
		n++;
	return (struct slice){ type.p, n };
}

static struct reading reading_of(struct slice type)
{
	static const struct {
		const char *name;
		enum meaning meaning;
	} types[] = {
		{ "tinyint", MEANING_NUMERIC },
		{ "smallint", MEANING_NUMERIC },
		{ "mediumint", MEANING_NUMERIC },
		{ "int", MEANING_NUMERIC },
		{ "integer", MEANING_NUMERIC },
		{ "bigint", MEANING_NUMERIC },
		{ "bool", MEANING_NUMERIC },
		{ "boolean", MEANING_NUMERIC },
		{ "serial", MEANING_NUMERIC },
		{ "decimal", MEANING_NUMERIC },
		{ "numeric", MEANING_NUMERIC },
		{ "dec", MEANING_NUMERIC },
		{ "fixed", MEANING_NUMERIC },
		{ "float", MEANING_DOUBLE },
		{ "double", MEANING_DOUBLE },
		{ "real", MEANING_DOUBLE },
		{ "bit", MEANING_BIT_NUMBER },
		{ "year", MEANING_NUMERIC },
		{ "enum", MEANING_NUMERIC },
		{ "set", MEANING_NUMERIC },
		{ "char", MEANING_PLAIN },
		{ "varchar", MEANING_PLAIN },
		{ "tinytext", MEANING_PLAIN },
		{ "text", MEANING_PLAIN },
		{ "mediumtext", MEANING_PLAIN },
		{ "longtext", MEANING_PLAIN },
		{ "json", MEANING_PLAIN },
		{ "vector", MEANING_PLAIN },
		{ "binary", MEANING_LATIN1 },
		{ "varbinary", MEANING_LATIN1 },
		{ "tinyblob", MEANING_LATIN1 },
		{ "blob", MEANING_LATIN1 },
		{ "mediumblob", MEANING_LATIN1 },
		{ "longblob", MEANING_LATIN1 },
		{ "geometry", MEANING_LATIN1 },
		{ "point", MEANING_LATIN1 },
		{ "linestring", MEANING_LATIN1 },
		{ "polygon", MEANING_LATIN1 },
		{ "multipoint", MEANING_LATIN1 },
		{ "multilinestring", MEANING_LATIN1 },
		{ "multipolygon", MEANING_LATIN1 },
		{ "geometrycollection", MEANING_LATIN1 },
		{ "geomcollection", MEANING_LATIN1 },
		{ "date", MEANING_ISO },
		{ "datetime", MEANING_ISO },
		{ "time", MEANING_ISO },
		{ "timestamp", MEANING_ZONED },
	};
	struct slice word = first_word(type);

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strlen(types[i].name) == word.n && strncasecmp(types[i].name, word.p, word.n) == 0)
			return (struct reading){ .meaning = (uint8_t)types[i].meaning, .scale = types[i].meaning >= MEANING_DAYS ? -1 : 0 };
	return (struct reading){ 0 };
}

bool canal_types_known(const struct known_table *table, struct slice types)
{
	return table->types.n == types.n && (!types.p || memcmp(table->types.p, types.p, types.n) == 0);
}

int canal_types_read(struct known_table *table, struct decoder *decoder, struct slice types, struct error *err)
{
	const struct json_node *nodes;
	int count;

	known_forget_types(table);
	if (!types.p)
		return 0;
	count = json_read(decoder->json, types, 0, NULL, decoder->arena, &nodes, err);
	if (count < 0)
		return -1;
	table->declared = arena_alloc(&table->arena, (size_t)count * sizeof *table->declared);
	for (const struct json_node *node = nodes + 1; node < nodes + nodes->end; node = nodes + node->end) {
		if (node->value.kind != VALUE_TEXT || known_is_implicit(node->name))
			continue;
		table->declared[table->declared_count++] = (struct column){
			.name = arena_copy(&table->arena, node->name),
			.declared = reading_of((struct slice){ node->value.p, node->value.n }),
		};
	}
	table->types = arena_copy(&table->arena, types);
	return 0;
}
