/* What goes on around the demo's job, in a process of its own: the broker with the sample changes, and the look at the target. */
#ifndef RUN_DEMO_SHOW_H
#define RUN_DEMO_SHOW_H

#include <stdbool.h>

struct demo_show {
	const char *folder, *job_path, *database;
	int fd;     /* to the master: the broker's address and a newline, and a '.' once all rows are shown */
	bool go_on; /* keep changes coming after that, for as long as the master lives; otherwise the master is told to stop */
};

/* Does not return: it ends with the master. */
void demo_show_run(const struct demo_show *show) __attribute__((noreturn));

#endif
