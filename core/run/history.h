/* The last hour of a run, as far as the page shows it: what all workers have counted, every ten seconds, and how much each of the first scripts
 * has read. Counters are kept as they are; whoever shows them takes differences. Its size does not depend on what happens. */
#ifndef RUN_HISTORY_H
#define RUN_HISTORY_H

#include "base/buf.h"
#include "run/status.h"

enum { HISTORY_STEP_S = 10, HISTORY_POINTS_MOST = 3600 / HISTORY_STEP_S + 1, HISTORY_SCRIPTS_MOST = 24 };

struct history;

struct history *history_new(void);
void history_free(struct history *history); /* NULL is harmless */
/* What is counted now. keep: it is a point of the hour, and the one that is older than that goes. */
void history_look(struct history *history, const struct status *status, bool keep);
/* What was looked at last: {"kept":bool,"point":[..],"read":[..],"scripts":["orders",..]}. `point` has the columns of history_json in their order, `read` what each of
 * the scripts has read, null where it is not there. */
void history_now(const struct history *history, struct buf *json);
/* {"step_s":10,"most":361,"columns":["t",..],"commit_ms":[bounds..],"scripts":[..],"points":[{"point":[..],"read":[..]},..]}, oldest first. Columns: t, ms since the epoch; the
 * counters of /status; lag and lag_ms (-1 unknown), memory_bytes, in_flight, held, parked, window; of transactions that had rows their rows (tx_rows), their number (tx),
 * what they took (tx_ms), and how many took between two of the bounds (commit_0 ..). */
void history_json(const struct history *history, struct buf *json);

#endif
