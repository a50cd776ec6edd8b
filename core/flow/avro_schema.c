#include "flow/avro_schema.h"

#include <stdlib.h>

#include "flow/avro_meaning.h"

enum { DEPTH_MOST = 64, TYPES_MOST = 100000, FIXED_MOST = 1 << 20, SCHEMA_DEPTH = 400 };

static const struct {
	const char *name;
	uint8_t kind;
} primitives[] = {
	{ "null", AVRO_NULL },   { "boolean", AVRO_BOOLEAN }, { "int", AVRO_INT },     { "long", AVRO_LONG },
	{ "float", AVRO_FLOAT }, { "double", AVRO_DOUBLE },   { "bytes", AVRO_BYTES }, { "string", AVRO_STRING },
};

struct named {
	struct avro_type *type;
	struct named *next;
};

/* A schema on its way to being read. */
struct making {
	struct avro_schema *schema;
	const struct schema_texts *texts;
	bool *begun; /* of texts->others */
	struct named *names;
	uint32_t types;
	uint32_t depth;
	struct error *err;
};

/* One text's nodes. */
struct place {
	struct making *making;
	const struct json_node *nodes;
	struct slice namespace;
};

static const struct avro_type *read_type(struct place place, const struct json_node *node);

static struct slice text_of(const struct json_node *node)
{
	return node && node->value.kind == VALUE_TEXT ? (struct slice){ node->value.p, node->value.n } : (struct slice){ 0 };
}

static struct slice member_text(struct place place, const struct json_node *node, const char *name)
{
	return text_of(json_member(place.nodes, node, name));
}

static struct avro_type *new_type(struct making *making, enum avro_kind kind)
{
	struct avro_type *type;

	if (making->types++ == TYPES_MOST) {
		error_set(making->err, "a schema of more than %d types", TYPES_MOST);
		return NULL;
	}
	type = arena_zalloc(&making->schema->arena, sizeof *type);
	type->kind = (uint8_t)kind;
	type->reading.meaning = kind == AVRO_BYTES || kind == AVRO_FIXED ? MEANING_BASE64 : MEANING_PLAIN;
	return type;
}

/* ---- names ---- */

struct slice avro_namespace(struct slice name)
{
	const char *dot = name.n ? memrchr(name.p, '.', name.n) : NULL;

	return dot ? (struct slice){ name.p, (size_t)(dot - name.p) } : (struct slice){ 0 };
}

static struct slice full_name(struct making *making, struct slice name, struct slice namespace)
{
	if (namespace.n == 0 || memchr(name.p, '.', name.n))
		return arena_copy(&making->schema->arena, name);
	return arena_printf(&making->schema->arena, "%.*s.%.*s", SLICE_ARG(namespace), SLICE_ARG(name));
}

static const struct avro_type *find_name(const struct making *making, struct slice name)
{
	for (const struct named *named = making->names; named; named = named->next)
		if (slice_equal(named->type->name, name))
			return named->type;
	return NULL;
}

static const struct avro_type *read_text(struct making *making, struct slice text)
{
	struct json *json = json_new(); /* of its own: another text may be in the middle of being read */
	struct place place = { .making = making };
	const struct avro_type *type = NULL;

	if (json_read(json, text, SCHEMA_DEPTH, NULL, &making->schema->arena, &place.nodes, making->err) > 0)
		type = read_type(place, place.nodes);
	json_free(json);
	return type;
}

/* A name that is not known yet may stand in a schema that this one refers to. */
static const struct avro_type *resolve(struct place place, struct slice text)
{
	struct making *making = place.making;
	struct slice qualified = full_name(making, text, place.namespace);

	for (size_t i = 0;; i++) {
		const struct avro_type *type = find_name(making, qualified);

		if (!type)
			type = find_name(making, text);
		if (type)
			return type;
		while (i < making->texts->other_count && making->begun[i])
			i++;
		if (i >= making->texts->other_count)
			break;
		making->begun[i] = true;
		if (!read_text(making, making->texts->others[i]))
			return NULL;
	}
	error_set(making->err, "'%.*s' is no type, and no name of one", SLICE_ARG(text));
	return NULL;
}

