#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

/* The one mutable thing of the process that has no owner: where its words go. */
static struct {
	bool json;
	enum log_level least;
	char process[32];
} log_state = { .least = LOG_INFO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(bool json, enum log_level least, const char *process)
{
	log_state.json = json;
	log_state.least = least;
	snprintf(log_state.process, sizeof log_state.process, "%s", process);
}

static void line_as_json(struct buf *line, const char *time, enum log_level level, const char *const *fields, struct slice message)
{
	buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\",\"message\":", time, level_names[level], log_state.process);
	buf_json_string(line, message);
	for (; fields && fields[0]; fields += 2) {
		buf_char(line, ',');
		buf_json_string(line, slice_of(fields[0]));
		buf_char(line, ':');
		buf_json_string(line, slice_of(fields[1]));
	}
	buf_text(line, "}\n");
}

static void line_as_text(struct buf *line, const char *time, enum log_level level, const char *const *fields, struct slice message)
{
	buf_printf(line, "%s %-5s %s: %.*s", time, level_names[level], log_state.process, SLICE_ARG(message));
	for (; fields && fields[0]; fields += 2)
		buf_printf(line, " %s=%s", fields[0], fields[1]);
	buf_char(line, '\n');
}

void log_write(enum log_level level, const char *const *fields, const char *format, ...)
{
	struct buf message = BUF_INIT, line = BUF_INIT;
	char time[32];
	va_list args;

	if (level < log_state.least)
		return;
	va_start(args, format);
	buf_vprintf(&message, format, args);
	va_end(args);
	clock_format(clock_wall_ms(), time);
	(log_state.json ? line_as_json : line_as_text)(&line, time, level, fields, buf_view(&message));
	/* One write, so that lines of several processes do not mix. Nothing is to be done where stderr is gone. */
	if (write(STDERR_FILENO, line.p, line.n) < 0) {
	}
	buf_free(&message);
	buf_free(&line);
}

bool log_gate(struct log_gate *gate, unsigned most, long long now_ms)
{
	if (gate->second != now_ms / 1000) {
		if (gate->dropped)
			log_warn("%u more lines like the last were left out", gate->dropped);
		*gate = (struct log_gate){ .second = now_ms / 1000 };
	}
	if (gate->passed >= most) {
		gate->dropped++;
		return false;
	}
	gate->passed++;
	return true;
}
