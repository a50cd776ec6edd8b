#include "io/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>

enum {
	HEADER_BYTES_MOST = 8 * 1024,
	BODY_BYTES_MOST = 1024, /* of a request; none has any use for one */
	ANSWER_BYTES_MOST = 64 * 1024 * 1024,
	QUIET_SECONDS_MOST = 10,
	CONNECTIONS_MOST = 64,       /* the next ones wait in the kernel until one of these ends */
	LISTENERS_MOST = 16,         /* the other connections are for probes and scrapers */
	BEHIND_BYTES_MOST = 2 << 20, /* kept for a listener that does not read */
	HEARD_BYTES_MOST = 4096,     /* of what one says that has nothing to say */
};

static const struct timeval sweep_every = { 0, 50 * 1000 }, quiet_most = { QUIET_SECONDS_MOST, 0 };

/* Nothing on the page comes from elsewhere, and nothing that it shows is ever code. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
			     "form-action 'none'; frame-ancestors 'none'";

/* A place for one that listens; it ends with its connection. */
struct listener {
	struct http *http;
	struct evhttp_request *request; /* NULL: the place is free */
	bool near;
};

struct http {
	struct evhttp *server;
	struct evconnlistener *door; /* owned by server */
	struct bufferevent *sockets[CONNECTIONS_MOST];
	unsigned connections;
	struct listener listeners[LISTENERS_MOST];
	unsigned listener_count;
	struct event *sweep;
	char address[300];
	void (*answer)(void *ctx, const char *path, struct http_reply *reply);
	void *ctx;
};

int http_split(const char *address, char *host, int *port, struct error *err)
{
	const char *colon = strrchr(address, ':'), *begin = address, *end = colon;
	char *rest;
	long number;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		goto bad;
	number = strtol(colon + 1, &rest, 10);
	if (*rest || number > 65535)
		goto bad;
	if (*begin == '[') {
		if (end - begin < 3 || end[-1] != ']')
			goto bad;
		begin++;
		end--;
	} else if (memchr(begin, ':', (size_t)(end - begin))) {
		goto bad;
	}
	if (end == begin || end - begin > 255)
		goto bad;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = 0;
	*port = (int)number;
	return 0;
bad:
	return error_set(err, "\"%s\" is no address: write HOST:PORT, as in \"127.0.0.1:8686\"", address);
}

/* A page of somebody else's whose name is made to lead here (DNS rebinding) is asked for by that name; whoever means this machine says so, or an address. */
static bool means_here(const char *host)
{
	return !host || strcasecmp(host, "localhost") == 0 || *host == '[' || strspn(host, "0123456789.") == strlen(host);
}

static bool is_near(struct evhttp_request *request)
{
	char *peer = NULL;
	uint16_t port;

	evhttp_connection_get_peer(evhttp_request_get_connection(request), &peer, &port);
	if (!peer || !means_here(evhttp_request_get_host(request)))
		return false;
	return strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0 || strncmp(peer, "::ffff:127.", 11) == 0;
}

static void on_listener_gone(struct evhttp_connection *connection, void *arg)
{
	struct listener *listener = arg;
	struct evhttp_request *request = listener->request;

	(void)connection;
	if (!request)
		return;
	listener->request = NULL;
	listener->http->listener_count--;
	if (!evhttp_request_get_connection(request)) /* evhttp has let go of it: it is ours to free */
		evhttp_request_free(request);
}

static void leave(struct listener *listener)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(listener->request);

	bufferevent_disable(evhttp_connection_get_bufferevent(connection), EV_READ | EV_WRITE); /* until the sweep closes it */
	evhttp_connection_free(connection);
}

static bool is_behind(const struct listener *listener)
{
	struct bufferevent *socket = evhttp_connection_get_bufferevent(evhttp_request_get_connection(listener->request));

	return evbuffer_get_length(bufferevent_get_output(socket)) > BEHIND_BYTES_MOST;
}

