/* How messages are made, for those who make some of a kind of their own. */
#ifndef SIM_HISTORY_PRIVATE_H
#define SIM_HISTORY_PRIVATE_H

#include "sim/history.h"

struct log_message *history_message(struct history *history, struct log *log);
/* Of the log's last message. */
struct record *history_event(struct history *history, struct log *log, enum fate fate);
/* The row as JSON, into history->text. */
void history_put_row(struct history *history, const struct record *record, const struct row *row);
/* What stands there, which is then empty. */
struct slice history_kept_text(struct history *history);
struct slice history_key(struct history *history, int64_t id);

/* sums_history.c */
void sums_history_add(struct history *history, struct log *log, uint32_t parts);
void sums_history_apply(const struct record *record, struct row rows[ROWS_MOST]);

/* timed_history.c */
void timed_history_add(struct history *history, struct log *log, uint32_t parts);
void timed_history_end(struct history *history);

#endif
