/* What accumulators keep of single values. */
#include "flow/accumulator_private.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "flow/number.h"

/* ---- one of the values ---- */

static int keep(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int64_t at_ms, struct error *err)
{
	uint8_t kind = value->kind;

	if (kind == VALUE_BYTES || kind == VALUE_JSON)
		kind = VALUE_TEXT;
	if (kind == VALUE_TEXT && !utf8_valid(accumulator_text(value)))
		return error_set(err, "%s: bytes that are no UTF-8 cannot be kept", aggregate_name(aggregate->kind));
	acc->kind = kind;
	acc->at_ms = at_ms;
	buf_clear(&acc->text);
	buf_append(&acc->text, value->p, kind == VALUE_TRUE || kind == VALUE_FALSE ? 0 : value->n);
	return 0;
}

struct value kept_value(const struct accumulator *acc)
{
	return (struct value){ .p = acc->text.p, .n = (uint32_t)acc->text.n, .kind = acc->kind, .ready = true };
}

/* A number of more than 15 digits comes out of Lua as their text; what is shorter is a text of a column of texts. */
static bool is_large(const struct value *value)
{
	struct number number;

	return value->n > 15 && number_parse(&number, accumulator_text(value));
}

/* Texts are compared as bytes, all else as numbers. */
static int compare(const struct aggregate *aggregate, const struct value *a, const struct value *b, int *order, struct error *err)
{
	bool texts = (a->kind == VALUE_TEXT || a->kind == VALUE_BYTES || a->kind == VALUE_JSON) && b->kind == VALUE_TEXT;
	const struct value *both[] = { a, b };
	struct number numbers[2];

	if (texts && !(is_large(a) && is_large(b))) {
		*order = slice_compare(accumulator_text(a), accumulator_text(b));
		return 0;
	}
	for (int i = 0; i < 2; i++)
		if ((both[i]->kind != VALUE_NUMBER && both[i]->kind != VALUE_TEXT) || !number_parse(&numbers[i], accumulator_text(both[i])))
			return accumulator_no_number(aggregate, both[i], err);
	*order = number_compare(&numbers[0], &numbers[1]);
	return 0;
}

int kept_choose(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int64_t at_ms, struct error *err)
{
	struct value held = kept_value(acc);
	int order = -1;

	if (!acc->set)
		return keep(aggregate, acc, value, at_ms, err);
	switch (aggregate->kind) {
	case AGGREGATE_FIRST:
		order = at_ms < acc->at_ms ? -1 : 1;
		break;
	case AGGREGATE_LAST:
		order = at_ms >= acc->at_ms ? -1 : 1;
		break;
	default:
		if (compare(aggregate, value, &held, &order, err) < 0)
			return -1;
		order = aggregate->kind == AGGREGATE_MAX ? -order : order;
	}
	return order < 0 ? keep(aggregate, acc, value, at_ms, err) : 0;
}

void kept_encode(const struct accumulator *acc, struct buf *out)
{
	if (acc->kind == VALUE_TEXT)
		buf_json_string(out, buf_view(&acc->text));
	else if (acc->kind == VALUE_NUMBER)
		buf_slice(out, buf_view(&acc->text));
	else
		buf_text(out, acc->kind == VALUE_TRUE ? "true" : "false");
}

int kept_decode(struct accumulator *acc, const struct json_node *node)
{
	acc->set = true;
	acc->kind = node->value.kind;
	if (node->value.kind == VALUE_TEXT || node->value.kind == VALUE_NUMBER)
		buf_append(&acc->text, node->value.p, node->value.n);
	return node->value.kind >= VALUE_FALSE && node->value.kind <= VALUE_TEXT ? 0 : -1;
}

/* ---- different values ---- */