static void begin_to_listen(struct http *http, struct evhttp_request *request, bool near, struct evbuffer *beginning)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	struct bufferevent *socket = evhttp_connection_get_bufferevent(connection);
	struct listener *listener = http->listeners;

	while (listener->request)
		listener++;
	*listener = (struct listener){ http, request, near };
	http->listener_count++;
	evhttp_connection_set_closecb(connection, on_listener_gone, listener);
	evhttp_send_reply_start(request, 200, NULL);
	evhttp_send_reply_chunk(request, beginning);
	/* It has nothing to say, for as long as it likes; but it takes what it is told. */
	bufferevent_set_timeouts(socket, NULL, &quiet_most);
	bufferevent_setwatermark(socket, EV_READ, 0, HEARD_BYTES_MOST);
}

unsigned http_listeners(const struct http *http)
{
	return http->listener_count;
}

void http_tell(struct http *http, enum http_whom whom, struct slice bytes)
{
	struct evbuffer *chunk = evbuffer_new();

	BUG_IF(!chunk);
	for (int i = 0; i < LISTENERS_MOST; i++) {
		struct listener *listener = &http->listeners[i];

		if (!listener->request || (whom != HTTP_ALL && listener->near != (whom == HTTP_NEAR)))
			continue;
		evbuffer_add(chunk, bytes.p, bytes.n);
		evhttp_send_reply_chunk(listener->request, chunk);
		evbuffer_drain(chunk, evbuffer_get_length(chunk));
		if (listener->request && is_behind(listener))
			leave(listener);
	}
	evbuffer_free(chunk);
}

static void on_request(struct evhttp_request *request, void *arg)
{
	struct http *http = arg;
	struct http_reply reply = { .code = 404, .type = "text/plain; charset=utf-8" };
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	struct evbuffer *body = evbuffer_new();

	if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		reply.code = 405;
		evhttp_add_header(headers, "Allow", "GET, HEAD");
	} else {
		reply.near = is_near(request);
		http->answer(http->ctx, path && *path ? path : "/", &reply);
	}
	if (reply.listens && http->listener_count == LISTENERS_MOST) {
		reply.listens = false;
		reply.code = 503;
		reply.type = "text/plain; charset=utf-8";
		buf_clear(&reply.body);
		buf_text(&reply.body, "as many listen as may\n");
	}
	if (reply.code == 404 && reply.body.n == 0)
		buf_text(&reply.body, "there is nothing here\n");
	evhttp_add_header(headers, "Content-Type", reply.type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "Content-Security-Policy", policy);
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
	if (method == EVHTTP_REQ_HEAD && reply.listens) {
		evhttp_add_header(headers, "Connection", "close"); /* how long it would be is not known */
	} else if (method == EVHTTP_REQ_HEAD) {
		char length[24];

		snprintf(length, sizeof length, "%zu", reply.body.n);
		evhttp_add_header(headers, "Content-Length", length);
	} else {
		evbuffer_add(body, reply.body.p, reply.body.n);
	}
	if (reply.listens && method == EVHTTP_REQ_GET)
		begin_to_listen(http, request, reply.near, body);
	else
		evhttp_send_reply(request, reply.code, NULL, body);
	evbuffer_free(body);
	buf_free(&reply.body);
}

/* Gives back the places of connections that evhttp has let go, and listens again where there were none left. */
static void sweep(struct http *http)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < http->connections; i++) {
		bufferevent_data_cb readable, writable;
		bufferevent_event_cb ended;

		bufferevent_getcb(http->sockets[i], &readable, &writable, &ended, NULL);
		if (readable || writable || ended)
			http->sockets[kept++] = http->sockets[i];
		else
			bufferevent_decref(http->sockets[i]);
	}
	if (http->connections == CONNECTIONS_MOST && kept < CONNECTIONS_MOST && http->door)
		evconnlistener_enable(http->door);
	http->connections = kept;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;

	(void)fd;
	(void)what;
	sweep(http);
	if (http->connections > 0)
		event_add(http->sweep, &sweep_every);
}

/* evhttp neither bounds its connections nor tells anybody when one ends. So we share each socket with it: one that has lost its
 * callbacks is one that evhttp has freed, and is ours alone to close. */
static struct bufferevent *connection_begins(struct event_base *loop, void *arg)
{
	struct http *http = arg;
	struct bufferevent *socket = bufferevent_socket_new(loop, -1, BEV_OPT_CLOSE_ON_FREE);

	BUG_IF(!socket || http->connections == CONNECTIONS_MOST);
	bufferevent_incref(socket);
	http->sockets[http->connections++] = socket;
	if (http->connections == CONNECTIONS_MOST)
		evconnlistener_disable(http->door);
	event_add(http->sweep, &sweep_every);
	return socket;
}

