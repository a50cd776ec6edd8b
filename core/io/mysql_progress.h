/* What is said to streamlua_progress beside the statement that each transaction carries: taking partitions over, and reading
 * back what became of a transaction. */
#ifndef IO_MYSQL_PROGRESS_H
#define IO_MYSQL_PROGRESS_H

#include "base/buf.h"
#include "flow/sink.h"

/* Reads this transaction's rows with a lock: one that still runs on the server is waited for. Columns: topic, partition, lane,
 * epoch, seq, next_offset, done. */
void mysql_progress_read_back(struct buf *out, const char *job, const struct tx *tx);

/* Begins a transaction that locks and reads all rows of these partitions. Columns: topic, partition, lane, epoch, seq,
 * next_offset, done, watermark. Ordered by the first three. */
void mysql_progress_lock(struct buf *out, const char *job, const struct takeover *takeover);

/* Sets the epoch of all rows of these partitions, and ends the transaction. has_row[partition * lanes + lane] says which rows
 * are there; the others are made: two workers that meet at a fresh partition make the same rows, which only one of them can. */
void mysql_progress_take(struct buf *out, const char *job, const struct takeover *takeover, int64_t epoch, const bool *has_row, int32_t lanes);

/* Forgets how far the job has come: every partition of it is fresh, and no worker of before can write. */
void mysql_progress_reset(struct buf *out, const char *job, bool state);

#endif
