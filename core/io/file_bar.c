#include "io/file_bar.h"

#include <stdio.h>
#include <unistd.h>

enum { REDRAW_MS = 250 };

void file_bar_start(struct file_bar *bar, bool wanted, uint64_t total, int64_t now_ms)
{
	/* Not at once: what is read in a moment needs no bar. */
	*bar = (struct file_bar){
		.wanted = wanted && isatty(STDERR_FILENO),
		.total = total,
		.began_ms = now_ms,
		.next_ms = now_ms + REDRAW_MS,
	};
}

static void put(const char *text, size_t n)
{
	/* Nothing is to be done where the terminal is gone. */
	if (write(STDERR_FILENO, text, n) < 0) {
	}
}

void file_bar_show(struct file_bar *bar, uint64_t bytes, uint64_t events, int64_t now_ms)
{
	double seconds = (double)(now_ms - bar->began_ms) / 1000;
	char line[160], percent[8] = "";
	int n;

	if (!bar->wanted || now_ms < bar->next_ms)
		return;
	bar->next_ms = now_ms + REDRAW_MS;
	if (bar->total)
		snprintf(percent, sizeof percent, "%3d%% ", (int)(bytes < bar->total ? bytes * 100 / bar->total : 100));
	/* Columns are few, and a line that wraps could not be wiped: at most 79 of them. \033[K clears what was there before. */
	n = snprintf(line, sizeof line, "\r%s%.1f MB  %llu events  %.1f MB/s  %.0f/s", percent, (double)bytes / 1e6, (unsigned long long)events,
		     (double)bytes / 1e6 / seconds, (double)events / seconds);
	if (n > 80)
		n = 80;
	n += snprintf(line + n, sizeof line - (size_t)n, "\033[K");
	put(line, (size_t)n);
	bar->drawn = true;
}

void file_bar_end(struct file_bar *bar)
{
	if (bar->drawn)
		put("\r\033[K", 4);
	*bar = (struct file_bar){ 0 };
}