static const struct avro_type *type_by_name(struct place place, struct slice name)
{
	for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++)
		if (slice_is(name, primitives[i].name))
			return new_type(place.making, (enum avro_kind)primitives[i].kind);
	return resolve(place, name);
}

/* ---- types ---- */

static uint32_t count_of(struct place place, const struct json_node *list)
{
	uint32_t count = 0;

	for (const struct json_node *node = list + 1; node < place.nodes + list->end; node = place.nodes + node->end)
		count++;
	return count;
}

static bool is_list(const struct json_node *node)
{
	return node && node->value.kind == VALUE_JSON && !node->object && node->expanded;
}

static const struct avro_type *read_union(struct place place, const struct json_node *node)
{
	struct avro_type *type = new_type(place.making, AVRO_UNION);
	const struct avro_type *only = NULL;
	uint32_t others = 0;

	if (!type)
		return NULL;
	type->branches = arena_alloc(&place.making->schema->arena, (count_of(place, node) + 1) * sizeof(*type->branches));
	for (const struct json_node *branch = node + 1; branch < place.nodes + node->end; branch = place.nodes + branch->end) {
		const struct avro_type *found = read_type(place, branch);

		if (!found)
			return NULL;
		type->branches[type->count++] = found;
		if (found->kind != AVRO_NULL) {
			only = found;
			others++;
		}
	}
	if (others == 1)
		type->reading = only->reading;
	return type;
}

static void add_name(struct making *making, struct avro_type *type)
{
	struct named *named = arena_alloc(&making->schema->arena, sizeof *named);

	*named = (struct named){ type, making->names };
	making->names = named;
}

static struct avro_type *new_named(struct place *place, const struct json_node *node, enum avro_kind kind)
{
	const struct json_node *namespace = json_member(place->nodes, node, "namespace");
	struct slice name = member_text(*place, node, "name");
	struct avro_type *type = new_type(place->making, kind);

	if (!type)
		return NULL;
	if (name.n == 0) {
		error_set(place->making->err, "a type without a name");
		return NULL;
	}
	type->name = full_name(place->making, name, namespace ? text_of(namespace) : place->namespace);
	place->namespace = avro_namespace(type->name);
	add_name(place->making, type);
	return type;
}

static const struct avro_type *read_record(struct place place, const struct json_node *node)
{
	const struct json_node *fields = json_member(place.nodes, node, "fields");
	struct avro_type *type = new_named(&place, node, AVRO_RECORD);
	struct arena *arena = &place.making->schema->arena;

	if (!type)
		return NULL;
	if (!is_list(fields)) {
		error_set(place.making->err, "record %.*s has no fields", SLICE_ARG(type->name));
		return NULL;
	}
	type->fields = arena_zalloc(arena, (count_of(place, fields) + 1) * sizeof(*type->fields));
	for (const struct json_node *field = fields + 1; field < place.nodes + fields->end; field = place.nodes + field->end) {
		struct slice name = member_text(place, field, "name");
		const struct json_node *of = json_member(place.nodes, field, "type");

		if (name.n == 0 || !of) {
			error_set(place.making->err, "a field of record %.*s without a name or a type", SLICE_ARG(type->name));
			return NULL;
		}
		type->fields[type->count].type = read_type(place, of);
		if (!type->fields[type->count].type)
			return NULL;
		type->fields[type->count++].name = arena_copy(arena, name);
	}
	place.making->schema->is_tidb |= avro_read_meaning(place.nodes, node, type);
	return type;
}

static const struct avro_type *read_enum(struct place place, const struct json_node *node)
{
	const struct json_node *symbols = json_member(place.nodes, node, "symbols");
	struct avro_type *type = new_named(&place, node, AVRO_ENUM);

	if (!type)
		return NULL;
	if (!is_list(symbols)) {
		error_set(place.making->err, "enum %.*s has no symbols", SLICE_ARG(type->name));
		return NULL;
	}
	type->symbols = arena_alloc(&place.making->schema->arena, (count_of(place, symbols) + 1) * sizeof(*type->symbols));
	for (const struct json_node *symbol = symbols + 1; symbol < place.nodes + symbols->end; symbol = place.nodes + symbol->end)
		type->symbols[type->count++] = arena_copy(&place.making->schema->arena, text_of(symbol));
	return type;
}

