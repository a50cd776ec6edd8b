/* Which values a SQLite column would round. */
#ifndef IO_SQLITE_EXACT_H
#define IO_SQLITE_EXACT_H

#include "flow/batch.h"

/* -1: a value of the batch would lose digits in its column; err names both. */
int sqlite_exact_check(const struct batch *batch, struct arena *arena, struct error *err);

#endif
