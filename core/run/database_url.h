/* A database as people name it on the command line: mysql://user[:password]@host[:port]/database, mariadb:// and tidb:// likewise, sqlite:PATH. */
#ifndef RUN_DATABASE_URL_H
#define RUN_DATABASE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct database_url {
	char kind[16]; /* "mysql", "mariadb", "tidb", "sqlite": how sl.sink calls it */
	char host[256];
	int32_t port; /* the kind's own where the text has none; 0 of sqlite */
	char user[256], password[256];
	bool has_password;   /* the text has one, which may be "" */
	char database[4096]; /* of sqlite: the path */
};

/* %XX stands for a byte in user, password and database. -1: err says what is missing, and never shows the text: a password may be in it. */
int database_url_parse(struct database_url *url, const char *text, struct error *err);

#endif
