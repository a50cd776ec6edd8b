/* MariaDB's connector: each call has a stack of its own and is suspended wherever it would block, with a word on what it waits for. */
#include "io/mysql_call.h"

#ifdef MARIADB_PACKAGE_VERSION
#include <event2/event.h>

#include "base/error.h"
#include "io/mysql.h"

void mysql_call_prepare(MYSQL *mysql, const struct mysql_options *options)
{
	my_bool yes = 1, verify = !options->tls_unverified;
	/* Said, because the library takes "localhost" for a unix socket of its own choice. */
	unsigned no = 0, protocol = options->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;

	mysql_optionsv(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	/* The default stack; the library's handshake with a plugin and TLS fits. */
	mysql_optionsv(mysql, MYSQL_OPT_NONBLOCK, 0);
	mysql_optionsv(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* A server may ask for any file of the client's, unless it is told that there are none. */
	mysql_optionsv(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
	mysql_optionsv(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "streamlua");
	if (options->tls) {
		mysql_ssl_set(mysql, options->tls_key, options->tls_cert, options->tls_ca, NULL, NULL);
		mysql_optionsv(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
		mysql_optionsv(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	}
}

/* Returns the MYSQL_WAIT_* that the call waits for, 0 once it has ended. */
static int go(struct mysql_call *call, MYSQL *mysql, const struct mysql_options *options, int ready)
{
	bool on = call->suspended;

	switch (call->kind) {
	case MYSQL_CALL_CONNECT:
		return on ? mysql_real_connect_cont(&call->connection, mysql, ready)
			  : mysql_real_connect_start(&call->connection, mysql, options->socket ? NULL : options->host, options->user,
						     options->password, options->database, (unsigned)options->port, options->socket,
						     CLIENT_MULTI_STATEMENTS);
	case MYSQL_CALL_QUERY:
		return on ? mysql_real_query_cont(&call->result, mysql, ready)
			  : mysql_real_query_start(&call->result, mysql, call->text.p, call->text.n);
	case MYSQL_CALL_RESULT:
		return on ? mysql_store_result_cont(&call->rows, mysql, ready) : mysql_store_result_start(&call->rows, mysql);
	case MYSQL_CALL_NEXT:
		return on ? mysql_next_result_cont(&call->result, mysql, ready) : mysql_next_result_start(&call->result, mysql);
	default:
		BUG_IF(true);
	}
}

bool mysql_call_go(struct mysql_call *call, MYSQL *mysql, const struct mysql_options *options, short ready, struct mysql_wait *wait)
{
	int what = go(call, mysql, options,
		      (ready & EV_READ ? MYSQL_WAIT_READ : 0) | (ready & EV_WRITE ? MYSQL_WAIT_WRITE : 0) |
			      (ready & EV_TIMEOUT ? MYSQL_WAIT_TIMEOUT : 0));

	call->suspended = what != 0;
	if (call->suspended) {
		*wait = (struct mysql_wait){ .fd = mysql_call_socket(mysql),
					     .events = (short)((what & MYSQL_WAIT_READ ? EV_READ : 0) |
							       (what & (MYSQL_WAIT_WRITE | MYSQL_WAIT_EXCEPT) ? EV_WRITE : 0)) };
		return false;
	}
	call->failed = call->kind == MYSQL_CALL_CONNECT ? !call->connection : call->kind == MYSQL_CALL_RESULT ? false : call->result > 0;
	call->more = call->kind == MYSQL_CALL_NEXT && call->result == 0;
	return true;
}

void mysql_call_abandon(struct mysql_call *call, MYSQL *mysql, const struct mysql_options *options)
{
	/* It holds memory on its own stack: it is told that its time is over until it has unwound. */
	while (call->suspended)
		call->suspended = go(call, mysql, options, MYSQL_WAIT_TIMEOUT) != 0;
	if (call->kind == MYSQL_CALL_RESULT && call->rows)
		mysql_free_result(call->rows);
}

int mysql_call_socket(MYSQL *mysql)
{
	return mysql_get_socket(mysql);
}
#endif
