/* The tables of one database as its information_schema has them. Two questions, whoever asks them (mysql_schema.c); no connection here. */
#ifndef IO_MYSQL_TABLES_H
#define IO_MYSQL_TABLES_H

#include "base/buf.h"
#include "base/error.h"
#include "flow/target.h"
#include "io/mysql_session.h"

struct mysql_tables;

struct mysql_tables *mysql_tables_new(struct slice database);
void mysql_tables_free(struct mysql_tables *tables); /* harmless on NULL */

/* Appends the first question to text: statements for one round trip. session: that of the connection which is asked. */
void mysql_tables_ask(struct mysql_tables *tables, const struct mysql_session *session, struct buf *text);
mysql_client_row mysql_tables_row; /* ctx: the tables */

/* Then the second, where there is one: false, and nothing appended. Without its answer nothing that it is about is taken for exact. */
bool mysql_tables_ask_padding(struct mysql_tables *tables, struct buf *text);
mysql_client_row mysql_tables_padding; /* ctx: the tables */

/* Fills a target that is all zero but for its name, id and arena: what sink_ops says of describe. table: its name in this database. */
int mysql_tables_describe(const struct mysql_tables *tables, struct slice table, struct target *target, struct error *err);

#endif
