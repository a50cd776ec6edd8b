#include "run/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/sqlite_make.h"
#include "run/child.h"
#include "run/demo_show.h"
#include "run/master.h"
#include "run/template.h"

#define FOLDER "streamlua-demo"
#define JOB FOLDER "/job.lua"
#define DATABASE FOLDER "/target.db"
#define MARK FOLDER "/.made-by-streamlua-demo"

enum { BROKER_MS = 20000 };

static const struct {
	const char *path, *template;
} files[] = {
	{ JOB, "demo.job" },
	{ FOLDER "/scripts/orders.lua", "demo.scripts.orders" },
	{ FOLDER "/scripts/customers.lua", "demo.scripts.customers" },
	{ FOLDER "/schema.sql", "demo.schema.sql" },
	{ FOLDER "/.luarc.json", "new.luarc.json" },
	{ FOLDER "/.luacheckrc", "new.luacheckrc" },
};

/* The folder is ours where our mark is in it. Its descriptor is locked for as long as the demo runs: a second one would take the
 * target away from under the first. */
static int take_folder(int *mark, struct error *err)
{
	bool made = mkdir(FOLDER, 0777) == 0;

	if (!made && errno != EEXIST)
		return error_set(err, FOLDER ": %s", strerror(errno));
	*mark = open(MARK, O_RDWR | O_CLOEXEC | (made ? O_CREAT : 0), 0666);
	if (*mark < 0 && errno == ENOENT)
		return error_set(err, FOLDER " is here already, and the demo did not make it: move it away, or start the demo in another folder");
	if (*mark < 0)
		return error_set(err, MARK ": %s", strerror(errno));
	if (flock(*mark, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, "the demo runs here already");
	return 0;
}

/* What somebody edited stays. The broker forgets everything with each run, and so does the target. */
static int make_files(struct error *err)
{
	static const char *const old[] = { DATABASE, DATABASE "-wal", DATABASE "-shm" };
	struct buf sql = BUF_INIT;
	int result;

	if (mkdir(FOLDER "/scripts", 0777) < 0 && errno != EEXIST)
		return error_set(err, FOLDER "/scripts: %s", strerror(errno));
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (access(files[i].path, F_OK) < 0 && template_write(files[i].path, template_text(files[i].template), err) < 0)
			return -1;
	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		if (unlink(old[i]) < 0 && errno != ENOENT)
			return error_set(err, "%s: %s", old[i], strerror(errno));
	buf_slice(&sql, template_text("demo.schema.sql"));
	result = sqlite_make(DATABASE, buf_cstr(&sql), err);
	buf_free(&sql);
	return result;
}

/* The first line that the process says: where its broker is. */
static int read_address(int fd, char *address, size_t size, struct error *err)
{
	size_t n = 0;

	while (n + 1 < size) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };

		if (poll(&ready, 1, BROKER_MS) <= 0 || read(fd, address + n, 1) != 1)
			break;
		if (address[n] == '\n') {
			address[n] = 0;
			return 0;
		}
		n++;
	}
	return error_set(err, "the demo's broker did not start");
}

/* Whether the process has said that the rows are shown. */
static bool has_shown(int fd)
{
	char word = 0;

	return recv(fd, &word, 1, MSG_DONTWAIT) == 1 && word == '.';
}

int demo_run(const struct run_options *given)
{
	struct demo_show show = { .folder = FOLDER, .job_path = JOB, .database = DATABASE, .go_on = isatty(STDOUT_FILENO) };
	struct run_options options = *given;
	struct error err = { .text = "" };
	char address[300];
	int mark = -1, code = 2;
	pid_t pid;

	if (take_folder(&mark, &err) < 0 || make_files(&err) < 0)
		goto fail;
	code = 1;
	pid = child_fork(&show.fd, &err);
	if (pid == 0)
		demo_show_run(&show);
	if (pid < 0)
		goto fail;
	if (read_address(show.fd, address, sizeof address, &err) == 0) {
		setenv("KAFKA_BROKERS", address, 1);
		options.job_path = JOB;
		code = master_run(&options);
		if (code == 0 && !show.go_on && !has_shown(show.fd))
			code = 1;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(show.fd);
fail:
	if (err.text[0])
		fprintf(stderr, "streamlua: %s\n", err.text);
	if (mark >= 0)
		close(mark);
	return code;
}
