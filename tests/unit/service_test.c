/* What a service manager is told, and when: the test stands for the manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/notify.h"
#include "run/service.h"

enum { TURNS = 3 }; /* so often the service has looked */

struct fixture {
	struct event_base *loop;
	int manager;
	struct sockaddr_un address;
	struct service_view view;
	const char *text;
	int looks;
	struct service *service;
	char heard[2048]; /* all that came, a '|' behind each */
};

static void look(void *ctx, struct service_view *view)
{
	struct fixture *f = ctx;

	*view = f->view;
	buf_text(&view->text, f->text);
	if (++f->looks == TURNS)
		event_base_loopbreak(f->loop);
}

/* All that was said since, without times and WATCHDOGs beyond the first. */
static const char *hear(struct fixture *f)
{
	char line[512];
	ssize_t n;

	f->looks = 0;
	event_base_dispatch(f->loop);
	f->heard[0] = 0;
	while ((n = recv(f->manager, line, sizeof line - 1, MSG_DONTWAIT)) >= 0) {
		char *digits;

		line[n] = 0;
		if ((digits = strstr(line, "MONOTONIC_USEC=")) && atoll(digits + 15) > 0)
			strcpy(digits, "MONOTONIC_USEC=now");
		if (strcmp(line, "WATCHDOG=1") == 0 && strstr(f->heard, line))
			continue;
		strcat(f->heard, line);
		strcat(f->heard, "|");
	}
	return f->heard;
}

static void begin(struct fixture *f, const char *watchdog_us, const char *watchdog_pid)
{
	/* An abstract name: nothing is left of it. */
	socklen_t size;
	char name[64];
	int n;

	f->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	f->address.sun_family = AF_UNIX;
	n = snprintf(name, sizeof name, "@streamlua-service-test-%d", getpid());
	memcpy(f->address.sun_path, name, (size_t)n);
	f->address.sun_path[0] = 0;
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	assert_int_equal(bind(f->manager, (struct sockaddr *)&f->address, size), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	if (watchdog_us)
		setenv("WATCHDOG_USEC", watchdog_us, 1);
	if (watchdog_pid)
		setenv("WATCHDOG_PID", watchdog_pid, 1);
	f->loop = event_base_new();
	f->text = "";
	f->view.beating = true;
	f->service = service_new(f->loop, look, f);
	assert_non_null(f->service);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
}

static void finish(struct fixture *f)
{
	service_free(f->service);
	event_base_free(f->loop);
	close(f->manager);
}

static void ready_is_said_once_and_after_a_reload(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	begin(&f, NULL, NULL);
	f.text = "worker 0:\nstarting";
	assert_string_equal(hear(&f), "STATUS=worker 0: starting|");
	service_reloading(f.service); /* part of the start */
	assert_string_equal(hear(&f), "");
	f.view.ready = true;
	f.text = "";
	assert_string_equal(hear(&f), "READY=1|STATUS=|");
	f.view.ready = false; /* the target is away: that is no state of a service */
	assert_string_equal(hear(&f), "");
	f.view.reloading = true;
	service_reloading(f.service);
	assert_string_equal(hear(&f), "RELOADING=1\nMONOTONIC_USEC=now|");
	f.view.reloading = false;
	assert_string_equal(hear(&f), "READY=1|");
	service_stopping(f.service, false);
	service_stopping(f.service, true);
	assert_string_equal(hear(&f), "STOPPING=1|");
	finish(&f);
}

static void what_was_done_before_it_was_looked_at_was_ready(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	begin(&f, NULL, NULL);
	service_stopping(f.service, true);
	assert_string_equal(hear(&f), "READY=1|STOPPING=1|");
	finish(&f);
}

static void the_watchdog_hears_of_it_while_workers_beat(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	begin(&f, "100000", NULL);
	assert_string_equal(hear(&f), "WATCHDOG=1|");
	f.view.beating = false;
	assert_string_equal(hear(&f), "");
	f.view.beating = true;
	service_stopping(f.service, false);
	assert_string_equal(hear(&f), "STOPPING=1|WATCHDOG=1|"); /* a drain may take its time */
	finish(&f);
}

static void a_watchdog_of_another_process_is_not_fed(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	begin(&f, "100000", "1");
	assert_string_equal(hear(&f), "");
	finish(&f);
}

static void without_a_manager_there_is_nothing(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_null(notify_open());
	setenv("NOTIFY_SOCKET", "relative/path", 1);
	assert_null(notify_open());
	service_reloading(NULL);
	service_stopping(NULL, true);
	service_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready_is_said_once_and_after_a_reload),       cmocka_unit_test(what_was_done_before_it_was_looked_at_was_ready),
		cmocka_unit_test(the_watchdog_hears_of_it_while_workers_beat), cmocka_unit_test(a_watchdog_of_another_process_is_not_fed),
		cmocka_unit_test(without_a_manager_there_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
