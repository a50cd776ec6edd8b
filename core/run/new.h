/* `streamlua new`: a folder with a job that runs as it is. */
#ifndef RUN_NEW_H
#define RUN_NEW_H

/* Makes the folder, which must not be there; the job gets its last part as a name. from_db (may be NULL): the address of a database, for whose tables
 * scripts are written; what is a password in it becomes illegible. Returns the exit code. */
int new_job(const char *folder, char *from_db);

#endif
