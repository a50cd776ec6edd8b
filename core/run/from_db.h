/* --from-db: the database that a job is written from. Its password comes with the address, else from STREAMLUA_PASSWORD, else is asked for in a
 * terminal; it is never written into a file. */
#ifndef RUN_FROM_DB_H
#define RUN_FROM_DB_H

#include "run/database_url.h"
#include "run/schema.h"

#define FROM_DB_PASSWORD "STREAMLUA_PASSWORD"

/* address: a word of argv. All of its password becomes x there, so that `ps` does not show it for longer than it takes to read it. */
int from_db_open(struct database_url *url, char *address, struct error *err);
/* Connects and reads all tables. Blocks. schema_free in either case. */
int from_db_read(const struct database_url *url, struct schema *schema, struct error *err);

#endif
