/* Reading a small file whole. */
#ifndef IO_TEXT_FILE_H
#define IO_TEXT_FILE_H

#include <stddef.h>

#include "base/error.h"

/* `path` within `folder`, unless it is absolute. *text is malloc'ed. -1 with the path and the reason. For bundle->read. */
int text_file_read(const char *folder, const char *path, char **text, size_t *size, struct error *err);

/* The absolute path of a file that is there, its links followed, in `absolute` (PATH_MAX). A link into a folder beside it whose name begins with
 * ".." stays as it is: so Kubernetes mounts a ConfigMap, and swaps what is behind the link while the path lasts. */
int text_file_absolute(const char *path, char *absolute, struct error *err);

#endif
