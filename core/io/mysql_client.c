#include "io/mysql_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "io/mysql.h"
#include "io/mysql_call.h"

/* A statement of ours has a handful of columns in its answer; information_schema's are asked for by name. */
enum { COLUMNS_MOST = 32 };

struct mysql_client {
	struct event_base *loop;
	const struct mysql_options *options;
	MYSQL mysql;
	bool initialised; /* mysql holds memory of the library's */
	bool connected;
	int fd;                 /* while connected */
	struct event *event;    /* readiness of the socket, and time */
	struct mysql_call call; /* what the connection is in the middle of */
	int wait_ms, silent_ms; /* the event's time; how much of it passed before with nothing heard */
	bool starting;          /* within connect or run: done has to wait for the loop ... */
	bool telling;           /* ... which is all that is left to do */
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

static bool busy(const struct mysql_client *client)
{
	return client->call.kind != MYSQL_CALL_NONE || client->telling;
}

void mysql_client_drop(struct mysql_client *client)
{
	event_del(client->event);
	if (client->initialised) {
		/* On a socket that answers nothing any more the library cannot begin anything new. */
		if (client->call.suspended || client->failure.lost) {
			int fd = mysql_call_socket(&client->mysql);

			if (fd >= 0)
				shutdown(fd, SHUT_RDWR);
		}
		if (client->call.suspended)
			mysql_call_abandon(&client->call, &client->mysql, client->options);
		mysql_close(&client->mysql);
	}
	client->initialised = client->connected = client->telling = false;
	client->call.kind = MYSQL_CALL_NONE;
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

	if (!client->connected || busy(client))
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
	/* The library's own numbers: CR_* from 2000, and MariaDB's connector from 5000 (CER_*). TiDB's own errors begin at 8000. */
	failure->lost = failure->number == 0 || (failure->number >= 2000 && failure->number < 3000) ||
			(failure->number >= 5000 && failure->number < 6000);
	if (failure->number == 0) {
		failure->number = 2013;
		snprintf(failure->sqlstate, sizeof failure->sqlstate, "HY000");
		snprintf(failure->text, sizeof failure->text, "Lost connection to server");
	}
}

/* Ends what was begun. The last thing that its callers do: done may free the client. */
static void finish(struct mysql_client *client)
{
	struct timeval now = { 0 };

	if (client->starting) {
		client->telling = true;
		event_assign(client->event, client->loop, -1, 0, on_event, client);
		event_add(client->event, &now);
		return;
	}
	client->telling = false;
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
	unsigned count = mysql_num_fields(client->call.rows);
	struct slice cells[COLUMNS_MOST];
	MYSQL_ROW row;

	BUG_IF(count > COLUMNS_MOST);
	while (client->row && (row = mysql_fetch_row(client->call.rows))) {
		const unsigned long *lengths = mysql_fetch_lengths(client->call.rows);

		for (unsigned i = 0; i < count; i++)
			cells[i] = (struct slice){ row[i], row[i] ? lengths[i] : 0 };
		client->row(client->ctx, client->statement, cells, count);
	}
	mysql_free_result(client->call.rows);
	client->call.rows = NULL;
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

/* The call has ended: picks the next. MYSQL_CALL_NONE where there is none. */
static enum mysql_call_kind next_call(struct mysql_client *client)
{
	struct mysql_call *call = &client->call;

	if (call->failed) {
		note_failure(client);
		if (call->kind == MYSQL_CALL_CONNECT)
			client->failure.lost = true; /* there is no half of a connection */
		return MYSQL_CALL_NONE;
	}
	switch (call->kind) {
	case MYSQL_CALL_CONNECT:
		client->connected = true;
		client->fd = mysql_call_socket(&client->mysql);
		keep_alive(client->fd);
		return MYSQL_CALL_NONE;
	case MYSQL_CALL_QUERY:
		return MYSQL_CALL_RESULT;
	case MYSQL_CALL_RESULT:
		if (call->rows) {
			deliver_rows(client);
		} else if (mysql_field_count(&client->mysql) > 0) {
			note_failure(client);
			return MYSQL_CALL_NONE;
		}
		client->statement++;
		return MYSQL_CALL_NEXT;
	case MYSQL_CALL_NEXT:
		return call->more ? MYSQL_CALL_RESULT : MYSQL_CALL_NONE;
	default:
		BUG_IF(true);
	}
}

static int limit_ms(const struct mysql_client *client)
{
	return client->call.kind == MYSQL_CALL_CONNECT ? client->options->connect_timeout_ms : client->options->read_timeout_ms;
}

static void wait_for(struct mysql_client *client, const struct mysql_wait *wait)
{
	int left_ms = limit_ms(client) - client->silent_ms, wait_ms = wait->look_ms > 0 && wait->look_ms < left_ms ? wait->look_ms : left_ms;
	struct timeval time = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

	client->wait_ms = wait_ms;
	event_assign(client->event, client->loop, wait->fd, wait->fd < 0 ? 0 : wait->events, on_event, client);
	event_add(client->event, &time);
}

/* Goes from call to call until one waits or nothing is left. */
static void advance(struct mysql_client *client, short ready)
{
	struct mysql_wait wait;

	while (client->call.kind != MYSQL_CALL_NONE) {
		if (!mysql_call_go(&client->call, &client->mysql, client->options, ready, &wait)) {
			wait_for(client, &wait);
			return;
		}
		ready = 0;
		client->silent_ms = 0;
		client->call.kind = next_call(client);
	}
	finish(client);
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	struct mysql_client *client = ctx;

	(void)fd;
	if (client->telling) {
		finish(client);
		return;
	}
	if (what & (EV_READ | EV_WRITE)) {
		client->silent_ms = 0;
	} else {
		client->silent_ms += client->wait_ms;
		what = client->silent_ms < limit_ms(client) ? 0 : EV_TIMEOUT;
	}
	advance(client, what);
}

static void begin(struct mysql_client *client, enum mysql_call_kind kind, struct slice text, mysql_client_row *row, mysql_client_done *done,
		  void *ctx)
{
	client->call = (struct mysql_call){ .kind = kind, .text = text };
	client->silent_ms = 0;
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

void mysql_client_connect(struct mysql_client *client, mysql_client_done *done, void *ctx)
{
	BUG_IF(busy(client));
	mysql_client_drop(client);
	BUG_IF(!mysql_init(&client->mysql));
	client->initialised = true;
	mysql_call_prepare(&client->mysql, client->options);
	begin(client, MYSQL_CALL_CONNECT, (struct slice){ 0 }, NULL, done, ctx);
}

void mysql_client_run(struct mysql_client *client, struct slice text, mysql_client_row *row, mysql_client_done *done, void *ctx)
{
	BUG_IF(busy(client) || !client->connected);
	begin(client, MYSQL_CALL_QUERY, text, row, done, ctx);
}
