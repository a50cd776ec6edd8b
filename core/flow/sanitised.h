/* Names as Avro allows them: letters, digits and underscores, no digit first. Debezium and TiCDC spell a column's name that way, so that
 * "unit-price" arrives as "unit_price". Where no column has that name, and just one is spelt so, it is that one. */
#ifndef FLOW_SANITISED_H
#define FLOW_SANITISED_H

#include "flow/target.h"

/* The target's column that a message spells `name`, or -1. */
int sanitised_target(const struct target *target, struct slice name);
/* The shape's column that is `name` as a message spells it, or -1. */
int sanitised_source(const struct shape *shape, struct slice name);

#endif