/* Writes the address as it was bound, with the port that the system chose where it was 0. */
static void name_address(struct http *http, evutil_socket_t fd, const char *host)
{
	struct sockaddr_storage bound;
	socklen_t size = sizeof bound;
	int port = 0;

	if (getsockname(fd, (struct sockaddr *)&bound, &size) == 0)
		port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port : ((struct sockaddr_in *)&bound)->sin_port);
	snprintf(http->address, sizeof http->address, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

struct http *http_open(struct event_base *loop, const char *address, void (*answer)(void *ctx, const char *path, struct http_reply *reply), void *ctx,
		       struct error *err)
{
	struct http *http = calloc(1, sizeof *http);
	struct evhttp_bound_socket *bound;
	char host[256];
	int port;

	BUG_IF(!http);
	*http = (struct http){ .answer = answer, .ctx = ctx };
	if (http_split(address, host, &port, err) < 0) {
		free(http);
		return NULL;
	}
	http->server = evhttp_new(loop);
	http->sweep = event_new(loop, -1, 0, on_sweep, http);
	BUG_IF(!http->server || !http->sweep);
	evhttp_set_max_headers_size(http->server, HEADER_BYTES_MOST);
	evhttp_set_max_body_size(http->server, BODY_BYTES_MOST);
	evhttp_set_timeout(http->server, QUIET_SECONDS_MOST);
	evhttp_set_allowed_methods(http->server, 0xffff); /* ours to refuse: 405 with what is allowed, not 501 */
	evhttp_set_gencb(http->server, on_request, http);
	evhttp_set_bevcb(http->server, connection_begins, http);
	errno = 0;
	bound = evhttp_bind_socket_with_handle(http->server, host, (uint16_t)port);
	if (!bound) {
		error_set(err, "HTTP cannot listen on %s: %s", address, errno ? strerror(errno) : "no such address");
		http_close(http);
		return NULL;
	}
	http->door = evhttp_bound_socket_get_listener(bound);
	name_address(http, evhttp_bound_socket_get_fd(bound), host);
	return http;
}

const char *http_address(const struct http *http)
{
	return http->address;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	evhttp_free(http->server); /* and its listener */
	http->door = NULL;
	sweep(http);
	event_free(http->sweep);
	free(http);
}

struct asking {
	struct event_base *loop;
	struct http_reply *reply;
	bool answered;
};

static void on_answer(struct evhttp_request *request, void *arg)
{
	struct asking *asking = arg;

	if (request && evhttp_request_get_response_code(request) != 0) {
		struct evbuffer *body = evhttp_request_get_input_buffer(request);
		size_t n = evbuffer_get_length(body);

		asking->answered = true;
		asking->reply->code = evhttp_request_get_response_code(request);
		if (n > 0)
			evbuffer_remove(body, buf_reserve(&asking->reply->body, n), n);
		asking->reply->body.n += n;
	}
	event_base_loopbreak(asking->loop);
}

int http_get(const char *address, const char *path, int ms, struct http_reply *reply, struct error *err)
{
	struct asking asking = { .loop = event_base_new(), .reply = reply };
	struct timeval timeout = { ms / 1000, ms % 1000 * 1000 };
	struct evhttp_connection *connection;
	struct evhttp_request *request;
	char host[256];
	int port;

	BUG_IF(!asking.loop);
	*reply = (struct http_reply){ 0 };
	if (http_split(address, host, &port, err) < 0) {
		event_base_free(asking.loop);
		return -1;
	}
	connection = evhttp_connection_base_new(asking.loop, NULL, host, (uint16_t)port);
	request = evhttp_request_new(on_answer, &asking);
	BUG_IF(!connection || !request);
	evhttp_connection_set_timeout_tv(connection, &timeout);
	evhttp_connection_set_max_body_size(connection, ANSWER_BYTES_MOST);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Host", address);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
	if (evhttp_make_request(connection, request, EVHTTP_REQ_GET, path) == 0) {
		event_base_loopexit(asking.loop, &timeout);
		event_base_dispatch(asking.loop);
	}
	evhttp_connection_free(connection);
	event_base_free(asking.loop);
	return asking.answered ? 0 : error_set(err, "no answer from http://%s%s", address, path);
}
