#include "run/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/error.h"

/* What goes over the socket, before the bytes. Both ends are one program on one machine: the layout is the compiler's. */
struct frame {
	uint32_t verb;
	uint32_t size;
};

enum {
	READ_MOST = 1 << 20,    /* taken from the socket at a time, so that one talker does not keep the loop */
	WRITE_MOST = 1 << 16,   /* made contiguous for one send */
	MESSAGE_MOST = 1 << 30, /* no bundle and no STATS comes near; beyond it the two ends have lost step */
};

struct channel {
	int fd;
	struct event *readable, *writable;
	struct evbuffer *in, *out;
	void (*on_message)(void *ctx, enum channel_verb verb, struct slice bytes);
	void (*on_end)(void *ctx);
	void *ctx;
	bool delivering; /* a callback of ours runs: who frees the channel in it leaves the rest to us */
	bool freed;
};

static void destroy(struct channel *channel)
{
	event_free(channel->readable);
	event_free(channel->writable);
	evbuffer_free(channel->in);
	evbuffer_free(channel->out);
	close(channel->fd);
	free(channel);
}

/* 0: all is in the socket, or will never be; 1: the socket is full. */
static int send_some(struct channel *channel)
{
	size_t left;

	while ((left = evbuffer_get_length(channel->out)) > 0) {
		size_t most = left < WRITE_MOST ? left : WRITE_MOST;
		ssize_t sent = send(channel->fd, evbuffer_pullup(channel->out, (ssize_t)most), most, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 1;
		/* The other side is gone. Its last words may still wait to be read; the end is told by reading alone. */
		evbuffer_drain(channel->out, sent < 0 ? left : (size_t)sent);
	}
	return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct channel *channel = arg;

	(void)fd;
	(void)what;
	if (send_some(channel) > 0)
		event_add(channel->writable, NULL);
}

static void deliver(struct channel *channel)
{
	struct frame frame;

	while (!channel->freed && evbuffer_copyout(channel->in, &frame, sizeof frame) == sizeof frame) {
		struct slice bytes = { NULL, frame.size };

		BUG_IF(frame.size > MESSAGE_MOST);
		if (evbuffer_get_length(channel->in) < sizeof frame + frame.size)
			return;
		evbuffer_drain(channel->in, sizeof frame);
		if (frame.size > 0)
			bytes.p = (const char *)evbuffer_pullup(channel->in, frame.size);
		channel->on_message(channel->ctx, (enum channel_verb)frame.verb, bytes);
		evbuffer_drain(channel->in, frame.size);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct channel *channel = arg;
	int got = evbuffer_read(channel->in, fd, READ_MOST);

	(void)what;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	channel->delivering = true;
	if (got > 0) {
		deliver(channel);
	} else {
		event_del(channel->readable);
		channel->on_end(channel->ctx);
	}
	channel->delivering = false;
	if (channel->freed)
		destroy(channel);
}

struct channel *channel_new(struct event_base *loop, int fd, void (*on_message)(void *ctx, enum channel_verb verb, struct slice bytes),
			    void (*on_end)(void *ctx), void *ctx)
{
	struct channel *channel = calloc(1, sizeof *channel);

	BUG_IF(!channel);
	*channel = (struct channel){ .fd = fd, .on_message = on_message, .on_end = on_end, .ctx = ctx };
	evutil_make_socket_nonblocking(fd);
	channel->in = evbuffer_new();
	channel->out = evbuffer_new();
	channel->readable = event_new(loop, fd, EV_READ | EV_PERSIST, on_readable, channel);
	channel->writable = event_new(loop, fd, EV_WRITE, on_writable, channel);
	BUG_IF(!channel->in || !channel->out || !channel->readable || !channel->writable);
	event_add(channel->readable, NULL);
	return channel;
}

void channel_send(struct channel *channel, enum channel_verb verb, struct slice bytes)
{
	struct frame frame = { .verb = verb, .size = (uint32_t)bytes.n };

	BUG_IF(bytes.n > MESSAGE_MOST);
	evbuffer_add(channel->out, &frame, sizeof frame);
	evbuffer_add(channel->out, bytes.p, bytes.n);
	event_add(channel->writable, NULL);
}

void channel_flush(struct channel *channel)
{
	while (send_some(channel) > 0)
		poll(&(struct pollfd){ .fd = channel->fd, .events = POLLOUT }, 1, -1);
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	channel->freed = true;
	event_del(channel->readable);
	event_del(channel->writable);
	if (!channel->delivering)
		destroy(channel);
}