/* A letter for what it is, and the value: one number has one name. */
static void name_value(struct buf *out, const struct value *value)
{
	struct number number;

	buf_clear(out);
	if (value->kind == VALUE_TRUE || value->kind == VALUE_FALSE) {
		buf_text(out, value->kind == VALUE_TRUE ? "btrue" : "bfalse");
	} else if (value->kind == VALUE_NUMBER && number_parse(&number, accumulator_text(value))) {
		buf_char(out, 'n');
		number_plain(out, &number);
	} else {
		buf_char(out, 's');
		buf_slice(out, accumulator_text(value));
	}
}

/* Where the name is, or would be. */
static size_t find(const struct accumulator *acc, struct slice name, bool *found)
{
	size_t low = 0, high = (size_t)acc->n;

	*found = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = slice_compare(buf_view(&acc->distinct[middle].name), name);

		if (order == 0) {
			*found = true;
			return middle;
		}
		*(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
	}
	return low;
}

static void insert(struct accumulator *acc, size_t at, struct buf name, int64_t n)
{
	if ((size_t)acc->n == acc->distinct_cap) {
		acc->distinct_cap = acc->distinct_cap ? acc->distinct_cap * 2 : 4;
		acc->distinct = realloc(acc->distinct, acc->distinct_cap * sizeof(*acc->distinct));
		BUG_IF(!acc->distinct);
	}
	memmove(acc->distinct + at + 1, acc->distinct + at, ((size_t)acc->n - at) * sizeof(*acc->distinct));
	acc->distinct[at] = (struct distinct){ name, n };
	acc->n++;
}

int names_take(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int sign, struct error *err)
{
	struct buf name = BUF_INIT;
	bool found;
	size_t at;

	if ((value->kind == VALUE_TEXT || value->kind == VALUE_BYTES) && !utf8_valid(accumulator_text(value)))
		return error_set(err, "%s: bytes that are no UTF-8 cannot be kept", aggregate_name(aggregate->kind));
	if (!acc->set)
		acc->n = 0;
	name_value(&name, value);
	at = find(acc, buf_view(&name), &found);
	if (!found && sign > 0) {
		insert(acc, at, name, 1);
		return 0;
	}
	buf_free(&name);
	if (!found)
		return accumulator_never_counted(aggregate, err);
	acc->distinct[at].n += sign;
	if (acc->distinct[at].n == 0) {
		buf_free(&acc->distinct[at].name);
		acc->n--;
		memmove(acc->distinct + at, acc->distinct + at + 1, ((size_t)acc->n - at) * sizeof(*acc->distinct));
	}
	return 0;
}

void names_merge(struct accumulator *into, struct accumulator *from)
{
	for (int64_t i = 0; i < from->n; i++) {
		struct distinct *one = &from->distinct[i];
		bool found;
		size_t at = find(into, buf_view(&one->name), &found);

		if (found) {
			into->distinct[at].n += one->n;
			continue;
		}
		insert(into, at, one->name, one->n);
		one->name = BUF_INIT;
	}
}

void names_encode(const struct accumulator *acc, struct buf *out)
{
	buf_text(out, "{\"n\":");
	buf_int(out, acc->n);
	buf_text(out, ",\"of\":{");
	for (int64_t i = 0; i < acc->n; i++) {
		if (i)
			buf_char(out, ',');
		buf_json_string(out, buf_view(&acc->distinct[i].name));
		buf_char(out, ':');
		buf_int(out, acc->distinct[i].n);
	}
	buf_text(out, "}}");
}

int names_decode(struct accumulator *acc, const struct json_node *nodes, const struct json_node *node)
{
	const struct json_node *of = json_member(nodes, node, "of");

	acc->set = true;
	if (!of || of->value.kind != VALUE_JSON || !of->expanded)
		return -1;
	for (const struct json_node *one = of + 1; one < nodes + of->end; one = nodes + one->end) {
		struct buf name = BUF_INIT;
		bool found;
		int64_t n;
		size_t at = find(acc, one->name, &found);

		if (!of->object || found || !value_is_integer(&one->value, &n))
			return -1;
		buf_slice(&name, one->name);
		insert(acc, at, name, n);
	}
	return 0;
}
