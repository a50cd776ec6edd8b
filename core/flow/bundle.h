/* The texts of a job as they were when the master accepted them: job.lua, the table scripts, the modules they required.
 * Every worker runs from the bundle, never from the disk, so that all run the same version, also one that is restarted while
 * somebody is editing. */
#ifndef FLOW_BUNDLE_H
#define FLOW_BUNDLE_H

#include "base/buf.h"
#include "base/error.h"

struct bundle_file {
	char *path; /* relative to the folder of job.lua; '/' between parts */
	char *text;
	size_t size;
};

struct bundle {
	struct bundle_file *files;
	size_t count;
	char *folder;     /* absolute path of the folder of job.lua */
	char *job;        /* path of job.lua within it */
	char version[17]; /* hexadecimal digest of all paths and texts but job.lua's: what is written beside the progress */
	/* Where a file is looked for that is not in the bundle yet (the master, while it loads); NULL: nowhere.
	 * 0: *text is malloc'ed. -1: there is no such file, or it cannot be read. */
	int (*read)(const char *folder, const char *path, char **text, size_t *size, struct error *err);
};

/* The file with this path; read and added where it is not there yet and `read` is set. NULL with err otherwise. */
const struct bundle_file *bundle_get(struct bundle *bundle, const char *path, struct error *err);
void bundle_add(struct bundle *bundle, const char *path, const char *text, size_t size);
void bundle_seal(struct bundle *bundle); /* works out the version and forgets `read`: nothing is added any more */
/* For the way from master to worker. */
void bundle_pack(const struct bundle *bundle, struct buf *out);
int bundle_unpack(struct bundle *bundle, struct slice packed, struct error *err);
void bundle_free(struct bundle *bundle);

#endif
