#include "io/mysql_client.h"

#include <errno.h>
#include <mysql.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/mysql.h"

/* A statement of ours has a handful of columns in its answer; information_schema's are asked for by name. */
enum { COLUMNS_MOST = 32 };

/* What the connection is in the middle of. Each but IDLE is a call of the library that may be suspended. */
enum step { STEP_IDLE, STEP_CONNECT, STEP_QUERY, STEP_RESULT, STEP_NEXT, STEP_TELL };

struct mysql_client {
	struct event_base *loop;
	const struct mysql_options *options;
	MYSQL mysql;
	bool initialised; /* mysql holds memory of the library's */
	bool connected;
	int fd;              /* while connected */
	struct event *event; /* readiness of the socket and the time limit of the step */
	enum step step;
	bool suspended; /* the step's call waits for the socket */
	bool starting;  /* within connect or run: done has to wait for the loop */
	int result;     /* of QUERY and NEXT */
	MYSQL_RES *rows;
	MYSQL *connection; /* what connecting gave */
	struct slice text;
	size_t statement;
	struct mysql_failure failure;
	mysql_client_row *row;
	mysql_client_done *done;
	void *ctx;
};

static void on_event(evutil_socket_t fd, short what, void *ctx);

struct mysql_client *mysql_client_new(struct event_base *loop, const struct mysql_options *options)
{
	struct mysql_client *client = calloc(1, sizeof *client);

	BUG_IF(!client);
	client->loop = loop;
	client->options = options;
	client->event = event_new(loop, -1, 0, on_event, client);
	BUG_IF(!client->event);
	return client;
}

/* Starts the step's call, or goes on with it; returns the MYSQL_WAIT_* that it waits for, 0 once it has ended. */
static int call(struct mysql_client *client, int ready)
{
	const struct mysql_options *options = client->options;
	MYSQL *mysql = &client->mysql;

	switch (client->step) {
	case STEP_CONNECT:
		return ready ? mysql_real_connect_cont(&client->connection, mysql, ready)
			     : mysql_real_connect_start(&client->connection, mysql, options->socket ? NULL : options->host, options->user,
							options->password, options->database, (unsigned)options->port, options->socket,
							CLIENT_MULTI_STATEMENTS);
	case STEP_QUERY:
		return ready ? mysql_real_query_cont(&client->result, mysql, ready)
			     : mysql_real_query_start(&client->result, mysql, client->text.p, client->text.n);
	case STEP_RESULT:
		return ready ? mysql_store_result_cont(&client->rows, mysql, ready) : mysql_store_result_start(&client->rows, mysql);
	case STEP_NEXT:
		return ready ? mysql_next_result_cont(&client->result, mysql, ready) : mysql_next_result_start(&client->result, mysql);
	default:
		BUG_IF(true);
	}
}

void mysql_client_drop(struct mysql_client *client)
{
	event_del(client->event);
	if (client->initialised) {
		/* A suspended call holds memory on its own stack: it is told that its time is over until it has unwound, and on a
		 * socket that answers nothing any more it cannot begin anything new. */
		if (client->suspended || client->failure.lost) {
			my_socket fd = mysql_get_socket(&client->mysql);

			if (fd >= 0)
				shutdown(fd, SHUT_RDWR);
		}
		while (client->suspended)
			client->suspended = call(client, MYSQL_WAIT_TIMEOUT) != 0;
		if (client->step == STEP_RESULT && client->rows)
			mysql_free_result(client->rows);
		mysql_close(&client->mysql);
	}
	client->rows = NULL;
	client->initialised = client->connected = false;
	client->step = STEP_IDLE;
}

void mysql_client_free(struct mysql_client *client)
{
	if (!client)
		return;
	mysql_client_drop(client);
	event_free(client->event);
	free(client);
}

bool mysql_client_usable(const struct mysql_client *client)
{
	char byte;

	if (!client->connected || client->step != STEP_IDLE)
		return false;
	/* Nobody asked the server anything: whatever there is to read is its farewell. */
	return recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
}

/* What the library has to say about the call that failed. */
static void note_failure(struct mysql_client *client)
{
	struct mysql_failure *failure = &client->failure;

	failure->number = mysql_errno(&client->mysql);
	snprintf(failure->sqlstate, sizeof failure->sqlstate, "%s", mysql_sqlstate(&client->mysql));
	snprintf(failure->text, sizeof failure->text, "%s", mysql_error(&client->mysql));
	failure->statement = client->statement;
	/* The library's own errors are about the connection; so are the server's that it sends as it hangs up, which a later
	 * use of the connection finds. 2020 is an answer too large for the client: what follows on the wire is its rest. */
	failure->lost = failure->number == 0 || (failure->number >= 2000 && failure->number < 3000) || failure->number >= 5000;
	if (failure->number == 0) {
		failure->number = 2013;
		snprintf(failure->text, sizeof failure->text, "Lost connection to server");
	}
}

