/* The three things that accumulators are made of: a sum, one of the values, all different ones. */
#ifndef FLOW_ACCUMULATOR_PRIVATE_H
#define FLOW_ACCUMULATOR_PRIVATE_H

#include "flow/accumulator.h"

struct slice accumulator_text(const struct value *value);
int accumulator_no_number(const struct aggregate *aggregate, const struct value *value, struct error *err);
int accumulator_never_counted(const struct aggregate *aggregate, struct error *err);

/* accumulator_sum.c: exact, however many digits. */
int sum_take(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int sign, struct error *err);
int sum_merge(const struct aggregate *aggregate, struct accumulator *into, const struct accumulator *from, struct error *err);
struct value sum_result(const struct accumulator *acc, struct arena *arena);
double sum_average(const struct accumulator *acc);
void sum_encode(const struct accumulator *acc, struct buf *out);
int sum_decode(struct accumulator *acc, const struct json_node *nodes, const struct json_node *node);

/* accumulator_values.c: the least, the largest, the first, the last; value in place of what is held where it is that. */
int kept_choose(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int64_t at_ms, struct error *err);
struct value kept_value(const struct accumulator *acc);
void kept_encode(const struct accumulator *acc, struct buf *out);
int kept_decode(struct accumulator *acc, const struct json_node *node);
/* ... and how often each came. */
int names_take(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int sign, struct error *err);
void names_merge(struct accumulator *into, struct accumulator *from);
void names_encode(const struct accumulator *acc, struct buf *out);
int names_decode(struct accumulator *acc, const struct json_node *nodes, const struct json_node *node);

#endif
