/* A running job in Prometheus' text format. */
#ifndef RUN_METRICS_H
#define RUN_METRICS_H

#include "run/status.h"

void metrics_write(const struct status *status, struct buf *out);

#endif
