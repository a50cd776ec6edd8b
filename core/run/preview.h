/* What an edit changes: the last messages of the source through the scripts that ran and through those that are taken over, row by row, on stderr. In a
 * process of its own, which writes nothing, and is ended when it takes too long; neither the reload nor the stream waits for it. */
#ifndef RUN_PREVIEW_H
#define RUN_PREVIEW_H

#include <event2/event.h>

#include "flow/bundle.h"

struct preview;

struct preview *preview_new(struct event_base *loop);
/* One that is under way is given up for this one. The bundles are only needed until it returns. */
void preview_show(struct preview *preview, const struct bundle *before, const struct bundle *after);
void preview_free(struct preview *preview); /* NULL is harmless */

#endif
