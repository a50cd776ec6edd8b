/* Times that come as objects with their parts (Debezium's time.precision.mode=structured): the one form that keeps zero dates. */
#ifndef FLOW_VALUE_STRUCT_H
#define FLOW_VALUE_STRUCT_H

#include "flow/value.h"

/* A VALUE_JSON whose meaning is a time becomes the time's text; with an offset from UTC, still with it. */
int value_struct_time(struct value *v, int16_t scale, struct arena *arena, struct error *err);

#endif
