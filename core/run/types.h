/* What editors are told of a job (LuaLS, the language server of Lua): types/streamlua.lua is what scripts can use, types/tables.lua has a class of each
 * table's columns. Files beside the job, which nothing but editors reads. */
#ifndef RUN_TYPES_H
#define RUN_TYPES_H

#include "base/buf.h"
#include "run/schema.h"

/* Appends the text of types/tables.lua. */
void types_of_tables(struct buf *out, const struct schema *schema);
/* Writes both files below the folder, in place of those that were made before, and never over others. */
int types_write(const char *folder, const struct schema *schema, struct error *err);

/* `streamlua types`: of the tables of the job's sink, or of from_db (may be NULL; what is a password in it becomes illegible). Returns the exit
 * code. */
int types_command(const char *job_path, char *from_db);

#endif
