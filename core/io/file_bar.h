/* How far the files are read, as one line on stderr that is drawn again and again while somebody watches. */
#ifndef IO_FILE_BAR_H
#define IO_FILE_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct file_bar {
	bool wanted, drawn;
	uint64_t total; /* bytes of all files, 0 unknown */
	int64_t began_ms, next_ms;
};

void file_bar_start(struct file_bar *bar, bool wanted, uint64_t total, int64_t now_ms);
/* Draws where it is time to. */
void file_bar_show(struct file_bar *bar, uint64_t bytes, uint64_t events, int64_t now_ms);
/* Wipes the line. */
void file_bar_end(struct file_bar *bar);

#endif
