/* Where rows go: a database that speaks MySQL's protocol (TiDB, MySQL, MariaDB). Each lane has a connection of its own, one
 * more takes partitions over; all of them are driven by the loop. A transaction is one round trip. */
#ifndef IO_MYSQL_H
#define IO_MYSQL_H

#include <event2/event.h>
#include <stdint.h>

#include "flow/sink.h"

/* Zero and NULL mean the default. Everything is copied by mysql_new. */
struct mysql_options {
	const char *flavour; /* "tidb", "mysql" or "mariadb": the name that messages use; what the server can do is asked of it */
	const char *host;    /* default 127.0.0.1 */
	int32_t port;        /* default 4000 for tidb, else 3306 */
	const char *socket;  /* path of a unix socket; host and port are then not used */
	const char *user, *password, *database;
	int32_t lanes;                           /* connections that write; default 8 */
	bool tls;                                /* also implied by a file below. The certificate is verified ... */
	bool tls_unverified;                     /* ... unless this is set */
	const char *tls_ca, *tls_cert, *tls_key; /* PEM files; no tls_ca: the system's authorities */
	int32_t connect_timeout_ms;              /* default 10 s */
	int32_t read_timeout_ms;                 /* the longest silence of the server within an answer, after which it counts as lost; default 60 s */
};

/* A sink (flow/sink.h) for one job. Does not connect yet. NULL with err where an option is missing or unknown. */
struct sink *mysql_new(struct event_base *loop, const struct mysql_options *options, const char *job, struct error *err);

#endif