/* Ends what was begun. The last thing that its callers do: done may free the client. */
static void finish(struct mysql_client *client)
{
	struct timeval now = { 0 };

	if (client->starting) {
		client->step = STEP_TELL;
		event_assign(client->event, client->loop, -1, 0, on_event, client);
		event_add(client->event, &now);
		return;
	}
	client->step = STEP_IDLE;
	if (client->failure.number != 0) {
		struct mysql_failure failure = client->failure;

		if (failure.lost)
			mysql_client_drop(client);
		client->done(client->ctx, &failure);
	} else {
		client->done(client->ctx, NULL);
	}
}

static void deliver_rows(struct mysql_client *client)
{
	unsigned count = mysql_num_fields(client->rows);
	struct slice cells[COLUMNS_MOST];
	MYSQL_ROW row;

	BUG_IF(count > COLUMNS_MOST);
	while (client->row && (row = mysql_fetch_row(client->rows))) {
		const unsigned long *lengths = mysql_fetch_lengths(client->rows);

		for (unsigned i = 0; i < count; i++)
			cells[i] = (struct slice){ row[i], row[i] ? lengths[i] : 0 };
		client->row(client->ctx, client->statement, cells, count);
	}
	mysql_free_result(client->rows);
	client->rows = NULL;
}

/* A dead peer says nothing, also between transactions: the kernel is to ask. */
static void keep_alive(int fd)
{
	int on = 1, idle_s = 30, between_s = 10, probes = 3;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	/* These fail on a unix socket, which needs none of them. */
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof between_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* The step's call has ended: picks the next step. STEP_IDLE where there is none. */
static enum step next_step(struct mysql_client *client)
{
	switch (client->step) {
	case STEP_CONNECT:
		if (!client->connection) {
			note_failure(client);
			client->failure.lost = true; /* there is no half of a connection */
			return STEP_IDLE;
		}
		client->connected = true;
		client->fd = mysql_get_socket(&client->mysql);
		keep_alive(client->fd);
		return STEP_IDLE;
	case STEP_QUERY:
		if (client->result != 0) {
			note_failure(client);
			return STEP_IDLE;
		}
		return STEP_RESULT;
	case STEP_RESULT:
		if (client->rows) {
			deliver_rows(client);
		} else if (mysql_field_count(&client->mysql) > 0) {
			note_failure(client);
			return STEP_IDLE;
		}
		client->statement++;
		return STEP_NEXT;
	case STEP_NEXT:
		if (client->result > 0) {
			note_failure(client);
			return STEP_IDLE;
		}
		return client->result < 0 ? STEP_IDLE : STEP_RESULT;
	default:
		BUG_IF(true);
	}
}

static void wait_for(struct mysql_client *client, int wait)
{
	int limit_ms = client->step == STEP_CONNECT ? client->options->connect_timeout_ms : client->options->read_timeout_ms;
	struct timeval limit = { .tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000 };
	short what = (short)((wait & MYSQL_WAIT_READ ? EV_READ : 0) | (wait & (MYSQL_WAIT_WRITE | MYSQL_WAIT_EXCEPT) ? EV_WRITE : 0));

	event_assign(client->event, client->loop, mysql_get_socket(&client->mysql), what, on_event, client);
	event_add(client->event, &limit);
}

/* Goes from call to call until one waits or nothing is left. */
static void advance(struct mysql_client *client, int ready)
{
	while (client->step != STEP_IDLE) {
		int wait = call(client, ready);

		client->suspended = wait != 0;
		if (client->suspended) {
			wait_for(client, wait);
			return;
		}
		ready = 0;
		client->step = next_step(client);
	}
	finish(client);
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	struct mysql_client *client = ctx;

	(void)fd;
	if (client->step == STEP_TELL)
		finish(client);
	else
		advance(client, (what & EV_READ ? MYSQL_WAIT_READ : 0) | (what & EV_WRITE ? MYSQL_WAIT_WRITE : 0) |
					(what & EV_TIMEOUT ? MYSQL_WAIT_TIMEOUT : 0));
}

static void begin(struct mysql_client *client, enum step step, mysql_client_row *row, mysql_client_done *done, void *ctx)
{
	client->step = step;
	client->row = row;
	client->done = done;
	client->ctx = ctx;
	client->statement = 0;
	client->failure.number = 0;
	client->failure.lost = false;
	client->starting = true;
	advance(client, 0);
	client->starting = false;
}

static void set_options(MYSQL *mysql, const struct mysql_options *options)
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

void mysql_client_connect(struct mysql_client *client, mysql_client_done *done, void *ctx)
{
	BUG_IF(client->step != STEP_IDLE);
	mysql_client_drop(client);
	BUG_IF(!mysql_init(&client->mysql));
	client->initialised = true;
	client->connection = NULL;
	set_options(&client->mysql, client->options);
	begin(client, STEP_CONNECT, NULL, done, ctx);
}

void mysql_client_run(struct mysql_client *client, struct slice text, mysql_client_row *row, mysql_client_done *done, void *ctx)
{
	BUG_IF(client->step != STEP_IDLE || !client->connected);
	client->text = text;
	begin(client, STEP_QUERY, row, done, ctx);
}
