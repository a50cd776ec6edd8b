/* The pid file: one owner at a time, and never one that is dead. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/pidfile.h"

struct fixture {
	char folder[64], path[128];
};

static int start(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	strcpy(fixture->folder, "/tmp/pidfile-test-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->path, sizeof fixture->path, "%s/pid", fixture->folder);
	*state = fixture;
	return 0;
}

static int stop(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static void its_owner_is_found_until_it_closes(void **state)
{
	const char *path = ((struct fixture *)*state)->path;
	struct pidfile_owner owner;
	struct pidfile *file;
	struct error err;
	struct stat there;
	int held;

	assert_int_equal(pidfile_read(path, &owner, &err), -1);
	assert_string_equal(err.text, "it is not running");
	file = pidfile_open(path, &held, &err);
	assert_non_null(file);
	assert_int_equal(pidfile_read(path, &owner, &err), 0);
	assert_int_equal(owner.pid, getpid());
	assert_string_equal(owner.http, "");
	assert_int_equal(pidfile_write(file, "127.0.0.1:8686", &err), 0);
	assert_int_equal(pidfile_write(file, "[::1]:1", &err), 0); /* shorter than before */
	assert_int_equal(pidfile_read(path, &owner, &err), 0);
	assert_string_equal(owner.http, "[::1]:1");
	pidfile_close(file);
	assert_int_equal(stat(path, &there), -1);
	assert_int_equal(pidfile_read(path, &owner, &err), -1);
}

static void a_second_owner_is_turned_away_and_readers_do_not_disturb(void **state)
{
	const char *path = ((struct fixture *)*state)->path;
	struct pidfile_owner owner;
	struct pidfile *file;
	struct error err;
	int held;

	file = pidfile_open(path, &held, &err);
	assert_null(pidfile_open(path, &held, &err));
	assert_int_equal(held, 1);
	assert_non_null(strstr(err.text, "another streamlua"));
	assert_int_equal(pidfile_read(path, &owner, &err), 0);
	assert_int_equal(owner.pid, getpid());
	pidfile_close(file);
}

static void what_a_dead_owner_left_is_taken_over(void **state)
{
	const char *path = ((struct fixture *)*state)->path;
	struct pidfile_owner owner;
	struct pidfile *file;
	struct error err;
	struct stat there;
	pid_t child = fork();
	int held, status;

	if (child == 0)
		_exit(pidfile_open(path, &held, &err) ? 0 : 1); /* dies without pidfile_close */
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(stat(path, &there), 0);
	assert_int_equal(pidfile_read(path, &owner, &err), -1);
	file = pidfile_open(path, &held, &err);
	assert_non_null(file);
	assert_int_equal(pidfile_read(path, &owner, &err), 0);
	assert_int_equal(owner.pid, getpid());
	pidfile_close(file);
}

static void a_place_that_cannot_be_written_is_an_error(void **state)
{
	struct error err;
	int held;

	(void)state;
	assert_null(pidfile_open("/nowhere/at/all", &held, &err));
	assert_int_equal(held, 0);
	assert_non_null(strstr(err.text, "/nowhere/at/all"));
}

static void each_job_has_a_file_of_its_own(void **state)
{
	struct fixture *fixture = *state;
	char job[160], one[PATH_MAX], same[PATH_MAX], other[PATH_MAX];
	struct error err;

	setenv("XDG_RUNTIME_DIR", fixture->folder, 1);
	snprintf(job, sizeof job, "%s/../%s/.", fixture->folder, strrchr(fixture->folder, '/') + 1);
	assert_int_equal(pidfile_default(fixture->folder, one, &err), 0);
	assert_int_equal(pidfile_default(job, same, &err), 0);
	assert_int_equal(pidfile_default("/tmp", other, &err), 0);
	assert_string_equal(one, same);
	assert_string_not_equal(one, other);
	assert_memory_equal(one, fixture->folder, strlen(fixture->folder));
	assert_int_equal(pidfile_default("/nowhere/job.lua", one, &err), -1);
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(pidfile_default("/tmp", other, &err), 0);
	assert_memory_equal(other, "/tmp/streamlua-", 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(its_owner_is_found_until_it_closes, start, stop),
		cmocka_unit_test_setup_teardown(a_second_owner_is_turned_away_and_readers_do_not_disturb, start, stop),
		cmocka_unit_test_setup_teardown(what_a_dead_owner_left_is_taken_over, start, stop),
		cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written_is_an_error, start, stop),
		cmocka_unit_test_setup_teardown(each_job_has_a_file_of_its_own, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
