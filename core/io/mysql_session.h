/* A connection on which a transaction means the same whatever the server's defaults are: character set, time zone, SQL mode,
 * isolation. */
#ifndef IO_MYSQL_SESSION_H
#define IO_MYSQL_SESSION_H

#include "base/buf.h"
#include "io/mysql_client.h"

struct mysql_session {
	struct mysql_client *client;
	const struct mysql_options *options; /* borrowed */
	size_t packet_most;                  /* the server's max_allowed_packet */
	bool is_mariadb;
	bool folds_names; /* table names are compared without regard to case */
	bool ready;
	struct buf question, settings; /* what we ask a new server for, and what of it we set */
	mysql_client_done *done;
	void *ctx;
};

void mysql_session_init(struct mysql_session *session, struct event_base *loop, const struct mysql_options *options);
void mysql_session_deinit(struct mysql_session *session);

/* Connects anew and sets the session up. done as mysql_client_connect. */
void mysql_session_open(struct mysql_session *session, mysql_client_done *done, void *ctx);
/* Set up, nothing on its way, still connected. */
bool mysql_session_usable(const struct mysql_session *session);

/* The time to stand back after so many failures in a row (from 1): doubles from 50 ms to 5 s, of which a random half is left
 * out so that workers which failed together do not come back together. */
int mysql_session_standback_ms(unsigned failures);

#endif
