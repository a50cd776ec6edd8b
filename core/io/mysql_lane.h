/* One lane's connection and the transaction on its way there. What became of a transaction is never guessed: where its
 * connection is lost, or COMMIT itself fails, its progress rows are read back before anything is told. */
#ifndef IO_MYSQL_LANE_H
#define IO_MYSQL_LANE_H

#include <event2/event.h>

#include "flow/batch.h"

struct mysql_options; /* io/mysql.h */
struct mysql_lane;

/* Everything is borrowed for as long as the lane lives. The batch is worked in during commit only, so all lanes share one. */
struct mysql_lane *mysql_lane_new(struct event_base *loop, const struct mysql_options *options, const char *job, struct batch *batch);
/* Drops what is on its way. Harmless on NULL. */
void mysql_lane_free(struct mysql_lane *lane);
void mysql_lane_commit(struct mysql_lane *lane, struct tx *tx);
/* Why it cannot see what became of the transaction on its way, NULL when there is no such trouble. */
const char *mysql_lane_problem(const struct mysql_lane *lane);

#endif
