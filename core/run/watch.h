/* Notices that somebody has saved a script: the folders of all files of a job are watched, not the files, as editors write a new file and
 * rename it over the old one. */
#ifndef RUN_WATCH_H
#define RUN_WATCH_H

#include <event2/event.h>

#include "flow/bundle.h"

struct watch;

/* changed: some Lua file in a watched folder is another than before; once for all that happens within a moment. NULL with err. */
struct watch *watch_new(struct event_base *loop, void (*changed)(void *ctx), void *ctx, struct error *err);
/* Watches the folders of these files from now on, beside those that are watched already. */
void watch_add(struct watch *watch, const struct bundle *bundle);
void watch_free(struct watch *watch); /* NULL is harmless */

#endif
