/* One line an event on stderr, as text or JSON. Repeated lines from one place are limited; what was left out is counted
 * and said with the next line that passes. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Sets the form (json or text), the least level written, and the name of this process ("master", "worker 1"), which is copied. */
void log_setup(bool json, enum log_level least, const char *process);

/* fields: "key", "value" pairs of C strings up to a NULL key, or NULL: `(const char *[]){ "topic", t, NULL }`. */
void log_write(enum log_level level, const char *const *fields, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(...) log_write(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, NULL, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, NULL, __VA_ARGS__)

/* True at most `most` times a second for this gate: `static struct log_gate gate; if (log_gate(&gate, 5, now)) log_warn(...)`. */
struct log_gate {
	long long second;
	unsigned passed, dropped;
};
bool log_gate(struct log_gate *gate, unsigned most, long long now_ms);

#endif
