/* A TCP proxy on a test's own loop, between a sink and its server: it can keep the answers back, and cut one side or both. */
#ifndef SUPPORT_PROXY_H
#define SUPPORT_PROXY_H

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct proxy_pair {
	struct proxy_pair *next;
	struct proxy *proxy;
	struct bufferevent *client, *server; /* NULL: cut */
};

struct proxy {
	struct event_base *loop;
	struct evconnlistener *listener;
	int port, to_port;
	struct proxy_pair *pairs;
	unsigned accepted;
	bool hold_answers;           /* what the server says stays here */
	const char *cut_on_question; /* a text: the connection over which it would pass is cut before it does */
};

static inline void proxy_cut_side(struct bufferevent **side)
{
	if (*side)
		bufferevent_free(*side);
	*side = NULL;
}

static inline void proxy_pass(struct bufferevent *from, void *ctx)
{
	struct proxy_pair *pair = ctx;
	struct proxy *proxy = pair->proxy;
	struct evbuffer *in = bufferevent_get_input(from);
	struct bufferevent *to = from == pair->client ? pair->server : pair->client;

	if (from == pair->server && proxy->hold_answers && pair->client)
		return;
	if (from == pair->client && proxy->cut_on_question &&
	    evbuffer_search(in, proxy->cut_on_question, strlen(proxy->cut_on_question), NULL).pos >= 0) {
		proxy_cut_side(&pair->client);
		proxy_cut_side(&pair->server);
		return;
	}
	if (to)
		bufferevent_write_buffer(to, in);
	else
		evbuffer_drain(in, evbuffer_get_length(in));
}

static inline void proxy_ended(struct bufferevent *from, short what, void *ctx)
{
	struct proxy_pair *pair = ctx;

	(void)from;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
		proxy_cut_side(&pair->client);
		proxy_cut_side(&pair->server);
	}
}

static inline void proxy_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int n, void *ctx)
{
	struct proxy *proxy = ctx;
	struct proxy_pair *pair = calloc(1, sizeof *pair);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)proxy->to_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)listener, (void)from, (void)n;
	proxy->accepted++;
	pair->proxy = proxy;
	pair->next = proxy->pairs;
	proxy->pairs = pair;
	pair->client = bufferevent_socket_new(proxy->loop, fd, BEV_OPT_CLOSE_ON_FREE);
	pair->server = bufferevent_socket_new(proxy->loop, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(pair->client, proxy_pass, NULL, proxy_ended, pair);
	bufferevent_setcb(pair->server, proxy_pass, NULL, proxy_ended, pair);
	bufferevent_socket_connect(pair->server, (struct sockaddr *)&to, sizeof to);
	bufferevent_enable(pair->client, EV_READ | EV_WRITE);
	bufferevent_enable(pair->server, EV_READ | EV_WRITE);
}

static inline void proxy_start(struct proxy *proxy, struct event_base *loop, int to_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;

	*proxy = (struct proxy){ .loop = loop, .to_port = to_port };
	proxy->listener = evconnlistener_new_bind(loop, proxy_accept, proxy, LEV_OPT_CLOSE_ON_FREE, 16, (struct sockaddr *)&at, sizeof at);
	getsockname(evconnlistener_get_fd(proxy->listener), (struct sockaddr *)&at, &n);
	proxy->port = ntohs(at.sin_port);
}

/* Cuts what there is; `server` false leaves the server talking to nobody, as a network does that fails on one side. */
static inline void proxy_cut(struct proxy *proxy, bool server)
{
	for (struct proxy_pair *pair = proxy->pairs; pair; pair = pair->next) {
		proxy_cut_side(&pair->client);
		if (server)
			proxy_cut_side(&pair->server);
	}
}

/* Lets the answers that were kept back go. */
static inline void proxy_release(struct proxy *proxy)
{
	proxy->hold_answers = false;
	for (struct proxy_pair *pair = proxy->pairs; pair; pair = pair->next)
		if (pair->server)
			proxy_pass(pair->server, pair);
}

static inline void proxy_stop(struct proxy *proxy)
{
	proxy_cut(proxy, true);
	while (proxy->pairs) {
		struct proxy_pair *pair = proxy->pairs;

		proxy->pairs = pair->next;
		free(pair);
	}
	evconnlistener_free(proxy->listener);
}

#endif
