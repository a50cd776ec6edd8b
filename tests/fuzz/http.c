/* The HTTP port: whatever a stranger sends, the answer is whole or there is none, and nothing but a GET or HEAD reaches the job. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow/letters.h"
#include "fuzz/fuzz.h"
#include "run/answer.h"
#include "run/page.h"

/* libevent holds some connections until its timeout ends them. */
enum { TURNS_MOST = 50 };

static struct slice name; /* in all that the job is called and says of itself */

static void check_metrics(struct slice text)
{
	while (text.n) {
		struct slice line = fuzz_until(&text, '\n');
		const char *space = line.n ? memrchr(line.p, ' ', line.n) : NULL;

		FUZZ_CHECK(line.n > 2 && (*line.p == '#' || memcmp(line.p, "streamlua_", 10) == 0), "%.*s", SLICE_ARG(line));
		FUZZ_CHECK(*line.p == '#' || (space && strspn(space + 1, "-0123456789") > 0), "%.*s", SLICE_ARG(line));
	}
}

/* A job that is called so. */
static struct status look(void *ctx)
{
	static struct stats_script scripts[2];
	static struct stats_partition partitions[1];
	static struct stats stats, gone;
	static struct status_worker worker;
	static char job[64];
	struct status status = { .job = job, .path = job, .sink = "tidb", .version = "0", .workers = &worker, .worker_count = 1, .gone = &gone };

	(void)ctx;
	scripts[0] = (struct stats_script){ .name = name };
	scripts[1] = (struct stats_script){ .name = SLICE("orders") };
	partitions[0] = (struct stats_partition){ .topic = name, .partition = 1, .lag = -1, .lag_ms = -1 };
	stats = (struct stats){ .problem = name, .scripts = scripts, .script_count = 2, .partitions = partitions, .partition_count = 1 };
	worker = (struct status_worker){ .pid = 5, .state = "ready", .stats = &stats };
	snprintf(job, sizeof job, "%.*s", SLICE_ARG(name));
	status.reloads.last = "none";
	status.reloads.last_error = job;
	return status;
}

/* A message that is nothing but its name, and dead. */
static void add_letter(struct page *page)
{
	struct message message = { .topic = name, .key = name, .value = name };
	struct event event = { .message = &message, .database = name, .table = name, .error = name, .outcome = OUTCOME_DEAD };
	struct letters letters = { 0 };
	struct buf lines = BUF_INIT;

	letters_note(&letters, &event, 0, "0");
	letters_take(&letters, &lines);
	page_letters(page, buf_view(&lines));
	letters_free(&letters);
	buf_free(&lines);
}

/* Events are an "event: ", a "data: " that is JSON, and an empty line. */
static void check_stream(struct slice text)
{
	uint8_t kind;

	FUZZ_CHECK(text.n > 2 && memcmp(text.p + text.n - 2, "\n\n", 2) == 0, "%.*s", SLICE_ARG(text));
	while (text.n) {
		struct slice line = fuzz_until(&text, '\n');

		if (line.n == 0 || slice_is(line, "retry: 2000") || memcmp(line.p, "event: ", 7) == 0)
			continue;
		FUZZ_CHECK(memcmp(line.p, "data: ", 6) == 0 && fuzz_json_kind((struct slice){ line.p + 6, line.n - 6 }, &kind), "%.*s",
			   SLICE_ARG(line));
	}
}

static void answer(void *ctx, const char *path, struct http_reply *reply)
{
	struct status status = look(NULL);
	uint8_t kind;

	FUZZ_CHECK(path && *path, "no path");
	if (strcmp(path, "/events") == 0) {
		page_begin(*(struct page **)ctx, reply);
		check_stream(buf_view(&reply->body));
		return;
	}
	answer_path(&status, path, reply);
	if (strcmp(path, "/status") == 0)
		FUZZ_CHECK(fuzz_json_kind(buf_view(&reply->body), &kind), "%.*s", SLICE_ARG(buf_view(&reply->body)));
	if (strcmp(path, "/metrics") == 0)
		check_metrics(buf_view(&reply->body));
	FUZZ_CHECK(reply->code == 200 || reply->code == 404 || reply->code == 503, "%d", reply->code);
}

