/* What the HTTP port of a running job answers. */
#ifndef RUN_ANSWER_H
#define RUN_ANSWER_H

#include "io/http.h"
#include "run/status.h"

void answer_path(const struct status *status, const char *path, struct http_reply *reply);

#endif
