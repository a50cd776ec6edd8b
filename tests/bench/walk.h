/* simdjson's own On-Demand reader over a message: the yardstick of decoding. */
#ifndef BENCH_WALK_H
#define BENCH_WALK_H

#include "base/buf.h"

struct walker;

struct walker *walk_new(void);
void walk_free(struct walker *walker);
/* Visits everything in a JSON object that has 64 readable bytes behind it, but for a member "schema": every member's name, every value; names and texts
 * as a program would have them (unescaped), numbers as their digits. Returns a number that depends on all of them; 0: it is no valid JSON. */
uint64_t walk_text(struct walker *walker, struct slice text);

#endif
