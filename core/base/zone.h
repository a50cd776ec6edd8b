/* Time zones, as the system's database has them (tzdata). */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

/* A zone is "Europe/Berlin", "UTC" or "+08:00". Local seconds are what its clocks show, counted as if they showed UTC. -1 and err where
 * there is no such zone. */
int zone_to_local(struct slice zone, int64_t utc_s, int64_t *local_s, struct error *err);
/* A time that the clocks show twice is the first of the two; one that they skip is as if they had not been put forward yet. */
int zone_to_utc(struct slice zone, int64_t local_s, int64_t *utc_s, struct error *err);

#endif
