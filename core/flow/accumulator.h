/* sl.count(), sl.sum "price" ... : what a window makes of the values of its rows, one accumulator an aggregate and pane. It is part of a
 * row of streamlua_state, as JSON. NULLs are not counted, as in SQL. */
#ifndef FLOW_ACCUMULATOR_H
#define FLOW_ACCUMULATOR_H

#include "base/buf.h"
#include "base/error.h"
#include "flow/json.h"
#include "flow/value.h"

enum aggregate_kind {
	AGGREGATE_COUNT,
	AGGREGATE_SUM,
	AGGREGATE_AVG,
	AGGREGATE_MIN,
	AGGREGATE_MAX,
	AGGREGATE_FIRST, /* by event time; of two at one time, the one that came first is first and the other last */
	AGGREGATE_LAST,
	AGGREGATE_COUNT_DISTINCT,
	AGGREGATE_KINDS
};

struct aggregate {
	enum aggregate_kind kind;
	struct slice name;   /* of its column */
	struct slice label;  /* the name as a JSON string, and a colon */
	struct slice column; /* whose values; n is 0: rows are counted */
	uint32_t place;      /* in the script */
	bool given;          /* a function of the script makes its values */
};

/* One of the values that count_distinct has seen: what it is and how often it came. */
struct distinct {
	struct buf name;
	int64_t n;
};

struct accumulator {
	bool set;       /* false: no value yet, and nothing else of it counts */
	uint8_t kind;   /* of min, max, first, last: enum value_kind */
	uint8_t places; /* of units */
	int64_t units;  /* a sum times ten to `places`, where that is exact in a double; otherwise text has its digits */
	int64_t n;      /* count, sum, avg: values; count_distinct: different ones */
	int64_t at_ms;  /* first, last: when it happened */
	struct buf text;
	struct distinct *distinct; /* ordered by name */
	size_t distinct_cap;
};

const char *aggregate_name(enum aggregate_kind kind);
/* AGGREGATE_KINDS: there is none of this name. */
enum aggregate_kind aggregate_named(struct slice name);

/* Takes a value in (sign 1), or back out (-1). `value` is read, and neither NULL nor ABSENT; of rows any. -1: err says what cannot be done
 * with it. */
int accumulator_take(const struct aggregate *aggregate, struct accumulator *acc, const struct value *value, int64_t at_ms, int sign,
		     struct error *err);
/* Two panes become one: `from` is used up. */
int accumulator_merge(const struct aggregate *aggregate, struct accumulator *into, struct accumulator *from, struct error *err);
/* What goes to the aggregate's column; texts are made in the arena. */
struct value accumulator_result(const struct aggregate *aggregate, const struct accumulator *acc, struct arena *arena);
/* Only of one that is set. */
void accumulator_encode(const struct aggregate *aggregate, const struct accumulator *acc, struct buf *out);
/* From an expanded node; acc is as new. -1: it is none of this aggregate's. */
int accumulator_decode(const struct aggregate *aggregate, struct accumulator *acc, const struct json_node *nodes, const struct json_node *node);
void accumulator_free(struct accumulator *acc);
/* Bytes that it holds beside itself. */
size_t accumulator_bytes(const struct accumulator *acc);

#endif
