/* The files that commands write for people to go on with: they lie in lua/templates and lua/types, and are compiled into the program. */
#ifndef RUN_TEMPLATE_H
#define RUN_TEMPLATE_H

#include "base/buf.h"
#include "base/error.h"

/* By its path below lua/templates, dots for slashes, without .lua: "new.job", "new.schema.sql". "types.streamlua" is what editors are told. */
struct slice template_text(const char *name);
/* Appends the text, with `with` wherever it says `place`. */
void template_fill(struct buf *out, struct slice text, const char *place, const char *with);
/* Never over a file that is there. */
int template_write(const char *path, struct slice text, struct error *err);

#endif