static const struct avro_type *read_fixed(struct place place, const struct json_node *node)
{
	const struct json_node *size = json_member(place.nodes, node, "size");
	struct avro_type *type = new_named(&place, node, AVRO_FIXED);
	int64_t bytes;

	if (!type)
		return NULL;
	if (!size || !value_is_integer(&size->value, &bytes) || bytes < 0 || bytes > FIXED_MOST) {
		error_set(place.making->err, "fixed %.*s has no size, or one above %d", SLICE_ARG(type->name), FIXED_MOST);
		return NULL;
	}
	type->size = (uint32_t)bytes;
	place.making->schema->is_tidb |= avro_read_meaning(place.nodes, node, type);
	return type;
}

static const struct avro_type *read_container(struct place place, const struct json_node *node, enum avro_kind kind)
{
	const struct json_node *items = json_member(place.nodes, node, kind == AVRO_ARRAY ? "items" : "values");
	struct avro_type *type = new_type(place.making, kind);

	if (!type)
		return NULL;
	if (!items) {
		error_set(place.making->err, "%s without a type of what it holds", kind == AVRO_ARRAY ? "an array" : "a map");
		return NULL;
	}
	type->items = read_type(place, items);
	return type->items ? type : NULL;
}

/* {"type": ..., attributes}. */
static const struct avro_type *read_object(struct place place, const struct json_node *node)
{
	const struct json_node *of = json_member(place.nodes, node, "type");
	const struct avro_type *found;
	struct avro_type *type;
	struct slice name = text_of(of);

	if (slice_is(name, "record") || slice_is(name, "error"))
		return read_record(place, node);
	if (slice_is(name, "enum"))
		return read_enum(place, node);
	if (slice_is(name, "fixed"))
		return read_fixed(place, node);
	if (slice_is(name, "array") || slice_is(name, "map"))
		return read_container(place, node, slice_is(name, "array") ? AVRO_ARRAY : AVRO_MAP);
	if (!of) {
		error_set(place.making->err, "%.*s has no \"type\"", SLICE_ARG(value_show(&node->value, &place.making->schema->arena)));
		return NULL;
	}
	found = read_type(place, of);
	if (!found || found->kind >= AVRO_FIXED)
		return found; /* a named type, which has its meaning from where it is made */
	type = new_type(place.making, (enum avro_kind)found->kind);
	if (!type)
		return NULL;
	*type = *found;
	place.making->schema->is_tidb |= avro_read_meaning(place.nodes, node, type);
	return type;
}

static const struct avro_type *read_type(struct place place, const struct json_node *node)
{
	const struct avro_type *type = NULL;

	if (place.making->depth == DEPTH_MOST) {
		error_set(place.making->err, "a schema of more than %d levels", DEPTH_MOST);
		return NULL;
	}
	place.making->depth++;
	if (node->value.kind == VALUE_TEXT)
		type = type_by_name(place, text_of(node));
	else if (is_list(node))
		type = read_union(place, node);
	else if (node->value.kind == VALUE_JSON && node->object && node->expanded)
		type = read_object(place, node);
	else
		error_set(place.making->err, "%.*s is no type", SLICE_ARG(value_show(&node->value, &place.making->schema->arena)));
	place.making->depth--;
	return type;
}

struct avro_schema *avro_schema_new(const struct schema_texts *texts, struct error *err)
{
	struct avro_schema *schema = calloc(1, sizeof *schema);
	struct making making = { .schema = schema, .texts = texts, .err = err };

	BUG_IF(!schema);
	making.begun = arena_zalloc(&schema->arena, texts->other_count + 1);
	schema->root = read_text(&making, texts->text);
	if (!schema->root) {
		avro_schema_free(schema);
		return NULL;
	}
	avro_read_root(schema);
	return schema;
}

void avro_schema_free(struct avro_schema *schema)
{
	if (!schema)
		return;
	arena_free(&schema->arena);
	free(schema);
}
