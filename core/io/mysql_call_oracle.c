/* Oracle's libmysqlclient: a call is made again and again until it has ended. It says that it waits, not for what: this file knows.
 * Sending waits for room, all else for the server's words. */
#include "io/mysql_call.h"

#ifndef MARIADB_PACKAGE_VERSION
#include <event2/event.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/error.h"
#include "io/mysql.h"

/* How long at most until a call is made again. CONNECT's: until TCP is through there is no socket that could be watched, and looking after
 * it takes the library a millisecond. The others': for what they may wait for beside the above, such as TLS that has to read before it can
 * write, or an answer's next part that the library has read already. */
enum { LOOK_CONNECT_MS = 50, LOOK_MS = 1000 };

static void set_tls(MYSQL *mysql, const struct mysql_options *options)
{
	unsigned mode = !options->tls ? SSL_MODE_DISABLED : options->tls_unverified ? SSL_MODE_REQUIRED : SSL_MODE_VERIFY_IDENTITY;
	bool yes = true;

	mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
	/* A password that the server has no hash of in its memory goes there under its public key where there is no TLS. */
	mysql_options(mysql, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &yes);
	if (!options->tls)
		return;
	mysql_options(mysql, MYSQL_OPT_SSL_KEY, options->tls_key);
	mysql_options(mysql, MYSQL_OPT_SSL_CERT, options->tls_cert);
	/* Given authorities, the library verifies whatever the mode is; given none, it refuses to. */
	if (options->tls_unverified)
		return;
	if (options->tls_ca) {
		mysql_options(mysql, MYSQL_OPT_SSL_CA, options->tls_ca);
		return;
	}
	if (access(X509_get_default_cert_file(), R_OK) == 0)
		mysql_options(mysql, MYSQL_OPT_SSL_CA, X509_get_default_cert_file());
	mysql_options(mysql, MYSQL_OPT_SSL_CAPATH, X509_get_default_cert_dir());
}

void mysql_call_prepare(MYSQL *mysql, const struct mysql_options *options)
{
	/* Said, because the library takes "localhost" for a unix socket of its own choice. */
	unsigned no = 0, protocol = options->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;

	mysql->net.fd = -1; /* until the library sets it, once TCP is through */
	mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* A server may ask for any file of the client's, unless it is told that there are none. */
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
	mysql_options4(mysql, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "streamlua");
	set_tls(mysql, options);
}

static enum net_async_status go(struct mysql_call *call, MYSQL *mysql, const struct mysql_options *options)
{
	enum net_async_status status;

	switch (call->kind) {
	case MYSQL_CALL_CONNECT:
		return mysql_real_connect_nonblocking(mysql, options->socket ? NULL : options->host, options->user, options->password,
						      options->database, (unsigned)options->port, options->socket, CLIENT_MULTI_STATEMENTS);
	case MYSQL_CALL_QUERY:
		/* The next call would send too; on its own, this one tells when sending is over. */
		if (!call->sent) {
			status = mysql_send_query_nonblocking(mysql, call->text.p, call->text.n);
			if (status != NET_ASYNC_COMPLETE)
				return status;
			call->sent = true;
		}
		return mysql_real_query_nonblocking(mysql, call->text.p, call->text.n);
	case MYSQL_CALL_RESULT:
		return mysql_store_result_nonblocking(mysql, &call->rows);
	case MYSQL_CALL_NEXT:
		return mysql_next_result_nonblocking(mysql);
	default:
		BUG_IF(true);
	}
}

bool mysql_call_go(struct mysql_call *call, MYSQL *mysql, const struct mysql_options *options, short ready, struct mysql_wait *wait)
{
	enum net_async_status status = ready & EV_TIMEOUT ? NET_ASYNC_ERROR : go(call, mysql, options);

	call->suspended = status == NET_ASYNC_NOT_READY;
	if (call->suspended) {
		bool sending = call->kind == MYSQL_CALL_QUERY && !call->sent;

		*wait = (struct mysql_wait){ .fd = mysql_call_socket(mysql),
					     .events = sending ? EV_WRITE : EV_READ,
					     .look_ms = call->kind == MYSQL_CALL_CONNECT ? LOOK_CONNECT_MS : LOOK_MS };
		return false;
	}
	call->failed = status == NET_ASYNC_ERROR;
	call->more = call->kind == MYSQL_CALL_NEXT && status == NET_ASYNC_COMPLETE;
	return true;
}

void mysql_call_abandon(struct mysql_call *call, MYSQL *mysql, const struct mysql_options *options)
{
	/* A handshake finds its server gone, and gives back what it holds. An answer would too, but the library would then write to what it has
	 * freed: what there is of that answer stays lost. */
	if (call->kind == MYSQL_CALL_CONNECT && mysql_call_socket(mysql) >= 0)
		go(call, mysql, options);
	call->suspended = false;
}

int mysql_call_socket(MYSQL *mysql)
{
	return mysql->net.vio ? mysql->net.fd : -1;
}
#endif
