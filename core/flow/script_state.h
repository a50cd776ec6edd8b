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

/* What fits an index together with the other columns of the primary key: 3,072 bytes, 4 a character. */
enum { STATE_SCRIPT_CHARACTERS_MOST = 96, STATE_MAP_CHARACTERS_MOST = 160, STATE_KEY_CHARACTERS_MOST = 400 };

#endif
