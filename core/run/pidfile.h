/* The file by which the commands find the master of a job. It is locked for as long as the master lives (and by no other process: the
 * lock is lost with the process, however that ends), so a file that was left behind is never mistaken for a running job. */
#ifndef RUN_PIDFILE_H
#define RUN_PIDFILE_H

#include <sys/types.h>

#include "base/error.h"

struct pidfile;

/* Where the file of a job is unless the command line names one: in XDG_RUNTIME_DIR or /tmp, named by a digest of the
 * absolute path of job.lua. -1: there is no such job.lua. path has room for PATH_MAX. */
int pidfile_default(const char *job_path, char *path, struct error *err);

/* Takes the file over, ours until pidfile_close. NULL with err, and *held where another process has it. */
struct pidfile *pidfile_open(const char *path, int *held, struct error *err);
/* Writes our pid and where /status is answered ("" where it is not). */
int pidfile_write(struct pidfile *file, const char *http, struct error *err);
void pidfile_close(struct pidfile *file); /* removes it; NULL is harmless */

struct pidfile_owner {
	pid_t pid;
	char http[300]; /* HOST:PORT or "" */
};
/* Who holds the file. 0: *owner is filled; -1: nobody does, and err says so. */
int pidfile_read(const char *path, struct pidfile_owner *owner, struct error *err);

#endif
