/* The HTTP face over real sockets: what it answers, what it refuses, and that its bounds hold. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/http.h"

struct fixture {
	struct event_base *loop;
	struct http *http;
};

static void answer(void *ctx, const char *path, struct http_reply *reply)
{
	(void)ctx;
	if (strcmp(path, "/hello") == 0) {
		reply->code = 200;
		buf_text(&reply->body, reply->near ? "hello\n" : "hello, stranger\n");
	} else if (strcmp(path, "/broken") == 0) {
		reply->code = 503;
		reply->type = "application/json";
		buf_text(&reply->body, "{}");
	} else if (strcmp(path, "/listen") == 0) {
		reply->code = 200;
		reply->type = "text/event-stream";
		reply->listens = true;
		buf_text(&reply->body, "begins\n");
	}
}

static int start(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct error err;

	alarm(120); /* of what is waited for, in case it never comes */
	fixture->loop = event_base_new();
	fixture->http = http_open(fixture->loop, "127.0.0.1:0", answer, NULL, &err);
	*state = fixture;
	return fixture->http ? 0 : -1;
}

static int stop(void **state)
{
	struct fixture *fixture = *state;

	http_close(fixture->http);
	event_base_free(fixture->loop);
	free(fixture);
	return 0;
}

static int dial(struct fixture *fixture)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), port;
	char host[256];

	assert_int_equal(http_split(http_address(fixture->http), host, &port, NULL), 0);
	to.sin_port = htons((uint16_t)port);
	connect(fd, (struct sockaddr *)&to, sizeof to);
	return fd;
}

/* Turns the server's loop until the other side has closed, and gives what it sent. */
static char *talk(struct fixture *fixture, int fd, const char *request, char *out, size_t size)
{
	size_t left = strlen(request), got = 0;

	for (;;) {
		ssize_t n;

		if (left > 0 && (n = send(fd, request, left, MSG_NOSIGNAL)) > 0) {
			request += n;
			left -= (size_t)n;
		}
		event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
		n = recv(fd, out + got, size - 1 - got, 0);
		if (n == 0 || got == size - 1)
			break;
		if (n < 0 && errno != EAGAIN)
			break;
		got += n > 0 ? (size_t)n : 0;
	}
	out[got] = 0;
	close(fd);
	return out;
}

