/* What Debezium writes in the place of a value that its source did not have: of a column that did not change, where PostgreSQL keeps large values
 * elsewhere (TOAST) or Oracle logs no LOB. Such a column keeps its value. */
#ifndef FLOW_UNAVAILABLE_H
#define FLOW_UNAVAILABLE_H

#include "flow/event.h"

enum { UNAVAILABLE_MOST = 64 };

/* Debezium's unavailable.value.placeholder, in the forms in which columns show it. */
struct unavailable {
	char text[UNAVAILABLE_MOST], base64[UNAVAILABLE_MOST * 2], hex[UNAVAILABLE_MOST * 2];
	uint32_t text_n, base64_n, hex_n;
};

/* The placeholder as it stands in the connector's settings: a text, or "hex:" and its octets. False: it has no octets, too many, or no hex. */
bool unavailable_set(struct unavailable *unavailable, struct slice setting);

/* Takes such values out of an image, which is PARTIAL then. True where there were any. */
bool unavailable_drop(const struct unavailable *unavailable, struct image *image);

#endif
