/* The bytes of one file, whatever it is: plain or compressed (told by its content), on a disk, a pipe or a terminal.
 * Never waits for bytes that are not there yet; a file on a disk always has its bytes. */
#ifndef IO_FILE_READ_H
#define IO_FILE_READ_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

enum file_read_result {
	FILE_READ_BYTES,
	FILE_READ_LATER, /* nothing now: file_read_fd() becomes readable */
	FILE_READ_END,
	FILE_READ_BROKEN, /* unreadable, or what it was compressed with says that it is damaged */
};

struct file_read;

/* path "-" is stdin. NULL with err. */
struct file_read *file_read_open(const char *path, struct error *err);
/* The next bytes, lent until the next call. */
enum file_read_result file_read_next(struct file_read *read, struct slice *bytes, struct error *err);
int file_read_fd(const struct file_read *read);
/* Bytes taken from the disk or pipe, before they were unpacked. */
uint64_t file_read_taken(const struct file_read *read);
void file_read_close(struct file_read *read); /* frees it; harmless on NULL */

/* Whether the file can be opened, without taking a byte of it. *size: 0 where it has none (a pipe). */
int file_read_check(const char *path, uint64_t *size, struct error *err);

#endif