static void get_answers_and_unknown_paths_are_404(void **state)
{
	char out[4096];

	talk(*state, dial(*state), "GET /hello?x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, "HTTP/1.1 200 OK"));
	assert_non_null(strstr(out, "Content-Type: text/plain"));
	assert_non_null(strstr(out, "\r\n\r\nhello\n"));
	talk(*state, dial(*state), "GET /broken HTTP/1.0\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, " 503 "));
	assert_non_null(strstr(out, "application/json"));
	talk(*state, dial(*state), "GET /nothing HTTP/1.0\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, " 404 "));
}

static void head_is_get_without_the_body(void **state)
{
	char out[4096];

	talk(*state, dial(*state), "HEAD /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, " 200 "));
	assert_non_null(strstr(out, "Content-Length: 6\r\n"));
	assert_null(strstr(out, "hello"));
}

static void other_methods_are_405(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE" };
	char request[128], out[4096];

	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		snprintf(request, sizeof request, "%s /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", methods[i]);
		talk(*state, dial(*state), request, out, sizeof out);
		assert_non_null(strstr(out, " 405 "));
		assert_non_null(strstr(out, "Allow: GET, HEAD"));
	}
}

static void what_is_too_large_or_no_http_is_refused(void **state)
{
	char *request = malloc(64 * 1024), out[4096];
	int n = sprintf(request, "GET /hello HTTP/1.1\r\nX-Long: ");

	memset(request + n, 'a', 32 * 1024);
	strcpy(request + n + 32 * 1024, "\r\n\r\n");
	talk(*state, dial(*state), request, out, sizeof out);
	assert_null(strstr(out, "hello"));
	talk(*state, dial(*state), "POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, "HTTP/1.1 4"));
	talk(*state, dial(*state), "\x16\x03\x01 nonsense\r\n\r\n", out, sizeof out);
	assert_null(strstr(out, "hello"));
	free(request);
}

/* Idle connections take every place; the next client waits, and is served once one of them goes. */
static void connections_are_bounded_and_places_come_free(void **state)
{
	struct fixture *fixture = *state;
	int idle[64], late;
	char out[4096];

	for (int i = 0; i < 64; i++) /* they and the next come to the listener at once */
		idle[i] = dial(fixture);
	late = dial(fixture);
	send(late, "GET /hello HTTP/1.0\r\n\r\n", 23, MSG_NOSIGNAL);
	for (int i = 0; i < 50; i++)
		event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
	assert_int_equal(recv(late, out, sizeof out, 0), -1);
	close(idle[0]);
	talk(fixture, late, "", out, sizeof out);
	assert_non_null(strstr(out, "hello"));
	for (int i = 1; i < 64; i++)
		close(idle[i]);
	for (int i = 0; i < 200; i++) /* many more than there are places, one after the other */
		assert_non_null(strstr(talk(fixture, dial(fixture), "GET /hello HTTP/1.0\r\n\r\n", out, sizeof out), "hello"));
}

enum { LISTENERS = 16 };

/* One that listens; what it was told first is in out. */
static int listen_in(struct fixture *fixture, const char *host, char *out, size_t size)
{
	char request[128];
	int length = snprintf(request, sizeof request, "GET /listen HTTP/1.1\r\nHost: %s\r\n\r\n", host), fd = dial(fixture);
	ssize_t n;

	while (send(fd, request, (size_t)length, MSG_NOSIGNAL) < 0)
		event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
	while ((n = recv(fd, out, size - 1, MSG_PEEK)) <= 0 || (out[n] = 0, !strstr(out, "\r\n0") && !strstr(out, "begins")))
		event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
	out[recv(fd, out, size - 1, 0)] = 0;
	return fd;
}

/* What comes until this has come. */
static const char *hear(struct fixture *fixture, int fd, const char *word, char *out, size_t size)
{
	size_t got = 0;

	for (*out = 0; !strstr(out, word); out[got] = 0) {
		ssize_t n;

		event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
		n = recv(fd, out + got, size - 1 - got, 0);
		got += n > 0 ? (size_t)n : 0;
	}
	return out;
}

static void wait_for_listeners(struct fixture *fixture, unsigned count)
{
	while (http_listeners(fixture->http) != count)
		event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
}

static void all_that_listen_are_told_the_same(void **state)
{
	struct fixture *fixture = *state;
	char out[4096];
	int a = listen_in(fixture, "x", out, sizeof out), b;

	assert_non_null(strstr(out, "Content-Type: text/event-stream\r\n"));
	assert_non_null(strstr(out, "begins\n"));
	b = listen_in(fixture, "x", out, sizeof out);
	assert_int_equal(http_listeners(fixture->http), 2);
	http_tell(fixture->http, HTTP_ALL, SLICE("news\n"));
	assert_string_equal(hear(fixture, a, "news\n\r\n", out, sizeof out), "5\r\nnews\n\r\n");
	assert_string_equal(hear(fixture, b, "news\n\r\n", out, sizeof out), "5\r\nnews\n\r\n");
	close(a);
	wait_for_listeners(fixture, 1);
	http_tell(fixture->http, HTTP_ALL, SLICE("more\n"));
	assert_string_equal(hear(fixture, b, "more\n\r\n", out, sizeof out), "5\r\nmore\n\r\n");
	talk(fixture, dial(fixture), "HEAD /listen HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, " 200 "));
	assert_null(strstr(out, "begins"));
	assert_int_equal(http_listeners(fixture->http), 1);
	close(b); /* the server ends while it is thought to be there */
}

static void no_more_listen_than_may(void **state)
{
	struct fixture *fixture = *state;
	int listening[LISTENERS];
	char out[4096];

	for (int i = 0; i < LISTENERS; i++)
		listening[i] = listen_in(fixture, "x", out, sizeof out);
	assert_non_null(strstr(talk(fixture, dial(fixture), "GET /listen HTTP/1.0\r\n\r\n", out, sizeof out), " 503 "));
	assert_null(strstr(out, "begins"));
	assert_int_equal(http_listeners(fixture->http), LISTENERS);
	assert_non_null(strstr(talk(fixture, dial(fixture), "GET /hello HTTP/1.0\r\n\r\n", out, sizeof out), "hello"));
	close(listening[3]);
	wait_for_listeners(fixture, LISTENERS - 1);
	listening[3] = listen_in(fixture, "x", out, sizeof out);
	assert_non_null(strstr(out, "begins"));
	for (int i = 0; i < LISTENERS; i++)
		close(listening[i]);
}

static void one_that_does_not_read_is_left_and_the_others_hear_all(void **state)
{
	enum { CHUNK = 64 * 1024, TIMES_MOST = 1000 };
	struct fixture *fixture = *state;
	char *chunk = malloc(CHUNK), *out = malloc(CHUNK);
	int reads = listen_in(fixture, "x", out, CHUNK), sleeps = listen_in(fixture, "x", out, CHUNK), times = 0;

	memset(chunk, 'x', CHUNK);
	for (; http_listeners(fixture->http) == 2 && times < TIMES_MOST; times++) {
		size_t got = 0;

		http_tell(fixture->http, HTTP_ALL, (struct slice){ chunk, CHUNK });
		while (got < CHUNK) {
			ssize_t n;

			event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
			n = recv(reads, out, CHUNK, 0);
			got += n > 0 ? (size_t)n : 0;
		}
	}
	assert_true(times < TIMES_MOST);
	assert_int_equal(http_listeners(fixture->http), 1);
	http_tell(fixture->http, HTTP_ALL, SLICE("still\n"));
	hear(fixture, reads, "still", out, CHUNK);
	close(reads);
	close(sleeps);
	free(chunk);
	free(out);
}

/* It has asked, and is answered for as long as it likes; what else it says stays in its own hands. */
static void what_a_listener_says_is_not_kept(void **state)
{
	enum { WORDS = 64 * 1024, WORDS_MOST = 64 << 20 };
	struct fixture *fixture = *state;
	char *words = calloc(1, WORDS), out[4096];
	int fd = listen_in(fixture, "x", out, sizeof out);
	size_t said = 0;
	int silent = 0;

	while (said < WORDS_MOST && silent < 100) {
		ssize_t n = send(fd, words, WORDS, MSG_NOSIGNAL);

		silent = n > 0 ? 0 : silent + 1;
		said += n > 0 ? (size_t)n : 0;
		event_base_loop(fixture->loop, EVLOOP_NONBLOCK);
	}
	assert_true(said < WORDS_MOST); /* the kernel's buffers are full, and nobody empties them */
	close(fd);
	free(words);
}

/* What only this machine may see is not for a page that borrows its browser. */
static void who_asks_by_a_strange_name_is_not_near(void **state)
{
	static const struct {
		const char *host;
		bool near;
	} cases[] = {
		{ "localhost", true },     { "LOCALHOST:8686", true },     { "127.0.0.1:8686", true },          { "[::1]:8686", true },
		{ "evil.example", false }, { "evil.example:8686", false }, { "127.0.0.1.evil.example", false }, { "localhost.evil.example", false }
	};
	char request[128], out[4096];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", cases[i].host);
		talk(*state, dial(*state), request, out, sizeof out);
		if (cases[i].near != !strstr(out, "stranger"))
			fail_msg("%s: %s", cases[i].host, out);
	}
	talk(*state, dial(*state), "GET http://evil.example/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", out, sizeof out);
	assert_non_null(strstr(out, "stranger"));
}

static void those_from_elsewhere_are_told_other_things(void **state)
{
	struct fixture *fixture = *state;
	char out[4096];
	int near = listen_in(fixture, "localhost", out, sizeof out), far = listen_in(fixture, "evil.example", out, sizeof out);

	http_tell(fixture->http, HTTP_NEAR, SLICE("secret\n"));
	http_tell(fixture->http, HTTP_FAR, SLICE("public\n"));
	http_tell(fixture->http, HTTP_ALL, SLICE("end\n"));
	assert_string_equal(hear(fixture, near, "end\n\r\n", out, sizeof out), "7\r\nsecret\n\r\n4\r\nend\n\r\n");
	assert_string_equal(hear(fixture, far, "end\n\r\n", out, sizeof out), "7\r\npublic\n\r\n4\r\nend\n\r\n");
	close(near);
	close(far);
}

static void a_busy_port_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	struct error err;

	assert_null(http_open(fixture->loop, http_address(fixture->http), answer, NULL, &err));
	assert_non_null(strstr(err.text, "in use"));
}

static void the_client_reads_what_the_server_says(void **state)
{
	struct fixture *fixture = *state;
	struct http_reply reply;
	char address[300];
	struct error err;
	pid_t server;
	int status;

	snprintf(address, sizeof address, "%s", http_address(fixture->http));
	server = fork();
	if (server == 0) {
		event_reinit(fixture->loop);
		event_base_dispatch(fixture->loop);
		_exit(0);
	}
	assert_int_equal(http_get(address, "/hello", 5000, &reply, &err), 0);
	assert_int_equal(reply.code, 200);
	assert_true(slice_is(buf_view(&reply.body), "hello\n"));
	buf_free(&reply.body);
	kill(server, SIGSTOP); /* it still accepts, and says nothing */
	assert_int_equal(http_get(address, "/hello", 50, &reply, &err), -1);
	assert_non_null(strstr(err.text, address));
	kill(server, SIGKILL);
	waitpid(server, &status, 0);
}

static void addresses_are_host_and_port(void **state)
{
	static const char *const bad[] = {
		"", "8686", "host", "host:", "host:x", "host:1x", "host:65536", "::1:80", "[::1]", "[]:1", ":80", "host:-1"
	};
	char host[256];
	int port;

	(void)state;
	assert_int_equal(http_split("127.0.0.1:8686", host, &port, NULL), 0);
	assert_string_equal(host, "127.0.0.1");
	assert_int_equal(port, 8686);
	assert_int_equal(http_split("[::1]:0", host, &port, NULL), 0);
	assert_string_equal(host, "::1");
	assert_int_equal(port, 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(http_split(bad[i], host, &port, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(get_answers_and_unknown_paths_are_404, start, stop),
		cmocka_unit_test_setup_teardown(head_is_get_without_the_body, start, stop),
		cmocka_unit_test_setup_teardown(other_methods_are_405, start, stop),
		cmocka_unit_test_setup_teardown(what_is_too_large_or_no_http_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(connections_are_bounded_and_places_come_free, start, stop),
		cmocka_unit_test_setup_teardown(all_that_listen_are_told_the_same, start, stop),
		cmocka_unit_test_setup_teardown(no_more_listen_than_may, start, stop),
		cmocka_unit_test_setup_teardown(one_that_does_not_read_is_left_and_the_others_hear_all, start, stop),
		cmocka_unit_test_setup_teardown(what_a_listener_says_is_not_kept, start, stop),
		cmocka_unit_test_setup_teardown(who_asks_by_a_strange_name_is_not_near, start, stop),
		cmocka_unit_test_setup_teardown(those_from_elsewhere_are_told_other_things, start, stop),
		cmocka_unit_test_setup_teardown(a_busy_port_is_an_error, start, stop),
		cmocka_unit_test_setup_teardown(the_client_reads_what_the_server_says, start, stop),
		cmocka_unit_test(addresses_are_host_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
