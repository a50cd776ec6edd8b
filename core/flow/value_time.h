/* Times as messages count or write them, as the text that MySQL writes. */
#ifndef FLOW_VALUE_TIME_H
#define FLOW_VALUE_TIME_H

#include "flow/value.h"

/* A NUMBER of days, or of units since the epoch or of the day, by its meaning (MEANING_DAYS ... MEANING_TIME_NS). */
int value_time_count(struct value *v, struct reading reading, struct arena *arena, struct error *err);
/* TEXT: ISO 8601 becomes MySQL's form; MEANING_ZONED shifts it to UTC, any other meaning drops what it says of a zone. Text in
 * MySQL's own form, and what is no time at all, stays as it is: the target says what it thinks of that. */
int value_time_text(struct value *v, struct reading reading, struct arena *arena, struct error *err);

/* ".123" as a column of this scale shows it, or nothing. */
struct slice value_time_fraction(uint32_t nanos, int16_t scale, struct arena *arena);

#endif