static int connect_to(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port;
	struct linger at_once = { 1, 0 }; /* no port is to be left waiting, thousands of times a second */
	char host[256];
	struct error err;

	FUZZ_CHECK(http_split(address, host, &port, &err) == 0, "%s", err.text);
	to.sin_port = htons((uint16_t)port);
	inet_pton(AF_INET, host, &to.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	/* The fuzzer's alarm may ring: it is connected by the time something is sent. */
	FUZZ_CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINTR, "%s: %s", address, strerror(errno));
	return fd;
}

static void check_answer(struct slice text)
{
	struct slice rest;
	int code;

	if (!text.n)
		return;
	/* libevent's version is what the request said. */
	FUZZ_CHECK(text.n > 12 && memcmp(text.p, "HTTP/", 5) == 0, "%.*s", SLICE_ARG(text));
	rest = text;
	fuzz_until(&rest, ' ');
	FUZZ_CHECK(rest.n >= 3, "%.*s", SLICE_ARG(text));
	code = (rest.p[0] - '0') * 100 + (rest.p[1] - '0') * 10 + rest.p[2] - '0';
	FUZZ_CHECK(code == 100 || code == 200 || code == 503 || (code >= 400 && code < 600), "%.*s", SLICE_ARG(text));
}

static void exchange(struct event_base *loop, const char *address, struct slice request)
{
	struct buf text = BUF_INIT;
	int fd = connect_to(address);
	bool ended = false;

	FUZZ_CHECK(send(fd, request.p, request.n, MSG_NOSIGNAL) == (ssize_t)request.n, "%s", strerror(errno));
	shutdown(fd, SHUT_WR);
	for (int turn = 0; !ended && turn < TURNS_MOST; turn++) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };

		event_base_loop(loop, EVLOOP_NONBLOCK);
		if (poll(&ready, 1, 0) > 0) {
			ssize_t n = recv(fd, buf_reserve(&text, 65536), 65536, MSG_DONTWAIT);

			ended = n <= 0;
			text.n += n > 0 ? (size_t)n : 0;
		}
	}
	check_answer(buf_view(&text));
	buf_free(&text);
	close(fd);
}

/* "HOST:PORT" taken apart is what was put together. */
static void check_split(struct slice text)
{
	char address[512], host[256], again[600];
	struct error err = { .text = "" };
	int port;

	snprintf(address, sizeof address, "%.*s", SLICE_ARG(text));
	if (http_split(address, host, &port, &err) < 0) {
		FUZZ_CHECK(err.text[0], "an error without a reason");
		return;
	}
	FUZZ_CHECK(port >= 0 && port <= 65535 && host[0], "%s", address);
	snprintf(again, sizeof again, address[0] == '[' ? "[%s]:" : "%s:", host);
	FUZZ_CHECK(strncmp(address, again, strlen(again)) == 0, "%s is not %s", again, address);
}

/* A line with a name, then what is sent. */
void fuzz_http(struct slice input)
{
	struct event_base *loop = event_base_new();
	struct page *page = page_new(loop, look, NULL);
	struct error err;
	struct http *http = http_open(loop, "127.0.0.1:0", answer, &page, &err);

	FUZZ_CHECK(http, "%s", err.text);
	page_open(page, http);
	name = fuzz_until(&input, '\n');
	check_split(name);
	add_letter(page);
	exchange(loop, http_address(http), (struct slice){ input.p, input.n < 20000 ? input.n : 20000 });
	http_tell(http, HTTP_ALL, name);
	http_close(http);
	page_free(page);
	event_base_free(loop);
}
