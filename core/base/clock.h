/* Time: what clocks say, and what people write. The flow itself never asks a clock; it is told the time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

int64_t clock_wall_ms(void); /* milliseconds since the epoch */
int64_t clock_mono_ms(void); /* milliseconds since some start; never goes back */
int64_t clock_mono_us(void);

/* "250ms", "10s", "5m", "2h", "7d" as milliseconds. */
int clock_duration(struct slice text, int64_t *ms, struct error *err);
/* RFC 3339 ("2024-01-31T12:00:00Z", offset or Z required, fraction allowed) or "-2h" counted back from now_ms: milliseconds since the epoch. */
int clock_time(struct slice text, int64_t now_ms, int64_t *ms, struct error *err);
/* "2024-01-31T12:00:00.123Z" into out (at least 32 bytes); returns out. */
char *clock_format(int64_t ms, char *out);

#endif
