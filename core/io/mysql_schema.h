/* The tables of the target as information_schema has them. A whole database is read at once and kept until the loop turns:
 * a round of describing happens between two turns, so each round sees the schema as it is then. */
#ifndef IO_MYSQL_SCHEMA_H
#define IO_MYSQL_SCHEMA_H

#include <event2/event.h>

#include "base/error.h"
#include "flow/target.h"

struct mysql_blocking;
struct mysql_options; /* io/mysql.h */
struct mysql_schema;

struct mysql_schema *mysql_schema_new(struct event_base *loop, const struct mysql_options *options);
void mysql_schema_free(struct mysql_schema *schema); /* harmless on NULL */
/* A connection to be asked in the round that goes on; it is the schema's from now on. */
void mysql_schema_give(struct mysql_schema *schema, struct mysql_blocking *connection);
/* What sink_ops says of describe, and of ask_schema. */
int mysql_schema_describe(struct mysql_schema *schema, struct target *target, struct error *err);
void mysql_schema_ask(struct mysql_schema *schema, void (*done)(void *ctx, bool read), void *ctx);

#endif
