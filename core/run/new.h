/* `streamlua new`: a folder with a job that runs as it is. */
#ifndef RUN_NEW_H
#define RUN_NEW_H

/* Makes the folder, which must not be there; the job gets its last part as a name. Returns the exit code. */
int new_job(const char *folder);

#endif
