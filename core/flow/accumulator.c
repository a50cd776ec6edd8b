#include "flow/accumulator_private.h"

#include <stdlib.h>

#include "flow/script_api.h"

static const char *const names[AGGREGATE_KINDS] = {
	[AGGREGATE_COUNT] = "count", [AGGREGATE_SUM] = "sum",     [AGGREGATE_AVG] = "avg",   [AGGREGATE_MIN] = "min",
	[AGGREGATE_MAX] = "max",     [AGGREGATE_FIRST] = "first", [AGGREGATE_LAST] = "last", [AGGREGATE_COUNT_DISTINCT] = "count_distinct",
};

const char *aggregate_name(enum aggregate_kind kind)
{
	return names[kind];
}

enum aggregate_kind aggregate_named(struct slice name)
{
	int kind = 0;

	while (kind < AGGREGATE_KINDS && !slice_is(name, names[kind]))
		kind++;
	return (enum aggregate_kind)kind;
}

struct slice accumulator_text(const struct value *value)
{
	return (struct slice){ value->p, value->n };
}

int accumulator_no_number(const struct aggregate *aggregate, const struct value *value, struct error *err)
{
	if (value->kind == VALUE_TRUE || value->kind == VALUE_FALSE)
		return error_set(err, "%s: a number is needed, not a boolean", aggregate_name(aggregate->kind));
	return error_set(err, "%s: '%.*s' is no decimal number", aggregate_name(aggregate->kind), (int)(value->n < 60 ? value->n : 60), value->p);
}

int accumulator_never_counted(const struct aggregate *aggregate, struct error *err)
{
	return error_set(err, "%s: a row is taken back that was never counted", aggregate_name(aggregate->kind));
}

static int take_back(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, struct error *err)
{
	switch (aggregate->kind) {
	case AGGREGATE_COUNT:
		if (!acc->set || acc->n < 1)
			return accumulator_never_counted(aggregate, err);
		acc->n--;
		return 0;
	case AGGREGATE_SUM:
	case AGGREGATE_AVG:
		return sum_take(aggregate, acc, value, -1, err);
	case AGGREGATE_COUNT_DISTINCT:
		return names_take(aggregate, acc, value, -1, err);
	default:
		return error_set(err, "%s cannot take a row back: this window is for streams without updates and deletes",
				 aggregate_name(aggregate->kind));
	}
}

int accumulator_take(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int64_t at_ms, int sign,
		     struct error *err)
{
	if (sign < 0)
		return take_back(aggregate, acc, value, err);
	switch (aggregate->kind) {
	case AGGREGATE_COUNT:
		acc->n = acc->set ? acc->n + 1 : 1;
		break;
	case AGGREGATE_SUM:
	case AGGREGATE_AVG:
		return sum_take(aggregate, acc, value, 1, err);
	case AGGREGATE_COUNT_DISTINCT:
		if (names_take(aggregate, acc, value, 1, err) < 0)
			return -1;
		break;
	default:
		if (kept_choose(aggregate, acc, value, at_ms, err) < 0)
			return -1;
	}
	acc->set = true;
	return 0;
}

int accumulator_merge(const struct aggregate *aggregate, struct accumulator *into, struct accumulator *from, struct error *err)
{
	struct value value = kept_value(from);

	if (!from->set)
		return 0;
	if (!into->set) {
		accumulator_free(into);
		*into = *from;
		*from = (struct accumulator){ 0 };
		return 0;
	}
	switch (aggregate->kind) {
	case AGGREGATE_COUNT:
		into->n += from->n;
		return 0;
	case AGGREGATE_AVG:
	case AGGREGATE_SUM:
		return sum_merge(aggregate, into, from, err);
	case AGGREGATE_COUNT_DISTINCT:
		names_merge(into, from);
		return 0;
	default:
		return kept_choose(aggregate, into, &value, from->at_ms, err);
	}
}

static struct value number_value(struct arena *arena, double number)
{
	char *digits = arena_alloc(arena, 40);

	return (struct value){ .p = digits, .n = (uint32_t)number_text(number, digits), .kind = VALUE_NUMBER, .ready = true };
}

struct value accumulator_result(const struct aggregate *aggregate, const struct accumulator *acc, struct arena *arena)
{
	struct value value = { .kind = VALUE_NULL, .ready = true };

	switch (aggregate->kind) {
	case AGGREGATE_COUNT:
	case AGGREGATE_COUNT_DISTINCT:
		return number_value(arena, acc->set ? (double)acc->n : 0);
	case AGGREGATE_SUM:
		return acc->set ? sum_result(acc, arena) : value;
	case AGGREGATE_AVG:
		return acc->set ? number_value(arena, sum_average(acc)) : value;
	default:
		if (acc->set) {
			value = kept_value(acc);
			value.p = arena_copy(arena, buf_view(&acc->text)).p;
		}
		return value;
	}
}

void accumulator_encode(const struct aggregate *aggregate, const struct accumulator *acc, struct buf *out)
{
	switch (aggregate->kind) {
	case AGGREGATE_COUNT:
		buf_int(out, acc->n);
		return;
	case AGGREGATE_SUM:
	case AGGREGATE_AVG:
		sum_encode(acc, out);
		return;
	case AGGREGATE_COUNT_DISTINCT:
		names_encode(acc, out);
		return;
	case AGGREGATE_MIN:
	case AGGREGATE_MAX:
		kept_encode(acc, out);
		return;
	default:
		buf_char(out, '[');
		kept_encode(acc, out);
		buf_char(out, ',');
		buf_int(out, acc->at_ms);
		buf_char(out, ']');
	}
}

int accumulator_decode(const struct aggregate *aggregate, struct accumulator *acc, const struct json_node *nodes, const struct json_node *node)
{
	const struct json_node *second;

	switch (aggregate->kind) {
	case AGGREGATE_COUNT:
		acc->set = true;
		return value_is_integer(&node->value, &acc->n) ? 0 : -1;
	case AGGREGATE_SUM:
	case AGGREGATE_AVG:
		return sum_decode(acc, nodes, node);
	case AGGREGATE_COUNT_DISTINCT:
		return names_decode(acc, nodes, node);
	case AGGREGATE_MIN:
	case AGGREGATE_MAX:
		return kept_decode(acc, node);
	default:
		if (node->value.kind != VALUE_JSON || node->object || !node->expanded || node + 1 >= nodes + node->end)
			return -1;
		second = nodes + node[1].end;
		if (second >= nodes + node->end || !value_is_integer(&second->value, &acc->at_ms))
			return -1;
		return kept_decode(acc, node + 1);
	}
}

void accumulator_free(struct accumulator *acc)
{
	for (int64_t i = 0; acc->distinct && i < acc->n; i++)
		buf_free(&acc->distinct[i].name);
	free(acc->distinct);
	buf_free(&acc->text);
	*acc = (struct accumulator){ 0 };
}

size_t accumulator_bytes(const struct accumulator *acc)
{
	size_t bytes = acc->text.cap + acc->distinct_cap * sizeof(*acc->distinct);

	for (int64_t i = 0; acc->distinct && i < acc->n; i++)
		bytes += acc->distinct[i].name.cap;
	return bytes;
}
