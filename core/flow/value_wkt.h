/* Geometries as text. */
#ifndef FLOW_VALUE_WKT_H
#define FLOW_VALUE_WKT_H

#include "flow/value.h"

/* TEXT by MEANING_WKT (OpenGIS well-known text, two dimensions): becomes the BYTES that MySQL keeps of it, with SRID 0. */
int value_wkt(struct value *v, struct arena *arena, struct error *err);

/* Whether TEXT begins as such a text does. */
bool value_is_wkt(const struct value *v);

#endif
