/* What this machine lets the job have: files and memory; and whether what the one end sends fits the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "run/doctor_private.h"

enum { FILES_BESIDE = 64 /* scripts, pipes, the log, the page's readers */, FILES_A_BROKER = 3 };

/* The number behind a name in a file of lines "name: number kB"; name NULL: the file's only one. -1: it has none. */
static int64_t read_number(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	long long number = -1;
	char line[200];

	while (file && number < 0 && fgets(line, sizeof line, file))
		if (!name || strncmp(line, name, strlen(name)) == 0)
			if (sscanf(line + (name ? strlen(name) : 0), "%lld", &number) != 1 && !name)
				break;
	if (file)
		fclose(file);
	return number;
}

static void say_files(struct doctor *doctor)
{
	int64_t needed = FILES_BESIDE + (int64_t)doctor->brokers * FILES_A_BROKER + (doctor->sink ? doctor->sink->lanes * 2 : 0);
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur != RLIM_INFINITY && (int64_t)limit.rlim_cur < needed)
		doctor_say(doctor, DOCTOR_WARN, "limits", "open files", "raise it: ulimit -n, LimitNOFILE= of the unit",
			   "a worker may have %lld, and needs up to %lld", (long long)limit.rlim_cur, (long long)needed);
	else
		doctor_say(doctor, DOCTOR_OK, "limits", "open files", NULL, "a worker needs up to %lld", (long long)needed);
}

static void say_memory(struct doctor *doctor)
{
	int64_t each = job_number(doctor->job, "memory", 256 << 20), workers = doctor->options->workers ? doctor->options->workers : 1;
	int64_t total = read_number("/proc/meminfo", "MemTotal:") << 10, most = read_number("/sys/fs/cgroup/memory.max", NULL);
	const char *what = "this machine";

	if (most > 0 && (total <= 0 || most < total)) {
		total = most;
		what = "this control group";
	}
	if (total > 0 && each * workers > total)
		doctor_say(doctor, DOCTOR_FAIL, "limits", "memory", "lower `memory` of the job, or run fewer workers",
			   "%lld MB for each of %lld workers, and %s has %lld MB", (long long)each >> 20, (long long)workers, what,
			   (long long)total >> 20);
	else
		doctor_say(doctor, DOCTOR_OK, "limits", "memory", NULL, "%lld MB for each of %lld worker%s; %s has %lld MB", (long long)each >> 20,
			   (long long)workers, workers == 1 ? "" : "s", what, (long long)total >> 20);
}

/* A dead letter holds its message whole, in hexadecimal. */
static void say_messages(struct doctor *doctor)
{
	if (!doctor->message_bytes || !doctor->packet_bytes)
		return;
	if (doctor->message_bytes * 2 > doctor->packet_bytes)
		doctor_say(doctor, DOCTOR_WARN, "limits", "message",
			   "raise max_allowed_packet of the database above twice max.message.bytes of the topic",
			   "a topic takes messages of %lld bytes; one that becomes a dead letter does not fit a packet of %lld",
			   (long long)doctor->message_bytes, (long long)doctor->packet_bytes);
	else
		doctor_say(doctor, DOCTOR_OK, "limits", "message", NULL,
			   "the largest that the topics take (%lld bytes) fits the database's packet, also as a dead letter",
			   (long long)doctor->message_bytes);
}

void doctor_limits(struct doctor *doctor)
{
	say_files(doctor);
	say_memory(doctor);
	say_messages(doctor);
}
