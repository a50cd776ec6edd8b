/* The columns of streamlua_state (sql_tables.c), in the order of its target. */
#ifndef FLOW_SCRIPT_STATE_H
#define FLOW_SCRIPT_STATE_H

enum {
	STATE_JOB,
	STATE_SCRIPT,
	STATE_MAP,
	STATE_KEY,
	STATE_VALUE,
	STATE_TIMERS,
	STATE_DUE,
	STATE_WAKE,
	STATE_VERSION,
	STATE_TOPIC,
	STATE_PARTITION,
	STATE_UPDATED,
	STATE_COLUMNS
};

#endif
